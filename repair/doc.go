// Package repair makes replicas equal to their source: it plans what would have to change, applies it with the rows'
// images on the disk before anything changes, and proves afterwards that the touched ranges are equal.
//
// A repair begins with a check (package check), of everything or of stored ranges. The ranges that differ are read again, in a new
// sync point: for a plan in its snapshots, to be applied while the replica's applier stands exactly at that point. A group is what one
// transaction changes: at most some thousand rows of one range. Under the locks of that transaction the rows are read once more and
// must be, byte for byte, what was planned; after the change the range is digested again and must be what the source has; only then,
// and only while the applier is seen to stand, the transaction is committed. Everything else ends in a rollback and another try.
//
// How it fails: what cannot be repaired soundly (triggers, a differing schema, values that no statement can write …) is refused by
// name and left as it is. A process that is killed leaves no group half applied: the server rolls it back, and its entry in the
// journal, written before, says how to undo it if it was committed after all.
package repair
