package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"trueup/server"
)

const catchUpLimit = 90 * time.Second

func (n *Node) replicateFrom(ctx context.Context, source *Node, gtid bool) error {
	return n.replicateOn(ctx, source, "", gtid)
}

// replicateOn makes n a replica of source, from the start of its binary log, and starts it.
func (n *Node) replicateOn(ctx context.Context, source *Node, channel string, gtid bool) error {
	// The account stays out of the binary log: each server of a chain has its own.
	err := source.exec(ctx, append(append([]string{"SET SESSION sql_log_bin=0"}, source.createReplicator()...),
		"SET SESSION sql_log_bin=1")...) // the connection goes back to the pool
	if err != nil {
		return err
	}
	file := ""
	if !gtid {
		_, rows, err := source.query(ctx, "SHOW BINARY LOGS")
		if err != nil {
			return err
		}
		file = rows[0][0]
	}
	return n.exec(ctx, n.Row.changeSource(source, channel, file), n.Row.replicaStatement("START", channel, ""))
}

func (n *Node) createReplicator() []string {
	account := n.Account(replicator)
	if n.Row.Flavor == server.MariaDB || n.Row.IsMySQL(5, 7, 0) {
		return []string{fmt.Sprintf("CREATE USER IF NOT EXISTS %s IDENTIFIED BY '%s'", account, replication), "GRANT REPLICATION SLAVE ON *.* TO " + account}
	}
	return []string{fmt.Sprintf("GRANT REPLICATION SLAVE ON *.* TO %s IDENTIFIED BY '%s'", account, replication)}
}

// waitReplicating waits until both threads of every channel of the replica run.
func (n *Node) waitReplicating(ctx context.Context) error {
	for {
		channels, err := n.channels(ctx)
		if err != nil {
			return err
		}
		running, states := 0, ""
		for _, status := range channels {
			states += fmt.Sprintf(" %s receiver %s %s, applier %s %s;", status["Channel_Name"],
				status["Slave_IO_Running"], status["Last_IO_Error"], status["Slave_SQL_Running"], status["Last_SQL_Error"])
			if status["Slave_IO_Running"] == "Yes" && status["Slave_SQL_Running"] == "Yes" {
				running++
			} else if err := stopped(status); err != nil {
				return fmt.Errorf("%s: %w", n.name, err)
			}
		}
		if running > 0 && running == len(channels) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not replicate:%s %w", n.name, states, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stopped returns the error that stopped replication, nil when there is none. A receiver that is connecting has not stopped, whatever it says of its last try.
func stopped(status map[string]string) error {
	switch {
	case status == nil:
		return errors.New("not a replica")
	case status["Last_SQL_Errno"] != "0":
		return fmt.Errorf("the applier stopped: %s %s", status["Last_SQL_Errno"], status["Last_SQL_Error"])
	case status["Last_IO_Errno"] != "0" && status["Slave_IO_Running"] != "Connecting":
		return fmt.Errorf("the receiver stopped: %s %s", status["Last_IO_Errno"], status["Last_IO_Error"])
	}
	return nil
}

// StartReplica starts replication: all of it, or "SQL_THREAD" or "IO_THREAD" only; every channel.
func (n *Node) StartReplica(t testing.TB, thread ...string) {
	t.Helper()
	n.switchReplica(t, "START", thread)
}

// StopReplica stops replication: all of it, or "SQL_THREAD" or "IO_THREAD" only; every channel.
func (n *Node) StopReplica(t testing.TB, thread ...string) {
	t.Helper()
	n.switchReplica(t, "STOP", thread)
}

func (n *Node) switchReplica(t testing.TB, verb string, thread []string) {
	t.Helper()
	threads := append(thread, "")[0]
	for _, status := range n.Channels(t) {
		n.Exec(t, n.Row.replicaStatement(verb, status["Channel_Name"], threads))
	}
}

// flushLogs has the server begin a new log. MariaDB adds an event to it when InnoDB has everything of the older ones on the disk, at any time: it is waited for, so that
// the log's end stays where it is.
func (n *Node) flushLogs(t testing.TB) {
	t.Helper()
	n.Exec(t, "FLUSH BINARY LOGS")
	file, _ := n.BinlogPosition(t)
	for deadline := time.Now().Add(stopLimit); n.Row.Flavor == server.MariaDB; time.Sleep(20 * time.Millisecond) {
		events := n.Query(t, "SHOW BINLOG EVENTS IN '"+file+"'")
		if slices.ContainsFunc(events, func(event []string) bool { return event[2] == "Binlog_checkpoint" && event[5] == file }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: no checkpoint in %s: %v", n.name, file, events)
		}
	}
}

// BinlogPosition is where the server's binary log ends now.
func (n *Node) BinlogPosition(t testing.TB) (file, position string) {
	t.Helper()
	rows := n.Query(t, n.Row.showBinlogStatus())
	if len(rows) == 0 {
		t.Fatalf("%s has no binary log", n.name)
	}
	return rows[0][0], rows[0][1]
}

// ShowReplicas is SHOW REPLICAS or SHOW SLAVE HOSTS: what is registered at this source.
func (n *Node) ShowReplicas(t testing.TB) [][]string {
	t.Helper()
	return n.Query(t, n.Row.showReplicas())
}

// WaitCaughtUp waits until every replica has applied what its sources have written up to now. A replica that
// stopped, or does not get there in 90 seconds, fails the test.
func (tp *Topology) WaitCaughtUp(t testing.TB) {
	t.Helper()
	upstream := tp.Source
	for _, replica := range tp.Replicas {
		if len(tp.options.Channels) > 0 {
			for i, source := range tp.Sources {
				replica.waitChannel(t, source, tp.options.Channels[i])
			}
			continue
		}
		replica.WaitCaughtUp(t, upstream)
		if tp.options.Chain {
			upstream = replica
		}
	}
}

// WaitCaughtUp waits until n, a replica of source, has applied what source has written up to now.
func (n *Node) WaitCaughtUp(t testing.TB, source *Node) {
	t.Helper()
	n.waitChannel(t, source, "")
}

func (n *Node) waitChannel(t testing.TB, source *Node, channel string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), catchUpLimit)
	defer cancel()
	if err := n.waitCaughtUpOn(ctx, source, channel); err != nil {
		t.Fatalf("%s did not catch up: %v", n.name, err)
	}
}

func (n *Node) waitCaughtUp(ctx context.Context, source *Node) error {
	return n.waitCaughtUpOn(ctx, source, "")
}

func (n *Node) waitCaughtUpOn(ctx context.Context, source *Node, channel string) error {
	_, target, err := source.query(ctx, source.Row.showBinlogStatus())
	if err != nil {
		return err
	}
	if len(target) == 0 {
		return fmt.Errorf("%s has no binary log", source.name)
	}
	for {
		// NULL: the applier does not run. In slices, so that an error is seen at once and not at the end.
		_, rows, err := n.query(ctx, n.Row.waitForPosition(channel), target[0][0], target[0][1], 1)
		if err != nil {
			return err
		}
		if result := rows[0][0]; result != "NULL" && result != "-1" {
			return nil
		}
		status, err := n.channel(ctx, channel)
		if err != nil {
			return err
		}
		if err := stopped(status); err != nil {
			return err
		}
		if status["Slave_SQL_Running"] != "Yes" {
			return fmt.Errorf("its applier was stopped at %s:%s and %s:%s is awaited", status["Relay_Master_Log_File"], status["Exec_Master_Log_Pos"], target[0][0], target[0][1])
		}
	}
}

// Damage changes replica i behind replication's back: the statements run on one connection under sql_log_bin=0. The
// replica catches up first, so that damage to rows that are still on their way cannot stop it.
func (tp *Topology) Damage(t testing.TB, i int, statements ...string) {
	t.Helper()
	if tp.options.Chain || len(tp.options.Channels) > 0 {
		tp.WaitCaughtUp(t)
	} else {
		tp.Replicas[i].WaitCaughtUp(t, tp.Source)
	}
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	if err := tp.Replicas[i].damage(ctx, statements...); err != nil {
		t.Fatal(err)
	}
}

func (n *Node) damage(ctx context.Context, statements ...string) error {
	conn, err := n.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SET SESSION sql_log_bin=0, foreign_key_checks=0"); err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s (%s): %s: %w", n.name, n.Address(), statement, err)
		}
	}
	_, err = conn.ExecContext(ctx, "SET SESSION sql_log_bin=1, foreign_key_checks=1")
	return err
}
