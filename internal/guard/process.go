package guard

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// Argument is the program's only argument when it is started as a guard.
const Argument = "guard-of-a-running-check"

const (
	// startLimit is how long a guard has to come up; the appliers still run meanwhile.
	startLimit = 3 * time.Second
	// tellLimit is how long a message may take: an applier stands.
	tellLimit = 100 * time.Millisecond
	// endLimit is how long Close waits for a guard that has nothing to do to be gone.
	endLimit = 2 * time.Second
)

// message is one thing that a guard is told.
type message struct {
	Upstream, Replica server.Endpoint
	Pause             syncpoint.Pause
	Over              bool
}

// Process is a guard as the process that is watched sees it. It is safe for concurrent use.
type Process struct {
	journal func() *os.File

	mutex   sync.Mutex
	command *exec.Cmd
	pipe    *os.File // messages; nil before the start and after the end
	buffer  bytes.Buffer
	encoder *gob.Encoder
	open    map[string]bool
	ended   chan struct{}
	over    bool
}

// New prepares a guard that is started with the first pause. journal returns the file it goes on with; it may return nil.
func New(journal func() *os.File) *Process {
	return &Process{journal: journal, open: map[string]bool{}}
}

// Watch tells the guard of a pause, and starts it with the first one. The first error is the last: there is no guard from
// then on, and later calls return nil.
func (p *Process) Watch(upstream, replica server.Endpoint, pause syncpoint.Pause) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.over {
		return nil
	}
	if p.command == nil {
		if err := p.start(); err != nil {
			p.over = true
			return fmt.Errorf("the guard process could not be started: %w", err)
		}
	}
	p.open[pause.ID] = true
	return p.send(message{Upstream: upstream, Replica: replica, Pause: pause})
}

// Unwatch tells the guard that a pause is over.
func (p *Process) Unwatch(pause syncpoint.Pause) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.open, pause.ID)
	if p.over || p.command == nil {
		return nil
	}
	return p.send(message{Pause: pause, Over: true})
}

// send is one Write, so that a guard gets a message whole or not at all.
func (p *Process) send(m message) error {
	p.buffer.Reset()
	err := p.encoder.Encode(m)
	if err == nil {
		err = p.pipe.SetWriteDeadline(time.Now().Add(tellLimit))
	}
	if err == nil {
		_, err = p.pipe.Write(p.buffer.Bytes())
	}
	if err == nil {
		return nil
	}
	// One that hangs must not wake up later and act on what it heard last.
	p.over = true
	_ = p.command.Process.Kill()
	_ = p.pipe.Close()
	return fmt.Errorf("the guard process has ended or hangs, the check goes on without it: %w", err)
}

// start starts the program as a guard and waits until it listens.
func (p *Process) start() error {
	command, err := ownProgram()
	if err != nil {
		return err
	}
	listens, pipe, err := os.Pipe()
	if err != nil {
		return err
	}
	defer listens.Close()
	ready, says, err := os.Pipe()
	if err != nil {
		return errors.Join(err, pipe.Close())
	}
	defer ready.Close()
	command.Stdin, command.Stdout = listens, says
	if file := p.journal(); file != nil {
		command.ExtraFiles = []*os.File{file}
	}
	// A session of its own: what ends the check's terminal or process group does not reach it.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = errors.Join(command.Start(), says.Close())
	if err != nil {
		return errors.Join(err, pipe.Close())
	}
	p.command, p.pipe, p.ended = command, pipe, make(chan struct{})
	p.encoder = gob.NewEncoder(&p.buffer)
	go func(ended chan struct{}) {
		_ = command.Wait()
		close(ended)
	}(p.ended)
	if err := ready.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return errors.Join(err, command.Process.Kill(), pipe.Close())
	}
	if _, err := io.ReadFull(ready, make([]byte, len(readyText))); err != nil {
		return errors.Join(fmt.Errorf("it did not say that it is ready: %w", err), command.Process.Kill(), pipe.Close())
	}
	return nil
}

// readyText is what a guard says once it listens.
const readyText = "ready"

// ownProgram is this program, to be started as a guard, without what the environment holds for checks.
func ownProgram() (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(path, Argument)
	if runtime.GOOS == "linux" {
		command.Path = "/proc/self/exe" // also when the file was replaced meanwhile
	}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "TRUEUP_") {
			command.Env = append(command.Env, variable)
		}
	}
	return command, nil
}

// Close ends a guard that has nothing to undo, and waits until it is gone; one that has is left to do it.
func (p *Process) Close() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.over || p.command == nil {
		return
	}
	p.over = true
	_ = p.pipe.Close()
	if len(p.open) > 0 {
		return
	}
	select {
	case <-p.ended:
	case <-time.After(endLimit):
		_ = p.command.Process.Kill()
	}
}
