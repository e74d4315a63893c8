package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"trueup/server"
)

// answers tells whether the administrator can log in and be told who answers.
func (i *Instance) answers(ctx context.Context) bool {
	// One that accepts but does not answer must not use up the whole time.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	opened, err := server.Open(ctx, i.AdminEndpoint())
	if err != nil {
		return false
	}
	_ = opened.Close()
	return true
}

// Stop kills the server and removes its folder. It may be called twice, and on a server in any state.
func (i *Instance) Stop() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stopped {
		return nil
	}
	if i.process != nil {
		// No shutdown: everything it could save is removed anyway.
		if err := i.process.kill(); err != nil {
			return fmt.Errorf("stop %s on port %d: %w", i.options.Name, i.port, err)
		}
	}
	i.stopped = true
	if err := i.folder.remove(); err != nil {
		return fmt.Errorf("remove the folder of %s: %w", i.options.Name, err)
	}
	return nil
}

// Kill ends the server at once, as kill -9 does, and keeps its folder: Restart brings it back.
func (i *Instance) Kill() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.process == nil || !i.process.alive() {
		return i.failed("kill", os.ErrProcessDone)
	}
	return i.failed("kill", i.process.kill())
}

// Shutdown ends the server in order and keeps its folder: Restart brings it back. A server that has not ended after 30
// seconds is killed and an error returned.
func (i *Instance) Shutdown() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.failed("shut down", i.shutdown())
}

func (i *Instance) shutdown() error {
	if i.process == nil || !i.process.alive() {
		return nil
	}
	_ = i.process.signal(syscall.SIGCONT) // a paused server would not see the next one
	if err := i.process.signal(syscall.SIGTERM); err != nil && i.process.alive() {
		return err
	}
	if !i.process.wait(shutdownLimit) {
		return errors.Join(fmt.Errorf("it did not end in %s, its log ends with:\n%s", shutdownLimit, i.LogTail(15)), i.process.kill())
	}
	return nil
}

// Pause freezes the server (SIGSTOP): its connections stay open and nothing answers. Resume ends it.
func (i *Instance) Pause() error { return i.signal("pause", syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (i *Instance) Resume() error { return i.signal("resume", syscall.SIGCONT) }

func (i *Instance) signal(what string, signal syscall.Signal) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.process == nil {
		return i.failed(what, os.ErrProcessDone)
	}
	return i.failed(what, i.process.signal(signal))
}

// Restart starts the server again on the same port and data, after shutting it down in order when it runs. Extra
// arguments replace those of Options.Args when any are given.
func (i *Instance) Restart(ctx context.Context, args ...string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stopped {
		return i.failed("restart", errors.New("it was stopped and its folder is gone"))
	}
	if err := i.shutdown(); err != nil {
		return i.failed("restart", err)
	}
	if len(args) > 0 {
		i.options.Args = append([]string(nil), args...)
	}
	for attempt := 1; ; attempt++ {
		err := i.launch(ctx)
		if !errors.Is(err, syscall.EADDRINUSE) || attempt == portAttempts {
			return i.failed("restart", err)
		}
		time.Sleep(250 * time.Millisecond) // its port is part of its name: wait until whoever took it is gone
	}
}

func (i *Instance) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s on port %d: %w", what, i.options.Name, i.port, err)
}
