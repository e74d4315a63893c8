package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/internal/sandbox"
	"trueup/server"
)

// galeraProvider is where Debian's package galera-4 puts the library.
const galeraProvider = "/usr/lib/galera/libgalera_smm.so"

// galeraArgs are the arguments of a Galera node; address is gcomm:// to begin a cluster, or that of a node. The second node
// takes its data for the first one's, which they are: a state transfer would need further programs.
func galeraArgs(port int, address string) []string {
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	return []string{"--wsrep-on=ON", "--wsrep-provider=" + galeraProvider, "--wsrep-cluster-name=trueup", "--wsrep-cluster-address=" + address,
		"--wsrep-sst-method=skip", "--wsrep-node-address=" + listen, "--innodb-autoinc-lock-mode=2", "--default-storage-engine=InnoDB",
		fmt.Sprintf("--wsrep-provider-options=gmcast.listen_addr=tcp://%s;ist.recv_addr=127.0.0.1:%d;gcache.size=8M;pc.recovery=false", listen, port+1)}
}

// freePorts are two neighbouring ports that nobody listens on, and that no outgoing connection of this machine is given before the node listens.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		port, err := sandbox.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		second, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port+1))
		if err == nil {
			_ = second.Close()
			return port
		}
	}
	t.Fatal("no two neighbouring ports are free")
	return 0
}

// TestGaleraNodesAreRefused: members of a Galera cluster have no channel to pause, and one that is a replica as well is not
// paused. They are compared without a pause when that is asked for.
func TestGaleraNodesAreRefused(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { refuseGalera(t) }, Needs{Flavor: server.MariaDB, Local: true})
}

func refuseGalera(t *testing.T) {
	if _, err := os.Stat(galeraProvider); err != nil {
		if os.Getenv("REQUIRE_SERVERS") == "1" {
			t.Fatalf("REQUIRE_SERVERS=1: scripts/setup-tools.sh galera installs it: %v", err)
		}
		t.Skip("SKIPPED, NOTHING PROVEN: needs Debian's galera-4: ", err)
	}
	topologies := NewTopologies(t, Options{Replicas: 1}, Options{Replicas: -1})
	source, node, other := topologies[0].Source, topologies[0].Replica(0), topologies[1].Source
	makeGaleraCluster(t, node, other)
	if err := node.waitReplicating(t.Context()); err != nil {
		t.Fatal(err)
	}
	source.CreateWriterTable(t, "app.w1", 50)
	topologies[0].WaitCaughtUp(t)
	stopWatching := watchChannel(t, node, "")
	requireRefused(t, source, node, "its applier is not paused")
	stopWatching()
	requireRefused(t, node, other, "source's own")
	requireReplicating(t, node)
	recheckGalera(t, topologies[0], node, other)
	requireReplicating(t, node)
}

// recheckGalera: the members are compared by --sync recheck, and by auto, while somebody writes: never different, but for the row
// that is damaged on one node.
func recheckGalera(t *testing.T, tp *Topology, node, other *Node) {
	t.Helper()
	tp.Source.Exec(t, "CREATE TABLE app.cold (id INT PRIMARY KEY, v INT)", "INSERT INTO app.cold SELECT seq, seq FROM "+tp.Numbers(100))
	stop := tp.StartWriter(t, WriterOptions{Rows: 200})
	tp.WaitCaughtUp(t)
	pairs := [][2]*Node{{tp.Source, node}, {node, other}}
	checkAll := func(want ...string) {
		for i, pair := range pairs {
			for _, strategy := range []check.Strategy{check.Recheck, check.Auto} {
				request := requestFor(tp)
				request.Sync, request.Source, request.Replicas = strategy, pair[0].Endpoint(), []server.Endpoint{pair[1].Endpoint()}
				result := runCheck(t, request)
				requireStrategy(t, result, check.Recheck)
				requireOnlyDamage(t, result, want[i])
			}
		}
	}
	checkAll("", "")
	other.Exec(t, "SET SESSION wsrep_on = OFF; UPDATE app.cold SET v = 0 WHERE id = 7; SET SESSION wsrep_on = ON")
	checkAll("", "changed app.cold id=7 v:7>0")
	if counts := stop(); counts.Transactions < 10 {
		t.Errorf("only %d transactions were written: nothing was proven", counts.Transactions)
	}
}

// makeGaleraCluster restarts two servers with the same data as nodes of one cluster.
func makeGaleraCluster(t *testing.T, first, second *Node) {
	t.Helper()
	port := freePorts(t)
	if err := first.Restart(t.Context(), galeraArgs(port, "gcomm://")...); err != nil {
		t.Fatal(err)
	}
	status := map[string]string{}
	for _, row := range first.Query(t, "SHOW STATUS LIKE 'wsrep_%'") {
		status[row[0]] = row[1]
	}
	args := galeraArgs(freePorts(t), fmt.Sprint("gcomm://127.0.0.1:", port))
	// It says that it has everything the first one has, so that no state has to be transferred.
	state := fmt.Sprintf("# GALERA saved state\nversion: 2.1\nuuid: %s\nseqno: %s\nsafe_to_bootstrap: 0\n", status["wsrep_cluster_state_uuid"], status["wsrep_last_committed"])
	if err := os.WriteFile(filepath.Join(second.Dir(), "data", "grastate.dat"), []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := second.Restart(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Node{first, second} {
		eventually(t, n.Name()+" is in a cluster of two", time.Minute, func() (bool, string) {
			seen := fmt.Sprint(n.Query(t, "SHOW STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_local_state_comment')"))
			return strings.Contains(seen, "[wsrep_cluster_size 2]") && strings.Contains(seen, "Synced]"), seen
		})
	}
}

// requireRefused demands that a member of a cluster is unverified as one.
func requireRefused(t *testing.T, source, replica *Node, says string) {
	t.Helper()
	request := check.DefaultRequest()
	request.Source, request.Replicas = source.Endpoint(), []server.Endpoint{replica.Endpoint()}
	result := runCheck(t, request)
	found := result.Replicas[0]
	if result.Verdict != check.Unverified || found.ReasonCode != "cluster_member" || !strings.Contains(found.Reason, says) || !strings.Contains(found.Reason, "--sync recheck") {
		t.Errorf("%s of source %s: %s", replica.Name(), source.Name(), describe(result))
	}
}

// TestGroupMembersAreRefused is the same for MySQL's group replication: here a group of one member, which is a replica as well.
func TestGroupMembersAreRefused(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { refuseGroup(t) }, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8}})
}

func refuseGroup(t *testing.T) {
	tp := NewTopology(t, Options{GTID: true})
	source, member := tp.Source, tp.Replica(0)
	source.CreateWriterTable(t, "app.w1", 50)
	tp.WaitCaughtUp(t)
	requireRefusal := func(when string, refused bool) {
		t.Helper()
		result := runCheck(t, requestFor(tp))
		if got := result.Replicas[0].ReasonCode == "cluster_member"; got != refused || (result.Verdict == check.Equal) == refused {
			t.Errorf("%s: %s", when, describe(result))
		}
	}
	member.Exec(t, "INSTALL PLUGIN group_replication SONAME 'group_replication.so'",
		"SET GLOBAL group_replication_group_name='aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'",
		"SET GLOBAL group_replication_local_address='127.0.0.1:33061'", "SET GLOBAL group_replication_bootstrap_group=ON")
	requireRefusal("not yet a member", false)
	member.Exec(t, "START GROUP_REPLICATION")
	stopWatching := watchChannel(t, member, "")
	requireRefusal("a member", true)
	result := runCheck(t, strategyRequest(tp, check.Recheck))
	requireOnlyDamage(t, result, "")
	if result.Verdict != check.Equal {
		t.Error(describe(result))
	}
	stopWatching()
}
