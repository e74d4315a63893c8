package replication

import (
	"context"
	"fmt"
	"strings"

	"trueup/server"
)

// MariaDB keeps every commit waiting while it sends events (seen on 10.11: a client that was slow to read them held up an INSERT for
// 11 s), and events can be large. So Touched looks at little of a log, a few events at a time.
const (
	mostTouching  = 256 << 10 // bytes of the log
	touchingPages = 64
	touchingPage  = 16 // events
)

// harmless are the events that change no table by themselves: those of rows name their table in the Table_map before them.
var harmless = map[string]bool{
	"Format_desc": true, "Gtid_list": true, "Binlog_checkpoint": true, "Rotate": true, "Previous_gtids": true, "Stop": true,
	"Gtid": true, "Anonymous_Gtid": true, "Gtid_tagged": true, "Xid": true, "Annotate_rows": true, "Rows_query": true,
	"Write_rows": true, "Update_rows": true, "Delete_rows": true, "Write_rows_v1": true, "Update_rows_v1": true, "Delete_rows_v1": true,
	"Write_rows_compressed_v1": true, "Update_rows_compressed_v1": true, "Delete_rows_compressed_v1": true, "Heartbeat": true,
}

// Touched tells whether the server's binary log may hold a change of the table between two positions, the first of which lies
// between two transactions. It is true also where that cannot be told: too many events, another log file, statements, compressed
// transactions. Rows that a foreign key's cascade changes are not in the log.
func Touched(ctx context.Context, session *server.Session, from, to Position, database, table string) (bool, error) {
	if from == to {
		return false, nil
	}
	if from.File != to.File || to.Offset < from.Offset || to.Offset-from.Offset > mostTouching {
		return true, nil
	}
	at := from
	for range touchingPages {
		events, err := session.Records(ctx, fmt.Sprintf("SHOW BINLOG EVENTS IN %s FROM %d LIMIT %d", quote(at.File), at.Offset, touchingPage))
		if err != nil {
			return true, fmt.Errorf("looking for changes of %s.%s between %s and %s: %w", database, table, from, to, err)
		}
		touched, reached, err := touches(events, &at, to, database, table)
		if err != nil || touched || reached {
			return touched, err
		}
		if len(events) < touchingPage {
			return true, nil // the log ends before the second position
		}
	}
	return true, nil
}

// touches looks through some events, and leaves at at the last one, with which the next look begins: within a transaction MariaDB 11.4
// and newer do not say where an event ends.
func touches(events []server.Record, at *Position, to Position, database, table string) (touched, reached bool, err error) {
	name := strings.ToLower("(" + database + "." + table + ")")
	for _, event := range events {
		n := &numbers{record: event}
		begins, ends := n.uint(64, "Pos"), n.uint(64, "End_log_pos")
		if n.err != nil {
			return true, false, n.err
		}
		at.Offset = begins
		if begins >= to.Offset {
			return false, true, nil
		}
		switch kind := event.Text("Event_type"); {
		case kind == "Table_map" && strings.HasSuffix(strings.ToLower(event.Text("Info")), name):
			return true, false, nil
		case kind == "Table_map", harmless[kind]:
		case kind == "Query" && isTransactionControl(event.Text("Info")):
		default:
			return true, false, nil
		}
		if ends == to.Offset {
			return false, true, nil
		}
	}
	return false, false, nil
}

func isTransactionControl(statement string) bool {
	return statement == "BEGIN" || statement == "COMMIT"
}
