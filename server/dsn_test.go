package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"trueup/server"
)

func tcp(user, password, address string) server.Endpoint {
	return server.Endpoint{Network: "tcp", Address: address, User: user, Password: server.Secret(password),
		PasswordSet: password != "", ConnectTimeout: server.DefaultConnectTimeout}
}

func TestParseDSN(t *testing.T) {
	t.Parallel()
	socket := server.Endpoint{Network: "unix", Address: "/run/my sqld/s(1)", User: "u", ConnectTimeout: server.DefaultConnectTimeout}
	empty := tcp("u", "", "h:3306")
	empty.PasswordSet = true
	full := tcp("u", "p", "h:3307")
	full.ConnectTimeout = 1500 * time.Millisecond
	full.TLS = server.TLS{Mode: server.TLSVerify, CAFile: "/a b/ca.pem", CertFile: "c", KeyFile: "k", ServerName: "db.test"}
	parameters := "?tls=verify&tls-ca=/a%20b/ca.pem&tls-cert=c&tls-key=k&tls-server-name=db.test&timeout=1.5s"
	for text, want := range map[string]server.Endpoint{
		"u:p@tcp(h:3307)/":                tcp("u", "p", "h:3307"),
		"u:p@tcp(h)":                      tcp("u", "p", "h:3306"),
		"u@tcp(10.0.0.1:1)/?":             tcp("u", "", "10.0.0.1:1"),
		"u:@tcp(h)/":                      empty,
		"tcp(h:3306)/":                    tcp("", "", "h:3306"),
		"@tcp(h:3306)/":                   tcp("", "", "h:3306"),
		"u@x:p@tcp(h)/":                   tcp("u@x", "p", "h:3306"),
		"u:a,b:c@d/e?f%g@tcp(x)/@tcp(h)/": tcp("u", "a,b:c@d/e?f%g@tcp(x)/", "h:3306"),
		"u:p%41@tcp(h)/":                  tcp("u", "p%41", "h:3306"),
		"u@tcp([::1]:3307)/":              tcp("u", "", "[::1]:3307"),
		"u@tcp([2001:db8::1])/":           tcp("u", "", "[2001:db8::1]:3306"),
		"u@tcp(fe80::1%eth0)/":            tcp("u", "", "[fe80::1%eth0]:3306"),
		"u@unix(/run/my sqld/s(1))/":      socket,
		"u:p@tcp(h:3307)/" + parameters:   full,
		"mysql://u:p@h:3307" + parameters: full,
		"mysql://u:p@h:3307/":             tcp("u", "p", "h:3307"),
		"mysql://h":                       tcp("", "", "h:3306"),
		"mysql://u@[::1]:3307/":           tcp("u", "", "[::1]:3307"),
		"mysql://u:a%2Cb%25:c@d/e?f%g@h/": tcp("u", "a,b%:c@d/e?f%g", "h:3306"),
		"mysql://u%40x:p@h":               tcp("u@x", "p", "h:3306"),
	} {
		got, err := server.ParseDSN(text)
		if err != nil || got != want {
			t.Errorf("%s:\n got %#v, %v\nwant %#v", text, got, err, want)
		}
		if got.Password != want.Password {
			t.Errorf("%s: password %q", text, string(got.Password))
		}
	}
}

func TestParseDSNRefuses(t *testing.T) {
	t.Parallel()
	for text, part := range map[string]string{
		"":                                    "not a DSN",
		"localhost":                           "not a DSN",
		"root:hidden@localhost":               "user@tcp(host:3306)/",
		"root:hidden@tcp(h:3306":              "not closed",
		"root:hidden@tcp()/":                  "no valid host",
		"root:hidden@tcp(h:0)/":               "port",
		"root:hidden@tcp(h:70000)/":           "port",
		"root:hidden@tcp(h:x)/":               "port",
		"root:hidden@tcp(::1:3306:)/":         "host and port",
		"root:hidden@tcp(a b)/":               "no valid host",
		"root:hidden@unix(s)/":                "absolute path",
		"root:hidden@tcp(h)/shop":             "--databases",
		"root:hidden@tcp(h)x":                 "not closed",
		"mysql://root:hidden@":                "no valid host",
		"mysql://root:hidden@h/shop":          "--databases",
		"mysql://root:hidden@h:1:2":           "host and port",
		"root:hidden@tcp(h)/?ssl=1":           `"ssl" is unknown; allowed are tls, tls-ca, tls-cert, tls-key, tls-server-name, timeout`,
		"root:hidden@tcp(h)/?parseTime":       "allowed are",
		"root:hidden@tcp(h)/?tls=true":        "preferred, required, verify, off",
		"root:hidden@tcp(h)/?tls=":            "no readable value",
		"root:hidden@tcp(h)/?tls-ca=%zz":      "no readable value",
		"root:hidden@tcp(h)/?tls=off&tls=off": "twice",
		"root:hidden@tcp(h)/?timeout=5":       "5s",
		"root:hidden@tcp(h)/?timeout=-5s":     "5s",
	} {
		_, err := server.ParseDSN(text)
		if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: error %v, want one with %q", text, err, part)
		}
	}
}

var anyPassword = rapid.StringMatching(`[a-z]{3}[,:@/?%&=#()a-z0-9 é-]{4,20}`)

func TestDSNRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := tcp(
			rapid.StringMatching(`[a-z][a-z0-9_.@-]{0,10}`).Draw(t, "user"), anyPassword.Draw(t, "password"),
			rapid.SampledFrom([]string{"h:3306", "db-1.example.com:1", "[::1]:3307", "10.1.2.3:65535"}).Draw(t, "address"))
		classic := want.User + ":" + string(want.Password) + "@tcp(" + want.Address + ")/"
		asURL := "mysql://" + url.UserPassword(want.User, string(want.Password)).String() + "@" + want.Address + "/"
		for _, text := range []string{classic, asURL} {
			got, err := server.ParseDSN(text)
			if err != nil || got != want {
				t.Fatalf("%s: %#v (password %q), %v", text, got, string(got.Password), err)
			}
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v %s", want, want, want, &want), string(want.Password)) {
			t.Fatalf("printing the endpoint shows the password")
		}
	})
}

func TestDSNErrorsKeepThePassword(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		password := anyPassword.Draw(t, "password")
		prefix := rapid.SampledFrom([]string{"", "mysql://"}).Draw(t, "prefix")
		rest := rapid.SampledFrom([]string{"", "@", "@h", "@tcp", "@tcp(h", "@tcp(h:x)/", "@tcp(h)/db", "@tcp(h)/?x=1", "@h/db", "@h:x", "@unix(s)/", "@h/?tls=no"}).Draw(t, "rest")
		text := prefix + "root:" + password + rest
		if _, err := server.ParseDSN(text); err != nil && strings.Contains(err.Error(), password) {
			t.Fatalf("%s: %v", text, err)
		}
	})
}

func FuzzParseDSN(f *testing.F) {
	for _, seed := range []string{"u:p@tcp(h:1)/?tls=off", "mysql://u:p%20@[::1]:2/?timeout=1s", "u@unix(/s)/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		endpoint, err := server.ParseDSN(text)
		if err != nil {
			return
		}
		if endpoint.Network != "tcp" && endpoint.Network != "unix" || endpoint.Address == "" || endpoint.ConnectTimeout <= 0 {
			t.Fatalf("%q: %#v", text, endpoint)
		}
	})
}

func TestSecretIsNeverShown(t *testing.T) {
	t.Parallel()
	const text = "letmein-0"
	secret := server.Secret(text)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret, "endpoint", tcp("u", text, "h:1"))
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "endpoint", tcp("u", text, "h:1"))
	asJSON, err := json.Marshal(map[string]any{"s": secret, "e": tcp("u", text, "h:1"), "p": &secret})
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(map[string]any{"s": secret})
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %s %q %x %d %#v %+v", secret, secret, secret, secret, secret, secret, struct{ S server.Secret }{secret})
	for _, shown := range []string{log.String(), string(asJSON), string(asYAML), printed} {
		if strings.Contains(shown, text) || strings.Contains(shown, fmt.Sprintf("%x", text)) || !strings.Contains(shown, "***") {
			t.Errorf("shown: %s", shown)
		}
	}
	if string(secret) != text {
		t.Error("a conversion does not give the password")
	}
}
