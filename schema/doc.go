// Package schema loads tables, columns and keys from information_schema, quotes identifiers, chooses tables by
// patterns, and says what differs between two definitions of a table.
//
// Load reads a whole server with one statement each for tables, columns and keys (and one for partitions where
// there are any), however many tables there are. It never takes part in a snapshot: definitions are those of the
// moment of reading, and whoever reads rows later has to notice a table that was altered since.
//
// The system databases mysql, information_schema, performance_schema and sys are never loaded; naming one in a
// filter is an error. Catalog.Exclusion names every other table that is left out, and why.
//
// What differs only in how versions print it (int(11) and int, utf8 and utf8mb3, current_timestamp() and
// CURRENT_TIMESTAMP, MariaDB's quoted and MySQL's bare defaults) is no difference. Expressions are compared as
// text after that; two servers that print one expression in unlike ways give a difference that is none, never the
// other way round.
//
// How it fails: a table the server cannot open is loaded with LoadError and must not be compared. An account that
// holds privileges on some columns only sees only those: the server leaves the others out of information_schema
// without a word, so privileges have to be checked before (package server).
package schema
