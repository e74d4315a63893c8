package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	repl "trueup/replication"
	"trueup/server"
)

// TestSkipRefused: where the applier does not stand as it did when the transaction was looked at, or the method is not for the server's
// mode, nothing is skipped and nothing is left behind.
func TestSkipRefused(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		b := newBroken(t, skipModes(on)["gtid"])
		failing := b.failing(t, 0, 1032)
		for name, change := range map[string]func(f *repl.Failing){
			"error number": func(f *repl.Failing) { f.Error.Number++ },
			"error text":   func(f *repl.Failing) { f.Error.Message += "." },
			"offset":       func(f *repl.Failing) { f.Position.Offset-- },
			"file":         func(f *repl.Failing) { f.Position.File += "9" },
			"GTID": func(f *repl.Failing) {
				if on.Flavor == server.MySQL {
					f.GTID = strings.Replace(f.GTID, ":", ":1", 1)
				} else {
					f.Position = repl.Position{}
				}
			},
		} {
			changed := failing
			change(&changed)
			b.requireRefused(t, name, changed, b.method(t), repl.ErrFailingChanged)
		}
		b.requireRefused(t, "no method", failing, "prayer", repl.ErrCannotSkip)
		unknown := failing
		unknown.Channel = "nowhere"
		b.requireRefused(t, "no such channel", unknown, b.method(t), repl.ErrNoSuchChannel)
		if on.Flavor == server.MySQL {
			b.counterUnderGTID(t, failing)
		}
		if err := b.tp.Replica(0).damage(t.Context(), "REPLACE INTO app.t VALUES (5, 0)", "DELETE FROM app.t WHERE id = 100"); err != nil {
			t.Fatal(err)
		}
		if status, passed, err := repl.Resume(t.Context(), b.replica, failing); err != nil || !passed || status.StoppedByError() {
			t.Errorf("resumed: %v, %v, %v", status.ApplierError, passed, err)
		}
		b.requireRefused(t, "the applier runs", failing, b.counterOrGTID(), repl.ErrFailingChanged)
		b.tp.WaitCaughtUp(t)
		if rows := b.rows(t); rows != "4=1 5=2 6=1 7=3 8=2 99=1 100=1 101=1" {
			t.Errorf("rows at the end: %s", rows)
		}
	})
}

func (b *broken) counterOrGTID() repl.SkipMethod {
	if b.upstream.Row.Flavor == server.MySQL && b.tp.options.GTID {
		return repl.SkipByEmptyTransaction
	}
	return repl.SkipByCounter
}

// requireRefused demands that nothing at all was run.
func (b *broken) requireRefused(t *testing.T, what string, failing repl.Failing, method repl.SkipMethod, want error) {
	t.Helper()
	if _, err := b.skip(t.Context(), failing, method); !errors.Is(err, want) || len(b.steps) > 0 {
		t.Errorf("%s: %v, want %v, after %q", what, err, want, b.steps)
	}
	b.requireNothingLeft(t)
}

// counterUnderGTID: with gtid_mode=ON newer servers take the counter, with a warning, and heed it on no channel; older ones refuse it.
func (b *broken) counterUnderGTID(t *testing.T, failing repl.Failing) {
	t.Helper()
	_, err := b.skip(t.Context(), failing, repl.SkipByCounter)
	number, refused := server.ErrorNumber(err)
	if b.upstream.Row.IsMySQL(8, 0, 23) && (!errors.Is(err, repl.ErrSkipWithoutEffect) || !strings.Contains(err.Error(), "4016")) ||
		!b.upstream.Row.IsMySQL(8, 0, 23) && (!refused || number != 1858) {
		t.Errorf("the counter under gtid_mode=ON: %v", err)
	}
	if accepted := !refused; len(b.steps) == 0 || accepted != strings.HasSuffix(b.steps[len(b.steps)-1], "skip_counter = 0") {
		t.Errorf("steps %q", b.steps)
	}
	b.requireNothingLeft(t)
	if now := b.failing(t, 0, 1032); now != failing {
		t.Errorf("failing %+v, then %+v", failing, now)
	}
}

// TestSkipInterrupted: whichever step cannot be announced, nothing that could harm later is left, channels run that ran before, and the
// transaction is either still the failing one or skipped.
func TestSkipInterrupted(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, mode := range []string{"gtid", "positions", "gtid, channels, 4 threads"} {
			if options, has := skipModes(on)[mode]; has {
				t.Run(mode, func(t *testing.T) {
					t.Parallel()
					interruptEachStep(t, newBroken(t, options))
				})
			}
		}
	})
}

func interruptEachStep(t *testing.T, b *broken) {
	failing := b.failing(t, 0, 1032)
	method := b.method(t)
	own := errors.New("the journal's disk is full")
	for step := 0; ; step++ {
		var done []string
		outcome, err := repl.Skip(t.Context(), b.replica, b.source, failing, method, func(_ context.Context, s repl.SkipStep) error {
			if len(done) == step {
				return own // this one and, since nothing is added, all that follow
			}
			done = append(done, s.SQL)
			return nil
		})
		b.requireNothingLeft(t)
		b.requireOthersRun(t)
		if err == nil {
			if step == 0 || outcome.After.ApplierError.Number != 1032 {
				t.Errorf("step %d: %+v", step, outcome)
			}
			break
		}
		if !errors.Is(err, own) {
			t.Fatalf("step %d, after %q: %v", step, done, err)
		}
		if slices.Contains(done, "COMMIT") || slices.ContainsFunc(done, func(s string) bool { return strings.Contains(s, "gtid_slave_pos") }) ||
			slices.ContainsFunc(done, func(s string) bool { return strings.HasPrefix(s, "START") }) {
			break // the transaction is behind the replica; Resume goes on from here
		}
		if now := b.failing(t, 0, 1032); now != failing {
			t.Fatalf("step %d, after %q: failing %+v, then %+v", step, done, failing, now)
		}
	}
	if _, _, err := repl.Resume(t.Context(), b.replica, failing); err != nil {
		t.Fatal(err)
	}
	b.failing(t, 1, 1032)
	if rows := b.rows(t); rows != "100=0" {
		t.Errorf("rows: %s", rows)
	}
}

// TestSkipLosesConnection: a counter that was set on a connection which is gone is taken back on another, and what was stopped is started.
func TestSkipLosesConnection(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for mode, at := range map[string]string{"positions": "START", "positions, channels": "START", "gtid, channels, 4 threads": "SET"} {
			if options, has := skipModes(on)[mode]; has {
				t.Run(mode, func(t *testing.T) {
					t.Parallel()
					loseConnection(t, newBroken(t, options), at)
				})
			}
		}
	})
}

// loseConnection loses it ahead of the first statement that begins so.
func loseConnection(t *testing.T, b *broken, at string) {
	failing := b.failing(t, 0, 1032)
	lost, cut := b.session(t, b.tp.Replica(0)), false
	_, err := repl.Skip(t.Context(), lost, b.source, failing, b.method(t), func(ctx context.Context, s repl.SkipStep) error {
		if cut || !strings.HasPrefix(s.SQL, at) {
			return nil
		}
		cut = true
		return lost.Server().Kill(ctx, lost.ID())
	})
	if !server.IsConnectionLost(err) {
		t.Errorf("%v", err)
	}
	b.requireNothingLeft(t)
	b.requireOthersRun(t)
	if status, passed, err := repl.Resume(t.Context(), b.replica, failing); err != nil || passed || status.ApplierError.Number != 1032 {
		t.Errorf("resumed: %v, %v, %v", status.ApplierError, passed, err)
	}
}

// requireOthersRun: whatever happens, other channels run and the receiver of this one does.
func (b *broken) requireOthersRun(t *testing.T) {
	t.Helper()
	for _, status := range b.tp.Replica(0).Channels(t) {
		if status["Slave_IO_Running"] == "No" || status["Channel_Name"] != b.channel && status["Slave_SQL_Running"] != "Yes" {
			t.Errorf("channel %q: receiver %s, applier %s", status["Channel_Name"], status["Slave_IO_Running"], status["Slave_SQL_Running"])
		}
	}
}

// TestSkipAmongDomains: sessions of one source write in two domains, which the replica executes in parallel. The counter is refused; the
// position of the other domain is left as it is; and where the source has purged what would have to be read again, nothing is stopped.
func TestSkipAmongDomains(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		b := newBroken(t, Options{GTID: true, ParallelThreads: 4}, "SET SESSION gtid_domain_id=7",
			"CREATE TABLE app.d (id INT AUTO_INCREMENT PRIMARY KEY, v INT)", "INSERT INTO app.d (v) VALUES (1)", "SET SESSION gtid_domain_id=0")
		failing := b.failing(t, 0, 1032)
		b.upstream.Exec(t, "SET SESSION gtid_domain_id=7", "INSERT INTO app.d (v) SELECT seq FROM mysql.seq_2_to_10", "UPDATE app.d SET v = v + 1", "SET SESSION gtid_domain_id=0")
		replica := b.tp.Replica(0)
		if method := b.method(t); method != repl.SkipByGTIDPosition {
			t.Fatalf("method %s with %s", method, replica.gtidState(t))
		}
		if _, err := b.skip(t.Context(), failing, repl.SkipByCounter); err == nil || len(b.steps) == 0 {
			t.Errorf("the counter: %v, after %q", err, b.steps)
		} else if number, _ := server.ErrorNumber(err); number != 1966 {
			t.Errorf("the counter: %v", err)
		}
		b.requireNothingLeft(t)
		unknown := failing
		unknown.GTID = ""
		b.requireRefused(t, "no GTID", unknown, repl.SkipByGTIDPosition, repl.ErrCannotTell)
		if _, _, err := repl.Resume(t.Context(), b.replica, unknown); !errors.Is(err, repl.ErrCannotTell) {
			t.Errorf("resumed without a GTID: %v", err)
		}
		outcome, err := b.skip(t.Context(), failing, repl.SkipByGTIDPosition)
		if err != nil || outcome.After.ApplierError.Number != 1032 {
			t.Fatalf("%+v, %v, after %q", outcome, err, b.steps)
		}
		failing = b.failing(t, 1, 1032)
		if err := repl.MaySkip(t.Context(), b.replica, b.source, b.channel, repl.SkipByGTIDPosition); err != nil {
			t.Errorf("it may be skipped: %v", err)
		}
		if err := repl.MaySkip(t.Context(), b.replica, nil, b.channel, repl.SkipByGTIDPosition); !errors.Is(err, repl.ErrCannotSkip) {
			t.Errorf("may it be skipped without a source: %v", err)
		}
		b.purge(t)
		if err := repl.MaySkip(t.Context(), b.replica, b.source, b.channel, repl.SkipByGTIDPosition); !errors.Is(err, repl.ErrSourceLogPurged) {
			t.Errorf("may it be skipped once the source has purged its logs: %v", err)
		}
		b.requireRefused(t, "purged", failing, repl.SkipByGTIDPosition, repl.ErrSourceLogPurged)
		b.requireOthersRun(t)
		if err := replica.damage(t.Context(), "REPLACE INTO app.t VALUES (5, 0)", "DELETE FROM app.t WHERE id = 100"); err != nil {
			t.Fatal(err)
		}
		if status, passed, err := repl.Resume(t.Context(), b.replica, failing); err != nil || !passed || status.StoppedByError() {
			t.Errorf("resumed: %v, %v, %v", status.ApplierError, passed, err)
		}
		b.upstream.Exec(t, "INSERT INTO app.t VALUES (200, 9)")
		b.tp.WaitCaughtUp(t)
		if rows := b.rows(t); rows != "5=2 7=3 8=2 99=1 100=1 101=1 200=9" {
			t.Errorf("rows at the end: %s", rows)
		}
		if sum := replica.Value(t, "SELECT CONCAT(COUNT(*), ' ', SUM(v)) FROM app.d"); sum != "10 65" {
			t.Errorf("the other domain's rows: %s", sum)
		}
	}, Needs{Flavor: server.MariaDB})
}

// purge makes the source forget everything that it has written, though not all of it is executed.
func (b *broken) purge(t *testing.T) {
	t.Helper()
	b.upstream.Exec(t, "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
	end, _ := b.logEnd(t)
	eventually(t, "the source purges its logs", catchUpLimit, func() (bool, string) {
		b.upstream.Exec(t, fmt.Sprintf("PURGE BINARY LOGS TO '%s'", end.File))
		logs := b.upstream.Query(t, "SHOW BINARY LOGS")
		return len(logs) == 1, fmt.Sprint(logs)
	})
}
