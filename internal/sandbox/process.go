package sandbox

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a started server program, or the docker client that stands for a container.
type process struct {
	command   *exec.Cmd
	container string        // the container's name; "" for a program
	docker    string        // path of docker, with container
	ended     chan struct{} // closed when the program ended and was waited for
	waitErr   error         // readable after ended is closed
}

// startProcess starts the program. It is waited for by the goroutine that started it, locked to its
// thread: Linux delivers the parent-death signal when the *thread* that forked ends (prctl(2), PR_SET_PDEATHSIG),
// and Go ends threads of its own accord.
func startProcess(command *exec.Cmd, container, docker string) (*process, error) {
	p := &process{command: command, container: container, docker: docker, ended: make(chan struct{})}
	deathSignal := syscall.SIGKILL
	if container != "" {
		// The docker client passes SIGTERM on to the container; killed, it would leave the container running.
		deathSignal = syscall.SIGTERM
	}
	// A process group of its own: Ctrl-C on the terminal is for the caller, which stops its servers in order.
	command.SysProcAttr = processAttributes(deathSignal)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			p.waitErr = command.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return p, nil
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// wait waits for the end of the program, at most for limit; it tells whether it ended.
func (p *process) wait(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.ended:
		return true
	case <-timer.C:
		return false
	}
}

// dockerVerbs are signals that docker knows as commands of its own; all others go by docker kill --signal.
var dockerVerbs = map[syscall.Signal]string{syscall.SIGSTOP: "pause", syscall.SIGCONT: "unpause"}

// signal sends a signal to the server, in its container or out of it; after SIGSTOP it waits until the server stands
// still. A server that has ended is an error.
func (p *process) signal(signal syscall.Signal) error {
	if !p.alive() {
		return os.ErrProcessDone
	}
	if p.container == "" {
		err := p.command.Process.Signal(signal)
		if err == nil && signal == syscall.SIGSTOP {
			err = waitPaused(p.command.Process.Pid)
		}
		return err
	}
	args := []string{"kill", "--signal", fmt.Sprint(int(signal)), p.container}
	if verb, ok := dockerVerbs[signal]; ok {
		args = []string{verb, p.container}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, p.docker, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("docker %s %s: %w%s", args[0], p.container, err, tailOf(string(out), 3))
	}
	return nil
}

// kill ends the server at once and waits until it is gone.
func (p *process) kill() error {
	if !p.alive() {
		return nil
	}
	if p.container != "" {
		// A paused container takes no signal but this; one that is still being made is not there to be removed yet.
		for range 10 {
			removeContainer(p.docker, p.container)
			if p.wait(time.Second) {
				return nil
			}
		}
	}
	if err := p.command.Process.Kill(); err != nil && p.alive() {
		return fmt.Errorf("kill the server (process %d): %w", p.command.Process.Pid, err)
	}
	if !p.wait(20 * time.Second) {
		return fmt.Errorf("the server (process %d) was killed but has not ended for 20s", p.command.Process.Pid)
	}
	return nil
}

// removeContainer removes a container in whatever state it is; one that does not exist is no error.
func removeContainer(docker, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = exec.CommandContext(ctx, docker, "rm", "--force", name).Run()
}
