// Package syncpoint opens read sessions on a source and its replicas that all see one position of the source's
// binary log, and leaves replication running as it found it.
//
// Under the strategy Until, for each replica the applier is stopped (the receiver keeps running); N snapshots are
// opened on the source, each with its own exact position; the applier is stepped to each of those positions in turn
// with START … UNTIL, seen to stand exactly there without error, and a snapshot is opened on the replica; then the
// applier is started again. All comparing happens afterwards, in the snapshots, while replication runs.
//
// On MariaDB the source needs no lock: a session that ran START TRANSACTION WITH CONSISTENT SNAPSHOT learns the
// position of its snapshot from Binlog_snapshot_file and Binlog_snapshot_position. On MySQL the checked tables are locked for
// reading (LOCK TABLES in a session of its own) for the milliseconds in which the position is read and the snapshots are opened.
//
// Under the strategy Lock no applier is stopped: the checked tables stay locked on the source until each replica has executed what
// came before and has opened its snapshots (following.go).
//
// Long transactions are waited out first: in the applier before it is stopped (busy.go), and on the tables before they are
// locked (writers.go).
//
// A replica of a replica follows its upstream's own log (chain.go). Where the source replicates from its replica, the replica's
// own writes must have reached the source (dual.go).
//
// How it fails: a replica that cannot be brought to the position is Unverifiable, with a reason, and takes nothing
// from the others. An applier that this package stopped is started on every way out; before it is stopped, a dead
// man's switch is armed on the replica: a session that sleeps and then starts the applier, whatever became of us.
package syncpoint
