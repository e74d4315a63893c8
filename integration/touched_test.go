package integration

import (
	"testing"

	trueupreplication "trueup/replication"
	"trueup/server"
)

// TestTouched: what a source's log says of changes of a table between two positions; whatever is not surely of another table counts.
func TestTouched(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE app.other (id INT PRIMARY KEY, v INT)",
			"CREATE TABLE app.not_t (id INT PRIMARY KEY, v INT)")
		opened, err := server.Open(t.Context(), tp.Source.Endpoint())
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		session, err := opened.Session(t.Context(), server.SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		position := func() trueupreplication.Position {
			at, err := trueupreplication.SourcePosition(t.Context(), session)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		for _, c := range []struct {
			name       string
			statements []string
			want       bool
		}{
			{"nothing", nil, false},
			{"another table", []string{"INSERT INTO app.other VALUES (1, 1)", "UPDATE app.other SET v = 2", "DELETE FROM app.other"}, false},
			{"a table whose name ends alike", []string{"INSERT INTO app.not_t VALUES (1, 1)"}, false},
			{"insert", []string{"INSERT INTO app.t VALUES (1, 1)"}, true},
			{"in one transaction with another", []string{"BEGIN", "INSERT INTO app.other VALUES (3, 1)", "UPDATE app.t SET v = 5", "COMMIT"}, true},
			{"rolled back", []string{"BEGIN", "UPDATE app.t SET v = 6", "ROLLBACK"}, false},
			{"DDL", []string{"ALTER TABLE app.other ADD COLUMN w INT"}, true},
			{"a statement", []string{"SET SESSION binlog_format = 'STATEMENT'", "UPDATE app.other SET v = 9", "SET SESSION binlog_format = 'ROW'"}, true},
			{"a new log file", []string{"FLUSH BINARY LOGS"}, true},
		} {
			from := position()
			tp.Source.Exec(t, c.statements...)
			touched, err := trueupreplication.Touched(t.Context(), session, from, position(), "app", "t")
			if err != nil || touched != c.want {
				t.Errorf("%s: touched %v, %v, want %v", c.name, touched, err, c.want)
			}
		}
	})
}
