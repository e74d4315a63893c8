package sandboxtest

import (
	"os"
	"testing"

	"trueup/internal/sandbox"
	"trueup/server"
)

// Require skips the test when this machine can run no server, or fails it where REQUIRE_SERVERS=1.
func Require(t testing.TB) {
	t.Helper()
	if _, err := sandbox.Find(t.Context()); err != nil {
		if os.Getenv("REQUIRE_SERVERS") == "1" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED, NOT PROVEN: ", err)
	}
}

// Start starts a server that stops when the test ends.
func Start(t testing.TB, options sandbox.Options) *sandbox.Instance {
	t.Helper()
	Require(t)
	instance, err := sandbox.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := instance.Stop(); err != nil {
			t.Error(err)
		}
	})
	return instance
}

// Session opens a control session.
func Session(t testing.TB, endpoint server.Endpoint) *server.Session {
	t.Helper()
	opened, err := server.Open(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	session, err := opened.Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}
