package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// usageError is a command line that cannot be carried out: exit code 64.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// checkArguments refuses, in our own words, every command line that urfave/cli would refuse in its own or let pass
// without a word: unknown commands, arguments behind which flags would be ignored, a flag of one value given twice, a
// flag taken for another flag's value. Help is not its business.
func checkArguments(app *cli.App, args []string) error {
	if len(args) == 0 {
		return usagef("no command was given; see \"trueup help\"")
	}
	if strings.HasPrefix(args[0], "-") {
		return checkLeadingFlag(app, args[0])
	}
	command, err := commandNamed(app, args[0])
	if err != nil {
		return err
	}
	rest := args[1:]
	if len(command.Subcommands) > 0 {
		if command, err = subcommandNamed(command, rest); err != nil {
			return err
		}
		rest = rest[1:]
	}
	return checkFlags(command, rest)
}

// subcommandNamed is the command of a group that the arguments begin with.
func subcommandNamed(group *cli.Command, args []string) (*cli.Command, error) {
	var names []string
	for _, command := range group.Subcommands {
		if len(args) > 0 && command.Name == args[0] {
			return command, nil
		}
		names = append(names, command.Name)
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return nil, usagef("\"trueup %s\" needs one of its commands first: %s", group.Name, strings.Join(names, ", "))
	}
	return nil, usagef("\"trueup %s\" has no command %q%s; it has %s", group.Name, args[0], didYouMean("", args[0], names), strings.Join(names, ", "))
}

// title is what a command is called after the program's name; one of a group has the group as its category.
func title(command *cli.Command) string {
	return strings.TrimSpace(command.Category + " " + command.Name)
}

// checkLeadingFlag refuses a flag in front of the command, since there are none there, and says where it belongs.
func checkLeadingFlag(app *cli.App, arg string) error {
	name := flagName(arg)
	for _, command := range app.Commands {
		if name != "" && flagNamed(command, name) != nil {
			return usagef("the command comes before its flags: trueup %s %s …", command.Name, arg)
		}
	}
	if slices.Contains([]string{"v", "V", "version"}, name) {
		return usagef("there is no flag %s; \"trueup version\" prints the version", arg)
	}
	return usagef("there is no flag %s before the command; see \"trueup help\"", arg)
}

func commandNamed(app *cli.App, name string) (*cli.Command, error) {
	if command := app.Command(name); command != nil {
		return command, nil
	}
	var names []string
	for _, command := range app.Commands {
		names = append(names, command.Name)
	}
	if slices.Contains(plannedCommands, name) {
		return nil, usagef("\"trueup %s\" is not built yet; commands of this version are %s", name, strings.Join(names, ", "))
	}
	return nil, usagef("this version has no command %q%s; commands are %s", name, didYouMean("", name, names), strings.Join(names, ", "))
}

// checkFlags walks the arguments as package flag does.
func checkFlags(command *cli.Command, args []string) error {
	seen := map[string]bool{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return checkOperands(command, args[i+1:])
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			return checkOperands(command, args[i:])
		}
		flag := flagNamed(command, flagName(arg))
		if flag == nil {
			return unknownFlag(command, arg)
		}
		name := flag.Names()[0]
		if _, repeatable := flag.(*cli.StringSliceFlag); !repeatable && seen[name] {
			return usagef("--%s was given twice; it takes one value", name)
		}
		seen[name] = true
		_, value, hasValue := strings.Cut(arg, "=")
		if _, isBool := flag.(*cli.BoolFlag); !isBool && !hasValue {
			i++
			if i == len(args) {
				return usagef("--%s needs a value; see \"trueup %s --help\"", name, title(command))
			}
			if value = args[i]; strings.HasPrefix(value, "-") && flagNamed(command, flagName(value)) != nil {
				return usagef("--%s needs a value, but the flag %s follows", name, value)
			}
		} else if isBool && !hasValue {
			continue
		}
		if err := checkValue(flag, name, value); err != nil {
			return err
		}
	}
	return checkOperands(command, nil)
}

// checkOperands takes what comes after the flags: nothing, or one thing for a command that names it in ArgsUsage.
func checkOperands(command *cli.Command, operands []string) error {
	switch {
	case command.ArgsUsage == "" && len(operands) == 0:
		return nil
	case command.ArgsUsage == "":
		return unexpected(command, operands[0])
	case len(operands) == 0 || operands[0] == "":
		return usagef("\"trueup %s\" needs a %s; see \"trueup %s --help\"", title(command), command.ArgsUsage, title(command))
	case len(operands) > 1 && strings.HasPrefix(operands[1], "-"):
		return usagef("\"trueup %s\": flags come before %s, and %s comes after it", title(command), command.ArgsUsage, operands[1])
	case len(operands) > 1:
		return usagef("\"trueup %s\" takes one %s; what is %q?", title(command), command.ArgsUsage, operands[1])
	}
	return nil
}

// checkValue refuses values that are none of the flag's type. An empty one is refused everywhere: it is an environment
// variable that is not set, and taking it for "not given" would make another choice than the user did.
func checkValue(flag cli.Flag, name, value string) error {
	if value == "" {
		return usagef("--%s: the value is empty", name)
	}
	switch flag.(type) {
	case *cli.BoolFlag:
		if _, err := strconv.ParseBool(value); err != nil {
			return usagef("--%s=%s: it takes no value", name, value)
		}
	case *cli.IntFlag:
		if _, err := strconv.ParseInt(value, 0, strconv.IntSize); err != nil {
			return usagef("--%s %q: this is not a whole number", name, value)
		}
	case *cli.DurationFlag:
		if _, err := time.ParseDuration(value); err != nil {
			return usagef("--%s %q: this is not a duration; write it like 500ms, 5s, 2m or 1h", name, value)
		}
	}
	return nil
}

func unexpected(command *cli.Command, arg string) error {
	return usagef("\"trueup %s\" takes flags only; what is %q? See \"trueup %s --help\"", title(command), arg, title(command))
}

// unknownFlag leaves out a value after =, which may be a secret.
func unknownFlag(command *cli.Command, arg string) error {
	arg, _, _ = strings.Cut(arg, "=")
	var names []string
	for _, flag := range command.Flags {
		names = append(names, flag.Names()[0])
	}
	if slices.Contains(plannedFlags[command.Name], flagName(arg)) {
		return usagef("%s is not built yet; see \"trueup %s --help\" for what this version has", arg, title(command))
	}
	return usagef("\"trueup %s\" has no flag %s%s; see \"trueup %s --help\"", title(command), arg, didYouMean("--", flagName(arg), names), title(command))
}

// plannedCommands and plannedFlags are those of the published command line that this version does not have yet. They are
// refused by name, so that nobody takes them for a misspelling.
var (
	plannedCommands = []string{"runs", "report", "gate", "manifest", "config"}
	plannedFlags    = map[string][]string{
		"check": {"allow-long-locks"},
	}
)

// flagName is the name in -name, --name and --name=value.
func flagName(arg string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
	return name
}

func flagNamed(command *cli.Command, name string) cli.Flag {
	for _, flag := range command.Flags {
		if slices.Contains(flag.Names(), name) {
			return flag
		}
	}
	return nil
}

// didYouMean asks for the name that is nearest to a mistyped one; "" where none is near.
func didYouMean(prefix, typed string, names []string) string {
	best, least := "", max(1, len(typed)/3)+1
	for _, name := range names {
		distance := editDistance(typed, name)
		if len(typed) > 2 && strings.HasPrefix(name, typed) {
			distance = 1
		}
		if distance < least {
			best, least = name, distance
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s%s?)", prefix, best)
}

// editDistance counts the bytes to insert, delete or replace to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
