package check

import (
	"fmt"
	"log/slog"
	"testing"
)

func TestWarningsReachTheResult(t *testing.T) {
	t.Parallel()
	var got []string
	warn := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
	logger := slog.New(&warningHandler{Handler: slog.DiscardHandler, warn: warn}).With("replica", "r:1")
	logger.Info("nothing")
	logger.Warn("the switch stays", "error", "gone")
	if len(got) != 1 || got[0] != "the switch stays, replica r:1, error gone" {
		t.Errorf("warnings %q", got)
	}
}
