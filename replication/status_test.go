package replication

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"trueup/server"
)

// fakeRow is a result's row as a map from column name to text.
type fakeRow map[string]string

func (f fakeRow) Text(names ...string) string {
	for _, name := range names {
		for column, value := range f {
			if strings.EqualFold(column, name) {
				return value
			}
		}
	}
	return ""
}

func seconds(n int) *time.Duration {
	d := time.Duration(n) * time.Second
	return &d
}

// The rows of MySQL 8.4 and 5.7, as its manual's SHOW REPLICA STATUS names the columns.
func TestStatusFromMySQL(t *testing.T) {
	t.Parallel()
	modern := fakeRow{
		"Replica_IO_State": "Waiting for source to send event", "Source_Host": "10.0.0.1", "Source_Port": "3307",
		"Source_Log_File": "binlog.000003", "Read_Source_Log_Pos": "900", "Relay_Log_File": "relay.000009",
		"Relay_Source_Log_File": "binlog.000002", "Replica_IO_Running": "Yes", "Replica_SQL_Running": "No",
		"Last_Errno": "1062", "Exec_Source_Log_Pos": "500", "Until_Condition": "SQL_AFTER_GTIDS", "Until_Log_File": "",
		"Until_Log_Pos": "0", "Seconds_Behind_Source": "", "Last_IO_Errno": "0", "Last_IO_Error": "",
		"Last_SQL_Errno": "1062", "Last_SQL_Error": "Duplicate entry", "Source_Server_Id": "7", "Source_UUID": uuidA,
		"SQL_Delay": "30", "Replica_SQL_Running_State": "", "Retrieved_Gtid_Set": uuidA + ":1-9",
		"Executed_Gtid_Set": uuidA + ":1-5,\n" + uuidB + ":1", "Auto_Position": "1", "Channel_Name": "east",
		"Replicate_Do_DB": "a,b", "Replicate_Rewrite_DB": "(x,y),(z,w)",
	}
	want := Status{
		Channel: "east", SourceHost: "10.0.0.1", SourcePort: 3307, SourceServerID: 7, SourceUUID: uuidA,
		ReceiverState: Running, Received: Position{"binlog.000003", 900}, Executed: Position{"binlog.000002", 500},
		UsesGTID: true, ExecutedGTID: uuidA + ":1-5," + uuidB + ":1", ReceivedGTID: uuidA + ":1-9",
		ApplierError: ChannelError{1062, "Duplicate entry"}, Until: Until{Condition: "SQL_AFTER_GTIDS"},
		Delay:   30 * time.Second,
		Filters: []Filter{{doDB, "a"}, {doDB, "b"}, {rewriteDB, "x->y"}, {rewriteDB, "z->w"}},
	}
	if got, err := statusFrom(modern); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("MySQL 8.4: %v\n got %+v\nwant %+v", err, got, want)
	}

	old := fakeRow{}
	for column, value := range modern {
		old[strings.NewReplacer("Replica_", "Slave_", "Source", "Master").Replace(column)] = value
	}
	old["Seconds_Behind_Master"], old["Until_Condition"] = "12", "Master"
	old["Until_Log_File"], old["Until_Log_Pos"] = "binlog.000004", "77"
	old["Auto_Position"] = "0"
	want.Lag, want.UsesGTID = seconds(12), false
	want.Until = Until{Condition: "Master", Position: Position{"binlog.000004", 77}}
	if got, err := statusFrom(old); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("MySQL 5.7: %v\n got %+v\nwant %+v", err, got, want)
	}
}

func TestStatusFromReceiverStates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]RunState{"Yes": Running, "No": Stopped, "Connecting": Connecting, "Preparing": Connecting, "": Stopped} {
		got, err := statusFrom(fakeRow{"Slave_IO_Running": text})
		if err != nil || got.ReceiverState != want {
			t.Errorf("%q: %v, %v", text, got.ReceiverState, err)
		}
	}
}

func TestStatusFromBadNumber(t *testing.T) {
	t.Parallel()
	_, err := statusFrom(fakeRow{"Exec_Master_Log_Pos": "many"})
	if err == nil || !strings.Contains(err.Error(), "Exec_Master_Log_Pos") {
		t.Errorf("%v", err)
	}
}

func TestChannelErrorString(t *testing.T) {
	t.Parallel()
	if got := (ChannelError{1062, "Duplicate"}).String(); got != "error 1062: Duplicate" {
		t.Error(got)
	}
	if got := (ChannelError{}).String(); got != "" {
		t.Error(got)
	}
}

func TestHidingSettings(t *testing.T) {
	t.Parallel()
	clean := map[string]string{"slave_exec_mode": "STRICT", "slave_skip_errors": "OFF",
		"slave_type_conversions": "ALL_NON_LOSSY", "replicate_events_marked_for_skip": "REPLICATE"}
	if got := hidingSettings(clean); got != nil {
		t.Error(got)
	}
	dirty := map[string]string{"slave_exec_mode": "IDEMPOTENT", "replica_exec_mode": "IDEMPOTENT",
		"slave_skip_errors": "1032,1062", "slave_type_conversions": "ALL_LOSSY", "replicate_events_marked_for_skip": "FILTER_ON_SLAVE"}
	got := hidingSettings(dirty)
	if len(got) != 4 || !strings.HasPrefix(got[0], "replica_exec_mode=IDEMPOTENT: ") || !strings.HasPrefix(got[1], "slave_skip_errors=1032,1062: ") {
		t.Error(got)
	}
	if got := hidingSettings(map[string]string{"replica_exec_mode": "STRICT", "replica_skip_errors": "ALL"}); len(got) != 1 {
		t.Error(got)
	}
}

var _ row = server.Record{}

func TestSkippedErrorsOfRows(t *testing.T) {
	for value, rows := range map[string]bool{"1032": true, "ALL": true, "1050,1032": true, "1007,1008,1050": false, "1050, 1051": false, "DDL_EXIST_ERRORS": false} {
		if skipsRows(value) != rows {
			t.Errorf("slave_skip_errors=%s skips rows: %v", value, !rows)
		}
	}
}
