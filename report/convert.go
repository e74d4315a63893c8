package report

import (
	"math"
	"time"

	"trueup/check"
	"trueup/server"
)

// FromCheck makes the report of a result; version is trueup's own. The result is not kept.
func FromCheck(result *check.Result, version string) Check {
	return Check{
		Summary:           summaryOf(result, version),
		Warnings:          each(result.Warnings, same[string]),
		Tables:            each(result.Tables, tableOf),
		SchemaDifferences: each(result.SchemaDifferences, schemaDifferenceOf),
		Differences:       each(result.Differences, differenceOf),
	}
}

func summaryOf(result *check.Result, version string) Summary {
	conditions := Conditions(result)
	s := Summary{
		Heading: Heading{SchemaVersion: SchemaVersion, Command: "check", RunID: result.RunID, Version: version, ExitCode: CodeFor(conditions), Conditions: conditions,
			Interrupted: result.Interrupted, StartedAt: timeOf(result.StartedAt), FinishedAt: timeOf(result.FinishedAt)},
		ThrottledSeconds: seconds(result.Throttled),
		Verdict:          verdictOf(conditions),
		Filters:          filtersOf(result.Filters),
		Source:           serverOf(result.Source),
		Sync:             Sync{Strategy: string(result.Sync.Strategy), Epochs: each(result.Sync.Epochs, epochOf)},
		Replicas:         each(result.Replicas, replicaOf),
		DifferentRanges:  each(result.DifferentRanges, rangeOf),
		Truncated:        result.DifferencesTruncated,
	}
	if result.Err != nil {
		s.Error = result.Err.Error()
	}
	if !result.StartedAt.IsZero() && !result.FinishedAt.IsZero() {
		s.DurationSeconds = seconds(result.FinishedAt.Sub(result.StartedAt))
	}
	return s
}

func filtersOf(f check.Filters) Filters {
	return Filters{
		Databases:       each(f.Databases, same[string]),
		Tables:          each(f.Tables, same[string]),
		IgnoreDatabases: each(f.IgnoreDatabases, same[string]),
		IgnoreTables:    each(f.IgnoreTables, same[string]),
		IgnoreColumns:   each(f.IgnoreColumns, same[string]),
	}
}

func serverOf(info check.ServerInfo) Server {
	return Server{
		Address:    info.Address,
		Flavor:     flavorName(info.Identity.Flavor),
		Version:    info.Identity.VersionText,
		ServerID:   info.Identity.ServerID,
		ServerUUID: info.Identity.UUID,
	}
}

// flavorName is the contract's name; it stays the same whatever the flavor's name in messages becomes.
func flavorName(flavor server.Flavor) string {
	switch flavor {
	case server.MySQL:
		return "mysql"
	case server.MariaDB:
		return "mariadb"
	default:
		return ""
	}
}

func epochOf(e check.Epoch) Epoch {
	return Epoch{
		ID: e.ID, File: e.File, Position: e.Position, GTID: e.GTID,
		OpenedAt:                   timeOf(e.OpenedAt),
		SourceWritesBlockedSeconds: seconds(e.SourceWritesBlocked),
		Replicas:                   each(e.Replicas, epochReplicaOf),
	}
}

func epochReplicaOf(r check.EpochReplica) EpochReplica {
	return EpochReplica{
		Address: r.Address, File: r.File, Position: r.Position, GTID: r.GTID, Exact: r.Exact,
		ApplierPausedSeconds: seconds(r.ApplierPaused),
	}
}

func replicaOf(r check.ReplicaResult) Replica {
	return Replica{
		Server: serverOf(r.ServerInfo), Strategy: string(r.Strategy), Channel: r.Channel, Upstream: r.Upstream, RenamedDatabases: each(r.Renamed, renamedOf),
		Verdict: verdictName(r.Verdict), ReasonCode: r.ReasonCode, Reason: r.Reason,
	}
}

func renamedOf(n check.DatabaseName) RenamedDatabase { return RenamedDatabase(n) }

func tableOf(t check.TableResult) Table {
	return Table{
		Database: t.Database, Table: t.Table,
		Verdict: verdictName(t.Verdict), ReasonCode: t.ReasonCode, Reason: t.Reason,
		KeyUsed: t.KeyUsed, Digest: t.Digest, Rows: t.Rows, Bytes: t.Bytes,
		ChunksVerified: t.ChunksVerified, ChunksUnverified: t.ChunksUnverified, ChunksDifferent: t.ChunksDifferent,
		DurationSeconds: seconds(t.Duration),
		IgnoredColumns:  each(t.IgnoredColumns, same[string]), ConvertedColumns: each(t.Converted, same[string]),
		Epochs:   each(t.Epochs, same[int]),
		Coverage: coverageOf(t.Coverage),
		Replicas: each(t.Replicas, tableReplicaOf),
	}
}

func coverageOf(c check.Coverage) Coverage {
	return Coverage{Proven: c.Proven, RowsCounted: c.RowsCounted,
		Chunks: each(c.Chunks, func(e check.EpochChunks) EpochChunks { return EpochChunks(e) })}
}

func tableReplicaOf(r check.TableReplicaResult) TableReplica {
	return TableReplica{
		Address: r.Address, Verdict: verdictName(r.Verdict), ReasonCode: r.ReasonCode, Reason: r.Reason,
		Rows: r.Rows, Missing: r.Missing, Extra: r.Extra, Changed: r.Changed,
	}
}

func schemaDifferenceOf(d check.SchemaDifference) SchemaDifference {
	return SchemaDifference{
		Replica: d.Replica, Database: d.Database, Table: d.Table, Object: d.Object, What: d.What,
		SourceValue: d.SourceValue, ReplicaValue: d.ReplicaValue,
	}
}

func rangeOf(r check.DifferentRange) Range {
	return Range{
		Replica: r.Replica, Database: r.Database, Table: r.Table, Key: r.Key,
		Lower: boundOf(r.Lower), Upper: boundOf(r.Upper),
		Missing: r.Missing, Extra: r.Extra, Changed: r.Changed,
	}
}

// boundOf keeps nil: it means that the range has no end there.
func boundOf(values []check.NamedValue) []NamedValue {
	if len(values) == 0 {
		return nil
	}
	return each(values, namedValueOf)
}

func differenceOf(d check.RowDifference) Difference {
	return Difference{
		Replica: d.Replica, Database: d.Database, Table: d.Table, Kind: kindName(d.Kind), Count: d.Count,
		Key: each(d.Key, namedValueOf), Columns: each(d.Columns, columnOf),
	}
}

func columnOf(c check.ColumnDifference) Column {
	return Column{Name: c.Name, SourceValue: valuePointer(c.Source), ReplicaValue: valuePointer(c.Replica)}
}

func namedValueOf(v check.NamedValue) NamedValue {
	return NamedValue{Name: v.Name, Value: valueOf(v.Value)}
}

func valuePointer(v *check.Value) *Value {
	if v == nil {
		return nil
	}
	value := valueOf(*v)
	return &value
}

func valueOf(v check.Value) Value {
	encoding := "text"
	if v.Hex {
		encoding = "hex"
	}
	if v.Null {
		return Value{Encoding: encoding}
	}
	return Value{Value: &v.Text, Encoding: encoding, Bytes: v.Bytes, Offset: v.Offset}
}

// verdictName is the contract's name. A verdict this version does not know is never shown as equal.
func verdictName(v check.Verdict) string {
	switch v {
	case check.Equal:
		return "equal"
	case check.NotCompared:
		return "not_compared"
	case check.Different:
		return "different"
	case check.Failed:
		return "failed"
	default:
		return "unverified"
	}
}

func kindName(k check.DifferenceKind) string {
	switch k {
	case check.Missing:
		return "missing"
	case check.Extra:
		return "extra"
	default:
		return "changed"
	}
}

// each converts a list; the outcome is never nil.
func each[In, Out any](in []In, convert func(In) Out) []Out {
	out := make([]Out, len(in))
	for i, v := range in {
		out[i] = convert(v)
	}
	return out
}

func same[T any](v T) T { return v }

// seconds keeps microseconds: nothing here is measured more finely.
func seconds(d time.Duration) float64 {
	return math.Round(d.Seconds()*1e6) / 1e6
}

// timeOf is UTC to the millisecond; nil for a time that was never set.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
