package schema

import (
	"fmt"
	"regexp"
	"strings"
)

// Exclusion is why a table is not compared.
type Exclusion struct {
	Code string // one of the Excluded… constants
	Why  string // for a person
}

// The codes of Exclusion.
const (
	ExcludedByFilter  = "filtered"       // a flag leaves it out
	ExcludedNotChosen = "not_chosen"     // flags choose other tables
	ExcludedHeartbeat = "heartbeat"      // pt-heartbeat's table
	ExcludedChecksums = "checksum_table" // pt-table-checksum's results, which differ on every replica by design
	ExcludedGhost     = "ghost_table"    // a table that gh-ost or pt-online-schema-change works with
)

// Exclusion tells whether a table of the catalog is left out, and why. Views and sequences are not its business:
// see Table.Kind.
//
// Tables of other tools are left out only when they are surely no user data: by their columns, or, for ghost
// tables, by their name together with the table they stand beside; and never when --tables names them.
func (c *Catalog) Exclusion(t *Table) (Exclusion, bool) { return c.Selector.exclusion(c, t) }

func (s *Selector) exclusion(c *Catalog, t *Table) (Exclusion, bool) {
	if code, why := s.excludedBy(t.Database, t.Name); code != "" {
		return Exclusion{code, why}, true
	}
	if s.Names(t.Database, t.Name) || (t.Kind != BaseTable && t.Kind != SystemVersioned) {
		return Exclusion{}, false
	}
	switch {
	case hasColumns(t, "ts", "server_id", "file", "position", "relay_master_log_file", "exec_master_log_pos"):
		return Exclusion{ExcludedHeartbeat, "the columns are those of pt-heartbeat's table; name it in --tables to compare it"}, true
	case hasColumns(t, "db", "tbl", "chunk", "this_crc", "this_cnt"):
		return Exclusion{ExcludedChecksums, "the columns are those of pt-table-checksum's results; name it in --tables to compare it"}, true
	}
	if original, tool, ok := c.ghostOf(t); ok {
		return Exclusion{ExcludedGhost, fmt.Sprintf("a table of %s beside %s; name it in --tables to compare it", tool, original)}, true
	}
	return Exclusion{}, false
}

func hasColumns(t *Table, names ...string) bool {
	for _, name := range names {
		if _, ok := t.Column(name); !ok {
			return false
		}
	}
	return true
}

// ghostNames are how online schema change tools name the tables they work with: gh-ost _t_gho, _t_ghc, _t_del and
// _t_20260102030405_del; pt-online-schema-change _t_new and _t_old, with more underscores while those are taken.
var ghostNames = []struct {
	tool    string
	pattern *regexp.Regexp
}{
	{"gh-ost", regexp.MustCompile(`^_(.+)_[0-9]{14}_del$`)},
	{"gh-ost", regexp.MustCompile(`^_(.+)_(?:gho|ghc|del)$`)},
	{"pt-online-schema-change", regexp.MustCompile(`^_{1,10}([^_].*)_(?:new|old)$`)},
}

// ghostOf finds the table that a ghost table was made for. A name alone proves nothing: without that table it is
// taken for a user's.
func (c *Catalog) ghostOf(t *Table) (original, tool string, ok bool) {
	name := t.Name
	if c.FoldsNames {
		name = strings.ToLower(name)
	}
	for _, ghost := range ghostNames {
		if match := ghost.pattern.FindStringSubmatch(name); match != nil {
			if found, exists := c.Table(t.Database, match[1]); exists && found != t {
				return found.Name, ghost.tool, true
			}
		}
	}
	return "", "", false
}

// Column finds a column by name; letter case is ignored, as every server does.
func (t *Table) Column(name string) (Column, bool) {
	for _, column := range t.Columns {
		if strings.EqualFold(column.Name, name) {
			return column, true
		}
	}
	return Column{}, false
}
