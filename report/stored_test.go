package report

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trueup/check"
)

// shownValue draws a value in a form in which package check shows the bounds of ranges: text that is UTF-8, bytes in lower-case digits, NULL.
func shownValue(t *rapid.T, label string) check.Value {
	switch rapid.IntRange(0, 3).Draw(t, label+" form") {
	case 0:
		return check.Value{Null: true}
	case 1:
		return check.Value{Text: hex.EncodeToString(rapid.SliceOf(rapid.Byte()).Draw(t, label)), Hex: true}
	case 2:
		return check.Value{Text: rapid.SampledFrom([]string{"", "NULL", "-0", "1e-7", "18446744073709551615", "0000", "\x00", "\u2028\u202e\x1b", "\\", `"`, "<&>", "\U0001F600", "\ufffd", "\ufeff"}).Draw(t, label)}
	}
	return check.Value{Text: rapid.String().Draw(t, label)}
}

func shownBound(t *rapid.T, label string) []check.NamedValue {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) check.NamedValue {
		return check.NamedValue{Name: rapid.StringN(1, 10, -1).Draw(t, "column"), Value: shownValue(t, label)}
	}), 0, 3).Draw(t, label+" bound")
}

// TestStoredRangesReadBack: what a check says of where rows differ, written as JSON and read back, is the same to the byte.
func TestStoredRangesReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		result := differentRun()
		result.SchemaDifferences = nil
		result.DifferentRanges = nil
		var want []check.Range
		for i := range rapid.IntRange(1, 4).Draw(t, "ranges") {
			r := check.DifferentRange{Replica: replica2, Database: rapid.StringN(1, 5, -1).Draw(t, "database"), Table: "t" + string(rune('0'+i)), Key: "k",
				Lower: shownBound(t, "lower"), Upper: shownBound(t, "upper")}
			if len(r.Lower) == 0 {
				r.Lower = nil
			}
			if len(r.Upper) == 0 {
				r.Upper = nil
			}
			result.DifferentRanges = append(result.DifferentRanges, r)
			want = append(want, check.Range{Replica: r.Replica, Database: r.Database, Table: r.Table, Key: r.Key, Lower: r.Lower, Upper: r.Upper})
		}
		want = append(want, check.Range{Replica: replica2, Database: "shop", Table: "orders"}) // differs, and no range says where
		var file bytes.Buffer
		if err := WriteJSON(&file, FromCheck(result, "0.1.0")); err != nil {
			t.Fatal(err)
		}
		stored, err := ReadStored(&file)
		if err != nil || !reflect.DeepEqual(stored.Ranges, want) {
			t.Fatalf("%v\n%+v\nwant\n%+v", err, stored.Ranges, want)
		}
	})
}

func TestStoredCheck(t *testing.T) {
	t.Parallel()
	result := manyRun()
	result.Replicas = append(result.Replicas, check.ReplicaResult{ServerInfo: check.ServerInfo{Address: "never:reached"}, Verdict: check.Unverified})
	result.Interrupted = true
	var file bytes.Buffer
	if err := WriteJSON(&file, FromCheck(result, "0.1.0")); err != nil {
		t.Fatal(err)
	}
	stored, err := ReadStored(&file)
	if err != nil {
		t.Fatal(err)
	}
	if s := stored.Servers; s.RunID != result.RunID || s.Source.ServerID != 1 || s.Source.UUID != "uid-1" || s.Source.Flavor != "mariadb" || len(s.Replicas) != len(result.Replicas)-1 {
		t.Errorf("servers: %+v", s)
	}
	for _, r := range stored.Ranges {
		if r.Replica == "" || r.Table == "" {
			t.Errorf("%+v", r)
		}
	}
	if !stored.Document.Interrupted {
		t.Error("that it was interrupted got lost")
	}
}

// TestStoredWholeTables: what differs without a range is one as a whole, once, on the replica that it differs on.
func TestStoredWholeTables(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	if err := WriteJSON(&file, FromCheck(differentRun(), "0.1.0")); err != nil {
		t.Fatal(err)
	}
	stored, err := ReadStored(&file)
	if err != nil {
		t.Fatal(err)
	}
	want := []check.Range{{Replica: replica2, Database: "shop", Table: "orders", Key: "PRIMARY", Upper: key("id", "50000")},
		{Replica: replica2, Database: "shop", Table: "orders", Key: "PRIMARY", Lower: key("id", "700000")}, {Replica: replica2, Database: "shop", Table: "customers"}}
	if !reflect.DeepEqual(stored.Ranges, want) {
		t.Errorf("%+v", stored.Ranges)
	}
}

func TestStoredRefusals(t *testing.T) {
	t.Parallel()
	const head = `{"schema_version":1,"command":"check","run_id":"r","verdict":"different","source":{"address":"h:1","flavor":"mysql"}`
	ranged := func(r string) string { return head + `,"different_ranges":[` + r + `]}` }
	for file, want := range map[string]string{
		"":                     "not the JSON report",
		"null":                 "schema_version is 0",
		"[]":                   "not the JSON report",
		`"text"`:               "not the JSON report",
		head:                   "not the JSON report",
		head + `} {}`:          "more than one document",
		head + `}x`:            "more than one document",
		`{"schema_version":2}`: "schema_version is 2",
		`{"schema_version":1}`: "the report of",
		`{"schema_version":1,"command":"repair"}`:                                                                                          `the report of "trueup repair"`,
		strings.Replace(head, `"r"`, `""`, 1) + "}":                                                                                        "run_id or verdict is missing",
		strings.Replace(head, "different", "passed", 1) + "}":                                                                              "run_id or verdict is missing",
		strings.Replace(head, "mysql", "", 1) + "}":                                                                                        "which server the source was",
		ranged(`{"replica":"h:2","database":"d"}`):                                                                                         "names no replica or no table",
		ranged(`{"database":"d","table":"t"}`):                                                                                             "names no replica or no table",
		ranged(`{"replica":"h:2","database":"d","table":"t","lower":[{"name":"a","value":"1","encoding":"text"}]}`):                        "names no key",
		ranged(`{"replica":"h:2","database":"d","table":"t","key":"k","lower":[{"value":"1","encoding":"text"}]}`):                         "names no column",
		ranged(`{"replica":"h:2","database":"d","table":"t","key":"k","lower":[{"name":"a","value":"1","encoding":"base64"}]}`):            "none of text, hex",
		ranged(`{"replica":"h:2","database":"d","table":"t","key":"k","upper":[{"name":"a","value":"0FF","encoding":"hex"}]}`):             "not in hexadecimal",
		ranged(`{"replica":"h:2","database":"d","table":"t","key":"k","upper":[{"name":"a","value":"FF","encoding":"hex"}]}`):              "not in hexadecimal",
		ranged(`{"replica":"h:2","database":"d","table":"t","key":"k","upper":[{"name":"a","value":"a","encoding":"text","bytes":9000}]}`): "only a part",
		ranged(`{"replica":"h:2","database":"d","table":"t","key":"k","upper":[{"name":"a","value":1,"encoding":"text"}]}`):                "not the JSON report",
	} {
		if _, err := ReadStored(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}
