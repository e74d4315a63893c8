package schema

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"trueup/server"
)

// cascading is a foreign key of SHOW CREATE TABLE whose parent's changes change the table's own rows: its REFERENCES and what follows.
// Names are printed in backticks, a backtick within them twice (sessions have sql_quote_show_create = 1 and no ANSI_QUOTES).
var cascading = regexp.MustCompile("REFERENCES ((?:`(?:[^`]|``)*`\\.)?`(?:[^`]|``)*`) \\([^)]*\\)([^,\n]*)")

// CascadingParents are the tables whose DELETE or UPDATE changes rows of the named table by a foreign key (CASCADE, SET NULL, SET
// DEFAULT). It takes no more than SELECT on the table: information_schema hides foreign keys from such an account.
func CascadingParents(ctx context.Context, session *server.Session, name Name) ([]Name, error) {
	record, err := session.One(ctx, "SHOW CREATE TABLE "+QuoteTable(name.Database, name.Table))
	if err != nil {
		return nil, fmt.Errorf("reading the foreign keys of %s.%s: %w", name.Database, name.Table, err)
	}
	return cascadingParents(record.Text("Create Table"), name), nil
}

func cascadingParents(definition string, of Name) (parents []Name) {
	for _, match := range cascading.FindAllStringSubmatch(definition, -1) {
		actions := match[2]
		if !strings.Contains(actions, "CASCADE") && !strings.Contains(actions, "SET NULL") && !strings.Contains(actions, "SET DEFAULT") {
			continue
		}
		database, table, qualified := strings.Cut(match[1], "`.`")
		if !qualified {
			parents = append(parents, Name{Database: of.Database, Table: unbacktick(match[1])})
			continue
		}
		parents = append(parents, Name{Database: unbacktick(database + "`"), Table: unbacktick("`" + table)})
	}
	return parents
}

func unbacktick(name string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(name, "`"), "`"), "``", "`")
}
