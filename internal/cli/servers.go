package cli

import (
	"context"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"trueup/internal/config"
	"trueup/report"
)

// serverOptions say which servers to work on, as flags give them.
type serverOptions struct {
	source       string
	replicas     []string
	tls          string
	configFile   string
	cluster      string
	defaultsFile string
	stateDir     string
	replicasOnly bool // the source is nobody's business
}

const serverCategory = "Servers"

func serverFlags() []cli.Flag {
	const servers = serverCategory
	return []cli.Flag{
		&cli.StringFlag{Category: servers, Name: "source", Usage: "`DSN` of the source; or " + config.EnvSource},
		&cli.StringSliceFlag{Category: servers, Name: "replica", Usage: "`DSN` of a replica, repeatable; or " + config.EnvReplicas + ", separated by spaces; without any, replicas are discovered from the source"},
		&cli.StringFlag{Category: servers, Name: "defaults-file", Usage: "option `FILE` like my.cnf, with user, password and host in [client]"},
		&cli.StringFlag{Category: servers, Name: "config", Usage: "YAML `FILE` with named clusters"},
		&cli.StringFlag{Category: servers, Name: "cluster", Usage: "`NAME` of the cluster in --config, where there are several"},
		&cli.StringFlag{Category: servers, Name: "tls", Usage: "`MODE` for servers whose DSN does not say: preferred, required, verify or off (default preferred)"},
		&cli.StringFlag{Category: servers, Name: "state-dir", Usage: "`FOLDER` for the journals of pauses, repairs and recoveries (default $XDG_STATE_HOME/trueup, else ~/.local/state/trueup)"},
	}
}

func serverOptionsFrom(c *cli.Context) serverOptions {
	return serverOptions{source: c.String("source"), replicas: c.StringSlice("replica"), tls: c.String("tls"), configFile: c.String("config"),
		cluster: c.String("cluster"), defaultsFile: c.String("defaults-file"), stateDir: c.String("state-dir")}
}

// load merges flags, environment and files, asks for missing passwords on a terminal, and prints warnings.
func (o serverOptions) load(ctx context.Context, process Process) (config.Config, error) {
	options := config.Options{Source: o.source, Replicas: o.replicas, TLS: o.tls, ConfigFile: o.configFile, Cluster: o.cluster,
		DefaultsFile: o.defaultsFile, StateDir: o.stateDir, ReplicasOnly: o.replicasOnly, Getenv: process.Getenv}
	if in, isFile := process.In.(*os.File); isFile {
		options.Prompt = process.promptOn(config.TerminalPrompt(ctx, in, process.Err))
	}
	loaded, err := config.Load(options)
	if err != nil {
		return config.Config{}, err
	}
	for _, warning := range loaded.Warnings {
		process.Notices.Say("warning: %s", report.Harmless(warning))
	}
	return loaded, nil
}

// promptOn keeps notices off the line of the prompt; nil where there is nobody to ask.
func (p Process) promptOn(ask func(string) (string, error)) func(string) (string, error) {
	if ask == nil {
		return nil
	}
	return func(prompt string) (string, error) {
		defer p.Notices.through(onNewLine{p.Err})()
		return ask(prompt)
	}
}

type onNewLine struct{ w io.Writer }

func (n onNewLine) Write(line []byte) (int, error) {
	if _, err := io.WriteString(n.w, "\n"); err != nil {
		return 0, err
	}
	return n.w.Write(line)
}
