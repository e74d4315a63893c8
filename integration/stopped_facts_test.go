package integration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trueup/server"
)

// TestSkipLosesInnocentRows: the counter skips the whole event group, and nothing at all where MySQL uses GTIDs: there an empty
// transaction does it. Of the rows 4, 5 and 6 of which only 5 was missing, all are lost.
func TestSkipLosesInnocentRows(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, on ServerRow, tp *Topology) {
		stop := FindStop(t, "1032 one of several rows")
		stop.Provoke(t, tp)
		replica := tp.Replica(0)
		failing := ""
		if on.IsMySQL(8, 0, 0) && tp.options.GTID {
			failing = replica.Value(t, "SELECT APPLYING_TRANSACTION FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER=1032")
		}
		err := replica.exec(t.Context(), "SET GLOBAL sql_slave_skip_counter=1")
		if old := on.Flavor == server.MySQL && tp.options.GTID && failing == ""; old && err != nil && strings.Contains(err.Error(), "1858") {
			return // says so at once
		}
		if err != nil {
			t.Fatal(err)
		}
		replica.StartReplica(t, "SQL_THREAD")
		if on.Flavor == server.MySQL && tp.options.GTID {
			tp.AwaitStopped(t, 0, 1032)
			// On the replica as it stands: the counter has changed nothing.
			replica.Exec(t, "SET GTID_NEXT='"+failing+"'", "BEGIN", "COMMIT", "SET GTID_NEXT='AUTOMATIC'")
			replica.StartReplica(t, "SQL_THREAD")
		}
		tp.WaitCaughtUp(t)
		var rows []string
		for _, row := range replica.Query(t, "SELECT id, v FROM "+stop.Database()+".t WHERE id>3 ORDER BY id") {
			rows = append(rows, strings.Join(row, "="))
		}
		if want := []string{"4=4", "6=6"}; !slices.Equal(rows, want) {
			t.Errorf("after the skip the replica has %q, want %q", rows, want)
		}
	})
}

// TestSkipCounterOfSeveralDomains: MariaDB refuses the counter with 1966 where parallel appliers have several domains: those of which anything
// was executed. Whether that of the other domain was when the first one failed is a matter of luck.
func TestSkipCounterOfSeveralDomains(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true, ParallelThreads: 4})
		FindStop(t, "1062 in one of several domains").Provoke(t, tp)
		replica := tp.Replica(0)
		position := replica.Value(t, "SELECT @@gtid_slave_pos")
		err := replica.exec(t.Context(), "SET GLOBAL sql_slave_skip_counter=1")
		if refused := err != nil && strings.Contains(err.Error(), "1966"); refused != strings.Contains(position, ",") {
			t.Errorf("the counter at %s: %v", position, err)
		}
	}, Needs{Flavor: server.MariaDB})
}

// TestPositionBehindTheFailure: with several domains in parallel MariaDB's position, and the file in the text of its error, may be those of what
// another domain has executed since; gtid_slave_pos tells which domain stands.
func TestPositionBehindTheFailure(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true, ParallelThreads: 4})
		stop := FindStop(t, "1062 in a slow domain")
		stop.Provoke(t, tp)
		status := tp.Replica(0).Status(t)
		file, end := tp.Source.BinlogPosition(t)
		if status["Relay_Master_Log_File"] != file || status["Exec_Master_Log_Pos"] != end {
			t.Errorf("the replica stands at %s:%s, not at the end %s:%s", status["Relay_Master_Log_File"], status["Exec_Master_Log_Pos"], file, end)
		}
		position := tp.Replica(0).Value(t, "SELECT @@gtid_slave_pos")
		t.Logf("gtid_slave_pos %s, %s", position, status["Last_SQL_Error"])
		if position = "," + position; strings.Contains(position, ",1-") || !strings.Contains(position, ",2-") {
			t.Errorf("gtid_slave_pos is %s", position)
		}
	}, Needs{Flavor: server.MariaDB})
}

// TestHalfAppliedTransaction: what a transaction has done to a table without transactions stays when it fails, and with GTIDs
// MySQL passes it at the next start as if it were executed.
func TestHalfAppliedTransaction(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, on ServerRow, tp *Topology) {
		stop := FindStop(t, "1062 without transactions")
		stop.Provoke(t, tp)
		tp.Replica(0).StartReplica(t, "SQL_THREAD")
		if on.Flavor == server.MySQL && tp.options.GTID {
			tp.WaitCaughtUp(t)
		} else {
			tp.AwaitStopped(t, 0, 1062)
		}
		if got := tp.Replica(0).Value(t, "SELECT GROUP_CONCAT(id, '=', v ORDER BY id) FROM "+stop.Database()+".t"); got != "7=7,8=80" {
			t.Errorf("the replica has %s", got)
		}
	})
}

// workersWord is the text in which a worker says what it failed at.
var workersWord = regexp.MustCompile(`end_log_pos ([0-9]+)`)

// TestWhichTransactionFailed: among parallel writers it is the one at the replica's position on MariaDB; on MySQL, whose workers leave the position where
// their last checkpoint was, the one whose end the error names. The counter skips that one and no other all the same.
func TestWhichTransactionFailed(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, options := range []Options{{}, {ParallelThreads: 4}} {
			t.Run(fmt.Sprintf("threads %d", options.ParallelThreads), func(t *testing.T) {
				t.Parallel()
				tp := NewTopology(t, options)
				stop := FindStop(t, "1062 among parallel writers")
				stop.Provoke(t, tp)
				replica := tp.Replica(0)
				status := replica.Status(t)
				if table := failedTable(t, tp, status); !strings.HasSuffix(table, ".t2)") {
					t.Errorf("%s:%s, %s: there the source changed %s", status["Relay_Master_Log_File"], status["Exec_Master_Log_Pos"], status["Last_SQL_Error"], table)
				}
				replica.Exec(t, "SET GLOBAL sql_slave_skip_counter=1")
				replica.StartReplica(t, "SQL_THREAD")
				tp.WaitCaughtUp(t)
				tables := stop.Tables(t, tp)
				lines := strings.Fields(diffLines(DumpTables(t, tp.Source, tables...), DumpTables(t, replica, tables...)))
				if slices.Sort(lines); !slices.Equal(lines, []string{"+1", "-1", "0", "1", "10", "10"}) { // the source's row 10 of value 1, and the replica's of 0
					t.Errorf("after the skip: %q", lines)
				}
			})
		}
	})
}

// failedTable is the table of the first event of rows in the transaction that failed, as the source's log has it.
func failedTable(t *testing.T, tp *Topology, status map[string]string) string {
	t.Helper()
	events := tp.Source.Query(t, fmt.Sprintf("SHOW BINLOG EVENTS IN '%s' FROM %s", status["Relay_Master_Log_File"], status["Exec_Master_Log_Pos"]))
	end := ""
	if tp.Source.Row.Flavor == server.MySQL {
		text := status["Last_SQL_Error"]
		if tp.Source.Row.IsMySQL(8, 0, 0) { // which names the last worker that failed: some only had to wait for the first one's commit
			text = tp.Replica(0).Value(t, "SELECT LAST_ERROR_MESSAGE FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER = 1062")
		}
		end = workersWord.FindStringSubmatch(text)[1]
	}
	table := ""
	for _, event := range events {
		if event[2] == "Table_map" {
			table = event[5]
		}
		if strings.HasPrefix(event[2], "Write_rows") && (end == "" || event[4] == end) {
			return table
		}
	}
	return fmt.Sprintf("nothing in %d events", len(events))
}
