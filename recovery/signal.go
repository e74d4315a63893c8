package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// signals are the triggers of the replica that may have raised an error by SIGNAL: which one did, no server says.
type signals struct {
	looked bool
	why    []string
	same   []string // why it may be triggers that the source has too: said where there are no others
	advice []string
}

// lookAtTriggers compares the triggers of the transaction's tables on the replica with the source's. They fire there for statements, and on
// MariaDB for row changes too where slave_run_triggers_for_rbr says so.
func (r *run) lookAtTriggers(ctx context.Context, f *failure) error {
	there, _, err := r.triggersOf(ctx, r.control, f, f.diagnosis.Status.NameOf)
	if err != nil {
		return err
	}
	var here []trigger
	sees := func(trigger) bool { return false } // whether the account sees such a trigger on the source
	if r.source != nil {
		session, err := r.source.Session(ctx, server.SessionOptions{Reopens: true})
		if err != nil {
			return err
		}
		defer session.Close()
		var unread []string
		if here, unread, err = r.triggersOf(ctx, session, f, func(database string) string { return database }); err != nil {
			return err
		}
		grants, err := server.ReadGrants(ctx, session)
		if err != nil {
			return err
		}
		sees = func(t trigger) bool {
			database, known := f.diagnosis.Status.SourceNameOf(t.on.Database)
			return known && !slices.Contains(unread, database) && grants.HasOnTable("TRIGGER", database, t.on.Table)
		}
	}
	f.signals.looked = true
	for _, t := range likely(there, f.diagnosis) {
		f.signals.name(t, here, sees(t), f.diagnosis.Status)
	}
	if r.replica.Identity().Flavor != server.MariaDB || f.diagnosis.Transaction.Format == "statement" {
		return nil
	}
	record, err := r.control.One(ctx, "SELECT @@GLOBAL.slave_run_triggers_for_rbr AS mode") // since MariaDB 10.1
	if err == nil && record.Text("mode") != "NO" {
		f.signals.advise("slave_run_triggers_for_rbr=%s lets the replica's triggers fire for row changes: with NO what they do comes from the source alone.", record.Text("mode"))
	}
	return ctx.Err()
}

// likely are those triggers that the error's text names, as MariaDB's does for row changes ("At line 1 in db.name"); else those of tables that the transaction names
// itself; else all of them.
func likely(all []trigger, d *Diagnosis) []trigger {
	words := map[string]bool{}
	for _, name := range d.Transaction.Tables {
		words[strings.ToLower(name.Table)] = true
	}
	for _, s := range d.Transaction.Statements {
		for _, word := range strings.FieldsFunc(s.Text, func(c rune) bool { return c != '_' && c != '$' && !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
			words[strings.ToLower(word)] = true
		}
	}
	for _, is := range []func(trigger) bool{
		func(t trigger) bool { return strings.Contains(d.Error.Message, " in "+t.on.Database+"."+t.name+",") },
		func(t trigger) bool { return words[strings.ToLower(t.on.Table)] },
	} {
		if found := slices.DeleteFunc(slices.Clone(all), func(t trigger) bool { return !is(t) }); len(found) > 0 {
			return found
		}
	}
	return all
}

// trigger is one of a table that the transaction changes.
type trigger struct {
	on   schema.Name // on that server
	name string
	when string // "BEFORE INSERT"
	body string
}

func (t trigger) String() string {
	return fmt.Sprintf("the trigger %s of %s.%s (%s)", t.name, t.on.Database, t.on.Table, t.when)
}

// triggersOf are the triggers that a server has on the tables of the transaction, as far as the account sees them. Of a transaction of which the tables are not known it
// is those of its databases. unread are databases of which they could not be read.
func (r *run) triggersOf(ctx context.Context, session *server.Session, f *failure, nameOf func(string) string) (found []trigger, unread []string, err error) {
	tables := append(slices.Clone(f.diagnosis.Transaction.Tables), f.touched.whole...)
	var databases []string
	note := func(database string) {
		if name := nameOf(database); name != "" && !slices.Contains(databases, name) {
			databases = append(databases, name)
		}
	}
	for _, name := range tables {
		note(name.Database)
	}
	if len(tables) == 0 {
		for _, s := range f.diagnosis.Transaction.Statements {
			note(s.Database)
		}
	}
	for _, database := range databases {
		records, err := session.Records(ctx, "SHOW TRIGGERS FROM "+schema.QuoteIdentifier(database))
		if ctx.Err() != nil || server.IsConnectionLost(err) {
			return nil, nil, err
		}
		if err != nil {
			unread = append(unread, database)
			r.warn("which triggers %s has in %s could not be read: %v", session.Server().Address(), database, err)
			continue
		}
		for _, record := range records {
			one := trigger{on: schema.Name{Database: database, Table: record.Text("Table")}, name: record.Text("Trigger"),
				when: record.Text("Timing") + " " + record.Text("Event"), body: record.Text("Statement")}
			touched := slices.ContainsFunc(tables, func(name schema.Name) bool {
				return nameOf(name.Database) == database && strings.EqualFold(name.Table, one.on.Table)
			})
			if touched || len(tables) == 0 {
				found = append(found, one)
			}
		}
	}
	return found, unread, nil
}

// name takes in one trigger of the replica; known tells whether one of the source would be among those here.
func (s *signals) name(t trigger, here []trigger, known bool, status replication.Status) {
	n := slices.IndexFunc(here, func(o trigger) bool {
		return o.name == t.name && status.NameOf(o.on.Database) == t.on.Database && strings.EqualFold(o.on.Table, t.on.Table)
	})
	dropped := fmt.Sprintf("DROP TRIGGER %s", schema.QuoteTable(t.on.Database, t.name))
	switch {
	case n < 0 && !known:
		s.why = append(s.why, fmt.Sprintf("%s on the replica may have raised it; whether the source has it is not known (it has to be reached, and the account needs the privilege TRIGGER there)", t))
	case n < 0:
		s.why = append(s.why, fmt.Sprintf("%s is on the replica and, as things are now, not on the source; it may have raised it", t))
		s.advise("Where the replica is not meant to have that trigger: SET SESSION sql_log_bin = 0; %s; then retry.", dropped)
	case here[n].when != t.when || strings.Join(strings.Fields(here[n].body), " ") != strings.Join(strings.Fields(t.body), " "):
		s.why = append(s.why, fmt.Sprintf("%s is another one on the replica than on the source (%s there); it may have raised it", t, here[n].when))
		s.advise("Make the trigger what it is on the source (SHOW CREATE TRIGGER %s there): SET SESSION sql_log_bin = 0; %s; then create it anew, and retry.", schema.QuoteTable(here[n].on.Database, t.name), dropped)
	default:
		s.same = append(s.same, fmt.Sprintf("%s may have raised it: it is the same on both servers, so that what it reads differs (trueup check compares that)", t))
	}
}

func (s *signals) advise(format string, args ...any) {
	if said := fmt.Sprintf(format, args...); !slices.Contains(s.advice, said) {
		s.advice = append(s.advice, said)
	}
}

// explained says what is known of who raised the error.
func (s *signals) explained() (why, advice []string) {
	why = []string{"a trigger or a routine on the replica refused the change (SIGNAL)"}
	if len(s.why) == 0 {
		s.why = s.same
	}
	if s.looked && len(s.why) == 0 {
		why = append(why, "none of the tables has a trigger that the account sees (it takes the privilege TRIGGER on them); a function or a procedure may have raised it")
	}
	why = append(why, s.why[:min(mostSaid, len(s.why))]...)
	if more := len(s.why) - mostSaid; more > 0 {
		why = append(why, fmt.Sprintf("and %d triggers more", more))
	}
	return why, append(s.advice[:min(mostSaid, len(s.advice)):min(mostSaid, len(s.advice))], "It is not skipped: whether the replica is to have the change is for a person to say. Where the cause is mended, --action retry starts the applier again.")
}
