package integration

import (
	"strings"
	"testing"

	"trueup/recovery"
)

// TestRecoverAmongSeveralSources: the row that stands in the way may be that of another source. That is said, removing it is not recommended, and --yes alone does not
// do it, by a fix or by the repair behind a skip: only who has been asked, or says --shared-tables, gets that.
func TestRecoverAmongSeveralSources(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Channels: []string{"a", "b"}})
		for _, source := range tp.Sources {
			source.Exec(t, "CREATE DATABASE IF NOT EXISTS stop_shared", "CREATE TABLE IF NOT EXISTS stop_shared.t (id INT PRIMARY KEY, v INT)")
			tp.WaitCaughtUp(t)
		}
		tp.Source.CreateUser(t, "fixer", "ALL ON *.*")
		tp.Sources[1].Exec(t, "INSERT INTO stop_shared.t VALUES (7,222),(8,222)")
		tp.WaitCaughtUp(t)
		arguments := []string{"recover", "--state-dir", t.TempDir(), "--source", "fixer:" + checkerPassword + "@tcp(" + tp.Source.Address() + ")/", "--replica", "fixer:" + checkerPassword + "@tcp(" + tp.Replica(0).Address() + ")/"}
		for action, row := range map[recovery.Action]string{recovery.Fix: "(7,7)", recovery.Skip: "(8,8)"} {
			result := provokeRecovery(t, tp, recovery.Plan, 1062, "INSERT INTO stop_shared.t VALUES "+row)
			o := result.Attempts[0].Diagnosis.Option(action)
			if o == nil || o.Recommended || !o.Doubtful || !strings.Contains(strings.Join(o.Loses, " "), `Channel "b"`) {
				t.Errorf("option %s: %+v\n%s", action, o, describeRecovery(result))
			}
			unattended := append(arguments[:len(arguments):len(arguments)], "--action", string(action), "--yes")
			requireUnchanged(t, tp, "--yes alone", func() {
				if run := runTrueup(t, folder, unattended...); run.code != 1 || !strings.Contains(run.out, "(doubtful:") || !strings.Contains(run.out, "add --shared-tables") {
					t.Errorf("--yes alone: %+v", run)
				}
			})
			requireUnchanged(t, tp, "asked", func() {
				s := atTerminal(t, "TERM=dumb", folder+"/trueup '"+strings.Join(arguments, "' '")+"' --action "+string(action))
				s.await(t, "Rows that another source writes to the same tables may be among them")
				s.press(t, "n\r")
				if code := s.code(t); code != 1 {
					t.Errorf("exit code %d: %q", code, s.text())
				}
			})
			if run := runTrueup(t, folder, append(unattended, "--shared-tables")...); run.code != 0 {
				t.Errorf("with --shared-tables: %+v", run)
			}
			tp.WaitCaughtUp(t)
		}
		if rows := tp.Replica(0).Value(t, "SELECT GROUP_CONCAT(id, '=', v ORDER BY id) FROM stop_shared.t"); rows != "7=7,8=8" {
			t.Errorf("rows at the end: %s", rows)
		}
		requireChannelsRunning(t, tp.Replica(0), 2)
	}, Needs{Channels: true})
}
