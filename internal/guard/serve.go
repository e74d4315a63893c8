package guard

import (
	"context"
	"encoding/gob"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"trueup/internal/audit"
	"trueup/replication/syncpoint"
)

// Serve is the guard's whole life: it says that it is ready, listens until the pipe ends, undoes what is open then, and ends a
// journal that its check could not end. journal is the check's, nil for none. It returns when nothing is left to do.
func Serve(messages io.Reader, ready io.Writer, journal *os.File, logger *slog.Logger) error {
	if _, err := io.WriteString(ready, readyText); err != nil {
		return err
	}
	open := listen(messages)
	written := resumeJournal(journal, logger)
	var all sync.WaitGroup
	for _, m := range open {
		all.Go(func() {
			end, err := syncpoint.Rescue(context.Background(), m.Upstream, m.Replica, m.Pause, logger)
			if err != nil {
				logger.Error("the applier of a check that died could not be started", "replica", m.Replica.Address, "error", err)
				return
			}
			record(written, end, logger)
		})
	}
	all.Wait()
	if written == nil {
		return nil
	}
	return written.Close()
}

// listen takes messages until the other end is gone and returns the pauses that are open then.
func listen(messages io.Reader) map[string]message {
	open := map[string]message{}
	for decoder := gob.NewDecoder(messages); ; {
		var m message
		if err := decoder.Decode(&m); err != nil {
			return open
		}
		if m.Over {
			delete(open, m.Pause.ID)
			continue
		}
		open[m.Pause.ID] = m
	}
}

// resumeJournal returns nil where the check has ended the journal, and where it cannot be gone on with: the appliers count more.
func resumeJournal(file *os.File, logger *slog.Logger) *audit.Journal {
	if file == nil {
		return nil
	}
	journal, _, err := audit.Resume(file, syncpoint.ByGuard, time.Now)
	if err != nil && !errors.Is(err, audit.ErrFinished) {
		logger.Error("the journal of a check that died could not be gone on with", "error", err)
	}
	if err != nil {
		return nil
	}
	return journal
}

func record(journal *audit.Journal, end syncpoint.PauseEnd, logger *slog.Logger) {
	if journal == nil {
		return
	}
	entry, err := audit.NewEntry(syncpoint.KindPauseEnded, end)
	if err == nil {
		entry.Closes = end.Pause
		err = journal.Record(context.Background(), entry)
	}
	if err != nil {
		logger.Error("the end of a pause could not be written into the journal", "error", err)
	}
}
