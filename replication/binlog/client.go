package binlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	library "github.com/go-mysql-org/go-mysql/replication"

	"trueup/replication"
	"trueup/server"
)

// longestSilence is how long nothing may come while the server sends a log. It sends what it has, and then says that this
// was the end: it never waits for anything.
const longestSilence = 60 * time.Second

// dumper is a connection over which a server sends its log.
type dumper struct {
	conn    *client.Conn
	on      *server.Server
	ctx     context.Context
	unwatch func() bool // ends that the context's end closes the connection
}

// dial logs in to the server as its sessions do and proves that it is the same one. The default database is the mark by
// which replication.Discover knows that this reader of the log is no replica.
func dial(ctx context.Context, on *server.Server) (*dumper, error) {
	endpoint := on.Endpoint()
	tlsConfig, mayFallBack, err := endpoint.TLSConfig()
	if err != nil {
		return nil, err
	}
	allowed := endpoint.ConnectTimeout
	if allowed <= 0 {
		allowed = server.DefaultConnectTimeout
	}
	d := &dumper{on: on, ctx: ctx}
	open := func(context.Context, string, string) (net.Conn, error) {
		below, err := (&net.Dialer{Timeout: allowed}).DialContext(ctx, endpoint.Network, endpoint.Address)
		if err != nil {
			return nil, err
		}
		d.unwatch = context.AfterFunc(ctx, func() { _ = below.Close() })
		return below, below.SetDeadline(time.Now().Add(allowed))
	}
	login := func(withTLS bool) (*client.Conn, error) {
		return client.ConnectWithDialer(ctx, endpoint.Network, endpoint.Address, endpoint.User, string(endpoint.Password), replication.LogReaderDatabase, open, func(c *client.Conn) error {
			if withTLS {
				c.SetTLSConfig(tlsConfig)
			}
			c.SetAttributes(map[string]string{"program_name": "trueup"})
			return nil
		})
	}
	d.conn, err = login(tlsConfig != nil)
	if err != nil && mayFallBack && isNoTLS(err) {
		d.unwatch()
		d.conn, err = login(false)
	}
	if err == nil {
		err = d.prepare()
	} else if err = translate(err); ctx.Err() != nil {
		err = ctx.Err()
	} else {
		err = endpoint.ConnectFailed(err)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// isNoTLS knows the library's word for a server that offers no TLS: it has no type of its own.
func isNoTLS(err error) bool { return strings.Contains(err.Error(), "does not support TLS") }

// translate gives an error of the library the type that the driver's has.
func translate(err error) error {
	var numbered *mysql.MyError
	switch {
	case errors.As(err, &numbered):
		return server.NumberedError(numbered.Code, numbered.State, numbered.Message)
	case isNoTLS(err):
		return server.ErrNoTLSOffered
	}
	return err
}

// prepare checks who answers, and says what the reader can understand.
func (d *dumper) prepare() error {
	result, err := d.query("SELECT @@GLOBAL.server_id, @@GLOBAL.hostname, @@GLOBAL.port, @@GLOBAL.datadir")
	if err != nil {
		return err
	}
	now := d.on.Identity()
	id, _ := result.GetUint(0, 0)
	now.ServerID = uint32(id)
	now.Hostname, _ = result.GetString(0, 1)
	port, _ := result.GetInt(0, 2)
	now.Port = int(port)
	now.DataDir, _ = result.GetString(0, 3)
	if !d.on.Identity().Matches(now) {
		return &server.IdentityChangedError{Address: d.on.Address(), Was: d.on.Identity(), Now: now}
	}
	// Servers take checksums off for a reader that does not say that it knows them; with them, damage on the way is noticed.
	settings := "SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'"
	if now.Flavor == server.MariaDB {
		settings += ", @mariadb_slave_capability = 4" // else GTIDs come as BEGIN, and compressed events in full
	}
	if _, err := d.query(settings); err != nil {
		return err
	}
	// Whoever is shown the transactions may take his time between two of them.
	_, err = d.query("SET SESSION net_write_timeout = 600")
	return err
}

func (d *dumper) query(statement string) (*mysql.Result, error) {
	result, err := d.conn.Execute(statement)
	if err != nil {
		return nil, d.explain(err)
	}
	return result, nil
}

// ask sends COM_BINLOG_DUMP: MySQL client/server protocol, "COM_BINLOG_DUMP"; https://mariadb.com/kb/en/com_binlog_dump/
func (d *dumper) ask(from replication.Position) error {
	const header, command, noReplica = 4, 18, 0
	flags := library.BINLOG_DUMP_NON_BLOCK // the end of the log ends the answer
	if d.on.Identity().Flavor == server.MariaDB {
		flags |= library.BINLOG_SEND_ANNOTATE_ROWS_EVENT
	}
	packet := make([]byte, header, header+11+len(from.File))
	packet = append(packet, command)
	packet = binary.LittleEndian.AppendUint32(packet, uint32(from.Offset))
	packet = binary.LittleEndian.AppendUint16(packet, flags)
	packet = binary.LittleEndian.AppendUint32(packet, noReplica)
	packet = append(packet, from.File...)
	d.conn.ResetSequence()
	if err := d.conn.WritePacket(packet); err != nil {
		return d.explain(err)
	}
	return nil
}

// next returns the next event; nil at the end of the log.
func (d *dumper) next() ([]byte, error) {
	const ok, end, failed = 0x00, 0xfe, 0xff
	if err := d.conn.SetReadDeadline(time.Now().Add(longestSilence)); err != nil {
		return nil, d.explain(err)
	}
	packet, err := d.conn.ReadPacket()
	switch {
	case err != nil:
		return nil, d.explain(err)
	case len(packet) > 1 && packet[0] == ok:
		return packet[1:], nil
	case len(packet) > 0 && packet[0] == end:
		return nil, nil
	case len(packet) > 0 && packet[0] == failed:
		return nil, d.explain(failure(packet))
	}
	return nil, d.explain(fmt.Errorf("protocol error: a packet of %d bytes", len(packet)))
}

// failure reads an ERR packet: a byte, the number, '#' and five bytes of state, the text.
func failure(packet []byte) error {
	if len(packet) < 3 {
		return errors.New("protocol error: an error without a number")
	}
	number, text, state := binary.LittleEndian.Uint16(packet[1:]), string(packet[3:]), ""
	if len(text) >= 6 && text[0] == '#' {
		state, text = text[1:6], text[6:]
	}
	return server.NumberedError(number, state, text)
}

// explain names the server in an error; a connection that was lost is told as one.
func (d *dumper) explain(err error) error {
	if d.ctx.Err() != nil {
		return d.ctx.Err()
	}
	err = translate(err)
	if _, numbered := server.ErrorNumber(err); !numbered && errors.Is(err, mysql.ErrBadConn) {
		err = fmt.Errorf("%w (%v)", net.ErrClosed, err)
	}
	return fmt.Errorf("%s: reading the binary log: %w", d.on.Address(), err)
}

func (d *dumper) close() {
	if d.unwatch != nil {
		d.unwatch()
	}
	if d.conn != nil {
		_ = d.conn.Close()
	}
}

// offsetLimit: COM_BINLOG_DUMP has four bytes for the offset.
const offsetLimit = 1 << 32

func checkOffset(address string, from replication.Position) error {
	if from.Offset < offsetLimit {
		return nil
	}
	return &PositionError{Address: address, Position: from, Why: "servers send logs from offsets below " + strconv.FormatInt(offsetLimit, 10) + " only"}
}
