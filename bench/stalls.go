package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	pretty "github.com/jedib0t/go-pretty/v6/table"

	"trueup/server"
)

const (
	quietTime = 2 * time.Second // that the writer runs alone in each round
	// renewed makes many sync points of a run; a check on a table of this size would have one.
	renewed = "100ms"
	// before and after are how far around a sync point's moment a write counts as of it, beyond the time in which the
	// check says that it blocked writes.
	before, after = 50 * time.Millisecond, 10 * time.Millisecond
	// samePoint: the workers' snapshots of one sync point are opened within that time.
	samePoint = 5 * time.Millisecond
)

// syncPoint is what a check says of one of its sync points.
type syncPoint struct {
	at      time.Time
	blocked time.Duration // writes on the source, as the check says
	paused  time.Duration // the replica's applier
}

// stalls is what writers and appliers had to bear.
type stalls struct {
	title  string
	names  []string // what ran beside the writer
	spans  map[string][]window
	beats  []beat
	points []syncPoint
}

// measureStalls runs the writer alone, beside trueup check, and beside pt-table-checksum where the servers are MariaDB's, in
// turn.
func measureStalls(ctx context.Context, s settings, on *servers) (*stalls, error) {
	trueup := newTrueup(s, on)
	trueup.command = append(trueup.command, "--sync-max-age", renewed)
	tools := []tool{trueup}
	if on.flavor == server.MariaDB {
		tools = append(tools, newChecksum(s, on))
	}
	found := &stalls{title: on.title, names: []string{"nothing else"}, spans: map[string][]window{}}
	for _, t := range tools {
		found.names = append(found.names, t.name)
	}
	writer, err := startHeartbeat(ctx, on, s.rows)
	if err != nil {
		return nil, err
	}
	for round := range s.pairs {
		if err = found.round(ctx, on, tools); err != nil {
			break
		}
		fmt.Fprintf(os.Stderr, "bench: writes beside the tools, round %d\n", round+1)
	}
	beats, writeErr := writer.finish()
	if err == nil {
		err = writeErr
	}
	found.beats = beats
	return found, err
}

func (f *stalls) round(ctx context.Context, on *servers, tools []tool) error {
	if err := on.waitCaughtUp(ctx); err != nil {
		return err
	}
	began := time.Now()
	select {
	case <-time.After(quietTime):
	case <-ctx.Done():
		return ctx.Err()
	}
	f.spans[f.names[0]] = append(f.spans[f.names[0]], window{began, time.Now()})
	for i, t := range tools {
		began := time.Now()
		stdout, err := t.run(ctx)
		f.spans[t.name] = append(f.spans[t.name], window{began, time.Now()})
		if err == nil {
			err = t.verify(ctx, stdout)
		}
		if err == nil && i == 0 {
			var points []syncPoint
			points, err = syncPointsOf(stdout)
			f.points = append(f.points, points...)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

// run runs the tool and returns its standard output.
func (t tool) run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, t.command[0], t.command[1:]...)
	command.Stderr = &stderr
	stdout, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s%s", err, stderr.String(), stdout)
	}
	return stdout, nil
}

// syncPointsOf reads a check's JSON; the epochs of one sync point, one for each position, are one.
func syncPointsOf(stdout []byte) ([]syncPoint, error) {
	var result struct {
		Sync struct {
			Epochs []struct {
				OpenedAt time.Time `json:"opened_at"`
				Blocked  float64   `json:"source_writes_blocked_seconds"`
				Replicas []struct {
					Paused float64 `json:"applier_paused_seconds"`
				}
			}
		}
	}
	if err := json.Unmarshal(stdout, &result); err != nil {
		return nil, fmt.Errorf("its JSON: %w", err)
	}
	var points []syncPoint
	for _, epoch := range result.Sync.Epochs {
		point := syncPoint{at: epoch.OpenedAt, blocked: seconds(epoch.Blocked)}
		for _, on := range epoch.Replicas {
			point.paused = max(point.paused, seconds(on.Paused))
		}
		if last := len(points) - 1; last >= 0 && point.at.Sub(points[last].at) < samePoint {
			points[last].paused = max(points[last].paused, point.paused)
			continue
		}
		points = append(points, point)
	}
	return points, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// slowestAround is the slowest write around each sync point, in milliseconds: how long writes really stalled for it.
func (f *stalls) slowestAround() []float64 {
	var slowest []float64
	for _, point := range f.points {
		took := within(f.beats, window{point.at.Add(-point.blocked - before), point.at.Add(after)})
		slowest = append(slowest, percentile(took, 100))
	}
	return slowest
}

func (f *stalls) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: a writer that commits one row of the checked table every %v, in milliseconds a commit;\ntrueup check makes a new sync point every %s here, and as many as follow from that\n", f.title, beatEvery, renewed)
	out := pretty.NewWriter()
	out.SetOutputMirror(w)
	out.SetStyle(pretty.StyleLight)
	out.AppendHeader(pretty.Row{"beside", "commits", "median", "99th percentile", "longest", "in commits above 10"})
	for _, name := range f.names {
		took := within(f.beats, f.spans[name]...)
		out.AppendRow(append(statistics(name, took), fmt.Sprintf("%.1f %% of the time", heldUp(took, f.spans[name]))))
	}
	out.AppendSeparator()
	var blocked, paused []float64
	for _, point := range f.points {
		blocked = append(blocked, milliseconds(point.blocked))
		paused = append(paused, milliseconds(point.paused))
	}
	out.AppendRow(statistics("slowest commit around each sync point", f.slowestAround()))
	out.AppendRow(statistics("writes blocked, as the check says", blocked))
	out.AppendRow(statistics("applier paused, as the check says", paused))
	out.Render()
}

// heldUp is the share of the time, in percent, that the writer spent in commits of more than 10 ms. Percentiles count a commit
// of a second as one of many; an application that waits for it does not.
func heldUp(took []float64, spans []window) float64 {
	const slow = 10
	var held, all float64
	for _, t := range took {
		if t > slow {
			held += t
		}
	}
	for _, span := range spans {
		all += milliseconds(span.to.Sub(span.from))
	}
	return 100 * held / max(all, 1)
}

func statistics(name string, numbers []float64) pretty.Row {
	row := pretty.Row{name, len(numbers)}
	for _, p := range []int{50, 99, 100} {
		row = append(row, fmt.Sprintf("%.2f", percentile(numbers, p)))
	}
	return row
}
