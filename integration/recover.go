package integration

import (
	"context"
	"testing"
	"time"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/recovery"
)

// RecoverRun is a recovery of a topology's replica, with a journal of its own.
type RecoverRun struct {
	Request recovery.Request
	Journal string // path
	journal *audit.Journal
}

// NewRecoverRun is a recovery that chooses that action for every error; Plan: for none.
func NewRecoverRun(t testing.TB, tp *Topology, action recovery.Action) *RecoverRun {
	t.Helper()
	request := recovery.DefaultRequest()
	request.Check.Source, request.Check.Now = tp.Source.Endpoint(), time.Now
	request.Check.RunID = check.NewRunID(time.Now())
	request.Check.Replicas = append(request.Check.Replicas, tp.Replica(0).Endpoint())
	request.User, request.Version = "tester", "test"
	r := &RecoverRun{Request: request}
	if action == recovery.Plan {
		return r
	}
	var err error
	if r.journal, err = (audit.Folder{Path: t.TempDir(), Now: time.Now}).Create(request.Check.RunID); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.journal.Close() })
	r.Journal = r.journal.Path()
	r.Request.Journal, r.Request.Check.Recorder = r.journal, r.journal
	r.Request.Choose = func(context.Context, *recovery.Diagnosis) (recovery.Choice, error) {
		return recovery.Choice{Action: action, By: "test"}, nil
	}
	return r
}

// Run runs the recovery, which must be able to begin.
func (r *RecoverRun) Run(t testing.TB) *recovery.Result {
	t.Helper()
	result, err := recovery.Run(t.Context(), r.Request, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
