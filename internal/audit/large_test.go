package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// TestLargeEntries: large data, which is not looked into when a journal is read, comes back as it was written, also by its place; a change of
// any byte of it is seen.
func TestLargeEntries(t *testing.T) {
	t.Parallel()
	j, err := testFolder(t).Create("run-1")
	if err != nil {
		t.Fatal(err)
	}
	record(t, j, "small", "", "")
	text := strings.Repeat(`","data":{"previous_hash":"`, 2000)
	entry, err := NewEntry("large", map[string]string{"what": text})
	if err != nil {
		t.Fatal(err)
	}
	entry.Opens = `a "name","data":`
	if err := j.Record(context.Background(), entry); err != nil {
		t.Fatal(err)
	}
	record(t, j, "small", "", entry.Opens)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	journal := content(t, j.Path())
	offset := int64(0)
	found, err := Walk(bytes.NewReader(journal), func(read Entry) {
		if read.Kind == "large" {
			again, err := ReadEntry(bytes.NewReader(journal), offset, read.Length)
			for _, e := range []Entry{read, again} {
				var data map[string]string
				if err != nil || json.Unmarshal(e.Data, &data) != nil || data["what"] != text || e.Opens != entry.Opens || e.Sequence != 2 || len(e.Previous) != 64 || len(e.Hash) != 64 {
					t.Errorf("%v: %d bytes of data, %q, %d, %q, %q", err, len(e.Data), e.Opens, e.Sequence, e.Previous, e.Hash)
				}
			}
		}
		offset += int64(read.Length)
	})
	if err != nil || found.State != Whole || found.Entries != 4 {
		t.Fatalf("%v, %+v", err, found)
	}
	for at := bytes.Index(journal, []byte(`{"what":"\"`)); at < len(journal)-1; at += 997 {
		changed := bytes.Clone(journal)
		changed[at] ^= 1
		if got := verify(t, changed); got.State != Changed {
			t.Errorf("byte %d: %s", at, got.State)
		}
	}
}
