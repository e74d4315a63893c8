package syncpoint

import (
	"context"

	"trueup/replication"
	"trueup/server"
)

// SamePlace tells whether no transaction lies between two positions of a source's binary log, such as the end of a file and
// the beginning of the next. The session is one on the source. A log that cannot be read from the first position on (purged,
// or no position of this source) is an error.
func SamePlace(ctx context.Context, source *server.Session, a, b replication.Position) (bool, error) {
	return newPlaces(source).same(ctx, a, b)
}
