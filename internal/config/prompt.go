package config

import (
	"context"
	"fmt"
	"io"
	"os"

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
