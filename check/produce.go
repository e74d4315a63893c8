package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"trueup/chunker"
	"trueup/server"
)

// produce splits every task's table, one after the other, and hands the chunks out.
func (r *run) produce(ctx context.Context, jobs chan<- job) error {
	session, err := r.source.Session(ctx, server.SessionOptions{Reader: true})
	if err != nil {
		return err
	}
	p := &producer{run: r, session: session, jobs: jobs}
	defer p.close()
	for _, state := range r.tables {
		for _, t := range state.tasks {
			if err := p.produceTask(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// retryWait is between two tries to split a table.
const retryWait = 50 * time.Millisecond

// producer splits tables on a session of its own.
type producer struct {
	run     *run
	session *server.Session
	jobs    chan<- job
}

func (p *producer) close() {
	if p.session != nil {
		_ = p.session.Close()
		p.session = nil
	}
}

// produceTask hands out one task's chunks. Only errors that end the run are returned.
func (p *producer) produceTask(ctx context.Context, t *task) error {
	p.run.startTask(t)
	if len(t.live()) > 0 {
		if err := p.splitTask(ctx, t); err != nil {
			return err // the task stays open: the run's end says why it was not compared to the end
		}
	}
	p.run.releaseTask(t)
	return nil
}

func (p *producer) splitTask(ctx context.Context, t *task) error {
	if t.layout.Scan {
		return p.handOut(ctx, t, chunker.Chunk{})
	}
	splitter := p.splitter(t)
	defer func() { splitter.Close() }()
	for lost := 0; ; {
		chunk, err := splitter.Next(ctx)
		if splitter.advance(err) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) && passes(err) && ctx.Err() == nil && lost < mostTries {
			lost++
			p.close()
			if err := pauseFor(ctx, retryWait); err != nil { // a table that is being replaced is back in a moment
				return err
			}
			if p.session, err = p.run.reconnect(ctx, p.run.source, server.SessionOptions{Reader: true}); err != nil {
				return fmt.Errorf("the source was lost: %w", err)
			}
			splitter.GoOnIn(p.session)
			continue
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("the source was lost: %w", err)
		case err != nil:
			verdict, code := tableReason(err)
			t.giveUpAll(verdict, code, err.Error())
			return nil
		}
		if len(t.live()) == 0 {
			return nil
		}
		chunk.Index += splitter.base
		splitter.count = chunk.Index + 1
		if err := p.handOut(ctx, t, chunk); err != nil {
			return err
		}
	}
}

// handOut gives a chunk to the next free worker.
func (p *producer) handOut(ctx context.Context, t *task, chunk chunker.Chunk) error {
	t.hold()
	select {
	case p.jobs <- job{task: t, chunk: chunk}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *run) startTask(t *task) {
	t.sizer = chunker.NewSizer(r.request.Size)
	t.hold()
	for _, i := range t.replicas {
		if m := r.members[i]; !r.isUsable(m) {
			t.giveUp(i, Unverified, m.result.ReasonCode, m.result.Reason)
		}
	}
	s := t.state
	s.mutex.Lock()
	if t == s.tasks[0] {
		s.result.Digest = string(t.layout.Algorithm())
		if !t.layout.Scan {
			s.result.KeyUsed = t.layout.Key.Name
		}
	}
	first := !s.announced
	s.announced = true
	s.mutex.Unlock()
	if first {
		r.events.send(TableStarted{At: r.events.at(), Database: s.result.Database, Table: s.result.Table, KeyUsed: s.result.KeyUsed, RowsEstimate: s.estimate})
	}
}

// hold keeps the task open until release.
func (t *task) hold() {
	t.state.mutex.Lock()
	defer t.state.mutex.Unlock()
	t.open++
}

// finishJob records a chunk and lets go of its task.
func (r *run) finishJob(j job, result chunkResult) error {
	defer r.releaseTask(j.task)
	return r.record(j, result)
}

func (r *run) record(j job, result chunkResult) error {
	j.task.sizer.Observe(result.source.Rows, result.took)
	if err := j.task.record(result); err != nil {
		return fmt.Errorf("internal error: coverage of %s.%s: %w", j.task.layout.Database, j.task.layout.Table, err)
	}
	different := false
	for _, on := range result.on {
		different = different || on.delta != counts{}
	}
	r.events.send(ChunkDone{At: r.events.at(), Database: j.task.layout.Database, Table: j.task.layout.Table, Epoch: result.epoch,
		Rows: result.source.Rows, Bytes: result.source.Bytes, Duration: result.took, Different: different})
	return nil
}

// releaseTask lets go of a task; with the last hold gone it is finished, and its table with the last task.
func (r *run) releaseTask(t *task) {
	t.state.mutex.Lock()
	t.open--
	done := t.open == 0
	t.done = t.done || done
	for _, other := range t.state.tasks {
		done = done && other.done
	}
	t.state.mutex.Unlock()
	if done {
		r.tableDone(t.state)
	}
}

// tableDone settles a table's result and reports it, once.
func (r *run) tableDone(state *tableState) {
	state.mutex.Lock()
	already := state.reported
	state.reported = true
	state.mutex.Unlock()
	if already {
		return
	}
	for _, t := range state.tasks {
		t.finish("", "")
	}
	state.mutex.Lock()
	state.settle()
	found := state.result
	state.mutex.Unlock()
	r.events.send(TableDone{At: r.events.at(), Table: found})
}
