package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/server"
)

// shared is the server most tests use: TLS with a certificate for "db.test", packets up to 512 MB. Tests on it
// keep to accounts, databases and sessions of their own.
var shared struct {
	once     sync.Once
	instance *sandbox.Instance
	tls      certificates
	err      error
}

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "trueup-server-test-")
	if err != nil {
		panic(err)
	}
	shared.tls.folder = folder
	code := m.Run()
	if shared.instance != nil {
		_ = shared.instance.Stop()
	}
	_ = os.RemoveAll(folder)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func sharedInstance(t testing.TB) *sandbox.Instance {
	t.Helper()
	sandboxtest.Require(t)
	shared.once.Do(func() {
		if shared.err = shared.tls.write(); shared.err != nil {
			return
		}
		shared.instance, shared.err = sandbox.Start(context.Background(), sandbox.Options{Name: "shared", Args: []string{
			"--ssl-ca=" + shared.tls.path("ca.pem"), "--ssl-cert=" + shared.tls.path("server.pem"),
			"--ssl-key=" + shared.tls.path("server.key"), "--max-allowed-packet=512M",
		}})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.instance
}

func open(t testing.TB, endpoint server.Endpoint) *server.Server {
	t.Helper()
	opened, err := server.Open(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

func session(t testing.TB, on *server.Server, options server.SessionOptions) *server.Session {
	t.Helper()
	opened, err := on.Session(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// admin is a control session of the shared server's administrator.
func admin(t testing.TB) *server.Session {
	t.Helper()
	return session(t, open(t, sharedInstance(t).AdminEndpoint()), server.SessionOptions{})
}

func mustExec(t testing.TB, on *server.Session, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := on.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// account makes an account of the test's own on the shared server, with the given privileges on *.*.
func account(t testing.TB, privileges string) (name string, endpoint server.Endpoint) {
	t.Helper()
	root := admin(t)
	user := "u" + strings.ToLower(rand.Text()[:12])
	name = fmt.Sprintf("`%s`@`%%`", user)
	mustExec(t, root, "CREATE USER "+name+" IDENTIFIED BY 'pw-of-it'")
	t.Cleanup(func() { _ = root.Exec(context.Background(), "DROP USER "+name) })
	if privileges != "" {
		mustExec(t, root, "GRANT "+privileges+" ON *.* TO "+name)
	}
	endpoint = sharedInstance(t).AdminEndpoint()
	endpoint.User, endpoint.Password = user, "pw-of-it"
	return name, endpoint
}

// database makes a database of the test's own on the shared server.
func database(t testing.TB) string {
	t.Helper()
	root := admin(t)
	name := "d_" + strings.ToLower(rand.Text()[:10])
	mustExec(t, root, "CREATE DATABASE "+name)
	t.Cleanup(func() { _ = root.Exec(context.Background(), "DROP DATABASE "+name) })
	return name
}

// certificates are a CA, a server's certificate for db.test and a client's, written to a folder.
type certificates struct{ folder string }

func (c certificates) path(name string) string { return filepath.Join(c.folder, name) }

func (c certificates) write() error {
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key, err := c.issue("ca", ca, nil, nil)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "db.test"}, DNSNames: []string{"db.test"}}
	if _, err := c.issue("server", leaf, ca, key); err != nil {
		return err
	}
	client := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "client"}}
	if _, err := c.issue("client", client, ca, key); err != nil {
		return err
	}
	other := &x509.Certificate{SerialNumber: big.NewInt(4), Subject: pkix.Name{CommonName: "other CA"}, IsCA: true, BasicConstraintsValid: true}
	_, err = c.issue("other", other, nil, nil)
	return err
}

func (c certificates) issue(name string, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if parent == nil {
		parent, signer = template, key
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(c.path(name+".pem"), certificate, 0o600); err != nil {
		return nil, err
	}
	return key, os.WriteFile(c.path(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}
