package integration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	repl "trueup/replication"
	"trueup/replication/binlog"
	"trueup/server"
)

// summary is what a transaction did, in one line: statements, the text beside rows in brackets, changes with their keys.
func summary(found *binlog.Transaction) string {
	var parts []string
	for _, statement := range found.Statements {
		if statement.Annotation {
			parts = append(parts, "["+statement.Text+"]")
		} else {
			parts = append(parts, strings.TrimSpace(statement.Database+" "+statement.Text))
		}
	}
	for _, change := range found.Changes {
		parts = append(parts, fmt.Sprintf("%s %s.%s %s>%s", change.Kind, change.Table.Database, change.Table.Name, inImage(change.Before), inImage(change.After)))
	}
	for _, flag := range []struct {
		is   bool
		name string
	}{{found.DDL, "DDL"}, {found.XID, "XID"}, {found.XA != "", "XA " + found.XA}, {found.Compressed, "compressed"}, {found.Truncated, "truncated"}} {
		if flag.is {
			parts = append(parts, flag.name)
		}
	}
	return strings.Join(parts, "; ")
}

func inImage(fields []binlog.Field) string {
	var values []string
	for _, field := range fields {
		switch value := field.Value.(type) {
		case []byte:
			values = append(values, string(value))
		case nil:
			values = append(values, map[bool]string{true: "NULL", false: "-"}[field.Present])
		default:
			values = append(values, fmt.Sprint(value))
		}
	}
	return "(" + strings.Join(values, ",") + ")"
}

func summaries(found []*binlog.Transaction) []string {
	var lines []string
	for _, transaction := range found {
		lines = append(lines, summary(transaction))
	}
	return lines
}

// TestTransactionsOfALog: what was executed is read as the transactions that it was, one after the other without a gap, at the places and with the GTIDs that the
// server says, over the end of a file; and from the middle of the log as from its beginning.
func TestTransactionsOfALog(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, gtid := range []bool{false, true} {
			t.Run(fmt.Sprintf("gtid=%v", gtid), func(t *testing.T) { testTransactions(t, on, gtid) })
		}
	})
}

func testTransactions(t *testing.T, on ServerRow, gtid bool) {
	tp := NewTopology(t, Options{GTID: gtid, Replicas: 1})
	n := tp.Source
	from := n.position(t)
	n.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=InnoDB", "CREATE TABLE app.m (id INT PRIMARY KEY) ENGINE=MyISAM")
	n.Exec(t, "BEGIN", "INSERT INTO app.t VALUES (1,'a'),(2,NULL),(3,'c')", "UPDATE app.t SET v='x' WHERE id<>3", "DELETE FROM app.t WHERE id=3", "COMMIT")
	n.Exec(t, "INSERT INTO app.m VALUES (7)")
	n.flushLogs(t)
	n.Exec(t, "INSERT INTO app.t VALUES (4,'d')")
	n.Exec(t, "USE app", "SET binlog_format='STATEMENT'", "INSERT INTO t VALUES (5,'e')", "UPDATE app.t SET v=RAND(3) WHERE id=5")
	n.Exec(t, "BEGIN", "INSERT INTO app.t VALUES (6,'f')", "SAVEPOINT s", "INSERT INTO app.t VALUES (7,'g')", "ROLLBACK TO s", "COMMIT")
	n.Exec(t, "XA START 'xa','b',3", "INSERT INTO app.t VALUES (8,'h')", "XA END 'xa','b',3", "XA PREPARE 'xa','b',3", "XA COMMIT 'xa','b',3")
	opened := openServer(t, n)
	read := readLog(t, opened, from, binlog.Limits{})
	want := []string{"app CREATE DATABASE app; DDL", "CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=InnoDB; DDL", "CREATE TABLE app.m (id INT PRIMARY KEY) ENGINE=MyISAM; DDL",
		"[INSERT INTO app.t VALUES (1,'a'),(2,NULL),(3,'c')]; [UPDATE app.t SET v='x' WHERE id<>3]; [DELETE FROM app.t WHERE id=3]; insert app.t ()>(1,a); insert app.t ()>(2,NULL); insert app.t ()>(3,c); " +
			"update app.t (1,a)>(1,x); update app.t (2,NULL)>(2,x); delete app.t (3,c)>(); XID",
		"[INSERT INTO app.m VALUES (7)]; insert app.m ()>(7)", "[INSERT INTO app.t VALUES (4,'d')]; insert app.t ()>(4,d); XID",
		"app INSERT INTO t VALUES (5,'e'); XID", "app UPDATE app.t SET v=RAND(3) WHERE id=5; XID", "app INSERT INTO app.t VALUES (6,'f'); app SAVEPOINT `s`; XID",
		"app INSERT INTO app.t VALUES (8,'h'); XA X'7861',X'62',3", "app XA COMMIT X'7861',X'62',3; XA X'7861',X'62',3"}
	if on.Flavor == server.MySQL { // annotates only where it is told to
		for i := range want {
			want[i] = annotations.ReplaceAllString(want[i], "")
		}
	}
	if on.Flavor == server.MySQL && !on.IsMySQL(5, 7, 7) { // logged a transaction of XA as any other, when it was committed
		want = append(want[:9], "app INSERT INTO app.t VALUES (8,'h')")
	}
	if got := summaries(read); !slices.Equal(got, want) {
		t.Fatalf("read:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	requireNotes(t, read[3], on)
	requirePlaces(t, n, read, gtid)
	for i, transaction := range read {
		requireFirst(t, opened, transaction.StartPosition(), transaction)
		if i > 0 { // also over the end of a file
			requireFirst(t, opened, read[i-1].EndPosition(), transaction)
		}
	}
	end := read[len(read)-1].EndPosition()
	if more := readLog(t, opened, end, binlog.Limits{}); len(more) > 0 {
		t.Errorf("behind the end: %v", summaries(more))
	}
	n.Exec(t, "INSERT INTO app.m VALUES (8)")
	if more := readLog(t, opened, end, binlog.Limits{}); len(more) != 1 || more[0].StartPosition() != end {
		t.Errorf("written since: %v", summaries(more))
	}
}

// createdFromQuery is what servers make of a CREATE TABLE … SELECT.
var createdFromQuery = regexp.MustCompile("(?s)CREATE TABLE `app`.`c` \\(.*?; ")

var annotations = regexp.MustCompile(`\[[^\]]*\]; `)

// requireNotes: each change says which statement it comes from, where that was logged.
func requireNotes(t *testing.T, transaction *binlog.Transaction, on ServerRow) {
	t.Helper()
	for i, want := range []int{0, 0, 0, 1, 1, 2} {
		if on.Flavor == server.MySQL {
			want = -1
		}
		change := transaction.Changes[i]
		if change.Statement != want || change.End <= transaction.Start || change.End >= transaction.End {
			t.Errorf("change %d: statement %d, want %d; ends at %d of %d to %d", i, change.Statement, want, change.End, transaction.Start, transaction.End)
		}
	}
}

// requirePlaces holds the transactions' places against what the server says of its log: each begins where an event does, and where the one before
// it ended; the last ends where the log does. With GTIDs they are numbered one by one and all of them executed.
func requirePlaces(t *testing.T, n *Node, read []*binlog.Transaction, gtid bool) {
	t.Helper()
	begins := map[string]bool{}
	for _, file := range []string{read[0].File, read[len(read)-1].File} {
		for _, event := range n.Query(t, "SHOW BINLOG EVENTS IN '"+file+"'") {
			begins[file+":"+event[1]] = true
		}
	}
	for i, transaction := range read {
		if !begins[transaction.StartPosition().String()] {
			t.Errorf("no event begins at %s: %s", transaction.StartPosition(), summary(transaction))
		}
		if i > 0 && read[i-1].File == transaction.File && read[i-1].End != transaction.Start {
			t.Errorf("%s ends at %d, the next begins at %d", summary(read[i-1]), read[i-1].End, transaction.Start)
		}
		if size := transaction.End - transaction.Start; transaction.Size != int64(size) {
			t.Errorf("%s has %d bytes from %d to %d", summary(transaction), transaction.Size, transaction.Start, transaction.End)
		}
		if age := time.Since(transaction.At); age < -time.Minute || age > 10*time.Minute {
			t.Errorf("%s was executed at %s", summary(transaction), transaction.At)
		}
		if fmt.Sprint(transaction.ServerID) != n.Value(t, "SELECT @@server_id") {
			t.Errorf("%s comes from server %d", summary(transaction), transaction.ServerID)
		}
		if want := wantedGTID(t, n, i+1, gtid); transaction.GTID != want {
			t.Errorf("%s has the GTID %q, want %q", summary(transaction), transaction.GTID, want)
		}
	}
	if end := read[len(read)-1].EndPosition(); end != n.position(t) {
		t.Errorf("the last ends at %s, the log at %s", end, n.position(t))
	}
}

func wantedGTID(t *testing.T, n *Node, number int, gtid bool) string {
	switch {
	case n.Row.Flavor == server.MariaDB:
		return fmt.Sprintf("0-%s-%d", n.Value(t, "SELECT @@server_id"), number)
	case gtid:
		return fmt.Sprintf("%s:%d", n.Value(t, "SELECT @@server_uuid"), number)
	default:
		return ""
	}
}

// requireFirst reads the log from a place; the first transaction has to be the given one.
func requireFirst(t *testing.T, on *server.Server, from repl.Position, want *binlog.Transaction) {
	t.Helper()
	var first *binlog.Transaction
	err := binlog.ReadFrom(t.Context(), on, from, binlog.Limits{}, func(found *binlog.Transaction) (bool, error) {
		first = found
		return false, nil
	})
	if err != nil || first.GTID != want.GTID || first.StartPosition() != want.StartPosition() || first.EndPosition() != want.EndPosition() || summary(first) != summary(want) {
		t.Errorf("from %s: %+v, %v", from, first, err)
	}
}

// TestLogOfManyFiles: files with and without checksums are read one after the other, from each of them on.
func TestLogOfManyFiles(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		n := tp.Source
		from := n.position(t)
		n.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v TEXT) ENGINE=InnoDB")
		for i := range 6 {
			n.Exec(t, fmt.Sprintf("INSERT INTO app.t VALUES (%d, '%s')", i, strings.Repeat("x", i)), fmt.Sprintf("UPDATE app.t SET v='' WHERE id=%d", i),
				"SET GLOBAL binlog_checksum="+[]string{"NONE", "CRC32"}[i%2], "FLUSH BINARY LOGS")
		}
		opened := openServer(t, n)
		read := readLog(t, opened, from, binlog.Limits{})
		files := map[string]bool{}
		for i, transaction := range read {
			files[transaction.File] = true
			requireFirst(t, opened, transaction.StartPosition(), transaction)
			if i > 0 {
				requireFirst(t, opened, read[i-1].EndPosition(), transaction)
			}
		}
		if len(read) != 13 || len(files) != 6 { // an UPDATE of '' to '' is none
			t.Errorf("%d transactions in %d files: %v", len(read), len(files), summaries(read))
		}
	})
}

// TestOddTransactions: compressed, cut short, logged in part, annotated, larger than a packet.
func TestOddTransactions(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		arguments := []string{"--max-allowed-packet=64M", "--secure-file-priv="}
		if !on.IsMySQL(8, 0, 0) {
			arguments = append(arguments, "--innodb-log-file-size=256M")
		}
		tp := NewTopology(t, Options{GTID: true, Replicas: -1, SourceArgs: arguments})
		n := tp.Source
		settings := "SET sql_mode='', binlog_format='ROW', binlog_row_image='FULL'"
		if on.IsMySQL(8, 0, 20) {
			settings += ", binlog_transaction_compression=OFF, binlog_rows_query_log_events=OFF, binlog_row_value_options=''"
		}
		n.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, u INT UNSIGNED, v LONGTEXT, UNIQUE (u)) ENGINE=InnoDB", "CREATE TABLE app.m (id INT) ENGINE=MyISAM")
		opened, file := openServer(t, n), n.Value(t, "SELECT @@datadir")+"written.txt"
		for _, odd := range oddTransactions {
			if reason := odd.needs.Lacking(on); reason != "" || odd.on != server.UnknownFlavor && odd.on != on.Flavor {
				continue
			}
			from := n.position(t)
			statements, want := slices.Clone(odd.statements), slices.Clone(odd.want)
			for i := range statements {
				statements[i] = strings.ReplaceAll(statements[i], "FILE'", file+"'")
			}
			n.Exec(t, append([]string{settings}, statements...)...)
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], "FILE'", file+"'")
				if on.Flavor == server.MySQL && !slices.Contains(odd.statements, "SET binlog_rows_query_log_events=ON") {
					want[i] = annotations.ReplaceAllString(want[i], "")
				}
				sign := "-294967296" // the log does not tell
				if on.IsMySQL(8, 0, 1) {
					sign = "4000000000"
				}
				want[i] = strings.ReplaceAll(want[i], "UNSIGNED", sign)
			}
			read := readLog(t, opened, from, odd.limits)
			got := summaries(read)
			for i := range got {
				got[i] = createdFromQuery.ReplaceAllString(got[i], "CREATE TABLE; ")
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s:\n%.2000s\nwant:\n%.2000s", odd.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			} else if last := read[len(read)-1]; last.EndPosition() != n.position(t) || odd.more != nil && !odd.more(last) {
				t.Errorf("%s: %s to %s, %d rows, %s", odd.name, last.StartPosition(), last.EndPosition(), last.Rows, last.GTID)
			}
		}
	})
}

// oddTransaction is what is executed and how it has to be read.
type oddTransaction struct {
	name       string
	on         server.Flavor
	needs      Needs
	statements []string
	limits     binlog.Limits
	want       []string
	more       func(*binlog.Transaction) bool
}

var oddTransactions = []oddTransaction{
	{name: "compressed", on: server.MySQL, needs: Needs{MinMySQL: server.Version{Major: 8, Patch: 20}}, statements: []string{"SET binlog_transaction_compression=ON", "SET binlog_rows_query_log_events=ON", "INSERT INTO app.t VALUES (1,1,REPEAT('a',10))",
		"BEGIN", "UPDATE app.t SET v='b'", "DELETE FROM app.t", "COMMIT"},
		want: []string{"[INSERT INTO app.t VALUES (1,1,REPEAT('a',10))]; insert app.t ()>(1,1,aaaaaaaaaa); XID; compressed", "[UPDATE app.t SET v='b']; [DELETE FROM app.t]; update app.t (1,1,aaaaaaaaaa)>(1,1,b); delete app.t (1,1,b)>(); XID; compressed"}},
	{name: "compressed", on: server.MariaDB, statements: []string{"SET GLOBAL log_bin_compress_min_len=10", "SET GLOBAL log_bin_compress=ON", "INSERT INTO app.t VALUES (1,1,REPEAT('a',100))", "SET binlog_format='STATEMENT'",
		"DELETE FROM app.t WHERE v = 'a value that is long enough to be worth while the while the while' OR 1", "SET GLOBAL log_bin_compress=OFF"},
		want: []string{"[INSERT INTO app.t VALUES (1,1,REPEAT('a',100))]; insert app.t ()>(1,1," + strings.Repeat("a", 100) + "); XID; compressed",
			"DELETE FROM app.t WHERE v = 'a value that is long enough to be worth while the while the while' OR 1; XID; compressed"}},
	{name: "limited rows", statements: []string{"INSERT INTO app.t (id) VALUES (1),(2),(3)", "DELETE FROM app.t"}, limits: binlog.Limits{Rows: 2},
		want: []string{"[INSERT INTO app.t (id) VALUES (1),(2),(3)]; insert app.t ()>(1,NULL,NULL); insert app.t ()>(2,NULL,NULL); XID; truncated", "[DELETE FROM app.t]; delete app.t (1,NULL,NULL)>(); delete app.t (2,NULL,NULL)>(); XID; truncated"},
		more: func(last *binlog.Transaction) bool { return last.Rows == 3 }},
	{name: "limited bytes", statements: []string{"INSERT INTO app.t (id, v) VALUES (1,REPEAT('x',1000)),(2,'y')", "DELETE FROM app.t"}, limits: binlog.Limits{Bytes: 100},
		want: []string{"[INSERT INTO app.t (id, v) VALUES (1,REPEAT('x',1000)),(2,'y')]; insert app.t ()>(1,NULL," + strings.Repeat("x", 1000) + "); XID; truncated", "[DELETE FROM app.t]; delete app.t (1,NULL," + strings.Repeat("x", 1000) + ")>(); XID; truncated"},
		more: func(last *binlog.Transaction) bool { return last.Rows == 2 }},
	{name: "minimal images", statements: []string{"SET binlog_row_image='MINIMAL'", "INSERT INTO app.t (id, v) VALUES (1,'a')", "UPDATE app.t SET u=4000000000", "DELETE FROM app.t"},
		want: []string{"[INSERT INTO app.t (id, v) VALUES (1,'a')]; insert app.t ()>(1,-,a); XID", "[UPDATE app.t SET u=4000000000]; update app.t (1,-,-)>(-,UNSIGNED,-); XID", "[DELETE FROM app.t]; delete app.t (1,-,-)>(); XID"}},
	{name: "named columns", needs: Needs{MinMySQL: server.Version{Major: 8, Patch: 1}}, statements: []string{"SET GLOBAL binlog_row_metadata='FULL'", "INSERT INTO app.t VALUES (1,4000000000,'a')", "DELETE FROM app.t", "SET GLOBAL binlog_row_metadata=DEFAULT"},
		want: []string{"[INSERT INTO app.t VALUES (1,4000000000,'a')]; insert app.t ()>(1,4000000000,a); XID", "[DELETE FROM app.t]; delete app.t (1,4000000000,a)>(); XID"},
		more: func(last *binlog.Transaction) bool {
			columns := last.Changes[0].Table.Columns
			return columns[0].Name == "id" && columns[1].Name == "u" && columns[2].Name == "v" && columns[1].Unsigned && columns[1].SignKnown && columns[0].SignKnown && !columns[0].Unsigned && columns[2].Nullable && !columns[0].Nullable
		}},
	{name: "part of a document", on: server.MySQL, needs: Needs{MinMySQL: server.Version{Major: 8, Patch: 3}}, statements: []string{"CREATE TABLE app.j (id INT PRIMARY KEY, a JSON, b JSON, c INT)", "SET binlog_row_value_options='PARTIAL_JSON'",
		`INSERT INTO app.j VALUES (1,'{"k": "long enough", "n": [1, 2, 3]}','[1]',5)`, "UPDATE app.j SET a=JSON_SET(a,'$.k','short'), c=6", "UPDATE app.j SET b='[2]'"},
		want: []string{"CREATE TABLE app.j (id INT PRIMARY KEY, a JSON, b JSON, c INT); DDL", `insert app.j ()>(1,{"k": "long enough", "n": [1, 2, 3]},[1],5); XID`,
			`update app.j (1,{"k": "long enough", "n": [1, 2, 3]},[1],5)>(1,-,[1],6); XID`, `update app.j (1,{"k": "short", "n": [1, 2, 3]},[1],6)>(1,{"k": "short", "n": [1, 2, 3]},[2],6); XID`}},
	{name: "a tagged GTID", on: server.MySQL, needs: Needs{MinMySQL: server.Version{Major: 8, Minor: 3}}, statements: []string{"SET GTID_NEXT='AUTOMATIC:mine'", "INSERT INTO app.t (id) VALUES (1)", "DELETE FROM app.t", "SET GTID_NEXT='AUTOMATIC'"},
		want: []string{"insert app.t ()>(1,NULL,NULL); XID", "delete app.t (1,NULL,NULL)>(); XID"}, more: func(last *binlog.Transaction) bool {
			return strings.HasSuffix(last.GTID, ":mine:2") && len(last.GTID) == 36+7
		}},
	{name: "numbers and variables", statements: []string{"CREATE TABLE app.a (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20)) ENGINE=InnoDB", "SET binlog_format='STATEMENT', @v='x'", "INSERT INTO app.a (v) VALUES (@v), (RAND())", "CREATE TEMPORARY TABLE app.temporary (id INT)", "DROP TEMPORARY TABLE app.temporary"},
		want: []string{"CREATE TABLE app.a (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20)) ENGINE=InnoDB; DDL", "INSERT INTO app.a (v) VALUES (@v), (RAND()); XID",
			"CREATE TEMPORARY TABLE app.temporary (id INT); DDL", "DROP TEMPORARY TABLE `app`.`temporary` /* generated by server */; DDL"}},
	{name: "a file in statement format", statements: []string{"SELECT 7, 'seven' INTO OUTFILE 'FILE'", "CREATE TABLE app.l (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=InnoDB", "SET binlog_format='STATEMENT'", "LOAD DATA INFILE 'FILE' INTO TABLE app.l"},
		want: []string{"CREATE TABLE app.l (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=InnoDB; DDL", "LOAD DATA INFILE 'FILE' INTO TABLE `app`.`l` FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (`id`, `v`); XID"}},
	{name: "parts", statements: []string{"CREATE TABLE app.p (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3", "INSERT INTO app.p VALUES (1),(2)", "UPDATE app.p SET id=5 WHERE id=1"},
		want: []string{"CREATE TABLE app.p (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3; DDL", "[INSERT INTO app.p VALUES (1),(2)]; insert app.p ()>(1); insert app.p ()>(2); XID", "[UPDATE app.p SET id=5 WHERE id=1]; update app.p (1)>(5); XID"}},
	{name: "many columns", statements: []string{"CREATE TABLE app.w (a INT PRIMARY KEY, b INT, c INT, d INT, e INT, f INT, g INT, h INT, i INT, j INT, k INT, l INT, m INT, n INT, o INT, p INT, q INT)", "SET binlog_row_image='MINIMAL'",
		"INSERT INTO app.w (a, h, i, q) VALUES (1, 2, NULL, 3)", "UPDATE app.w SET h=NULL, p=9", "SET binlog_row_image='FULL'", "DELETE FROM app.w"},
		want: []string{"CREATE TABLE app.w (a INT PRIMARY KEY, b INT, c INT, d INT, e INT, f INT, g INT, h INT, i INT, j INT, k INT, l INT, m INT, n INT, o INT, p INT, q INT); DDL",
			"[INSERT INTO app.w (a, h, i, q) VALUES (1, 2, NULL, 3)]; insert app.w ()>(1,-,-,-,-,-,-,2,NULL,-,-,-,-,-,-,-,3); XID", "[UPDATE app.w SET h=NULL, p=9]; update app.w (1,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-)>(-,-,-,-,-,-,-,NULL,-,-,-,-,-,-,-,9,-); XID",
			"[DELETE FROM app.w]; delete app.w (1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,9,3)>(); XID"}},
	{name: "a table from a query", needs: Needs{MinMySQL: server.Version{Major: 8, Patch: 21}}, statements: []string{"CREATE TABLE app.c (id INT PRIMARY KEY) ENGINE=InnoDB SELECT 1 AS id"},
		want: []string{"CREATE TABLE; [CREATE TABLE app.c (id INT PRIMARY KEY) ENGINE=InnoDB SELECT 1 AS id]; insert app.c ()>(1); DDL; XID"}},
	{name: "rolled back in part", statements: []string{"BEGIN", "INSERT INTO app.m VALUES (1)", "INSERT INTO app.t (id) VALUES (1)", "ROLLBACK"},
		want: []string{"[INSERT INTO app.m VALUES (1)]; insert app.m ()>(1)"}},
	{name: "larger than a packet", statements: []string{"INSERT INTO app.t (id, v) VALUES (1,REPEAT('x',20000000))", "DELETE FROM app.t"}, limits: binlog.Limits{Bytes: 1 << 30},
		want: []string{"[INSERT INTO app.t (id, v) VALUES (1,REPEAT('x',20000000))]; insert app.t ()>(1,NULL," + strings.Repeat("x", 20000000) + "); XID", "[DELETE FROM app.t]; delete app.t (1,NULL," + strings.Repeat("x", 20000000) + ")>(); XID"}},
	{name: "several tables", statements: []string{"CREATE TABLE app.u LIKE app.t", "BEGIN", "INSERT INTO app.t (id) VALUES (1)", "INSERT INTO app.u SELECT * FROM app.t", "DELETE FROM app.t", "DELETE FROM app.u", "COMMIT"},
		want: []string{"CREATE TABLE app.u LIKE app.t; DDL", "[INSERT INTO app.t (id) VALUES (1)]; [INSERT INTO app.u SELECT * FROM app.t]; [DELETE FROM app.t]; [DELETE FROM app.u]; insert app.t ()>(1,NULL,NULL); insert app.u ()>(1,NULL,NULL); " +
			"delete app.t (1,NULL,NULL)>(); delete app.u (1,NULL,NULL)>(); XID"}},
}
