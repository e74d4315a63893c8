package binlog

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	library "github.com/go-mysql-org/go-mysql/replication"
)

// event is one event of a log.
type event struct {
	header library.EventHeader
	raw    []byte        // as it came, header and checksum with it
	body   []byte        // what of a Rows event is the rows, not compressed any more; of others nothing
	parsed library.Event // nil of an event that the library is not asked about
	// checksum is how many bytes it has at its end.
	checksum int
	start    uint64 // place in the source's log
	end      uint64
}

// payload is the event without its header and its checksum.
func (e *event) payload() []byte { return e.raw[library.EventHeaderSize : len(e.raw)-e.checksum] }

func (e *event) is(kinds ...library.EventType) bool {
	for _, kind := range kinds {
		if e.header.EventType == kind {
			return true
		}
	}
	return false
}

// flagOfRelayLog marks events that a replica has written into its relay log for itself.
const flagOfRelayLog = 0x40

// isArtificial tells whether the event stands in no file: the server made it to say where it begins to send.
func (e *event) isArtificial() bool {
	const flagArtificial = 0x20
	return e.header.Flags&flagArtificial != 0 || e.header.LogPos == 0 && e.is(library.ROTATE_EVENT, library.FORMAT_DESCRIPTION_EVENT,
		library.HEARTBEAT_EVENT, library.HEARTBEAT_LOG_EVENT_V2, library.PREVIOUS_GTIDS_EVENT)
}

// isInsert, isUpdate and isDelete tell the kinds of Rows events, over all their versions.
func (e *event) isInsert() bool {
	return e.is(library.WRITE_ROWS_EVENTv0, library.WRITE_ROWS_EVENTv1, library.WRITE_ROWS_EVENTv2, library.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1)
}

func (e *event) isUpdate() bool {
	return e.is(library.UPDATE_ROWS_EVENTv1, library.UPDATE_ROWS_EVENTv2, library.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1, library.PARTIAL_UPDATE_ROWS_EVENT)
}

func (e *event) isDelete() bool {
	return e.is(library.DELETE_ROWS_EVENTv0, library.DELETE_ROWS_EVENTv1, library.DELETE_ROWS_EVENTv2, library.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1)
}

// isCompressed tells MariaDB's compressed events.
func (e *event) isCompressed() bool {
	return e.is(library.MARIADB_QUERY_COMPRESSED_EVENT, library.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1,
		library.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1, library.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1)
}

// parser takes the events of one log apart, with the library's help.
type parser struct {
	library *library.BinlogParser
	// checksum is how many bytes of one every event has, as the last Format_description said.
	checksum int
	// Of the Rows event that is being parsed:
	rows       []byte
	compressed bool
}

func newParser(flavor string) *parser {
	p := &parser{library: library.NewBinlogParser()}
	p.library.SetFlavor(flavor)
	p.library.SetVerifyChecksum(true)
	p.library.SetRowsEventDecodeFunc(func(rows *library.RowsEvent, data []byte) error {
		at, err := rows.DecodeHeader(data)
		if err != nil {
			return err
		}
		if p.rows = data[at:]; p.compressed {
			p.rows, err = decompressEvent(p.rows)
		}
		return err
	})
	return p
}

// parse reads one event. The library panics where a broken one points outside of itself.
func (p *parser) parse(raw []byte) (e *event, err error) {
	e = &event{raw: raw}
	if err := e.header.Decode(raw); err != nil {
		return nil, err
	}
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("%s: %v", e.header.EventType, broken)
		}
	}()
	e.checksum = min(p.checksum, len(raw)-library.EventHeaderSize)
	p.rows, p.compressed = nil, e.isCompressed()
	if !isParsed(e) {
		return e, e.verify()
	}
	parsed, err := p.library.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.header.EventType, plain(err))
	}
	if format, ok := parsed.Event.(*library.FormatDescriptionEvent); ok {
		p.checksum = 0
		if format.ChecksumAlgorithm == library.BINLOG_CHECKSUM_ALG_CRC32 {
			p.checksum = library.BinlogChecksumLength
		}
	}
	e.parsed, e.body = parsed.Event, p.rows
	return e, nil
}

// isParsed tells the events of which the library is asked. The others are not needed, or are read here: the library would unpack all of a
// compressed transaction at once, and reserve memory for as much as a broken one says that it has.
func isParsed(e *event) bool {
	return opens(e) || e.isInsert() || e.isUpdate() || e.isDelete() || e.is(library.FORMAT_DESCRIPTION_EVENT, library.ROTATE_EVENT, library.QUERY_EVENT, library.MARIADB_QUERY_COMPRESSED_EVENT,
		library.TABLE_MAP_EVENT, library.XID_EVENT, library.ROWS_QUERY_EVENT, library.MARIADB_ANNOTATE_ROWS_EVENT)
}

// verify checks the checksum, as the library does of the events that it is asked about.
func (e *event) verify() error {
	if e.checksum == 0 {
		return nil
	}
	end := len(e.raw) - e.checksum
	if crc32.ChecksumIEEE(e.raw[:end]) != uint32(littleEndian(e.raw[end:])) {
		return fmt.Errorf("%s: %w", e.header.EventType, library.ErrChecksumMismatch)
	}
	return nil
}

// plain takes the event's bytes out of the library's error.
func plain(err error) error {
	var detailed *library.EventError
	if errors.As(err, &detailed) {
		return errors.New(detailed.Err)
	}
	return err
}

// loadStatement is the text of LOAD DATA as it is logged in statement format, of which the library reads only the beginning: lengths
// in the first 13 bytes, the file's id and the name's place in it, status variables, the database, the statement.
func loadStatement(payload []byte) (database, text string, errorCode int, err error) {
	r := reader{rest: payload}
	r.take(4 + 4)
	databaseLength := int(r.number(1))
	errorCode = int(r.number(2))
	status := int(r.number(2))
	r.take(4 + 4 + 4 + 1)
	r.take(status)
	name := r.take(databaseLength)
	r.take(1)
	if r.failed {
		return "", "", 0, errCutShort
	}
	return string(name), string(r.rest), errorCode, nil
}

// xidOf is the xid of an XA_prepare event as the server writes it: whether it commits at once, the format, two lengths, the bytes.
func xidOf(payload []byte) string {
	r := reader{rest: payload}
	r.take(1)
	format := int32(r.number(4))
	global, branch := int(r.number(4)), int(r.number(4))
	xid := fmt.Sprintf("X'%x',X'%x',%d", r.take(global), r.take(branch), format)
	if r.failed {
		return ""
	}
	return xid
}

// xaStatement cuts "XA COMMIT X'61',X”,1" into its verb and its xid; ok is false for statements that are not of XA.
func xaStatement(text string) (verb, xid string, ok bool) {
	rest, ok := strings.CutPrefix(text, "XA ")
	if !ok {
		return "", "", false
	}
	verb, xid, _ = strings.Cut(rest, " ")
	return verb, strings.TrimSuffix(xid, " ONE PHASE"), true
}

// trimName cuts what may be behind a file's name: a checksum, before the reader knows that there are checksums.
func trimName(name []byte, asked string) string {
	if asked != "" && bytes.HasPrefix(name, []byte(asked)) && len(name) == len(asked)+library.BinlogChecksumLength {
		return asked
	}
	return string(name)
}
