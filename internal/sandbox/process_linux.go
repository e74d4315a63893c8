package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// processAttributes asks the kernel to send deathSignal when the caller dies. Go's fork checks that the parent is
// still there after asking, so that no server is left behind by a parent that died in between.
func processAttributes(deathSignal syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: deathSignal}
}

const stopLimit = 5 * time.Second

// waitPaused waits until every thread of a process has stopped: SIGSTOP is delivered after kill(2) has returned, and
// a thread that runs on another CPU may still answer a statement.
func waitPaused(pid int) error {
	for deadline := time.Now().Add(stopLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if allStopped(pid) {
			return nil
		}
	}
	return fmt.Errorf("process %d was sent SIGSTOP but has not stopped for %s", pid, stopLimit)
}

func allStopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the thread ended meanwhile
		}
		// The state follows the name, which is in parentheses and may hold anything (proc(5)).
		state := strings.TrimSpace(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if !strings.HasPrefix(state, "T") && !strings.HasPrefix(state, "t") {
			return false
		}
	}
	return len(threads) > 0
}
