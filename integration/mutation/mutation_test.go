//go:build mutation

// Package mutation breaks trueup on purpose, one realistic bug at a time, and demands that a test fails each time
// (make test-mutation). Production code knows nothing of it: the compiler gets the broken file by -overlay.
//
// A mutant that survives is a bug that nobody would notice: a test is missing, or the mutant changes nothing. One whose text
// is gone from its file has rotted and proves nothing.
package mutation

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// mutant is one bug and the tests that must find it.
type mutant struct {
	name  string
	file  string // from the module's root
	edits []edit
	guard guard
}

// edit replaces a text that occurs exactly once in the file.
type edit struct{ old, new string }

// guard is tests of one package: a -run expression.
type guard struct{ in, run string }

// outcome is a line of the table at the end.
type outcome struct {
	mutant mutant
	killed bool
	killer string
	took   time.Duration
}

// allMutants are the mutants of all rooms.
var allMutants = slices.Concat(digestMutants, rangeMutants, syncpointMutants, strategyMutants, netMutants, rowsqlMutants, repairMutants, recoveryMutants)

// root is the module's folder: tests run in their package's.
var root = func() string {
	folder, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return folder
}()

// TestMutantsFit: every text that a mutant replaces is there, once. It is quick, and part of make lint.
func TestMutantsFit(t *testing.T) {
	for _, m := range allMutants {
		if _, err := writeOverlay(t.TempDir(), m); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// TestGuardsPassUnbroken: a test that fails anyway finds nothing.
func TestGuardsPassUnbroken(t *testing.T) {
	expressions := map[string][]string{} // by package
	for _, m := range allMutants {
		if in := m.guard.in; !slices.Contains(expressions[in], m.guard.run) {
			expressions[in] = append(expressions[in], m.guard.run)
		}
	}
	for in, expressions := range expressions {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			program, err := build(t.TempDir(), in, "")
			if err != nil {
				t.Fatal(err)
			}
			if found := run(t.TempDir(), program, strings.Join(expressions, "|")); found.kind != survived {
				t.Fatalf("the guards %s without any mutation:\n%s", found.kind, found.output)
			}
		})
	}
}

// TestMutantsAreKilled breaks trueup in every way. TRUEUP_MUTATION_RUNS=5 demands that each is found five times in a row.
func TestMutantsAreKilled(t *testing.T) {
	var (
		mutex    sync.Mutex
		outcomes []outcome
	)
	t.Run("mutant", func(t *testing.T) {
		for _, m := range allMutants {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				started, o := time.Now(), outcome{mutant: m, killer: "NOTHING"}
				defer func() { // also where it is not found
					mutex.Lock()
					defer mutex.Unlock()
					o.took = time.Since(started)
					outcomes = append(outcomes, o)
				}()
				o.killer, o.killed = kill(t, m), true
			})
		}
	})
	print(outcomes)
}

// kill returns the test that found the mutant, or fails.
func kill(t *testing.T, m mutant) (killer string) {
	overlay, err := writeOverlay(t.TempDir(), m)
	if err != nil {
		t.Fatal(err)
	}
	program, err := build(t.TempDir(), m.guard.in, overlay)
	if err != nil {
		t.Fatalf("the mutant does not compile: it proves nothing\n%v", err)
	}
	for i := range max(1, repetitions()) {
		found := run(t.TempDir(), program, m.guard.run)
		if found.kind != killed {
			t.Fatalf("run %d: the mutant %s; %s of %s should have found it\n%s", i+1, found.kind, m.guard.run, m.guard.in, found.output)
		}
		killer = found.killer
		t.Logf("killed by %s:\n%s", killer, found.why)
	}
	return killer
}

func repetitions() int {
	n, _ := strconv.Atoi(os.Getenv("TRUEUP_MUTATION_RUNS"))
	return n
}

// print prints the table in the order of the mutants.
func print(outcomes []outcome) {
	place := func(o outcome) int {
		return slices.IndexFunc(allMutants, func(m mutant) bool { return m.name == o.mutant.name })
	}
	slices.SortFunc(outcomes, func(a, b outcome) int { return place(a) - place(b) })
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "mutation\tbreaks\tkilled by\tseconds")
	dead := 0
	for _, o := range outcomes {
		if o.killed {
			dead++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.1f\n", o.mutant.name, o.mutant.file, o.killer, o.took.Seconds())
	}
	_ = table.Flush()
	fmt.Printf("%d mutations, %d killed\n", len(outcomes), dead)
}
