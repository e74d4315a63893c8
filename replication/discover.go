package replication

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"trueup/server"
)

// How a candidate's address became known.
const (
	// Registered: the list of replicas has it. It is the replica's report_host; where that is not set, MariaDB
	// puts the replica's client address there, and MySQL nothing.
	Registered = "registered"
	// DumpThread: the replica registered without an address; this is one of the clients reading the log.
	DumpThread = "dump thread"
)

// Candidate is a server that is said to replicate from a source. Whoever connects has to verify the server id,
// since the address may be a guess.
type Candidate struct {
	ServerID uint32
	UUID     string // MySQL only
	Host     string // the first of Hosts, "" when there is none
	Port     int
	How      string   // Registered or DumpThread
	Hosts    []string // every address worth a try, in order
}

// Addresses are where the candidate may be reached, host:port, in the order in which to try them.
func (c Candidate) Addresses() []string {
	var addresses []string
	for _, host := range c.Hosts {
		addresses = append(addresses, net.JoinHostPort(host, strconv.Itoa(c.Port)))
	}
	return addresses
}

// Discover asks a source who replicates from it: the servers that registered there, and where they gave no
// address, the clients that read its binary log right now, with the port they reported. A replica whose
// receiver is not connected cannot be discovered; one that was stopped may be listed until its next heartbeat
// (30 seconds by default) is due. Warnings are about readers of the log that are no registered
// replica (trueup's own are known, see LogReaderDatabase), and about replicas without any address. It needs REPLICATION MASTER ADMIN (MariaDB) or REPLICATION
// SLAVE (MySQL), and PROCESS to see the log's readers.
func Discover(ctx context.Context, source *server.Session) (candidates []Candidate, warnings []string, err error) {
	registered, err := source.Records(ctx, termsOf(source.Server().Identity()).showReplicas())
	if err != nil {
		return nil, nil, fmt.Errorf("listing the registered replicas: %w", err)
	}
	processes, err := source.Records(ctx, "SHOW FULL PROCESSLIST")
	if err != nil {
		return nil, nil, fmt.Errorf("listing the readers of the binary log: %w", err)
	}
	readers := dumpThreadHosts(processes)
	for _, record := range registered {
		candidate, err := candidateFrom(record, readers, source.Server().Endpoint())
		if err != nil {
			return nil, nil, fmt.Errorf("%s: listing the registered replicas: %w", source.Server().Address(), err)
		}
		if len(candidate.Hosts) == 0 {
			warnings = append(warnings, fmt.Sprintf("replica with server_id %d has registered without an address (report_host) and no client address of it is to be seen: name it with --replica", candidate.ServerID))
		}
		candidates = append(candidates, candidate)
	}
	if extra := len(readers) - len(registered); extra > 0 {
		warnings = append(warnings, fmt.Sprintf("%d more client(s) read the source's binary log than replicas have registered (readers on %s): backup tools, or replicas to name with --replica", extra, strings.Join(distinct(readers), ", ")))
	}
	return candidates, warnings, nil
}

func candidateFrom(record row, readers []string, source server.Endpoint) (Candidate, error) {
	n := &numbers{record: record}
	candidate := Candidate{
		ServerID: uint32(n.uint(32, "Server_Id")),
		UUID:     record.Text("Replica_UUID", "Slave_UUID"),
		Port:     int(n.uint(16, "Port")),
		How:      Registered,
	}
	switch host := record.Text("Host"); {
	case host == "":
		candidate.How = DumpThread
		candidate.Hosts = reachableHosts(readers, source)
	case isLoopback(host): // as the source sees it, or as the replica would reach itself
		candidate.Hosts = reachableHosts(append([]string{host}, readers...), source)
	default:
		candidate.Hosts = []string{host}
	}
	if len(candidate.Hosts) > 0 {
		candidate.Host = candidate.Hosts[0]
	}
	return candidate, n.err
}

// dumpThreadHosts returns the client host of each thread that sends the binary log to somebody.
func dumpThreadHosts(processes []server.Record) []string {
	var hosts []string
	for _, process := range processes {
		if !strings.HasPrefix(process.Text("Command"), "Binlog Dump") || isLogReader(process) {
			continue
		}
		hosts = append(hosts, clientHost(process.Text("Host")))
	}
	return hosts
}

// clientHost cuts the port off a client's address, which stands after the last colon also where the address is
// an IPv6 one, without brackets.
func clientHost(address string) string {
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 {
		return address
	}
	if _, err := strconv.ParseUint(address[colon+1:], 10, 16); err != nil {
		return address
	}
	return strings.Trim(address[:colon], "[]")
}

// reachableHosts turns the readers' hosts, which are as the source sees them, into addresses for us: a reader
// on the source's own machine is where the source is.
func reachableHosts(readers []string, source server.Endpoint) []string {
	local := "127.0.0.1"
	if host, _, err := net.SplitHostPort(source.Address); source.Network == "tcp" && err == nil {
		local = host
	}
	var hosts []string
	for _, host := range readers {
		if isLoopback(host) {
			host = local
		}
		hosts = append(hosts, host)
	}
	return distinct(hosts)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func distinct(values []string) []string {
	var result []string
	for _, value := range values {
		if !slices.Contains(result, value) {
			result = append(result, value)
		}
	}
	return result
}
