package server

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const defaultPort = "3306"

// dsnParameters are the parameters a DSN may carry.
var dsnParameters = []string{"tls", "tls-ca", "tls-cert", "tls-key", "tls-server-name", "timeout"}

var (
	errDSNForm = errors.New("this is not a DSN: write user@tcp(host:3306)/ or user@unix(/path/to.sock)/ or mysql://user@host:3306/")
	errDSNSlot = errors.New("a DSN takes no database name after the slash: choose what to look at with --databases and --tables")
)

// ParseDSN reads `user[:password]@tcp(host:port)/[?params]`, `user@unix(/path)/` or
// `mysql://user[:password]@host[:port]/[?params]`. The user may be missing, to be filled in from elsewhere.
//
// In the first two forms the password is taken as it stands and may hold any character; it ends at the last
// "@tcp(" or "@unix(". In the URL form it ends at the last "@" and %XX stands for a byte, as in any URL; a "%"
// that no two hex digits follow stands for itself. Parameter values are %XX-decoded in every form.
//
// No error repeats a part of the text that could belong to the password.
func ParseDSN(text string) (Endpoint, error) {
	endpoint := Endpoint{ConnectTimeout: DefaultConnectTimeout}
	var rest string
	var err error
	if after, isURL := strings.CutPrefix(text, "mysql://"); isURL {
		rest, err = endpoint.parseURL(after)
	} else {
		rest, err = endpoint.parseClassic(text)
	}
	if err != nil {
		return Endpoint{}, err
	}
	// With a second @ the text after the address may be a piece of a password that was written without its address.
	if err := endpoint.parseTail(rest, strings.Count(text, "@") < 2); err != nil {
		return Endpoint{}, err
	}
	return endpoint, nil
}

// parseClassic reads up to the closing parenthesis and returns what follows it.
func (e *Endpoint) parseClassic(text string) (string, error) {
	credentials, rest, found := cutLastAddress(text)
	if !found {
		return "", errDSNForm
	}
	if user, password, hasPassword := strings.Cut(credentials, ":"); hasPassword {
		e.User, e.Password, e.PasswordSet = user, Secret(password), true
	} else {
		e.User = credentials
	}
	network, rest, _ := strings.Cut(rest, "(")
	end := closingParenthesis(rest)
	if end < 0 {
		return "", fmt.Errorf("the DSN's %s(…) is not closed: write it like user@tcp(host:3306)/", network)
	}
	address, rest := rest[:end], rest[end+1:]
	e.Network = network
	if network == "unix" {
		if !strings.HasPrefix(address, "/") {
			return "", errors.New("the DSN's unix(…) needs the absolute path of the server's socket: user@unix(/run/mysqld/mysqld.sock)/")
		}
		e.Address = address
		return rest, nil
	}
	var err error
	e.Address, err = hostPort(address)
	return rest, err
}

// cutLastAddress splits at the last "@tcp(" or "@unix("; rest begins with the network's name. A text that
// begins with the address has no credentials.
func cutLastAddress(text string) (credentials, rest string, found bool) {
	at := max(strings.LastIndex(text, "@tcp("), strings.LastIndex(text, "@unix("))
	if at >= 0 {
		return text[:at], text[at+1:], true
	}
	if strings.HasPrefix(text, "tcp(") || strings.HasPrefix(text, "unix(") {
		return "", text, true
	}
	return "", "", false
}

// closingParenthesis finds the one that ends the address: nothing, a slash or parameters follow it.
func closingParenthesis(rest string) int {
	for i := range len(rest) {
		if rest[i] == ')' && (i+1 == len(rest) || rest[i+1] == '/' || rest[i+1] == '?') {
			return i
		}
	}
	return -1
}

// parseURL reads the text after mysql:// up to the end of the host and returns what follows it.
func (e *Endpoint) parseURL(text string) (string, error) {
	rest := text
	if at := strings.LastIndex(text, "@"); at >= 0 {
		user, password, hasPassword := strings.Cut(text[:at], ":")
		e.User, e.Password, e.PasswordSet = unescape(user), Secret(unescape(password)), hasPassword
		rest = text[at+1:]
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	e.Network = "tcp"
	var err error
	e.Address, err = hostPort(rest[:end])
	return rest[end:], err
}

// unescape decodes %XX and leaves a % alone that no two hex digits follow.
func unescape(text string) string {
	var decoded strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if b, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				decoded.WriteByte(byte(b))
				i += 2
				continue
			}
		}
		decoded.WriteByte(text[i])
	}
	return decoded.String()
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)

// hostPort reads host, host:port, [IPv6], [IPv6]:port or a bare IPv6 address and returns host:port.
func hostPort(text string) (string, error) {
	host, port := text, defaultPort
	switch bare := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"); {
	case isIPv6(bare):
		host = bare
	case strings.Contains(text, ":"):
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", errors.New("the DSN's host and port cannot be read: write host:3306 or [2001:db8::1]:3306")
		}
	}
	if !isIPv6(host) && !hostName.MatchString(host) {
		return "", errors.New("the DSN names no valid host: write user@tcp(host:3306)/ or mysql://user@host:3306/")
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return "", errors.New("the DSN's port is not a number from 1 to 65535")
	}
	return net.JoinHostPort(host, port), nil
}

func isIPv6(host string) bool {
	address, _, _ := strings.Cut(host, "%") // a zone such as fe80::1%eth0
	return strings.Contains(address, ":") && net.ParseIP(address) != nil
}

// parseTail reads what follows the address: nothing, "/", "?params" or "/?params".
func (e *Endpoint) parseTail(tail string, mayEcho bool) error {
	path, parameters, hasParameters := strings.Cut(tail, "?")
	switch {
	case path == "" || path == "/":
	case strings.HasPrefix(path, "/"):
		return errDSNSlot
	default:
		return errDSNForm
	}
	if !hasParameters || parameters == "" {
		return nil
	}
	seen := make(map[string]bool)
	for pair := range strings.SplitSeq(parameters, "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		if !slices.Contains(dsnParameters, name) {
			if mayEcho {
				return fmt.Errorf("the DSN's parameter %q is unknown; allowed are %s", name, strings.Join(dsnParameters, ", "))
			}
			return fmt.Errorf("the DSN has an unknown parameter; allowed are %s", strings.Join(dsnParameters, ", "))
		}
		value, err := url.PathUnescape(escaped)
		if err != nil || value == "" {
			return fmt.Errorf("the DSN's parameter %s has no readable value (%%XX stands for a byte, %%25 for a percent sign)", name)
		}
		if seen[name] {
			return fmt.Errorf("the DSN's parameter %s is given twice", name)
		}
		seen[name] = true
		if err := e.setParameter(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (e *Endpoint) setParameter(name, value string) error {
	switch name {
	case "tls":
		mode, err := ParseTLSMode(value)
		if err != nil {
			return errors.New("the DSN's parameter tls is none of preferred, required, verify, off")
		}
		e.TLS.Mode = mode
	case "tls-ca":
		e.TLS.CAFile = value
	case "tls-cert":
		e.TLS.CertFile = value
	case "tls-key":
		e.TLS.KeyFile = value
	case "tls-server-name":
		e.TLS.ServerName = value
	case "timeout":
		timeout, err := time.ParseDuration(value)
		if err != nil || timeout <= 0 {
			return errors.New("the DSN's parameter timeout is not a time such as 5s or 500ms")
		}
		e.ConnectTimeout = timeout
	}
	return nil
}
