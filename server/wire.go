package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// readBufferBytes is the size of a connection's read buffer; it grows while a packet is larger.
const readBufferBytes = 64 << 10

// wire is the connection below the driver's. It reads ahead, and it can stop the driver from reading past the packet it
// is in, so that the rows of a result can be taken from it without the driver, which boxes every value: see
// Statement.StreamFields. It works only where it sees the protocol itself, not inside TLS.
//
// Like any net.Conn it takes one reader at a time; deadlines and Close act on the connection below and end a waiting Read.
type wire struct {
	net.Conn
	buffer     []byte
	begin, end int // buffer[begin:end] was read and not yet handed out
	aligned    bool
	left       int    // of the packet that is being handed out, while aligned
	assembled  []byte // a packet that came in parts of 16 MB
}

func newWire(conn net.Conn, size int) *wire { return &wire{Conn: conn, buffer: make([]byte, size)} }

// wireKey is where a context carries the *wireHolder that the dialed connection is to be noted in.
type wireKey struct{}

type wireHolder struct {
	wire *wire
	link *listeningConn
}

func dialWire(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	link := newListeningConn(conn)
	w := newWire(link, readBufferBytes)
	if holder, wanted := ctx.Value(wireKey{}).(*wireHolder); wanted {
		holder.wire, holder.link = w, link
	}
	return w, nil
}

// Read hands out what was read ahead before it asks the connection again; aligned, never more than one packet.
func (w *wire) Read(p []byte) (int, error) {
	if w.aligned {
		return w.readAligned(p)
	}
	if w.begin == w.end && len(p) >= len(w.buffer) {
		return w.Conn.Read(p)
	}
	if err := w.fill(1); err != nil {
		return 0, err
	}
	n := copy(p, w.buffer[w.begin:w.end])
	w.begin += n
	return n, nil
}

func (w *wire) readAligned(p []byte) (int, error) {
	if w.left == 0 {
		if err := w.fill(packetHeader); err != nil {
			return 0, err
		}
		w.left = packetHeader + w.payloadLength()
	}
	if err := w.fill(1); err != nil {
		return 0, err
	}
	n := copy(p, w.buffer[w.begin:min(w.end, w.begin+w.left)])
	w.begin += n
	w.left -= n
	return n, nil
}

// A packet is 3 bytes of length, 1 of sequence number, and the payload (MySQL client/server protocol, "MySQL Packets").
const (
	packetHeader = 4
	fullPacket   = 1<<24 - 1 // a payload of this length goes on in the next packet
)

// payloadLength is that of the packet at begin, whose header is in the buffer.
func (w *wire) payloadLength() int {
	h := w.buffer[w.begin:]
	return int(h[0]) | int(h[1])<<8 | int(h[2])<<16
}

// fill makes sure that the buffer holds at least n bytes.
func (w *wire) fill(n int) error {
	if w.end-w.begin >= n {
		return nil
	}
	if w.begin > 0 && len(w.buffer)-w.begin < n || w.begin == w.end {
		w.end = copy(w.buffer, w.buffer[w.begin:w.end])
		w.begin = 0
	}
	if len(w.buffer) < n {
		larger := make([]byte, n+n/4)
		w.end = copy(larger, w.buffer[:w.end])
		w.buffer = larger
	}
	for w.end-w.begin < n {
		got, err := w.Conn.Read(w.buffer[w.end:])
		w.end += got
		if got > 0 {
			continue // an error that came with data comes again with the next read
		}
		if err == nil {
			err = io.ErrNoProgress
		}
		if errors.Is(err, io.EOF) && w.end > w.begin {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// packet is one whole packet: its payload, valid until the next call, and where it lies.
type packet struct {
	payload  []byte
	sequence byte
	length   int // in the buffer, header included; 0: assembled from parts and gone from the buffer
}

// peek returns the next packet without taking a packet of one part out of the buffer.
func (w *wire) peek() (packet, error) {
	if err := w.fill(packetHeader); err != nil {
		return packet{}, err
	}
	length := w.payloadLength()
	if length == fullPacket {
		return w.assemble()
	}
	if err := w.fill(packetHeader + length); err != nil {
		return packet{}, err
	}
	whole := w.buffer[w.begin : w.begin+packetHeader+length]
	return packet{payload: whole[packetHeader:], sequence: whole[3], length: len(whole)}, nil
}

// assemble takes a packet of several parts out of the buffer.
func (w *wire) assemble() (packet, error) {
	w.assembled = w.assembled[:0]
	var p packet
	for first := true; ; first = false {
		if err := w.fill(packetHeader); err != nil {
			return packet{}, err
		}
		length := w.payloadLength()
		if first {
			p.sequence = w.buffer[w.begin+3]
		}
		w.begin += packetHeader
		if err := w.takePart(length); err != nil {
			return packet{}, err
		}
		if length < fullPacket {
			p.payload = w.assembled
			return p, nil
		}
	}
}

func (w *wire) takePart(length int) error {
	if need := len(w.assembled) + length; cap(w.assembled) < need { // in one step: what append would throw away is large
		larger := make([]byte, len(w.assembled), need+need/4)
		copy(larger, w.assembled)
		w.assembled = larger
	}
	for length > 0 {
		if err := w.fill(1); err != nil {
			return err
		}
		part := w.buffer[w.begin:min(w.end, w.begin+length)]
		w.assembled = append(w.assembled, part...)
		w.begin += len(part)
		length -= len(part)
	}
	return nil
}

// take takes a packet that was peeked at out of the buffer.
func (w *wire) take(p packet) { w.begin += p.length }

// giveBack leaves a packet that was peeked at for the driver, under the sequence number that it expects.
func (w *wire) giveBack(p packet, sequence byte) error {
	if p.length == 0 {
		return fmt.Errorf("protocol error: a result ends with a packet of %d bytes", len(p.payload))
	}
	w.buffer[w.begin+3] = sequence
	return nil
}

// align begins or ends stopping the driver at the end of each packet. It begins between two packets, with nothing read ahead.
func (w *wire) align(on bool) error {
	if on && w.begin != w.end || w.left != 0 {
		return errors.New("protocol error: a result is to be read in the middle of a packet")
	}
	w.aligned = on
	return nil
}

// shrink gives back the memory that large packets took.
func (w *wire) shrink() {
	const keep = 4 * readBufferBytes
	if len(w.buffer) > keep && w.begin == w.end {
		w.buffer, w.begin, w.end = make([]byte, readBufferBytes), 0, 0
	}
	if cap(w.assembled) > keep {
		w.assembled = nil
	}
}
