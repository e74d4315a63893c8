package check

import (
	"testing"
	"time"

	"trueup/replication"
)

// TestBehindCountsFromTheOldestEndNotReached: the lag grows while a replica moves and does not reach it, whatever was written
// since, and is gone when it stands at the end.
func TestBehindCountsFromTheOldestEndNotReached(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	log := &upstreamLog{}
	p := &progress{log: log}
	for i, step := range []struct {
		file, executedFile uint64 // numbers of the files
		end, executed      uint64
		want               time.Duration
	}{
		{1, 1, 100, 100, 0},
		{1, 1, 200, 150, 0}, // since now
		{1, 1, 300, 160, time.Second},
		{1, 1, 400, 170, 2 * time.Second},
		{2, 1, 50, 350, time.Second}, // past the ends of a second and of two seconds ago
		{2, 2, 60, 40, time.Second},
		{2, 2, 60, 60, 0},
		{2, 2, 60, 60, 0},
	} {
		name := []string{"", "bin.000001", "bin.000002"}
		log.end = mark{start.Add(time.Duration(i) * time.Second), replication.Position{File: name[step.file], Offset: step.end}}
		got, err := p.behind(t.Context(), replication.Position{File: name[step.executedFile], Offset: step.executed}, time.Minute)
		if err != nil || got != step.want {
			t.Errorf("look %d: %v behind (%v), want %v", i, got, err, step.want)
		}
	}
	log.end = mark{}
	if _, err := p.behind(t.Context(), replication.Position{File: "bin.000002", Offset: 60}, time.Minute); err == nil {
		t.Error("a lag was told though the end of the log is not known")
	}
}

// TestBehindForgetsNoOldMark: a replica that stands for a day is a day behind, in bounded memory.
func TestBehindForgetsNoOldMark(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	log := &upstreamLog{}
	p := &progress{log: log}
	var got time.Duration
	for i := range 24 * 3600 {
		log.end = mark{start.Add(time.Duration(i) * time.Second), replication.Position{File: "bin.000001", Offset: uint64(1000 + i)}}
		var err error
		if got, err = p.behind(t.Context(), replication.Position{File: "bin.000001", Offset: uint64(i % 2)}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if got != 24*time.Hour-time.Second || len(p.marks) > mostMarks {
		t.Errorf("%v behind, %d marks", got, len(p.marks))
	}
}
