package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// sample is one run of a tool.
type sample struct {
	wall      time.Duration
	clientCPU time.Duration // user and system time of the tool and what it started
	serverCPU time.Duration // of both servers, during the run
	peak      int64         // resident memory of the tool, bytes
}

const (
	sampleEvery = 10 * time.Millisecond
	runLimit    = 30 * time.Minute
	// clockTick is the unit of /proc/PID/stat: USER_HZ, which is 100 on every Linux that Go runs on (proc(5)).
	clockTick = 10 * time.Millisecond
)

// measure runs the tool once and proves afterwards, outside the measured time, that it verified the table.
func measure(ctx context.Context, t tool, on *servers) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	before, err := serverCPU(on)
	if err != nil {
		return sample{}, err
	}
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, t.command[0], t.command[1:]...)
	command.Stdout, command.Stderr = &stdout, &stderr
	began := time.Now()
	if err := command.Start(); err != nil {
		return sample{}, err
	}
	ended, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watchMemory(command.Process.Pid, ended) }()
	err = command.Wait()
	one := sample{wall: time.Since(began)}
	close(ended)
	one.peak = <-peak
	if code := command.ProcessState.ExitCode(); code != t.success {
		return sample{}, fmt.Errorf("exit code %d instead of %d: %w\n%s%s", code, t.success, err, stderr.String(), stdout.String())
	}
	after, err := serverCPU(on)
	if err != nil {
		return sample{}, err
	}
	one.serverCPU = after - before
	one.clientCPU = command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	if err := t.verify(ctx, stdout.Bytes()); err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, stderr.String())
	}
	return one, nil
}

// watchMemory returns the highest resident memory of a process in bytes. The kernel's own account of a child that ended
// (ru_maxrss) is no use: it includes this program's memory, which the child shared until it became the tool.
func watchMemory(pid int, ended <-chan struct{}) int64 {
	var peak int64
	for {
		select {
		case <-ended:
			return peak
		case <-time.After(sampleEvery):
			peak = max(peak, highWaterMark(pid))
		}
	}
}

func highWaterMark(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "VmHWM:" {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes * 1024
		}
	}
	return 0
}

// serverCPU is the time both servers have used so far.
func serverCPU(on *servers) (time.Duration, error) {
	var total time.Duration
	for _, pid := range []int{on.source.PID(), on.replica.PID()} {
		if pid == 0 {
			return 0, fmt.Errorf("the servers' CPU can be measured only where they run as programs of this machine (%s)", on.title)
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		used, err := cpuOf(string(stat))
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		total += used
	}
	return total, nil
}

// cpuOf reads user and system time from the text of /proc/PID/stat. The program's name, in parentheses, may hold
// anything; fields are counted behind it.
func cpuOf(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system = 14 - 3, 15 - 3 // numbers of proc(5), counted from the third
	if len(fields) <= system {
		return 0, fmt.Errorf("too short: %q", stat)
	}
	var ticks int64
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}
