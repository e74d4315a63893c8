package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// Version is trueup's own version, set by the linker (-X trueup/internal/cli.Version=…).
var Version = "dev"

func versionCommand(process Process) *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "print version, Go version and commit",
		UsageText: "trueup version [flags]",
		Flags:     []cli.Flag{&cli.StringFlag{Category: "Output", Name: "format", Value: "text", Usage: "`FORMAT` to print: text or json"}},
		Action: func(c *cli.Context) error {
			return runVersion(c.String("format"), process.Streams)
		},
	}
}

func runVersion(format string, streams Streams) error {
	switch format {
	case "text":
		_, err := fmt.Fprintf(streams.Out, "trueup %s (%s, commit %s)\n", Version, runtime.Version(), commit())
		return err
	case "json":
		return json.NewEncoder(streams.Out).Encode(map[string]string{"version": Version, "go_version": runtime.Version(), "commit": commit()})
	default:
		return usagef("--format %q: text or json", format)
	}
}

// commit is the commit the binary was built from, as the Go tool recorded it.
func commit() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return "unknown"
	}
	revision, modified := "unknown", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = "+changes"
		}
	}
	return revision + modified
}
