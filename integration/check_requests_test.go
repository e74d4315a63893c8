package integration

import (
	"strings"
	"testing"

	"trueup/check"
	"trueup/server"
)

// TestRefusedRequests: what makes no sense is an error before anything is touched.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	topologies := NewTopologies(t, Options{}, Options{Replicas: 1})
	tp, other := topologies[0], topologies[1]
	tp.Source.CreateWriterTable(t, "app.w1", 10)
	tp.WaitCaughtUp(t)
	for name, test := range map[string]struct {
		change func(*check.Request)
		want   string
	}{
		"the source as its own replica": {func(r *check.Request) { r.Replicas = []server.Endpoint{tp.Source.Endpoint()} }, "are the same server"},
		"one replica twice":             {func(r *check.Request) { r.Replicas = append(r.Replicas, r.Replicas[0]) }, "are the same server"},
		"a server that is no replica":   {func(r *check.Request) { r.Replicas = []server.Endpoint{other.Source.Endpoint()} }, "not a replica"},
		"a replica of another source":   {func(r *check.Request) { r.Replicas = []server.Endpoint{other.Replica(0).Endpoint()} }, "another source"},
		"a glob that matches nothing":   {func(r *check.Request) { r.Filters.Tables = []string{"app.w1", "app.nothing*"} }, "app.nothing*"},
		"no workers":                    {func(r *check.Request) { r.Workers = 0 }, "workers"},
	} {
		t.Run(name, func(t *testing.T) {
			request := requestFor(tp)
			test.change(&request)
			result, err := check.Run(t.Context(), request, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, result %+v; want an error with %q", err, result, test.want)
			}
		})
	}
	requireReplicating(t, tp.Replicas...)
}
