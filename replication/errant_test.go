package replication

import (
	"testing"

	"trueup/server"
)

func TestOwnBeyond(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ own, known, want string }{
		{"", "", ""},
		{"0-1-100", "0-1-100", ""},
		{"0-1-100,0-2-7", "0-1-100", "0-2-7"},
		{"0-1-100,0-2-7", "0-1-90,0-2-7", ""},
		{"0-2-7,5-2-3", "0-1-100,0-2-6,5-2-3", "0-2-7"},
		{"0-2-7,5-2-3", "0-22-9", "0-2-7,5-2-3"},
	} {
		got, err := ownBeyond(test.own, test.known, 2)
		if err != nil || got != test.want {
			t.Errorf("%q beyond %q: %q, %v; want %q", test.own, test.known, got, err, test.want)
		}
	}
	if _, err := ownBeyond("0-2", "", 2); err == nil {
		t.Error("half a GTID was taken")
	}
}

func TestOfServer(t *testing.T) {
	t.Parallel()
	const a, b = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
	set, err := ParseGTIDSet(server.MySQL, a+":1-5:tag:7,"+b+":1-9")
	if err != nil {
		t.Fatal(err)
	}
	if got := set.ofServer(b).String(); got != b+":1-9" {
		t.Error(got)
	}
	if got := set.ofServer("3E11FA47-71CA-11E1-9E33-C80AA9429562").String(); got != a+":1-5:tag:7" {
		t.Error(got)
	}
	if got := set.ofServer("5e11fa47-71ca-11e1-9e33-c80aa9429562"); !got.IsEmpty() {
		t.Error(got)
	}
}
