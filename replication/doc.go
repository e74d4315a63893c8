// Package replication knows a server's replication: who its replicas are, each channel's status in one shape
// for every family and version, positions and GTID sets, and stopping, starting and stepping a channel's applier.
//
// A channel is one stream of changes from one source into one replica: MariaDB's named connection, MySQL's
// replication channel. It has a receiver (the I/O thread, which fetches events into the relay log) and an
// applier (the SQL thread with its workers, which executes them). This package stops and starts appliers only:
// on MariaDB with GTID, stopping both throws the relay log away, and what the source has purged since is lost. The one exception is Skip, which
// passes over one transaction that an applier cannot execute, where MariaDB has no other way; it asks the source first.
//
// Positions are always in the coordinates of the channel's source. The statements and the column names of
// their results depend on flavor and version (MASTER/SLAVE against SOURCE/REPLICA); the terms type in terms.go
// is the only place that knows which.
//
// Nothing here keeps state: each function asks the server it is given, and each status is what one statement
// returned at one moment. A status read while the applier runs is out of date when it arrives.
package replication
