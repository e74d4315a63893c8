//go:build unix && !linux

package sandbox

import (
	"syscall"
	"time"
)

// processAttributes has no parent-death signal to ask for on these systems: a killed caller leaves its servers running.
func processAttributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// waitPaused gives the threads of a process that was sent SIGSTOP the time to stop; there is no portable way to see it.
func waitPaused(int) error {
	time.Sleep(100 * time.Millisecond)
	return nil
}
