package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trueup/recovery"
	"trueup/report"
	"trueup/server"
)

// prompter asks a person at a terminal.
type prompter interface {
	// pick asks for one of the ways out; recovery.Plan is to leave everything as it is.
	pick(ctx context.Context, title string, ways []way) (recovery.Action, error)
	// confirm asks for a yes; anything else is a no.
	confirm(ctx context.Context, question, explained, yes string) (bool, error)
}

// way is one way out as it stands in the list to choose from.
type way struct {
	action recovery.Action
	label  string
}

// errAborted says that a person pressed ctrl-C when asked. It is a kind of cancellation: nothing more is done.
var errAborted = fmt.Errorf("ended at the prompt: %w", context.Canceled)

const (
	byTerminal    = "terminal"
	byCommandLine = "command line"
	// askedErrors is how many errors a person is asked about, one behind the other: as many as there are.
	askedErrors = 1_000_000
)

// choose decides about one error: as the command line says, or as a person does.
func (r *recoverRun) choose(ctx context.Context, d *recovery.Diagnosis) (choice recovery.Choice, err error) {
	defer func() { r.aborted = r.aborted || errors.Is(err, errAborted) }()
	nothing := recovery.Choice{Action: recovery.Plan, By: byCommandLine}
	action := r.options.action
	if action == recovery.Fix && r.request.Continue != nil && d.Option(action) == nil && d.Mended() {
		action = recovery.Retry // the fix that was cut short has mended the rows
	}
	switch {
	case action == recovery.Plan:
		return nothing, nil
	case action != "" && d.Option(action) == nil:
		r.notes, r.unoffered = append(r.notes, notOffered(action, d)), string(action)
		return nothing, nil
	case action != "" && r.options.yes && d.Option(action).Doubtful && !r.options.shared:
		r.notes = append(r.notes, doubtful(action, d))
		return nothing, nil
	case action != "" && r.options.yes:
		return recovery.Choice{Action: action, By: byCommandLine}, nil
	case r.prompt == nil:
		return nothing, nil
	}
	if err := r.show(d); err != nil {
		return nothing, err
	}
	defer r.process.Notices.through(onNewLine{r.process.Err})()
	fmt.Fprintln(r.process.Err)
	if action == "" {
		choice, err = r.ask(ctx, d)
	} else {
		choice, err = r.confirmed(ctx, d, action)
	}
	if err == nil {
		r.echo(choice)
	}
	return choice, err
}

// echo leaves the answer on the terminal: the question is gone from it once it is answered.
func (r *recoverRun) echo(choice recovery.Choice) {
	chosen := string(choice.Action)
	if choice.Action == recovery.Plan {
		chosen = "leave it as it is"
	}
	fmt.Fprintf(r.process.Err, "Chosen: %s\n", chosen)
}

// show prints a diagnosis for the person who is going to be asked.
func (r *recoverRun) show(d *recovery.Diagnosis) error {
	r.shown++
	return report.WriteDiagnosis(r.process.Err, d, report.TextOptionsFor(r.process.Err, r.options.output.verbose))
}

// ask lets a person choose among the ways out, and confirm a skip.
func (r *recoverRun) ask(ctx context.Context, d *recovery.Diagnosis) (recovery.Choice, error) {
	nothing := recovery.Choice{Action: recovery.Plan, By: byTerminal}
	ways := waysOut(d)
	if len(ways) == 0 {
		return nothing, nil
	}
	action, err := r.prompt.pick(ctx, fmt.Sprintf("What to do about error %d on %s?", d.Error.Number, report.Harmless(d.Replica.Address)), ways)
	switch {
	case err != nil || action == recovery.Plan:
		return nothing, err
	case action == recovery.Skip || d.Option(action).Doubtful:
		return r.confirmed(ctx, d, action)
	}
	return recovery.Choice{Action: action, By: byTerminal}, nil
}

// confirmed asks for a plain yes to one action.
func (r *recoverRun) confirmed(ctx context.Context, d *recovery.Diagnosis, action recovery.Action) (recovery.Choice, error) {
	question, explained := question(d, action)
	yes, err := r.prompt.confirm(ctx, question, explained, "Yes, "+string(action))
	if err != nil || !yes {
		action = recovery.Plan
	}
	return recovery.Choice{Action: action, By: byTerminal}, err
}

// waysOut are those that trueup can take, in the diagnosis's order. Rebuilding is explained above them.
func waysOut(d *recovery.Diagnosis) (ways []way) {
	for _, o := range d.Options {
		if o.Action == recovery.Rebuild {
			continue
		}
		ways = append(ways, way{o.Action, fmt.Sprintf("%s: %s", o.Action, losesLine(o))})
	}
	return ways
}

// losesLine says in a few words what an option loses.
func losesLine(o recovery.Option) string {
	switch {
	case len(o.Lost) > 0:
		return "loses " + rowsLost(o) + " until they are repaired from the source"
	case len(o.Whole) > 0:
		return "what it loses is not known; the tables are compared afterwards"
	case len(o.Loses) > 0:
		return "loses " + short(report.Harmless(server.MaskSecrets(o.Loses[0])))
	}
	if o.FailsAgain {
		return "loses nothing, but fails again as things are"
	}
	return "loses nothing"
}

// labelWidth is as much of a sentence as stands in one line of the list.
const labelWidth = 60

func short(sentence string) string {
	runes := []rune(strings.Join(strings.Fields(sentence), " "))
	if len(runes) <= labelWidth {
		return string(runes)
	}
	return string(runes[:labelWidth-1]) + "…"
}

func rowsLost(o recovery.Option) string {
	if len(o.Lost) == 1 {
		return "1 row change"
	}
	return fmt.Sprintf("%d row changes", len(o.Lost))
}

// question asks for one action, and says what it means.
func question(d *recovery.Diagnosis, action recovery.Action) (question, explained string) {
	on := report.Harmless(d.Replica.Address)
	o := d.Option(action)
	switch action {
	case recovery.Skip:
		name := "the transaction"
		if d.Transaction != nil && d.Transaction.GTID != "" {
			name = "transaction " + report.Harmless(d.Transaction.GTID)
		}
		question = fmt.Sprintf("Skip %s on %s?", name, on)
		explained = "Which rows are lost is not known; whole tables are compared afterwards, and repaired."
		if len(o.Lost) > 0 {
			explained = fmt.Sprintf("%s of it would not happen there (listed above); they are repaired from the source afterwards.", capitalised(rowsLost(*o)))
		}
	case recovery.Retry:
		question, explained = fmt.Sprintf("Let the applier of %s try again?", on), "Nothing else is changed."
		if o.FailsAgain {
			explained += " It fails again as things are."
		}
	default:
		question, explained = fmt.Sprintf("Fix %s as described above?", on), "What is changed there is in the journal, and can be undone."
	}
	if o.Doubtful {
		explained += " Rows that another source writes to the same tables may be among them (said above)."
	}
	return question, explained
}

// doubtful says why --yes is not enough, and what is.
func doubtful(action recovery.Action, d *recovery.Diagnosis) string {
	return fmt.Sprintf("--action %s --yes does nothing about error %d: another source may write to the same tables (see what this loses), and rows of it could be removed or changed. "+
		"Look at the rows; then add --shared-tables, or run it on a terminal without --yes and answer there", action, d.Error.Number)
}

func capitalised(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// notOffered says that an action is none of the ways out of an error, and which are.
func notOffered(action recovery.Action, d *recovery.Diagnosis) string {
	var offered []string
	for _, o := range d.Options {
		if o.Action != recovery.Rebuild {
			offered = append(offered, string(o.Action))
		}
	}
	if len(offered) == 0 {
		offered = []string{"none that trueup can take by itself"}
	}
	return fmt.Sprintf("--action %s is no way out of error %d, so nothing was done about it; the ways out are: %s", action, d.Error.Number, strings.Join(offered, ", "))
}
