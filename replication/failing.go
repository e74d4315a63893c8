package replication

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trueup/server"
)

// ErrNotFailing says that an applier does not stand because of an error: it runs, or somebody stopped it.
var ErrNotFailing = errors.New("the applier does not stand because of an error")

// Failing is the transaction at which an applier stands.
type Failing struct {
	Channel string
	Error   ChannelError
	// Position is where the event group starts, in the source's coordinates; the group may be elsewhere where
	//   - MySQL's channel uses GTID: it passes over executed transactions without moving its position, so look for GTID from there on;
	//   - MySQL's workers execute without GTID: it is a low-water mark, and the group that failed is the one with EventEnd;
	//   - Status.SeveralDomains: it may be earlier, too (seen on 11.8). It is the next one of its domain after Status.ExecutedGTID.
	Position Position
	// End is where the group ends; zero where it is not known. No server tells it: whoever reads the source's log sets it.
	End Position
	// EventEnd is the end of the event that failed, where the error's text says it (row events, MySQL's parallel workers); a parallel worker
	// may leave the file out, or name the one before, where it had just begun: EventFileSure is false then.
	EventEnd      Position
	EventFileSure bool
	// Ahead is how many transactions, from Position on, the failing one is among: MySQL's workers run no further ahead of the low-water mark. 0: unknown,
	// or the position is exact.
	Ahead int
	// GTID is that of the transaction, "" where the replica does not tell: on MariaDB (it is in the source's log at Position), on
	// MySQL without GTID.
	GTID string
}

// OfWorker tells whether a parallel worker of MySQL failed, whatever the number of workers is set to now.
func (f Failing) OfWorker() bool { return workerText.MatchString(f.Error.Message) }

// erWorkersStopped is what MySQL's coordinator says where it has stopped its workers.
const erWorkersStopped = 1756

// Unnamed tells whether nothing says which transaction failed: MySQL 5.6 shows only that its coordinator has stopped, where a worker gave up for a lock or a
// deadlock. Which of those from Position on it was is in the replica's error log at best, and the first of them need not be it.
func (f Failing) Unnamed() bool {
	return f.Error.Number == erWorkersStopped && f.GTID == "" && f.EventEnd.IsZero()
}

// StoppedByError tells whether the applier stands because of an error.
func (s Status) StoppedByError() bool { return !s.ApplierRunning && !s.ApplierError.IsZero() }

// ReadFailing reads at which transaction the applier of a channel stands, and the channel's status. The error wraps
// ErrNotFailing where it does not stand because of one, or ErrNoSuchChannel. On MySQL it needs SELECT on performance_schema.
//
// MySQL manual, "The replication_applier_status_by_worker Table".
func ReadFailing(ctx context.Context, session *server.Session, channel string) (Failing, Status, error) {
	status, err := ReadStatus(ctx, session, channel)
	if err != nil {
		return Failing{}, Status{}, err
	}
	if !status.StoppedByError() {
		return Failing{}, status, fmt.Errorf("%s: channel %q: %w", session.Server().Address(), channel, ErrNotFailing)
	}
	failing := Failing{Channel: status.Channel, Error: status.ApplierError, Position: status.Executed}
	identity := session.Server().Identity()
	failing.EventEnd, failing.EventFileSure = eventEnd(failing.Error.Message)
	if identity.Flavor == server.MariaDB || (status.Workers > 0 || failing.OfWorker()) && !termsOf(identity).mysqlFrom(5, 7, 0) {
		// In a worker's first transaction behind a rotation of the log it is the file before: always on 5.6, at times on MariaDB, whose text does not say
		// that it is a worker's.
		failing.EventFileSure = false
	}
	if identity.Flavor == server.MySQL {
		if failing.GTID, err = failingGTID(ctx, session, status); err != nil {
			return Failing{}, status, err
		}
		if failing.GTID == "" && (status.Workers > 0 || failing.OfWorker()) {
			failing.Ahead, err = aheadOfPosition(ctx, session)
		}
	}
	return failing, status, err
}

// aheadOfPosition is how many transactions MySQL's parallel workers have in hand at the most.
//
// MySQL manual, "Replica Server Options and Variables", replica_checkpoint_group.
func aheadOfPosition(ctx context.Context, session *server.Session) (int, error) {
	variables, err := globalVariables(ctx, session, "replica_checkpoint_group", "slave_checkpoint_group")
	if err != nil {
		return 0, fmt.Errorf("reading how far parallel workers run ahead: %w", err)
	}
	for _, value := range variables {
		if most, err := strconv.Atoi(value); err == nil {
			return most, nil
		}
	}
	return 0, nil
}

// failingGTID is the GTID of the transaction at which an applier of MySQL stands: what a worker says that it was applying.
// The newest executed GTID says nothing about it, nor does its successor: transactions may be executed out of order, and numbers left out.
func failingGTID(ctx context.Context, session *server.Session, status Status) (string, error) {
	if !termsOf(session.Server().Identity()).mysqlFrom(5, 7, 2) {
		return failingGTIDInRelayLog(ctx, session, status)
	}
	workers, err := failedWorkers(ctx, session, status.Channel)
	if err != nil || len(workers) == 0 || workers[0].gtid == "" {
		return "", err
	}
	gtid := workers[0].gtid
	// One that the channel assigns is not the transaction's: with the next try it gets another.
	uuid, err := assignedUUID(ctx, session, status.Channel)
	if err != nil || uuid != "" && strings.HasPrefix(strings.ToLower(gtid), strings.ToLower(uuid)+":") {
		return "", err
	}
	return gtid, nil
}

const workerTable = "performance_schema.replication_applier_status_by_worker"

// workerError is what a worker of MySQL's applier says about the error with which it stopped. Where the applier has no parallel
// workers the table shows it as one.
type workerError struct {
	err       ChannelError
	gtid      string // "" for an anonymous transaction
	end       Position
	timestamp string
}

// failedWorkers returns the workers that stopped with an error, the one whose transaction comes first in the source's log before the
// others: a worker may have failed at a later transaction, or only because one before it did.
func failedWorkers(ctx context.Context, session *server.Session, channel string) ([]workerError, error) {
	// The columns differ from version to version.
	records, err := session.Records(ctx, "SELECT * FROM "+workerTable+" WHERE CHANNEL_NAME = ? AND LAST_ERROR_NUMBER <> 0", channel)
	if err != nil {
		return nil, fmt.Errorf("reading the error of a parallel applier: %w", err)
	}
	var workers []workerError
	for _, record := range records {
		n := &numbers{record: record}
		message := record.Text("LAST_ERROR_MESSAGE")
		worker := workerError{
			err:  ChannelError{Number: int(n.uint(32, "LAST_ERROR_NUMBER")), Message: server.MaskSecrets(message)},
			gtid: record.Text("APPLYING_TRANSACTION", "LAST_SEEN_TRANSACTION"), timestamp: record.Text("LAST_ERROR_TIMESTAMP"),
		}
		if n.err != nil {
			return nil, fmt.Errorf("%s: reading the error of a parallel applier: %w", session.Server().Address(), n.err)
		}
		worker.end, _ = eventEnd(message)
		if worker.gtid == "ANONYMOUS" {
			worker.gtid = ""
		}
		workers = append(workers, worker)
	}
	slices.SortStableFunc(workers, compareFailures)
	return workers, nil
}

// compareFailures orders what workers say: by the place of their events, then what names no place, by time, then those that stopped only because another
// one did (3030).
func compareFailures(a, b workerError) int {
	rank := func(w workerError) int {
		switch {
		case w.err.Number == stoppedByAnother:
			return 2
		case w.end.File == "":
			return 1
		}
		return 0
	}
	if order := rank(a) - rank(b); order != 0 {
		return order
	}
	if rank(a) == 0 {
		return a.end.Compare(b.end)
	}
	return strings.Compare(a.timestamp, b.timestamp)
}

// stoppedByAnother is ER_REPLICA_WORKER_STOPPED_PREVIOUS_THD_ERROR.
const stoppedByAnother = 3030

var (
	// workerText is how MySQL begins the text of a worker's error; the name of the log is missing at times.
	workerText = regexp.MustCompile(`^Worker \d+ failed executing transaction '([^']*)' at (?:source|master) log ([^\s,]*), end_log_pos (\d+)`)
	// rowEventText is how the text of a row event's error begins. That of a statement holds its values and the statement itself, which may say anything.
	rowEventText = regexp.MustCompile(`^(?:Worker \d+ failed executing transaction '[^']*' at (?:source|master) log [^\s,]*, end_log_pos \d+; )?Could not execute\b`)
	// eventEndText is how both families end the text of a row event's error. MySQL 5.6 has FIRST for the log's name where workers run.
	eventEndText = regexp.MustCompile(`the event's (?:source|master) log ([^\s,]+), end_log_pos (\d+)`)
)

// eventEnd is the end of the event that failed, as the error's text has it, without a file where it names none. sure: the file is
// right. What a worker says of itself may name the log before the one that it had just begun with, or none.
func eventEnd(message string) (end Position, sure bool) {
	// The last one: keys and values that come before it may hold any text.
	if all := eventEndText.FindAllStringSubmatch(message, -1); all != nil && rowEventText.MatchString(message) {
		if last := all[len(all)-1]; last[1] != "FIRST" {
			end = textPosition(last[1], last[2])
			return end, !end.IsZero()
		}
	}
	if found := workerText.FindStringSubmatch(message); found != nil {
		return textPosition(found[2], found[3]), false
	}
	return Position{}, false
}

// maybeSameFailure tells whether an error may be about the event that a parallel worker failed at: the number of the worker counts for
// nothing, and where the applier executes what workers have left out it names none. MariaDB's workers may name the file before it the first time.
func maybeSameFailure(worker, now ChannelError) bool {
	if worker.Number != now.Number {
		return false
	}
	first := workerText.FindStringSubmatch(worker.Message)
	if first == nil {
		end, _ := eventEnd(worker.Message)
		again, _ := eventEnd(now.Message)
		return end.Offset > 0 && end.Offset == again.Offset
	}
	if second := workerText.FindStringSubmatch(now.Message); second != nil {
		return first[3] == second[3] // a channel that assigns GTIDs gives another one each time
	}
	end, sure := eventEnd(now.Message)
	return !sure || strconv.FormatUint(end.Offset, 10) == first[3]
}

func textPosition(file, text string) Position {
	offset, err := strconv.ParseUint(text, 10, 64)
	if err != nil || offset == 0 { // MariaDB 11.4 and newer write 0 inside transactions
		return Position{}
	}
	return Position{File: file, Offset: offset}
}

// nextGTID is what SHOW RELAYLOG EVENTS says of the event before a transaction with a GTID.
var nextGTID = regexp.MustCompile(`^SET @@SESSION\.GTID_NEXT= '([^']+)'$`)

// RelayPlace is where in its relay log the applier of a channel stands. The error wraps ErrNoSuchChannel where there is no such channel. With several
// domains that MariaDB executes in parallel it is not where the failing transaction is.
func RelayPlace(ctx context.Context, session *server.Session, channel string) (Position, error) {
	records, err := session.Records(ctx, termsOf(session.Server().Identity()).showStatuses())
	if err != nil {
		return Position{}, fmt.Errorf("reading where the applier stands in its relay log: %w", err)
	}
	for _, record := range records {
		if !strings.EqualFold(record.Text("Channel_Name", "Connection_name"), channel) {
			continue
		}
		n := &numbers{record: record}
		at := Position{File: record.Text("Relay_Log_File"), Offset: n.uint(64, "Relay_Log_Pos")}
		if n.err != nil {
			return Position{}, fmt.Errorf("%s: reading where the applier stands in its relay log: %w", session.Server().Address(), n.err)
		}
		return at, nil
	}
	return Position{}, fmt.Errorf("%s: channel %q: %w", session.Server().Address(), channel, ErrNoSuchChannel)
}

// failingGTIDInRelayLog: MySQL 5.6 tells the GTID in the text of a parallel worker's error, and where there are none nowhere but in its relay
// log, where the applier stands. It needs REPLICATION SLAVE; "" without it, and where the relay log does not show it.
func failingGTIDInRelayLog(ctx context.Context, session *server.Session, status Status) (string, error) {
	if found := workerText.FindStringSubmatch(status.ApplierError.Message); found != nil {
		return found[1], nil
	}
	if status.ApplierError.Number == erWorkersStopped {
		return "", nil // also where somebody has set the workers to 0 since
	}
	if mode, err := gtidMode(ctx, session); err != nil || mode == "OFF" || status.Workers > 0 {
		return "", err
	}
	at, err := RelayPlace(ctx, session, status.Channel)
	if err != nil {
		return "", err
	}
	events, err := session.Records(ctx, fmt.Sprintf("SHOW RELAYLOG EVENTS IN %s FROM %d LIMIT 4", quote(at.File), at.Offset))
	if server.IsAccessDenied(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the relay log where the applier stands: %w", err)
	}
	for _, event := range events {
		if found := nextGTID.FindStringSubmatch(event.Text("Info")); found != nil {
			return ifNotExecuted(status, found[1])
		}
		if kind := event.Text("Event_type"); kind != "Rotate" && kind != "Format_desc" && kind != "Previous_gtids" {
			return "", nil
		}
	}
	return "", nil
}

// ifNotExecuted drops a GTID that was executed: what the applier passes over does not always move its position.
func ifNotExecuted(status Status, gtid string) (string, error) {
	passed, err := hasPassed(server.MySQL, status, Failing{GTID: gtid})
	if err != nil || passed {
		return "", err
	}
	return gtid, nil
}

// gtidMode is MySQL's gtid_mode in upper case, "OFF" where the server has no such thing.
func gtidMode(ctx context.Context, session *server.Session) (string, error) {
	variables, err := globalVariables(ctx, session, "gtid_mode")
	if err != nil {
		return "", fmt.Errorf("reading gtid_mode: %w", err)
	}
	if mode := strings.ToUpper(variables["gtid_mode"]); mode != "" {
		return mode, nil
	}
	return "OFF", nil
}
