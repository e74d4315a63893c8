package integration

import (
	"sync"
	"testing"
	"time"

	"trueup/check"
	"trueup/report"
)

// TestAlterWaitsForOneChunk: an ALTER of a table that is being checked waits, on the source and behind it in the replica's applier, no
// longer than about one chunk takes, however long snapshots are held and whether or not rows differ; the check says that the
// table changed, and a difference that was proven before stays one.
func TestAlterWaitsForOneChunk(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for _, damaged := range []bool{false, true} {
			for _, strategy := range []check.Strategy{check.Until, check.Lock, check.Recheck} {
				name := string(strategy)
				if damaged {
					name += ", rows differ"
				}
				if damaged && strategy == check.Lock && !long() {
					continue // differing rows are read as under until
				}
				t.Run(name, func(t *testing.T) { alterWhileChecked(t, strategy, damaged) })
			}
		}
	}, Needs{GTID: true})
}

func alterWhileChecked(t *testing.T, strategy check.Strategy, damaged bool) {
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(300))",
		"INSERT INTO app.t SELECT seq, REPEAT('x', 300) FROM "+tp.Numbers(20_000), "CREATE DATABASE beside", "CREATE TABLE beside.t LIKE app.t", "INSERT INTO beside.t SELECT * FROM app.t")
	tp.WaitCaughtUp(t)
	if damaged {
		tp.Damage(t, 0, "UPDATE app.t SET v = 'damaged'")
	}
	request := strategyRequest(tp, strategy)
	request.Workers, request.Size.Rows = 2, 1000
	request.Filters.Databases = []string{"app"}
	// beside is that of a table which nobody checks, at the same time: what the machine itself takes for it.
	type altered struct{ source, replica, beside time.Duration }
	took := make(chan altered, 1)
	alter := func() {
		var beside sync.WaitGroup
		var a altered
		began := time.Now()
		beside.Go(func() {
			if err := tp.Source.exec(t.Context(), "ALTER TABLE beside.t ADD COLUMN more INT"); err != nil {
				t.Error(err)
			}
			a.beside = time.Since(began)
		})
		tp.Source.Exec(t, "ALTER TABLE app.t ADD COLUMN more INT")
		a.source = time.Since(began)
		beside.Wait()
		tp.WaitCaughtUp(t)
		a.replica = time.Since(began)
		took <- a
	}
	begin := alter
	if damaged { // whoever lists rows waits for observers, with the table's metadata lock
		begin = func() { go alter() }
	}
	result, err := check.Run(t.Context(), request, &onChunk{after: 4, do: begin})
	if err != nil {
		t.Fatal(err)
	}
	var a altered
	select {
	case a = <-took:
	case <-time.After(2 * catchUpLimit):
		t.Fatalf("nothing was altered beside it: %s", describe(result))
	}
	t.Logf("the check took %v; ALTER %v on the source (%v beside it), %v until the replica had it", result.FinishedAt.Sub(result.StartedAt).Round(time.Millisecond),
		a.source.Round(time.Millisecond), a.beside.Round(time.Millisecond), a.replica.Round(time.Millisecond))
	if most := a.beside + 15*time.Second; a.source > most || a.replica > 2*most || a.beside > time.Minute {
		t.Errorf("ALTER took %v on the source, where one beside it took %v, and %v with the replica", a.source, a.beside, a.replica)
	}
	want, code := check.Unverified, 3
	if damaged {
		want, code = check.Different, 1
	}
	table := result.Tables[0]
	if table.Verdict != want || !damaged && table.ReasonCode != check.ReasonTableChanged || report.FromCheck(result, "").ExitCode != code {
		t.Error(describe(result))
	}
	tp.WaitCaughtUp(t)
	requireReplicating(t, tp.Replicas...)
}
