package repair

import (
	"context"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/schema"
	"trueup/server"
)

// countEqual counts, for a table without a key, how many rows on the replica are equal to each of those that change: what is run
// twice (a plan's script, an undo) must not remove or add them twice. It reads the table once.
func countEqual(ctx context.Context, on *checksum.Reader, changes []rowsql.Change) error {
	var kinds []schema.Kind
	for _, column := range on.Layout().Columns {
		kinds = append(kinds, column.Kind)
	}
	counts := make(map[string]int64, len(changes))
	keys := make([]string, len(changes))
	for i, c := range changes {
		row := c.Before
		if row == nil {
			row = c.After
		}
		key, err := encodeRow(kinds, row)
		if err != nil {
			return err
		}
		counts[key], keys[i] = 0, key
	}
	var encoded []byte
	err := on.Rows(ctx, chunker.Chunk{}, func(row []server.Field) (err error) {
		if encoded, err = checksum.AppendRow(encoded[:0], kinds, row); err != nil {
			return err
		}
		if n, wanted := counts[string(encoded)]; wanted {
			counts[string(encoded)] = n + 1
		}
		return nil
	})
	for i := range changes {
		changes[i].There = counts[keys[i]]
	}
	return err
}

func encodeRow(kinds []schema.Kind, row checksum.Row) (string, error) {
	var encoded []byte
	var err error
	for i, kind := range kinds {
		if encoded, err = checksum.AppendValue(encoded, kind, row[i]); err != nil {
			return "", err
		}
	}
	return string(encoded), nil
}
