package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"trueup/server"
)

// Tables that most stops have.
const (
	plainTable     = "CREATE TABLE db.t (id INT PRIMARY KEY, v INT)"
	plainRows      = "INSERT INTO db.t VALUES (1,1),(2,2),(3,3),(4,4),(5,5),(6,6)"
	uniqueTable    = "CREATE TABLE db.t (id INT PRIMARY KEY, u VARCHAR(10), v INT, UNIQUE KEY (u))"
	uniqueRows     = "INSERT INTO db.t VALUES (1,'a',1),(2,'b',2),(3,'c',3)"
	ordersTable    = "CREATE TABLE db.orders (id INT PRIMARY KEY, u VARCHAR(10), UNIQUE KEY (u))"
	cascadingLines = "CREATE TABLE db.lines (id INT PRIMARY KEY, o INT NOT NULL, FOREIGN KEY (o) REFERENCES db.orders (id) ON DELETE CASCADE)"
	// Innocent tables of a transaction: a plain skip loses their rows.
	beforeTable = "CREATE TABLE db.ahead (id INT PRIMARY KEY, note VARCHAR(20))"
	behindTable = "CREATE TABLE db.behind (id INT PRIMARY KEY, note VARCHAR(20))"
)

// duplicateStops are error 1062 in row format.
func duplicateStops() []Stop {
	plain, unique := []string{plainTable, plainRows}, []string{uniqueTable, uniqueRows}
	return []Stop{{
		Name: "1062 primary key", Number: 1062, Prepare: plain,
		Damage: []string{"INSERT INTO db.t VALUES (7,70)"},
		Write:  []string{"INSERT INTO db.t VALUES (7,7)"},
		Mend:   []string{"DELETE FROM db.t WHERE id=7"},
	}, {
		Name: "1062 same row", Number: 1062, Prepare: plain,
		Damage: []string{"INSERT INTO db.t VALUES (7,7)"},
		Write:  []string{"INSERT INTO db.t VALUES (7,7)"},
		Mend:   []string{"DELETE FROM db.t WHERE id=7"},
	}, {
		Name: "1062 second unique key", Number: 1062, Prepare: unique,
		Damage: []string{"INSERT INTO db.t VALUES (9,'x',0)"},
		Write:  []string{"INSERT INTO db.t VALUES (7,'x',1)"},
		Mend:   []string{"DELETE FROM db.t WHERE id=9"},
	}, {
		Name: "1062 both keys", Number: 1062, Prepare: unique,
		Damage: []string{"INSERT INTO db.t VALUES (7,'other',0), (9,'x',0)"},
		Write:  []string{"INSERT INTO db.t VALUES (7,'x',1)"},
		Mend:   []string{"DELETE FROM db.t WHERE id IN (7,9)"},
	}, {
		Name: "1062 one of several rows", Number: 1062, Prepare: plain,
		Damage: []string{"INSERT INTO db.t VALUES (8,80)"},
		Write:  []string{"INSERT INTO db.t VALUES (7,7),(8,8),(9,9)"},
		Mend:   []string{"DELETE FROM db.t WHERE id=8"},
	}, {
		Name: "1062 update", Number: 1062, Prepare: unique,
		Damage: []string{"INSERT INTO db.t VALUES (9,'x',0)"},
		Write:  []string{"UPDATE db.t SET u='x' WHERE id=1"},
		Mend:   []string{"DELETE FROM db.t WHERE id=9"},
	}, {
		Name: "1062 in a transaction", Number: 1062, Prepare: []string{uniqueTable, uniqueRows, beforeTable, behindTable},
		Damage: []string{"INSERT INTO db.t VALUES (7,'other',0)"},
		Write: []string{"BEGIN", "INSERT INTO db.ahead VALUES (1,'innocent')", "UPDATE db.t SET v=10 WHERE id=1", "INSERT INTO db.t VALUES (7,'x',1)",
			"DELETE FROM db.t WHERE id=2", "INSERT INTO db.behind VALUES (1,'innocent')", "COMMIT"},
		Mend: []string{"DELETE FROM db.t WHERE id=7"},
	}, {
		// A direct write that is logged: an errant transaction where there are GTIDs.
		Name: "1062 direct write", Number: 1062, Prepare: plain,
		Direct: []string{"INSERT INTO db.t VALUES (7,70)"},
		Write:  []string{"INSERT INTO db.t VALUES (7,7)"},
		Mend:   []string{"DELETE FROM db.t WHERE id=7"},
	}, {
		Name: "1062 and 1032 behind it", Number: 1062, Then: 1032, Prepare: plain,
		Damage:   []string{"INSERT INTO db.t VALUES (7,70)", "DELETE FROM db.t WHERE id=5"},
		Write:    []string{"INSERT INTO db.t VALUES (7,7)", "UPDATE db.t SET v=v+10 WHERE id IN (4,5,6)"},
		Mend:     []string{"DELETE FROM db.t WHERE id=7"},
		MendThen: []string{"INSERT INTO db.t VALUES (5,5)"},
	}, {
		Name: "1062 among parallel writers", Number: 1062,
		Prepare: []string{plainTable, "CREATE TABLE db.t0 LIKE db.t", "CREATE TABLE db.t1 LIKE db.t", "CREATE TABLE db.t2 LIKE db.t", "CREATE TABLE db.t3 LIKE db.t"},
		Damage:  []string{"INSERT INTO db.t2 VALUES (10,0)"},
		Mend:    []string{"DELETE FROM db.t2 WHERE id=10"},
		provoke: writeInParallel,
	}}
}

// duplicateTraps are those in which removing the row that stands in the way takes more along, or is not enough.
func duplicateTraps() []Stop {
	return []Stop{{
		// The row in the way is one that the source has too, with another value.
		Name: "1062 swapped values", Number: 1062, Prepare: []string{uniqueTable, uniqueRows},
		Damage: []string{"UPDATE db.t SET u=CONCAT('-',u)", "UPDATE db.t SET u=CASE id WHEN 1 THEN 'b' WHEN 2 THEN 'c' ELSE 'a' END"},
		Write:  []string{"BEGIN", "UPDATE db.t SET u='z' WHERE id=1", "UPDATE db.t SET u='a' WHERE id=2", "UPDATE db.t SET u='b' WHERE id=1", "COMMIT"},
		Mend:   []string{"DELETE FROM db.t", uniqueRows},
	}, {
		Name: "1062 row with children", Number: 1062, Prepare: []string{ordersTable, strings.TrimSuffix(cascadingLines, " ON DELETE CASCADE)") + ")"},
		Damage: []string{"INSERT INTO db.orders VALUES (5,'direct')", "INSERT INTO db.lines VALUES (1,5)"},
		Write:  []string{"INSERT INTO db.orders VALUES (5,'e')"},
		Mend:   []string{"DELETE FROM db.lines", "DELETE FROM db.orders"},
	}, {
		// Removing order 7 takes its innocent lines along, which no event brings back.
		Name: "1062 row with a cascade", Number: 1062,
		Prepare: []string{ordersTable, cascadingLines, "INSERT INTO db.orders VALUES (7,'b')", "INSERT INTO db.lines VALUES (1,7),(2,7)"},
		Damage:  []string{"UPDATE db.orders SET u='x' WHERE id=7"},
		Write:   []string{"INSERT INTO db.orders VALUES (8,'x')"},
		Mend:    []string{"UPDATE db.orders SET u='b' WHERE id=7"},
	}, {
		Name: "1062 text key", Number: 1062,
		Prepare: []string{"CREATE TABLE db.t (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, n INT, v VARBINARY(10), PRIMARY KEY (k,n))"},
		Damage:  []string{"INSERT INTO db.t VALUES ('ÄNNA ''x''',1,0x00FF)"},
		Write:   []string{"INSERT INTO db.t VALUES ('änna ''x''',1,0x01)"},
		Mend:    []string{"DELETE FROM db.t"},
	}, {
		// Row 7 stays when row 8 fails: at the next start it is the one in the way. With GTIDs MySQL also counts the transaction as
		// executed and passes it at the next start, without rows 8 and 9. No mending is right for both.
		Name: "1062 without transactions", Number: 1062, Prepare: []string{"CREATE TABLE db.t (id INT PRIMARY KEY, v INT) ENGINE=MyISAM"},
		Damage: []string{"INSERT INTO db.t VALUES (8,80)"},
		Write:  []string{"INSERT INTO db.t VALUES (7,7),(8,8),(9,9)"},
	}, {
		Name: "1062 compressed transaction", Number: 1062, Prepare: []string{plainTable, plainRows},
		Needs:  Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8, Minor: 0, Patch: 20}},
		Damage: []string{"INSERT INTO db.t VALUES (7,70)"},
		Write:  []string{"SET SESSION binlog_transaction_compression=ON", "INSERT INTO db.t VALUES (7,7),(8,8)", "SET SESSION binlog_transaction_compression=DEFAULT"},
		Mend:   []string{"DELETE FROM db.t WHERE id=7"},
	}, {
		Name: "1062 compressed event", Number: 1062, Prepare: []string{"CREATE TABLE db.t (id INT PRIMARY KEY, v TEXT)"},
		Needs:  Needs{Flavor: server.MariaDB},
		Damage: []string{"INSERT INTO db.t VALUES (7,70)"},
		Write:  []string{"SET GLOBAL log_bin_compress=ON", "INSERT INTO db.t VALUES (7,REPEAT('x',3000))", "SET GLOBAL log_bin_compress=OFF"},
		Mend:   []string{"DELETE FROM db.t WHERE id=7"},
	}, {
		Name: "1062 in one of several domains", Number: 1062, Prepare: []string{plainTable, plainRows, beforeTable, behindTable},
		Needs:  Needs{Flavor: server.MariaDB},
		Damage: []string{"INSERT INTO db.t VALUES (7,70)"},
		Write: []string{"SET SESSION gtid_domain_id=2", "INSERT INTO db.ahead VALUES (1,'')", "SET SESSION gtid_domain_id=1", "INSERT INTO db.t VALUES (7,7)",
			"SET SESSION gtid_domain_id=2", "INSERT INTO db.behind VALUES (1,'')", "SET SESSION gtid_domain_id=1", "INSERT INTO db.t VALUES (8,8)",
			"SET SESSION gtid_domain_id=DEFAULT", "INSERT INTO db.ahead VALUES (2,'')"},
		Mend: []string{"DELETE FROM db.t WHERE id=7"},
	}, {
		// With GTIDs and parallel appliers the other domain goes on meanwhile, into another log: the replica's position is then behind the
		// transaction that fails.
		Name: "1062 in a slow domain", Number: 1062, Prepare: []string{plainTable, plainRows, behindTable},
		Needs:   Needs{Flavor: server.MariaDB},
		Damage:  []string{"INSERT INTO db.t VALUES (7,70)"},
		Mend:    []string{"DELETE FROM db.t WHERE id=7"},
		provoke: holdDomain,
	}}
}

// holdDomain keeps the transaction that will fail waiting until the other domain is through, where that can overtake it.
func holdDomain(t testing.TB, tp *Topology, s Stop) {
	t.Helper()
	replica := tp.Replica(0)
	holding := holdRows(t, replica, s.statements([]string{"SELECT * FROM db.t WHERE id=7 FOR UPDATE"})...)
	defer holding.release()
	tp.Source.Exec(t, s.statements([]string{"SET SESSION gtid_domain_id=1", "INSERT INTO db.t VALUES (7,7)", "INSERT INTO db.t VALUES (8,8)", "SET SESSION gtid_domain_id=2",
		"INSERT INTO db.behind VALUES (1,'')", "SET SESSION gtid_domain_id=DEFAULT"})...)
	tp.Source.flushLogs(t)
	tp.Source.Exec(t, s.statements([]string{"SET SESSION gtid_domain_id=2", "INSERT INTO db.behind VALUES (2,'')", "SET SESSION gtid_domain_id=DEFAULT"})...)
	replica.awaitLockWait(t)
	if tp.options.GTID && tp.options.ParallelThreads > 1 {
		replica.awaitValue(t, "2", "SELECT COUNT(*) FROM "+s.Database()+".behind")
	}
}

// writeInParallel has four connections write at once while the applier does not run: its workers then have work
// before and behind the transaction that fails.
func writeInParallel(t testing.TB, tp *Topology, s Stop) {
	t.Helper()
	tp.Replica(0).StopReplica(t, "SQL_THREAD")
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for writer := range 4 {
		group.Go(func() error {
			for id := range 20 {
				if err := tp.Source.exec(ctx, fmt.Sprintf("INSERT INTO %s.t%d VALUES (%d,1)", s.Database(), writer, id)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	tp.Replica(0).StartReplica(t, "SQL_THREAD")
}
