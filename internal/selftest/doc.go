// Package selftest lets a check prove itself on the machine it runs on: it starts a source and a replica of its own, fills
// one small table for each trap in a schema of its own, damages the replica behind replication's back, checks it, and judges
// what was found row by row. A trap is a difference that a plausible way of comparing does not see, or a change that
// leaves the data as it was and must not be reported.
//
// It touches no server but those it starts (package demo), and everything is gone when Run returns.
//
// Run fails when there is no server program (sandbox.ErrNoServer), when a server cannot be started or filled, and when
// the check itself failed. Damage that was missed or wrongly reported is no error: it is in the Outcome.
package selftest
