package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// ConnectFailure is why a server could not be connected to, as the word used in reason codes.
type ConnectFailure string

// The kinds of ConnectError.
const (
	ConnectDenied       ConnectFailure = "access_denied"        // wrong user or password, or the account may not come from here
	ConnectNoSuchHost   ConnectFailure = "no_such_host"         // the name does not resolve
	ConnectRefused      ConnectFailure = "connection_refused"   // nothing listens at the port or socket
	ConnectUnreachable  ConnectFailure = "unreachable"          // no route to the host or network
	ConnectTimeout      ConnectFailure = "timeout"              // no answer in time
	ConnectTLS          ConnectFailure = "tls_failed"           // no TLS offered, or the certificate does not hold
	ConnectTooMany      ConnectFailure = "too_many_connections" // the server's or the account's limit is reached
	ConnectHostBlocked  ConnectFailure = "host_blocked"         // the server does not let this host in
	ConnectNoSocket     ConnectFailure = "no_socket"            // the socket file does not exist
	ConnectNoPermission ConnectFailure = "no_permission"        // the socket file may not be opened
	ConnectAccount      ConnectFailure = "account_unusable"     // password expired, account locked, login method not supported
	ConnectCanceled     ConnectFailure = "canceled"             // the caller gave up
	ConnectOther        ConnectFailure = "connect_failed"
)

// ConnectError is a server that could not be connected to. Its text never holds the password.
type ConnectError struct {
	Endpoint Endpoint
	Failure  ConnectFailure
	Allowed  time.Duration // how long the server had for its answer
	Err      error
}

// newConnectError classifies what the driver returned.
func newConnectError(endpoint Endpoint, allowed time.Duration, err error) error {
	return &ConnectError{Endpoint: endpoint, Failure: classifyConnect(endpoint, err), Allowed: allowed, Err: err}
}

// Error says which server, why, and what to do.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("cannot connect to %s: %s; %s", e.Endpoint, e.why(), e.whatToDo())
}

// Unwrap returns the driver's error.
func (e *ConnectError) Unwrap() error { return e.Err }

// Retryable tells whether the same attempt may succeed a little later without anybody changing a setting.
func (e *ConnectError) Retryable() bool {
	switch e.Failure {
	case ConnectRefused, ConnectUnreachable, ConnectTimeout, ConnectTooMany:
		return true
	case ConnectNoSuchHost:
		var dns *net.DNSError
		return errors.As(e.Err, &dns) && dns.IsTemporary
	}
	return e.Failure == ConnectOther && IsConnectionLost(e.Err)
}

var connectFailureOfNumber = map[uint16]ConnectFailure{
	1044: ConnectDenied, 1045: ConnectDenied, 1698: ConnectDenied,
	1040: ConnectTooMany, 1203: ConnectTooMany, 1226: ConnectTooMany,
	1129: ConnectHostBlocked, 1130: ConnectHostBlocked,
	1820: ConnectAccount, 1862: ConnectAccount, 3118: ConnectAccount, 4151: ConnectAccount, 1251: ConnectAccount, 1275: ConnectAccount,
	3159: ConnectTLS,
}

func classifyConnect(endpoint Endpoint, err error) ConnectFailure {
	if number, ok := ErrorNumber(err); ok {
		if failure, known := connectFailureOfNumber[number]; known {
			return failure
		}
		return ConnectOther
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		return ConnectCanceled
	case errors.As(err, &dns) && !dns.IsTimeout:
		return ConnectNoSuchHost
	case isTLSError(err):
		return ConnectTLS
	case errors.Is(err, syscall.ENOENT) && endpoint.Network == "unix":
		return ConnectNoSocket
	case errors.Is(err, syscall.EACCES) && endpoint.Network == "unix":
		return ConnectNoPermission
	case errors.Is(err, syscall.ECONNREFUSED):
		return ConnectRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return ConnectUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return ConnectTimeout
	case isLoginMethodError(err):
		return ConnectAccount
	}
	return ConnectOther
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

func isTLSError(err error) bool {
	var record tls.RecordHeaderError
	var verification *tls.CertificateVerificationError
	var alert tls.AlertError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	return errors.Is(err, mysql.ErrNoTLS) || errors.As(err, &record) || errors.As(err, &verification) ||
		errors.As(err, &alert) || errors.As(err, &authority) || errors.As(err, &name) ||
		(err != nil && strings.HasPrefix(err.Error(), "tls: "))
}

func isLoginMethodError(err error) bool {
	for _, method := range []error{mysql.ErrCleartextPassword, mysql.ErrNativePassword, mysql.ErrOldPassword, mysql.ErrUnknownPlugin} {
		if errors.Is(err, method) {
			return true
		}
	}
	return false
}

func (e *ConnectError) why() string {
	switch e.Failure {
	case ConnectTimeout:
		return fmt.Sprintf("no answer within %s", e.Allowed.Round(time.Millisecond))
	case ConnectCanceled:
		return "interrupted"
	case ConnectOther:
		if errors.Is(e.Err, io.EOF) || errors.Is(e.Err, mysql.ErrInvalidConn) {
			return fmt.Sprintf("the server ended the connection during the login (%v)", e.Err)
		}
	}
	return e.Err.Error()
}

var connectAdvice = map[ConnectFailure]string{
	ConnectNoSuchHost:   "check the host name",
	ConnectRefused:      "check that the server runs and listens at this address",
	ConnectUnreachable:  "check the network and firewalls on the way",
	ConnectTimeout:      "check the address, firewalls on the way and that the server is not overloaded; the DSN's timeout parameter gives it longer",
	ConnectTooMany:      "end idle connections or raise the limit, then try again",
	ConnectHostBlocked:  "on the server, FLUSH HOSTS frees a blocked host; an account is let in from a host by CREATE USER … @'host'",
	ConnectNoSocket:     "check the socket's path (SELECT @@socket shows it) and that the server runs",
	ConnectNoPermission: "run as a user who may open the socket, or connect by TCP",
	ConnectAccount:      "the account cannot be used as it is: unlock it, set a new password or choose a login method such as caching_sha2_password or mysql_native_password",
	ConnectCanceled:     "nothing was done",
	ConnectOther:        "check that a MySQL or MariaDB server answers at this address",
}

func (e *ConnectError) whatToDo() string {
	switch e.Failure {
	case ConnectDenied:
		if !e.Endpoint.PasswordSet {
			return "no password was given: put it into --defaults-file, TRUEUP_PASSWORD or the DSN"
		}
		return "check user and password, and that the account may log in from this host"
	case ConnectTLS:
		if errors.Is(e.Err, mysql.ErrNoTLS) {
			return "set the server up for TLS, or use --tls preferred or off where the network is trusted"
		}
		return "check the CA file (tls-ca), the name in the certificate (tls-server-name), or use --tls required to encrypt without verifying"
	}
	return connectAdvice[e.Failure]
}
