// Package recovery brings a replica whose channel was stopped by an error back to replicating, and proves afterwards that the rows
// in question are those of the source.
//
// It goes in steps, each of which can be looked at by a person: the diagnosis (which changes nothing) reads the error, the
// transaction that failed from the source's binary log (or the replica's relay log, where the source has purged it), and the rows it
// is about, as they are now on both sides; from these it knows the ways out, the safest first, with what each does and what it would
// lose. One is chosen and carried out: a fix makes the replica such that the whole transaction applies; a retry lets the applier try
// again; a skip passes over exactly that transaction. Then every row that the transaction or the fix touched is compared at a synced
// position, and repaired where it differs (packages check and repair), so that nothing stays lost after a skip.
//
// Every step is in the journal, on the disk, before it is taken. The source is never written.
//
// How it fails: whatever is not any more as it was diagnosed (another error, another position, rows that somebody changed) ends the
// recovery before the step that relied on it, with the replica as it was. A process that is killed leaves a journal that says which
// step was under way; Run with that journal goes on: it looks at the servers again and takes what is left to do.
package recovery
