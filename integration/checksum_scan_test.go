package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/schema"
	"trueup/server"
)

// scanLayout reads a table whole; its first columns, as many as identity says, tell its rows apart.
func scanLayout(t testing.TB, catalog *schema.Catalog, database, name string, identity int) *checksum.Layout {
	t.Helper()
	table, found := catalog.Table(database, name)
	if !found {
		t.Fatalf("no table %s.%s", database, name)
	}
	var columns []checksum.Column
	for _, column := range table.Columns {
		columns = append(columns, checksum.Column{Column: column})
	}
	return checksum.NewScanLayout(database, name, "key", identity, columns)
}

// scansDiffer is what CompareScans finds: each row with its side and count, and how many portions it took.
func scansDiffer(t testing.TB, on *server.Server, a, b *checksum.Layout, budget int) (found []string, portions int) {
	t.Helper()
	ours, theirs := checksum.NewReader(a, readSession(t, on, true)), checksum.NewReader(b, readSession(t, on, true))
	defer func() { _, _ = ours.Session().Close(), theirs.Session().Close() }()
	equal, err := digest(t, ours, chunker.Chunk{}).Equal(digest(t, theirs, chunker.Chunk{}))
	if err != nil {
		t.Fatal(err)
	}
	var rows, said int64
	err = checksum.CompareScans(context.Background(), ours, theirs, budget, func(delta *checksum.ScanDelta) error {
		portions++
		said += delta.Missing + delta.Extra + delta.Changed
		return delta.Values(context.Background(), delta.Differences(), func(row checksum.Found) error {
			rows += row.Count
			found = append(found, scannedText(row))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if equal != (len(found) == 0) || rows != said {
		t.Errorf("digests equal: %v, rows found: %d, said: %d", equal, rows, said)
	}
	slices.Sort(found)
	return found, portions
}

func scannedText(row checksum.Found) string {
	text := func(row checksum.Row) string {
		var parts []string
		for _, value := range row {
			if bytes, isBytes := value.([]byte); isBytes {
				value = string(bytes)
			}
			parts = append(parts, fmt.Sprint(value))
		}
		return strings.Join(parts, ",")
	}
	switch {
	case row.Replica == nil:
		return fmt.Sprintf("missing %s x%d", text(row.Source), row.Count)
	case row.Source == nil:
		return fmt.Sprintf("extra %s x%d", text(row.Replica), row.Count)
	default:
		return fmt.Sprintf("changed %s > %s", text(row.Source), text(row.Replica))
	}
}

// TestScansSeeHowOftenARowIsThere: {1,1,2} against {2,3,3} is equal to every digest that is an XOR.
func TestScansSeeHowOftenARowIsThere(t *testing.T) {
	t.Parallel()
	n := NewTopology(t, Options{Replicas: -1}).Source
	n.Exec(t, "CREATE DATABASE a", "CREATE DATABASE b",
		"CREATE TABLE a.t (v INT, w TEXT)", "INSERT INTO a.t VALUES (1,'x'), (1,'x'), (2,NULL)",
		"CREATE TABLE b.t (v INT, w TEXT)", "INSERT INTO b.t VALUES (3,'y'), (2,NULL), (3,'y')")
	on := openServer(t, n)
	catalog := loadSchema(t, on)
	got, _ := scansDiffer(t, on, scanLayout(t, catalog, "a", "t", 0), scanLayout(t, catalog, "b", "t", 0), 1000)
	if want := []string{"extra 3,y x2", "missing 1,x x2"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestScansFindWhatAModelFinds damages tables at random, with copies of rows and with a key, and compares them in portions
// of every size.
func TestScansFindWhatAModelFinds(t *testing.T) {
	t.Parallel()
	random, _ := randomFrom(t)
	n := NewTopology(t, Options{Replicas: -1, SourceWithoutBinlog: true}).Source
	n.Exec(t, "CREATE DATABASE a", "CREATE DATABASE b")
	const rounds = 30
	for round := range rounds {
		keyed := round%2 == 0
		sides := [2]map[string]int{randomRows(random, keyed), {}}
		for row, count := range sides[0] {
			sides[1][row] = count
		}
		damageRows(random, sides[1], keyed)
		for side, database := range []string{"a", "b"} {
			n.Exec(t, fmt.Sprintf("CREATE TABLE %s.r%d (v INT, w INT)", database, round))
			if rows := rowList(random, sides[side]); len(rows) > 0 {
				n.Exec(t, fmt.Sprintf("INSERT INTO %s.r%d VALUES %s", database, round, strings.Join(rows, ", ")))
			}
		}
		on := openServer(t, n)
		catalog := loadSchema(t, on)
		table, identity := fmt.Sprintf("r%d", round), 0
		if keyed {
			identity = 1
		}
		want := scanModel(sides[0], sides[1], keyed)
		for _, budget := range []int{1, 50, 1 << 20} {
			got, portions := scansDiffer(t, on, scanLayout(t, catalog, "a", table, identity), scanLayout(t, catalog, "b", table, identity), budget)
			if !slices.Equal(got, want) {
				t.Fatalf("round %d, budget %d:\ngot  %q\nwant %q", round, budget, got, want)
			}
			if budget == 1 && len(want) > 20 && portions < 10 || budget == 1<<20 && portions > 1 {
				t.Errorf("%d differences in %d portions with a budget of %d rows", len(want), portions, budget)
			}
		}
	}
}

// randomRows is how often each row "v,w" is there; with a key, v is there once.
func randomRows(random *rand.Rand, keyed bool) map[string]int {
	rows := map[string]int{}
	for v := range random.IntN(300) {
		row := fmt.Sprintf("%d,%d", v, random.IntN(3))
		rows[row] = 1
		if !keyed {
			rows[row] += random.IntN(3)
		}
	}
	return rows
}

func damageRows(random *rand.Rand, rows map[string]int, keyed bool) {
	for v := range 320 {
		if random.IntN(4) > 0 {
			continue
		}
		w := random.IntN(4)
		if keyed || random.IntN(2) == 0 {
			for old := range 4 {
				delete(rows, fmt.Sprintf("%d,%d", v, old))
			}
		}
		if random.IntN(3) > 0 {
			rows[fmt.Sprintf("%d,%d", v, w)]++
		}
	}
}

func rowList(random *rand.Rand, rows map[string]int) []string {
	var list []string
	for row, count := range rows {
		for range count {
			list = append(list, "("+row+")")
		}
	}
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func scanModel(source, replica map[string]int, keyed bool) []string {
	var found []string
	byKey := func(rows map[string]int) map[string]string {
		byKey := map[string]string{}
		for row := range rows {
			key, _, _ := strings.Cut(row, ",")
			byKey[key] = row
		}
		return byKey
	}
	sourceRows, replicaRows := byKey(source), byKey(replica)
	one := func(kind string, rows, others map[string]int, partners map[string]string) {
		for row, count := range rows {
			key, _, _ := strings.Cut(row, ",")
			partner, here := partners[key]
			switch {
			case count <= others[row]:
			case keyed && here && kind == "missing":
				found = append(found, fmt.Sprintf("changed %s > %s", row, partner))
			case keyed && here:
			default:
				found = append(found, fmt.Sprintf("%s %s x%d", kind, row, count-others[row]))
			}
		}
	}
	one("missing", source, replica, replicaRows)
	one("extra", replica, source, sourceRows)
	slices.Sort(found)
	return found
}
