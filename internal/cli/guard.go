package cli

import (
	"context"
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
	folder audit.Folder
	run    string
	source string // address

	mutex   sync.Mutex
	journal *audit.Journal
	guard   *guard.Process
}

// cast gives the request its nets; draw them in when the run is over.
func cast(request *check.Request, stateDir string, process Process) (*nets, error) {
	folder, err := journalFolder(stateDir, process)
	if err != nil {
		return nil, err
	}
	n := &nets{folder: folder, run: request.RunID, source: request.Source.Address}
	n.guard = guard.New(n.file)
	request.Recorder, request.Guard, request.Journals = n, n.guard, &n.folder
	return n, nil
}

// journalFolder is where the journals of runs are; stateDir is what was asked for.
func journalFolder(stateDir string, process Process) (audit.Folder, error) {
	path, err := config.StateDir(stateDir, process.Getenv)
	return audit.Folder{Path: filepath.Join(path, "journal"), Now: time.Now}, err
}

// Record writes an entry into the run's journal.
func (n *nets) Record(ctx context.Context, entry audit.Entry) error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if err := n.make(); err != nil {
		return err
	}
	return n.journal.Record(ctx, entry)
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
	begun, err := audit.NewEntry("run_started", map[string]string{"command": "check", "version": Version, "source": n.source})
	if err != nil {
		return err
	}
	if n.journal, err = n.folder.Create(n.run); err != nil {
		return err
	}
	return n.journal.Record(context.Background(), begun)
}

// drawIn ends the journal and then the guard, which may write into it once this process does not.
func (n *nets) drawIn(logger *slog.Logger) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.journal != nil {
		if err := n.journal.Close(); err != nil {
			logger.Error("the journal could not be ended", "error", err)
		}
	}
	n.guard.Close()
}
