package repair

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"trueup/internal/audit"
)

// TestSettle: what a dead repair left open on one replica is closed, and that of another stays open; all of it can still be undone.
func TestSettle(t *testing.T) {
	t.Parallel()
	folder := audit.Folder{Path: filepath.Join(t.TempDir(), "journal"), Now: time.Now}
	j, err := folder.Create("run-1")
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind, opens, closes string, data any) {
		entry, err := audit.NewEntry(kind, data)
		if err != nil {
			t.Fatal(err)
		}
		entry.Opens, entry.Closes = opens, closes
		if err := j.Record(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
	const socket = "/a group of/my sockets/s.sock"
	for _, replica := range []string{"h:1", socket} {
		write(KindReplica, "", "", replicaRecord{Replica: replica, Version: "10.11.19-MariaDB"})
		write(KindGroup, replica+groupWord+"1", "", groupRecord{Group: replica + groupWord + "1", Replica: replica})
	}
	if err := Settle(t.Context(), folder, j.Path(), "h:1", "somebody"); !errors.Is(err, audit.ErrHeld) {
		t.Errorf("while its process lives: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		found, _, err := audit.Read(j.Path(), nil)
		if err != nil || found.State == audit.Changed {
			t.Fatalf("%v, %+v", err, found)
		}
		return len(found.Left)
	}
	for n, replica := range []string{"h:1", "h:1", socket, socket} {
		if err := Settle(t.Context(), folder, j.Path(), replica, "somebody"); err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 1, 0, 0}[n]; open() != want {
			t.Errorf("after %d: %d are open, want %d", n+1, open(), want)
		}
	}
	files, err := Undoable(j.Path())
	if err != nil || len(files) != 2 || files[1].Replica != socket {
		t.Errorf("%v, %+v", err, files)
	}
}
