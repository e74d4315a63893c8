// Package overview reads how a source and its replicas stand at this moment, and what runs of trueup have left open on them:
// every channel of every server, the pauses that journals leave open, and the sessions that wait to start an applier. It
// changes nothing.
//
// How it fails: a server that cannot be reached or read carries its error, and the others are read all the same. What a
// journal cannot tell is a problem of the overview's, in words.
package overview
