package integration

import (
	"testing"

	"trueup/server"
)

// statementStops are errors of logged statements.
func statementStops() []Stop {
	return []Stop{{
		Name: "1062 statement", Number: 1062, Prepare: []string{plainTable, plainRows, "CREATE TABLE db.u LIKE db.t"},
		Damage: []string{"INSERT INTO db.u VALUES (5,50)"},
		Write:  []string{"SET SESSION binlog_format=STATEMENT", "INSERT INTO db.u SELECT id,v FROM db.t ORDER BY id", "SET SESSION binlog_format=DEFAULT"},
		Mend:   []string{"DELETE FROM db.u"},
	}, {
		// The transaction is logged in part as a statement, in part as rows.
		Name: "1062 mixed", Number: 1062, Prepare: []string{"CREATE TABLE db.t (id INT PRIMARY KEY, v VARCHAR(40))", behindTable},
		Damage: []string{"INSERT INTO db.t VALUES (7,'direct')"},
		Write: []string{"SET SESSION binlog_format=MIXED", "BEGIN", "INSERT INTO db.behind VALUES (1,'statement')", "INSERT INTO db.t VALUES (7,UUID())", "COMMIT",
			"SET SESSION binlog_format=DEFAULT"},
		Mend: []string{"DELETE FROM db.t"},
	}, {
		Name: "1054 statement", Number: 1054, Prepare: []string{plainTable, plainRows},
		Damage: []string{"ALTER TABLE db.t DROP COLUMN v"},
		Write:  []string{"SET SESSION binlog_format=STATEMENT", "UPDATE db.t SET v=9 WHERE id=1", "SET SESSION binlog_format=DEFAULT"},
	}}
}

// schemaStops are definitions that differ.
func schemaStops() []Stop {
	plain := []string{plainTable, plainRows}
	return []Stop{{
		Name: "1146 table missing", Number: 1146, Prepare: plain,
		Damage: []string{"DROP TABLE db.t"},
		Write:  []string{"INSERT INTO db.t VALUES (7,7)"},
	}, {
		Name: "1146 database of a row missing", Number: 1146, Number8: 1049, Prepare: plain,
		Damage: []string{"DROP DATABASE stop_1146_database_of_a_row_missing"},
		Write:  []string{"INSERT INTO db.t VALUES (7,7)"},
	}, {
		Name: "1049 database missing", Number: 1049, Prepare: plain,
		Damage: []string{"DROP DATABASE stop_1049_database_missing"},
		Write:  []string{"CREATE TABLE db.u (id INT PRIMARY KEY)"},
	}, {
		Name: "1677 type", Number: 1677, Number8: 13146, Prepare: plain,
		Damage: []string{"ALTER TABLE db.t MODIFY v VARCHAR(10)"},
		Write:  []string{"INSERT INTO db.t VALUES (7,7)"},
		Mend:   []string{"ALTER TABLE db.t MODIFY v INT"},
	}, {
		Name: "1050 table exists", Number: 1050,
		provoke: strictDDL,
		Damage:  []string{"CREATE TABLE db.t (id INT PRIMARY KEY)"},
		Write:   []string{plainTable, plainRows},
		Mend:    []string{"DROP TABLE db.t"},
	}, {
		Name: "1007 database exists", Number: 1007,
		provoke: strictDDL,
		Damage:  []string{"CREATE DATABASE stop_of_another"},
		Write:   []string{"CREATE DATABASE stop_of_another"},
		Mend:    []string{"DROP DATABASE stop_of_another"},
	}, {
		Name: "1060 column exists", Number: 1060, Prepare: plain,
		Damage: []string{"ALTER TABLE db.t ADD COLUMN w INT"},
		Write:  []string{"ALTER TABLE db.t ADD COLUMN w INT", "INSERT INTO db.t VALUES (7,7,7)"},
		Mend:   []string{"ALTER TABLE db.t DROP COLUMN w"},
	}, {
		Name: "1526 partition missing", Number: 1526,
		Prepare: []string{"CREATE TABLE db.t (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN (200))"},
		Damage:  []string{"ALTER TABLE db.t DROP PARTITION p1"},
		Write:   []string{"INSERT INTO db.t VALUES (7,7),(107,7)"},
		Mend:    []string{"ALTER TABLE db.t ADD PARTITION (PARTITION p1 VALUES LESS THAN (200))"},
	}, {
		Name: "1396 account exists", Number: 1396,
		Damage: []string{"CREATE USER stop_1396"},
		Write:  []string{"CREATE USER stop_1396"},
		Mend:   []string{"DROP USER stop_1396"},
	}, {
		Name: "1051 table to drop missing", Number: 1051, Prepare: plain,
		provoke: strictDDL,
		Damage:  []string{"DROP TABLE db.t"},
		Write:   []string{"DROP TABLE db.t"},
		Mend:    []string{plainTable},
	}}
}

// strictDDL has a MariaDB replica stop at definitions that are there, or gone, already. By default
// (slave_ddl_exec_mode=IDEMPOTENT) it makes CREATE OR REPLACE of CREATE, and DROP IF EXISTS of DROP.
func strictDDL(t testing.TB, tp *Topology, _ Stop) {
	t.Helper()
	if replica := tp.Replica(0); replica.Row.Flavor == server.MariaDB {
		replica.Exec(t, "SET GLOBAL slave_ddl_exec_mode=STRICT")
	}
}
