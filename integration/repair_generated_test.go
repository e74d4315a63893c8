package integration

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/repair"
)

// TestRepairGenerated: generated tables of every type and key, damaged in every way that TestNoMiss knows, on two replicas. A plan changes nothing;
// applied to the first replica it makes it equal, row by row, but for what is refused by name; run by the real client on the second it ends
// in the same; undoing brings back every row as it was. The source is not written.
func TestRepairGenerated(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		cases := times(150, 4000)
		seed, replayed := envNumber(t, EnvNoMissSeed), envNumber(t, EnvNoMissCases)
		if seed == 0 {
			seed = uint64(time.Now().UnixMilli())
		}
		if replayed > 0 {
			cases = int(replayed)
		}
		r := &repairedTables{missRun: newMissRun(t, on, 2)}
		r.second = missConn(t, r.tp.Replica(1), missSession+"0")
		for first := 0; first < cases && !t.Failed(); first += casesAtOnce {
			r.repairBatch(t, seed+uint64(first), min(casesAtOnce, cases-first))
		}
		t.Logf("%s=%d: %d cases, %d rows repaired, %d refused", EnvNoMissSeed, seed, cases, r.repaired, r.refused)
		if replayed == 0 && (r.repaired < int64(cases) || r.refused > r.repaired/5) {
			t.Errorf("%d rows repaired, %d refused: nothing was proven", r.repaired, r.refused)
		}
		requireReplicating(t, r.tp.Replicas...)
	})
}

// repairedTables are generated tables on a source and two replicas.
type repairedTables struct {
	*missRun
	second            *sql.Conn // of the second replica, not logged
	repaired, refused int64
}

// tableRows are a table's rows on each server: sorted lines of exact forms.
type tableRows struct{ source, first, second []string }

func (r *repairedTables) repairBatch(t *testing.T, seed uint64, count int) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	r.databases++
	database := fmt.Sprint("repaired", r.databases)
	r.tp.Source.Exec(t, "CREATE DATABASE "+database+" CHARACTER SET utf8mb4")
	generator := &missGenerator{on: r.on, pool: r.pool}
	tables := make([]*missTable, count)
	for i := range tables {
		generator.oneLine = (seed+uint64(i))%16 > 0
		tables[i] = generator.newTable(database, i, seed+uint64(i))
	}
	if err := r.create(ctx, tables); err != nil {
		t.Fatal(err)
	}
	r.tp.WaitCaughtUp(t)
	for _, table := range tables {
		r.damageBoth(ctx, t, generator, table)
	}
	before := r.readAll(ctx, t, tables)
	hostile := pick(rand.New(rand.NewPCG(seed, 3)), hostileSettings(r.on))
	t.Logf("%s=%d %s=%d: %s", EnvNoMissSeed, seed, EnvNoMissCases, count, hostile)
	for _, node := range r.tp.Nodes() {
		defer node.setHostile(t, hostile)()
	}
	file, position := r.tp.Source.BinlogPosition(t)

	plan := NewRepairRun(t, r.request(database), false)
	plan.Request.Check.Replicas = plan.Request.Check.Replicas[1:]
	plan.Run(t)
	r.compareAll(ctx, t, tables, before, "a plan has changed")

	apply := NewRepairRun(t, r.request(database), true)
	apply.Request.Check.Replicas = apply.Request.Check.Replicas[:1]
	result := apply.Run(t)
	after := r.readAll(ctx, t, tables)
	r.judgeRepair(t, tables, before, after, result)
	if nowFile, now := r.tp.Source.BinlogPosition(t); nowFile != file || now != position {
		t.Errorf("the source's log went from %s:%s to %s:%s", file, position, nowFile, now)
	}

	r.tp.Replica(1).StopReplica(t, "SQL_THREAD")
	if err := r.tp.Replica(1).RunClient(t, ctx, plan.Script.String()); err != nil {
		t.Errorf("%s=%d %s=%d: the plan's script: %v", EnvNoMissSeed, seed, EnvNoMissCases, count, err)
	}
	r.tp.Replica(1).StartReplica(t, "SQL_THREAD")
	scripted := r.readAll(ctx, t, tables)
	apply.Undo(t, r.tp.Replica(0))
	undone := r.readAll(ctx, t, tables)
	for i, table := range tables {
		if slices.Equal(before[i].first, before[i].second) && !slices.Equal(scripted[i].second, after[i].first) {
			r.complain(t, table, "the script ends in something else than --apply", after[i].first, scripted[i].second)
		}
		if !slices.Equal(undone[i].first, before[i].first) {
			r.complain(t, table, "after undo", before[i].first, undone[i].first)
		}
	}
	if !t.Failed() {
		r.tp.Source.Exec(t, "DROP DATABASE "+database)
	}
}

func (r *repairedTables) request(database string) check.Request {
	request := requestFor(r.tp)
	request.Filters.Databases = []string{database}
	request.MaxDifferences = 10
	return request
}

// damageBoth does the damage to a table on the source and on both replicas.
func (r *repairedTables) damageBoth(ctx context.Context, t *testing.T, generator *missGenerator, table *missTable) {
	t.Helper()
	if _, err := r.damage(ctx, generator, table); err != nil {
		t.Fatalf("seed %d: %v\n%s", table.seed, err, table.create())
	}
	for _, d := range table.damage {
		if d.onSource {
			continue
		}
		if _, err := r.second.ExecContext(ctx, d.sql); err != nil {
			t.Fatalf("seed %d: %s: %v", table.seed, d.sql, err)
		}
	}
}

func (r *repairedTables) readAll(ctx context.Context, t *testing.T, tables []*missTable) []tableRows {
	t.Helper()
	all := make([]tableRows, len(tables))
	for i, table := range tables {
		for conn, into := range map[*sql.Conn]*[]string{r.source: &all[i].source, r.replica: &all[i].first, r.second: &all[i].second} {
			rows, err := table.readExact(ctx, conn)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				*into = append(*into, exactKey(row, nil))
			}
			slices.Sort(*into)
		}
	}
	return all
}

// compareAll demands that nothing has changed anywhere.
func (r *repairedTables) compareAll(ctx context.Context, t *testing.T, tables []*missTable, before []tableRows, what string) {
	t.Helper()
	now := r.readAll(ctx, t, tables)
	for i, table := range tables {
		for _, pair := range [][2][]string{{before[i].source, now[i].source}, {before[i].first, now[i].first}, {before[i].second, now[i].second}} {
			if !slices.Equal(pair[0], pair[1]) {
				r.complain(t, table, what, pair[0], pair[1])
			}
		}
	}
}

// judgeRepair demands that the first replica has the source's rows, and where rows were refused, as many of the old ones as were refused; and
// that nothing else has changed.
func (r *repairedTables) judgeRepair(t *testing.T, tables []*missTable, before, after []tableRows, result *repair.Result) {
	t.Helper()
	found := map[string]repair.TableResult{}
	for _, replica := range result.Replicas {
		if len(replica.Refused) > 0 {
			t.Fatalf("refused: %s", DescribeRepair(result))
		}
		for _, table := range replica.Tables {
			found[table.Table] = table
		}
	}
	whole := true
	for i, table := range tables {
		of := found[table.name]
		r.repaired += of.Done.Total()
		refused := int64(0)
		for _, refusal := range of.Refused {
			refused += refusal.Rows
		}
		r.refused += refused
		whole = whole && len(of.Refused) == 0
		switch equal := slices.Equal(after[i].source, after[i].first); {
		case !slices.Equal(after[i].source, before[i].source) || !slices.Equal(after[i].second, before[i].second):
			t.Errorf("seed %d: the source or the other replica has changed", table.seed)
		case equal && refused > 0:
			t.Errorf("seed %d: equal, though %+v were refused", table.seed, of.Refused)
		case len(of.Refused) > 0:
			t.Logf("seed %d, %s, trap %s: planned %+v, done %+v, refused %+v", table.seed, table.shape, table.trapName(), of.Planned, of.Done, of.Refused)
			r.judgeRefused(t, table, before[i], after[i], of, refused)
		case !equal:
			r.complain(t, table, fmt.Sprintf("not equal after %+v", of), after[i].source, after[i].first)
		}
	}
	if verdict := result.Verified.Verdict; whole != (verdict == check.Equal) || !whole && verdict != check.Different {
		t.Errorf("verified: %s, refused: %v: %s", verdict, !whole, DescribeRepair(result))
	}
}

// judgeRefused demands that a table from which rows were refused has no rows but old ones and right ones, and the refusals count what is left.
func (r *repairedTables) judgeRefused(t *testing.T, table *missTable, before, after tableRows, of repair.TableResult, refused int64) {
	t.Helper()
	if of.Planned.Total() != of.Done.Total()+refused {
		t.Errorf("seed %d: planned %+v, done %+v, refused %+v", table.seed, of.Planned, of.Done, of.Refused)
	}
	for _, line := range linesWithout(after.first, after.source) {
		if !slices.Contains(before.first, line) {
			r.complain(t, table, "a row that was neither there before nor is the source's", after.source, after.first)
			return
		}
	}
	if refused == of.Planned.Total() && !slices.Equal(after.first, before.first) {
		r.complain(t, table, "all was refused, and it has changed", before.first, after.first)
	}
}

// linesWithout are the lines of one sorted list that another does not have.
func linesWithout(lines, other []string) (left []string) {
	for _, line := range lines {
		if n, found := slices.BinarySearch(other, line); found {
			other = slices.Delete(slices.Clone(other), n, n+1)
			continue
		}
		left = append(left, line)
	}
	return left
}

func (r *repairedTables) complain(t *testing.T, table *missTable, what string, want, got []string) {
	t.Helper()
	t.Errorf("%s=%d %s=1, %s, trap %s: %s:\nmissing:\n%s\ntoo much:\n%s\n%s;\n%s", EnvNoMissSeed, table.seed, EnvNoMissCases, table.shape, table.trapName(), what,
		strings.Join(linesWithout(want, got), "\n"), strings.Join(linesWithout(got, want), "\n"), table.create(), table.history())
}
