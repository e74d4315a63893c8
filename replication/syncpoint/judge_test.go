package syncpoint

import (
	"strings"
	"testing"

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
	announced := Pause{Executed: at(5)}
	stopping := Pause{Executed: at(5), Stopping: true}
	stood := Pause{Executed: at(5), Stopping: true, Stood: at(10)}
	stepping := Pause{Executed: at(5), Stood: at(10), Target: at(20)}
	stoppingThere := Pause{Executed: at(5), Stood: at(10), Target: at(20), Stopping: true}
	stoodThere := Pause{Executed: at(5), Stood: at(20), ShownUntil: until(20), Target: at(20)}
	nextStep := Pause{Executed: at(5), Stood: at(20), ShownUntil: until(20), Target: at(30)}
	left := Pause{Executed: at(5), Stopping: true, Left: true}
	for name, test := range map[string]struct {
		pause Pause
		now   replication.Status
		want  action
		why   string
	}{
		"runs":                                     {stood, running(replication.Until{}), nothing, ""},
		"runs with our UNTIL":                      {stepping, running(until(20)), makeRun, ""},
		"runs with another UNTIL":                  {stepping, running(until(99)), leave, "runs it with UNTIL Master b.1:99"},
		"runs with an UNTIL before we gave one":    {stood, running(until(20)), leave, "runs it with UNTIL"},
		"an error":                                 {stood, failed, leave, "error 1062: Duplicate"},
		"stands before we stopped it":              {announced, standing(7), leave, "before it was to be stopped"},
		"stands while we were stopping it":         {stopping, standing(7), makeRun, ""},
		"started UNTIL by others when we stopped":  {stopping, with(standing(7), until(7)), leave, "before it was to be stopped"},
		"stands where it stood":                    {stood, standing(10), makeRun, ""},
		"has run since":                            {stood, standing(11), leave, "has started it since"},
		"was run with UNTIL since":                 {stood, with(standing(10), until(10)), leave, "has started it since"},
		"step not yet begun":                       {stepping, standing(10), makeRun, ""},
		"step not begun, and has run":              {stepping, standing(20), leave, "has started it since"},
		"at the target":                            {stepping, with(standing(20), until(20)), makeRun, ""},
		"at another name of the target":            {stepping, with(standing(19), until(20)), makeRun, ""},
		"stopped by others on the way":             {stepping, with(standing(15), until(20)), leave, "on its way to b.1:20"},
		"our STOP near the target":                 {stoppingThere, with(standing(15), until(20)), makeRun, ""},
		"at the epoch":                             {stoodThere, with(standing(20), until(20)), makeRun, ""},
		"at the epoch, started and stopped there":  {stoodThere, standing(20), leave, "has started it since"},
		"next step not yet begun":                  {nextStep, with(standing(20), until(20)), makeRun, ""},
		"next step not begun, and others run it":   {nextStep, with(standing(25), until(25)), leave, "has started it since"},
		"left to others":                           {left, standing(7), leave, "somebody else had stopped it"},
		"left to others who started it meanwhile":  {left, running(replication.Until{}), nothing, ""},
		"left, and an error there when looked at":  {left, failed, leave, "1062"},
		"stopped by others after our last STOP":    {stood, with(standing(12), replication.Until{}), leave, "stopped it at b.1:12"},
		"stopped by an error while stepping there": {stepping, failed, leave, "1062"},
	} {
		got, why := test.pause.judge(test.now, func(a, b replication.Position) bool { return a == at(19) && b == at(20) })
		if got != test.want || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
			t.Errorf("%s: %d %q, want %d %q", name, got, why, test.want, test.why)
		}
	}
}
