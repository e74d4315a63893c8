// Package guard is the process that outlives a check: the program started again, in a session of its own, before the first
// applier is stopped. Through a pipe it learns of every pause before it begins (and the passwords, which stand neither in
// arguments nor in the environment). The pipe's end is what tells it that the check is gone, however that ended: with nothing
// paused it exits, otherwise it makes the appliers run (syncpoint.Rescue) and says so in the check's journal, whose file
// and lock it inherited.
//
// How it fails: a guard that cannot be started, ends, or does not take a message in time leaves the check without one, which
// says so and goes on: the dead man's switch on the server is still there. A guard that is killed together with its check is no
// help, for which there is the switch as well.
package guard
