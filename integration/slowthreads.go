package integration

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

//go:embed testdata/slowthreads.c
var slowThreadsSource []byte

const (
	slowThreadsLibrary = "/slowthreads.so" // in a container
	// slowThreadsMost is by how many microseconds a thread begins late, at the most.
	slowThreadsMost = "30000"
)

// slowThreads is the library that makes a server's threads begin late, compiled once for each test program. It takes a C compiler, as the race
// detector does.
var slowThreads = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "trueup-slowthreads-*")
	if err != nil {
		return "", err
	}
	slowThreadsFolder = folder
	source, library := filepath.Join(folder, "slowthreads.c"), filepath.Join(folder, "slowthreads.so")
	if err := os.WriteFile(source, slowThreadsSource, 0o600); err != nil {
		return "", err
	}
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "gcc"
	}
	if out, err := exec.Command(compiler, "-shared", "-fPIC", "-o", library, source, "-ldl", "-lpthread").CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile %s: %w\n%s", source, err, out)
	}
	return library, os.Chmod(folder, 0o755)
})

var slowThreadsFolder string

// removeSlowThreads is for the end of the test program.
func removeSlowThreads() {
	if slowThreadsFolder != "" {
		_ = os.RemoveAll(slowThreadsFolder)
	}
}

// slowEnvironment is what makes a server's threads slow whose library lies there; "": they are as they are.
func slowEnvironment(library string) map[string]string {
	if library == "" {
		return nil
	}
	return map[string]string{"LD_PRELOAD": library, "SLOW_THREADS_US": slowThreadsMost}
}
