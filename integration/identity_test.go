package integration

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/schema"
	"trueup/server"
)

// TestTableIdentities: what makes another table of a name has another identity, what does not has the same; with the right to see
// the engine's numbers and, more coarsely, without.
func TestTableIdentities(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		node := tp.Source
		node.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.a (id INT PRIMARY KEY)", "CREATE TABLE app.b (id INT PRIMARY KEY)", "CREATE TABLE app.aXb (id INT PRIMARY KEY)", "CREATE TABLE app.a_b (id INT PRIMARY KEY)",
			"CREATE TABLE app.`odd-näme` (id INT PRIMARY KEY)", "CREATE TABLE app.spare (id INT PRIMARY KEY)",
			"CREATE TABLE app.p (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)")
		fine := identityReader(t, node.CreateUser(t, "fine", "SELECT, PROCESS ON *.*"))
		coarse := identityReader(t, node.CreateUser(t, "coarse", "SELECT ON *.*"))
		names := []schema.Name{{Database: "app", Table: "a"}, {Database: "app", Table: "b"}, {Database: "app", Table: "a_b"}, {Database: "app", Table: "p"}, {Database: "app", Table: "odd-näme"}, {Database: "app", Table: "absent"}}
		for _, c := range []struct {
			statement string
			changes   string // tables that are others afterwards
			coarsely  bool   // an account without PROCESS sees that too, on MariaDB
		}{
			{"INSERT INTO app.a VALUES (1)", "", true},
			{"TRUNCATE TABLE app.a", "a", false}, // whoever reads it in a snapshot gets error 1412
			{"RENAME TABLE app.a TO app.a_old, app.b TO app.a, app.a_old TO app.b", "a b", true},
			{"DROP TABLE app.a_b", "a_b", true},
			{"DROP TABLE app.`odd-näme`", "odd-näme", true},
			{"ALTER TABLE app.p EXCHANGE PARTITION p0 WITH TABLE app.spare", "p", false},
			{"ALTER TABLE app.p DROP PARTITION p0", "p", false},
		} {
			before, beforeCoarsely := readIdentities(t, fine, names), readIdentities(t, coarse, names)
			time.Sleep(1100 * time.Millisecond) // a time of creation has whole seconds
			node.Exec(t, c.statement)
			after, afterCoarsely := readIdentities(t, fine, names), readIdentities(t, coarse, names)
			for _, name := range names {
				changed := slices.Contains(strings.Fields(c.changes), name.Table)
				if changed == (before[name] == after[name]) {
					t.Errorf("%s: %s was %q and is %q", c.statement, name.Table, before[name], after[name])
				}
				if changed && c.coarsely && on.Flavor == server.MariaDB && beforeCoarsely[name] == afterCoarsely[name] {
					t.Errorf("%s: %s was and is %q to an account without PROCESS", c.statement, name.Table, afterCoarsely[name])
				}
			}
		}
		if last := readIdentities(t, fine, names); last[schema.Name{Database: "app", Table: "absent"}] != "" || last[schema.Name{Database: "app", Table: "a"}] == "" {
			t.Errorf("%v", last)
		}
	})
}

// TestIdentitiesWaitForNobody: whoever reads identities may hold the metadata lock for which an ALTER waits, and must not wait behind that.
func TestIdentitiesWaitForNobody(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		node := tp.Source
		node.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.a (id INT PRIMARY KEY)", "CREATE TABLE app.other (id INT) ENGINE=MyISAM")
		names := []schema.Name{{Database: "app", Table: "a"}, {Database: "app", Table: "other"}, {Database: "app", Table: "absent"}}
		reader := identityReader(t, node.CreateUser(t, "fine", "SELECT, PROCESS ON *.*"))
		before := readIdentities(t, reader, names)
		release := node.holdTable(t, "app.a")
		altered := make(chan error, 1)
		go func() { altered <- node.exec(context.Background(), "ALTER TABLE app.a ADD COLUMN v INT") }()
		waiting := "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata lock%' AND INFO LIKE 'ALTER%'"
		for deadline := time.Now().Add(statementLimit); node.Value(t, waiting) != "1" && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		after := readIdentities(t, reader, names) // fails after lock_wait_timeout
		if len(after) == 0 || before[names[0]] != after[names[0]] {
			t.Errorf("%v before, %v while an ALTER waits", before, after)
		}
		release()
		if err := <-altered; err != nil {
			t.Error(err)
		}
	})
}

func identityReader(t *testing.T, account server.Endpoint) *schema.IdentityReader {
	t.Helper()
	opened, err := server.Open(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	session, err := opened.Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close(); _ = opened.Close() })
	return schema.NewIdentityReader(session)
}

func readIdentities(t *testing.T, reader *schema.IdentityReader, names []schema.Name) schema.Identities {
	t.Helper()
	found, err := reader.Read(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
