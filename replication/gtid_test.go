package replication

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trueup/server"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "4d22fa47-71ca-11e1-9e33-c80aa9429562"
)

func TestParseGTIDSet(t *testing.T) {
	t.Parallel()
	tests := []struct {
		flavor     server.Flavor
		text, want string
	}{
		{server.MariaDB, "", ""},
		{server.MariaDB, "0-1-5", "0-1-5"},
		{server.MariaDB, " 1-2-9 , 0-1-5\n", "0-1-5,1-2-9"},
		{server.MariaDB, "4294967295-4294967295-18446744073709551615", "4294967295-4294967295-18446744073709551615"},
		{server.MySQL, "", ""},
		{server.MySQL, uuidA + ":1-5", uuidA + ":1-5"},
		{server.MySQL, strings.ToUpper(uuidA) + ":1-5:7", uuidA + ":1-5:7"},
		{server.MySQL, "{" + uuidA + "}:3", uuidA + ":3"},
		{server.MySQL, strings.ReplaceAll(uuidA, "-", "") + ":3", uuidA + ":3"},
		{server.MySQL, uuidB + ":1,\n" + uuidA + ":2", uuidA + ":2," + uuidB + ":1"},
		{server.MySQL, uuidA + ":7:1-3:4-5:2-4", uuidA + ":1-5:7"},
		{server.MySQL, uuidA + ":5-3", ""},
		{server.MySQL, uuidA + ":1-25:audit:1", uuidA + ":1-25:audit:1"},
		{server.MySQL, uuidA + ":Audit:1:_b:2-3:audit:2," + uuidA + ":1", uuidA + ":1:_b:2-3:audit:1-2"},
		{server.MySQL, uuidA + ":1-9223372036854775806", uuidA + ":1-9223372036854775806"},
	}
	for _, test := range tests {
		set, err := ParseGTIDSet(test.flavor, test.text)
		if err != nil || set.String() != test.want {
			t.Errorf("%q: %q, %v; want %q", test.text, set, err, test.want)
		}
		if set.IsEmpty() != (test.want == "") {
			t.Errorf("%q: IsEmpty %v", test.text, set.IsEmpty())
		}
	}
}

func TestParseGTIDSetErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		flavor server.Flavor
		text   string
	}{
		{server.MariaDB, "0-1"},
		{server.MariaDB, "0-1-x"},
		{server.MariaDB, "4294967296-1-1"},
		{server.MariaDB, "0-1-18446744073709551616"},
		{server.MariaDB, "0-1-5,0-2-6"},
		{server.MariaDB, uuidA + ":1"},
		{server.MySQL, "0-1-5"},
		{server.MySQL, uuidA},
		{server.MySQL, uuidA + ":"},
		{server.MySQL, uuidA + ":0"},
		{server.MySQL, uuidA + ":1-"},
		{server.MySQL, uuidA + ":-3"},
		{server.MySQL, uuidA + ":9223372036854775807"},
		{server.MySQL, uuidA + ":audit"},
		{server.MySQL, uuidA + ":audit:other:1"},
		{server.MySQL, uuidA + ":1:audit"},
		{server.MySQL, uuidA + ":" + strings.Repeat("t", 33) + ":1"},
		{server.MySQL, "{" + uuidA + ":1"},
		{server.MySQL, uuidA[1:] + ":1"},
	}
	for _, test := range tests {
		if set, err := ParseGTIDSet(test.flavor, test.text); err == nil {
			t.Errorf("%q: %q instead of an error", test.text, set)
		}
	}
}

func TestGTIDSetRelations(t *testing.T) {
	t.Parallel()
	tests := []struct {
		flavor                 server.Flavor
		s, o                   string
		equal, contains, agree bool
	}{
		{server.MariaDB, "0-1-5", "0-1-5", true, true, true},
		{server.MariaDB, "0-1-6", "0-1-5", false, true, false},
		{server.MariaDB, "0-2-5", "0-1-5", false, true, false},
		{server.MariaDB, "0-1-4", "0-1-5", false, false, false},
		{server.MariaDB, "0-1-5,1-1-9", "0-1-5", false, true, true},
		{server.MariaDB, "0-1-5", "0-1-5,1-1-9", false, false, false},
		{server.MariaDB, "0-1-5", "", false, true, true},
		{server.MariaDB, "", "", true, true, true},
		{server.MySQL, uuidA + ":1-5", uuidA + ":1-5", true, true, true},
		{server.MySQL, uuidA + ":1-5", uuidA + ":2-3", false, true, false},
		{server.MySQL, uuidA + ":1-2:4-5", uuidA + ":2-4", false, false, false},
		{server.MySQL, uuidA + ":1-5," + uuidB + ":1", uuidA + ":1-5", false, true, true},
		{server.MySQL, uuidA + ":1-5:audit:1", uuidA + ":1-5", false, true, false},
		{server.MySQL, uuidA + ":1-5", uuidA + ":1-5:audit:1", false, false, false},
		{server.MySQL, uuidA + ":1-5", uuidA + ":audit:1", false, false, false},
		{server.MySQL, uuidA + ":1-5", "", false, true, true},
	}
	for _, test := range tests {
		s, o := parsed(t, test.flavor, test.s), parsed(t, test.flavor, test.o)
		if s.Equal(o) != test.equal || s.Contains(o) != test.contains || s.AgreesOn(o) != test.agree {
			t.Errorf("%q and %q: Equal %v, Contains %v, AgreesOn %v", s, o, s.Equal(o), s.Contains(o), s.AgreesOn(o))
		}
	}
	a, b := parsed(t, server.MariaDB, "0-1-5"), parsed(t, server.MySQL, uuidA+":5")
	if a.Equal(b) || a.Contains(b) || a.AgreesOn(b) {
		t.Error("sets of different families must not match")
	}
}

func parsed(t interface{ Fatal(...any) }, flavor server.Flavor, text string) GTIDSet {
	set, err := ParseGTIDSet(flavor, text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// naive is a set of single transactions, "uuid:tag:number".
type naive map[string]bool

func (n naive) contains(o naive) bool {
	for gtid := range o {
		if !n[gtid] {
			return false
		}
	}
	return true
}

func (n naive) restrictedTo(o naive) naive {
	result := naive{}
	for gtid := range n {
		for other := range o {
			if gtid[:36] == other[:36] {
				result[gtid] = true
			}
		}
	}
	return result
}

// mysqlSets draws a set as text together with the transactions that are in it.
func mysqlSets(t *rapid.T, name string) (string, naive) {
	model := naive{}
	var parts []string
	for range rapid.IntRange(0, 4).Draw(t, name+" parts") {
		part := rapid.SampledFrom([]string{uuidA, uuidB}).Draw(t, "uuid")
		key := part + "::"
		for i := range rapid.IntRange(1, 4).Draw(t, "intervals") {
			if i > 0 && rapid.Bool().Draw(t, "tagged") {
				tag := rapid.SampledFrom([]string{"audit", "_x", "b2"}).Draw(t, "tag")
				part, key = part+":"+tag, part[:36]+":"+tag+":"
			}
			first := rapid.IntRange(1, 12).Draw(t, "first")
			last := first + rapid.IntRange(0, 4).Draw(t, "length")
			part += fmt.Sprintf(":%d-%d", first, last)
			for n := first; n <= last; n++ {
				model[fmt.Sprint(key, n)] = true
			}
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",\n"), model
}

func TestMySQLSetsAgainstNaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text1, model1 := mysqlSets(t, "s")
		text2, model2 := mysqlSets(t, "o")
		s, o := parsed(t, server.MySQL, text1), parsed(t, server.MySQL, text2)
		if back := parsed(t, server.MySQL, s.String()); !back.Equal(s) || back.String() != s.String() {
			t.Fatalf("%q reads back as %q", s, back)
		}
		check := func(what string, got, want bool) {
			if got != want {
				t.Fatalf("%q %s %q: %v", s, what, o, got)
			}
		}
		check("is empty", s.IsEmpty(), len(model1) == 0)
		check("equals", s.Equal(o), maps.Equal(model1, model2))
		check("contains", s.Contains(o), model1.contains(model2))
		check("agrees on", s.AgreesOn(o), maps.Equal(model1.restrictedTo(model2), model2))
	})
}

func TestMariaDBSetsAgainstNaiveModel(t *testing.T) {
	t.Parallel()
	type model = map[uint32]mariaGTID
	draw := func(t *rapid.T, name string) (GTIDSet, model) {
		m := rapid.MapOfN(rapid.Uint32Range(0, 3), rapid.Custom(func(t *rapid.T) mariaGTID {
			return mariaGTID{rapid.Uint32Range(1, 2).Draw(t, "server"), rapid.Uint64Range(1, 3).Draw(t, "sequence")}
		}), 0, 3).Draw(t, name)
		var parts []string
		for domain, gtid := range m {
			parts = append(parts, fmt.Sprintf("%d-%d-%d", domain, gtid.serverID, gtid.sequence))
		}
		return parsed(t, server.MariaDB, strings.Join(parts, ",")), m
	}
	rapid.Check(t, func(t *rapid.T) {
		s, sm := draw(t, "s")
		o, om := draw(t, "o")
		contains, agrees := true, true
		for domain, theirs := range om {
			ours, ok := sm[domain]
			contains = contains && ok && ours.sequence >= theirs.sequence
			agrees = agrees && ok && ours == theirs
		}
		if s.Contains(o) != contains || s.AgreesOn(o) != agrees || s.Equal(o) != maps.Equal(sm, om) {
			t.Fatalf("%q and %q: Contains %v, AgreesOn %v, Equal %v", s, o, s.Contains(o), s.AgreesOn(o), s.Equal(o))
		}
		if back := parsed(t, server.MariaDB, s.String()); !back.Equal(s) {
			t.Fatalf("%q reads back as %q", s, back)
		}
	})
}

// Whatever the parser accepts prints back to the same set; it must not panic on anything.
func FuzzParseGTIDSet(f *testing.F) {
	f.Add(true, "0-1-5,1-2-9")
	f.Add(false, uuidA+":1-25:audit:1,\n"+uuidB+":3-1")
	f.Fuzz(func(t *testing.T, mariadb bool, text string) {
		flavor := server.MySQL
		if mariadb {
			flavor = server.MariaDB
		}
		set, err := ParseGTIDSet(flavor, text)
		if err != nil {
			return
		}
		if back := parsed(t, flavor, set.String()); !back.Equal(set) {
			t.Fatalf("%q became %q and then %q", text, set, back)
		}
	})
}
