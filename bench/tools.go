package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// tool is one of the two programs: its command line, and the proof that a run did all of its work.
type tool struct {
	name    string
	command []string
	success int // its exit code where that is not 0
	verify  func(ctx context.Context, stdout []byte) error
}

// dsn is a server as trueup's command line takes it.
func (s *servers) dsn(on instance) string {
	return fmt.Sprintf("%s:%s@tcp(127.0.0.1:%d)/", account, s.password, on.Port())
}

func newTrueup(s settings, on *servers) tool {
	command := []string{s.trueup, "check", "--source", on.dsn(on.source), "--replica", on.dsn(on.replica),
		"--databases", database, "--format", "json", "--progress", "never"}
	return tool{
		name: "trueup check", command: append(command, s.args...),
		verify: func(_ context.Context, stdout []byte) error { return verifyTrueup(stdout, s.rows) },
	}
}

func verifyTrueup(stdout []byte, rows int64) error {
	var result struct {
		Verdict string
		Tables  []struct {
			Table, Verdict   string
			Rows             int64
			ChunksUnverified int64 `json:"chunks_unverified"`
			Replicas         []struct {
				Verdict string
				Rows    int64
			}
		}
	}
	if err := json.Unmarshal(stdout, &result); err != nil {
		return fmt.Errorf("its JSON: %w", err)
	}
	for _, checked := range result.Tables {
		if checked.Table != table {
			continue
		}
		whole := checked.Verdict == "equal" && checked.Rows == rows && checked.ChunksUnverified == 0 &&
			len(checked.Replicas) == 1 && checked.Replicas[0].Verdict == "equal" && checked.Replicas[0].Rows == rows
		if result.Verdict == "equal" && whole {
			return nil
		}
	}
	return fmt.Errorf("it did not verify all %d rows of %s on the replica: %.600s", rows, table, stdout)
}

// newChecksum is pt-table-checksum as its users run it. It writes its checksums on the source by statements that the
// replica repeats; the replica's own are compared with the source's in its table percona.checksums.
func newChecksum(s settings, on *servers) tool {
	return tool{
		name: "pt-table-checksum",
		command: []string{"pt-table-checksum",
			fmt.Sprintf("h=127.0.0.1,P=%d,u=%s,p=%s", on.source.Port(), account, on.password),
			"--databases", database, "--no-check-binlog-format", "--no-check-replication-filters",
			"--recursion-method=hosts", "--no-version-check"},
		verify: func(ctx context.Context, stdout []byte) error { return verifyChecksum(ctx, stdout, s.rows, on) },
	}
}

// verifyChecksum asks the replica: every row was counted and summed there, alike, in this run. The checksums are removed so
// that the next run is judged by its own.
func verifyChecksum(ctx context.Context, stdout []byte, rows int64, on *servers) error {
	if !bytes.Contains(stdout, []byte(database+"."+table)) {
		return fmt.Errorf("it did not report %s: %s", table, stdout)
	}
	if err := on.waitCaughtUp(ctx); err != nil {
		return err
	}
	records, err := ask(ctx, on.endpoint(on.replica), fmt.Sprintf(
		"SELECT SUM(this_cnt) AS counted, SUM(master_cnt) AS expected, SUM(NOT (this_crc <=> master_crc)) AS unlike FROM percona.checksums WHERE db='%s' AND tbl='%s'",
		database, table))
	if err != nil {
		return err
	}
	counted, expected, unlike := records[0].Text("counted"), records[0].Text("expected"), records[0].Text("unlike")
	if all := strconv.FormatInt(rows, 10); counted != all || expected != all || unlike != "0" {
		return fmt.Errorf("the replica compared %q of %q rows, %q chunks unlike, instead of %s rows: %s", counted, expected, unlike, all, strings.TrimSpace(string(stdout)))
	}
	if err := execute(ctx, on.endpoint(on.source), "DELETE FROM percona.checksums"); err != nil {
		return err
	}
	return on.waitCaughtUp(ctx)
}
