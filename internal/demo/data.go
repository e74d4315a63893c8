package demo

// sampleData creates and fills the demo's tables, the same rows every time. Rows up to untouched are never written by the
// writer: they are what Damage damages.
var sampleData = []string{
	"SET SESSION time_zone = '+00:00', sql_mode = ''",
	"CREATE DATABASE shop CHARACTER SET utf8mb4",
	"CREATE DATABASE plant CHARACTER SET utf8mb4",
	"USE shop", // the sequence tables need a database

	`CREATE TABLE shop.customers (
		id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
		email VARCHAR(100) COLLATE utf8mb4_general_ci NOT NULL UNIQUE,
		name VARCHAR(60) NOT NULL,
		balance DECIMAL(12,2) NOT NULL,
		member_since DATE,
		seen_at TIMESTAMP(6) NULL)`,
	`INSERT INTO shop.customers SELECT seq, CONCAT('Customer', seq, '@Example.org'), CONCAT('Müller 😀 ', seq),
		(seq * 37 % 100000) / 100, '2020-01-01' + INTERVAL seq % 2000 DAY, '2026-01-01 00:00:00' + INTERVAL seq SECOND FROM seq_1_to_20000`,

	`CREATE TABLE shop.orders (
		id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
		customer_id INT UNSIGNED NOT NULL,
		state ENUM('new','paid','sent','back') NOT NULL,
		flags SET('gift','express','insured') NOT NULL DEFAULT '',
		placed_at DATETIME(3) NOT NULL,
		note TEXT,
		KEY (customer_id))`,
	`INSERT INTO shop.orders SELECT seq, 1 + seq % 20000, 1 + seq % 4, seq % 8, '2026-01-01 00:00:00' + INTERVAL seq MINUTE,
		IF(seq % 5 = 0, NULL, CONCAT('note ', MD5(seq))) FROM seq_1_to_60000`,

	`CREATE TABLE shop.order_lines (
		order_id BIGINT UNSIGNED NOT NULL,
		line SMALLINT UNSIGNED NOT NULL,
		sku CHAR(13) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL,
		quantity SMALLINT NOT NULL,
		price DECIMAL(10,4) NOT NULL,
		PRIMARY KEY (order_id, line))`,
	`INSERT INTO shop.order_lines SELECT o.seq, l.seq, CONCAT('SKU-', LPAD((o.seq * l.seq) % 5000, 5, '0')), 1 + o.seq % 9, (o.seq * l.seq % 99999) / 100
		FROM seq_1_to_40000 AS o JOIN seq_1_to_3 AS l`,

	`CREATE TABLE shop.products (
		sku CHAR(13) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL PRIMARY KEY,
		title VARCHAR(80) NOT NULL,
		price DECIMAL(10,4) NOT NULL,
		attributes JSON,
		picture BLOB,
		available BIT(1) NOT NULL,
		model YEAR)`,
	`INSERT INTO shop.products SELECT CONCAT('SKU-', LPAD(seq, 5, '0')), CONCAT('Product № ', seq), seq * 1.25, JSON_OBJECT('colour', seq % 7, 'weight', seq / 3),
		UNHEX(SHA1(seq)), seq % 2, 2000 + seq % 26 FROM seq_0_to_4999`,

	`CREATE TABLE plant.readings (
		sensor VARCHAR(20) NOT NULL,
		taken_at DATETIME(6) NOT NULL,
		temperature FLOAT,
		pressure DOUBLE,
		PRIMARY KEY (taken_at, sensor))`,
	`INSERT INTO plant.readings SELECT CONCAT('sensor-', s.seq), '2026-03-29 00:00:00' + INTERVAL t.seq * 250000 MICROSECOND, 16777216 + s.seq * t.seq % 1000, RAND(s.seq * 10000 + t.seq) * 1000
		FROM seq_1_to_5 AS s JOIN seq_1_to_12000 AS t`,

	`CREATE TABLE plant.devices (
		id BINARY(16) NOT NULL PRIMARY KEY,
		kind VARCHAR(30) NOT NULL,
		secret VARBINARY(32) NOT NULL,
		up_time TIME,
		place POINT)`,
	`INSERT INTO plant.devices SELECT UNHEX(MD5(seq)), CONCAT('kind ', seq % 10), UNHEX(SHA2(seq, 256)), SEC_TO_TIME(seq * 61), POINT(seq, -seq) FROM seq_1_to_10000`,
}
