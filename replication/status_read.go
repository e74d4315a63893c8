package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"trueup/server"
)

// ErrNoSuchChannel says that the replica has no channel of the name that was asked for.
var ErrNoSuchChannel = errors.New("no such replication channel")

// statusGrant is the statement that lets the account read the replication status, as the end of a message; "" where its name is not known.
// https://mariadb.com/kb/en/show-replica-status/
func statusGrant(ctx context.Context, session *server.Session) string {
	grants, err := server.ReadGrants(ctx, session)
	if err != nil {
		return ""
	}
	privilege, on := "REPLICATION CLIENT", session.Server().Identity()
	switch {
	case on.Flavor == server.MariaDB && on.Version.AtLeast(10, 5, 9):
		privilege = "SLAVE MONITOR"
	case on.Flavor == server.MariaDB && on.Version.AtLeast(10, 5, 2):
		privilege = "REPLICATION SLAVE ADMIN"
	}
	return fmt.Sprintf(": GRANT %s ON *.* TO %s", privilege, grants.Account)
}

// ReadStatuses returns the status of every channel of a replica, in the server's order; none when the server
// replicates from nobody. It needs REPLICA MONITOR (MariaDB, formerly SUPER or REPLICATION CLIENT) or
// REPLICATION CLIENT (MySQL), and on MySQL SELECT on performance_schema to tell a parallel worker's error.
func ReadStatuses(ctx context.Context, session *server.Session) ([]Status, error) {
	identity := session.Server().Identity()
	records, err := session.Records(ctx, termsOf(identity).showStatuses())
	if server.IsAccessDenied(err) {
		return nil, fmt.Errorf("reading the replication status: %w%s", err, statusGrant(ctx, session))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the replication status: %w", err)
	}
	if len(records) == 0 {
		return nil, nil
	}
	globals, err := readApplierGlobals(ctx, session)
	if err != nil {
		return nil, err
	}
	statuses := make([]Status, 0, len(records))
	for _, record := range records {
		status, err := statusFrom(record)
		if err != nil {
			return nil, fmt.Errorf("%s: reading the replication status: %w", session.Server().Address(), err)
		}
		status.Workers, status.SkipCounter, status.FoldsNames = globals.workers, globals.counter, globals.folds
		if session.Server().Identity().Flavor == server.MariaDB {
			status.ExecutedGTID, status.IgnoresMarked = globals.gtid, globals.marked != "REPLICATE"
			if err := status.inferExecuted(identity); err != nil {
				return nil, fmt.Errorf("%s: reading the replication status: %w", session.Server().Address(), err)
			}
		}
		if err := completeError(ctx, session, &status); err != nil {
			return nil, err
		}
		statuses = append(statuses, status)
	}
	return statuses, nil
}

// ReadStatus returns the status of one channel. Letter case counts on neither family. The error wraps
// ErrNoSuchChannel when the replica does not have it.
func ReadStatus(ctx context.Context, session *server.Session, channel string) (Status, error) {
	statuses, err := ReadStatuses(ctx, session)
	if err != nil {
		return Status{}, err
	}
	for _, status := range statuses {
		if strings.EqualFold(status.Channel, channel) {
			return status, nil
		}
	}
	return Status{}, fmt.Errorf("%s: channel %q: %w", session.Server().Address(), channel, ErrNoSuchChannel)
}

// row is one row of a result, read by column name; the first of the names that it has counts.
type row interface{ Text(names ...string) string }

// statusFrom reads one row of any family's and version's status. It takes columns by name, since each release
// has other ones in another order.
func statusFrom(record row) (Status, error) {
	n := &numbers{record: record}
	status := Status{
		Channel:        record.Text("Connection_name", "Channel_Name"),
		SourceHost:     record.Text("Source_Host", "Master_Host"),
		SourcePort:     int(n.uint(16, "Source_Port", "Master_Port")),
		SourceServerID: uint32(n.uint(32, "Source_Server_Id", "Master_Server_Id")),
		SourceUUID:     record.Text("Source_UUID", "Master_UUID"),
		ReceiverState:  receiverState(record.Text("Replica_IO_Running", "Slave_IO_Running")),
		ApplierRunning: record.Text("Replica_SQL_Running", "Slave_SQL_Running") == "Yes",
		Received: position(record.Text("Source_Log_File", "Master_Log_File"),
			n.uint(64, "Read_Source_Log_Pos", "Read_Master_Log_Pos")),
		Executed: position(record.Text("Relay_Source_Log_File", "Relay_Master_Log_File"),
			n.uint(64, "Exec_Source_Log_Pos", "Exec_Master_Log_Pos")),
		ExecutedGTID:  withoutSpace(record.Text("Executed_Gtid_Set")),
		ReceivedGTID:  withoutSpace(record.Text("Gtid_IO_Pos", "Retrieved_Gtid_Set")),
		ReceiverError: ChannelError{int(n.uint(32, "Last_IO_Errno")), server.MaskSecrets(record.Text("Last_IO_Error"))},
		ApplierError:  ChannelError{int(n.uint(32, "Last_SQL_Errno")), server.MaskSecrets(record.Text("Last_SQL_Error"))},
		Delay:         time.Duration(n.uint(32, "SQL_Delay")) * time.Second,
		ApplierState:  record.Text("Replica_SQL_Running_State", "Slave_SQL_Running_State", "Slave_SQL_State"),
		Filters:       filtersFrom(record),
	}
	usingGTID := record.Text("Using_Gtid")
	status.UsesGTID = usingGTID != "" && usingGTID != "No" || record.Text("Auto_Position") == "1"
	if condition := record.Text("Until_Condition"); condition != "None" {
		status.Until = Until{Condition: condition,
			Position: position(record.Text("Until_Log_File"), n.uint(64, "Until_Log_Pos"))}
	}
	if record.Text("Seconds_Behind_Source", "Seconds_Behind_Master") != "" {
		lag := time.Duration(n.uint(32, "Seconds_Behind_Source", "Seconds_Behind_Master")) * time.Second
		status.Lag = &lag
	}
	return status, n.err
}

// receiverState maps Slave_IO_Running. MariaDB's "Preparing" is connected but not reading yet.
func receiverState(text string) RunState {
	switch text {
	case "Yes":
		return Running
	case "Connecting", "Preparing":
		return Connecting
	default:
		return Stopped
	}
}

// position is no position while the file is unknown: before its first contact a channel reports offset 4
// without a file.
func position(file string, offset uint64) Position {
	if file == "" {
		return Position{}
	}
	return Position{File: file, Offset: offset}
}

// withoutSpace removes the line breaks with which MySQL prints GTID sets.
func withoutSpace(text string) string { return strings.Join(strings.Fields(text), "") }

// numbers reads numeric columns and keeps the first error.
type numbers struct {
	record row
	err    error
}

// uint reads the first of the named columns that the row has; NULL and empty are 0.
func (n *numbers) uint(bits int, names ...string) uint64 {
	text := n.record.Text(names...)
	if text == "" {
		return 0
	}
	value, err := strconv.ParseUint(text, 10, bits)
	if err != nil && n.err == nil {
		n.err = fmt.Errorf("column %s: %w", names[len(names)-1], err)
	}
	return value
}

// applierGlobals is what the status rows do not tell, or tell wrongly.
type applierGlobals struct {
	workers int
	gtid    string
	marked  string
	counter int
	folds   bool
}

// readApplierGlobals reads the number of parallel applier threads, and on MariaDB @@gtid_slave_pos: the column
// Gtid_Slave_Pos of the status is @@gtid_current_pos, which counts the replica's own writes in.
func readApplierGlobals(ctx context.Context, session *server.Session) (applierGlobals, error) {
	record, err := session.One(ctx, termsOf(session.Server().Identity()).selectApplierGlobals())
	if err != nil {
		return applierGlobals{}, fmt.Errorf("reading the applier's settings: %w", err)
	}
	workers, err := strconv.Atoi(record.Text("workers"))
	if err != nil {
		return applierGlobals{}, fmt.Errorf("%s: number of parallel appliers: %w", session.Server().Address(), err)
	}
	n := &numbers{record: record}
	counter := int(n.uint(32, "counter"))
	if n.err != nil {
		return applierGlobals{}, fmt.Errorf("%s: reading the skip counter: %w", session.Server().Address(), n.err)
	}
	return applierGlobals{workers: workers, counter: counter, folds: record.Text("folds") == "1", gtid: withoutSpace(record.Text("gtid")), marked: record.Text("marked")}, nil
}

// globalVariables returns those of the named variables that the server has. It asks by SHOW, since naming an
// unknown variable in a SELECT is an error.
func globalVariables(ctx context.Context, session *server.Session, names ...string) (map[string]string, error) {
	query := "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('" + strings.Join(names, "', '") + "')"
	records, err := session.Records(ctx, query)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(records))
	for _, record := range records {
		values[strings.ToLower(record.Text("Variable_name"))] = record.Text("Value")
	}
	return values, nil
}

// completeError replaces the hint that MySQL gives when a parallel worker failed ("see
// performance_schema.replication_applier_status_by_worker"), or that the workers were stopped (1756), by the worker's own error.
func completeError(ctx context.Context, session *server.Session, status *Status) error {
	silent := status.ApplierError.Number == erWorkersStopped && termsOf(session.Server().Identity()).mysqlFrom(5, 7, 2)
	if !strings.Contains(status.ApplierError.Message, workerTable) && !silent {
		return nil
	}
	workers, err := failedWorkers(ctx, session, status.Channel)
	if err != nil {
		return err
	}
	if len(workers) > 0 { // else cleared meanwhile; the hint is what there is
		status.ApplierError = workers[0].err
	}
	return nil
}
