package replication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"trueup/server"
)

// SkipMethod is how a transaction that an applier cannot execute is passed over.
type SkipMethod string

// The methods.
const (
	// SkipByCounter sets sql_replica_skip_counter (sql_slave_skip_counter) to 1: the applier passes over the next event group.
	SkipByCounter SkipMethod = "counter"
	// SkipByEmptyTransaction gives the transaction's GTID to an empty one on the replica, which has then executed it (MySQL).
	SkipByEmptyTransaction SkipMethod = "empty_transaction"
	// SkipByGTIDPosition sets @@gtid_slave_pos behind the transaction (MariaDB).
	SkipByGTIDPosition SkipMethod = "gtid_slave_pos"
)

// ErrCannotSkip says that no method skips exactly this transaction. A retry does not help.
var ErrCannotSkip = errors.New("this transaction cannot be skipped on its own")

// SkipMethodFor chooses how exactly one transaction is skipped on a replica whose applier stands because of an error, and says why
// in a sentence. The error wraps ErrCannotSkip where there is no way, or ErrNotFailing.
//
// MySQL manual, "Skipping Transactions"; MariaDB manual, "SET GLOBAL sql_slave_skip_counter".
func SkipMethodFor(ctx context.Context, replica *server.Session, status Status) (method SkipMethod, why string, err error) {
	if replica.Server().Identity().Flavor == server.MariaDB {
		return mariaDBMethod(ctx, replica, status)
	}
	mode, err := gtidMode(ctx, replica)
	if err != nil {
		return "", "", err
	}
	if mode == "OFF" {
		return SkipByCounter, "gtid_mode is OFF on the replica", nil
	}
	failing, _, err := ReadFailing(ctx, replica, status.Channel)
	if err != nil {
		return "", "", err
	}
	if failing.GTID != "" {
		return SkipByEmptyTransaction, fmt.Sprintf("the transaction has a GTID and gtid_mode is %s: the skip counter passes over no transaction with a GTID", mode), nil
	}
	assigned, err := assignedUUID(ctx, replica, status.Channel)
	if err != nil {
		return "", "", err
	}
	switch {
	case assigned != "":
		return SkipByCounter, "the source's transactions have no GTIDs, the channel gives them their own", nil
	case mode == "ON":
		return "", "", fmt.Errorf("%s: channel %q: gtid_mode is ON and the replica does not tell the GTID of the transaction: %w", replica.Server().Address(), status.Channel, ErrCannotSkip)
	}
	return SkipByCounter, fmt.Sprintf("the transaction has no GTID (gtid_mode is %s)", mode), nil
}

// mariaDBMethod: MariaDB refuses the counter (error 1966) where the channel uses GTID and executes in parallel, and the replica knows
// several domains, since it could not tell which domain's next transaction is meant. A domain of which it has executed nothing yet it does
// not know: then it takes the counter, and may skip a transaction of another domain (seen on 10.11).
func mariaDBMethod(ctx context.Context, replica *server.Session, status Status) (SkipMethod, string, error) {
	switch {
	case !status.UsesGTID:
		return SkipByCounter, "the channel does not use GTID", nil
	case status.Workers == 0:
		return SkipByCounter, "the applier has no parallel threads", nil
	case !status.receivesSeveralDomains():
		return SkipByCounter, "there is one GTID domain only", nil
	}
	records, err := replica.Records(ctx, termsOf(replica.Server().Identity()).showStatuses())
	if err != nil {
		return "", "", fmt.Errorf("reading how the channel executes in parallel: %w", err)
	}
	for _, record := range records {
		if strings.EqualFold(record.Text("Connection_name"), status.Channel) && strings.EqualFold(record.Text("Parallel_Mode"), "none") {
			return SkipByCounter, "slave_parallel_mode is none on this channel", nil
		}
	}
	return SkipByGTIDPosition, "the channel uses GTID with parallel threads and several domains, for which MariaDB refuses the skip counter (error 1966)", nil
}

// assignedUUID is the UUID with which a channel of MySQL gives GTIDs to the anonymous transactions that it receives, "" where it does not:
// only where it does the counter works under gtid_mode=ON (MySQL 8.0.23 and newer).
//
// MySQL manual, "Replication From a Source Without GTIDs to a Replica With GTIDs".
func assignedUUID(ctx context.Context, replica *server.Session, channel string) (string, error) {
	if !termsOf(replica.Server().Identity()).mysqlFrom(8, 0, 23) {
		return "", nil
	}
	record, err := replica.One(ctx, "SELECT ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS_TYPE AS type, ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS_VALUE AS uuid"+
		" FROM performance_schema.replication_applier_configuration WHERE CHANNEL_NAME = ?", channel)
	if err != nil {
		return "", fmt.Errorf("reading whether channel %q gives GTIDs to anonymous transactions: %w", channel, err)
	}
	if record.Text("type") == "OFF" {
		return "", nil
	}
	return cmp.Or(record.Text("uuid"), replica.Server().Identity().UUID), nil
}
