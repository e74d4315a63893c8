package replication

import (
	"context"
	"errors"
	"fmt"

	"trueup/server"
)

var (
	// ErrBinlogOff says that a server writes no binary log, so nothing can replicate from it and it has no
	// position. It needs log_bin in its configuration and a restart.
	ErrBinlogOff = errors.New("the server's binary log is off: set log_bin and restart it")
	// ErrNoSnapshotPosition says that a server cannot tell the position of a session's snapshot. Only MariaDB can.
	ErrNoSnapshotPosition = errors.New("the server does not tell the binary log position of a snapshot")
)

// SourcePosition is the end of a server's binary log at this moment. The error wraps ErrBinlogOff when it
// writes none. It needs BINLOG MONITOR (MariaDB) or REPLICATION CLIENT (MySQL).
func SourcePosition(ctx context.Context, session *server.Session) (Position, error) {
	record, err := binlogStatus(ctx, session)
	if err != nil {
		return Position{}, err
	}
	return positionIn(session, record.Text("File"), record, "Position")
}

func binlogStatus(ctx context.Context, session *server.Session) (server.Record, error) {
	records, err := session.Records(ctx, termsOf(session.Server().Identity()).showSourcePosition())
	if err != nil {
		return server.Record{}, fmt.Errorf("reading the binary log's position: %w", err)
	}
	if len(records) == 0 {
		return server.Record{}, fmt.Errorf("%s: %w", session.Server().Address(), ErrBinlogOff)
	}
	return records[0], nil
}

func positionIn(session *server.Session, file string, record row, column string) (Position, error) {
	n := &numbers{record: record}
	result := position(file, n.uint(64, column))
	if n.err != nil {
		return Position{}, fmt.Errorf("%s: reading the binary log's position: %w", session.Server().Address(), n.err)
	}
	return result, nil
}

// GTIDAt is the GTID position of a MariaDB source at a place in its binary log: every event group that begins
// before it is in it, so it is what a replica has executed only where the place is between two groups. It is ""
// where that is not known (on MySQL, for a file the server no longer has, for an offset inside an event or
// beyond the file) and where nothing came before. The server reads the file up to the offset for it, up to
// max_binlog_size bytes (MariaDB manual, BINLOG_GTID_POS).
func GTIDAt(ctx context.Context, session *server.Session, at Position) (string, error) {
	if session.Server().Identity().Flavor != server.MariaDB {
		return "", nil
	}
	record, err := session.One(ctx, "SELECT BINLOG_GTID_POS(?, ?) AS gtid", at.File, at.Offset)
	if err != nil {
		return "", fmt.Errorf("reading the GTID at %s: %w", at, err)
	}
	return record.Text("gtid"), nil
}

// ExecutedGTID is what a replica has executed: MariaDB @@gtid_slave_pos, MySQL @@gtid_executed. It is "" on a
// server that has never executed a transaction with a GTID.
func ExecutedGTID(ctx context.Context, session *server.Session) (string, error) {
	query := "SELECT @@GLOBAL.gtid_executed AS gtid"
	if session.Server().Identity().Flavor == server.MariaDB {
		query = "SELECT @@GLOBAL.gtid_slave_pos AS gtid"
	}
	record, err := session.One(ctx, query)
	if err != nil {
		return "", fmt.Errorf("reading the executed GTIDs: %w", err)
	}
	return withoutSpace(record.Text("gtid")), nil
}

// SnapshotPosition is the position of the binary log that a MariaDB session sees since its START TRANSACTION
// WITH CONSISTENT SNAPSHOT: every transaction before it and none after it. Call it inside that transaction; a
// session without a snapshot gets the log's current end instead, and nothing tells the difference. The error
// wraps ErrBinlogOff, or ErrNoSnapshotPosition on MySQL (MariaDB manual, "Enhancements for START TRANSACTION
// WITH CONSISTENT SNAPSHOT").
func SnapshotPosition(ctx context.Context, session *server.Session) (Position, error) {
	address := session.Server().Address()
	if session.Server().Identity().Flavor != server.MariaDB {
		return Position{}, fmt.Errorf("%s: %w", address, ErrNoSnapshotPosition)
	}
	records, err := session.Records(ctx, "SHOW SESSION STATUS LIKE 'Binlog\\_snapshot\\_%'")
	if err != nil {
		return Position{}, fmt.Errorf("reading the position of the snapshot: %w", err)
	}
	var file string
	var offset server.Record
	for _, record := range records {
		switch record.Text("Variable_name") {
		case "Binlog_snapshot_file":
			file = record.Text("Value")
		case "Binlog_snapshot_position":
			offset = record
		}
	}
	if file == "" {
		return Position{}, fmt.Errorf("%s: %w", address, ErrBinlogOff)
	}
	return positionIn(session, file, offset, "Value")
}
