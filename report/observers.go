package report

import (
	"context"
	"log/slog"

	"trueup/check"
	"trueup/recovery"
	"trueup/repair"
)

// Observers passes every event on to each of the observers in turn; nil ones are left out.
func Observers(observers ...check.Observer) check.Observer {
	var all fanOut
	for _, observer := range observers {
		if observer != nil {
			all = append(all, observer)
		}
	}
	return all
}

type fanOut []check.Observer

func (f fanOut) Event(event check.Event) {
	for _, observer := range f {
		observer.Event(event)
	}
}

// NewLog returns an observer that logs: what a person should look at as a warning, the steps of the run as
// information, chunks for debugging. Row values are never logged.
func NewLog(logger *slog.Logger) check.Observer { return logObserver{logger} }

type logObserver struct{ logger *slog.Logger }

func (l logObserver) Event(event check.Event) {
	switch e := event.(type) {
	case check.RunStarted:
		l.logger.Info("check started", "run_id", e.RunID, "source", e.Source.Address)
	case check.ReplicaFound:
		l.log(e.Replica.Verdict, "replica", "replica", e.Replica.Address, "channel", e.Replica.Channel,
			"verdict", verdictName(e.Replica.Verdict), "reason_code", e.Replica.ReasonCode, "reason", e.Replica.Reason)
	case check.SchemaCompared:
		l.logger.Info("definitions compared", "tables", e.Tables, "rows_estimate", e.RowsEstimate,
			"differences", len(e.SchemaDifferences))
	case check.EpochOpened:
		l.epoch(e.Epoch)
	case check.Throttled:
		l.logger.Info("waiting", "reason", e.Reason)
	case check.Resumed:
		l.logger.Info("going on", "waited", e.Waited)
	case check.TableStarted:
		l.logger.Debug("table started", "database", e.Database, "table", e.Table, "key_used", e.KeyUsed,
			"rows_estimate", e.RowsEstimate)
	case check.ChunkDone:
		l.logger.Debug("chunk compared", "database", e.Database, "table", e.Table, "epoch", e.Epoch,
			"rows", e.Rows, "bytes", e.Bytes, "duration", e.Duration, "different", e.Different)
	case check.Warned:
		l.logger.Warn(e.Message)
	case check.TableDone:
		l.table(e.Table)
	case check.RunFinished:
		l.finished(e.Result)
	case repair.Planned:
		l.logger.Info("repair planned", "via", string(e.Result.Via), "replicas", len(e.Result.Replicas))
	case repair.GroupDone:
		l.logger.Info("group done", "replica", e.Replica, "database", e.Database, "table", e.Table,
			"missing", e.Rows.Missing, "extra", e.Rows.Extra, "changed", e.Rows.Changed, "statements", e.Statements)
	case repair.GroupRefused:
		l.logger.Warn("left as it is", "replica", e.Replica, "database", e.Database, "table", e.Table,
			"reason_code", e.Refusal.Code, "reason", e.Refusal.Reason, "rows", e.Refusal.Rows)
	case recovery.Diagnosed, recovery.StepTaken, recovery.AttemptDone, recovery.Finished:
		l.recovery(event)
	case repair.Finished:
		l.logger.Info("repair finished", "conditions", RepairConditions(e.Result), "applied", e.Result.Applied)
	}
}

func (l logObserver) epoch(e check.Epoch) {
	l.logger.Info("sync point opened", "epoch", e.ID, "file", e.File, "position", e.Position, "gtid", e.GTID,
		"source_writes_blocked", e.SourceWritesBlocked)
	for _, r := range e.Replicas {
		l.logger.Info("replica at the sync point", "epoch", e.ID, "replica", r.Address, "exact", r.Exact,
			"applier_paused", r.ApplierPaused)
	}
}

func (l logObserver) table(t check.TableResult) {
	verdict := t.Verdict
	if t.ReasonCode == check.ReasonReplicaUnusable {
		verdict = check.Equal // the replica itself was logged; not a warning for each of its tables
	}
	l.log(verdict, "table done", "database", t.Database, "table", t.Table, "verdict", verdictName(t.Verdict),
		"rows", t.Rows, "chunks", t.ChunksVerified, "chunks_unverified", t.ChunksUnverified,
		"chunks_different", t.ChunksDifferent, "duration", t.Duration, "reason_code", t.ReasonCode, "reason", t.Reason)
}

func (l logObserver) finished(result *check.Result) {
	conditions := Conditions(result)
	attributes := []any{"run_id", result.RunID, "verdict", verdictOf(conditions), "conditions", conditions,
		"duration", result.FinishedAt.Sub(result.StartedAt)}
	if result.Err != nil {
		attributes = append(attributes, "error", result.Err)
	}
	l.logger.Info("check finished", attributes...)
}

// log chooses the level by the verdict.
func (l logObserver) log(verdict check.Verdict, message string, attributes ...any) {
	level := slog.LevelInfo
	if verdict != check.Equal && verdict != check.NotCompared {
		level = slog.LevelWarn
	}
	l.logger.Log(context.Background(), level, message, attributes...)
}
