package chunker

import (
	"sync"
	"time"
)

// SizeOptions say how large chunks are.
type SizeOptions struct {
	// Rows fixes the number of rows of a chunk; 0: sized by Time.
	Rows int
	// Time is how long comparing one chunk should take.
	Time time.Duration
	// MaxRows bounds the rows of a chunk sized by time; 0: DefaultMaxRows.
	MaxRows int
}

const (
	// DefaultTime is the time target of a chunk.
	DefaultTime = 500 * time.Millisecond
	// DefaultMaxRows bounds a chunk sized by time: the memory that resolves a chunk to rows grows with its rows.
	DefaultMaxRows = 100_000
	firstRows      = 1_000
)

// Sizer sets the rows of the next chunk from the speed of those before. It is safe for concurrent use: workers
// observe while the splitter asks.
type Sizer struct {
	options SizeOptions
	mutex   sync.Mutex
	rows    int     // of the next chunk
	rate    float64 // rows a second; smoothed while it rises; 0: nothing measured yet
}

// NewSizer makes a Sizer for one table.
func NewSizer(options SizeOptions) *Sizer {
	if options.MaxRows <= 0 {
		options.MaxRows = DefaultMaxRows
	}
	if options.Time <= 0 {
		options.Time = DefaultTime
	}
	rows := min(firstRows, options.MaxRows)
	if options.Rows > 0 {
		rows = options.Rows
	}
	return &Sizer{options: options, rows: rows}
}

// Next is the number of rows the next chunk should have, at least 1.
func (s *Sizer) Next() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.rows
}

// Observe takes in how long comparing a chunk of that many rows took. A chunk at most quadruples from one
// observation to the next, and shrinks at once.
func (s *Sizer) Observe(rows int64, took time.Duration) {
	if s.options.Rows > 0 || rows <= 0 || took <= 0 {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	rate := float64(rows) / took.Seconds()
	if s.rate > 0 && rate > s.rate {
		const weightOfNew = 0.5
		rate = weightOfNew*rate + (1-weightOfNew)*s.rate
	}
	s.rate = rate
	target := int(rate * s.options.Time.Seconds())
	s.rows = max(1, min(target, s.rows*4, s.options.MaxRows))
}
