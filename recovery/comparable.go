package recovery

import (
	"context"
	"errors"
	"slices"

	"trueup/check"
	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

func (p *touchedRecord) isEmpty() bool { return len(p.Ranges) == 0 && len(p.Whole) == 0 }

// notCompared says why the replica as a whole could not be compared, or not repaired: it is delayed, or did not come to the position in time, or
// an error ended that (the source is not reached). What was touched is left open in the journal then: what a skip has lost would else stay lost.
func (r *run) notCompared(a *Attempt) (why string) {
	if a.Action != Skip && a.Action != Fix || a.Proof == nil || a.Proof.Check == nil {
		return ""
	}
	if err := errors.Join(a.Proof.Check.Err, a.Proof.Err); err != nil && a.Outcome == Failed {
		return err.Error()
	}
	if a.Outcome != Unproven {
		return ""
	}
	for _, replica := range a.Proof.Check.Replicas {
		if replica.Address == r.replica.Address() && replica.Verdict == check.Unverified && replica.Reason != "" {
			return replica.Reason
		}
	}
	return ""
}

// without leaves a table out.
func (p touchedRecord) without(name schema.Name) touchedRecord {
	p.Whole = slices.DeleteFunc(slices.Clone(p.Whole), func(one schema.Name) bool { return one == name })
	p.Ranges = slices.DeleteFunc(slices.Clone(p.Ranges), func(one check.Range) bool { return one.Database == name.Database && one.Table == name.Table })
	return p
}

// comparable leaves out tables that no check takes: one of them would keep all others from being proven and repaired. left is how many of them
// the replica has all the same; a table that is gone on both sides, dropped behind the transaction, leaves nothing to prove.
func (r *run) comparable(ctx context.Context, proof touchedRecord) (touchedRecord, int, error) {
	if r.source == nil {
		return proof, 0, nil
	}
	source, err := r.source.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return proof, 0, err
	}
	defer source.Close()
	status, err := replication.ReadStatus(ctx, r.control, r.channel)
	if err != nil {
		return proof, 0, err
	}
	left := 0
	for _, name := range proof.tables() {
		if _, err := schema.ParseFilter(schema.Filter{Tables: []string{schema.QuoteTable(name.Database, name.Table)}}); err != nil {
			r.warn("%s.%s belongs to the server itself and is not compared: look yourself whether what the transaction does there is on the replica", name.Database, name.Table)
			proof, left = proof.without(name), left+1
			continue
		}
		there := schema.Name{Database: status.NameOf(name.Database), Table: name.Table}
		ours, err := loadTable(ctx, source, name)
		if err != nil || ours != nil {
			if err != nil {
				return proof, left, err
			}
			continue
		}
		theirs, err := loadTable(ctx, r.control, there)
		if err != nil {
			return proof, left, err
		}
		if proof = proof.without(name); theirs != nil {
			r.warn("%s.%s is not on the source any more, so that what the replica has in %s.%s could not be compared", name.Database, name.Table, there.Database, there.Table)
			left++
		}
	}
	return proof, left, nil
}

// tables are those that are to be compared, each once.
func (p *touchedRecord) tables() []schema.Name {
	names := slices.Clone(p.Whole)
	for _, within := range p.Ranges {
		if name := (schema.Name{Database: within.Database, Table: within.Table}); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
