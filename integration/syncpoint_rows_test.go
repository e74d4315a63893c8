package integration

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trueup/server"
)

// What the tests of sync points say and ask differently from one family to the other.

// proberGrants are what making a sync point needs, and reading what was found.
func (r ServerRow) proberGrants() string {
	return strings.Join(append(r.proberReads(), r.pausePrivilege()), ", ")
}

func (r ServerRow) proberReads() []string {
	if r.Flavor == server.MariaDB {
		return []string{"SELECT", "LOCK TABLES", "BINLOG MONITOR", "SLAVE MONITOR"}
	}
	return []string{"SELECT", "LOCK TABLES", "REPLICATION CLIENT", "REPLICATION SLAVE"}
}

// pausePrivilege is what stopping and starting an applier needs.
func (r ServerRow) pausePrivilege() string {
	switch {
	case r.Flavor == server.MariaDB:
		return "REPLICATION SLAVE ADMIN"
	case r.IsMySQL(8, 0, 11):
		return "REPLICATION_SLAVE_ADMIN"
	}
	return "SUPER"
}

// limitConnections is the statement that lets an account have so many sessions at once; 0 for any number.
func (n *Node) limitConnections(account string, most int) string {
	verb, on := "ALTER USER", ""
	if n.Row.Flavor == server.MySQL && !n.Row.IsMySQL(5, 7, 6) {
		verb, on = "GRANT USAGE", " ON *.* TO"
	}
	return fmt.Sprintf("%s%s %s WITH MAX_USER_CONNECTIONS %d", verb, on, account, most)
}

// changeOption is the statement that changes one option of a replica ("PASSWORD='x'", "DELAY=0").
func (r ServerRow) changeOption(option string) string {
	if r.newTerms() {
		return "CHANGE REPLICATION SOURCE TO SOURCE_" + option
	}
	return "CHANGE MASTER TO MASTER_" + option
}

// runUntil is the statement that starts an applier up to a place far ahead, and untilCondition what the status says then.
func (r ServerRow) runUntil() string {
	source := "MASTER"
	if r.newTerms() {
		source = "SOURCE"
	}
	return fmt.Sprintf("%s UNTIL %s_LOG_FILE='binlog.000777', %s_LOG_POS=4", r.replicaStatement("START", "", "SQL_THREAD"), source, source)
}

func (r ServerRow) untilCondition() string {
	if r.newTerms() {
		return "Source"
	}
	return "Master"
}

// forgetReplication are the statements that make a stopped replica a server with an empty log that never was one.
func (r ServerRow) forgetReplication() []string {
	all := []string{r.replicaStatement("RESET", "", "ALL"), r.resetLog()}
	if r.Flavor == server.MariaDB {
		all = append(all, "SET GLOBAL gtid_slave_pos=''")
	}
	return all
}

// openSource and openReplica are for servers that were restarted. A container may come back with another network card,
// of which MariaDB makes its server_uid, and is another server then for all who knew it before.
func (p *prober) openSource(t *testing.T) {
	t.Helper()
	p.source = openAs(t, p.owner, p.tp.Source, p.source.Endpoint())
}

func (p *prober) openReplica(t *testing.T, i int) {
	t.Helper()
	p.replicas[i].Server = openAs(t, p.owner, p.tp.Replica(i), p.source.Endpoint())
}

// within is a time in which a point of this family may be in any of its phases.
func (p *prober) within() time.Duration {
	if p.tp.Source.Row.Flavor == server.MySQL { // STOP and START take 20 to 40 ms each
		return 400 * time.Millisecond
	}
	return 40 * time.Millisecond
}

// process is a connection, as SHOW PROCESSLIST tells it. On MySQL information_schema.PROCESSLIST fails while
// anybody's statement holds 4-byte text, which the writer's do.
type process struct {
	id, user, command, state string
	idle                     bool // executes no statement, and has not for two seconds
	text                     string
}

func (n *Node) processes(ctx context.Context) ([]process, error) {
	names, rows, err := n.query(ctx, "SHOW PROCESSLIST")
	if err != nil {
		return nil, err
	}
	column := func(name string) int {
		return slices.IndexFunc(names, func(have string) bool { return strings.EqualFold(have, name) })
	}
	id, user, command, state, since, info := column("Id"), column("User"), column("Command"), column("State"), column("Time"), column("Info")
	var all []process
	for _, row := range rows {
		seconds, err := strconv.Atoi(row[since])
		idle := err == nil && seconds >= 2 && (row[info] == "NULL" || row[info] == "")
		all = append(all, process{row[id], row[user], row[command], row[state], idle, fmt.Sprint(row)})
	}
	return all, nil
}

// probers are the connections of the prober's account.
func (n *Node) probers(ctx context.Context) ([]process, error) {
	all, err := n.processes(ctx)
	return slices.DeleteFunc(all, func(p process) bool { return p.user != proberUser }), err
}

// applierID is the connection id of the applier thread: another one after every START. It is "NULL" without one.
func (n *Node) applierID(t *testing.T) string {
	t.Helper()
	if n.Row.Flavor == server.MySQL {
		return n.Value(t, "SELECT MIN(PROCESSLIST_ID) FROM performance_schema.threads WHERE NAME IN ('thread/sql/slave_sql', 'thread/sql/replica_sql')")
	}
	return n.Value(t, "SELECT MIN(ID) FROM information_schema.PROCESSLIST WHERE COMMAND='Slave_SQL'")
}

// runningID is the applier's connection id, waited for where the applier has just been started.
func (n *Node) runningID(t *testing.T) (id string) {
	t.Helper()
	eventually(t, n.Name()+": its applier's thread is in the process list", 20*time.Second, func() (bool, string) {
		id = n.applierID(t)
		status := n.Status(t)
		return id != "NULL" || status["Slave_SQL_Running"] == "No", fmt.Sprint(status["Slave_SQL_Running"])
	})
	return id
}

// awaitState waits until an applier's thread is seen in a state of the process list.
func (n *Node) awaitState(t *testing.T, state string) {
	eventually(t, n.Name()+": its applier is in state "+state, 20*time.Second, func() (bool, string) {
		all, err := n.processes(t.Context())
		return slices.ContainsFunc(all, func(p process) bool {
			// In a stored function it has the user of the function's definer.
			return (p.user == "system user" || strings.HasPrefix(p.command, "Slave_")) && p.state == state
		}), fmt.Sprint(all, err)
	})
}

// seesAppliers: the test watches the applier's thread, which MySQL names and numbers in this way since 8.0.
var seesAppliers = Needs{MinMySQL: server.Version{Major: 8}}
