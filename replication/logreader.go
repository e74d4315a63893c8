package replication

import "trueup/server"

// LogReaderDatabase is the default database of trueup's own readers of a binary log (package binlog). No replica's receiver has one, and the
// list of processes shows it to everybody who may see the reader.
const LogReaderDatabase = "information_schema"

// isLogReader tells whether a process that reads the binary log is one of trueup's own, which is no replica.
func isLogReader(process server.Record) bool { return process.Text("db") == LogReaderDatabase }
