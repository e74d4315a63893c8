package config

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"trueup/server"
)

// clientGroups are the groups that every MariaDB or MySQL client program reads, in the order of the file.
var clientGroups = []string{"client", "client-server", "client-mariadb"}

// clientOptions are what an option file says about servers; the rest of it is left to other programs.
type clientOptions struct {
	user        string
	password    server.Secret
	passwordSet bool
	host        string
	port        string
	socket      string
	protocol    string
	timeout     time.Duration
	tls         server.TLS
}

// readOptionFile reads the client groups of an option file.
func readOptionFile(path string) (clientOptions, []string, error) {
	f := &optionFile{groups: clientGroups}
	if err := f.read(path, 0); err != nil {
		return clientOptions{}, nil, err
	}
	if len(f.options) == 0 {
		return clientOptions{}, nil, fmt.Errorf("%s holds no option in the groups [%s]", path, strings.Join(clientGroups, "], ["))
	}
	var client clientOptions
	passwordFile := ""
	for _, o := range f.options {
		if err := client.take(o); err != nil {
			return clientOptions{}, nil, err
		}
		if o.name == "password" && o.value != "" {
			passwordFile = o.file
		}
	}
	if passwordFile != "" {
		f.warnings = append(f.warnings, warnReadable(passwordFile)...)
	}
	return client, f.warnings, nil
}

func (c *clientOptions) take(o option) error {
	switch o.name {
	case "user":
		c.user = o.value
	case "password":
		// Without = the clients ask for it.
		c.password, c.passwordSet = server.Secret(o.value), o.hasValue
	case "host":
		c.host = o.value
	case "port":
		if number, err := strconv.ParseUint(o.value, 10, 16); err != nil || number == 0 {
			return fmt.Errorf("%s: port %q is not a number from 1 to 65535", o.file, o.value)
		}
		c.port = o.value
	case "socket":
		c.socket = o.value
	case "protocol":
		c.protocol = strings.ToLower(o.value)
	case "connect-timeout":
		seconds, err := strconv.ParseUint(o.value, 10, 31)
		if err != nil {
			return fmt.Errorf("%s: connect_timeout %q is not a number of seconds", o.file, o.value)
		}
		c.timeout = time.Duration(seconds) * time.Second
	default:
		return c.takeTLS(o)
	}
	return nil
}

// sslModes are MySQL's. VERIFY_CA becomes verify, which looks at the host's name too.
var sslModes = map[string]server.TLSMode{
	"DISABLED": server.TLSOff, "PREFERRED": server.TLSPreferred, "REQUIRED": server.TLSRequired,
	"VERIFY_CA": server.TLSVerify, "VERIFY_IDENTITY": server.TLSVerify,
}

func (c *clientOptions) takeTLS(o option) error {
	switch o.name {
	case "ssl-ca":
		c.tls.CAFile = o.value
	case "ssl-cert":
		c.tls.CertFile = o.value
	case "ssl-key":
		c.tls.KeyFile = o.value
	case "ssl-mode":
		mode, known := sslModes[strings.ToUpper(o.value)]
		if !known {
			return fmt.Errorf("%s: ssl_mode %q is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY", o.file, o.value)
		}
		c.tls.Mode = mode
	case "ssl":
		if !isOn(o) {
			c.tls.Mode = server.TLSOff
		} else if c.tls.Mode != server.TLSVerify {
			c.tls.Mode = server.TLSRequired
		}
	case "skip-ssl", "disable-ssl":
		c.tls.Mode = server.TLSOff
	case "ssl-verify-server-cert":
		if isOn(o) {
			c.tls.Mode = server.TLSVerify
		}
	}
	return nil
}

func isOn(o option) bool {
	switch strings.ToUpper(o.value) {
	case "0", "OFF", "FALSE":
		return false
	}
	return true
}

// usualSockets are where servers of distributions and of their own builds put the socket.
var usualSockets = []string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"}

// endpoint is the server the option file names, if it names one: as for the clients, localhost means the socket
// unless the protocol is TCP.
func (c clientOptions) endpoint() (server.Endpoint, bool) {
	endpoint := server.Endpoint{Network: "tcp", ConnectTimeout: c.connectTimeout()}
	if c.host == "" && c.socket == "" {
		return server.Endpoint{}, false
	}
	local := c.host == "" || c.host == "localhost"
	if c.protocol == "socket" || local && c.protocol != "tcp" {
		if socket := c.localSocket(); socket != "" {
			endpoint.Network, endpoint.Address = "unix", socket
			return endpoint, true
		}
	}
	endpoint.Address = net.JoinHostPort(firstOf(c.host, "localhost"), firstOf(c.port, "3306"))
	return endpoint, true
}

func (c clientOptions) localSocket() string {
	if c.socket != "" {
		return c.socket
	}
	for _, path := range usualSockets {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
			return path
		}
	}
	return ""
}

func (c clientOptions) connectTimeout() time.Duration {
	if c.timeout > 0 {
		return c.timeout
	}
	return server.DefaultConnectTimeout
}
