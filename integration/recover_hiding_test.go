package integration

import (
	"slices"
	"strings"
	"testing"

	"trueup/recovery"
)

// TestRecoverNamesHidingSettings: a replica that was started to go over errors (1062), and one that takes what it has for right, drift without an error. A
// diagnosis and a check say which setting it is, on a replica that runs and on one that stands with another error; that one is fixed all the same.
func TestRecoverNamesHidingSettings(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		options, skipErrors, execMode := modes(on)[1], "slave_skip_errors", "slave_exec_mode"
		if on.IsMySQL(8, 0, 26) {
			skipErrors, execMode = "replica_skip_errors", "replica_exec_mode"
		}
		options.ReplicaArgs = append(options.ReplicaArgs, "--"+strings.ReplaceAll(skipErrors, "_", "-")+"=1062")
		tp := NewTopology(t, options)
		skips, idempotent := skipErrors+"=1062: ", execMode+"=IDEMPOTENT: "

		hidden := FindStop(t, "1062 primary key")
		hidden.Number = 0 // since it is gone over
		hidden.Provoke(t, tp)
		requireHiding(t, NewRecoverRun(t, tp, recovery.Plan).Run(t), skips)
		request := requestFor(tp)
		request.Filters.Databases = []string{hidden.Database()}
		result := runCheck(t, request)
		if texts := differenceTexts(result); !slices.Equal(texts, []string{"changed " + hidden.Database() + ".t id=7 v:7>70"}) || !strings.Contains(strings.Join(result.Warnings, "\n"), skips) {
			t.Errorf("a check of what was gone over: %s", describe(result))
		}

		stop := FindStop(t, "1032 one of several rows")
		stop.Provoke(t, tp)
		tp.Replica(0).Exec(t, "SET GLOBAL "+execMode+"=IDEMPOTENT")
		requireHiding(t, NewRecoverRun(t, tp, recovery.Plan).Run(t), idempotent, skips)
		requireHiding(t, recoverEqual(t, tp, stop, recovery.Fix), idempotent, skips)
		requireReplicating(t, tp.Replicas...)
	})
}

// requireHiding requires that the first diagnosis names these settings, and no others.
func requireHiding(t *testing.T, result *recovery.Result, settings ...string) {
	t.Helper()
	d := result.Attempts[0].Diagnosis
	if !slices.EqualFunc(d.Hiding, settings, strings.HasPrefix) {
		t.Errorf("settings that hide errors: %q, want %q", d.Hiding, settings)
	}
}
