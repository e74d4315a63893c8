package report

import "time"

// SchemaVersion is the version of the JSON form. Fields may be added within a version, never renamed or removed.
const SchemaVersion = 1

// Check is the report of one check: its JSON form is the marshalled struct. Build it with FromCheck; no list
// in it is nil then, so that JSON arrays are never null. It holds no reference to the result it came from.
type Check struct {
	Summary
	Warnings          []string           `json:"warnings"`
	Tables            []Table            `json:"tables"`
	SchemaDifferences []SchemaDifference `json:"schema_differences"`
	Differences       []Difference       `json:"differences"`
}

// Heading is what every report of a run begins with.
type Heading struct {
	SchemaVersion   int        `json:"schema_version"`
	Command         string     `json:"command"`
	RunID           string     `json:"run_id"`
	Version         string     `json:"version"` // of trueup
	ExitCode        int        `json:"exit_code"`
	Conditions      []string   `json:"conditions"`
	Interrupted     bool       `json:"interrupted"`
	StartedAt       *time.Time `json:"started_at"`
	FinishedAt      *time.Time `json:"finished_at"`
	DurationSeconds float64    `json:"duration_seconds"`
}

// Summary is a check without the lists that JSON lines stream one by one.
type Summary struct {
	Heading
	ThrottledSeconds float64   `json:"throttled_seconds"`
	Verdict          string    `json:"verdict"`
	Error            string    `json:"error"` // empty unless the run failed
	Filters          Filters   `json:"filters"`
	Source           Server    `json:"source"`
	Sync             Sync      `json:"sync"`
	Replicas         []Replica `json:"replicas"`
	DifferentRanges  []Range   `json:"different_ranges"`
	Truncated        bool      `json:"differences_truncated"`
}

// Filters are the patterns the check was asked for.
type Filters struct {
	Databases       []string `json:"databases"`
	Tables          []string `json:"tables"`
	IgnoreDatabases []string `json:"ignore_databases"`
	IgnoreTables    []string `json:"ignore_tables"`
	IgnoreColumns   []string `json:"ignore_columns"`
}

// Server identifies one server. All but Address is empty where it was never reached.
type Server struct {
	Address    string `json:"address"`
	Flavor     string `json:"flavor"` // "mysql", "mariadb" or ""
	Version    string `json:"version"`
	ServerID   uint32 `json:"server_id"`
	ServerUUID string `json:"server_uuid"`
}

// Sync says how and where the servers were read at one position.
type Sync struct {
	Strategy string  `json:"strategy"`
	Epochs   []Epoch `json:"epochs"`
}

// Epoch is one position of the source's binary log at which all were read.
type Epoch struct {
	ID                         int            `json:"id"`
	File                       string         `json:"file"`
	Position                   uint64         `json:"position"`
	GTID                       string         `json:"gtid"`
	OpenedAt                   *time.Time     `json:"opened_at"`
	SourceWritesBlockedSeconds float64        `json:"source_writes_blocked_seconds"`
	Replicas                   []EpochReplica `json:"replicas"`
}

// EpochReplica is where one replica stood when it was read, in the source's coordinates.
type EpochReplica struct {
	Address              string  `json:"address"`
	File                 string  `json:"file"`
	Position             uint64  `json:"position"`
	GTID                 string  `json:"gtid"`
	Exact                bool    `json:"exact"`
	ApplierPausedSeconds float64 `json:"applier_paused_seconds"`
}

// Replica is one replica with its verdict.
type Replica struct {
	Server
	Strategy         string            `json:"strategy"` // that was used: until, lock, recheck or none
	Channel          string            `json:"channel"`
	Upstream         string            `json:"upstream"`
	RenamedDatabases []RenamedDatabase `json:"renamed_databases"`
	Verdict          string            `json:"verdict"`
	ReasonCode       string            `json:"reason_code"`
	Reason           string            `json:"reason"`
}

// RenamedDatabase is a database that has another name on a replica than on the source.
type RenamedDatabase struct {
	Source  string `json:"source"`
	Replica string `json:"replica"`
}

// Table is one table with its verdict.
type Table struct {
	Database         string         `json:"database"`
	Table            string         `json:"table"`
	Verdict          string         `json:"verdict"`
	ReasonCode       string         `json:"reason_code"`
	Reason           string         `json:"reason"`
	KeyUsed          string         `json:"key_used"`
	Digest           string         `json:"digest"`
	Rows             int64          `json:"rows"`
	Bytes            int64          `json:"bytes"`
	ChunksVerified   int            `json:"chunks_verified"`
	ChunksUnverified int            `json:"chunks_unverified"`
	ChunksDifferent  int            `json:"chunks_different"`
	DurationSeconds  float64        `json:"duration_seconds"`
	IgnoredColumns   []string       `json:"ignored_columns"`
	ConvertedColumns []string       `json:"converted_columns"`
	Epochs           []int          `json:"epochs"`
	Coverage         Coverage       `json:"coverage"`
	Replicas         []TableReplica `json:"replicas"`
}

// Coverage is the proof that a table's chunks cover every key exactly once.
type Coverage struct {
	Proven      bool          `json:"proven"`
	Chunks      []EpochChunks `json:"chunks"`
	RowsCounted bool          `json:"rows_counted"`
}

// EpochChunks is how many of a table's chunks were compared in one epoch.
type EpochChunks struct {
	Epoch  int `json:"epoch"`
	Chunks int `json:"chunks"`
}

// TableReplica compares one table on one replica with the source.
type TableReplica struct {
	Address    string `json:"address"`
	Verdict    string `json:"verdict"`
	ReasonCode string `json:"reason_code"`
	Reason     string `json:"reason"`
	Rows       int64  `json:"rows"`
	Missing    int64  `json:"missing"`
	Extra      int64  `json:"extra"`
	Changed    int64  `json:"changed"`
}

// SchemaDifference is one difference between two definitions.
type SchemaDifference struct {
	Replica      string `json:"replica"`
	Database     string `json:"database"`
	Table        string `json:"table"`
	Object       string `json:"object"`
	What         string `json:"what"`
	SourceValue  string `json:"source_value"`
	ReplicaValue string `json:"replica_value"`
}

// Value is one exact value. Value is nil for NULL; Encoding is "text" or "hex". Of a long value it is the part that begins
// at the byte Offset; Bytes is the length of the whole then.
type Value struct {
	Value    *string `json:"value"`
	Encoding string  `json:"encoding"`
	Bytes    int64   `json:"bytes,omitempty"`
	Offset   int64   `json:"offset,omitempty"`
}

// NamedValue is a column of a key with its value.
type NamedValue struct {
	Name string `json:"name"`
	Value
}

// Range is a range of a key, (Lower, Upper], in which a replica differs. A nil bound is no bound.
type Range struct {
	Replica  string       `json:"replica"`
	Database string       `json:"database"`
	Table    string       `json:"table"`
	Key      string       `json:"key"`
	Lower    []NamedValue `json:"lower"`
	Upper    []NamedValue `json:"upper"`
	Missing  int64        `json:"missing"`
	Extra    int64        `json:"extra"`
	Changed  int64        `json:"changed"`
}

// Difference is one row that differs.
type Difference struct {
	Replica  string       `json:"replica"`
	Database string       `json:"database"`
	Table    string       `json:"table"`
	Kind     string       `json:"kind"` // "missing", "extra" or "changed"
	Count    int64        `json:"count"`
	Key      []NamedValue `json:"key"`
	Columns  []Column     `json:"columns"`
}

// Column is one column of a differing row; a side that has no such row is nil.
type Column struct {
	Name         string `json:"name"`
	SourceValue  *Value `json:"source_value"`
	ReplicaValue *Value `json:"replica_value"`
}
