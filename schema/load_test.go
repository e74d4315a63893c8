package schema

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
)

func TestLoadEveryColumnType(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	database(t, session, "types")
	want := []struct{ definition, line string }{
		{"tinyint", "an integer tinyint(4)"},
		{"boolean", "an integer tinyint(1)"},
		{"smallint unsigned", "an integer smallint(5) unsigned unsigned!"},
		{"mediumint", "an integer mediumint(9)"},
		{"int(11) zerofill", "an integer int(11) unsigned zerofill unsigned!"},
		{"bigint unsigned", "an integer bigint(20) unsigned unsigned!"},
		{"decimal(20,6)", "DECIMAL decimal(20,6)"},
		{"decimal(5,0) unsigned", "DECIMAL decimal(5,0) unsigned unsigned!"},
		{"float", "FLOAT float"},
		{"float(30)", "DOUBLE double"},
		{"double(10,2) unsigned", "DOUBLE double(10,2) unsigned unsigned!"},
		{"bit(9)", "BIT bit(9)"},
		{"char(5)", "text char(5) utf8mb4"},
		{"nchar(3)", "text char(3) utf8mb3"},
		{"varchar(30) character set latin1", "text varchar(30) latin1"},
		{"tinytext", "text tinytext utf8mb4"},
		{"text", "text text utf8mb4"},
		{"mediumtext", "text mediumtext utf8mb4"},
		{"longtext", "text longtext utf8mb4"},
		{"json", "text longtext utf8mb4"},
		{"binary(4)", "binary binary(4)"},
		{"varbinary(9)", "binary varbinary(9)"},
		{"tinyblob", "binary tinyblob"},
		{"blob", "binary blob"},
		{"mediumblob", "binary mediumblob"},
		{"longblob", "binary longblob"},
		{"enum('a','b unsigned')", "ENUM enum('a','b unsigned') utf8mb4"},
		{"set('x','y')", "SET set('x','y') utf8mb4"},
		{"date", "DATE date"},
		{"time(3)", "TIME time(3) digits=3"},
		{"datetime(6)", "DATETIME datetime(6) digits=6"},
		{"timestamp(2) null", "TIMESTAMP timestamp(2) digits=2"},
		{"year", "YEAR year(4)"},
		{"geometry", "a spatial type geometry"},
		{"point", "a spatial type point"},
		{"linestring", "a spatial type linestring"},
		{"polygon", "a spatial type polygon"},
		{"multipoint", "a spatial type multipoint"},
		{"multilinestring", "a spatial type multilinestring"},
		{"multipolygon", "a spatial type multipolygon"},
		{"geometrycollection", "a spatial type geometrycollection"},
		{"uuid", "UUID uuid"},
		{"inet4", "INET inet4"},
		{"inet6", "INET inet6"},
	}
	var definitions []string
	for i, w := range want {
		definitions = append(definitions, fmt.Sprintf("c%d %s", i+1, w.definition))
	}
	run(t, session, "CREATE TABLE every_type ("+strings.Join(definitions, ", ")+")")
	table := mustTable(t, load(t, session, Filter{Databases: []string{"types"}}), "types", "every_type")
	if len(table.Columns) != len(want) || table.LoadError != "" {
		t.Fatalf("%d columns of %d, LoadError %q", len(table.Columns), len(want), table.LoadError)
	}
	for i, w := range want {
		expected := fmt.Sprintf("c%d %d %s", i+1, i+1, w.line)
		if got := columnLine(table.Columns[i]); got != expected {
			t.Errorf("%s: got %q, want %q", w.definition, got, expected)
		}
	}
	if c := table.Columns[6]; c.Precision != 20 || c.Scale != 6 {
		t.Errorf("decimal(20,6): precision %d, scale %d", c.Precision, c.Scale)
	}
	if c := table.Columns[12]; c.CharLength != 5 {
		t.Errorf("char(5): length %d", c.CharLength)
	}
}

func TestLoadDefaultsAndGeneratedColumns(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	database(t, session, "defaults")
	run(t, session, `CREATE TABLE t (
		id int PRIMARY KEY AUTO_INCREMENT, v int DEFAULT 5, g int AS (v + 1) VIRTUAL, s varchar(20) AS (concat('a', v)) STORED,
		inv int INVISIBLE DEFAULT 7, q varchar(20) DEFAULT 'it''s', m datetime(2) DEFAULT now(2) ON UPDATE now(2),
		n varchar(9) DEFAULT NULL, u varchar(36) DEFAULT (uuid()), e varchar(9) NOT NULL DEFAULT '', w varchar(9) DEFAULT 'NULL',
		x decimal(5,2) DEFAULT 1.5, b bit(3) DEFAULT b'101', z binary(3) DEFAULT 'a\0b', o varchar(9) DEFAULT (concat('a', 'b')),
		neg int DEFAULT -1, bs varchar(9) DEFAULT 'a\\b', c text COMPRESSED)`)
	table := mustTable(t, load(t, session, Filter{Tables: []string{"defaults.t"}}), "defaults", "t")
	want := []string{
		"id 1 an integer int(11) notnull extra=auto_increment",
		"v 2 an integer int(11) default='5'",
		"g 3 an integer int(11) as=`v` + 1 extra=VIRTUAL GENERATED",
		"s 4 text varchar(20) utf8mb4 as=concat('a',`v`) extra=STORED GENERATED",
		"inv 5 an integer int(11) invisible default='7' extra=INVISIBLE",
		"q 6 text varchar(20) utf8mb4 default='it''s'",
		"m 7 DATETIME datetime(2) digits=2 default=current_timestamp(2) expr extra=on update current_timestamp(2)",
		"n 8 text varchar(9) utf8mb4",
		"u 9 text varchar(36) utf8mb4 default=uuid() expr",
		"e 10 text varchar(9) notnull utf8mb4 default=''",
		"w 11 text varchar(9) utf8mb4 default='NULL'",
		"x 12 DECIMAL decimal(5,2) default='1.50'",
		"b 13 BIT bit(3) default='b''101'''",
		"z 14 binary binary(3) default='a\x00b'",
		"o 15 text varchar(9) utf8mb4 default=concat('a','b') expr",
		"neg 16 an integer int(11) default='-1'",
		`bs 17 text varchar(9) utf8mb4 default='a\b'`,
		"c 18 text text /*M!100301 COMPRESSED*/ utf8mb4",
	}
	var got []string
	for _, c := range table.Columns {
		got = append(got, columnLine(c))
	}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("got  %q\nwant %q", got[min(i, len(got)-1)], want[i])
		}
	}
}

func TestLoadKeys(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	database(t, session, "keys_of")
	run(t, session, `CREATE TABLE k (a int NOT NULL, b varchar(20) NOT NULL, c float NOT NULL, txt text, h varchar(30), g point NOT NULL,
		UNIQUE u_hash (txt) USING HASH, KEY k_desc (a DESC, b), KEY k_prefix (b(5)), FULLTEXT k_text (txt), SPATIAL k_place (g),
		UNIQUE u_ignored (a, c) IGNORED, UNIQUE u_ab (b, a), UNIQUE u_null (h), UNIQUE u_desc (a DESC), UNIQUE u_prefix (b(4)),
		UNIQUE u_float (c), PRIMARY KEY (a))`,
		"CREATE TABLE m (a int NOT NULL, PRIMARY KEY (a) USING HASH, UNIQUE tree (a) USING BTREE) ENGINE = MEMORY")
	catalog := load(t, session, Filter{Databases: []string{"keys_of"}})
	table := mustTable(t, catalog, "keys_of", "k")
	var got []string
	for _, k := range table.Keys {
		got = append(got, keyLine(k))
	}
	want := []string{
		"PRIMARY BTREE (a) primary", "k_desc BTREE (a DESC, b)", "k_place SPATIAL (g)", "k_prefix BTREE (b(5))",
		"k_text FULLTEXT (txt)", "u_ab BTREE UNIQUE (b, a)", "u_desc BTREE UNIQUE (a DESC)", "u_float BTREE UNIQUE (c)",
		"u_hash HASH UNIQUE (txt)", "u_ignored BTREE UNIQUE (a, c) hidden", "u_null BTREE UNIQUE (h)", "u_prefix BTREE UNIQUE (b(4))",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	usable, rejected := SplitKeys(table)
	if names := keyNames(usable); names != "PRIMARY u_desc u_float u_ab" || len(rejected) != 8 {
		t.Errorf("usable %s, rejected %v", names, rejected)
	}
	if names := keyNames(IdentityKeys(table)); names != "PRIMARY u_ab u_desc u_float u_ignored u_prefix" {
		t.Errorf("identity keys %s", names)
	}
	usable, _ = SplitKeys(mustTable(t, catalog, "keys_of", "m"))
	if len(usable) != 1 || usable[0].Name != "tree" {
		t.Errorf("usable keys of a MEMORY table: %v", usable)
	}
}

func keyNames(keys []Key) string {
	var names []string
	for _, key := range keys {
		names = append(names, key.Name)
	}
	return strings.Join(names, " ")
}

// TestForceIndexTakesEveryUsableKey proves on a server what SplitKeys claims: its keys can be forced, and hidden
// ones can not.
func TestForceIndexTakesEveryUsableKey(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	database(t, session, "forced")
	run(t, session, "CREATE TABLE t (a int NOT NULL, b varchar(9) NOT NULL, UNIQUE hid (a) IGNORED, UNIQUE `odd``key` (b), PRIMARY KEY (a, b))")
	table := mustTable(t, load(t, session, Filter{Databases: []string{"forced"}}), "forced", "t")
	usable, _ := SplitKeys(table)
	if len(usable) != 2 {
		t.Fatalf("usable: %v", usable)
	}
	force := func(key string) error {
		return session.Exec(t.Context(), "SELECT 1 FROM t FORCE INDEX ("+QuoteIdentifier(key)+") LIMIT 1")
	}
	for _, key := range usable {
		if err := force(key.Name); err != nil {
			t.Error(err)
		}
	}
	if err := force("hid"); err == nil {
		t.Error("FORCE INDEX took an ignored key: SplitKeys rejects it for no reason")
	}
}

func TestLoadKindsOfTable(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	database(t, session, "kinds_of")
	run(t, session,
		"CREATE TABLE plain (a int) ENGINE = MyISAM", "CREATE VIEW vw AS SELECT a FROM plain", "CREATE SEQUENCE sq",
		"CREATE TABLE gone (a int)", "CREATE VIEW broken AS SELECT a FROM gone", "DROP TABLE gone",
		"CREATE TABLE versioned (id int PRIMARY KEY, v int) WITH SYSTEM VERSIONING",
		`CREATE TABLE periods (id int, s timestamp(6) GENERATED ALWAYS AS ROW START, e timestamp(6) GENERATED ALWAYS AS ROW END,
			PERIOD FOR SYSTEM_TIME (s, e), PRIMARY KEY (id, e)) WITH SYSTEM VERSIONING`,
		`CREATE TABLE parts (id int, d date NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (year(d)) SUBPARTITION BY HASH (id)
			SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE)`)
	catalog := load(t, session, Filter{Databases: []string{"kinds_of"}})
	var got []string
	for _, table := range catalog.Tables {
		got = append(got, fmt.Sprintf("%s: %s %s %s err=%t", table.Name, table.Kind, table.Engine, table.PartitionExpr, table.LoadError != ""))
	}
	want := []string{
		"broken: view   err=true",
		"parts: table InnoDB RANGE (year(`d`)) SUBPARTITION HASH (`id`) err=false",
		"periods: system-versioned table InnoDB  err=false",
		"plain: table MyISAM  err=false",
		"sq: sequence InnoDB  err=false",
		"versioned: system-versioned table InnoDB  err=false",
		"vw: view   err=false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c, _ := mustTable(t, catalog, "kinds_of", "periods").Column("E"); !c.Generated || c.GenerationExpr != "ROW END" {
		t.Errorf("row end: %+v", c)
	}
}

func TestLoadOddNames(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	names := []string{"d.2`x", "a b", "select", "日本", `q'"\`, "line\nbreak"}
	for _, name := range names {
		database(t, session, name)
		run(t, session, "CREATE TABLE "+QuoteIdentifier(name)+" ("+QuoteIdentifier(name)+" int, PRIMARY KEY ("+QuoteIdentifier(name)+"))")
	}
	for _, name := range names {
		quoted := QuoteTable(name, name)
		catalog := load(t, session, Filter{Tables: []string{quoted}})
		if len(catalog.Tables) != 1 || !catalog.Selector.Names(name, name) {
			t.Errorf("%q: loaded %d tables", name, len(catalog.Tables))
			continue
		}
		table := catalog.Tables[0]
		if table.Name != name || table.Columns[0].Name != name || table.Keys[0].Columns[0].Name != name {
			t.Errorf("%q came back as %+v", name, table)
		}
	}
}

// TestLoadSkipsSystemDatabasesOnly keeps a database whose name differs from a system database's in letter case only.
func TestLoadSkipsSystemDatabasesOnly(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	database(t, session, "Sys")
	run(t, session, "CREATE TABLE Mixed (a int)", "CREATE TABLE mixed (b int)")
	catalog := load(t, session, Filter{})
	mustTable(t, catalog, "Sys", "Mixed")
	if table := mustTable(t, catalog, "Sys", "mixed"); table.Columns[0].Name != "b" {
		t.Errorf("Sys.mixed is %+v", table)
	}
	if _, ok := catalog.Table("sys", "mixed"); ok {
		t.Error("found a table by another letter case on a server that tells them apart")
	}
	for _, table := range catalog.Tables {
		if slices.Contains(systemDatabases, table.Database) {
			t.Errorf("loaded %s.%s", table.Database, table.Name)
		}
	}
	if !slices.IsSortedFunc(catalog.Tables, func(a, b *Table) int {
		return strings.Compare(a.Database+"\x00"+a.Name, b.Database+"\x00"+b.Name)
	}) {
		t.Error("tables are not sorted")
	}
}

func TestLoadFoldsNamesAsTheServer(t *testing.T) {
	t.Parallel()
	sandboxtest.Require(t)
	instance, err := sandbox.Start(t.Context(), sandbox.Options{Name: "folding", Args: []string{"--lower-case-table-names=1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = instance.Stop() })
	session := sessionOn(t, instance)
	run(t, session, "CREATE DATABASE Shop", "CREATE TABLE Shop.Orders (a int)")
	catalog := load(t, session, Filter{Tables: []string{"SHOP.ord*"}})
	if !catalog.FoldsNames || len(catalog.Tables) != 1 {
		t.Fatalf("folds %t, %d tables", catalog.FoldsNames, len(catalog.Tables))
	}
	mustTable(t, catalog, "Shop", "Orders")
	if unmatched := catalog.Selector.Unmatched(catalog); len(unmatched) > 0 {
		t.Errorf("unmatched: %v", unmatched)
	}
}

func TestLoadNamesTablesThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	sandboxtest.Require(t)
	instance, err := sandbox.Start(t.Context(), sandbox.Options{Name: "broken"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = instance.Stop() })
	if instance.Runtime().InDocker() {
		t.Skip("the test damages files of the server, which are out of reach in a container")
	}
	session := sessionOn(t, instance)
	run(t, session, "CREATE DATABASE d", "CREATE TABLE d.sound (a int)", "CREATE TABLE d.broken (a int PRIMARY KEY) ENGINE = MyISAM", "FLUSH TABLES")
	directory := strings.TrimSuffix(one(t, session, "SELECT @@datadir AS v"), "/")
	if err := os.Remove(filepath.Join(directory, "d", "broken.MYD")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "d", "junk.frm"), []byte("junk"), 0o666); err != nil {
		t.Fatal(err)
	}
	catalog := load(t, session, Filter{Databases: []string{"d"}})
	if table := mustTable(t, catalog, "d", "broken"); !strings.Contains(table.LoadError, "broken.MYD") {
		t.Errorf("broken: LoadError %q", table.LoadError)
	}
	if table := mustTable(t, catalog, "d", "junk"); !strings.Contains(table.LoadError, "Incorrect information") {
		t.Errorf("junk: LoadError %q", table.LoadError)
	}
	if table := mustTable(t, catalog, "d", "sound"); table.LoadError != "" {
		t.Errorf("sound: LoadError %q", table.LoadError)
	}
}
