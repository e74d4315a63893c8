package recovery

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"trueup/check"
	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair"
	"trueup/schema"
	"trueup/server"
)

// mostRanges is how many ranges of a table are compared one by one; with more rows than that in unlike places, all of the table is.
const mostRanges = 1000

// toProve works out what has to be equal once the transaction was passed: ranges around each touched row, or whole tables.
func (r *run) toProve(ctx context.Context, f *failure, action Action) (touchedRecord, error) {
	proof := touchedRecord{Repairs: action != Retry}
	if f.touched == nil {
		return proof, nil
	}
	proof.Why = f.touched.why
	session, err := r.replica.Session(ctx, server.SessionOptions{Reader: true})
	if err != nil {
		return proof, err
	}
	defer session.Close()
	for _, name := range f.touched.whole {
		proof.addWhole(name)
	}
	for _, t := range f.touched.tables.all {
		keys := f.touched.keysOf(t)
		if f.plan != nil {
			keys = append(keys, f.plan.besideOf(t)...)
		}
		proof.Rows += int64(len(keys))
		if r.request.CheckTables || action == Skip && f.passes != "" || len(keys) > mostRanges || t.source == nil || !t.keyed {
			proof.addWhole(t.name)
			continue
		}
		ranges := make([]chunker.Range, len(keys))
		for i, key := range keys {
			if ranges[i], err = around(ctx, session, t, key); err != nil {
				return proof, fmt.Errorf("finding the place of row %s in %s.%s: %w", t.describe(key), t.there.Database, t.there.Table, err)
			}
		}
		for _, within := range neighboursJoined(ranges) {
			proof.Ranges = append(proof.Ranges, check.NewRange(r.replica.Address(), t.name.Database, t.name.Table, within))
		}
	}
	return proof, nil
}

// neighboursJoined makes one of ranges that are neighbours, where a single integer is the key; of others each is there once.
func neighboursJoined(ranges []chunker.Range) (fewer []chunker.Range) {
	upper := func(r chunker.Range) (int64, bool) {
		if len(r.Upper) != 1 || r.Lower == nil {
			return 0, false
		}
		n, isInteger := r.Upper[0].Argument().(int64)
		return n, isInteger
	}
	for _, r := range ranges {
		if _, ok := upper(r); !ok {
			return eachOnce(ranges)
		}
	}
	slices.SortFunc(ranges, func(a, b chunker.Range) int {
		x, _ := upper(a)
		y, _ := upper(b)
		return cmp.Compare(x, y)
	})
	for _, r := range ranges {
		last := len(fewer) - 1
		switch {
		case last >= 0 && fewer[last].EndsWith(r):
		case last >= 0 && fewer[last].Joins(r):
			fewer[last].Upper = r.Upper
		default:
			fewer = append(fewer, r)
		}
	}
	return fewer
}

// eachOnce leaves out what is there twice: keys between the same two rows have one range.
func eachOnce(ranges []chunker.Range) (fewer []chunker.Range) {
	for _, r := range ranges {
		if !slices.ContainsFunc(fewer, func(known chunker.Range) bool { return known.Is(r) }) {
			fewer = append(fewer, r)
		}
	}
	return fewer
}

func (p *touchedRecord) addWhole(name schema.Name) {
	if !slices.Contains(p.Whole, name) {
		p.Whole = append(p.Whole, name)
	}
}

// keysOf are rows with the keys of a table that a transaction touches.
func (d *touched) keysOf(t *table) (keys []checksum.Row) {
	rows := d.rows[t]
	if rows == nil {
		return nil
	}
	for _, key := range rows.order {
		keys = append(keys, rows.by[key].key)
	}
	return keys
}

// besideOf are rows of a table that only the fix touches.
func (p *fixPlan) besideOf(t *table) (keys []checksum.Row) {
	for _, row := range p.beside {
		if row.table == t {
			keys = append(keys, row.key)
		}
	}
	return keys
}

// around is a small range with the row's key in it.
func around(ctx context.Context, session *server.Session, t *table, row checksum.Row) (chunker.Range, error) {
	values := make([]chunker.Value, len(t.splits.Columns))
	for i, column := range t.splits.Columns {
		raw := row[i]
		for n, read := range t.layout.Columns { // an ENUM is ordered by its number
			if read.IsNumberOf(column.Name) {
				raw = row[n]
			}
		}
		if bits, isBytes := raw.([]byte); isBytes && column.Kind == schema.KindBit {
			raw = chunker.BitNumber(bits)
		}
		if column.Kind == schema.KindEnum || column.Kind == schema.KindSet {
			if _, isBytes := raw.([]byte); isBytes {
				return chunker.Range{Key: t.splits}, nil // its number is not known: all of the table
			}
		}
		var err error
		if values[i], err = chunker.NewValue(column, raw); err != nil {
			return chunker.Range{}, err
		}
	}
	return chunker.Around(ctx, session, t.there.Database, t.there.Table, t.splits, values)
}

// prove compares what was touched with the source at a synced position, and repairs what differs.
func (r *run) prove(ctx context.Context, proof touchedRecord) (*repair.Result, error) {
	request := repair.DefaultRequest()
	request.Check = r.request.Check
	request.Check.Filters = check.Filters{}
	request.Check.Ranges = slices.Clone(proof.Ranges)
	var tables []schema.Name
	for _, within := range proof.Ranges {
		if name := (schema.Name{Database: within.Database, Table: within.Table}); !slices.Contains(tables, name) {
			tables = append(tables, name)
		}
	}
	for _, name := range proof.Whole {
		request.Check.Ranges = append(request.Check.Ranges, check.Range{Replica: r.replica.Address(), Database: name.Database, Table: name.Table})
		if !slices.Contains(tables, name) {
			tables = append(tables, name)
		}
	}
	for _, name := range tables {
		request.Check.Filters.Tables = append(request.Check.Filters.Tables, schema.QuoteTable(name.Database, name.Table))
	}
	// Its own replicas lack what was skipped in any case: that was said, and to leave this one wrong too helps none of them.
	request.LeaveDownstream = true
	request.OnlyRanges = true // what else differs in the table is not this recovery's
	request.Apply, request.Journal, request.Numbers, request.Version = proof.Repairs, r.request.Journal, &r.groups, r.request.Version
	if len(proof.Whole) == 0 {
		request.MaxRows = math.MaxInt64 // the touched rows, which were agreed to
	}
	return repair.Run(ctx, request, r.observer)
}

// verdictOf is what a proof came to.
func verdictOf(proof *repair.Result) check.Verdict {
	if proof.Verified != nil {
		return proof.Verified.Verdict
	}
	if proof.Err != nil && proof.Check.Verdict == check.Equal {
		return check.Failed
	}
	return proof.Check.Verdict
}

// outcomeOf is the outcome that a verdict stands for.
func outcomeOf(verdict check.Verdict) Outcome {
	switch verdict {
	case check.Equal:
		return Proven
	case check.Different:
		return Differs
	case check.Unverified:
		return Unproven
	default:
		return Failed
	}
}
