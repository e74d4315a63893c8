package server

import "net"

// NewConnectError lets tests classify errors that no server here can be made to give.
var NewConnectError = newConnectError

// NewBufferedConn is the connection that sessions read through.
func NewBufferedConn(conn net.Conn, size int) net.Conn {
	return newWire(conn, size)
}

// ParseGrants makes Grants from lines of SHOW GRANTS.
func ParseGrants(flavor Flavor, version Version, literal bool, lines ...string) (Grants, error) {
	grants := Grants{Account: "`u`@`h`", flavor: flavor, version: version, literal: literal}
	for _, line := range lines {
		entry, ok, err := parseGrant(line, flavor)
		if err != nil {
			return Grants{}, err
		}
		if ok {
			grants.entries = append(grants.entries, entry)
		}
	}
	return grants, nil
}

// ReadsFromWire tells whether the session takes rows from the wire.
func ReadsFromWire(s *Session) bool { return s.wire != nil }

// NewAlignedWire is a wire that hands out one packet at a time.
func NewAlignedWire(conn net.Conn, size int) net.Conn {
	w := newWire(conn, size)
	_ = w.align(true)
	return w
}

// DecodeRow decodes the payload of a row with a column of each layout.
func DecodeRow(payload []byte) ([]Field, error) {
	var formats []columnFormat
	for layout := layoutBytes; layout <= layoutTime; layout++ {
		formats = append(formats, columnFormat{layout: layout, decimals: 6})
	}
	return newRowDecoder(formats).decode(payload)
}
