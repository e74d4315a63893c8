package config

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// TerminalPrompt asks on a terminal without showing what is typed. It is nil when in is no terminal. When ctx ends
// while it waits, it puts the terminal back as it was and returns the context's error; its reader then waits on.
func TerminalPrompt(ctx context.Context, in *os.File, out io.Writer) func(string) (string, error) {
	descriptor := int(in.Fd())
	if !term.IsTerminal(descriptor) {
		return nil
	}
	return func(prompt string) (string, error) {
		before, err := term.GetState(descriptor)
		if err != nil {
			return "", err
		}
		fmt.Fprint(out, prompt)
		defer fmt.Fprintln(out)
		type answer struct {
			text []byte
			err  error
		}
		typed := make(chan answer, 1)
		go func() {
			text, err := term.ReadPassword(descriptor)
			typed <- answer{text, err}
		}()
		select {
		case a := <-typed:
			return string(a.text), a.err
		case <-ctx.Done():
			_ = term.Restore(descriptor, before)
			return "", ctx.Err()
		}
	}
}

// TerminalConfirm asks on a terminal for a yes; anything else that is typed is a no. It is nil when in is no terminal. When ctx ends while
// it waits it returns the context's error; its reader then waits on.
func TerminalConfirm(ctx context.Context, in *os.File, out io.Writer) func(question string) (bool, error) {
	if !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	return func(question string) (bool, error) {
		fmt.Fprint(out, question+" [y/N] ")
		type answer struct {
			text string
			err  error
		}
		typed := make(chan answer, 1)
		go func() {
			text, err := bufio.NewReader(in).ReadString('\n')
			typed <- answer{text, err}
		}()
		select {
		case a := <-typed:
			if errors.Is(a.err, io.EOF) { // Ctrl-D: the line has no end yet
				fmt.Fprintln(out)
				a.err = nil
			}
			return saysYes(a.text), a.err
		case <-ctx.Done():
			fmt.Fprintln(out)
			return false, ctx.Err()
		}
	}
}

// saysYes takes only a plain yes for one.
func saysYes(answer string) bool {
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}
