package integration

import "trueup/server"

// missingStops are error 1032 in row format.
func missingStops() []Stop {
	plain := []string{plainTable, plainRows}
	return []Stop{{
		Name: "1032 update", Number: 1032, Prepare: plain,
		Damage: []string{"DELETE FROM db.t WHERE id=5"},
		Write:  []string{"UPDATE db.t SET v=50 WHERE id=5"},
		Mend:   []string{"INSERT INTO db.t VALUES (5,5)"},
	}, {
		Name: "1032 delete", Number: 1032, Prepare: plain,
		Damage: []string{"DELETE FROM db.t WHERE id=5"},
		Write:  []string{"DELETE FROM db.t WHERE id=5"},
		Mend:   []string{"INSERT INTO db.t VALUES (5,5)"},
	}, {
		Name: "1032 one of several rows", Number: 1032, Prepare: plain,
		Damage: []string{"DELETE FROM db.t WHERE id=5"},
		Write:  []string{"UPDATE db.t SET v=v+10 WHERE id IN (4,5,6)"},
		Mend:   []string{"INSERT INTO db.t VALUES (5,5)"},
	}, {
		Name: "1032 deletes of several rows", Number: 1032, Prepare: plain,
		Damage: []string{"DELETE FROM db.t WHERE id IN (4,6)"},
		Write:  []string{"DELETE FROM db.t WHERE id IN (4,5,6)"},
		Mend:   []string{"INSERT INTO db.t VALUES (4,4),(6,6)"},
	}, {
		Name: "1032 in a transaction", Number: 1032, Prepare: []string{plainTable, plainRows, beforeTable, behindTable},
		Damage: []string{"DELETE FROM db.t WHERE id=5"},
		Write: []string{"BEGIN", "INSERT INTO db.ahead VALUES (1,'innocent')", "UPDATE db.t SET v=v+10 WHERE id IN (4,5,6)", "UPDATE db.t SET v=v+10 WHERE id=5",
			"INSERT INTO db.behind VALUES (1,'innocent')", "COMMIT"},
		Mend: []string{"INSERT INTO db.t VALUES (5,5)"},
	}, {
		Name: "1032 without a key", Number: 1032, Prepare: []string{"CREATE TABLE db.t (a INT, b VARCHAR(10))", "INSERT INTO db.t VALUES (1,'x'),(1,'x'),(2,NULL),(3,'y')"},
		Damage: []string{"DELETE FROM db.t WHERE a=1 LIMIT 1"},
		Write:  []string{"DELETE FROM db.t WHERE a<3"},
		Mend:   []string{"INSERT INTO db.t VALUES (1,'x')"},
	}, {
		Name: "1032 composite key", Number: 1032,
		Prepare: []string{"CREATE TABLE db.t (k BINARY(4), n BIGINT UNSIGNED, at DATETIME(6), f FLOAT, PRIMARY KEY (k,n))",
			"INSERT INTO db.t VALUES (0x00FF0001,18446744073709551615,'2024-02-29 23:59:59.999999',0.1),(0x00FF0001,1,NULL,16777216)"},
		Damage: []string{"DELETE FROM db.t WHERE n>1"},
		Write:  []string{"UPDATE db.t SET n=n-1 WHERE n>1"},
		Mend:   []string{"INSERT INTO db.t VALUES (0x00FF0001,18446744073709551615,'2024-02-29 23:59:59.999999',0.1)"},
	}, {
		// Putting row 3 back is itself a duplicate.
		Name: "1032 value taken", Number: 1032, Prepare: []string{uniqueTable, uniqueRows},
		Damage: []string{"DELETE FROM db.t WHERE id=3", "INSERT INTO db.t VALUES (9,'c',0)"},
		Write:  []string{"UPDATE db.t SET v=30 WHERE id=3"},
		Mend:   []string{"DELETE FROM db.t WHERE id=9", "INSERT INTO db.t VALUES (3,'c',3)"},
	}, {
		// The event does not carry what the row was.
		Name: "1032 minimal image", Number: 1032, Prepare: []string{uniqueTable, uniqueRows},
		Damage: []string{"DELETE FROM db.t WHERE id=3"},
		Write:  []string{"SET SESSION binlog_row_image=MINIMAL", "UPDATE db.t SET v=30 WHERE id=3", "SET SESSION binlog_row_image=DEFAULT"},
		Mend:   []string{"INSERT INTO db.t VALUES (3,'c',3)"},
	}, {
		Name: "1032 XA", Number: 1032, Prepare: plain,
		Needs:  Needs{MinMySQL: server.Version{Major: 5, Minor: 7, Patch: 7}, MinMariaDB: server.Version{Major: 10, Minor: 5}},
		Damage: []string{"DELETE FROM db.t WHERE id=5"},
		Write:  []string{"XA START 'stop'", "UPDATE db.t SET v=v+10 WHERE id IN (4,5,6)", "XA END 'stop'", "XA PREPARE 'stop'", "XA COMMIT 'stop'"},
		Mend:   []string{"INSERT INTO db.t VALUES (5,5)"},
	}, {
		// The source cannot say any more what the row was: only the event can.
		Name: "1032 row gone since", Number: 1032, Prepare: plain,
		Damage: []string{"DELETE FROM db.t WHERE id=5"},
		Write:  []string{"UPDATE db.t SET v=50 WHERE id=5", "DELETE FROM db.t WHERE id=5"},
		Mend:   []string{"INSERT INTO db.t VALUES (5,5)"},
	}, {
		// What InnoDB deletes along is in no event.
		Name: "1032 with a cascade", Number: 1032,
		Prepare: []string{ordersTable, cascadingLines, "INSERT INTO db.orders VALUES (1,'a'),(2,'b'),(3,'c')", "INSERT INTO db.lines VALUES (1,1),(2,2),(3,3)"},
		Damage:  []string{"DELETE FROM db.orders WHERE id=2"},
		Write:   []string{"DELETE FROM db.orders WHERE id IN (1,2)"},
		Mend:    []string{"INSERT INTO db.orders VALUES (2,'b')"},
	}, {
		Name: "1032 before DDL", Number: 1032, Prepare: plain,
		Damage: []string{"DELETE FROM db.t WHERE id=5"},
		Write:  []string{"UPDATE db.t SET v=50 WHERE id=5", "ALTER TABLE db.t ADD COLUMN w INT DEFAULT 1"},
		Mend:   []string{"INSERT INTO db.t VALUES (5,5)"},
	}}
}

// foreignStops are errors of foreign keys.
func foreignStops() []Stop {
	tables := []string{"CREATE TABLE db.parent (id INT PRIMARY KEY, v INT)",
		"CREATE TABLE db.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES db.parent (id))", "INSERT INTO db.parent VALUES (1,1),(2,2),(3,3)"}
	return []Stop{{
		Name: "1452 parent missing", Number: 1452, Prepare: tables,
		Damage: []string{"DELETE FROM db.parent WHERE id=2"},
		Write:  []string{"INSERT INTO db.child VALUES (10,1),(20,2),(30,3)"},
		Mend:   []string{"INSERT INTO db.parent VALUES (2,2)"},
	}, {
		Name: "1452 parent gone since", Number: 1452, Prepare: tables,
		Damage: []string{"DELETE FROM db.parent WHERE id=2"},
		Write:  []string{"INSERT INTO db.child VALUES (10,1),(20,2)", "DELETE FROM db.child WHERE id=20", "DELETE FROM db.parent WHERE id=2"},
		Mend:   []string{"INSERT INTO db.parent VALUES (2,2)"},
	}, {
		Name: "1451 extra child", Number: 1451, Prepare: tables,
		Damage: []string{"INSERT INTO db.child VALUES (20,2)"},
		Write:  []string{"DELETE FROM db.parent WHERE id IN (1,2)"},
		Mend:   []string{"DELETE FROM db.child WHERE id=20"},
	}}
}

// silentStops stop nothing: the replica differs and says nothing.
func silentStops() []Stop {
	return []Stop{{
		Name: "idempotent", Prepare: []string{plainTable, plainRows},
		Damage: []string{"DELETE FROM db.t WHERE id=5", "SET GLOBAL slave_exec_mode=IDEMPOTENT"},
		Write:  []string{"UPDATE db.t SET v=v+10 WHERE id IN (4,5,6)"},
	}}
}
