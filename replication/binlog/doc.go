// Package binlog reads the transactions of a server's log: of the binary log as the server sends it to a replica, or of
// the files of a replica's relay log. Each comes with its rows as they were before and after, as far as they were logged.
//
// The reader is no replica: it says that its server id is 0, as mysqlbinlog does. Servers end an older reader of the
// same id when a new one comes, but not one of id 0, so no replica is ever thrown out; it does not register, is never
// waited for by semi-synchronous replication, and ends where the log ends. replication.Discover knows it by its
// default database.
//
// What a log says of a column is little: a type and a length. What a value is as the server shows it takes the column's
// definition too: Field.As makes of both what a prepared statement would have read.
//
// This is the only package that uses go-mysql: its client, which can ask for a log, and its parser of events. Rows are
// decoded here, since the library's values do not give the stored bytes back.
package binlog
