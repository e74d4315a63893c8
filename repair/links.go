package repair

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"trueup/schema"
	"trueup/server"
)

// link is one foreign key of the replica.
type link struct {
	name            string
	child, parent   schema.Name // on the replica
	columns, refers []string
	acts            bool // CASCADE, SET NULL or SET DEFAULT
}

// links are the foreign keys of one table.
type links struct {
	up   []link // it is the child
	down []link // it is the parent
}

func (l links) any() bool { return len(l.up) > 0 || len(l.down) > 0 }

// readLinks reads the foreign keys of a replica, also of tables that are not repaired, as far as the account sees them: those of tables on
// which it has at least SELECT (readHidden is about the others). Their rules MariaDB hides from an account that has nothing but SELECT; they
// are taken for ones that act.
func readLinks(ctx context.Context, session *server.Session) ([]link, error) {
	const query = `SELECT k.CONSTRAINT_NAME AS n, k.TABLE_SCHEMA AS cd, k.TABLE_NAME AS ct, k.COLUMN_NAME AS cc,
	k.REFERENCED_TABLE_SCHEMA AS pd, k.REFERENCED_TABLE_NAME AS pt, k.REFERENCED_COLUMN_NAME AS pc, k.ORDINAL_POSITION AS o,
	CONCAT(r.DELETE_RULE, ' ', r.UPDATE_RULE) AS rules
	FROM information_schema.KEY_COLUMN_USAGE k LEFT JOIN information_schema.REFERENTIAL_CONSTRAINTS r
	ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
	WHERE k.REFERENCED_TABLE_NAME IS NOT NULL ORDER BY cd, ct, n, o`
	records, err := session.Records(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading the foreign keys: %w", err)
	}
	var found []link
	for _, record := range records {
		child := schema.Name{Database: record.Text("cd"), Table: record.Text("ct")}
		if position, err := strconv.Atoi(record.Text("o")); err != nil || position == 1 {
			rules := record.Text("rules")
			found = append(found, link{name: record.Text("n"), child: child, parent: schema.Name{Database: record.Text("pd"), Table: record.Text("pt")},
				acts: rules != "RESTRICT RESTRICT" && rules != "NO ACTION NO ACTION" && rules != "RESTRICT NO ACTION" && rules != "NO ACTION RESTRICT"})
		}
		last := &found[len(found)-1]
		last.columns, last.refers = append(last.columns, record.Text("cc")), append(last.refers, record.Text("pc"))
	}
	return found, nil
}

// linksOf are those of one table.
func linksOf(all []link, name schema.Name) links {
	var of links
	for _, l := range all {
		if l.child == name {
			of.up = append(of.up, l)
		}
		if l.parent == name {
			of.down = append(of.down, l)
		}
	}
	return of
}

// parentsFirst orders targets so that a table comes after those it refers to, as far as there are no circles.
func parentsFirst(targets []*target) []*target {
	ordered := make([]*target, 0, len(targets))
	visited := map[*target]bool{}
	var visit func(*target)
	visit = func(t *target) {
		if visited[t] {
			return
		}
		visited[t] = true
		for _, l := range t.links.up {
			if n := slices.IndexFunc(targets, func(o *target) bool { return o.there == l.parent }); n >= 0 {
				visit(targets[n])
			}
		}
		ordered = append(ordered, t)
	}
	for _, t := range targets {
		visit(t)
	}
	return ordered
}

// ForeignKey is one foreign key of a server.
type ForeignKey struct {
	Name            string
	Child, Parent   schema.Name
	Columns, Refers []string // of the child, and of the parent
	Acts            bool     // it changes child rows itself: CASCADE, SET NULL or SET DEFAULT
}

// ForeignKeys reads the foreign keys of a server, as far as the account sees them: those of tables on which it has at least SELECT.
func ForeignKeys(ctx context.Context, session *server.Session) (keys []ForeignKey, err error) {
	found, err := readLinks(ctx, session)
	for _, l := range found {
		keys = append(keys, ForeignKey{Name: l.name, Child: l.child, Parent: l.parent, Columns: l.columns, Refers: l.refers, Acts: l.acts})
	}
	return keys, err
}
