package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"trueup/internal/sandbox"
	"trueup/server"
)

// EnvImages names the rows of the matrix: Docker images of MySQL and MariaDB, and "local" for the server program of this
// machine, separated by commas. Unset: local alone.
const EnvImages = "TRUEUP_TEST_IMAGES"

// Needs is what a test needs of a server. The zero value is met by every row.
type Needs struct {
	// Flavor is the family, unless it is UnknownFlavor.
	Flavor server.Flavor
	// MinMySQL and MinMariaDB are the oldest release of each family; zero for any.
	MinMySQL, MinMariaDB server.Version
	// Network: servers can be cut off from each other (containers).
	Network bool
	// Local: the server's files and socket can be reached from this process.
	Local bool
	// GTID: replication by global transaction ids.
	GTID bool
	// Channels: a replica may have several sources.
	Channels bool
}

// Lacking says what the row lacks of the needs; "" when they are met.
func (n Needs) Lacking(r ServerRow) string {
	oldest := map[server.Flavor]server.Version{server.MySQL: n.MinMySQL, server.MariaDB: n.MinMariaDB}[r.Flavor]
	switch {
	case n.Flavor != server.UnknownFlavor && n.Flavor != r.Flavor:
		return "needs " + n.Flavor.String()
	case !r.Version.AtLeast(oldest.Major, oldest.Minor, oldest.Patch):
		return fmt.Sprintf("needs %s %s or newer", r.Flavor, oldest)
	case n.Network && r.Local():
		return "needs servers in containers, which can be cut off"
	case n.Local && !r.Local():
		return "needs the files or the socket of a server on this machine"
	case n.GTID && r.Flavor == server.MySQL && !r.Version.AtLeast(5, 6, 5):
		return "needs GTIDs (MySQL 5.6.5 or newer)"
	case n.Channels && r.Flavor == server.MySQL && !r.Version.AtLeast(5, 7, 6):
		return "needs replication channels (MySQL 5.7.6 or newer)"
	}
	return ""
}

// EachServer runs a test on every row of the matrix that meets the needs, as parallel subtests named after the rows;
// it is skipped with the reason on the others. A topology made in the subtest is of that row's servers. The
// test must not call t.Parallel itself on the t it is given.
func EachServer(t *testing.T, test func(t *testing.T, on ServerRow), needs ...Needs) {
	t.Helper()
	for _, name := range rowNames() {
		label := strings.TrimPrefix(name, "trueup-test/")
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			outcomes.expect(t, name)
			row := openRow(t, name)
			for _, n := range needs {
				if reason := n.Lacking(row); reason != "" {
					outcomes.skip(t, reason)
				}
			}
			rowsOfTests.Store(t.Name(), row)
			test(t, row)
		})
	}
}

// Require skips a test, or a part of it, that is on a row which does not meet the needs.
func Require(t *testing.T, on ServerRow, needs Needs) {
	t.Helper()
	if reason := needs.Lacking(on); reason != "" {
		outcomes.skip(t, reason)
	}
}

// Pair is a source and a replica of different rows.
type Pair struct{ Source, Replica ServerRow }

// replicates tells whether servers of a row can be replicas of those of another, as their makers say: newer ones of
// the same family (MySQL: 8.0 and newer, which need not be neighbours to share a format), and MariaDB from old MySQL.
func replicates(source, replica ServerRow) bool {
	switch {
	case source.Flavor == server.MySQL && replica.Flavor == server.MariaDB:
		return !source.Version.AtLeast(5, 8, 0)
	case source.Flavor != replica.Flavor || (source.Flavor == server.MySQL && !source.Version.AtLeast(8, 0, 0)):
		return false
	}
	v := replica.Version
	return !source.Version.AtLeast(v.Major, v.Minor, v.Patch)
}

// EachPair runs a test on every two rows in containers of which one can be the replica of the other. With no such rows it
// is skipped.
func EachPair(t *testing.T, test func(t *testing.T, pair Pair)) {
	t.Helper()
	var rows []ServerRow
	for _, name := range rowNames() {
		if name != localName {
			rows = append(rows, openRow(t, name))
		}
	}
	found := false
	for _, source := range rows {
		for _, replica := range rows {
			if !replicates(source, replica) {
				continue
			}
			found = true
			t.Run(source.short()+" to "+replica.short(), func(t *testing.T) {
				t.Parallel()
				outcomes.expect(t, replica.Name)
				rowsOfTests.Store(t.Name(), source)
				test(t, Pair{Source: source, Replica: replica})
			})
		}
	}
	if !found {
		t.Skip("needs two rows in containers that can replicate, in " + EnvImages)
	}
}

// rowNames are the rows of the matrix.
func rowNames() []string {
	var names []string
	for name := range strings.SplitSeq(os.Getenv(EnvImages), ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	if names == nil {
		names = []string{localName}
	}
	return names
}

// rows holds what is known of each row, found out once.
var rows = struct {
	sync.Mutex
	found map[string]func() (ServerRow, error)
}{found: map[string]func() (ServerRow, error){}}

// findRow prepares a row: for an image that may take half a minute the first time.
func findRow(name string) (ServerRow, error) {
	rows.Lock()
	find, known := rows.found[name]
	if !known {
		find = sync.OnceValues(func() (ServerRow, error) {
			ctx, cancel := context.WithTimeout(context.Background(), setupLimit)
			defer cancel()
			if name == localName {
				return localRow(ctx)
			}
			return imageRow(ctx, name)
		})
		rows.found[name] = find
	}
	rows.Unlock()
	return find()
}

func localRow(ctx context.Context) (ServerRow, error) {
	runtime, err := sandbox.Find(ctx)
	if err != nil {
		return ServerRow{}, err
	}
	row := ServerRow{Name: localName, runtime: runtime}
	row.Flavor, row.Version, err = server.ParseVersion(runtime.Version)
	return row, err
}

// openRow returns a row; where its servers cannot be started the test is skipped loudly, and fails with
// REQUIRE_SERVERS=1.
func openRow(t testing.TB, name string) ServerRow {
	t.Helper()
	row, err := findRow(name)
	if err == nil {
		return row
	}
	if os.Getenv("REQUIRE_SERVERS") == "1" {
		t.Fatalf("REQUIRE_SERVERS=1: %s: %v", name, err)
	}
	fmt.Fprintf(os.Stderr, "SKIPPED, NOTHING PROVEN: %s needs real servers (%s): %v\n", t.Name(), name, err)
	t.Skip("SKIPPED, NOTHING PROVEN: ", err)
	return row
}

// rowsOfTests is the row that a running test of EachServer is on, by the test's name.
var rowsOfTests sync.Map

// onRow completes options: the row of the test, of which the replicas are too unless said otherwise.
func onRow(t testing.TB, o Options) Options {
	t.Helper()
	if o.Server.Name == "" {
		o.Server = rowOf(t)
	}
	if o.ReplicaServer.Name == "" {
		o.ReplicaServer = o.Server
	}
	if o.Server.Local() != o.ReplicaServer.Local() {
		t.Fatal(errors.New("servers on this machine and in containers cannot reach each other in one topology"))
	}
	return o
}

// rowOf finds the row of the test, or of the test it is a part of.
func rowOf(t testing.TB) ServerRow {
	t.Helper()
	for name := t.Name(); name != ""; name = name[:max(0, strings.LastIndexByte(name, '/'))] {
		if row, ok := rowsOfTests.Load(name); ok {
			return row.(ServerRow)
		}
	}
	if !slices.Contains(rowNames(), localName) {
		outcomes.skipOutside(t)
	}
	return openRow(t, localName)
}
