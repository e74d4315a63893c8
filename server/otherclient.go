package server

import (
	"crypto/tls"
	"net"

	"github.com/go-sql-driver/mysql"
)

// The driver does not speak the protocol in which servers hand out their binary logs. Another client library that does
// logs in to the same endpoint, in the same way and with the same errors, by means of what is here.

// TLSConfig is the endpoint's TLS as a client needs it; nil: none. With mayFallBack a server that offers no TLS is
// spoken to without. It reads certificate files; an error names the file that cannot be read or used.
func (e Endpoint) TLSConfig() (config *tls.Config, mayFallBack bool, err error) {
	if config, err = e.ownTLS(); err != nil || config == nil {
		return nil, false, err
	}
	if config.ServerName == "" && !config.InsecureSkipVerify { // the driver does this for itself
		if config.ServerName, _, err = net.SplitHostPort(e.Address); err != nil {
			return nil, false, err
		}
	}
	return config, e.tlsMode() == TLSPreferred, nil
}

// ConnectFailed turns what a client met on its way to the endpoint into a *ConnectError, as Open and Session return it.
func (e Endpoint) ConnectFailed(err error) error { return newConnectError(e, e.connectTimeout(), err) }

// NumberedError is an error as a server sent it, told apart by ErrorNumber and the Is… functions like one of the driver's.
func NumberedError(number uint16, state, message string) error {
	numbered := &mysql.MySQLError{Number: number, Message: message}
	copy(numbered.SQLState[:], state)
	return numbered
}

// ErrNoTLSOffered is in the error of a client that was to use TLS with a server that offers none.
var ErrNoTLSOffered = mysql.ErrNoTLS
