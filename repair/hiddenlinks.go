package repair

import (
	"context"
	"fmt"
	"strings"

	"trueup/schema"
	"trueup/server"
)

// hiddenLinks are the foreign keys of a replica that information_schema does not show to the account.
type hiddenLinks struct {
	unknown  bool                // nobody could be asked
	children map[string][]string // by the parent, both as joined
	joined   func(schema.Name) string
}

// readHidden asks the storage engine for foreign keys that are not among the seen ones. information_schema shows those of all tables on which
// the account has a right on rows; where it has that on *.*, nothing is hidden.
func readHidden(ctx context.Context, session *server.Session, grants server.Grants, seen []link) (hiddenLinks, error) {
	for _, privilege := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
		if grants.HasGlobal(privilege) && len(grants.RestrictedDatabases(privilege)) == 0 {
			return hiddenLinks{joined: joinName}, nil
		}
	}
	setting, err := session.One(ctx, "SELECT @@lower_case_table_names AS folds")
	if err != nil {
		return hiddenLinks{}, err
	}
	hidden := hiddenLinks{children: map[string][]string{}, joined: joinName}
	if setting.Text("folds") != "0" { // the engine has the names in lower case then
		hidden.joined = func(name schema.Name) string { return strings.ToLower(joinName(name)) }
	}
	records, err := session.Records(ctx, engineLinks(session.Server().Identity()))
	switch {
	case server.IsAccessDenied(err):
		return hiddenLinks{unknown: true, joined: hidden.joined}, nil
	case err != nil:
		return hiddenLinks{}, fmt.Errorf("reading the foreign keys of the storage engine: %w", err)
	}
	type pair struct{ child, parent string }
	shown := map[pair]int{}
	for _, l := range seen {
		shown[pair{hidden.joined(l.child), hidden.joined(l.parent)}]++
	}
	for _, record := range records {
		p := pair{record.Text("child"), record.Text("parent")}
		if shown[p]--; shown[p] < 0 {
			hidden.children[p.parent] = append(hidden.children[p.parent], p.child)
		}
	}
	return hidden, nil
}

// engineLinks reads InnoDB's own list of foreign keys, which takes PROCESS; other engines of the servers trueup knows have none. Its names are
// "database/table", up to MySQL 5.7 and on MariaDB in the encoding of file names.
func engineLinks(on server.Identity) string {
	view, name := "INNODB_SYS_FOREIGN", func(column string) string {
		part := func(n int) string {
			return fmt.Sprintf("CONVERT(CAST(CAST(SUBSTRING_INDEX(%s, '/', %d) AS BINARY) AS CHAR CHARACTER SET filename) USING utf8)", column, n)
		}
		return "CONCAT(" + part(1) + ", '/', " + part(-1) + ")"
	}
	if on.Flavor == server.MySQL && on.Version.AtLeast(8, 0, 0) {
		view, name = "INNODB_FOREIGN", func(column string) string { return column }
	}
	return "SELECT " + name("FOR_NAME") + " AS child, " + name("REF_NAME") + " AS parent FROM information_schema." + view
}

// joinName is a table's name as the storage engine gives it. A slash within a name makes two names alike at worst: that hides nothing, since
// the foreign keys are counted.
func joinName(name schema.Name) string { return name.Database + "/" + name.Table }

// refuses tells whether rows of a table may be those to which rows refer that the account does not see, and notes it.
func (h hiddenLinks) refuses(t *target, account string) bool {
	rows := t.planned.Total()
	if h.unknown && t.planned.Extra+t.planned.Changed > 0 {
		t.refuse(RefusedPrivilege, rows, "the account does not see whether tables of other databases refer to it by foreign keys, whose rows would be left without their parent: GRANT PROCESS ON *.* TO %s, or GRANT SELECT ON *.* TO %s", account, account)
		return true
	}
	if children := h.children[h.joined(t.there)]; len(children) > 0 {
		database, table, _ := strings.Cut(children[0], "/")
		t.refuse(RefusedForeignKey, rows, "%s refers to it by a foreign key, and the account does not see that table, of which rows could be left without their parent: GRANT SELECT ON %s TO %s",
			strings.Join(children, ", "), schema.QuoteTable(database, table), account)
		return true
	}
	return false
}
