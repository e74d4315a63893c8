// Package rowsql writes rows of a table as SQL: the literal of a value, the condition that holds for exactly one stored value, and the
// statements that insert, change and delete rows. It opens no connection and reads no data.
//
// What it writes means the same under every sql_mode that a session can have: text is quoted only where nothing in it needs an escape, and
// is hexadecimal with its character set otherwise. A statement is one line without a semicolon, so that the mysql and mariadb clients
// take it apart as it was put together, whatever the values are.
//
// A guarded statement changes a row only while it is, byte for byte, what it was when it was read. Servers take much for equal that is
// not ('a' and 'A', 'a' and 'a ', 0 and -0.0, a FLOAT and its six printed digits), so a guard compares bytes and exact numbers; an equality
// of the key stands beside it only so that the server finds the row by an index.
//
// The statements are written for a session with time_zone '+00:00' and a sql_mode that is strict, has ALLOW_INVALID_DATES and
// NO_AUTO_VALUE_ON_ZERO, and has neither NO_ZERO_DATE nor NO_ZERO_IN_DATE.
package rowsql
