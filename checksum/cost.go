package checksum

import (
	"context"
	"strconv"

	"trueup/chunker"
)

// Cost is how many rows a server touched for a chunk, in its own count.
type Cost struct {
	Reads int64 // sum of the status variables Handler_read…
	Rows  int64 // of the chunk
}

// IsScan tells whether far more rows were read than the chunk has: its bounds did not become a range of the index.
func (c Cost) IsScan() bool {
	const factor, slack = 4, 1000 // SHOW STATUS itself reads some dozens
	return c.Reads > factor*c.Rows+slack
}

// FirstCost digests a chunk as Digest does. For the first chunk of the reader that has two ends it also returns what reading
// it cost the server; for others, and where the server does not tell, known is false.
//
// https://dev.mysql.com/doc/refman/en/server-status-variables.html (Handler_read_…)
func (r *Reader) FirstCost(ctx context.Context, chunk chunker.Chunk) (digest Digest, cost Cost, known bool, err error) {
	if r.costKnown || chunk.Lower == nil || chunk.Upper == nil {
		digest, err = r.Digest(ctx, chunk)
		return digest, Cost{}, false, err
	}
	r.costKnown = true
	before, beforeErr := r.handlerReads(ctx)
	if digest, err = r.Digest(ctx, chunk); err != nil || beforeErr != nil {
		return digest, Cost{}, false, err
	}
	reads, afterErr := r.handlerReads(ctx)
	return digest, Cost{Reads: reads - before, Rows: digest.Rows}, afterErr == nil, nil
}

func (r *Reader) handlerReads(ctx context.Context) (sum int64, err error) {
	records, err := r.session.Records(ctx, "SHOW SESSION STATUS LIKE 'Handler_read%'")
	for _, record := range records {
		value, _ := strconv.ParseInt(record.Text("Value"), 10, 64)
		sum += value
	}
	return sum, err
}
