package syncpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trueup/internal/sandbox"
	"trueup/replication"
	"trueup/server"
)

func startSource(t *testing.T) *server.Server {
	t.Helper()
	if _, err := sandbox.Find(t.Context()); err != nil {
		if os.Getenv("REQUIRE_SERVERS") == "1" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED, NOT PROVEN: ", err)
	}
	instance, err := sandbox.Start(t.Context(), sandbox.Options{Name: "source"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = instance.Stop() })
	source, err := server.Open(t.Context(), instance.AdminEndpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}

func sessionOn(t *testing.T, source *server.Server) *server.Session {
	t.Helper()
	session, err := source.Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// TestSnapshotPositionAmongOthers has several processes (each with places of its own) open snapshots and read their
// positions at once, while the log is written and rotated. Each transaction inserts one row, so that the rows in a
// snapshot have to be as many as the GTID at its position says. The server mixes the answers up now and then; what
// we take for the position may never be wrong.
func TestSnapshotPositionAmongOthers(t *testing.T) {
	t.Parallel()
	source := startSource(t)
	setup := sessionOn(t, source)
	for _, statement := range []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY)"} {
		if err := setup.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	const before = 2 // transactions
	done := make(chan struct{})
	var busy, looking sync.WaitGroup
	for i, statement := range []string{"INSERT INTO d.t VALUES ()", "INSERT INTO d.t VALUES ()", "INSERT INTO d.t VALUES ()", "FLUSH BINARY LOGS"} {
		session := sessionOn(t, source)
		busy.Go(func() { repeatUntil(t, done, session, statement, time.Duration(1+i*i)*time.Millisecond) })
	}
	var mutex sync.Mutex
	looked, mixed := 0, 0
	for range 4 {
		snapshot, control := sessionOn(t, source), sessionOn(t, source)
		looking.Go(func() {
			own := &places{source: control, heads: map[string]head{}, doubts: map[replication.Position]*doubt{}}
			for started := time.Now(); time.Since(started) < 3*time.Second; {
				raw, wrong := lookOnce(t, own, snapshot, before)
				if wrong {
					return
				}
				mutex.Lock()
				looked++
				mixed += raw
				mutex.Unlock()
			}
		})
	}
	looking.Wait()
	close(done)
	busy.Wait()
	t.Logf("%d snapshots; a single reading of the position would have been wrong for %d of them", looked, mixed)
}

// lookOnce opens one snapshot. It returns 1 when a single reading of its position gives another one, and whether the
// position we use is wrong.
func lookOnce(t *testing.T, own *places, snapshot *server.Session, before int) (mixed int, wrong bool) {
	reader := &sourceReader{session: snapshot}
	if err := reader.open(t.Context(), own, replication.Position{}); err != nil {
		t.Error(err)
		return 0, true
	}
	single, err := replication.SnapshotPosition(t.Context(), snapshot)
	if err != nil {
		t.Error(err)
		return 0, true
	}
	if same, err := own.same(t.Context(), single, reader.position); err != nil || !same {
		mixed = 1
	}
	record, err := snapshot.One(t.Context(), "SELECT COUNT(*) AS n FROM d.t")
	if err != nil {
		t.Error(err)
		return 0, true
	}
	gtid, err := replication.GTIDAt(t.Context(), own.source, reader.position)
	if err != nil {
		t.Error(err)
		return 0, true
	}
	sequence, _ := strconv.Atoi(gtid[strings.LastIndex(gtid, "-")+1:])
	if record.Text("n") != strconv.Itoa(sequence-before) {
		t.Errorf("the snapshot at %s, GTID %s, has %s rows", reader.position, gtid, record.Text("n"))
		return 0, true
	}
	if err := snapshot.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Error(err)
		return 0, true
	}
	return mixed, false
}

func repeatUntil(t *testing.T, done <-chan struct{}, session *server.Session, statement string, pause time.Duration) {
	for {
		select {
		case <-done:
			return
		case <-time.After(pause):
		}
		if err := session.Exec(t.Context(), statement); err != nil {
			t.Error(err)
			return
		}
	}
}
