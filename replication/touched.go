package replication

import (
	"context"
	"fmt"
	"strings"

	"trueup/server"
)

// mostTouching bounds how many events of a log Touched looks through.
const mostTouching = 2000

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
	if from.File != to.File {
		return true, nil
	}
	events, err := session.Records(ctx, fmt.Sprintf("SHOW BINLOG EVENTS IN %s FROM %d LIMIT %d", quote(from.File), from.Offset, mostTouching))
	if err != nil {
		return true, fmt.Errorf("looking for changes of %s.%s between %s and %s: %w", database, table, from, to, err)
	}
	name := strings.ToLower("(" + database + "." + table + ")")
	for _, event := range events {
		n := &numbers{record: event}
		begins := n.uint(64, "Pos")
		if n.err != nil {
			return true, n.err
		}
		if begins >= to.Offset {
			return false, nil
		}
		switch kind := event.Text("Event_type"); {
		case kind == "Table_map" && strings.HasSuffix(strings.ToLower(event.Text("Info")), name):
			return true, nil
		case kind == "Table_map", harmless[kind]:
		case kind == "Query" && isTransactionControl(event.Text("Info")):
		default:
			return true, nil
		}
	}
	return len(events) == mostTouching, nil
}

func isTransactionControl(statement string) bool {
	return statement == "BEGIN" || statement == "COMMIT"
}
