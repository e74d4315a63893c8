package server

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// DefaultConnectTimeout is how long connecting (dialing, TLS and login together) may take.
const DefaultConnectTimeout = 10 * time.Second

// masked is what is shown instead of a password.
const masked = "***"

// Secret is a password: every way of printing it shows "***". Convert it with string(secret) where it has to
// be handed to the server.
type Secret string

// String returns "***".
func (Secret) String() string { return masked }

// GoString returns "***".
func (Secret) GoString() string { return masked }

// Format prints "***" for every verb.
func (Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, masked) }

// LogValue logs "***".
func (Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalJSON writes "***".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + masked + `"`), nil }

// MarshalText writes "***"; YAML goes through it.
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// TLSMode says how a connection is protected. The empty mode means that nothing was said: verify where a CA
// is given, preferred otherwise.
type TLSMode string

// The TLS modes of the --tls flag.
const (
	TLSPreferred TLSMode = "preferred" // TLS where the server offers it, unverified
	TLSRequired  TLSMode = "required"  // TLS or no connection, certificate not verified
	TLSVerify    TLSMode = "verify"    // TLS with certificate chain and host name verified
	TLSOff       TLSMode = "off"
)

// ParseTLSMode reads a value of --tls or of a DSN's tls parameter.
func ParseTLSMode(text string) (TLSMode, error) {
	switch mode := TLSMode(text); mode {
	case TLSPreferred, TLSRequired, TLSVerify, TLSOff:
		return mode, nil
	}
	return "", fmt.Errorf("TLS mode %q is unknown; use preferred, required, verify or off", text)
}

// TLS holds the TLS settings of an Endpoint. File fields are PEM paths, empty for none.
type TLS struct {
	Mode       TLSMode
	CAFile     string
	CertFile   string
	KeyFile    string
	ServerName string
}

// Endpoint is where a server is and how to log in to it.
type Endpoint struct {
	Network        string // "tcp" or "unix"
	Address        string // host:port, or the socket's path
	User           string
	Password       Secret
	PasswordSet    bool // false: nothing was said about a password; it may still come from file, environment or prompt
	TLS            TLS
	ConnectTimeout time.Duration // 0: DefaultConnectTimeout
	// Silence is how long nothing may come from the server before it is asked over another connection what it does; 0: DefaultSilence.
	Silence time.Duration
}

// String returns user@tcp(host:port) or user@unix(path), never the password.
func (e Endpoint) String() string {
	address := e.Network + "(" + e.Address + ")"
	if e.User == "" {
		return address
	}
	return e.User + "@" + address
}

func (e Endpoint) silence() time.Duration {
	if e.Silence <= 0 {
		return DefaultSilence
	}
	return e.Silence
}

func (e Endpoint) connectTimeout() time.Duration {
	if e.ConnectTimeout <= 0 {
		return DefaultConnectTimeout
	}
	return e.ConnectTimeout
}
