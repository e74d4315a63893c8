// Package audit keeps the journal of a run: one JSON object a line, appended and on the disk before the step it describes is
// taken, each with the hash of the one before it. Whoever comes later (the guard of a run that was killed, the next run, a
// person) learns from it what was under way, and whether anybody changed it since.
//
// A line is the entry with everything but its hash, and the SHA-256 of exactly those bytes as its last field. A step that must
// be undone opens a name (Entry.Opens), what undoes it closes the name (Entry.Closes), and a journal that came to its end
// says so in its last entry (KindFinished). So Verify tells without knowing any kind of step whether a journal is whole, was
// changed, lost its end, or leaves something open.
//
// A journal that is being written is locked (flock), also by a process that inherited its file: a process id proves nothing,
// a lock goes with the last process that holds it.
//
// How it fails: an entry that cannot be written is taken back and Record says so; the caller does not take the step then. A
// process that dies while it writes leaves a line without its end, whose step was not taken; Resume drops it.
package audit
