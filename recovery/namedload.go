package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trueup/schema"
	"trueup/server"
)

// entry is a name in a server's list of tables.
type entry struct {
	name schema.Name
	kind string // as the server calls it: BASE TABLE, VIEW, …
}

// isTable tells whether it has rows of its own that are compared.
func (e *entry) isTable() bool { return e.kind == "BASE TABLE" || e.kind == "SYSTEM VERSIONED" }

// ownDatabases are the server's, no table of which is compared.
var ownDatabases = []string{"mysql", "sys", "information_schema", "performance_schema"}

func (e *entry) ofServer() bool {
	return slices.Contains(ownDatabases, strings.ToLower(e.name.Database))
}

// catalogNames are the names that the account sees on a server.
type catalogNames struct {
	folds    bool // the server takes names of tables in any letter case
	entries  []*entry
	byName   map[schema.Name]*entry
	byTable  map[string][]*entry // without the database
	routines []schema.Name       // stored functions, as far as the account sees them
}

// loadNames reads the names of tables and stored functions. The error is that of a statement, and names the server.
func loadNames(ctx context.Context, session *server.Session) (*catalogNames, error) {
	setting, err := session.One(ctx, "SELECT @@lower_case_table_names AS folds")
	if err != nil {
		return nil, fmt.Errorf("reading how the server compares names of tables: %w", err)
	}
	c := &catalogNames{folds: setting.Text("folds") != "0", byName: map[schema.Name]*entry{}, byTable: map[string][]*entry{}}
	records, err := session.Records(ctx, "SELECT TABLE_SCHEMA AS d, TABLE_NAME AS n, TABLE_TYPE AS k FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema') ORDER BY TABLE_SCHEMA, TABLE_NAME")
	if err != nil {
		return nil, fmt.Errorf("reading the names of tables: %w", err)
	}
	for _, record := range records {
		c.add(schema.Name{Database: record.Text("d"), Table: record.Text("n")}, record.Text("k"))
	}
	if records, err = session.Records(ctx, "SELECT ROUTINE_SCHEMA AS d, ROUTINE_NAME AS n FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION'"); err != nil {
		return nil, fmt.Errorf("reading the names of stored functions: %w", err)
	}
	for _, record := range records {
		c.routines = append(c.routines, schema.Name{Database: record.Text("d"), Table: record.Text("n")})
	}
	return c, nil
}

func (c *catalogNames) add(name schema.Name, kind string) {
	one := &entry{name: name, kind: kind}
	c.entries = append(c.entries, one)
	c.byName[c.key(name)] = one
	c.byTable[c.fold(name.Table)] = append(c.byTable[c.fold(name.Table)], one)
}

func (c *catalogNames) fold(name string) string {
	if c.folds {
		return strings.ToLower(name)
	}
	return name
}

func (c *catalogNames) key(name schema.Name) schema.Name {
	return schema.Name{Database: c.fold(name.Database), Table: c.fold(name.Table)}
}

// find returns what a name may stand for: in a log that does not say the default database, the tables of that name in all of them.
func (c *catalogNames) find(m mention, database string) []*entry {
	if m.database != "" {
		database = m.database
	}
	if database == "" {
		return c.byTable[c.fold(m.name)]
	}
	if one := c.byName[c.key(schema.Name{Database: database, Table: m.name})]; one != nil {
		return []*entry{one}
	}
	return nil
}
