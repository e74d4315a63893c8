package binlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	library "github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zstd"

	"trueup/replication"
)

// stream is a log as its events come in.
type stream struct {
	where  string // for errors
	flavor string // as the library calls it
	parser *parser
	groups collector
	at     replication.Position // behind the last event, in the source's log
	format []byte               // the last Format_description event
	relay  bool                 // the log is a replica's relay log
	named  bool                 // the file of a relay log has named the one that follows it
	asked  replication.Position // where the next transaction has to begin, or behind what stands between transactions; zero: anywhere
	passed uint64               // bytes of events that stand between transactions, since that place
	visit  func(*Transaction) (more bool, err error)
}

func newStream(where, flavor string, from replication.Position, limits Limits, visit func(*Transaction) (bool, error)) *stream {
	s := &stream{where: where, flavor: flavor, at: from, visit: visit, parser: newParser(flavor)}
	s.groups.limits = limits.orDefault()
	s.groups.drop()
	return s
}

// take reads an event and hands the transaction that ends with it over. It returns false where no more are wanted.
func (s *stream) take(raw []byte) (more bool, err error) {
	e, err := s.parser.parse(raw)
	if err != nil {
		return false, s.damaged(err)
	}
	s.place(e)
	switch parsed := e.parsed.(type) {
	case *library.FormatDescriptionEvent:
		s.format = raw
		s.groups.describe(parsed)
		return true, nil
	case *library.RotateEvent:
		if e.header.Flags&flagOfRelayLog != 0 {
			s.named = true
		} else {
			s.at = replication.Position{File: trimName(parsed.NextLogName, s.at.File), Offset: parsed.Position}
		}
		return true, nil
	}
	if e.isArtificial() || e.header.Flags&flagOfRelayLog != 0 {
		return true, nil
	}
	if err := s.isAsked(e); err != nil {
		return false, err
	}
	done, err := s.groups.add(s.at.File, e)
	if err == nil && e.is(library.TRANSACTION_PAYLOAD_EVENT) {
		done, err = s.unpack(e)
	}
	switch {
	case errors.Is(err, errNoBegin):
		return false, &PositionError{Address: s.where, Position: replication.Position{File: s.at.File, Offset: e.start}, Why: err.Error()}
	case err != nil:
		return false, s.damaged(err)
	case done == nil:
		return true, nil
	}
	return s.visit(done)
}

// place works out where the event is in the source's log. MariaDB 11.4 and newer do not write it into the events inside of
// transactions; four bytes of it are all that an event has beyond 4 GB.
func (s *stream) place(e *event) {
	e.start, e.end = s.at.Offset, s.at.Offset
	if e.isArtificial() || e.header.Flags&flagOfRelayLog != 0 || s.relay && s.groups.current == nil && !isOfTransaction(e) {
		return
	}
	e.end = e.start + uint64(len(e.raw))
	if e.header.LogPos != 0 && uint32(e.end) != e.header.LogPos { // what was left out, or changed its size, on its way here
		e.end = e.start&^(1<<32-1) | uint64(e.header.LogPos)
		e.start = e.end - min(e.end, uint64(len(e.raw)))
	}
	s.at.Offset = e.end
}

// isAsked proves that the first transaction of a relay log is the one that was asked for: a file of the same name may be another server's.
func (s *stream) isAsked(e *event) error {
	asked := s.asked
	if asked.IsZero() {
		return nil
	}
	if !isOfTransaction(e) {
		s.passed += uint64(len(e.raw))
		return nil
	}
	s.asked = replication.Position{}
	if s.at.File == asked.File && (e.start < asked.Offset || e.start > asked.Offset+s.passed) {
		return &PositionError{Address: s.where, Position: asked, Why: fmt.Sprintf("the relay log has a transaction from %d of the source's log there", e.start)}
	}
	return nil
}

func (s *stream) damaged(err error) error {
	return &DamagedError{Where: s.where, Position: s.at, Err: err}
}

// unpack takes the events out of a compressed transaction (MySQL 8.0.20, binlog_transaction_compression), one at a time:
// fields with their lengths, then the data, which is a log of its own without checksums.
func (s *stream) unpack(outer *event) (*Transaction, error) {
	const endOfFields, sizeField, methodField = 0, 1, 2
	const zstdMethod, none = 0, 255
	r := reader{rest: outer.payload()}
	method, size := uint64(zstdMethod), uint64(0)
	for field := r.packed(); field != endOfFields && !r.failed; field = r.packed() {
		value := reader{rest: r.take(r.packed())}
		switch field {
		case sizeField:
			size = uint64(value.packed())
		case methodField:
			method = uint64(value.packed())
		}
	}
	packed := r.take(int(min(size, uint64(len(r.rest)))))
	if r.failed {
		return nil, errCutShort
	}
	var events io.Reader = bytes.NewReader(packed)
	switch method {
	case zstdMethod:
		unpacking, err := zstd.NewReader(events, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		defer unpacking.Close()
		events = unpacking
	case none:
	default:
		return nil, fmt.Errorf("a transaction is compressed by a method that this version does not know (number %d)", method)
	}
	s.groups.current.Compressed = true
	return s.unpacked(outer, events)
}

// unpacked reads the events of a compressed transaction; their place is that of the event that holds them.
func (s *stream) unpacked(outer *event, events io.Reader) (done *Transaction, err error) {
	inner := newParser(s.flavor)
	if _, err := inner.parse(withoutChecksums(s.format)); err != nil {
		return nil, err
	}
	for done == nil {
		raw, err := readEvent(events)
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		e, err := inner.parse(raw)
		if err != nil {
			return nil, err
		}
		e.start, e.end = outer.start, outer.end
		size := s.groups.current.Size
		t := s.groups.current
		if done, err = s.groups.add(s.at.File, e); err != nil {
			return nil, err
		}
		t.Size = size
	}
	return done, nil
}

// withoutChecksums is a Format_description event that says that there are none: the byte before its own checksum.
func withoutChecksums(format []byte) []byte {
	without := bytes.Clone(format)
	if at := len(without) - library.BinlogChecksumLength - 1; at > library.EventHeaderSize {
		without[at] = 0
	}
	return without
}

// readEvent reads one event from a file of them; io.EOF where there is none, io.ErrUnexpectedEOF where it is cut short.
func readEvent(from io.Reader) ([]byte, error) {
	header := make([]byte, library.EventHeaderSize)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	var h library.EventHeader
	if err := h.Decode(header); err != nil {
		return nil, err
	}
	if h.EventSize > mostInflated+1<<20 {
		return nil, fmt.Errorf("an event says that it has %d bytes", h.EventSize)
	}
	var whole bytes.Buffer
	whole.Write(header)
	if _, err := io.CopyN(&whole, from, int64(h.EventSize)-int64(len(header))); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return whole.Bytes(), nil
}
