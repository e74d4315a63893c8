package chunker

import (
	"context"
	"database/sql/driver"
	"math"

	"trueup/schema"
	"trueup/server"
)

// Around is a small range that holds a key. Where a single integer is the key it holds nothing else; else it reaches from the nearest smaller
// key that the session's server has, which is not in it, to the nearest one that is not smaller: keys between the same two rows have
// the same range, and ranges of other keys do not overlap with it. Where there is no such row it has no end. Errors are those of the server.
func Around(ctx context.Context, session *server.Session, database, table string, key Key, values []Value) (Range, error) {
	around := Range{Key: key}
	if exact, isInteger := key.single(values); isInteger {
		return exact, nil
	}
	from := "SELECT " + key.boundList() + " FROM " + schema.QuoteTable(database, table) + " FORCE INDEX (" + schema.QuoteIdentifier(key.Name) + ") WHERE "
	var err error
	if around.Lower, err = key.nearest(ctx, session, from+key.beyond(before, before, 0)+" ORDER BY "+key.reversedList()+" LIMIT 1", values); err != nil {
		return around, err
	}
	around.Upper, err = key.nearest(ctx, session, from+key.beyond(after, atLeast, 0)+" ORDER BY "+key.OrderList()+" LIMIT 1", values)
	return around, err
}

// single is the range of one integer.
func (k Key) single(values []Value) (Range, bool) {
	exact := Range{Key: k, Upper: values}
	if len(values) != 1 || k.Columns[0].Kind != schema.KindInteger || k.descends(0) {
		return exact, false
	}
	switch n := values[0].raw.(type) {
	case int64:
		if n > math.MinInt64 && (n > 0 || !k.Columns[0].Unsigned) {
			exact.Lower = []Value{{n - 1}}
		}
		return exact, true
	case uint64:
		if n > 0 {
			exact.Lower = []Value{{n - 1}}
		}
		return exact, true
	}
	return exact, false
}

// nearest is the one key that a query finds; nil: none.
func (k Key) nearest(ctx context.Context, session *server.Session, query string, values []Value) (found []Value, err error) {
	statement, err := session.Prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	err = statement.Stream(ctx, appendBeyond(nil, values), func(row []driver.Value) (err error) {
		found, err = k.NewValues(row)
		return err
	})
	return found, err
}

// atLeast is the other side of before.
var atLeast = side{">=", "<="}

// reversedList is the key's columns in the reverse of its order, for ORDER BY.
func (k Key) reversedList() string {
	reversed := Key{Columns: k.Columns, Descending: make([]bool, len(k.Columns))}
	for i := range k.Columns {
		reversed.Descending[i] = !k.descends(i)
	}
	return reversed.OrderList()
}
