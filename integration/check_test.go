package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/chunker"
)

// requestFor is a check of a topology with small chunks, so that even small tables are split and shared by workers.
func requestFor(tp *Topology) check.Request {
	request := check.DefaultRequest()
	request.Source = tp.Source.Endpoint()
	for _, replica := range tp.Replicas {
		request.Replicas = append(request.Replicas, replica.Endpoint())
	}
	request.Workers = 3
	request.Size = chunker.SizeOptions{Rows: 50}
	return request
}

// runCheck runs a check that must end without an error of its own.
func runCheck(t testing.TB, request check.Request) *check.Result {
	t.Helper()
	result, err := check.Run(t.Context(), request, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Err != nil {
		t.Fatalf("the check failed: %v", result.Err)
	}
	return result
}

// describe puts everything that is not equal into a message.
func describe(result *check.Result) string {
	var out strings.Builder
	fmt.Fprintf(&out, "verdict %s, error %v, warnings %q", result.Verdict, result.Err, result.Warnings)
	for _, r := range result.Replicas {
		fmt.Fprintf(&out, "\nreplica %s: %s %s %s", r.Address, r.Verdict, r.ReasonCode, r.Reason)
	}
	for _, table := range result.Tables {
		fmt.Fprintf(&out, "\n%s.%s: %s %s %s (%d rows, %d+%d chunks)", table.Database, table.Table, table.Verdict, table.ReasonCode, table.Reason,
			table.Rows, table.ChunksVerified, table.ChunksUnverified)
	}
	for _, d := range result.SchemaDifferences {
		fmt.Fprintf(&out, "\nschema: %+v", d)
	}
	for _, d := range result.Differences {
		fmt.Fprintf(&out, "\n%s", differenceText(d))
	}
	return out.String()
}

// differenceText is a listed row in one line: kind, key, and the columns with their values on source and replica.
func differenceText(d check.RowDifference) string {
	show := func(v *check.Value) string {
		switch {
		case v == nil:
			return "-"
		case v.Null:
			return "NULL"
		case v.Hex:
			return "0x" + v.Text
		default:
			return v.Text
		}
	}
	var parts []string
	for _, k := range d.Key {
		parts = append(parts, k.Name+"="+show(&k.Value))
	}
	text := fmt.Sprintf("%s %s.%s %s", d.Kind, d.Database, d.Table, strings.Join(parts, ","))
	if d.Kind == check.Changed {
		for _, c := range d.Columns {
			text += fmt.Sprintf(" %s:%s>%s", c.Name, show(c.Source), show(c.Replica))
		}
	}
	return text
}

func differenceTexts(result *check.Result) []string {
	var texts []string
	for _, d := range result.Differences {
		texts = append(texts, differenceText(d))
	}
	slices.Sort(texts)
	return texts
}

// requireReplicating fails when a replica's applier or receiver does not run, or still has an UNTIL.
// reconnectLimit is how long a receiver may be without its source: one that heard nothing for long, on a machine that stood still, connects again.
const reconnectLimit = 20 * time.Second

func requireReplicating(t testing.TB, nodes ...*Node) {
	t.Helper()
	for _, node := range nodes {
		status := node.Status(t)
		for deadline := time.Now().Add(reconnectLimit); status["Slave_IO_Running"] == "Connecting" && time.Now().Before(deadline); status = node.Status(t) {
			time.Sleep(20 * time.Millisecond)
		}
		if status["Slave_SQL_Running"] != "Yes" || status["Slave_IO_Running"] != "Yes" || status["Until_Condition"] != "None" {
			t.Errorf("%s: applier %s, receiver %s, until %s, error %q", node.Name(), status["Slave_SQL_Running"], status["Slave_IO_Running"],
				status["Until_Condition"], status["Last_SQL_Error"])
		}
	}
}
