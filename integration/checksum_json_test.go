package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/schema"
	"trueup/server"
)

// jsonDocuments are JSON documents: on MySQL, the same as MariaDB keeps them in text, and whether their values are equal.
var jsonDocuments = []struct {
	mysql, mariadb string
	equal          bool
}{
	{`{"a": 1, "b": [true, null, "x"]}`, `{"b":[true,null,"x"],"a":1}`, true},
	{`{"a": 1, "a": 2}`, `{"a": 1, "a": 2}`, true},
	{`[1.0, 1e2, 0.1, 18446744073709551615]`, `[1,100,0.10,18446744073709551615]`, true},
	{`"caf\\u00e9 😀"`, `"café \\ud83d\\ude00"`, true},
	{`{"a": 1}`, `{"a": "1"}`, false},
	{`[1, 2]`, `[2, 1]`, false},
	{`{"a": null}`, `{}`, false},
	{`"x"`, `"x "`, false},
	{`9007199254740993`, `9007199254740992`, false},
	{`null`, `not JSON`, false},
}

// TestJSONByValueAcrossFamilies: MySQL stores JSON in a form of its own, MariaDB the text that was written. No row of this
// matrix replicates JSON from one to the other, so the tables are made on both.
func TestJSONByValueAcrossFamilies(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		other, found := rowOfFamily(t, server.MariaDB)
		if !found {
			outcomes.skip(t, "needs a MariaDB row in containers as well")
		}
		both := NewTopologies(t, Options{Replicas: -1}, Options{Server: other, Replicas: -1})
		compareDocuments(t, both[0].Source, both[1].Source)
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8}})
}

func compareDocuments(t *testing.T, ours, theirs *Node) {
	var want []string
	for _, n := range []*Node{ours, theirs} {
		n.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v JSON)")
	}
	for id, document := range jsonDocuments {
		ours.Exec(t, fmt.Sprintf("INSERT INTO app.t VALUES (%d, '%s')", id, document.mysql))
		// The constraint that JSON brings with it keeps text that is none out.
		theirs.Exec(t, "SET check_constraint_checks = 0", fmt.Sprintf("INSERT INTO app.t VALUES (%d, '%s')", id, document.mariadb))
		if !document.equal {
			want = append(want, fmt.Sprint(id))
		}
	}
	onOurs, onTheirs := openServer(t, ours), openServer(t, theirs)
	a, _ := loadSchema(t, onOurs).Table("app", "t")
	b, _ := loadSchema(t, onTheirs).Table("app", "t")
	pairs, left := schema.ComparableColumns(a, b)
	if len(pairs) != 2 || len(left) > 0 {
		t.Fatalf("compared are %+v, not %+v", pairs, left)
	}
	for _, difference := range schema.Compare(a, b) {
		if difference.Object == "column v" && difference.What != "default" {
			t.Errorf("%+v", difference)
		}
	}
	layout := checksum.NewScanLayout("app", "t", "PRIMARY", 1, []checksum.Column{checksum.ColumnOf(pairs[0]), checksum.ColumnOf(pairs[1])})
	source, replica := checksum.NewReader(layout, readSession(t, onOurs, true)), checksum.NewReader(layout, readSession(t, onTheirs, true))
	digest(t, source, chunker.Chunk{})
	digest(t, replica, chunker.Chunk{})
	var got []string
	err := checksum.CompareScans(context.Background(), source, replica, checksum.ScanBudget, func(delta *checksum.ScanDelta) error {
		return delta.Values(context.Background(), delta.Differences(), func(row checksum.Found) error {
			got = append(got, fmt.Sprint(row.Source[0]))
			return nil
		})
	})
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("unequal are %v, want %v; %v", got, want, err)
	}
}
