package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trueup/report"
)

// measuredCheck is a check by the built program, and the memory it took at its peak.
type measuredCheck struct {
	report.Check
	peakBytes int64
	file      string // of --differences-file
}

func measureCheck(t *testing.T, program string, tp *Topology, table string) measuredCheck {
	t.Helper()
	found := filepath.Join(t.TempDir(), "found.jsonl")
	command := exec.Command(program, "check", "--source", "checker@tcp("+tp.Source.Address()+")/", "--replica", "checker@tcp("+tp.Replica(0).Address()+")/",
		"--tables", table, "--format", "json", "--differences-file", found, "--workers", "2")
	command.Env = append(os.Environ(), "TRUEUP_PASSWORD="+checkerPassword)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	measured := measuredCheck{file: found}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case err := <-ended:
			running = false
			if jsonErr := json.Unmarshal(stdout.Bytes(), &measured.Check); jsonErr != nil {
				t.Fatalf("%v, %v: %s", err, jsonErr, stderr.String())
			}
		case <-ticker.C:
			measured.peakBytes = max(measured.peakBytes, peakOf(command.Process.Pid))
		}
	}
	return measured
}

// peakOf is the most memory that a process has had so far, 0 when it is gone. What the system says of a child after its
// end will not do: it begins with what the parent had.
func peakOf(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscan(after, &kilobytes); err != nil {
		return 0
	}
	return kilobytes << 10
}

// fileEnd is the last line of the file of differences, and how many there are.
func (m measuredCheck) fileEnd(t *testing.T) (last string, lines int) {
	t.Helper()
	file, err := os.Open(m.file)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		last, lines = scanner.Text(), lines+1
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return last, lines
}

// TestMemoryIsFlat: whatever a replica has lost or gained, and in whatever table, a check takes no more memory than a
// small part of the table, and every row that differs is found.
func TestMemoryIsFlat(t *testing.T) {
	t.Parallel()
	program := filepath.Join(buildTrueup(t), "trueup")
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.CreateUser(t, "checker", "ALL ON *.*")
	const fills = 10
	rows := times(200_000, 3_300_000)
	columns := "(id INT NOT NULL, pad CHAR(190) CHARACTER SET latin1 NOT NULL)"
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.small (id INT PRIMARY KEY)", "CREATE TABLE app.keyless "+columns, "CREATE TABLE app.keyed "+columns,
		"ALTER TABLE app.keyed ADD PRIMARY KEY (id)", "CREATE TABLE app.grown LIKE app.keyed", "CREATE TABLE app.copies "+columns,
		"ALTER TABLE app.keyless ADD KEY (id)")
	for done := 0; done < rows; done += rows / fills {
		numbers := tp.Numbers(rows / fills)
		tp.Source.Exec(t, fmt.Sprintf("INSERT INTO app.keyless SELECT %d + seq, MD5(seq) FROM %s", done, numbers),
			fmt.Sprintf("INSERT INTO app.keyed SELECT %d + seq, MD5(seq) FROM %s", done, numbers),
			fmt.Sprintf("INSERT INTO app.copies SELECT 1, 'the same' FROM %s", numbers))
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, fmt.Sprintf("INSERT INTO app.grown SELECT * FROM app.keyed WHERE id > %d", done),
			fmt.Sprintf("UPDATE app.keyless SET pad = CONCAT(pad, '.') WHERE id > %d", done))
	}
	tp.Damage(t, 0, "TRUNCATE app.keyed", "UPDATE app.copies SET pad = 'another' LIMIT 1000")
	base := measureCheck(t, program, tp, "app.small").peakBytes
	tableBytes := int64(rows) * 194
	limit := base + max(tableBytes/10, 40<<20)
	t.Logf("a table of %d MB, %d MB for a small one, limit %d MB", tableBytes>>20, base>>20, limit>>20)
	for table, want := range map[string]report.TableReplica{
		"keyless": {Missing: int64(rows), Extra: int64(rows)}, "keyed": {Missing: int64(rows)}, "grown": {Extra: int64(rows)}, "copies": {Missing: 1000, Extra: 1000},
	} {
		t.Run(table, func(t *testing.T) {
			got := measureCheck(t, program, tp, "app."+table)
			on := got.Tables[0].Replicas[0]
			if on.Missing != want.Missing || on.Extra != want.Extra || on.Changed != 0 {
				t.Errorf("%+v, want %+v", on, want)
			}
			last, lines := got.fileEnd(t)
			wantLines := want.Missing + want.Extra + 2
			if table == "copies" {
				wantLines = 2 + 2 // equal rows are one line
			}
			if int64(lines) != wantLines || !strings.Contains(last, fmt.Sprintf(`"rows":%d,"complete":true`, want.Missing+want.Extra)) {
				t.Errorf("%d lines, want %d; the last: %s", lines, wantLines, last)
			}
			if len(got.DifferentRanges) != 1 {
				t.Errorf("%d ranges, though all differs", len(got.DifferentRanges))
			}
			t.Logf("peak %d MB", got.peakBytes>>20)
			if got.peakBytes > limit {
				t.Errorf("the check took %d MB, want at most %d", got.peakBytes>>20, limit>>20)
			}
		})
	}
}

// TestMemoryWithLargeValues: values of 64 MB (17 MB in the short test: more than one packet of the protocol) are
// compared, and shown in part, without holding more than a few of them.
func TestMemoryWithLargeValues(t *testing.T) {
	t.Parallel()
	program := filepath.Join(buildTrueup(t), "trueup")
	packets := []string{"--max-allowed-packet=256M", "--slave-max-allowed-packet=256M", "--innodb-log-file-size=1G"}
	tp := NewTopology(t, Options{SourceArgs: packets, ReplicaArgs: packets})
	tp.Source.CreateUser(t, "checker", "ALL ON *.*")
	size := int64(times(17<<20, 64<<20))
	const rows = 12
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.small (id INT PRIMARY KEY)", "CREATE TABLE app.large (id INT PRIMARY KEY, v LONGBLOB)")
	for id := range rows {
		tp.Source.Exec(t, fmt.Sprintf("INSERT INTO app.large SELECT %d, REPEAT(CHAR(%d), %d)", id, id, size))
	}
	tp.WaitCaughtUp(t)
	base := measureCheck(t, program, tp, "app.small").peakBytes
	equal := measureCheck(t, program, tp, "app.large")
	tp.Damage(t, 0, fmt.Sprintf("UPDATE app.large SET v = INSERT(v, %d, 1, 'x') WHERE id IN (3, 7)", size/2), "DELETE FROM app.large WHERE id = 9")
	different := measureCheck(t, program, tp, "app.large")
	if equal.Verdict != "equal" || equal.Tables[0].Rows != rows || equal.Tables[0].Bytes < rows*size {
		t.Errorf("equal: %+v", equal.Summary)
	}
	on := different.Tables[0].Replicas[0]
	if on.Missing != 1 || on.Changed != 2 || on.Extra != 0 {
		t.Errorf("different: %+v", on)
	}
	for _, d := range different.Differences {
		shown := d.Columns[len(d.Columns)-1].SourceValue
		if shown.Bytes != size || len(*shown.Value) > 4096 || d.Kind == "changed" && (shown.Offset > size/2 || shown.Offset < size/2-1024) {
			t.Errorf("%s %v: %d of %d bytes shown from %d", d.Kind, d.Key, len(*shown.Value), shown.Bytes, shown.Offset)
		}
	}
	const few = 12 // two workers on two servers each hold a value as it arrives, and part of it twice while the buffer grows
	t.Logf("values of %d MB: %d MB for a small table, %d MB equal, %d MB different", size>>20, base>>20, equal.peakBytes>>20, different.peakBytes>>20)
	for _, peak := range []int64{equal.peakBytes, different.peakBytes} {
		if peak > base+few*size {
			t.Errorf("the check took %d MB for values of %d MB", peak>>20, size>>20)
		}
	}
}
