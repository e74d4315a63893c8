package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/server"
)

// putBytes makes db.table(k, v, rowno) whose first columns have the given text type and hold exactly the given bytes, valid
// or not: it takes over the tablespace of a table with a binary key. The index keeps the order of the bytes, so
// they must be in the order of the collation.
func putBytes(t testing.TB, n *Node, database, table, columnType, binaryType string, keys, values []string, without int) {
	t.Helper()
	const body = "(k %[1]s NOT NULL PRIMARY KEY, v %[1]s, rowno INT NOT NULL) ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
	var rows []string
	for i, key := range keys {
		if i != without {
			rows = append(rows, fmt.Sprintf("(X'%x', X'%x', %d)", key, values[i], i))
		}
	}
	from, to := fmt.Sprintf("%s.%s_bytes", database, table), database+"."+table
	n.Exec(t, "CREATE TABLE "+from+fmt.Sprintf(body, binaryType), "CREATE TABLE "+to+fmt.Sprintf(body, columnType),
		"INSERT INTO "+from+" VALUES "+strings.Join(rows, ","))
	n.takeTablespace(t, database, table+"_bytes", table)
}

// takeTablespace makes the rows of one InnoDB table those of another whose columns are stored alike, and drops the
// first: the way to values that no statement would store.
func (n *Node) takeTablespace(t testing.TB, database, from, to string) {
	t.Helper()
	conn, err := n.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run := func(statement string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	run(fmt.Sprintf("ALTER TABLE %s.%s DISCARD TABLESPACE", database, to))
	run(fmt.Sprintf("FLUSH TABLES %s.%s FOR EXPORT", database, from))
	path := func(name string) string { return filepath.Join(n.Dir(), "data", database, name+".ibd") }
	space, err := os.ReadFile(path(from))
	if err == nil {
		err = os.WriteFile(path(to), space, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	run("UNLOCK TABLES")
	run(fmt.Sprintf("ALTER TABLE %s.%s IMPORT TABLESPACE", database, to))
	run(fmt.Sprintf("DROP TABLE %s.%s", database, from))
}

// TestInvalidTextIsNeverLost: keys that are no text of their character set bound no range and are read all the
// same, also where there are more of them in a row than a chunk has rows.
func TestInvalidTextIsNeverLost(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{Replicas: -1})
	n := tp.Source
	n.Exec(t, "CREATE DATABASE inv", "CREATE DATABASE inv2")
	var keys []string
	for _, letter := range "abcdefgh" {
		keys = append(keys, string(letter), string(letter)+"\xc3", string(letter)+"\xff", string(letter)+"\xff\xfe")
	}
	keys = append(keys, "x")
	for i := range 40 {
		keys = append(keys, "x\xff"+fmt.Sprintf("%02d", i))
	}
	keys = append(keys, "y", "z")
	wide := []string{"\x00a", "\x00b", "\x00c\xd8\x00", "\x00c\xd8\x00\x00a", "\x00d", "\x00e\xdc\x00", "\x00f"}
	for _, c := range []struct {
		columnType, binaryType string
		keys                   []string
		valid                  func(string) bool
	}{
		{"VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "VARBINARY(80)", keys, utf8.ValidString},
		{"VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "VARBINARY(80)", keys, utf8.ValidString},
		{"VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci", "VARBINARY(60)", keys, utf8.ValidString},
		{"VARCHAR(20) CHARACTER SET utf16 COLLATE utf16_bin", "VARBINARY(80)", wide, func(k string) bool {
			return strings.IndexByte(k, 0xd8) < 0 && strings.IndexByte(k, 0xdc) < 0 && len(k) == 2
		}},
	} {
		name := strings.Fields(c.columnType)[5]
		t.Run(name, func(t *testing.T) {
			changed := slices.Clone(c.keys)
			changed[3] += "\xfe\xfe"
			putBytes(t, n, "inv", name, c.columnType, c.binaryType, c.keys, c.keys, -1)
			putBytes(t, n, "inv2", name, c.columnType, c.binaryType, c.keys, changed, 2)
			on := openServer(t, n)
			catalog := loadSchema(t, on)
			layout := layoutOf(t, catalog, "inv", name)
			session, other := readSession(t, on, true), readSession(t, on, true)
			want := orderedNumbers(t, n, layout)
			if len(want) != len(c.keys) {
				t.Fatalf("%d of %d rows", len(want), len(c.keys))
			}
			for _, rows := range []int{1, 2, 3, 7, 1000} {
				chunks := split(t, readSession(t, on, false), layout, rows)
				checkBounds(t, chunks, rows, c.keys, c.valid)
				checkChunks(t, session, layout, chunks, want)
				source, replica := checksum.NewReader(layout, session), checksum.NewReader(layoutOf(t, catalog, "inv2", name), other)
				var found checksum.Delta
				for _, chunk := range chunks {
					delta, err := checksum.Compare(t.Context(), source, replica, chunk)
					if err != nil {
						t.Fatal(err)
					}
					found.Missing, found.Extra, found.Changed = append(found.Missing, delta.Missing...), append(found.Extra, delta.Extra...), append(found.Changed, delta.Changed...)
				}
				if len(found.Missing) != 1 || len(found.Extra) != 0 || len(found.Changed) != 1 {
					t.Errorf("chunks of %d rows: %+v, want one missing and one changed row", rows, found)
				}
			}
		})
	}
}

// checkBounds wants every bound to be valid text of a row, and invalid ones not to hide them all.
func checkBounds(t *testing.T, chunks []chunker.Chunk, size int, keys []string, valid func(string) bool) {
	t.Helper()
	good := 0
	for _, key := range keys {
		if valid(key) {
			good++
		}
	}
	var bounds []string
	for _, chunk := range chunks[:len(chunks)-1] {
		bound := string(chunk.Upper[0].Argument().([]byte))
		bounds = append(bounds, bound)
		if !valid(bound) || !slices.Contains(keys, bound) {
			t.Errorf("%q is a bound", bound)
		}
	}
	if least := min(good/2, len(keys)/20/size); len(bounds) < least || len(bounds) > good {
		t.Errorf("chunks of %d rows: %d bounds %q of %d valid keys", size, len(bounds), bounds, good)
	}
}

// TestBoundsThatAreTakenForOthersEnd: a server that takes a bound for another value finds it above itself, for ever (as MySQL
// did with CAST(? AS TIME)). A column whose definition is wrong shows it on every server.
func TestBoundsThatAreTakenForOthersEnd(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		n := NewTopology(t, Options{Replicas: -1}).Source
		n.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (k TIME(6) PRIMARY KEY)", "INSERT INTO app.t VALUES ('00:00:00.4'), ('00:00:01.4'), ('00:00:02')")
		on := openServer(t, n)
		layout := layoutOf(t, loadSchema(t, on), "app", "t")
		layout.Key.Columns[0].FractionalDigits = 0
		splitter := chunker.NewSplitter(readSession(t, on, false), "app", "t", layout.Key, chunker.NewSizer(chunker.SizeOptions{Rows: 1}))
		defer splitter.Close()
		var order *chunker.OrderError
		for range 5 {
			if _, err := splitter.Next(t.Context()); errors.As(err, &order) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
		t.Error("the same bound was found again and again, and nothing was said")
	}, Needs{MinMySQL: server.Version{Major: 5, Minor: 6, Patch: 4}})
}
