package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/server"
)

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	good := sharedInstance(t).AdminEndpoint()
	with := func(change func(*server.Endpoint)) server.Endpoint {
		endpoint := good
		change(&endpoint)
		return endpoint
	}
	_, limited := account(t, "")
	mustExec(t, admin(t), "GRANT USAGE ON *.* TO '"+limited.User+"'@'%' WITH MAX_USER_CONNECTIONS 1")
	takeOnlyConnection(t, limited)
	_, locked := account(t, "")
	mustExec(t, admin(t), "ALTER USER '"+locked.User+"'@'%' ACCOUNT LOCK")
	noSocket := filepath.Join(t.TempDir(), "none.sock")
	tests := map[string]struct {
		endpoint  server.Endpoint
		failure   server.ConnectFailure
		says      string
		retryable bool
	}{
		"wrong password": {with(func(e *server.Endpoint) { e.Password = "secret-wrong" }), server.ConnectDenied, "check user and password", false},
		"no password":    {with(func(e *server.Endpoint) { e.Password, e.PasswordSet = "", false }), server.ConnectDenied, "no password was given", false},
		"no such host":   {with(func(e *server.Endpoint) { e.Address = "nosuchhost.invalid:3306" }), server.ConnectNoSuchHost, "check the host name", false},
		"refused":        {with(func(e *server.Endpoint) { e.Address = closedPort(t) }), server.ConnectRefused, "listens at this address", true},
		"silent server":  {with(func(e *server.Endpoint) { e.Address, e.ConnectTimeout = silent(t), 200*time.Millisecond }), server.ConnectTimeout, "no answer within 200ms", true},
		"not a server":   {with(func(e *server.Endpoint) { e.Address = closing(t) }), server.ConnectOther, "answers at this address", true},
		"no socket":      {with(func(e *server.Endpoint) { e.Network, e.Address = "unix", noSocket }), server.ConnectNoSocket, noSocket, false},
		"user limit":     {limited, server.ConnectTooMany, "raise the limit", true},
		"locked":         {locked, server.ConnectAccount, "unlock it", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opened, err := server.Open(t.Context(), test.endpoint)
			if err == nil {
				_ = opened.Close()
			}
			requireFailure(t, err, test.failure, test.says, test.retryable)
			if text := err.Error(); !strings.Contains(text, test.endpoint.Address) || strings.Contains(text, "secret-wrong") {
				t.Errorf("%v: names no address, or the password", err)
			}
		})
	}
}

// takeOnlyConnection holds the one connection the account may have. The one that Open closes counts until the
// server has noticed.
func takeOnlyConnection(t *testing.T, endpoint server.Endpoint) {
	t.Helper()
	on := open(t, endpoint)
	for {
		holder, err := on.Session(t.Context(), server.SessionOptions{})
		if err == nil {
			t.Cleanup(func() { _ = holder.Close() })
			return
		}
		if number, _ := server.ErrorNumber(err); number != 1226 {
			t.Fatal(err)
		}
	}
}

func requireFailure(t *testing.T, err error, failure server.ConnectFailure, says string, retryable bool) {
	t.Helper()
	var connect *server.ConnectError
	if !errors.As(err, &connect) {
		t.Fatalf("error %T %v, want *ConnectError", err, err)
	}
	if connect.Failure != failure || !strings.Contains(err.Error(), says) || connect.Retryable() != retryable {
		t.Errorf("%v\nfailure %q (want %q), retryable %v; want the text %q", err, connect.Failure, failure, connect.Retryable(), says)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func closedPort(t *testing.T) string {
	listener := listen(t)
	_ = listener.Close()
	return listener.Addr().String()
}

// silent takes connections (the kernel does) and says nothing.
func silent(t *testing.T) string { return listen(t).Addr().String() }

// closing takes connections and closes them.
func closing(t *testing.T) string {
	listener := listen(t)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestConnectCanceled(t *testing.T) {
	t.Parallel()
	endpoint := server.Endpoint{Network: "tcp", Address: silent(t), User: "u"}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := server.Open(ctx, endpoint)
	requireFailure(t, err, server.ConnectCanceled, "interrupted", false)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTLSModes(t *testing.T) {
	t.Parallel()
	instance := sharedInstance(t)
	pki := shared.tls
	plain := sandboxtest.Start(t, sandbox.Options{Name: "without TLS"})
	encrypted := func(e server.Endpoint) string {
		record, err := session(t, open(t, e), server.SessionOptions{}).One(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
		if err != nil {
			t.Fatal(err)
		}
		return record.Text("Value")
	}
	at := func(i *sandbox.Instance, tls server.TLS) server.Endpoint {
		endpoint := i.AdminEndpoint()
		endpoint.TLS = tls
		return endpoint
	}
	for name, tls := range map[string]server.TLS{
		"nothing said": {}, "preferred": {Mode: server.TLSPreferred}, "required": {Mode: server.TLSRequired},
		"verify":        {Mode: server.TLSVerify, CAFile: pki.path("ca.pem"), ServerName: "db.test"},
		"CA alone":      {CAFile: pki.path("ca.pem"), ServerName: "db.test"},
		"client's own":  {Mode: server.TLSVerify, CAFile: pki.path("ca.pem"), ServerName: "db.test", CertFile: pki.path("client.pem"), KeyFile: pki.path("client.key")},
		"CA unverified": {Mode: server.TLSRequired, CAFile: pki.path("other.pem")},
	} {
		if encrypted(at(instance, tls)) == "" {
			t.Errorf("%s: the connection is not encrypted", name)
		}
	}
	if cipher := encrypted(at(instance, server.TLS{Mode: server.TLSOff})); cipher != "" {
		t.Error("off: encrypted with", cipher)
	}
	for _, mode := range []server.TLSMode{"", server.TLSPreferred, server.TLSOff} {
		if cipher := encrypted(at(plain, server.TLS{Mode: mode})); cipher != "" {
			t.Errorf("%q on a server without TLS: %s", mode, cipher)
		}
	}
	socket := at(instance, server.TLS{})
	socket.Network, socket.Address, socket.Password = "unix", instance.Socket(), ""
	if cipher := encrypted(socket); cipher != "" {
		t.Error("a socket was encrypted unasked: ", cipher)
	}
	for name, test := range map[string]struct {
		instance *sandbox.Instance
		tls      server.TLS
		says     string
	}{
		"no TLS offered": {plain, server.TLS{Mode: server.TLSRequired}, "set the server up for TLS"},
		"other CA":       {instance, server.TLS{Mode: server.TLSVerify, CAFile: pki.path("other.pem"), ServerName: "db.test"}, "tls-ca"},
		"other name":     {instance, server.TLS{Mode: server.TLSVerify, CAFile: pki.path("ca.pem")}, "tls-server-name"},
		"unknown CA":     {instance, server.TLS{Mode: server.TLSVerify, ServerName: "db.test"}, "tls-ca"},
	} {
		_, err := server.Open(t.Context(), at(test.instance, test.tls))
		if err == nil {
			t.Errorf("%s: connected", name)
			continue
		}
		requireFailure(t, err, server.ConnectTLS, test.says, false)
	}
}

func TestTLSFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		tls     server.TLS
		network string
		says    string
	}{
		"no CA file":     {server.TLS{CAFile: "/no/such/ca.pem"}, "tcp", "/no/such/ca.pem"},
		"empty CA file":  {server.TLS{CAFile: empty}, "tcp", "holds no certificate"},
		"no key":         {server.TLS{CertFile: "c.pem"}, "tcp", "both tls-cert and tls-key"},
		"no certificate": {server.TLS{CertFile: "/no/c.pem", KeyFile: "/no/k.pem"}, "tcp", "/no/c.pem"},
		"socket":         {server.TLS{Mode: server.TLSVerify}, "unix", "tls-server-name"},
	} {
		_, err := server.Open(t.Context(), server.Endpoint{Network: test.network, Address: "/s", TLS: test.tls})
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Errors no private server can be made to give here.
func TestConnectErrorOfNumbers(t *testing.T) {
	t.Parallel()
	for number, want := range map[uint16]server.ConnectFailure{
		1129: server.ConnectHostBlocked, 1130: server.ConnectHostBlocked, 1698: server.ConnectDenied,
		1040: server.ConnectTooMany, 1820: server.ConnectAccount, 3159: server.ConnectTLS, 1105: server.ConnectOther,
	} {
		err := server.NewConnectError(server.Endpoint{Network: "tcp", Address: "h:1"}, time.Second, &mysql.MySQLError{Number: number, Message: "m"})
		var connect *server.ConnectError
		if !errors.As(err, &connect) || connect.Failure != want {
			t.Errorf("%d: %v", number, err)
		}
	}
}

func TestBufferedConn(t *testing.T) {
	t.Parallel()
	far, near := net.Pipe()
	conn := server.NewBufferedConn(near, 16)
	sent := bytes.Repeat([]byte("0123456789abcdefg"), 50)
	go func() {
		_, _ = far.Write(sent)
		_ = far.Close()
	}()
	var got []byte
	for i := 1; ; i++ {
		part := make([]byte, 1+i%40)
		n, err := conn.Read(part)
		got = append(got, part[:n]...)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes, want %d, or not the same", len(got), len(sent))
	}
	waiting, other := net.Pipe()
	defer other.Close()
	conn = server.NewBufferedConn(waiting, 16)
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a deadline does not end a read:", err)
	}
}

// TestConnectSaysHowLongItWaited: a caller with less patience than the endpoint is told of the caller's time.
func TestConnectSaysHowLongItWaited(t *testing.T) {
	t.Parallel()
	const patience = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := server.Open(ctx, server.Endpoint{Network: "tcp", Address: silent(t)})
	if err == nil {
		t.Fatal("connected")
	}
	said := regexp.MustCompile(`no answer within (\S+?)[,:;]?(\s|$)`).FindStringSubmatch(err.Error())
	if said == nil {
		t.Fatalf("%v, want the time that was allowed", err)
	}
	if allowed, parseErr := time.ParseDuration(said[1]); parseErr != nil || allowed > patience {
		t.Errorf("%v, want at most %v: %v", err, patience, parseErr)
	}
}
