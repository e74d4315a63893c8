package replication

import (
	"context"
	"fmt"
	"strings"

	"trueup/server"
)

// HidingSettings returns one sentence for each setting of a replica that lets its data drift without an error:
// skipped errors, idempotent execution, lossy conversions, skipped events. Nothing else about them is wrong, so
// they are warnings.
func HidingSettings(ctx context.Context, session *server.Session) ([]string, error) {
	variables, err := globalVariables(ctx, session,
		"slave_exec_mode", "replica_exec_mode", "slave_skip_errors", "replica_skip_errors",
		"slave_type_conversions", "replica_type_conversions", "replicate_events_marked_for_skip")
	if err != nil {
		return nil, fmt.Errorf("reading the applier's settings: %w", err)
	}
	return hidingSettings(variables), nil
}

// hidingSettings judges the variables in a fixed order; where a server has both names of a variable, the new
// one is enough.
func hidingSettings(variables map[string]string) []string {
	var warnings []string
	warn := func(oldName, newName, why string, hides func(value string) bool) {
		for _, name := range []string{newName, oldName} {
			if value, ok := variables[name]; ok {
				if hides(strings.ToUpper(value)) {
					warnings = append(warnings, fmt.Sprintf("%s=%s: %s", name, value, why))
				}
				return
			}
		}
	}
	warn("slave_exec_mode", "replica_exec_mode", "the applier goes on silently over missing and duplicate rows",
		func(v string) bool { return v == "IDEMPOTENT" })
	warn("slave_skip_errors", "replica_skip_errors", "the applier skips statements that fail with these errors",
		func(v string) bool { return v != "" && v != "OFF" })
	warn("slave_type_conversions", "replica_type_conversions", "the applier cuts values that do not fit a column's type",
		func(v string) bool { return strings.Contains(v, "ALL_LOSSY") })
	warn("replicate_events_marked_for_skip", "", "events logged under skip_replication=1 are not applied here",
		func(v string) bool { return v != "" && v != "REPLICATE" })
	return warnings
}
