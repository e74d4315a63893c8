package recovery_test

import (
	"os"
	"testing"

	"trueup/integration"
)

func TestMain(m *testing.M) { os.Exit(integration.Main(m)) }
