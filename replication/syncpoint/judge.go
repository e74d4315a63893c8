package syncpoint

import (
	"fmt"
	"time"

	"trueup/replication"
)

// action is what is to be done about an applier whose pausing process died.
type action uint8

const (
	nothing  action = iota // it runs
	makeRun                // it stands, or runs with UNTIL, because of us
	leave                  // it stands because of somebody else, or of an error
	await                  // whose standstill it is cannot be told: its switch decides
	onItsWay               // it runs to our UNTIL: a STOP would hang behind its transaction, or roll that back
)

// fresh is how long after our first STOP a standstill is taken for ours by that alone.
const fresh = time.Second

// judge says whose standstill it is, from what the dead process told of its pause and from how the applier stands now. It
// is ours only where nobody else can have started the applier since:
//
//   - the server still shows the UNTIL with which we started it last (every START replaces that), and it stands at the target,
//     or a STOP of ours was on its way, or it stands where it did before: the server shows the UNTIL of a START before the thread is there,
//     and whoever died in that START, or was killed for it, has started it all the same (seen on 5.6 and 9.7);
//   - or it stands exactly where it stood when we last saw it stand, under the same UNTIL;
//   - or we were stopping it for the first time, no longer than fresh ago, and never saw it stand. Where that was longer ago
//     (this machine or its processes stood still), the switch, which is due within seconds, is waited for and has the last word.
//
// Where the position may be out of date (replication.Status.SeveralDomains, IgnoresUntold) a standstill under our UNTIL is always taken for ours,
// as the run itself does.
//
// Somebody who starts and stops it again while nothing is written on the source leaves no trace; it is then started.
// age is how long ago the dead process told this last; same tells whether two positions are one place on the source.
func (p Pause) judge(now replication.Status, age time.Duration, same func(a, b replication.Position) bool) (action, string) {
	ourUntil := !p.Target.IsZero() && now.Until.Condition != "" && now.Until.Position == p.Target
	reached := func() bool {
		return now.SeveralDomains() || now.IgnoresUntold() || now.Executed.Compare(p.Target) >= 0 || same(now.Executed, p.Target)
	}
	switch {
	case now.ApplierRunning && now.Until.Condition == "":
		return nothing, ""
	case now.ApplierRunning && ourUntil && reached():
		return makeRun, ""
	case now.ApplierRunning && ourUntil:
		return onItsWay, ""
	case now.ApplierRunning:
		return leave, fmt.Sprintf("somebody else runs it with UNTIL %s %s", now.Until.Condition, now.Until.Position)
	case !now.ApplierError.IsZero():
		return leave, "it was stopped by an error: " + now.ApplierError.String()
	case p.Left:
		return leave, "somebody else had stopped it"
	case ourUntil && (p.Stopping || reached() || !p.Ran && p.standsThere(now)):
		return makeRun, ""
	case ourUntil:
		return leave, fmt.Sprintf("somebody else stopped it at %s, on its way to %s", now.Executed, p.Target)
	case !p.Stood.IsZero() && p.standsThere(now) && now.Until == p.ShownUntil:
		return makeRun, ""
	case p.Stood.IsZero() && p.Stopping && now.Until == p.ShownUntil && age <= fresh:
		return makeRun, ""
	case p.Stood.IsZero() && p.Stopping && now.Until == p.ShownUntil:
		return await, "it was not seen to stand before its switch was due, and stands now"
	case p.Stood.IsZero():
		return leave, "somebody else stopped it before it was to be stopped"
	default:
		return leave, fmt.Sprintf("somebody else has started it since it stood at %s, and stopped it at %s", p.Stood, now.Executed)
	}
}

// standsThere tells whether the applier stands where it was last seen to. Where a position may be out of date, GTIDs say it.
func (p Pause) standsThere(now replication.Status) bool {
	return now.Executed == p.Stood || now.SeveralDomains() && now.ExecutedGTID == p.StoodGTID
}
