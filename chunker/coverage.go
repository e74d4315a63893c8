package chunker

import (
	"errors"
	"fmt"
)

// Coverage proves that the chunks of a table that were verified cover every key exactly once, or every key of the ranges it was made
// for. Chunks may be added in any order; it keeps only those that do not yet join the covered part. It is not safe for concurrent use.
type Coverage struct {
	covered int     // chunks 0 … covered-1 join
	begun   bool    // a chunk of the present range was covered
	end     []Value // the covered part's upper end
	closed  bool    // the covered part reaches the end of the last range
	within  []Range // still to be covered, the present one first; empty: one range, from −∞ to +∞
	waiting map[int]Range
}

// CoverageOf is the coverage of some ranges of a table only. Their chunks are numbered through, in the order of the ranges.
func CoverageOf(ranges []Range) Coverage { return Coverage{within: ranges} }

// Add takes in one verified chunk. An error means that the ranges do not join: a defect in the splitter, never in data.
func (c *Coverage) Add(chunk Chunk) error {
	if c.waiting == nil {
		c.waiting = map[int]Range{}
	}
	if _, twice := c.waiting[chunk.Index]; twice || chunk.Index < c.covered {
		return fmt.Errorf("chunk %d was verified twice", chunk.Index)
	}
	c.waiting[chunk.Index] = chunk.Range
	for {
		next, here := c.waiting[c.covered]
		if !here {
			return nil
		}
		if err := c.join(next); err != nil {
			return fmt.Errorf("chunk %d: %w", c.covered, err)
		}
		delete(c.waiting, c.covered)
		c.covered++
	}
}

func (c *Coverage) join(next Range) error {
	var present Range
	if len(c.within) > 0 {
		present = c.within[0]
	}
	switch {
	case c.closed:
		return errors.New("it comes after the last one")
	case !c.begun && !equalValues(next.Lower, present.Lower):
		return errors.New("the first one does not begin where the range does, or at minus infinity")
	case c.begun && !equalValues(next.Lower, c.end):
		return errors.New("it does not begin where the one before ends")
	}
	c.begun, c.end = true, next.Upper
	if equalValues(next.Upper, present.Upper) {
		c.begun = false
		c.closed = len(c.within) <= 1
		c.within = c.within[min(1, len(c.within)):]
	}
	return nil
}

// Complete returns nil when the chunks added so far join without gap from −∞ to +∞, or cover their ranges, else what is missing.
func (c *Coverage) Complete() error {
	switch {
	case len(c.waiting) > 0:
		return fmt.Errorf("chunk %d was not verified, though later ones were", c.covered)
	case !c.closed:
		return fmt.Errorf("nothing was verified after chunk %d", c.covered-1)
	default:
		return nil
	}
}
