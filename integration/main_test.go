package integration

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

// runTests gives checks of the built program a folder for their journals that is not the user's.
func runTests(m *testing.M) int {
	folder, err := os.MkdirTemp("", "trueup-test-state-")
	if err == nil {
		err = os.Setenv("XDG_STATE_HOME", folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	return Main(m)
}
