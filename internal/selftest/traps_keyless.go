package selftest

// keylessTraps are for tables in which no key bounds a range, or one that other checkers cannot use. Rows of a table without
// any key that tells rows apart have an empty key and a count.
var keylessTraps = []trap{
	{name: "keyless_duplicates", planted: "{1,1,2} became {2,3,3}: pairs cancel under BIT_XOR",
		create: "(v INT)", fill: "VALUES (1), (1), (2)",
		damage: []string{"DELETE FROM {table} WHERE v = 1", "INSERT INTO {table} VALUES (3), (3)"},
		want:   append(times(2, missing("")), times(2, extra(""))...)},
	{name: "keyless_count", planted: "one of three rows that are the same is missing",
		create: "(v INT, w VARCHAR(10))", fill: "SELECT 1, 'same' FROM seq_1_to_3",
		damage: []string{"DELETE FROM {table} LIMIT 1"}, want: missing("")},
	{name: "keyless_float", planted: "a FLOAT is 16777218, not 16777216, in a table without a key",
		create: "(v FLOAT)", fill: "SELECT 16777216 FROM seq_1_to_20",
		damage: []string{"UPDATE {table} SET v = 16777218 LIMIT 1"}, want: append(missing(""), extra("")...)},
	{name: "keyless_order", planted: "the rows were written again in another order: nothing differs",
		create: "(v INT)", fill: "SELECT seq FROM seq_1_to_50",
		damage: []string{"DELETE FROM {table}", "INSERT INTO {table} SELECT 51 - seq FROM seq_1_to_50"}},
	{name: "keyless_null", planted: "a row of NULLs is extra",
		create: "(a INT, b INT)", fill: "SELECT seq, NULL FROM seq_1_to_20",
		damage: []string{"INSERT INTO {table} VALUES (NULL, NULL)"}, want: extra("")},
	{name: "keyless_prefix", planted: "a row changed in a table whose primary key holds five letters of a text",
		create: "(k VARCHAR(20) NOT NULL, v INT, PRIMARY KEY (k(5)))", fill: "SELECT CONCAT(seq, ' and more'), seq FROM seq_1_to_50",
		damage: []string{update("v = 0", "v = 25")}, want: changed("v", "k=25 and more")},
	{name: "keyless_float_key", planted: "a row changed in a table whose primary key is a FLOAT",
		create: "(k FLOAT NOT NULL PRIMARY KEY, v INT)", fill: "SELECT seq / 10, seq FROM seq_1_to_50",
		damage: []string{update("v = 0", "v = 25")}, want: changed("v", "k=2.5")},
	{name: "keyless_enum_key", planted: "a row changed and one is missing in a table whose key is an ENUM, ordered by index and not by name",
		create: "(k ENUM('z','y','x','b','a') NOT NULL, id INT NOT NULL, v INT, PRIMARY KEY (k, id))", fill: "SELECT 1 + seq % 5, seq, seq FROM seq_1_to_100",
		damage: []string{update("v = 0", "id = 50"), "DELETE FROM {table} WHERE id = 49"}, want: append(changed("v", "k=z,id=50"), missing("k=a,id=49")...)},
	{name: "keyless_bit_key", planted: "a row changed in a table whose key is a BIT(64) above 2^63",
		create: "(k BIT(64) NOT NULL PRIMARY KEY, v INT)", fill: "SELECT ~seq, seq FROM seq_1_to_100",
		damage: []string{update("v = 0", "v = 50")}, want: changed("v", "k=0xffffffffffffffcd")},
}
