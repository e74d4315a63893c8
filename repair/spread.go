package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trueup/check"
	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// While a repair is on its way, replication goes on, and may carry a difference to another place: an applier that goes on over errors passes over the move
// of a row that it does not have, so that the row is missing at its new key; a statement reads a value that is only the replica's, and writes it into
// another table; an event without the whole row (binlog_row_image) moves a row with a wrong value in it; a foreign key's action, which no event describes,
// finds no row to act on. What was planned is equal then, and another row is not. Where that can be, the check afterwards reads whole tables.

// spread is a table that is checked as a whole afterwards, as it is named on the source.
type spread struct {
	replica string // its address
	name    schema.Name
	of      string // the address of the replica whose differences may have gone there
	why     string
}

// carriers are what can carry a difference of a replica to other rows; each is "" where there is no such thing.
type carriers struct {
	passes     string // settings by which it, or a server above it, goes on over errors
	statements string // the format of a log above it that holds statements
	partial    string // what makes the rows in such a log incomplete
}

func (c carriers) String() string {
	return strings.Join(slices.DeleteFunc([]string{c.passes, c.statements, c.partial}, func(s string) bool { return s == "" }), ", ")
}

// warnOfMoved says where a stored check's ranges may not be all that differs by now.
func (r *run) warnOfMoved(ctx context.Context) {
	if r.request.From == nil {
		return
	}
	for i, replica := range r.replicasNow() {
		asked := slices.ContainsFunc(r.request.Check.Ranges, func(part check.Range) bool { return part.Replica == replica.Address })
		if !asked || r.prepared.Usable(i) != nil {
			continue
		}
		if by := r.carriersOf(ctx, i).String(); by != "" {
			r.result.Warnings = append(r.result.Warnings, fmt.Sprintf("%s: differences are looked for in the ranges in which the stored check found some; with %s replication may have carried them to other rows since, which a whole check finds", replica.Address, by))
		}
	}
}

// spreads are the tables into which differences may have gone. Where all is true, any that was to be repaired may have; else those that were
// overtaken, or whose replica goes on over errors.
func (r *run) spreads(ctx context.Context, works []*work, all bool) (found []spread) {
	if r.request.OnlyRanges {
		return nil
	}
	for _, w := range works {
		if len(w.targets) == 0 || len(w.result.Refused) > 0 {
			continue
		}
		by := r.carriersOf(ctx, w.replica)
		from := w.targets
		if !all && by.passes == "" {
			from = slices.DeleteFunc(slices.Clone(from), func(t *target) bool { return !t.overtaken() })
		}
		why := by.why(all)
		found = append(found, r.tablesInto(w, w.replica, from, by, why)...)
		if by.String() != "" { // what it has written into its own log may be wrong, whether or not anything was overtaken
			from = w.targets
		}
		for _, below := range r.allBelow(w.replica) {
			found = append(found, r.tablesInto(w, below, from, by, why)...)
		}
	}
	return found
}

// why says in which way differences may have gone to other rows.
func (c carriers) why(all bool) string {
	switch {
	case c.passes != "":
		return "with " + c.String() + " replication can carry differences to other rows before they are repaired"
	case all:
		return "it was compared anew after tables were created, and " + cmp.Or(c.String(), "a foreign key's action") + " can carry differences to other rows meanwhile"
	}
	return "replication changed rows before they could be repaired, and " + cmp.Or(c.String(), "a foreign key's action") + " can carry their differences to other rows"
}

// noteWholes notes which tables are compared once more as a whole, and why.
func (r *run) noteWholes() {
	const most = 5
	for i := range r.result.Replicas {
		on := &r.result.Replicas[i]
		var names []string
		var why string
		for _, whole := range r.wholes {
			name := whole.name.Database + "." + whole.name.Table
			if whole.replica != on.Address {
				name += " on " + whole.replica
			}
			if whole.of == on.Address && !slices.Contains(names, name) {
				names, why = append(names, name), whole.why
			}
		}
		if len(names) == 0 {
			continue
		}
		if len(names) > most+1 {
			names = append(names[:most], fmt.Sprintf("%d more", len(names)-most))
		}
		on.Notes = append(on.Notes, "compared once more as a whole afterwards: "+strings.Join(names, ", ")+" ("+why+")")
	}
}

// allBelow are the numbers of the replicas that get their rows by way of one.
func (r *run) allBelow(replica int) []int {
	below := r.prepared.Downstream(replica)
	for next := 0; next < len(below); next++ {
		for _, i := range r.prepared.Downstream(below[next]) {
			if !slices.Contains(below, i) {
				below = append(below, i)
			}
		}
	}
	return below
}

// tablesInto are the tables of a replica, or of one below it, into which differences of some may have gone.
func (r *run) tablesInto(w *work, replica int, from []*target, by carriers, why string) (into []spread) {
	if len(from) == 0 {
		return nil
	}
	address := r.prepared.Address(replica)
	reached := reachedBy(w.links, from, by)
	for _, table := range r.result.Check.Tables {
		there := schema.Name{Database: r.prepared.NameOn(w.replica, table.Database), Table: table.Table}
		on := slices.ContainsFunc(table.Replicas, func(t check.TableReplicaResult) bool { return t.Address == address })
		if on && (by.statements != "" || slices.ContainsFunc(reached, func(name schema.Name) bool { return isSame(name, there) })) {
			into = append(into, spread{address, schema.Name{Database: table.Database, Table: table.Table}, w.result.Address, why})
		}
	}
	return into
}

// reachedBy are the tables, as the replica names them, that differences of some may reach: those themselves, where rows move with what they differ in or a
// foreign key's action moves them, and the ones on which foreign keys act for them. An applier that goes on over errors passes over what any foreign
// key refuses, on both of its sides.
func reachedBy(all []link, from []*target, by carriers) (names []schema.Name) {
	var reached []schema.Name
	for _, t := range from {
		reached = append(reached, t.there)
		if by.String() != "" || slices.ContainsFunc(t.links.up, func(l link) bool { return l.acts }) {
			names = append(names, t.there)
		}
	}
	add := func(name schema.Name) {
		if !slices.ContainsFunc(names, func(known schema.Name) bool { return isSame(known, name) }) {
			reached, names = append(reached, name), append(names, name)
		}
	}
	for next := 0; next < len(reached); next++ {
		for _, l := range all {
			if isSame(l.parent, reached[next]) && (l.acts || by.passes != "") {
				add(l.child)
			}
			if isSame(l.child, reached[next]) && by.passes != "" {
				add(l.parent)
			}
		}
	}
	return names
}

// isSame compares names of tables as far as any server may: what is taken for the same at worst is read once more.
func isSame(a, b schema.Name) bool {
	return strings.EqualFold(a.Database, b.Database) && strings.EqualFold(a.Table, b.Table)
}

// overtaken tells whether rows were not any more as the check had found them when they were to be changed.
func (t *target) overtaken() bool {
	others := t.result.Conflicts // of which kinds they are is not known
	for _, left := range t.result.Refused {
		others += left.Rows
	}
	if others > 0 {
		return t.result.Done.Total()+others != t.planned.Total()
	}
	return t.result.Done != t.planned
}

// carriersOf asks the servers from which a replica gets its rows. One that cannot be asked is taken for one that goes on over errors.
func (r *run) carriersOf(ctx context.Context, replica int) (by carriers) {
	for i, found := replica, true; found; i, found = r.prepared.Upstream(i) {
		on, _ := r.prepared.Replica(i)
		passes, err := asked(ctx, on, replication.PassedErrors)
		if err != nil {
			passes = []string{"settings that could not be read (" + err.Error() + ")"}
		}
		if i != replica {
			by.askLog(ctx, on)
		}
		by.passes = cmp.Or(by.passes, onServer(strings.Join(passes, ", "), on))
	}
	by.askLog(ctx, r.prepared.Source())
	return by
}

// askLog asks a server what it writes into its log.
func (c *carriers) askLog(ctx context.Context, on *server.Server) {
	variables, err := asked(ctx, on, func(ctx context.Context, session *server.Session) ([]server.Record, error) {
		return session.Records(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_format', 'binlog_row_image', 'binlog_row_value_options')")
	})
	if err != nil {
		c.passes = cmp.Or(c.passes, onServer("settings that could not be read ("+err.Error()+")", on))
	}
	for _, variable := range variables {
		name, value := strings.ToLower(variable.Text("Variable_name")), strings.ToUpper(variable.Text("Value"))
		setting := onServer(name+"="+value, on)
		switch {
		case name == "binlog_format" && value != "ROW":
			c.statements = cmp.Or(c.statements, setting)
		case name == "binlog_row_image" && value != "FULL", name == "binlog_row_value_options" && value != "":
			c.partial = cmp.Or(c.partial, setting)
		}
	}
}

func onServer(setting string, on *server.Server) string {
	if setting == "" || on == nil {
		return setting
	}
	return setting + " on " + on.Address()
}

// asked is what a server answers in a session of its own.
func asked[T any](ctx context.Context, on *server.Server, ask func(context.Context, *server.Session) (T, error)) (answer T, err error) {
	if on == nil {
		return answer, errors.New("it was not reached")
	}
	session, err := on.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return answer, err
	}
	defer session.Close()
	return ask(ctx, session)
}

// widen makes whole tables of the ranges of those into which a difference may have gone.
func widen(ranges []check.Range, wholes []spread) []check.Range {
	for _, whole := range wholes {
		ranges = slices.DeleteFunc(ranges, func(part check.Range) bool {
			return part.Replica == whole.replica && part.Database == whole.name.Database && part.Table == whole.name.Table
		})
		ranges = append(ranges, check.Range{Replica: whole.replica, Database: whole.name.Database, Table: whole.name.Table})
	}
	return ranges
}
