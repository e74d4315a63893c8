package syncpoint

import (
	"errors"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"trueup/replication"
)

func TestMayComeYet(t *testing.T) {
	t.Parallel()
	at := func(offset uint64) replication.Position { return replication.Position{File: "b.1", Offset: offset} }
	standing := replication.Status{Executed: at(10)}
	running := replication.Status{Executed: at(10), ApplierRunning: true}
	for name, test := range map[string]struct {
		pause Pause
		now   replication.Status
		want  bool
	}{
		"it was never started":                {Pause{Stopping: true, Stood: at(10)}, standing, false},
		"the end of the START was seen":       {Pause{Stood: at(10), Target: at(20)}, standing, false},
		"the START was under way":             {Pause{Stood: at(10), Target: at(20), Starting: true}, standing, true},
		"it was started before it had stood":  {Pause{Starting: true}, standing, true},
		"its thread has reported":             {Pause{Stood: at(10), Target: at(20), Starting: true}, running, false},
		"its thread has reported, and worked": {Pause{Stood: at(5), Target: at(10), Starting: true}, standing, false},
	} {
		if got := test.pause.mayComeYet(test.now); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCutStartIsNotedAndWaitedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err error
		cut bool
	}{
		"it succeeded":               {nil, false},
		"KILL QUERY":                 {&mysql.MySQLError{Number: 1317}, true},
		"KILL CONNECTION":            {&mysql.MySQLError{Number: 1053}, true},
		"the connection is gone":     {mysql.ErrInvalidConn, true},
		"the server did not take it": {&mysql.MySQLError{Number: 1227}, false},
	} {
		s := &stepper{}
		if err := s.noteCut(test.err); !errors.Is(err, test.err) {
			t.Errorf("%s: %v", name, err)
		}
		if got := cutOff(s.startCut); got != test.cut {
			t.Errorf("%s: cut off: %v", name, got)
		}
	}
	for since, want := range map[time.Duration]bool{0: true, threadPatience / 2: true, threadPatience: false, time.Hour: false, -time.Hour: false} {
		if got := cutOff(time.Now().Add(-since)); got != want {
			t.Errorf("%v ago: %v", since, got)
		}
	}
}
