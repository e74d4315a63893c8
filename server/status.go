package server

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

var statusName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// StatusName is a status variable's name in lower case, as GlobalStatus returns it; "" for a text that is no such name.
func StatusName(name string) string {
	if !statusName.MatchString(name) {
		return ""
	}
	return strings.ToLower(name)
}

// GlobalStatus returns the values of those of the named status variables (SHOW GLOBAL STATUS) that the server has, by
// StatusName. It needs no privilege.
func GlobalStatus(ctx context.Context, session *Session, names ...string) (map[string]string, error) {
	quoted := make([]string, len(names))
	for i, name := range names {
		if StatusName(name) == "" {
			return nil, fmt.Errorf("%q is no name of a status variable", name)
		}
		quoted[i] = "'" + name + "'"
	}
	records, err := session.Records(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ("+strings.Join(quoted, ", ")+")")
	if err != nil {
		return nil, fmt.Errorf("reading the server's load: %w", err)
	}
	values := make(map[string]string, len(records))
	for _, record := range records {
		values[StatusName(record.Text("Variable_name"))] = record.Text("Value")
	}
	return values, nil
}
