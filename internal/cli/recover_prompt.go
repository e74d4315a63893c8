package cli

import (
	"context"
	"errors"
	"io"
	"os"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"golang.org/x/term"

	"trueup/recovery"
)

// prompter asks on the terminal; nil where standard input or standard error is none: a question has to be seen.
func (p Process) prompter() prompter {
	in, isFile := p.In.(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	out, isFile := p.Err.(*os.File)
	if !isFile || !term.IsTerminal(int(out.Fd())) {
		return nil
	}
	width, height, err := term.GetSize(int(out.Fd()))
	return terminalPrompter{in: in, out: out, plain: p.Getenv("TERM") == "dumb" || err != nil || width <= 0 || height <= 0}
}

// terminalPrompter asks with forms that are redrawn, and with plain lines where the terminal is dumb or has no size, such as a serial line.
type terminalPrompter struct {
	in    *os.File
	out   io.Writer
	plain bool
}

// pick puts what changes nothing first, under the cursor: neither a key that was pressed too often nor the end of the input does anything.
func (t terminalPrompter) pick(ctx context.Context, title string, ways []way) (recovery.Action, error) {
	options := []huh.Option[recovery.Action]{huh.NewOption("leave it as it is", recovery.Plan)}
	for _, w := range ways {
		options = append(options, huh.NewOption(w.label, w.action))
	}
	chosen := recovery.Plan
	field := huh.NewSelect[recovery.Action]().Title(title).Options(options...).Value(&chosen)
	if err := t.run(ctx, field); err != nil {
		return recovery.Plan, err
	}
	return chosen, nil
}

func (t terminalPrompter) confirm(ctx context.Context, question, explained, yes string) (bool, error) {
	sure := false
	field := huh.NewConfirm().Title(question).Description(explained).Affirmative(yes).Negative("No").Value(&sure)
	if t.plain {
		field.Title(question + " " + explained)
	}
	if err := t.run(ctx, field); err != nil {
		return false, err
	}
	return sure, nil
}

// run shows one field until it is answered. The process's own signal handler stays in charge: it ends ctx, which ends the form and puts the
// terminal back as it was.
func (t terminalPrompter) run(ctx context.Context, field huh.Field) error {
	keys := huh.NewDefaultKeyMap()
	keys.Select.Filter.SetEnabled(false) // the list is short
	form := huh.NewForm(huh.NewGroup(field)).WithInput(t.in).WithOutput(t.out).WithAccessible(t.plain).WithKeyMap(keys).
		WithTheme(huh.ThemeFunc(huh.ThemeBase16)).WithProgramOptions(tea.WithoutSignalHandler(), tea.WithInput(t.in), tea.WithOutput(t.out))
	answered := make(chan error, 1)
	if t.plain { // it knows no context; its reader waits on when that ends
		go func() { answered <- form.RunWithContext(ctx) }()
	} else {
		answered <- form.RunWithContext(ctx)
	}
	select {
	case err := <-answered:
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, huh.ErrUserAborted):
			return errAborted
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
