package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"trueup/internal/sandbox"
	"trueup/server"
)

const (
	database  = "bench"
	table     = "sbtest1"
	account   = "bench"
	loadLimit = 10 * time.Minute
	// rowsAtOnce keeps the transactions that are replicated small.
	rowsAtOnce = 50_000
	// firstID is the key of the first row.
	firstID = 1_000_001
)

// instance is a server of the benchmark: a program of this machine, or a container.
type instance interface {
	AdminEndpoint() server.Endpoint
	Address() string
	Port() int
	PID() int // 0 in a container
	Stop() error
}

// servers is one source with one replica and the account all tools log in with.
type servers struct {
	source, replica instance
	flavor          server.Flavor
	title           string // what they are
	password        string
	averageRow      string // bytes, as the source counts them
}

// startServers starts and loads them. What it returns must be stopped, also after an error.
func startServers(ctx context.Context, rows int64) (*servers, error) {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	s := &servers{password: rand.Text(), flavor: server.MariaDB}
	for _, one := range []struct {
		name   string
		target *instance
	}{{"source", &s.source}, {"replica", &s.replica}} {
		started, err := sandbox.Start(ctx, sandbox.Options{Name: one.name, ParallelThreads: 2, Args: []string{memoryFor(rows)}})
		if err != nil {
			return s, err
		}
		*one.target, s.title = started, fmt.Sprint(started.Runtime())
	}
	if err := s.replicate(ctx); err != nil {
		return s, err
	}
	return s, s.load(ctx, rows)
}

// memoryFor keeps the table in memory on both sides: the tools are measured, not the disk.
func memoryFor(rows int64) string { return fmt.Sprintf("--innodb-buffer-pool-size=%dM", 256+rows/2500) }

func (s *servers) stop() error {
	var err error
	for _, one := range []instance{s.source, s.replica} {
		if one != nil {
			err = errors.Join(err, one.Stop())
		}
	}
	return err
}

// endpoint is the account of the tools on a server.
func (s *servers) endpoint(on instance) server.Endpoint {
	endpoint := on.AdminEndpoint()
	endpoint.User, endpoint.Password = account, server.Secret(s.password)
	return endpoint
}

// execute runs statements in one session of an endpoint.
func execute(ctx context.Context, endpoint server.Endpoint, statements ...string) error {
	_, err := ask(ctx, endpoint, statements...)
	return err
}

// ask runs statements in one session; the rows of the last are returned.
func ask(ctx context.Context, endpoint server.Endpoint, statements ...string) ([]server.Record, error) {
	opened, err := server.Open(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	session, err := opened.Session(ctx, server.SessionOptions{})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	for _, statement := range statements[:len(statements)-1] {
		if err := session.Exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	return session.Records(ctx, statements[len(statements)-1])
}

func (s *servers) replicate(ctx context.Context) error {
	err := execute(ctx, s.replica.AdminEndpoint(),
		fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos",
			s.source.Port(), account, s.password))
	if err != nil {
		return err
	}
	err = execute(ctx, s.source.AdminEndpoint(),
		fmt.Sprintf("GRANT ALL PRIVILEGES ON *.* TO '%s'@'127.0.0.1' IDENTIFIED BY '%s'", account, s.password))
	if err != nil {
		return err
	}
	return execute(ctx, s.replica.AdminEndpoint(), "START SLAVE")
}

// load fills sysbench's table with rows of exactly 195 bytes as text: 7 for id, 8 for k, 120 and 60. The values are made from the
// row's number, so that each run of the benchmark has the same.
func (s *servers) load(ctx context.Context, rows int64) error {
	statements := []string{
		"CREATE DATABASE " + database,
		"CREATE TABLE " + database + "." + table + ` (
			id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL DEFAULT 0,
			c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT ''
		) ENGINE=InnoDB DEFAULT CHARSET=latin1`,
	}
	for first := int64(1); first <= rows; first += rowsAtOnce {
		statements = append(statements, fmt.Sprintf("INSERT INTO %s.%s (id, k, c, pad) SELECT %d + seq, 10000000 + CRC32(seq) %% 80000000, %s, %s FROM %s",
			database, table, firstID-1, groups(10), groups(5), s.numbers(first, min(first+rowsAtOnce-1, rows))))
	}
	if s.flavor == server.MySQL {
		statements = append([]string{fmt.Sprintf("SET SESSION cte_max_recursion_depth=%d", rowsAtOnce)}, statements...)
	}
	statements = append(statements, "ANALYZE TABLE "+database+"."+table)
	source := s.endpoint(s.source)
	if err := execute(ctx, source, statements...); err != nil {
		return err
	}
	if err := s.waitCaughtUp(ctx); err != nil {
		return err
	}
	for _, one := range []instance{s.source, s.replica} {
		records, err := ask(ctx, s.endpoint(one), fmt.Sprintf(
			"SELECT COUNT(*) AS n, ROUND(AVG(LENGTH(id) + LENGTH(k) + LENGTH(c) + LENGTH(pad))) AS bytes FROM %s.%s", database, table))
		if err != nil {
			return err
		}
		if got := records[0].Text("n"); got != fmt.Sprint(rows) {
			return fmt.Errorf("%s holds %s rows instead of %d", one.Address(), got, rows)
		}
		s.averageRow = records[0].Text("bytes")
	}
	return nil
}

// numbers is a FROM-able expression with one column, seq, from first to last.
func (s *servers) numbers(first, last int64) string {
	if s.flavor == server.MariaDB {
		return fmt.Sprintf("%s.seq_%d_to_%d", database, first, last)
	}
	return fmt.Sprintf("(WITH RECURSIVE n (seq) AS (SELECT %d UNION ALL SELECT seq + 1 FROM n WHERE seq < %d) SELECT seq FROM n) AS numbers", first, last)
}

// groups is SQL for n groups of eleven digits with dashes between and a dot behind, like sysbench's text columns.
func groups(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf("LPAD(CRC32(CONCAT(seq, '/%d')) * 23 %% 100000000000, 11, '0')", i)
	}
	return "CONCAT(CONCAT_WS('-', " + strings.Join(parts, ", ") + "), '.')"
}

func (s *servers) waitCaughtUp(ctx context.Context) error {
	position, wait := "SELECT @@gtid_binlog_pos AS gtid", "SELECT MASTER_GTID_WAIT('%s', %d) AS result"
	if s.flavor == server.MySQL {
		position, wait = "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '') AS gtid", "SELECT WAIT_FOR_EXECUTED_GTID_SET('%s', %d) AS result"
	}
	end, err := ask(ctx, s.endpoint(s.source), position)
	if err != nil {
		return err
	}
	waited, err := ask(ctx, s.replica.AdminEndpoint(), fmt.Sprintf(wait, end[0].Text("gtid"), int(loadLimit.Seconds())))
	if err != nil {
		return err
	}
	if waited[0].Text("result") != "0" {
		return fmt.Errorf("the replica %s did not catch up with %s", s.replica.Address(), end[0].Text("gtid"))
	}
	return nil
}
