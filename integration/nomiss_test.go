package integration

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"trueup/check"
	"trueup/chunker"
)

// EnvNoMissSeed is the seed of the first case of TestNoMiss, and EnvNoMissCases how many follow from it: a failing case
// names its seed, and replays with it and 1.
const (
	EnvNoMissSeed  = "TRUEUP_NOMISS_SEED"
	EnvNoMissCases = "TRUEUP_NOMISS_CASES"
)

// casesAtOnce are the tables of one check.
const casesAtOnce = 50

// TestNoMiss: in generated tables of every type and key, every damaged row is listed with its key, its kind and
// exactly the columns in which it differs, and no other row is.
func TestNoMiss(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		cases := times(1000, 10_000)
		if !on.Local() {
			cases = 200
		}
		seed, replayed := envNumber(t, EnvNoMissSeed), envNumber(t, EnvNoMissCases)
		if seed == 0 {
			seed = uint64(time.Now().UnixMilli())
		}
		if replayed > 0 {
			cases = int(replayed)
		}
		began := time.Now()
		run := newMissRun(t, on, 1)
		for first := 0; first < cases && !t.Failed(); first += casesAtOnce {
			run.batch(t, seed+uint64(first), min(casesAtOnce, cases-first))
		}
		t.Logf("%s=%d: %d cases in %v, %d rows, %d differences", EnvNoMissSeed, seed, cases, time.Since(began).Round(time.Millisecond), run.rows, run.differences)
		run.requireEffects(t)
		requireReplicating(t, run.tp.Replicas...)
	})
}

func envNumber(t testing.TB, name string) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// missRun is the servers and what was done to them.
type missRun struct {
	on        ServerRow
	tp        *Topology
	pool      *kindPool
	writers   []*sql.Conn // of the source, logged
	source    *sql.Conn   // not logged
	replica   *sql.Conn   // not logged
	tries     map[string]int
	effects   map[string]int
	databases int

	rows, differences int
}

// missSession lets through every value that a table can hold.
const missSession = "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00', sql_log_bin = "

func newMissRun(t testing.TB, on ServerRow, replicas int) *missRun {
	// Tables in the system tablespace are made and dropped without files of their own.
	args := []string{"--innodb-file-per-table=0"}
	r := &missRun{on: on, tp: NewTopology(t, Options{GTID: true, Replicas: replicas, SourceArgs: args, ReplicaArgs: args}), tries: map[string]int{}, effects: map[string]int{}}
	column := "COLLATION_NAME"
	if on.IsMariaDB(10, 10, 0) || on.IsMariaDB(10, 6, 9) {
		column = "FULL_COLLATION_NAME"
	}
	collations := map[string]bool{}
	for _, row := range r.tp.Source.Query(t, "SELECT "+column+" FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY") {
		collations[row[0]] = true
	}
	r.pool = poolOf(on, collations)
	for range 3 {
		r.writers = append(r.writers, missConn(t, r.tp.Source, missSession+"1"))
	}
	r.source, r.replica = missConn(t, r.tp.Source, missSession+"0"), missConn(t, r.tp.Replica(0), missSession+"0")
	return r
}

func missConn(t testing.TB, n *Node, settings string) *sql.Conn {
	t.Helper()
	conn, err := n.DB.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.ExecContext(context.Background(), settings); err != nil {
		t.Fatal(err)
	}
	return conn
}

// batch makes so many tables in a database of their own, damages them and checks the database once.
func (r *missRun) batch(t *testing.T, seed uint64, count int) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*checkLimit)
	defer cancel()
	r.databases++
	database := fmt.Sprint("nomiss", r.databases)
	r.tp.Source.Exec(t, "CREATE DATABASE "+database+" CHARACTER SET utf8mb4")
	generator := &missGenerator{on: r.on, pool: r.pool}
	tables := make([]*missTable, count)
	for i := range tables {
		tables[i] = generator.newTable(database, i, seed+uint64(i))
	}
	if err := r.create(ctx, tables); err != nil {
		t.Fatal(err)
	}
	r.tp.WaitCaughtUp(t)
	states := make([]*missState, count)
	for i, table := range tables {
		var err error
		if states[i], err = r.damage(ctx, generator, table); err != nil {
			t.Fatalf("seed %d: %v\n%s", table.seed, err, table.create())
		}
	}
	random := rand.New(rand.NewPCG(seed, 2))
	request := requestFor(r.tp)
	request.Filters.Databases = []string{database}
	request.Workers, request.MaxDifferences = 2+random.IntN(3), 1_000_000
	request.Size = chunker.SizeOptions{Rows: 1 + random.IntN(20)}
	result := r.check(ctx, t, request, seed, count)
	r.verify(ctx, t, result, states, request.Size.Rows)
	r.tp.Source.Exec(t, "DROP DATABASE "+database)
}

// checkLimit is far more than a check of small tables takes. One that goes on for ever is a miss too.
const checkLimit = 2 * time.Minute

// check runs a check that must end without an error of its own.
func (r *missRun) check(ctx context.Context, t *testing.T, request check.Request, seed uint64, count int) *check.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	result, err := check.Run(ctx, request, nil)
	if err != nil {
		t.Fatalf("%s=%d %s=%d: %v", EnvNoMissSeed, seed, EnvNoMissCases, count, err)
	}
	if result.Err != nil || result.Interrupted {
		t.Fatalf("%s=%d %s=%d, chunks of %d rows: %s", EnvNoMissSeed, seed, EnvNoMissCases, count, request.Size.Rows, describe(result))
	}
	return result
}

func (r *missRun) create(ctx context.Context, tables []*missTable) error {
	group, ctx := errgroup.WithContext(ctx)
	for w, writer := range r.writers {
		group.Go(func() error {
			for i := w; i < len(tables); i += len(r.writers) {
				statements := []string{tables[i].create()}
				if len(tables[i].rows) > 0 {
					statements = append(statements, tables[i].insert(tables[i].rows...))
				}
				for _, statement := range statements {
					if _, err := writer.ExecContext(ctx, statement); err != nil {
						return fmt.Errorf("seed %d: %s: %w", tables[i].seed, statement, err)
					}
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// damage plans and does the damage to a table and reads what it holds then.
func (r *missRun) damage(ctx context.Context, generator *missGenerator, table *missTable) (*missState, error) {
	rows, err := table.readExact(ctx, r.source)
	if err != nil {
		return nil, err
	}
	generator.planDamage(table, rows)
	effects := map[string]bool{}
	for _, d := range table.damage {
		conn := r.replica
		if d.onSource {
			conn = r.source
		}
		result, err := conn.ExecContext(ctx, d.sql)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.sql, err)
		}
		if affected, err := result.RowsAffected(); err == nil && affected > 0 {
			effects[d.trap] = true
		}
	}
	if table.trap != nil {
		r.tries[table.trap.name]++
		if effects[table.trap.name] {
			r.effects[table.trap.name]++
		}
	}
	state := &missState{table: table}
	if state.source, err = table.readExact(ctx, r.source); err != nil {
		return nil, err
	}
	state.replica, err = table.readExact(ctx, r.replica)
	return state, err
}

// requireEffects fails when a trap was tried and hardly ever took effect: then the test has proven nothing of it.
func (r *missRun) requireEffects(t testing.TB) {
	t.Helper()
	var counts []string
	for _, trap := range trapsOf(r.on) {
		tries, effects := r.tries[trap.name], r.effects[trap.name]
		counts = append(counts, fmt.Sprintf("%s %d/%d", trap.name, effects, tries))
		if !trap.maybe && (tries >= 10 && effects*2 < tries || trap.pair != nil && tries > 1 && effects == 0) {
			t.Errorf("%s took effect in %d of %d cases", trap.name, effects, tries)
		}
	}
	slices.SortFunc(counts, cmp.Compare[string])
	t.Logf("traps that took effect, of those set: %s", strings.Join(counts, ", "))
}
