package main

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"trueup/server"
)

// spare is the database in which the replica keeps its table as it was before any damage.
const spare = "bench_spare"

// damage is what is done to the replica: k = k + 1 in the first rows, and of those behind them some are deleted, from the middle of the
// table on.
type damage struct {
	rows      int64 // of the table
	changed   int64
	deleted   int64
	scattered bool // the deleted rows are spread over all of the table, so that every part of it differs
}

// damageOf changes a tenth of the rows, and deletes one in 200; less, of both, by a factor.
func damageOf(rows, factor int64) damage {
	return damage{rows: rows, changed: rows / 10 / factor, deleted: rows / 200 / factor}
}

func (d damage) total() int64 { return d.changed + d.deleted }

// ofChanged and ofDeleted are the conditions under which rows are hit.
func (d damage) ofChanged() string { return fmt.Sprintf("id < %d", firstID+d.changed) }

func (d damage) ofDeleted() string {
	from, stride := firstID+d.rows/2, int64(1)
	if d.scattered {
		from, stride = firstID+d.changed, (d.rows-d.changed)/max(d.deleted, 1)
	}
	return fmt.Sprintf("id >= %d AND id < %d AND (id - %d) %% %d = 0", from, from+stride*d.deleted, from, stride)
}

// makeDurable makes commits as durable as servers make them where nobody has said otherwise; those of package sandbox do not wait for the
// disk. What a repair takes depends on its commits.
func (s *servers) makeDurable(ctx context.Context) error {
	for _, one := range []instance{s.source, s.replica} {
		if err := execute(ctx, s.endpoint(one), "SET GLOBAL innodb_flush_log_at_trx_commit = DEFAULT"); err != nil {
			return err
		}
	}
	return nil
}

// keepSpare copies the replica's table.
func (s *servers) keepSpare(ctx context.Context) error {
	name, copied := database+"."+table, spare+"."+table
	return execute(ctx, s.endpoint(s.replica), "SET SESSION sql_log_bin = 0", "CREATE DATABASE "+spare, "CREATE TABLE "+copied+" LIKE "+name,
		"INSERT INTO "+copied+" SELECT * FROM "+name)
}

func (s *servers) dropSpare(ctx context.Context) error {
	return execute(ctx, s.endpoint(s.replica), "SET SESSION sql_log_bin = 0", "DROP DATABASE "+spare)
}

// restore puts the rows back that a damage has hit, and whatever was made of them.
func (s *servers) restore(ctx context.Context, d damage) error {
	name, copied := database+"."+table, spare+"."+table
	statements := []string{"SET SESSION sql_log_bin = 0"}
	for _, hit := range []string{d.ofChanged(), d.ofDeleted()} {
		statements = append(statements, fmt.Sprintf("REPLACE INTO %s SELECT * FROM %s WHERE %s", name, copied, hit))
	}
	return execute(ctx, s.endpoint(s.replica), statements...)
}

// damage damages the replica, which is equal, behind replication's back, and makes sure that exactly so many rows are wrong.
func (s *servers) damage(ctx context.Context, d damage) error {
	name := database + "." + table
	err := execute(ctx, s.endpoint(s.replica), "SET SESSION sql_log_bin = 0",
		fmt.Sprintf("UPDATE %s SET k = k + 1 WHERE %s", name, d.ofChanged()), fmt.Sprintf("DELETE FROM %s WHERE %s", name, d.ofDeleted()))
	if err != nil {
		return err
	}
	wrong, err := s.wrongRows(ctx)
	if err == nil && wrong != d.total() {
		err = fmt.Errorf("%d rows of the damaged replica are wrong instead of %d", wrong, d.total())
	}
	return err
}

// hashedRow is a row's key and a hash of its values.
type hashedRow struct {
	id   int64
	hash [16]byte
}

// wrongRows counts the rows that are missing, extra or changed on the replica: both tables are read whole, in the order of their key,
// by nothing that the tools have a part in.
func (s *servers) wrongRows(ctx context.Context) (int64, error) {
	if err := s.waitCaughtUp(ctx); err != nil {
		return 0, err
	}
	var both errgroup.Group
	var source, replica []hashedRow
	both.Go(func() (err error) {
		source, err = hashedRows(ctx, s.endpoint(s.source))
		return err
	})
	both.Go(func() (err error) {
		replica, err = hashedRows(ctx, s.endpoint(s.replica))
		return err
	})
	if err := both.Wait(); err != nil {
		return 0, err
	}
	return unlike(source, replica), nil
}

func hashedRows(ctx context.Context, endpoint server.Endpoint) (rows []hashedRow, err error) {
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
	statement, err := session.Prepare(ctx, fmt.Sprintf("SELECT id, k, c, pad FROM %s.%s ORDER BY id", database, table))
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	var buffer []byte
	err = statement.Stream(ctx, nil, func(values []driver.Value) error {
		id, isID := values[0].(int64)
		k, isNumber := values[1].(int64)
		c, isText := values[2].([]byte)
		pad, isText2 := values[3].([]byte)
		if !isID || !isNumber || !isText || !isText2 {
			return errors.New("the driver gave a row of other types than the table's")
		}
		buffer = binary.BigEndian.AppendUint64(buffer[:0], uint64(k))
		buffer = append(append(append(buffer, c...), 0), pad...)
		row := hashedRow{id: id}
		sum := sha256.Sum256(buffer)
		copy(row.hash[:], sum[:])
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// unlike counts the keys that only one list has, or that have other values there; both are in ascending order.
func unlike(a, b []hashedRow) (rows int64) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].id < b[0].id:
			a, rows = a[1:], rows+1
		case a[0].id > b[0].id:
			b, rows = b[1:], rows+1
		default:
			if a[0].hash != b[0].hash {
				rows++
			}
			a, b = a[1:], b[1:]
		}
	}
	return rows + int64(len(a)+len(b))
}
