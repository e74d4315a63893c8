package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trueup/server"
)

// sources are where settings of a test come from; every word of theirs that is secret contains "hidden".
type sources struct {
	options Options
	env     map[string]string
	yaml    string // %D is the test's folder
	cnf     string
	typed   string // what the person types; "": there is no terminal
}

func (s sources) load(t *testing.T) (Config, []string, error) {
	t.Helper()
	folder := t.TempDir()
	options := s.options
	if s.yaml != "" {
		options.ConfigFile = write(t, filepath.Join(folder, "trueup.yaml"), strings.ReplaceAll(s.yaml, "%D", folder))
	}
	if s.cnf != "" {
		path := write(t, filepath.Join(folder, "my.cnf"), s.cnf)
		if !strings.Contains(s.yaml, "defaults_file") {
			options.DefaultsFile = path
		}
	}
	options.Getenv = func(name string) string { return s.env[name] }
	var prompts []string
	if s.typed != "" {
		options.Prompt = func(prompt string) (string, error) {
			prompts = append(prompts, prompt)
			return s.typed, nil
		}
	}
	loaded, err := Load(options)
	return loaded, prompts, err
}

// describe is all of an endpoint in one line, the password too.
func describe(e server.Endpoint) string {
	text := e.String() + " " + string(e.Password)
	if !e.PasswordSet {
		text = e.String() + " (no password)"
	}
	if e.TLS != (server.TLS{}) {
		text += fmt.Sprintf(" %v", e.TLS)
	}
	return text
}

func describeAll(c Config) string {
	lines := []string{describe(*c.Source)}
	for _, replica := range c.Replicas {
		lines = append(lines, describe(replica))
	}
	return strings.Join(lines, "; ")
}

const twoClusters = `clusters:
  prod:
    source: app:hidden1@tcp(p1:3306)/
    replicas: ["app@tcp(p2:3306)/", "other@tcp(p3)/"]
    tls: required
  test: {source: "app@tcp(t1)/"}
`

func TestLoad(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sources
		want    string
		warning string
	}{
		"flags": {sources{options: Options{Source: "u:hidden@tcp(a)/", Replicas: []string{"v:hidden,2@tcp(b)/", "mysql://u@c:1"}, TLS: "off"}},
			"u@tcp(a:3306) hidden {off    }; v@tcp(b:3306) hidden,2 {off    }; u@tcp(c:1) hidden {off    }", ""},
		"environment": {sources{env: map[string]string{EnvSource: "u@tcp(a)/", EnvReplicas: "  u@tcp(b)/\tv@tcp(c)/?tls=verify\n", EnvPassword: "hidden"}},
			"u@tcp(a:3306) hidden; u@tcp(b:3306) hidden; v@tcp(c:3306) hidden {verify    }", ""},
		"flags before environment": {sources{options: Options{Source: "u:hidden@tcp(a)/", Replicas: []string{"u@tcp(b)/"}},
			env: map[string]string{EnvSource: "x@tcp(x)/", EnvReplicas: "x@tcp(y)/"}}, "u@tcp(a:3306) hidden; u@tcp(b:3306) hidden", ""},
		"replicas of another source": {sources{options: Options{Source: "u:hidden@tcp(a)/"}, env: map[string]string{EnvSource: "x@tcp(x)/", EnvReplicas: "x@tcp(y)/"}},
			"u@tcp(a:3306) hidden", EnvReplicas + " is left out"},
		"replicas of the environment": {sources{options: Options{Source: "u:hidden@tcp(a)/"}, env: map[string]string{EnvReplicas: "u@tcp(y)/"}},
			"u@tcp(a:3306) hidden; u@tcp(y:3306) hidden", ""},
		"cluster": {sources{options: Options{Cluster: "prod"}, yaml: twoClusters},
			"app@tcp(p1:3306) hidden1 {required    }; app@tcp(p2:3306) hidden1 {required    }; other@tcp(p3:3306) (no password) {required    }", ""},
		"the only cluster": {sources{yaml: "clusters:\n  a:\n    source: u:hidden@tcp(h)/\n"}, "u@tcp(h:3306) hidden", ""},
		"replicas of another cluster": {sources{options: Options{Cluster: "prod", Source: "u:hidden@tcp(a)/"}, yaml: twoClusters},
			"u@tcp(a:3306) hidden {required    }", "cluster prod: replicas is left out"},
		"cluster with files": {sources{yaml: "clusters:\n  a:\n    source: tcp(h)/\n    defaults_file: my.cnf\n    tls: verify\n    tls_ca: ca.pem\n    tls_cert: /c\n    tls_key: /k\n    tls_server_name: n\n",
			cnf: "[client]\nuser=u\npassword='hidden#1'\nssl-ca=/other\n"}, "u@tcp(h:3306) hidden#1 {verify DIR/ca.pem /c /k n}", ""},
		"option file alone":      {sources{cnf: "[client]\nuser=u\npassword=hidden\nhost=h\nport=3307\nsocket=/s\n"}, "u@tcp(h:3307) hidden", ""},
		"option file, socket":    {sources{cnf: "[client]\nuser=u\nport=3307\nsocket=/s\n"}, "u@unix(/s) (no password)", ""},
		"option file, localhost": {sources{cnf: "[client]\nuser=u\nhost=localhost\nsocket=/s\n"}, "u@unix(/s) (no password)", ""},
		"option file, TCP":       {sources{cnf: "[client]\nuser=u\nhost=localhost\nprotocol=TCP\nsocket=/s\n"}, "u@tcp(localhost:3306) (no password)", ""},
		"option file, IPv6":      {sources{cnf: "[client]\nuser=u\nhost=::1\n"}, "u@tcp([::1]:3306) (no password)", ""},
		"option file, TLS": {sources{options: Options{Source: "tcp(h)/"}, cnf: "[client]\nuser=u\npassword=\nssl-mode=VERIFY_CA\nssl-ca=/ca\nssl-cert=/c\nssl-key=/k\n"},
			"u@tcp(h:3306)  {verify /ca /c /k }", ""},
		"option file, ssl":      {sources{options: Options{Source: "tcp(h)/"}, cnf: "[client]\nuser=u\npassword=\nssl\nssl-verify-server-cert=0\n"}, "u@tcp(h:3306)  {required    }", ""},
		"option file, skip-ssl": {sources{options: Options{Source: "tcp(h)/"}, cnf: "[client]\nuser=u\npassword=\nskip-ssl\n"}, "u@tcp(h:3306)  {off    }", ""},
		"option file, no ssl":   {sources{options: Options{Source: "tcp(h)/"}, cnf: "[client]\nuser=u\npassword=\nssl=0\n"}, "u@tcp(h:3306)  {off    }", ""},
		"option file, verify":   {sources{options: Options{Source: "tcp(h)/"}, cnf: "[client]\nuser=u\npassword=\nssl-verify-server-cert\nssl\n"}, "u@tcp(h:3306)  {verify    }", ""},
		"DSN before --tls before file": {sources{options: Options{Source: "u:@tcp(h)/?tls=verify&tls-cert=mine&tls-key=k", Replicas: []string{"u:@tcp(i)/"}, TLS: "off"},
			cnf: "[client]\nssl\nssl-cert=/c\nssl-key=/k\n"}, "u@tcp(h:3306)  {verify  mine k }; u@tcp(i:3306)  {off  /c /k }", ""},
		"environment's password before the file's": {sources{options: Options{Source: "tcp(h)/"}, env: map[string]string{EnvPassword: "hidden"}, cnf: "[client]\nuser=u\npassword=x\n"},
			"u@tcp(h:3306) hidden", ""},
		"a password that is empty": {sources{options: Options{Source: "u:@tcp(h)/"}, env: map[string]string{EnvPassword: "hidden"}}, "u@tcp(h:3306) ", ""},
		"no one to ask":            {sources{options: Options{Source: "u@tcp(h)/"}}, "u@tcp(h:3306) (no password)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, _, err := test.load(t)
			if err != nil {
				t.Fatal(err)
			}
			got := describeAll(loaded)
			if ca := loaded.Source.TLS.CAFile; strings.HasSuffix(ca, "/ca.pem") {
				got = strings.ReplaceAll(got, filepath.Dir(ca), "DIR")
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			warnings := strings.Join(loaded.Warnings, "\n")
			if !strings.Contains(warnings, test.warning) || (test.warning == "") != (warnings == "") {
				t.Errorf("warnings %q, want %q", warnings, test.warning)
			}
		})
	}
}

func TestLoadAsks(t *testing.T) {
	t.Parallel()
	loaded, prompts, err := sources{options: Options{Source: "u@tcp(a)/", Replicas: []string{"u@tcp(b)/", "v@tcp(c)/", "w:own@tcp(d)/", "x@unix(/s)/"}}, typed: "typed"}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describeAll(loaded), "u@tcp(a:3306) typed; u@tcp(b:3306) typed; v@tcp(c:3306) typed; w@tcp(d:3306) own; x@unix(/s) (no password)"; got != want {
		t.Error(got)
	}
	if got, want := strings.Join(prompts, "|"), "Password for u@tcp(a:3306): |Password for v@tcp(c:3306): "; got != want {
		t.Error(got)
	}
	_, prompts, err = sources{options: Options{Source: "tcp(a)/"}, cnf: "[client]\nuser=u\npassword\n", typed: "x"}.load(t)
	if err != nil || len(prompts) != 1 {
		t.Error("a password line without a value asks for it:", prompts, err)
	}
	gone := errors.New("gone")
	_, err = Load(Options{Source: "u@tcp(a)/", Getenv: func(string) string { return "" }, Prompt: func(string) (string, error) { return "", gone }})
	var usage *UsageError
	if !errors.Is(err, gone) || errors.As(err, &usage) {
		t.Error(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	source := Options{Source: "u:hidden@tcp(a)/"}
	with := func(change func(*Options)) sources {
		options := source
		change(&options)
		return sources{options: options}
	}
	for name, test := range map[string]struct {
		sources
		says string
	}{
		"nothing":              {sources{}, "--source user@tcp(host:3306)/"},
		"bad source":           {with(func(o *Options) { o.Source = "u:hidden@host" }), "--source: this is not a DSN"},
		"bad replica":          {with(func(o *Options) { o.Replicas = []string{"u:hidden@tcp(h)/db"} }), "--replica: "},
		"second bad replica":   {with(func(o *Options) { o.Replicas = []string{"u@tcp(b)/", "u:hidden@x"} }), "--replica, number 2: "},
		"bad environment":      {sources{env: map[string]string{EnvSource: "u:hidden@x"}}, "TRUEUP_SOURCE: "},
		"bad replicas":         {sources{options: source, env: map[string]string{EnvReplicas: "u:hidden@x"}}, "TRUEUP_REPLICAS: "},
		"no user":              {sources{options: Options{Source: "tcp(h)/"}}, "no user was named for tcp(h:3306)"},
		"same server":          {with(func(o *Options) { o.Replicas = []string{"v@tcp(a:3306)/"} }), "comparing a server with itself"},
		"twice":                {with(func(o *Options) { o.Replicas = []string{"u@tcp(b)/", "v@tcp(b)/"} }), "replica b:3306 is named twice"},
		"bad TLS":              {with(func(o *Options) { o.TLS = "yes" }), "--tls: TLS mode \"yes\" is unknown; use preferred, required, verify or off"},
		"no config file":       {with(func(o *Options) { o.ConfigFile = "/no/such.yaml" }), "--config: open /no/such.yaml"},
		"no option file":       {with(func(o *Options) { o.DefaultsFile = "/no/such.cnf" }), "--defaults-file: stat /no/such.cnf"},
		"option file a folder": {with(func(o *Options) { o.DefaultsFile = os.TempDir() }), "--defaults-file: "},
		"cluster, no file":     {with(func(o *Options) { o.Cluster = "prod" }), "with --config"},
		"no such cluster":      {sources{options: Options{Cluster: "x"}, yaml: twoClusters}, "it has prod, test"},
		"which cluster":        {sources{yaml: twoClusters}, "--cluster prod or --cluster test"},
		"no cluster":           {sources{yaml: "clusters: {}\n"}, "holds no cluster"},
		"empty file":           {sources{yaml: "# nothing\n"}, "holds no cluster"},
		"unknown key":          {sources{yaml: "clusters:\n  a:\n    sorce: u:hidden@tcp(h)/\n"}, `line 3: unknown key "sorce"`},
		"unknown top key":      {sources{yaml: "cluster:\n  a: {}\n"}, `line 1: unknown key "cluster"`},
		"list for text":        {sources{yaml: "clusters:\n  a:\n    source: [u:hidden@h]\n"}, "line 3: "},
		"text for list":        {sources{yaml: "clusters:\n  a:\n    replicas: hidden@tcp(h)/\n"}, "line 3: cannot take text into a list"},
		"bad yaml":             {sources{yaml: "clusters:\n  a: \"hidden\n"}, "--config: "},
		"alias":                {sources{yaml: "clusters:\n  a: {source: *hidden}\n"}, "--config: "},
		"two documents":        {sources{yaml: "clusters: {}\n---\nclusters: {}\n"}, "more than one document"},
		"bad DSN in cluster":   {sources{yaml: "clusters:\n  a:\n    source: u:hidden@h\n"}, "trueup.yaml: cluster a: source: "},
		"bad replica of it":    {sources{yaml: "clusters:\n  a:\n    source: u@tcp(h)/\n    replicas: [\"u:hidden@x\"]\n"}, "cluster a: replicas: "},
		"bad TLS of it":        {sources{yaml: "clusters:\n  a:\n    source: u@tcp(h)/\n    tls: maybe\n"}, "cluster a: tls: "},
		"its option file":      {sources{yaml: "clusters:\n  a:\n    source: u@tcp(h)/\n    defaults_file: none.cnf\n"}, "cluster a: defaults_file: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := test.load(t)
			var usage *UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%T %v, want %q", err, err, test.says)
			}
		})
	}
}

func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root reads every file")
	}
	path := write(t, filepath.Join(t.TempDir(), "f"), "[client]\nuser=u\n")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	for _, options := range []Options{{ConfigFile: path}, {DefaultsFile: path}} {
		if _, err := Load(options); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), path) {
			t.Error(err)
		}
	}
}

func TestReadablePasswordFilesAreWarnedOf(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cnf := write(t, filepath.Join(folder, "my.cnf"), "[client]\nuser=u\npassword=hidden\n")
	yaml := write(t, filepath.Join(folder, "trueup.yaml"), "clusters:\n  a:\n    source: u:hidden@tcp(h)/\n    defaults_file: my.cnf\n")
	for mode, want := range map[os.FileMode]int{0o644: 2, 0o640: 0, 0o600: 0} {
		for _, path := range []string{cnf, yaml} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		loaded, err := Load(Options{ConfigFile: yaml, Getenv: func(string) string { return "" }})
		if err != nil || len(loaded.Warnings) != want {
			t.Errorf("mode %o: %q, %v", mode, loaded.Warnings, err)
		}
		for _, warning := range loaded.Warnings {
			if strings.Contains(warning, "hidden") || !strings.Contains(warning, "chmod o-rwx "+folder) {
				t.Error(warning)
			}
		}
	}
}

func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	loaded, _, err := sources{cnf: "[client]\nuser=u\nhost=h\nconnect_timeout=3\n"}.load(t)
	if err != nil || loaded.Source.ConnectTimeout != 3*time.Second {
		t.Error(loaded.Source, err)
	}
}

func TestUsualSockets(t *testing.T) {
	old := usualSockets
	defer func() { usualSockets = old }()
	path := filepath.Join(t.TempDir(), "s")
	usualSockets = []string{"/no/such.sock", path}
	client := clientOptions{host: "localhost", user: "u"}
	if endpoint, _ := client.endpoint(); endpoint.Network != "tcp" {
		t.Error(endpoint)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if endpoint, _ := client.endpoint(); endpoint.Address != path {
		t.Error(endpoint)
	}
}

func TestNoPromptWithoutTerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if TerminalPrompt(context.Background(), file, io.Discard) != nil {
		t.Error("a prompt on /dev/null")
	}
}
