package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// file is trueup.yaml.
type file struct {
	Clusters map[string]cluster `yaml:"clusters"`
}

// cluster is one named set of servers. Paths are relative to the file.
type cluster struct {
	Source        string   `yaml:"source"`
	Replicas      []string `yaml:"replicas"`
	DefaultsFile  string   `yaml:"defaults_file"`
	TLS           string   `yaml:"tls"`
	TLSCA         string   `yaml:"tls_ca"`
	TLSCert       string   `yaml:"tls_cert"`
	TLSKey        string   `yaml:"tls_key"`
	TLSServerName string   `yaml:"tls_server_name"`
	StateDir      string   `yaml:"state_dir"`
}

// readCluster reads the named cluster of a configuration file, or its only one.
func readCluster(path, name string) (chosen string, found cluster, warnings []string, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", cluster{}, nil, fmt.Errorf("--config: %w", err)
	}
	parsed, err := parseFile(content)
	if err != nil {
		return "", cluster{}, nil, fmt.Errorf("--config: %s: %w", path, err)
	}
	names := slices.Sorted(maps.Keys(parsed.Clusters))
	switch {
	case len(names) == 0:
		return "", cluster{}, nil, fmt.Errorf("--config: %s holds no cluster; it begins like\nclusters:\n  prod:\n    source: user@tcp(host:3306)/", path)
	case name == "" && len(names) > 1:
		return "", cluster{}, nil, fmt.Errorf("--config: %s holds several clusters: choose one with --cluster %s", path, strings.Join(names, " or --cluster "))
	case name == "":
		name = names[0]
	}
	found, ok := parsed.Clusters[name]
	if !ok {
		return "", cluster{}, nil, fmt.Errorf("--cluster %s: %s has no such cluster; it has %s", name, path, strings.Join(names, ", "))
	}
	for _, relative := range []*string{&found.DefaultsFile, &found.TLSCA, &found.TLSCert, &found.TLSKey, &found.StateDir} {
		*relative = resolve(*relative, filepath.Dir(path))
	}
	if holdsPassword(parsed) {
		warnings = warnReadable(path)
	}
	return name, found, warnings, nil
}

// resolve makes a path of the configuration file absolute or relative to the working directory.
func resolve(path, folder string) string {
	if rest, inHome := strings.CutPrefix(path, "~/"); inHome {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

func parseFile(content []byte) (file, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	var parsed file
	if err := decoder.Decode(&parsed); err != nil && !errors.Is(err, io.EOF) {
		return file{}, errors.New(tellYAML(err))
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return file{}, errors.New("there is more than one document (---) in it")
	}
	return parsed, nil
}

var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type config\.\w+`)
	// quoted is what the decoder cites of the file, which may be the beginning of a password.
	quoted   = regexp.MustCompile("(?s)`.*`|'[^']*'")
	typeName = strings.NewReplacer("map[string]config.cluster", "named clusters", "config.cluster", "the keys of a cluster",
		"config.file", "clusters: …", "[]string", "a list", "!!str", "text", "!!seq", "a list", "!!map", "keys and values", "!!int", "a number", "yaml: ", "")
)

// tellYAML words the decoder's errors for a person, without what they cite.
func tellYAML(err error) string {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return typeName.Replace(quoted.ReplaceAllString(err.Error(), "…"))
	}
	lines := make([]string, len(wrong.Errors))
	for i, line := range wrong.Errors {
		line = unknownField.ReplaceAllString(line, `unknown key "$1"`)
		lines[i] = strings.ReplaceAll(typeName.Replace(quoted.ReplaceAllString(line, "")), "cannot unmarshal ", "cannot take ")
		lines[i] = strings.ReplaceAll(lines[i], "  ", " ")
	}
	return strings.Join(lines, "; ")
}

func holdsPassword(parsed file) bool {
	for _, c := range parsed.Clusters {
		for _, dsn := range append([]string{c.Source}, c.Replicas...) {
			credentials := strings.TrimPrefix(dsn, "mysql://")
			if at := strings.LastIndex(credentials, "@"); at >= 0 && strings.Contains(credentials[:at], ":") {
				return true
			}
		}
	}
	return false
}

// warnReadable warns of a file with a password that everybody on the machine can read.
func warnReadable(path string) []string {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o004 == 0 || info.Mode()&fs.ModeType != 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s holds a password and every user of this machine can read it: chmod o-rwx %s", path, path)}
}
