package binlog_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds what a reader leaves running.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
