package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/go-sql-driver/mysql"
)

// MostPacket bounds one packet either way. A row or a statement may hold a value of 64 MB (LONGBLOB under
// the default max_allowed_packet of MySQL), twice that where it is written in hex, and its frame.
const MostPacket = 256 << 20

// driverConfig is the endpoint as the driver takes it. It reads certificate files; a file that cannot be read
// or used is an error that names it.
func (e Endpoint) driverConfig() (*mysql.Config, error) {
	config := mysql.NewConfig()
	config.User = e.User
	config.Passwd = string(e.Password)
	config.Net = e.Network
	config.Addr = e.Address
	config.Timeout = e.connectTimeout()
	config.MaxAllowedPacket = MostPacket
	config.CheckConnLiveness = false // sessions are never taken from a pool
	config.Logger = &mysql.NopLogger{}
	config.DialFunc = dialWire
	config.ConnectionAttributes = "program_name:trueup"
	if err := e.configureTLS(config); err != nil {
		return nil, err
	}
	// With AllowFallbackToPlaintext the driver clears TLS in the configuration that all connections share.
	// A BeforeConnect function makes it work on a copy.
	keepShared := mysql.BeforeConnect(func(context.Context, *mysql.Config) error { return nil })
	if err := config.Apply(keepShared); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Address, err)
	}
	return config, nil
}

// configureTLS sets what the endpoint's TLS mode asks for.
func (e Endpoint) configureTLS(config *mysql.Config) (err error) {
	config.TLS, err = e.ownTLS()
	config.AllowFallbackToPlaintext = config.TLS != nil && e.tlsMode() == TLSPreferred
	return err
}

// ownTLS is what the endpoint's TLS mode asks for; nil: no TLS.
func (e Endpoint) ownTLS() (*tls.Config, error) {
	mode := e.tlsMode()
	if mode == TLSOff {
		return nil, nil
	}
	own := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: e.TLS.ServerName, InsecureSkipVerify: mode != TLSVerify}
	if mode == TLSVerify && e.Network == "unix" && own.ServerName == "" {
		return nil, fmt.Errorf("%s: TLS mode verify on a socket needs the name in the server's certificate: add tls-server-name", e.Address)
	}
	if e.TLS.CAFile != "" {
		pool, err := readCertificates(e.TLS.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Address, err)
		}
		own.RootCAs = pool
	}
	if (e.TLS.CertFile == "") != (e.TLS.KeyFile == "") {
		return nil, fmt.Errorf("%s: a client certificate needs both tls-cert and tls-key", e.Address)
	}
	if e.TLS.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(e.TLS.CertFile, e.TLS.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%s: client certificate %s with key %s: %w", e.Address, e.TLS.CertFile, e.TLS.KeyFile, err)
		}
		own.Certificates = []tls.Certificate{pair}
	}
	return own, nil
}

// tlsMode resolves a mode that was not given, and drops encryption nobody asked for on a local socket.
func (e Endpoint) tlsMode() TLSMode {
	switch {
	case e.TLS.Mode == "" && e.TLS.CAFile != "":
		return TLSVerify
	case (e.TLS.Mode == "" || e.TLS.Mode == TLSPreferred) && e.Network == "unix":
		return TLSOff
	case e.TLS.Mode == "":
		return TLSPreferred
	}
	return e.TLS.Mode
}

func readCertificates(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate in PEM form", path)
	}
	return pool, nil
}
