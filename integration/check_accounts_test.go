package integration

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trueup/check"
	"trueup/server"
)

// documentedGrants are the privileges that docs/servers.md names for a server of the row's family: "source", "replica",
// or "discovery" for what the source needs besides where no replica is named.
func documentedGrants(t *testing.T, on ServerRow, role string) []string {
	t.Helper()
	document, err := os.ReadFile("../docs/servers.md")
	if err != nil {
		t.Fatal(err)
	}
	family := map[server.Flavor]string{server.MySQL: "MySQL", server.MariaDB: "MariaDB"}[on.Flavor]
	before := map[string]string{"source": `on the source:\n\n` + "```sql\n", "replica": `on each replica:\n\n` + "```sql\n",
		"discovery": `on the source:\n\n` + "```sql\n" + `.*\n-- only to discover replicas.*\n`}[role]
	if on.Flavor == server.MySQL && !on.Version.AtLeast(8, 0, 11) && role == "replica" {
		before += `.*\n-- before 8\.0\.11.*\n`
	}
	match := regexp.MustCompile(`\n` + family + `[^\n]*, ` + before + `GRANT (.*) ON \*\.\* TO`).FindSubmatch(document)
	if match == nil {
		t.Fatalf("docs/servers.md names no grants for a %s %s", family, role)
	}
	return strings.Split(string(match[1]), ", ")
}

// optionalGrants are those without which a check is equal all the same, with a warning.
var optionalGrants = []string{"BINLOG ADMIN"}

// accountOn makes an account on one server only, with privileges on everything and further grants as they stand.
func accountOn(t *testing.T, node *Node, name string, privileges []string, further ...string) server.Endpoint {
	t.Helper()
	grants := further
	if len(privileges) > 0 {
		grants = append([]string{strings.Join(privileges, ", ") + " ON *.*"}, further...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	if err := node.damage(ctx, node.createUser(name, grants)...); err != nil {
		t.Fatal(err)
	}
	return node.loginOf(name)
}

func without(grants []string, grant string) []string {
	return slices.DeleteFunc(slices.Clone(grants), func(g string) bool { return g == grant })
}

// TestCheckWithDocumentedGrants: with exactly the privileges that the manual names a check works, and each of them that is
// taken away is named.
func TestCheckWithDocumentedGrants(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{})
		tp.Source.CreateWriterTable(t, "app.w1", 200)
		tp.WaitCaughtUp(t)
		checkNamedReplicaGrants(t, tp, on)
		checkDiscoveryGrants(t, tp, on)
		checkGrantsOnDatabase(t, tp, on)
		requireReplicating(t, tp.Replicas...)
	})
}

func checkNamedReplicaGrants(t *testing.T, tp *Topology, on ServerRow) {
	onSource, onReplica := documentedGrants(t, on, "source"), documentedGrants(t, on, "replica")
	request := requestFor(tp)
	request.Source = accountOn(t, tp.Source, "source_all", onSource)
	request.Replicas = []server.Endpoint{accountOn(t, tp.Replica(0), "replica_all", onReplica)}
	if result := runCheck(t, request); result.Verdict != check.Equal || len(result.Warnings) > 0 {
		t.Errorf("with every documented grant: %s", describe(result))
	}
	for i, grant := range onSource {
		less := request
		less.Source = accountOn(t, tp.Source, fmt.Sprint("source_", i), without(onSource, grant))
		requireMissing(t, less, grant, "source")
	}
	for i, grant := range onReplica {
		less := request
		less.Replicas = []server.Endpoint{accountOn(t, tp.Replica(0), fmt.Sprint("replica_", i), without(onReplica, grant))}
		requireMissing(t, less, grant, "replica")
	}
}

// requireMissing runs a check whose account on one server lacks a privilege, which has to be named with its GRANT.
func requireMissing(t *testing.T, request check.Request, grant, where string) {
	t.Helper()
	result, err := check.Run(t.Context(), request, nil)
	if err != nil {
		t.Fatalf("without %s on the %s: %v", grant, where, err)
	}
	names := func(text string) bool {
		return strings.Contains(text, grant+" is missing") && strings.Contains(text, "GRANT "+grant+" ON *.* TO")
	}
	good := false
	switch {
	case slices.Contains(optionalGrants, grant):
		good = result.Verdict == check.Equal && slices.ContainsFunc(result.Warnings, names)
	case where == "source":
		good = result.Verdict == check.Failed && result.Err != nil && names(result.Err.Error())
	default:
		replica := result.Replicas[0]
		good = result.Verdict == check.Unverified && replica.ReasonCode == check.ReasonMissingPrivilege && names(replica.Reason)
	}
	if !good {
		t.Errorf("without %s on the %s: %s", grant, where, describe(result))
	}
}

// checkDiscoveryGrants is with one account everywhere, made on the source and replicated.
func checkDiscoveryGrants(t *testing.T, tp *Topology, on ServerRow) {
	discovery := documentedGrants(t, on, "discovery")
	grants := slices.Concat(documentedGrants(t, on, "source"), documentedGrants(t, on, "replica"), discovery)
	slices.Sort(grants)
	grants = slices.Compact(grants)
	request := requestFor(tp)
	request.Replicas = nil
	request.Source = tp.Source.CreateUser(t, "everywhere", strings.Join(grants, ", ")+" ON *.*")
	tp.WaitCaughtUp(t)
	if result := runCheck(t, request); result.Verdict != check.Equal || len(result.Replicas) != 1 || len(result.Warnings) > 0 {
		t.Errorf("with every documented grant for discovery: %s", describe(result))
	}
	for i, grant := range discovery {
		request.Source = accountOn(t, tp.Source, fmt.Sprint("discovery_", i), without(grants, grant))
		requireMissing(t, request, grant, "source")
	}
}

// checkGrantsOnDatabase is with SELECT on one database, where the filters name it.
func checkGrantsOnDatabase(t *testing.T, tp *Topology, on ServerRow) {
	onSource, onReplica := documentedGrants(t, on, "source"), documentedGrants(t, on, "replica")
	furtherOnReplica := []string{"SELECT ON app.*"}
	if on.Flavor == server.MySQL {
		furtherOnReplica = append(furtherOnReplica, "SELECT ON performance_schema.*")
	}
	request := requestFor(tp)
	request.Filters.Databases = []string{"app"}
	request.Source = accountOn(t, tp.Source, "source_app", without(onSource, "SELECT"), "SELECT ON app.*")
	request.Replicas = []server.Endpoint{accountOn(t, tp.Replica(0), "replica_app", without(onReplica, "SELECT"), furtherOnReplica...)}
	if result := runCheck(t, request); result.Verdict != check.Equal || len(result.Tables) != 1 {
		t.Errorf("with SELECT on one database: %s", describe(result))
	}
}

// TestCheckOverTLS: a check works over TLS and without it, with a password that the server has not seen before (MySQL's
// caching_sha2_password then wants TLS or its own key); and where TLS cannot be had, it is not done without.
func TestCheckOverTLS(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkTLS(t, on) })
}

func checkTLS(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{})
	tp.Source.CreateWriterTable(t, "app.w1", 200)
	certificates := on.IsMySQL(5, 7, 6) || on.IsMariaDB(11, 4, 0) // made by the servers themselves
	for _, c := range []struct {
		mode    server.TLSMode
		demand  string // of the account
		works   bool
		mention string // in the error
	}{
		{server.TLSOff, "REQUIRE NONE", true, ""},
		{server.TLSPreferred, "REQUIRE NONE", true, ""},
		{server.TLSRequired, "REQUIRE NONE", certificates, "TLS"},
		{server.TLSRequired, "REQUIRE SSL", certificates, "TLS"},
		{server.TLSPreferred, "REQUIRE SSL", certificates, ""},
		{server.TLSOff, "REQUIRE SSL", false, ""},
		{server.TLSVerify, "REQUIRE NONE", false, ""},
	} {
		name := fmt.Sprintf("%s_%s", c.mode, strings.ToLower(strings.Fields(c.demand)[1]))
		request := requestFor(tp)
		request.Source = tp.Source.CreateUser(t, name, on.checkGrants()+" ON *.* ")
		tp.Source.Exec(t, on.demandTLS(tp.Source.Account(name), c.demand))
		tp.WaitCaughtUp(t)
		request.Source.TLS = server.TLS{Mode: c.mode}
		request.Replicas[0].User, request.Replicas[0].Password, request.Replicas[0].TLS = request.Source.User, request.Source.Password, request.Source.TLS
		result, err := check.Run(t.Context(), request, nil)
		if err != nil {
			t.Fatalf("TLS %s, account %s: %v", c.mode, c.demand, err)
		}
		if err = result.Err; c.works && (err != nil || result.Verdict != check.Equal) {
			t.Errorf("TLS %s, account %s: %v, %s", c.mode, c.demand, err, describe(result))
		}
		if !c.works && (err == nil || result.Verdict != check.Failed || !strings.Contains(err.Error(), c.mention)) {
			t.Errorf("TLS %s, account %s: %v, %s; want an error with %q", c.mode, c.demand, err, describe(result), c.mention)
		}
	}
}

// demandTLS is what makes an account need TLS, or not.
func (r ServerRow) demandTLS(account, demand string) string {
	if r.Flavor == server.MySQL && !r.Version.AtLeast(5, 7, 0) {
		return "GRANT USAGE ON *.* TO " + account + " " + demand
	}
	return "ALTER USER " + account + " " + demand
}

// TestCheckOfReadOnlySource: a source in the middle of a chain is read only. Where that refuses the lock that a position
// takes (MySQL before 5.7.5), the privilege that helps is named.
func TestCheckOfReadOnlySource(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{})
		tp.Source.CreateWriterTable(t, "app.w1", 200)
		tp.WaitCaughtUp(t)
		grants := documentedGrants(t, on, "source")
		request := requestFor(tp)
		request.Source = accountOn(t, tp.Source, "documented", grants)
		tp.Source.Exec(t, "SET GLOBAL read_only = 1")
		result, err := check.Run(t.Context(), request, nil)
		if err != nil {
			t.Fatal(err)
		}
		if on.Flavor == server.MySQL && !on.Version.AtLeast(5, 7, 5) {
			if result.Verdict != check.Failed || result.Err == nil || !strings.Contains(result.Err.Error(), "SUPER") {
				t.Errorf("without SUPER: %s", describe(result))
			}
			request.Source = accountOn(t, tp.Source, "super", append(grants, "SUPER"))
			result = runCheck(t, request)
		}
		if result.Verdict != check.Equal {
			t.Error(describe(result))
		}
		requireReplicating(t, tp.Replicas...)
	})
}
