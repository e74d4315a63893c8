package report

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"trueup/repair"
)

func undone(change func(*repair.UndoResult)) *repair.UndoResult {
	r := &repair.UndoResult{Replica: serverInfo(replica1, 2), Of: "20260102-030405-7f3a", Groups: 5, Undone: 4, Already: 1, Statements: 1234,
		StartedAt: began, FinishedAt: began.Add(250 * time.Millisecond)}
	change(r)
	return r
}

func TestUndoGolden(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		result     *repair.UndoResult
		signal     os.Signal
		code       int
		conditions []string
	}{
		"done": {undone(func(*repair.UndoResult) {}), nil, OK, []string{ConditionUndone}},
		"refused": {undone(func(r *repair.UndoResult) {
			r.Undone, r.Refused = 3, []repair.Refusal{{Code: repair.RefusedMoved, Reason: "row id=\x1b7 of shop.orders is neither as the repair left it nor as it was before", Rows: 1}}
		}), nil, Different, []string{ConditionNotUndone}},
		"lost":             {undone(func(r *repair.UndoResult) { r.Undone, r.Err = 1, errors.New("the connection was lost") }), nil, Failed, []string{ConditionFailed}},
		"short":            {undone(func(r *repair.UndoResult) { r.Undone = 3 }), nil, Failed, []string{ConditionFailed}},
		"terminated":       {undone(func(r *repair.UndoResult) { r.Undone, r.Err = 1, context.Canceled }), syscall.SIGTERM, Terminated, []string{ConditionTerminated, ConditionUnverified}},
		"after the signal": {undone(func(*repair.UndoResult) {}), syscall.SIGINT, OK, []string{ConditionUndone}},
		"both": {undone(func(r *repair.UndoResult) {
			r.Undone, r.Err, r.Refused = 1, errors.New("lost"), make([]repair.Refusal, 1)
		}), nil, Different, []string{ConditionNotUndone, ConditionFailed}},
	} {
		u := FromUndo(test.result, "20260103-000000-bbbb", "0.1.0", "undo.sql", test.signal)
		if u.ExitCode != test.code || !slices.Equal(u.Conditions, test.conditions) {
			t.Errorf("%s: exit code %d, %v", name, u.ExitCode, u.Conditions)
		}
		var asJSON, asText bytes.Buffer
		if err := errors.Join(WriteUndoJSON(&asJSON, u), WriteUndoText(&asText, u, TextOptions{Width: 80})); err != nil {
			t.Fatal(err)
		}
		inert(t, asJSON.String()+asText.String())
		if name == "done" || name == "refused" || name == "terminated" {
			golden(t, "undo-"+name+".json", asJSON.Bytes())
			golden(t, "undo-"+name+".text", asText.Bytes())
		}
	}
}
