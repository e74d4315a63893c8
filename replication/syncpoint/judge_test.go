package syncpoint

import (
	"strings"
	"testing"
	"time"

	"trueup/replication"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	at := func(offset uint64) replication.Position { return replication.Position{File: "b.1", Offset: offset} }
	until := func(offset uint64) replication.Until {
		return replication.Until{Condition: "Master", Position: at(offset)}
	}
	standing := func(offset uint64) replication.Status { return replication.Status{Executed: at(offset)} }
	with := func(status replication.Status, u replication.Until) replication.Status {
		status.Until = u
		return status
	}
	running := func(u replication.Until) replication.Status {
		return replication.Status{ApplierRunning: true, Executed: at(15), Until: u}
	}
	failed := standing(10)
	failed.ApplierError = replication.ChannelError{Number: 1062, Message: "Duplicate"}
	announced := Pause{}
	stopping := Pause{Stopping: true}
	stood := Pause{Stopping: true, Stood: at(10)}
	stepping := Pause{Stood: at(10), Target: at(20)}
	seen := Pause{Stood: at(10), Target: at(20), Ran: true}
	stoppingThere := Pause{Stood: at(10), Target: at(20), Stopping: true}
	stoodThere := Pause{Stood: at(20), ShownUntil: until(20), Target: at(20)}
	nextStep := Pause{Stood: at(20), ShownUntil: until(20), Target: at(30)}
	domains := func(status replication.Status, gtid string) replication.Status {
		status.UsesGTID, status.Workers, status.ExecutedGTID = true, 4, gtid
		return status
	}
	stoodGTID := stood
	stoodGTID.StoodGTID = "0-1-5,1-1-5"
	left := Pause{Stopping: true, Left: true}
	for name, test := range map[string]struct {
		pause Pause
		now   replication.Status
		want  action
		why   string
		age   time.Duration
	}{
		"runs":                                       {stood, running(replication.Until{}), nothing, "", 0},
		"runs to our UNTIL":                          {stepping, running(until(20)), onItsWay, "", 0},
		"runs, at our UNTIL":                         {stepping, with(replication.Status{ApplierRunning: true, Executed: at(20)}, until(20)), makeRun, "", 0},
		"runs, at another name of it":                {stepping, with(replication.Status{ApplierRunning: true, Executed: at(19)}, until(20)), makeRun, "", 0},
		"runs with another UNTIL":                    {stepping, running(until(99)), leave, "runs it with UNTIL Master b.1:99", 0},
		"runs with an UNTIL before we gave one":      {stood, running(until(20)), leave, "runs it with UNTIL", 0},
		"an error":                                   {stood, failed, leave, "error 1062: Duplicate", 0},
		"stands before we stopped it":                {announced, standing(7), leave, "before it was to be stopped", 0},
		"stands while we were stopping it":           {stopping, standing(7), makeRun, "", 0},
		"stands while we were stopping it, long ago": {stopping, standing(7), await, "its switch was due", 2 * time.Second},
		"started UNTIL by others when we stopped":    {stopping, with(standing(7), until(7)), leave, "before it was to be stopped", 0},
		"stands where it stood":                      {stood, standing(10), makeRun, "", 0},
		"has run since":                              {stood, standing(11), leave, "has started it since", 0},
		"was run with UNTIL since":                   {stood, with(standing(10), until(10)), leave, "has started it since", 0},
		"step not yet begun":                         {stepping, standing(10), makeRun, "", 0},
		"step begun, the thread not yet there":       {stepping, with(standing(10), until(20)), makeRun, "", 0},
		"seen to run, and stopped where it stood":    {seen, with(standing(10), until(20)), leave, "on its way to b.1:20", 0},
		"step not begun, and has run":                {stepping, standing(20), leave, "has started it since", 0},
		"at the target":                              {stepping, with(standing(20), until(20)), makeRun, "", 0},
		"at another name of the target":              {stepping, with(standing(19), until(20)), makeRun, "", 0},
		"stopped by others on the way":               {stepping, with(standing(15), until(20)), leave, "on its way to b.1:20", 0},
		"our STOP near the target":                   {stoppingThere, with(standing(15), until(20)), makeRun, "", 0},
		"at the epoch":                               {stoodThere, with(standing(20), until(20)), makeRun, "", 0},
		"at the epoch, started and stopped there":    {stoodThere, standing(20), leave, "has started it since", 0},
		"next step not yet begun":                    {nextStep, with(standing(20), until(20)), makeRun, "", 0},
		"next step not begun, and others run it":     {nextStep, with(standing(25), until(25)), leave, "has started it since", 0},
		"several domains, the position went back":    {stoodGTID, domains(standing(4), "0-1-5,1-1-5"), makeRun, "", 0},
		"several domains, it has run since":          {stoodGTID, domains(standing(4), "0-1-6,1-1-5"), leave, "has started it since", 0},
		"several domains, short of the target":       {stepping, domains(with(standing(4), until(20)), "0-1-6,1-1-5"), makeRun, "", 0},
		"left to others":                             {left, standing(7), leave, "somebody else had stopped it", 0},
		"left to others who started it meanwhile":    {left, running(replication.Until{}), nothing, "", 0},
		"left, and an error there when looked at":    {left, failed, leave, "1062", 0},
		"stopped by others after our last STOP":      {stood, with(standing(12), replication.Until{}), leave, "stopped it at b.1:12", 0},
		"stopped by an error while stepping there":   {stepping, failed, leave, "1062", 0},
	} {
		got, why := test.pause.judge(test.now, test.age, func(a, b replication.Position) bool { return a == at(19) && b == at(20) })
		if got != test.want || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
			t.Errorf("%s: %d %q, want %d %q", name, got, why, test.want, test.why)
		}
	}
}
