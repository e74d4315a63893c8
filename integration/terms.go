package integration

import (
	"fmt"
	"strings"

	"trueup/server"
)

// newTerms tells whether the server knows REPLICA and SOURCE in every statement (MySQL 8.0.26 and newer; 8.4 has
// dropped the older words).
func (r ServerRow) newTerms() bool { return r.IsMySQL(8, 0, 26) }

// changeSource is CHANGE MASTER TO or what replaced it. channel is "" for the one without a name; file is ""
// with GTID.
func (r ServerRow) changeSource(source *Node, channel, file string) string {
	master := "MASTER"
	head, tail := "CHANGE MASTER"+r.connection(channel)+" TO", r.forChannel(channel)
	if r.newTerms() {
		master, head = "SOURCE", "CHANGE REPLICATION SOURCE TO"
	}
	options := []string{
		fmt.Sprintf("%s_HOST='%s'", master, source.host), fmt.Sprintf("%s_PORT=%d", master, source.Port()),
		fmt.Sprintf("%s_USER='%s'", master, replicator), fmt.Sprintf("%s_PASSWORD='%s'", master, replication),
		master + "_CONNECT_RETRY=1",
	}
	if r.Flavor == server.MySQL {
		options = append(options, master+"_RETRY_COUNT=86400") // 9.7 gives up after 10, which a source that is restarted may take
	}
	if r.IsMySQL(8, 0, 0) {
		// The account's plugin is caching_sha2_password, which sends a password only over TLS or under the source's key.
		options = append(options, "GET_"+master+"_PUBLIC_KEY=1")
	}
	if r.IsMariaDB(11, 4, 0) && !source.Row.IsMariaDB(11, 4, 0) {
		// Since 11.4 replicas ask for TLS with a certificate they can verify, and only sources since 11.4 have one without
		// being given it.
		options = append(options, "MASTER_SSL=0", "MASTER_SSL_VERIFY_SERVER_CERT=0")
	}
	switch {
	case file == "" && r.Flavor == server.MySQL:
		options = append(options, master+"_AUTO_POSITION=1")
	case file == "":
		options = append(options, "MASTER_USE_GTID=slave_pos")
	default:
		if r.Flavor == server.MariaDB {
			options = append(options, "MASTER_USE_GTID=no")
		}
		options = append(options, fmt.Sprintf("%s_LOG_FILE='%s'", master, file), master+"_LOG_POS=4")
	}
	return head + " " + strings.Join(options, ", ") + tail
}

// replicaStatement is "START" or "STOP" with an optional thread ("SQL_THREAD").
func (r ServerRow) replicaStatement(verb, channel, thread string) string {
	word := "SLAVE"
	if r.newTerms() {
		word = "REPLICA"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s%s %s%s", verb, word, r.connection(channel), thread, r.forChannel(channel)))
}

// connection and forChannel name a channel where each family has it: MariaDB after SLAVE, MySQL at the end.
func (r ServerRow) connection(channel string) string {
	if channel == "" || r.Flavor != server.MariaDB {
		return ""
	}
	return " '" + channel + "'"
}

func (r ServerRow) forChannel(channel string) string {
	if channel == "" || r.Flavor != server.MySQL {
		return ""
	}
	return " FOR CHANNEL '" + channel + "'"
}

// resetLog begins the binary log and the GTIDs anew.
func (r ServerRow) resetLog() string {
	if r.IsMySQL(8, 2, 0) {
		return "RESET BINARY LOGS AND GTIDS"
	}
	return "RESET MASTER"
}

// changeReplica is CHANGE MASTER TO or what replaced it, with options that begin with MASTER_.
func (r ServerRow) changeReplica(channel string, options ...string) string {
	head, all := "CHANGE MASTER"+r.connection(channel)+" TO ", strings.Join(options, ", ")
	if r.newTerms() {
		head, all = "CHANGE REPLICATION SOURCE TO ", strings.ReplaceAll(all, "MASTER_", "SOURCE_")
	}
	return head + all + r.forChannel(channel)
}

// showReplicaStatus has a row for each channel.
func (r ServerRow) showReplicaStatus() string {
	switch {
	case r.IsMySQL(8, 0, 22):
		return "SHOW REPLICA STATUS"
	case r.Flavor == server.MySQL:
		return "SHOW SLAVE STATUS"
	}
	return "SHOW ALL SLAVES STATUS"
}

func (r ServerRow) showReplicas() string {
	if r.IsMySQL(8, 0, 22) {
		return "SHOW REPLICAS"
	}
	return "SHOW SLAVE HOSTS"
}

func (r ServerRow) showBinlogStatus() string {
	if r.IsMySQL(8, 2, 0) {
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

// waitForPosition has parameters for file, position and seconds.
func (r ServerRow) waitForPosition(channel string) string {
	function, name := "MASTER_POS_WAIT", ""
	if r.newTerms() {
		function = "SOURCE_POS_WAIT"
	}
	if channel != "" {
		name = ", '" + channel + "'"
	}
	return fmt.Sprintf("SELECT %s(?, ?, ?%s)", function, name)
}

// bothTerms gives every column of a replica's status under the names of both term sets: tests may say
// Slave_SQL_Running or Replica_SQL_Running on any server. Source_Server_Id and its like exist in both too; MariaDB's
// Connection_name is also Channel_Name.
func bothTerms(status map[string]string) map[string]string {
	toOld := strings.NewReplacer("Replica", "Slave", "Source", "Master")
	toNew := strings.NewReplacer("Slave", "Replica", "Master", "Source")
	all := make(map[string]string, 2*len(status))
	for name, value := range status {
		if all[name] = value; strings.HasPrefix(name, "Replicate_") {
			continue // the filters, which both call so
		}
		all[toOld.Replace(name)], all[toNew.Replace(name)] = value, value
	}
	if name, ok := status["Connection_name"]; ok {
		all["Channel_Name"] = name
	}
	return all
}

// Numbers is a FROM-able expression with one column, seq, from 1 to n: "INSERT INTO t SELECT seq FROM " + Numbers(9).
func (r ServerRow) Numbers(n int) string {
	switch {
	case r.Flavor == server.MariaDB:
		return fmt.Sprintf("(SELECT seq FROM mysql.seq_1_to_%d) AS numbers", n)
	case r.IsMySQL(8, 0, 19):
		// A hint, because the limit on recursion is 1000 for the session.
		return fmt.Sprintf("(WITH RECURSIVE counted AS (SELECT 1 AS seq UNION ALL SELECT seq+1 FROM counted WHERE seq < %[1]d) "+
			"SELECT /*+ SET_VAR(cte_max_recursion_depth=%[1]d) */ seq FROM counted) AS numbers", n)
	}
	digits, sum, from := "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 "+
		"UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)", "1", ""
	for i, power := 0, 1; power < n || i == 0; i, power = i+1, power*10 {
		if i > 0 {
			from += " CROSS JOIN "
		}
		from += fmt.Sprintf("%s AS d%d", digits, i)
		sum += fmt.Sprintf("+%d*d%d.d", power, i)
	}
	return fmt.Sprintf("(SELECT seq FROM (SELECT %s AS seq FROM %s) AS counted WHERE seq <= %d ORDER BY seq) AS numbers", sum, from, n)
}
