package guard

import (
	"bytes"
	"encoding/gob"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// childEnv makes the test binary a guard, or something that is none.
const childEnv = "GUARD_TEST_CHILD"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == Argument {
		os.Exit(play(os.Getenv(childEnv)))
	}
	os.Exit(m.Run())
}

func play(part string) int {
	switch part {
	case "ends":
		_, _ = io.WriteString(os.Stdout, readyText)
	case "never ready":
		return 1
	case "hangs":
		_, _ = io.WriteString(os.Stdout, readyText)
		time.Sleep(time.Minute)
	case "":
		if err := Serve(os.Stdin, os.Stdout, nil, slog.New(slog.DiscardHandler)); err != nil {
			return 1
		}
	}
	return 0
}

func samplePause() (server.Endpoint, syncpoint.Pause) {
	endpoint := server.Endpoint{Network: "tcp", Address: "127.0.0.1:1", User: "u", Password: "s3cret", PasswordSet: true,
		TLS: server.TLS{Mode: server.TLSVerify, CAFile: "ca.pem"}, ConnectTimeout: time.Second}
	pause := syncpoint.Pause{ID: "P", Channel: "c", Sessions: []uint64{1, 2}, Stopping: true, Starting: true, Told: time.Now().Round(0).UTC(),
		Identity: server.Identity{Flavor: server.MariaDB, Version: server.Version{Major: 10, Minor: 11, Patch: 19}, ServerID: 7, UUID: "u", Port: 3306, DataDir: "/d/"},
		Stood:    replication.Position{File: "b.1", Offset: 5}, ShownUntil: replication.Until{Condition: "Master", Position: replication.Position{File: "b.1", Offset: 4}},
		Target: replication.Position{File: "b.1", Offset: 9}}
	return endpoint, pause
}

// TestMessages: the guard knows as much as the check, passwords too, and nothing of a pause that is over.
func TestMessages(t *testing.T) {
	t.Parallel()
	endpoint, pause := samplePause()
	over := pause
	over.ID = "Q"
	var pipe bytes.Buffer
	encoder := gob.NewEncoder(&pipe)
	sent := message{Upstream: endpoint, Replica: endpoint, Pause: pause}
	for _, m := range []message{{Replica: endpoint, Pause: over}, {Replica: endpoint, Pause: syncpoint.Pause{ID: "P"}}, sent, {Pause: over, Over: true}} {
		if err := encoder.Encode(m); err != nil {
			t.Fatal(err)
		}
	}
	pipe.WriteString("\x05\xff") // cut off in the middle of a message
	open := listen(&pipe)
	if len(open) != 1 || !reflect.DeepEqual(open["P"], sent) || string(open["P"].Replica.Password) != "s3cret" {
		t.Errorf("%+v", open)
	}
}

// TestProcess starts this test's program as guards that behave and guards that do not.
func TestProcess(t *testing.T) {
	endpoint, pause := samplePause()
	for part, want := range map[string]string{"": "", "never ready": "did not say that it is ready", "ends": "has ended or hangs", "hangs": "has ended or hangs"} {
		t.Setenv(childEnv, part)
		p := New(func() *os.File { return nil })
		var failures []string
		began := time.Now()
		messages := 400 // more than the pipe takes
		if part == "" {
			messages = 40 // less, so that a guard that a busy machine lets wait is not taken for one that hangs
		}
		for range messages {
			for _, err := range []error{p.Watch(endpoint, endpoint, pause), p.Unwatch(pause)} {
				if err != nil {
					failures = append(failures, err.Error())
				}
			}
		}
		p.Close()
		if len(failures) > 1 || !strings.Contains(strings.Join(failures, ""), want) || (want != "") != (len(failures) == 1) {
			t.Errorf("%q: %q", part, failures)
		}
		if p.ended != nil {
			select {
			case <-p.ended:
			case <-time.After(10 * time.Second):
				t.Errorf("%q: the process does not end", part)
			}
		}
		t.Logf("%q: %v", part, time.Since(began).Round(time.Millisecond))
	}
}

// TestServeWithNothingOpen: a guard with nothing to undo ends the journal of a check that was killed, and leaves that of a check
// which has ended it.
func TestServeWithNothingOpen(t *testing.T) {
	t.Parallel()
	folder := audit.Folder{Path: t.TempDir(), Now: time.Now}
	for run, ended := range map[string]bool{"killed": false, "ended": true} {
		journal, err := folder.Create(run)
		if err != nil {
			t.Fatal(err)
		}
		if err := journal.Record(t.Context(), audit.Entry{Kind: "run_started"}); err != nil {
			t.Fatal(err)
		}
		inherited, err := os.OpenFile(journal.Path(), os.O_RDWR|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(3)
		if ended {
			want = 2
			if err := journal.Close(); err != nil {
				t.Fatal(err)
			}
		}
		var said bytes.Buffer
		if err := Serve(strings.NewReader(""), &said, inherited, slog.New(slog.DiscardHandler)); err != nil || said.String() != readyText {
			t.Errorf("%s: %q, %v", run, said.String(), err)
		}
		if found, _, err := audit.Read(journal.Path(), nil); err != nil || found.State != audit.Whole || found.Entries != want {
			t.Errorf("%s: %+v, %v", run, found, err)
		}
	}
}
