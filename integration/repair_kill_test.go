package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/repair"
)

// killedTables are what the killed repairs repair: changed rows, missing ones and extra ones, each in several groups.
var killedTables = []string{"app.changed", "app.missing", "app.extra"}

// TestRepairKilled kills repairs with kill -9, at random and while the applier stands, some of them with their guard: the applier runs again within
// seconds, no group of rows is half changed, a second run ends equal, and undoing brings back exactly the damage that there was.
func TestRepairKilled(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		rounds := times(3, 60)
		if !on.Local() {
			rounds = times(2, 20)
		}
		tp := NewTopology(t, Options{Replicas: 2, ParallelThreads: 4})
		tp.Source.Exec(t, "CREATE DATABASE app")
		for _, table := range killedTables {
			tp.Source.Exec(t, "CREATE TABLE "+table+" (id INT PRIMARY KEY, v INT NOT NULL, u INT NOT NULL UNIQUE, filler VARCHAR(100) NOT NULL)",
				"INSERT INTO "+table+" SELECT seq, seq, seq, REPEAT('x', 80) FROM "+tp.Numbers(9000))
		}
		victims := newVictims(t, tp)
		stop := tp.StartWriter(t, WriterOptions{Tables: []string{"app.w1"}, Pause: 20 * time.Millisecond})
		tp.WaitCaughtUp(t)
		whole := DumpTables(t, tp.Source, killedTables...)
		var group sync.WaitGroup
		half := 0
		var mu sync.Mutex
		for i, victim := range victims {
			tp.Damage(t, i, "UPDATE app.changed SET v = -v", "DELETE FROM app.missing WHERE id % 3 = 0", "INSERT INTO app.extra SELECT id + 9000, v, -u, filler FROM app.extra WHERE id % 2 = 0")
			k := &killedRepair{victim: victim, whole: whole, damaged: DumpTables(t, tp.Replica(i), killedTables...)}
			group.Go(func() {
				for round := 0; round < rounds || i == 0 && k.half == 0 && round < 5*rounds; round++ { // on a busy machine more are killed before their first group
					if err := k.round(round); err != nil {
						t.Errorf("%s, round %d: %v", victim.replica.Name(), round, err)
						return
					}
				}
				mu.Lock()
				half += k.half
				mu.Unlock()
			})
		}
		group.Wait()
		stop()
		tp.WaitCaughtUp(t)
		requireReplicating(t, tp.Replicas...)
		if !t.Failed() && half == 0 {
			t.Errorf("no repair was killed half way: nothing was proven")
		}
	})
}

// killedRepair is a replica on which one repair after the other is killed.
type killedRepair struct {
	*victim
	whole, damaged string
	half           int // kills that left some groups repaired and others not
}

func (k *killedRepair) repair(args ...string) *exec.Cmd {
	return exec.Command(k.program, append([]string{"repair", "--source", k.dsn(k.tp.Source), "--replica", k.dsn(k.replica), "--state-dir", k.stateDir,
		"--apply", "--yes", "--quiet", "--max-rows", "1000000"}, args...)...)
}

func (k *killedRepair) round(round int) error {
	command := k.repair("--max-pause", "300ms")
	if err := command.Start(); err != nil {
		return err
	}
	guardToo := round%3 == 2
	err := k.awaitStanding(20 * time.Second)
	watching := 0
	if guardToo && err == nil {
		watching, err = awaitChild(command.Process.Pid)
	}
	if round%3 != 1 && err == nil {
		err = k.awaitGroups(2 + rand.IntN(5)) // with the second begun, the first is committed
	}
	time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
	if watching > 0 {
		_ = syscall.Kill(watching, syscall.SIGKILL)
	}
	_ = command.Process.Kill()
	killed := time.Now()
	ended := command.Wait()
	if err != nil {
		return err
	}
	var exit *exec.ExitError
	if errors.As(ended, &exit) && exit.Exited() && exit.ExitCode() != 1 {
		return fmt.Errorf("the repair had ended by itself: %w", ended)
	}
	var seen kill
	if err := k.awaitAsBefore(killed, &seen); err != nil {
		return err
	}
	first, err := k.journals(nil)
	if err != nil {
		return err
	}
	done, err := k.judgeGroups(first[0])
	k.t.Logf("%s: killed (guard too: %v), ran again after %v, groups left repaired: %d", k.replica.Name(), guardToo, seen.took.Round(time.Millisecond), done)
	if err != nil {
		return err
	}
	if round%2 == 0 {
		return k.undo(first)
	}
	if out, err := k.repair().CombinedOutput(); err != nil {
		return fmt.Errorf("the second repair: %w\n%s", err, out)
	}
	if now := DumpTables(k.t, k.replica, killedTables...); now != k.whole {
		return fmt.Errorf("after the second repair the rows differ:\n%s", diffLines(k.whole, now))
	}
	second, err := k.journals(first)
	if err != nil {
		return err
	}
	return k.undo(append(second, first...))
}

// awaitGroups waits until the journal holds so many groups: the last one is under way then.
func (k *killedRepair) awaitGroups(count int) error {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		paths, err := audit.Folder{Path: filepath.Join(k.stateDir, "journal")}.Journals()
		if err != nil {
			return err
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if bytes.Count(text, []byte(`"`+repair.KindGroup+`"`)) >= count {
				return nil
			}
		}
	}
	return fmt.Errorf("there were never %d groups", count)
}

// journals are the journals of repairs in the state directory, but for those that are known.
func (k *killedRepair) journals(known []string) (found []string, err error) {
	paths, err := audit.Folder{Path: filepath.Join(k.stateDir, "journal")}.Journals()
	for _, path := range paths {
		if len(known) == 0 || path != known[0] {
			found = append(found, path)
		}
	}
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("journals %v, without %v", paths, known)
	}
	return found, err
}

// undo undoes the runs of the journals, the last one first, after which the replica must be damaged as it was.
func (k *killedRepair) undo(journals []string) error {
	for _, journal := range journals {
		files, err := repair.Undoable(journal)
		if err != nil {
			return err
		}
		undo := func() *exec.Cmd {
			return exec.Command(k.program, "repair", "--undo", journal, "--yes", "--replica", k.dsn(k.replica), "--state-dir", filepath.Join(k.stateDir, "undo"))
		}
		if len(files) > 0 { // which is killed too, and begun anew
			killed := undo()
			if err := killed.Start(); err != nil {
				return err
			}
			time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
			_ = killed.Process.Kill()
			_ = killed.Wait()
			if out, err := undo().CombinedOutput(); err != nil {
				return fmt.Errorf("undo: %w\n%s", err, out)
			}
		}
		_ = os.Remove(journal)
	}
	_ = os.RemoveAll(filepath.Join(k.stateDir, "undo"))
	if now := DumpTables(k.t, k.replica, killedTables...); now != k.damaged {
		return fmt.Errorf("undo has not brought the damage back:\n%s", diffLines(k.damaged, now))
	}
	return nil
}

// judgeGroups holds the rows against the journal: the repaired ones are those of its groups that were committed, and perhaps of one whose end it does not
// know; each group is whole.
func (k *killedRepair) judgeGroups(journal string) (groups int, err error) {
	type record struct {
		Group string `json:"group"`
		Table string `json:"table"`
		Rows  int64  `json:"rows"`
		How   string `json:"how"`
	}
	begun, rows := map[string]record{}, map[string][2]int64{} // by table: surely changed, perhaps changed
	found, _, err := audit.Read(journal, func(entry audit.Entry) {
		var of record
		if json.Unmarshal(entry.Data, &of) != nil {
			return
		}
		switch entry.Kind {
		case repair.KindGroup:
			begun[of.Group] = of
		case repair.KindGroupEnded:
			if group := begun[of.Group]; of.How == "committed" {
				groups++
				rows[group.Table] = [2]int64{rows[group.Table][0] + group.Rows, rows[group.Table][1]}
			}
			delete(begun, of.Group)
		}
	})
	if err != nil || found.State == audit.Changed {
		return 0, fmt.Errorf("the journal: %w %s", err, found.Problem)
	}
	for _, open := range begun {
		rows[open.Table] = [2]int64{rows[open.Table][0], open.Rows}
	}
	if len(begun) > 1 {
		return groups, fmt.Errorf("%d groups are open", len(begun))
	}
	total := int64(0)
	for table, query := range map[string]string{
		"changed": "SELECT COUNT(*) FROM app.changed WHERE v > 0",
		"missing": "SELECT COUNT(*) FROM app.missing WHERE id % 3 = 0",
		"extra":   "SELECT 4500 - COUNT(*) FROM app.extra WHERE id > 9000",
	} {
		repaired, err := strconv.ParseInt(k.replica.Value(k.t, query), 10, 64)
		if err != nil {
			return groups, err
		}
		total += repaired
		if sure := rows[table]; repaired != sure[0] && repaired != sure[0]+sure[1] {
			return groups, fmt.Errorf("%s: %d rows are repaired; the journal has %d, and %d of a group whose end it does not know", table, repaired, sure[0], sure[1])
		}
	}
	if total > 0 && total < 9000+3000+4500 {
		k.half++
	}
	return groups, nil
}
