package replication

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"trueup/server"
)

// Errant returns the transactions that a replica has given a GTID of its own and that its source does not have, in the form of
// the family; "" for none, and where the servers cannot say: MySQL without GTIDs, MariaDB replicas without a binary log, servers
// of two families.
// They were written to the replica directly. In a ring, where the source gets them, those on their way are among them.
func Errant(ctx context.Context, replica, source *server.Session) (string, error) {
	if replica.Server().Identity().Flavor != source.Server().Identity().Flavor {
		return "", nil
	}
	find := errantOfMySQL
	if replica.Server().Identity().Flavor == server.MariaDB {
		find = errantOfMariaDB
	}
	errant, err := find(ctx, replica, source)
	if err != nil {
		return "", fmt.Errorf("looking for transactions that only the replica has: %w", err)
	}
	return errant, nil
}

// errantOfMySQL reads the replica's set first: what the source executes meanwhile is no replica's own.
func errantOfMySQL(ctx context.Context, replica, source *server.Session) (string, error) {
	variables, err := globalVariables(ctx, replica, "gtid_mode", "gtid_executed")
	if err != nil || !strings.EqualFold(variables["gtid_mode"], "ON") {
		return "", err
	}
	executed, err := ParseGTIDSet(server.MySQL, variables["gtid_executed"])
	if err != nil {
		return "", err
	}
	own := executed.ofServer(replica.Server().Identity().UUID)
	if own.IsEmpty() {
		return "", nil
	}
	record, err := source.One(ctx, "SELECT GTID_SUBTRACT(?, @@GLOBAL.gtid_executed) AS errant", own.String())
	if err != nil {
		return "", err
	}
	return withoutSpace(record.Text("errant")), nil
}

// errantOfMariaDB compares the last transaction of each domain that the replica has given a number, whoever wrote later ones.
//
// https://mariadb.com/kb/en/gtid/#gtid_binlog_state
func errantOfMariaDB(ctx context.Context, replica, source *server.Session) (string, error) {
	own, err := replica.One(ctx, "SELECT @@GLOBAL.gtid_binlog_state AS state")
	if err != nil {
		return "", err
	}
	known, err := source.One(ctx, "SELECT CONCAT_WS(',', @@GLOBAL.gtid_binlog_state, @@GLOBAL.gtid_slave_pos) AS state")
	if err != nil {
		return "", err
	}
	return ownBeyond(own.Text("state"), known.Text("state"), replica.Server().Identity().ServerID)
}

// ownBeyond lists the GTIDs of a server in one state that lie beyond those the other state has of it.
func ownBeyond(own, known string, serverID uint32) (string, error) {
	reached := map[uint32]uint64{}
	for _, text := range splitList(known) {
		domain, gtid, err := parseMariaDBGTID(text)
		if err != nil {
			return "", err
		}
		if gtid.serverID == serverID {
			reached[domain] = max(reached[domain], gtid.sequence)
		}
	}
	var errant []string
	for _, text := range splitList(own) {
		domain, gtid, err := parseMariaDBGTID(text)
		if err != nil {
			return "", err
		}
		if gtid.serverID == serverID && gtid.sequence > reached[domain] {
			errant = append(errant, strings.Join([]string{strconv.FormatUint(uint64(domain), 10), strconv.FormatUint(uint64(serverID), 10), strconv.FormatUint(gtid.sequence, 10)}, "-"))
		}
	}
	return strings.Join(errant, ","), nil
}
