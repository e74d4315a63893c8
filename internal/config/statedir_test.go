package config

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestStateDir(t *testing.T) {
	t.Parallel()
	working, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ asked, xdg, home, want string }{
		{"/var/lib/t", "/x", "/h", "/var/lib/t"},
		{"state", "", "", filepath.Join(working, "state")},
		{"", "/x", "/h", "/x/trueup"},
		{"", "x", "/h", "/h/.local/state/trueup"},
		{"", "", "/h", "/h/.local/state/trueup"},
		{"", "", "", ""},
		{"", "x", "h", ""},
	} {
		got, err := StateDir(test.asked, func(name string) string { return map[string]string{EnvStateHome: test.xdg, EnvHome: test.home}[name] })
		var usage *UsageError
		if got != test.want || (err != nil) != (test.want == "") || err != nil && !errors.As(err, &usage) {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
	}
}
