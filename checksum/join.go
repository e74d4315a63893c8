package checksum

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// joinBytes bounds the values of rows that wait for their partner while changed rows are read.
const joinBytes = 32 << 20

// numbered is a row under the number that both sides know it by.
type numbered struct {
	number int
	row    Row
}

// rowSource reads one side's rows and sends those that are wanted under their numbers. It must stop when send fails.
type rowSource func(ctx context.Context, wanted func(number int) bool, send func(number int, row Row) error) error

// joinRows reads both sides at once and hands over the pair of rows of each number below n. Both sides are expected to come
// in nearly the same order: rows that come earlier than their partners are held, and what does not fit into limit bytes is
// read in another round.
func joinRows(ctx context.Context, n, limit int, source, replica rowSource, onPair func(number int, source, replica Row) error) error {
	done := make([]bool, n)
	for left := n; left > 0; {
		j := &joiner{done: done, limit: limit, onPair: onPair, waiting: [2]map[int]Row{{}, {}}, postponed: map[int]bool{}}
		if err := j.round(ctx, source, replica); err != nil {
			return err
		}
		if j.joined == 0 {
			return errors.New("rows of a snapshot were there a moment ago and are not now")
		}
		left -= j.joined
	}
	return nil
}

// joiner is one round of joinRows.
type joiner struct {
	done      []bool // numbers that were handed over in earlier rounds
	joined    int
	limit     int
	held      int            // bytes waiting
	waiting   [2]map[int]Row // rows of the source, rows of the replica
	postponed map[int]bool   // left for the next round
	onPair    func(number int, source, replica Row) error
	pairs     []int // handed over in this round
}

func (j *joiner) round(ctx context.Context, source, replica rowSource) error {
	group, groupCtx := errgroup.WithContext(ctx)
	stream := func(read rowSource) <-chan numbered {
		rows := make(chan numbered)
		group.Go(func() error {
			defer close(rows)
			// Not the group's context: the other side's error must not cut this one's connection.
			return read(ctx, func(number int) bool { return !j.done[number] }, func(number int, row Row) error {
				select {
				case rows <- numbered{number, row}:
					return nil
				case <-groupCtx.Done():
					return groupCtx.Err()
				}
			})
		})
		return rows
	}
	sides := [2]<-chan numbered{stream(source), stream(replica)}
	group.Go(func() error { return j.take(sides) })
	err := group.Wait()
	for _, number := range j.pairs { // only now: the sides read it while they run
		j.done[number] = true
	}
	return err
}

// take takes rows from the side of which fewer wait.
func (j *joiner) take(sides [2]<-chan numbered) error {
	for sides[0] != nil || sides[1] != nil {
		side := 0
		if sides[0] == nil || sides[1] != nil && len(j.waiting[0]) > len(j.waiting[1]) {
			side = 1
		}
		next, open := <-sides[side]
		if !open {
			sides[side] = nil
			continue
		}
		if err := j.receive(side, next); err != nil {
			return err
		}
	}
	return nil
}

func (j *joiner) receive(side int, next numbered) error {
	partner, here := j.waiting[1-side][next.number]
	switch {
	case here:
		delete(j.waiting[1-side], next.number)
		j.held -= partner.size()
		j.joined++
		j.pairs = append(j.pairs, next.number)
		if side == 1 {
			return j.onPair(next.number, partner, next.row)
		}
		return j.onPair(next.number, next.row, partner)
	case j.postponed[next.number]:
	case j.held > 0 && j.held+next.row.size() > j.limit:
		j.postponed[next.number] = true
	default:
		j.waiting[side][next.number] = next.row
		j.held += next.row.size()
	}
	return nil
}

// size is roughly how many bytes a row's values take.
func (r Row) size() int {
	size := 0
	for _, value := range r {
		const interfaceBytes = 16
		size += interfaceBytes
		if text, isBytes := value.([]byte); isBytes {
			size += len(text)
		}
	}
	return size
}
