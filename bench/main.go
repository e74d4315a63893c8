// Command bench measures trueup check beside pt-table-checksum on one table: it starts a private source with one replica,
// loads the table through replication, and runs the two tools in turn, A B A B …, so that whatever else the machine does
// hits both alike. It prints wall time, CPU and memory of the tools and CPU of the servers, and the ratio of each pair. A
// run of either tool that did not really compare every row of the replica ends the benchmark with an error.
//
// Then it does the same with trueup repair and pt-table-sync, each on a replica that was damaged anew, and counts the rows that each
// left wrong.
//
// Last it measures what writers bear: a connection of its own commits a row of the checked table every millisecond, alone and
// beside each tool, and how long the commits took is printed with what trueup says of its sync points. The same on MySQL where
// Docker has an image of it (without pt-table-checksum).
//
// Environment: TRUEUP_BENCH_ROWS (default 1000000), TRUEUP_BENCH_PAIRS (default 7, after one pair that only warms up),
// TRUEUP_BENCH_REPAIR_PAIRS (default 2; 0 for none),
// TRUEUP_BENCH_ARGS (more flags for trueup check, separated by spaces), TRUEUP_BENCH_MYSQL (an image; "none" for no MySQL).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

type settings struct {
	trueup string
	args   []string
	mysql  string // image; "" for whichever is there
	rows   int64
	pairs  int
	// repairPairs is how often each tool repairs the damaged replica.
	repairPairs int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context) (err error) {
	s, err := readSettings()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "bench: loading %d rows through replication\n", s.rows)
	servers, err := startServers(ctx, s.rows)
	defer func() { err = errors.Join(err, servers.stop()) }()
	if err != nil {
		return err
	}
	if err := race(ctx, s, servers); err != nil {
		return err
	}
	if err := raceRepairs(ctx, s, servers); err != nil {
		return err
	}
	found, err := measureStalls(ctx, s, servers)
	if err != nil {
		return err
	}
	found.print(os.Stdout)
	return stallsOnMySQL(ctx, s)
}

// race runs the tools in turn on servers that do nothing else, and prints what they took.
func race(ctx context.Context, s settings, servers *servers) error {
	tools := []tool{newTrueup(s, servers), newChecksum(s, servers)}
	results := make([][]sample, len(tools))
	for pair := -1; pair < s.pairs; pair++ {
		for i, tool := range tools {
			one, err := measure(ctx, tool, servers)
			if err != nil {
				return fmt.Errorf("%s: %w", tool.name, err)
			}
			if pair >= 0 { // the first pair warms up
				results[i] = append(results[i], one)
			}
			fmt.Fprintf(os.Stderr, "bench: pair %d: %s %.2fs\n", pair+1, tool.name, one.wall.Seconds())
		}
	}
	printTable(os.Stdout, s, servers, tools, results)
	return nil
}

// stallsOnMySQL measures the same on MySQL, whose tables a check locks for a moment; without one it says so.
func stallsOnMySQL(ctx context.Context, s settings) (err error) {
	if s.mysql == "none" {
		return nil
	}
	servers, err := startMySQL(ctx, s.mysql, s.rows)
	if errors.Is(err, errNoMySQL) && s.mysql == "" {
		fmt.Fprintln(os.Stderr, "bench: not measured on MySQL:", err)
		return nil
	}
	defer func() { err = errors.Join(err, servers.stop()) }()
	if err != nil {
		return err
	}
	found, err := measureStalls(ctx, s, servers)
	if err != nil {
		return err
	}
	found.print(os.Stdout)
	return nil
}

func readSettings() (settings, error) {
	s := settings{rows: 1_000_000, pairs: 7, repairPairs: 2, args: strings.Fields(os.Getenv("TRUEUP_BENCH_ARGS")), mysql: os.Getenv("TRUEUP_BENCH_MYSQL")}
	flag.StringVar(&s.trueup, "trueup", filepath.Join("bin", "trueup"), "the trueup `program` to measure")
	flag.Parse()
	if _, err := os.Stat(s.trueup); err != nil {
		return s, fmt.Errorf("%w: build it with make build", err)
	}
	for name, number := range map[string]struct {
		least int64
		set   func(int64)
	}{
		"TRUEUP_BENCH_ROWS":         {1, func(n int64) { s.rows = n }},
		"TRUEUP_BENCH_PAIRS":        {1, func(n int64) { s.pairs = int(n) }},
		"TRUEUP_BENCH_REPAIR_PAIRS": {0, func(n int64) { s.repairPairs = int(n) }},
	} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < number.least {
			return s, fmt.Errorf("%s=%q: a number from %d", name, text, number.least)
		}
		number.set(n)
	}
	return s, nil
}
