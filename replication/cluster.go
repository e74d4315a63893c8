package replication

import (
	"context"
	"fmt"
	"strings"

	"trueup/server"
)

// ClusterKind is how the members of a cluster get each other's transactions, without a channel of the kind this package
// knows.
type ClusterKind string

// The kinds; NoCluster is the zero value.
const (
	NoCluster        ClusterKind = ""
	Galera           ClusterKind = "Galera"            // also Percona XtraDB Cluster
	GroupReplication ClusterKind = "group replication" // also InnoDB Cluster
)

// Cluster says of which cluster a server is a member at this moment.
type Cluster struct {
	Kind ClusterKind
	ID   string // Galera's wsrep_cluster_state_uuid, the name of the group; the same on all members
}

// IsMember tells whether the server is a member of a cluster.
func (c Cluster) IsMember() bool { return c.Kind != NoCluster }

// SameAs tells whether two servers are members of one cluster.
func (c Cluster) SameAs(other Cluster) bool { return c.IsMember() && c == other }

// String is "Galera cluster 5b1e…".
func (c Cluster) String() string {
	if c.Kind == GroupReplication {
		return "replication group " + c.ID
	}
	return fmt.Sprintf("%s cluster %s", c.Kind, c.ID)
}

// noUUID is wsrep_cluster_state_uuid on a node that has never been part of a cluster.
const noUUID = "00000000-0000-0000-0000-000000000000"

// ClusterOf tells of which cluster a server is a member. It needs no privilege for Galera; for a server with the plugin of
// group replication it needs SELECT on performance_schema. A node that was started for a cluster and has lost it still counts:
// it may come back any moment.
//
// https://galeracluster.com/library/documentation/galera-status-variables.html,
// MySQL manual, "The replication_group_members Table".
func ClusterOf(ctx context.Context, session *server.Session) (Cluster, error) {
	variables, err := globalVariables(ctx, session, "wsrep_on", "wsrep_provider", "wsrep_cluster_name", "group_replication_group_name")
	if err != nil {
		return Cluster{}, fmt.Errorf("looking whether the server is a member of a cluster: %w", err)
	}
	if provider := variables["wsrep_provider"]; strings.EqualFold(variables["wsrep_on"], "ON") && provider != "" && provider != "none" {
		return galeraCluster(ctx, session, variables["wsrep_cluster_name"])
	}
	name := variables["group_replication_group_name"]
	if name == "" {
		return Cluster{}, nil
	}
	record, err := session.One(ctx, "SELECT COUNT(*) AS members FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@GLOBAL.server_uuid AND MEMBER_STATE <> 'OFFLINE'")
	if err != nil {
		return Cluster{}, fmt.Errorf("looking whether the server is a member of its group: %w", err)
	}
	if record.Text("members") == "0" {
		return Cluster{}, nil
	}
	return Cluster{Kind: GroupReplication, ID: strings.ToLower(name)}, nil
}

func galeraCluster(ctx context.Context, session *server.Session, name string) (Cluster, error) {
	records, err := session.Records(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_state_uuid'")
	if err != nil {
		return Cluster{}, fmt.Errorf("looking of which Galera cluster the server is a node: %w", err)
	}
	for _, record := range records {
		if id := record.Text("Value"); id != "" && id != noUUID {
			return Cluster{Kind: Galera, ID: id}, nil
		}
	}
	return Cluster{Kind: Galera, ID: name}, nil
}
