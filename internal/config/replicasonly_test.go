package config

import (
	"strings"
	"testing"
)

// TestReplicasOnly: a command that works without the source needs none; one that is named lends its user and password and is forgotten.
func TestReplicasOnly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sources sources
		want    string // of the replica
		problem string
	}{
		"all of it in the DSN": {sources{options: Options{Replicas: []string{"u:hidden@tcp(h2:1)/"}}}, "u@tcp(h2:1) hidden", ""},
		"the environment's source lends": {sources{options: Options{Replicas: []string{"tcp(h2:1)/"}}, env: map[string]string{EnvSource: "u:hidden@tcp(h1:1)/"}},
			"u@tcp(h2:1) hidden", ""},
		"the source itself": {sources{options: Options{Replicas: []string{"tcp(h1:1)/"}}, env: map[string]string{EnvSource: "u:hidden@tcp(h1:1)/"}},
			"u@tcp(h1:1) hidden", ""},
		"the option file lends": {sources{options: Options{Replicas: []string{"tcp(h2:1)/"}}, cnf: "[client]\nuser=u\npassword=hidden\n"}, "u@tcp(h2:1) hidden", ""},
		"asked":                 {sources{options: Options{Replicas: []string{"u@tcp(h2:1)/"}}, typed: "hidden"}, "u@tcp(h2:1) hidden", ""},
		"no user":               {sources{options: Options{Replicas: []string{"tcp(h2:1)/"}}}, "", "no user was named"},
		"a wrong source":        {sources{options: Options{Replicas: []string{"u@tcp(h2:1)/"}}, env: map[string]string{EnvSource: "u:hidden@h1"}}, "", EnvSource},
	} {
		test.sources.options.ReplicasOnly = true
		loaded, prompts, err := test.sources.load(t)
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || loaded.Source != nil || len(loaded.Replicas) != 1 || describe(loaded.Replicas[0]) != test.want || len(prompts) > 1 {
			t.Errorf("%s: %v, %+v, asked %q", name, err, loaded, prompts)
		}
	}
	if _, _, err := (sources{options: Options{Replicas: []string{"u@tcp(h2:1)/", "u@tcp(h2:1)/"}, ReplicasOnly: true}}).load(t); err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("twice: %v", err)
	}
}

func TestSaysYes(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "Yes\r\n": true, " YES ": true, "y": true, "\n": false, "": false, "n\n": false, "yy": false, "yes please": false, "ja": false} {
		if saysYes(answer) != want {
			t.Errorf("%q", answer)
		}
	}
}
