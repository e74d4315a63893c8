package repair

import (
	"context"
	"encoding/json"
	"errors"

	"trueup/internal/audit"
)

// endUndone is how a group ended of which nobody knew whether it was committed, and which was undone as if it had been.
const endUndone = "undone"

// Settle writes into the journal of a repair that died that the groups it has left open on a replica are undone; by names who undid them.
// A journal that leaves nothing open stays as it is. The error wraps audit.ErrHeld where its process lives.
func Settle(ctx context.Context, folder audit.Folder, journal, replica, by string) error {
	opened, found, err := folder.Open(journal, by)
	if errors.Is(err, audit.ErrFinished) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, left := range found.Left {
		var record groupRecord
		if left.Kind != KindGroup || json.Unmarshal(left.Data, &record) != nil || record.Replica != replica {
			continue
		}
		entry, newErr := audit.NewEntry(KindGroupEnded, groupEndRecord{Group: left.Opens, How: endUndone})
		if newErr == nil {
			entry.Closes = left.Opens
			newErr = opened.Record(ctx, entry)
		}
		err = errors.Join(err, newErr)
	}
	return errors.Join(err, opened.Close())
}
