package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	_ "github.com/go-sql-driver/mysql" // the demo speaks to its own servers as any application would

	"trueup/internal/sandbox"
	"trueup/server"
)

// Replicas is how many replicas the demo has; the last one is damaged.
const Replicas = 2

// Topology is a private source with its replicas.
type Topology struct {
	Source   *sandbox.Instance
	Replicas []*sandbox.Instance
}

// Start starts the demo's servers and loads the sample data. Call Close whatever it returns.
func Start(ctx context.Context) (*Topology, error) {
	t, err := StartServers(ctx, Replicas)
	if err != nil {
		return t, err
	}
	if err := Execute(ctx, t.Source, append(sampleData, grantRepair)...); err != nil {
		return t, err
	}
	for _, replica := range t.Replicas {
		if err := Execute(ctx, replica, "SET SESSION sql_log_bin = 0", grantSkip); err != nil {
			return t, err
		}
	}
	return t, t.WaitCaughtUp(ctx)
}

// StartServers starts a source and that many replicas of it, without data. Call Close whatever it returns. It fails with
// sandbox.ErrNoServer where there is no server program.
func StartServers(ctx context.Context, replicas int) (*Topology, error) {
	t := &Topology{Replicas: make([]*sandbox.Instance, replicas)}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		t.Source, err = sandbox.Start(groupCtx, sandbox.Options{Name: "source"})
		return err
	})
	for i := range t.Replicas {
		group.Go(func() (err error) {
			t.Replicas[i], err = sandbox.Start(groupCtx, sandbox.Options{Name: fmt.Sprintf("replica %d", i+1), ParallelThreads: 4 * i})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return t, err
	}
	return t, t.replicate(ctx)
}

// Account is the user that the check logs in as, on every server, with the privileges a check needs and no more.
const (
	Account  = "trueup"
	Password = "demo"
)

const grantAccount = "GRANT SELECT, PROCESS, BINLOG MONITOR, BINLOG ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, REPLICATION SLAVE ADMIN ON *.* TO '" +
	Account + "'@'127.0.0.1' IDENTIFIED BY '" + Password + "'"

// grantRepair adds what repairs and recoveries need, of which only a recovery reads the source's log; replicas get it by replication.
const grantRepair = "GRANT INSERT, UPDATE, DELETE, TRIGGER, REPLICATION SLAVE ON *.* TO '" + Account + "'@'127.0.0.1'"

// grantSkip is for the skip counter, on replicas only: MariaDB lets nobody else set it (REPLICATION SLAVE ADMIN is not enough on 10.11).
const grantSkip = "GRANT SUPER ON *.* TO '" + Account + "'@'127.0.0.1'"

// SourceEndpoint is the source as the check's account reaches it.
func (t *Topology) SourceEndpoint() server.Endpoint {
	endpoint := t.Source.AdminEndpoint()
	endpoint.User, endpoint.Password = Account, Password
	return endpoint
}

// replicate makes an account for the replicas and starts them: the first by file and position, the second by GTID.
func (t *Topology) replicate(ctx context.Context) error {
	const account = "GRANT REPLICATION SLAVE ON *.* TO 'replicator'@'127.0.0.1' IDENTIFIED BY 'demo'"
	if err := Execute(ctx, t.Source, "RESET MASTER", account, grantAccount); err != nil {
		return err
	}
	for i, replica := range t.Replicas {
		gtid := "slave_pos"
		if i == 0 {
			gtid = "no"
		}
		change := fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='replicator', MASTER_PASSWORD='demo', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=%s", t.Source.Port(), gtid)
		if err := Execute(ctx, replica, change, "START SLAVE"); err != nil {
			return err
		}
	}
	return nil
}

// WaitCaughtUp waits until each replica has executed what the source has logged.
func (t *Topology) WaitCaughtUp(ctx context.Context) error {
	file, position, err := t.sourcePosition(ctx)
	if err != nil {
		return err
	}
	for _, replica := range t.Replicas {
		db, err := open(replica)
		if err != nil {
			return err
		}
		var events sql.NullInt64
		err = db.QueryRowContext(ctx, "SELECT MASTER_POS_WAIT(?, ?, 60)", file, position).Scan(&events)
		_ = db.Close()
		if err == nil && (!events.Valid || events.Int64 < 0) {
			err = errors.New("it did not catch up with the source; see its log")
		}
		if err != nil {
			return fmt.Errorf("replica %s: %w", replica.Address(), err)
		}
	}
	return nil
}

func (t *Topology) sourcePosition(ctx context.Context) (file string, position uint64, err error) {
	db, err := open(t.Source)
	if err != nil {
		return "", 0, err
	}
	defer db.Close()
	var doDB, ignoreDB string
	err = db.QueryRowContext(ctx, "SHOW MASTER STATUS").Scan(&file, &position, &doDB, &ignoreDB)
	return file, position, err
}

// Damaged is the address of the replica that Damage damages.
func (t *Topology) Damaged() string { return t.Last().Address() }

// Last is the last replica.
func (t *Topology) Last() *sandbox.Instance { return t.Replicas[len(t.Replicas)-1] }

// Close stops the servers and removes their folders.
func (t *Topology) Close() error {
	var failures []error
	for _, instance := range append(slices.Clone(t.Replicas), t.Source) {
		if instance != nil {
			failures = append(failures, instance.Stop())
		}
	}
	return errors.Join(failures...)
}

func open(instance *sandbox.Instance) (*sql.DB, error) {
	db, err := sql.Open("mysql", instance.DSN())
	if err != nil {
		return nil, err
	}
	db.SetConnMaxLifetime(time.Minute)
	return db, nil
}

// Execute runs statements on one connection.
func Execute(ctx context.Context, instance *sandbox.Instance, statements ...string) error {
	db, err := open(instance)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", instance.Address(), err)
	}
	defer conn.Close()
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %s: %w", instance.Address(), statement, err)
		}
	}
	return nil
}
