package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trueup/server"
)

// hidingRule is a setting of an applier that hides errors.
type hidingRule struct {
	old, new string // its names; new is "" where there is one only
	why      string
	hides    func(value string) bool
	passes   func(value string) bool // rows that cannot be changed are passed over; nil: none
}

var hidingRules = []hidingRule{
	{"slave_exec_mode", "replica_exec_mode", "the applier goes on silently over missing and duplicate rows",
		func(v string) bool { return v == "IDEMPOTENT" }, func(string) bool { return true }},
	{"slave_skip_errors", "replica_skip_errors", "the applier skips statements that fail with these errors",
		func(v string) bool { return v != "" && v != "OFF" }, skipsRows},
	{"slave_type_conversions", "replica_type_conversions", "the applier cuts values that do not fit a column's type",
		func(v string) bool { return strings.Contains(v, "ALL_LOSSY") }, nil},
	{"replicate_events_marked_for_skip", "", "events logged under skip_replication=1 are not applied here",
		func(v string) bool { return v != "" && v != "REPLICATE" }, nil},
}

// definitionErrors say that what a statement defines is there already, or not there any more. No row's change ends with one.
var definitionErrors = []string{"1007", "1008", "1050", "1051", "1060", "1061", "1068", "1091", "1094"}

// skipsRows tells whether errors of rows are among those of slave_skip_errors.
func skipsRows(value string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }), func(number string) bool {
		return !slices.Contains(definitionErrors, number) && !strings.EqualFold(number, "ddl_exist_errors")
	})
}

// HidingSettings returns one sentence for each setting of a replica that lets its data drift without an error:
// skipped errors, idempotent execution, lossy conversions, skipped events. Nothing else about them is wrong, so
// they are warnings.
func HidingSettings(ctx context.Context, session *server.Session) ([]string, error) {
	variables, err := hidingVariables(ctx, session)
	return hidingSettings(variables), err
}

// PassedErrors returns the settings ("name=value") by which a replica's applier passes over changes that fail: a row that is missing there can be moved
// on the source, and nothing happens. The error is the server's.
func PassedErrors(ctx context.Context, session *server.Session) (settings []string, err error) {
	variables, err := hidingVariables(ctx, session)
	for _, rule := range hidingRules {
		setting := rule.set(variables)
		if _, value, found := strings.Cut(setting, "="); found && rule.passes != nil && rule.passes(value) {
			settings = append(settings, setting)
		}
	}
	return settings, err
}

func hidingVariables(ctx context.Context, session *server.Session) (map[string]string, error) {
	var names []string
	for _, rule := range hidingRules {
		if names = append(names, rule.old); rule.new != "" {
			names = append(names, rule.new)
		}
	}
	variables, err := globalVariables(ctx, session, names...)
	if err != nil {
		return nil, fmt.Errorf("reading the applier's settings: %w", err)
	}
	return variables, nil
}

// set is the setting as the server has it, where it hides errors; "" else. Where a server has both names of a variable, the new one is enough.
func (r hidingRule) set(variables map[string]string) string {
	for _, name := range []string{r.new, r.old} {
		if value, ok := variables[name]; ok {
			if r.hides(strings.ToUpper(value)) {
				return name + "=" + value
			}
			return ""
		}
	}
	return ""
}

// hidingSettings judges the variables in a fixed order.
func hidingSettings(variables map[string]string) (warnings []string) {
	for _, rule := range hidingRules {
		if setting := rule.set(variables); setting != "" {
			warnings = append(warnings, setting+": "+rule.why)
		}
	}
	return warnings
}
