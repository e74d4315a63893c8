// Package check runs a check from servers to result: it connects and matches servers, compares definitions, makes sync
// points, hands chunks to workers that read source and replicas at once, resolves chunks that differ to rows, and proves
// that what it calls verified covers each table.
//
// It is the one home of "look again before saying different": a digest that differs makes a chunk a candidate, and only
// canonical rows read in the same snapshots make a difference; a definition that differs is loaded again once the replica
// has passed the position at which the source's was read.
//
// How source and replicas are read is a Strategy: in snapshots of one position (package syncpoint), or, without one, chunk by chunk in
// new snapshots (fresh.go), with what differs read again until it is proven or gone (recheck.go).
//
// What is lost on the way costs another try in a new sync point (failure.go, point.go): sessions, servers that restart, tables
// that are replaced under their name (identity.go, confirm.go).
//
// A replica, a table or a chunk that cannot be compared is Unverified with a reason code, never left out and never equal.
package check
