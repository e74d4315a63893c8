package recovery

import (
	"errors"
	"testing"

	"trueup/replication"
	"trueup/replication/binlog"
	"trueup/server"
)

// TestSearchWithoutFile: where an error does not say for sure in which file of the log its event is, the offset, the table and the kind tell; and
// nothing does where that fits two.
func TestSearchWithoutFile(t *testing.T) {
	t.Parallel()
	at := func(file string, start, event uint64, kind binlog.Kind, table string) *binlog.Transaction {
		return &binlog.Transaction{File: file, Start: start, End: event + 31, Changes: []binlog.Change{{Kind: kind, End: event, Table: &binlog.Table{Database: "app", Name: table}}}}
	}
	const executedGTID, waitingGTID = "3e11fa47-71ca-11e1-9e33-c80aa9429562:6", "3e11fa47-71ca-11e1-9e33-c80aa9429562:7"
	cut := func(last uint64) *binlog.Transaction {
		t := at("binlog.000001", 1000, last, binlog.Updated, "t")
		t.Truncated, t.End = true, 9000
		return t
	}
	with := func(t *binlog.Transaction, gtid string) *binlog.Transaction {
		other := *t
		other.GTID = gtid
		return &other
	}
	first, same := at("binlog.000001", 2045, 2277, binlog.Updated, "t"), at("binlog.000002", 2045, 2277, binlog.Updated, "t")
	const text = "Worker 3 failed executing transaction '' at master log %, end_log_pos 2277; Could not execute Update_rows event on table app.t; Can't find record in 't', Error_code: 1032; the event's master log FIRST, end_log_pos 2277"
	for _, test := range []struct {
		name      string
		file      string // that the error names
		log       []*binlog.Transaction
		want      int // index in log; -1: none
		ambiguous bool
	}{
		{"no file", "", []*binlog.Transaction{at("binlog.000001", 1828, 2014, binlog.Inserted, "t"), first, at("binlog.000001", 2308, 2400, binlog.Updated, "t")}, 1, false},
		{"the file before", "binlog.000001", []*binlog.Transaction{at("binlog.000001", 9000, 9100, binlog.Updated, "t"), same}, 1, false},
		{"not before the file", "binlog.000002", []*binlog.Transaction{first, same}, 1, false},
		{"another table there", "", []*binlog.Transaction{at("binlog.000001", 2045, 2277, binlog.Updated, "u"), same}, 1, false},
		{"another kind there", "", []*binlog.Transaction{at("binlog.000001", 2045, 2277, binlog.Deleted, "t"), same}, 1, false},
		{"another event there", "", []*binlog.Transaction{at("binlog.000001", 2000, 2290, binlog.Updated, "t"), same}, 1, false},
		{"two files", "", []*binlog.Transaction{at("binlog.000001", 1828, 2014, binlog.Inserted, "t"), first, same}, -1, true},
		{"two files, and the first comes next", "", []*binlog.Transaction{first, same}, -1, true}, // the position may be old
		{"cut off before the event", "", []*binlog.Transaction{cut(2100), at("binlog.000001", 2308, 2400, binlog.Updated, "t")}, 0, false},
		{"cut off behind the event", "", []*binlog.Transaction{cut(2300), same}, 1, false},
		{"cut off, and one that ends there", "", []*binlog.Transaction{cut(2100), same}, 1, false},
		{"executed", "", []*binlog.Transaction{with(first, executedGTID), with(same, waitingGTID)}, 1, false},
		{"not received", "", []*binlog.Transaction{first, at("binlog.000003", 2045, 2277, binlog.Updated, "t")}, 0, false},
		{"none", "", []*binlog.Transaction{at("binlog.000001", 2308, 2400, binlog.Updated, "t")}, -1, false},
		{"further than workers run", "", []*binlog.Transaction{at("binlog.000001", 1828, 2014, binlog.Inserted, "t"), first, at("binlog.000001", 2308, 2400, binlog.Updated, "t"), same}, 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			failing := replication.Failing{EventEnd: replication.Position{File: test.file, Offset: 2277}, Ahead: 3}
			failing.Error = replication.ChannelError{Number: 1032, Message: text}
			s, err := newSearch(failing, server.MySQL, replication.Status{Workers: 4, ExecutedGTID: "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-6", Received: replication.Position{File: "binlog.000003", Offset: 4}})
			if err != nil {
				t.Fatal(err)
			}
			for _, transaction := range test.log {
				if more, err := s.take(transaction); err != nil || !more {
					break
				}
			}
			var want *binlog.Transaction
			if test.want >= 0 {
				want = test.log[test.want]
			}
			if found, err := s.result(nil); found != want || errors.Is(err, errAmbiguous) != test.ambiguous {
				t.Errorf("found %+v, %v", found, err)
			}
			if found, _ := s.result(errors.New("the connection is lost")); found != nil {
				t.Errorf("found %+v in a log that was not read to its end", found)
			}
		})
	}
}

// TestSearchForStatements: the error of a statement names no table. What ends where the error says is it, whatever spans that place in another file.
func TestSearchForStatements(t *testing.T) {
	t.Parallel()
	drop := &binlog.Transaction{File: "b.000001", Start: 400, End: 500, DDL: true, Statements: []binlog.Statement{{Text: "DROP TABLE t", End: 500}}}
	spans := &binlog.Transaction{File: "b.000002", Start: 400, End: 700, Changes: []binlog.Change{{End: 669, Table: &binlog.Table{}}}}
	for _, test := range []struct {
		log       []*binlog.Transaction
		want      *binlog.Transaction
		ambiguous bool
	}{
		{[]*binlog.Transaction{drop, spans}, drop, false},
		{[]*binlog.Transaction{spans, drop}, drop, false},
		{[]*binlog.Transaction{spans}, spans, false},
		{[]*binlog.Transaction{spans, spans}, nil, true},
	} {
		failing := replication.Failing{EventEnd: replication.Position{Offset: 500}, Ahead: 512}
		failing.Error = replication.ChannelError{Number: 1051, Message: "Worker 1 failed executing transaction 'ANONYMOUS' at source log , end_log_pos 500; Error 'Unknown table'"}
		s, err := newSearch(failing, server.MySQL, replication.Status{Workers: 4})
		if err != nil {
			t.Fatal(err)
		}
		for _, transaction := range test.log {
			if more, err := s.take(transaction); err != nil || !more {
				break
			}
		}
		if found, err := s.result(nil); found != test.want || errors.Is(err, errAmbiguous) != test.ambiguous {
			t.Errorf("%+v: found %+v, %v", test.log, found, err)
		}
	}
}
