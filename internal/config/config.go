package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"trueup/server"
)

// Environment variables that settings are read from.
const (
	EnvSource   = "TRUEUP_SOURCE"
	EnvReplicas = "TRUEUP_REPLICAS" // DSNs separated by white space
	EnvPassword = "TRUEUP_PASSWORD"
)

// Options are what the command line said, and how to ask the rest of the world. Empty fields: nothing was said.
type Options struct {
	Source       string   // --source
	Replicas     []string // --replica, each
	TLS          string   // --tls; "" when the flag was not given
	ConfigFile   string   // --config
	Cluster      string   // --cluster
	DefaultsFile string   // --defaults-file
	StateDir     string   // --state-dir
	// ReplicasOnly: the command works without the source. One that is named somewhere only lends its user and password.
	ReplicasOnly bool

	// Getenv reads the environment. nil: os.Getenv.
	Getenv func(string) string
	// Prompt asks a person for a password without showing it. nil: nobody is there to ask.
	Prompt func(prompt string) (string, error)
}

// Config is the servers of a command.
type Config struct {
	// Source is never nil after Load, unless only replicas were asked for.
	Source *server.Endpoint
	// Replicas is empty when none were named: they are to be discovered.
	Replicas []server.Endpoint
	// Cluster is the cluster of the configuration file that was used; "" for none.
	Cluster string
	// StateDir is the folder for what outlives a run, where one was named; see StateDir for the others.
	StateDir string
	// Warnings are for standard error.
	Warnings []string
}

// UsageError is a setting that is missing or wrong: exit code 64. Retrying without a change does not help.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// Load merges the settings. It fails with *UsageError, or with the error of Options.Prompt.
func Load(options Options) (Config, error) {
	l := &loader{options: options, getenv: options.Getenv}
	if l.getenv == nil {
		l.getenv = os.Getenv
	}
	for _, step := range []func() error{l.readFiles, l.findSource, l.findReplicas, l.complete, l.forgetSource, l.askPasswords, l.refuseDoubles} {
		if err := step(); err != nil {
			return Config{}, err
		}
	}
	return l.config, nil
}

// loader holds the settings while they are merged.
type loader struct {
	options Options
	getenv  func(string) string
	cluster cluster
	client  clientOptions
	config  Config
	origin  origin
}

// origin is where the source was named.
type origin int

const (
	fromFlag origin = iota
	fromEnvironment
	fromCluster
	fromDefaultsFile
)

func (l *loader) readFiles() error {
	if l.options.Cluster != "" && l.options.ConfigFile == "" {
		return usagef("--cluster %s: name the file that holds it with --config", l.options.Cluster)
	}
	if l.options.ConfigFile != "" {
		name, found, warnings, err := readCluster(l.options.ConfigFile, l.options.Cluster)
		if err != nil {
			return &UsageError{Err: err}
		}
		l.config.Cluster, l.cluster = name, found
		l.config.Warnings = append(l.config.Warnings, warnings...)
	}
	path, given := l.options.DefaultsFile, "--defaults-file"
	if path == "" {
		path, given = l.cluster.DefaultsFile, l.clusterPlace("defaults_file")
	}
	if path == "" {
		return nil
	}
	client, warnings, err := readOptionFile(path)
	if err != nil {
		return usagef("%s: %w", given, err)
	}
	l.client = client
	l.config.Warnings = append(l.config.Warnings, warnings...)
	return nil
}

// clusterPlace names a key of the chosen cluster in messages.
func (l *loader) clusterPlace(key string) string {
	return fmt.Sprintf("%s: cluster %s: %s", l.options.ConfigFile, l.config.Cluster, key)
}

func (l *loader) findSource() error {
	for _, candidate := range []struct {
		dsn, place string
		origin     origin
	}{
		{l.options.Source, "--source", fromFlag},
		{l.getenv(EnvSource), EnvSource, fromEnvironment},
		{l.cluster.Source, l.clusterPlace("source"), fromCluster},
	} {
		if candidate.dsn == "" {
			continue
		}
		endpoint, err := server.ParseDSN(candidate.dsn)
		if err != nil {
			return usagef("%s: %w", candidate.place, err)
		}
		l.config.Source, l.origin = &endpoint, candidate.origin
		return nil
	}
	if endpoint, ok := l.client.endpoint(); ok {
		l.config.Source, l.origin = &endpoint, fromDefaultsFile
		return nil
	}
	if l.options.ReplicasOnly {
		return nil
	}
	return usagef("no source server was named: give --source user@tcp(host:3306)/, set %s, or use --config or --defaults-file", EnvSource)
}

func (l *loader) findReplicas() error {
	if len(l.options.Replicas) > 0 {
		return l.addReplicas(l.options.Replicas, "--replica")
	}
	if listed := strings.Fields(l.getenv(EnvReplicas)); len(listed) > 0 {
		if l.origin == fromFlag && l.getenv(EnvSource) != "" {
			l.warn("%s is left out, since --source takes the place of the %s it belongs to", EnvReplicas, EnvSource)
		} else {
			return l.addReplicas(listed, EnvReplicas)
		}
	}
	if len(l.cluster.Replicas) > 0 {
		if l.origin == fromFlag || l.origin == fromEnvironment {
			l.warn("%s is left out, since the source was named elsewhere", l.clusterPlace("replicas"))
			return nil
		}
		return l.addReplicas(l.cluster.Replicas, l.clusterPlace("replicas"))
	}
	return nil
}

// joined is a list with commas, which could pass for one DSN whose user or password is odd.
var joined = regexp.MustCompile(`@(tcp|unix)\([^()]*\)/?,`)

func (l *loader) addReplicas(listed []string, place string) error {
	for i, dsn := range listed {
		if joined.MatchString(dsn) {
			return usagef("%s: a comma does not separate DSNs: repeat --replica for each, or put spaces between them in %s", place, EnvReplicas)
		}
		endpoint, err := server.ParseDSN(dsn)
		if err != nil {
			if len(listed) > 1 {
				return usagef("%s, number %d: %w", place, i+1, err)
			}
			return usagef("%s: %w", place, err)
		}
		l.config.Replicas = append(l.config.Replicas, endpoint)
	}
	return nil
}

func (l *loader) warn(format string, args ...any) {
	l.config.Warnings = append(l.config.Warnings, fmt.Sprintf(format, args...))
}

// endpoints are all servers, the source first.
func (l *loader) endpoints() []*server.Endpoint {
	var all []*server.Endpoint
	if l.config.Source != nil {
		all = append(all, l.config.Source)
	}
	for i := range l.config.Replicas {
		all = append(all, &l.config.Replicas[i])
	}
	return all
}

// complete fills in what the DSNs left open, passwords that must be asked for excepted.
func (l *loader) complete() error {
	mode, err := l.tlsMode()
	if err != nil {
		return err
	}
	l.config.StateDir = firstOf(l.options.StateDir, l.cluster.StateDir)
	source := l.config.Source
	if source == nil {
		source = &server.Endpoint{}
	}
	for _, endpoint := range l.endpoints() {
		endpoint.User = firstOf(endpoint.User, l.client.user, source.User)
		if endpoint.User == "" {
			return usagef("no user was named for %s: write user@%s/ or use --defaults-file", endpoint, endpoint)
		}
		if password := l.getenv(EnvPassword); !endpoint.PasswordSet && password != "" {
			endpoint.Password, endpoint.PasswordSet = server.Secret(password), true
		}
		if !endpoint.PasswordSet && l.client.passwordSet {
			endpoint.Password, endpoint.PasswordSet = l.client.password, true
		}
		if !endpoint.PasswordSet && source.PasswordSet && endpoint.User == source.User {
			endpoint.Password, endpoint.PasswordSet = source.Password, true
		}
		l.completeTLS(&endpoint.TLS, mode)
	}
	return nil
}

// forgetSource leaves the source out where it is nobody's business.
func (l *loader) forgetSource() error {
	if l.options.ReplicasOnly {
		l.config.Source = nil
	}
	return nil
}

// tlsMode is the mode for servers whose DSN names none.
func (l *loader) tlsMode() (server.TLSMode, error) {
	for _, candidate := range []struct{ text, place string }{
		{l.options.TLS, "--tls"},
		{l.cluster.TLS, l.clusterPlace("tls")},
	} {
		if candidate.text == "" {
			continue
		}
		mode, err := server.ParseTLSMode(candidate.text)
		if err != nil {
			return "", usagef("%s: %w", candidate.place, err)
		}
		return mode, nil
	}
	return l.client.tls.Mode, nil
}

// completeTLS takes certificate and key from one place, since they belong together.
func (l *loader) completeTLS(tls *server.TLS, mode server.TLSMode) {
	if tls.Mode == "" {
		tls.Mode = mode
	}
	tls.CAFile = firstOf(tls.CAFile, l.cluster.TLSCA, l.client.tls.CAFile)
	tls.ServerName = firstOf(tls.ServerName, l.cluster.TLSServerName)
	if tls.CertFile != "" || tls.KeyFile != "" {
		return
	}
	if tls.CertFile, tls.KeyFile = l.cluster.TLSCert, l.cluster.TLSKey; tls.CertFile == "" && tls.KeyFile == "" {
		tls.CertFile, tls.KeyFile = l.client.tls.CertFile, l.client.tls.KeyFile
	}
}

// askPasswords asks once for each user. Sockets are left out: they mostly log in by the system's user.
func (l *loader) askPasswords() error {
	if l.options.Prompt == nil {
		return nil
	}
	asked := make(map[string]server.Secret)
	for _, endpoint := range l.endpoints() {
		if endpoint.PasswordSet || endpoint.Network == "unix" {
			continue
		}
		password, known := asked[endpoint.User]
		if !known {
			text, err := l.options.Prompt("Password for " + endpoint.String() + ": ")
			if err != nil {
				return fmt.Errorf("asking for the password of %s: %w", endpoint, err)
			}
			password = server.Secret(text)
			asked[endpoint.User] = password
		}
		endpoint.Password, endpoint.PasswordSet = password, true
	}
	return nil
}

// refuseDoubles refuses a server named twice. The same server under two names is found out by connecting.
func (l *loader) refuseDoubles() error {
	seen := make(map[string]bool)
	for i, endpoint := range l.endpoints() {
		key := endpoint.Network + " " + endpoint.Address
		if !seen[key] {
			seen[key] = true
			continue
		}
		if i > 0 && l.config.Source != nil && endpoint.Network == l.config.Source.Network && endpoint.Address == l.config.Source.Address {
			return usagef("%s is named as the source and as a replica: comparing a server with itself proves nothing", endpoint.Address)
		}
		return usagef("replica %s is named twice", endpoint.Address)
	}
	return nil
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
