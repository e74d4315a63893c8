package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/internal/config"
	"trueup/internal/guard"
	"trueup/repair"
	"trueup/report"
)

// IsGuard tells whether the program was started by itself, as the guard of a check (see package guard).
func IsGuard(args []string) bool { return len(args) == 1 && args[0] == guard.Argument }

// journalDescriptor is where a guard finds its check's journal: the first file beyond the standard streams.
const journalDescriptor = 3

// RunGuard is the life of a guard and returns its exit code. Signals are for the check: the guard ends when that has.
func RunGuard(streams Streams) int {
	if in, isFile := streams.In.(*os.File); isFile {
		if info, err := in.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
			_, _ = io.WriteString(streams.Err, "trueup: this is what a check starts itself, to watch over it; there is nothing to do for a person\n")
			return report.Usage
		}
	}
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	journal := os.NewFile(journalDescriptor, "the journal of the check")
	if info, err := journal.Stat(); err != nil || !info.Mode().IsRegular() {
		journal = nil // there is none, and the descriptor is something of the runtime's
	}
	if err := guard.Serve(streams.In, streams.Out, journal, slog.New(slog.NewTextHandler(streams.Err, nil))); err != nil {
		return report.Failed
	}
	return report.OK
}

// nets are what keeps a check that dies from leaving an applier stopped, beside the dead man's switch: its journal, made with
// the first entry, and its guard.
type nets struct {
	folder  audit.Folder
	command string // whose run it is
	run     string
	source  string // address; of an undo, its replica's

	// copyPath is where a second journal with the same entries is made; "" for none.
	copyPath string

	mutex   sync.Mutex
	journal *audit.Journal
	copy    *audit.Journal
	guard   *guard.Process
}

// cast gives the request of a command its nets; draw them in when the run is over.
func cast(command string, request *check.Request, stateDir string, process Process) (*nets, error) {
	n, err := netsOf(command, request.RunID, request.Source.Address, stateDir, process)
	if err != nil {
		return nil, err
	}
	request.Recorder, request.Guard, request.Journals = n, n.guard, &n.folder
	return n, nil
}

func netsOf(command, run, source, stateDir string, process Process) (*nets, error) {
	folder, err := journalFolder(stateDir, process)
	if err != nil {
		return nil, err
	}
	n := &nets{folder: folder, command: command, run: run, source: source}
	n.guard = guard.New(n.file)
	return n, nil
}

// begin makes the journal before it is needed: where it cannot be written nothing is to be begun at all.
func (n *nets) begin() error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if err := n.make(); err != nil {
		return usagef("nothing was changed, since there is no journal for what is changed: %v; choose another folder with --state-dir", err)
	}
	return nil
}

// path is where the journal is; "" while there is none.
func (n *nets) path() string {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.journal == nil {
		return ""
	}
	return n.journal.Path()
}

// journalFolder is where the journals of runs are; stateDir is what was asked for.
func journalFolder(stateDir string, process Process) (audit.Folder, error) {
	path, err := config.StateDir(stateDir, process.Getenv)
	return audit.Folder{Path: filepath.Join(path, "journal"), Now: time.Now, Lasting: repair.KindGroup}, err
}

// Record writes an entry into the run's journal.
func (n *nets) Record(ctx context.Context, entry audit.Entry) error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if err := n.make(); err != nil {
		return err
	}
	return n.write(ctx, entry)
}

// write writes an entry into the journals; the mutex is held. One that did not get into all of them is not to be acted on.
func (n *nets) write(ctx context.Context, entry audit.Entry) error {
	if err := n.journal.Record(ctx, entry); err != nil || n.copy == nil {
		return err
	}
	return n.copy.Record(ctx, entry)
}

// file is the journal's, for the guard; nil where it cannot be made, of which the first entry will tell.
func (n *nets) file() *os.File {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.make() != nil {
		return nil
	}
	return n.journal.File()
}

// make makes the journal, and says in it whose it is.
func (n *nets) make() (err error) {
	if n.journal != nil {
		return nil
	}
	begun, err := audit.NewEntry("run_started", map[string]string{"command": n.command, "version": Version, "source": n.source})
	if err != nil {
		return err
	}
	journal, err := n.folder.Create(n.run)
	if err != nil {
		return err
	}
	if n.copyPath != "" {
		if n.copy, err = audit.CreateFile(n.copyPath, n.run, n.folder.Now); err != nil {
			return errors.Join(fmt.Errorf("--audit-file: %w", err), journal.Close())
		}
	}
	n.journal = journal
	return n.write(context.Background(), begun)
}

// drawIn ends the journal and then the guard, which may write into it once this process does not. Doing it again does nothing.
func (n *nets) drawIn(logger *slog.Logger) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, journal := range []*audit.Journal{n.journal, n.copy} {
		if journal == nil {
			continue
		}
		if err := journal.Close(); err != nil {
			logger.Error("the journal could not be ended", "error", err)
		}
	}
	n.guard.Close()
}
