package config

import "path/filepath"

// EnvStateHome and EnvHome say where programs keep their state (XDG Base Directory Specification).
const (
	EnvStateHome = "XDG_STATE_HOME"
	EnvHome      = "HOME"
)

// StateDir is the folder for what outlives a run: the one that was asked for, else trueup in $XDG_STATE_HOME (which must be
// absolute to count), else in ~/.local/state. It makes nothing. It fails with *UsageError where none of them is known.
func StateDir(asked string, getenv func(string) string) (string, error) {
	if asked != "" {
		path, err := filepath.Abs(asked)
		if err != nil {
			return "", usagef("--state-dir %s: %w", asked, err)
		}
		return path, nil
	}
	if home := getenv(EnvStateHome); filepath.IsAbs(home) {
		return filepath.Join(home, "trueup"), nil
	}
	if home := getenv(EnvHome); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "trueup"), nil
	}
	return "", usagef("there is no folder for the journal of pauses: neither %s nor %s is set; choose one with --state-dir", EnvStateHome, EnvHome)
}
