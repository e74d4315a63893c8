package recovery

import (
	"context"
	"fmt"

	"trueup/repair"
	"trueup/schema"
	"trueup/server"
)

// hang takes what hangs on the tables whose rows change: the tables whose rows a foreign key changes along with them, as far as that goes,
// and, where one of these tables has a trigger, which may write anything, all tables. Rows that a foreign key changes fire no triggers on
// the servers trueup knows; that they might is a doubt that costs little.
func (s *suspects) hang(ctx context.Context, session *server.Session) error {
	grants, err := server.ReadGrants(ctx, session)
	if err != nil {
		return fmt.Errorf("reading what the account may see: %w", err)
	}
	if err := s.followKeys(ctx, session, grants); err != nil {
		return err
	}
	return s.findTriggers(ctx, session, grants)
}

// followKeys takes the children of the tables whose rows change, their children, and so on. Which rows
// of them is not in a log of statements, nor in one of rows.
func (s *suspects) followKeys(ctx context.Context, session *server.Session, grants server.Grants) error {
	links, err := repair.ForeignKeys(ctx, session)
	if err != nil {
		return err
	}
	children := map[schema.Name][]*entry{}
	for _, link := range links {
		if child := s.names.byName[s.names.key(link.Child)]; child != nil && link.Acts {
			parent := s.names.key(link.Parent)
			children[parent] = append(children[parent], child)
		}
	}
	var queue []schema.Name
	for name := range s.rows {
		queue = append(queue, name)
	}
	for len(queue) > 0 {
		parent := queue[0]
		queue = queue[1:]
		for _, child := range children[s.names.key(parent)] {
			if !s.taken[child.name] {
				s.say("%s: a foreign key changes its rows along with those of %s.", joined(child.name), joined(parent))
			}
			s.taken[child.name] = true
			if !s.rows[child.name] {
				s.rows[child.name] = true
				queue = append(queue, child.name)
			}
		}
	}
	if !grants.HasGlobal("SELECT") || len(grants.RestrictedDatabases("SELECT")) > 0 {
		s.say("Tables that the account may not read on the source are not known: a foreign key of one may change its rows too, and those of others through it.")
	}
	return nil
}

// findTriggers looks for triggers on the tables whose rows change.
func (s *suspects) findTriggers(ctx context.Context, session *server.Session, grants server.Grants) error {
	asked := map[string]bool{}
	for _, one := range s.names.entries {
		database := one.name.Database
		if !s.rows[one.name] {
			continue
		}
		if !grants.HasOnTable("TRIGGER", database, one.name.Table) {
			s.suspectAll("the account does not see whether %s has triggers on the source: GRANT TRIGGER ON %s TO %s.", joined(one.name), schema.QuoteTable(database, one.name.Table), grants.Account)
			continue
		}
		if asked[database] {
			continue
		}
		asked[database] = true
		triggers, err := session.Records(ctx, "SHOW TRIGGERS FROM "+schema.QuoteIdentifier(database))
		if err != nil {
			return fmt.Errorf("looking for triggers in %s: %w", database, err)
		}
		for _, trigger := range triggers {
			on := s.names.byName[s.names.key(schema.Name{Database: database, Table: trigger.Text("Table")})]
			if on != nil && s.rows[on.name] {
				s.suspectAll("the trigger %s of %s may write anything.", trigger.Text("Trigger"), joined(on.name))
			}
		}
	}
	return nil
}
