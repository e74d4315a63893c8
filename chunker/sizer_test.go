package chunker

import (
	"testing"
	"time"
)

func TestSizerAimsAtTheTimeTarget(t *testing.T) {
	t.Parallel()
	sizer := NewSizer(SizeOptions{Time: 100 * time.Millisecond, MaxRows: 1 << 30})
	for range 20 {
		rows := int64(sizer.Next())
		sizer.Observe(rows, time.Duration(rows)*time.Microsecond) // a million rows a second
	}
	if got := sizer.Next(); got < 99_000 || got > 101_000 {
		t.Errorf("after 20 chunks at 1,000,000 rows/s the next one has %d rows, want about 100,000", got)
	}
	for range 20 {
		rows := int64(sizer.Next())
		sizer.Observe(rows, time.Duration(rows)*time.Millisecond) // it becomes a thousand times slower
	}
	if got := sizer.Next(); got < 90 || got > 110 {
		t.Errorf("at 1,000 rows/s the next chunk has %d rows, want about 100", got)
	}
}

func TestSizerBounds(t *testing.T) {
	t.Parallel()
	sizer := NewSizer(SizeOptions{Time: time.Hour, MaxRows: 5_000})
	before := sizer.Next()
	sizer.Observe(int64(before), time.Microsecond)
	if got := sizer.Next(); got > 4*before {
		t.Errorf("a chunk grew from %d to %d rows at once", before, got)
	}
	for range 10 {
		sizer.Observe(1_000_000, time.Microsecond)
	}
	if got := sizer.Next(); got != 5_000 {
		t.Errorf("the next chunk has %d rows, want the bound 5000", got)
	}
	for range 40 {
		sizer.Observe(1, 24*time.Hour)
	}
	if got := sizer.Next(); got != 1 {
		t.Errorf("the next chunk has %d rows, want at least and at most 1", got)
	}
}

func TestSizerFixedRows(t *testing.T) {
	t.Parallel()
	sizer := NewSizer(SizeOptions{Rows: 7, Time: time.Second})
	sizer.Observe(7, time.Nanosecond)
	if got := sizer.Next(); got != 7 {
		t.Errorf("Next() = %d, want the fixed 7", got)
	}
}

func TestSizerIgnoresEmptyChunks(t *testing.T) {
	t.Parallel()
	sizer := NewSizer(SizeOptions{})
	before := sizer.Next()
	sizer.Observe(0, time.Hour)
	sizer.Observe(10, 0)
	if got := sizer.Next(); got != before {
		t.Errorf("empty observations changed the size from %d to %d", before, got)
	}
}
