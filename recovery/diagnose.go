package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trueup/checksum"
	"trueup/repair"
	"trueup/replication"
	"trueup/replication/binlog"
	"trueup/schema"
	"trueup/server"
)

// failure is what a diagnosis has found beyond what it shows: what acting on it goes by.
type failure struct {
	diagnosis   *Diagnosis
	failing     replication.Failing
	transaction *binlog.Transaction // nil: not known
	touched     *touched            // nil: not known
	plan        *fixPlan
	method      replication.SkipMethod
	signals     signals
	delayed     string               // what a long delay means; "": there is none
	unproven    string               // what keeps the rows from being compared with the source afterwards; "": nothing that is known
	downstream  string               // what to know about the replica's own replicas; "": there are none
	shared      []string             // tables that other channels may write to
	passes      string               // settings by which the replica's applier goes on over errors; known where a skip is an option
	unusable    map[schema.Name]bool // tables, by their names on the replica, that were looked at and cannot be shown, or written
}

// diagnose looks at the channel and at everything that explains its state. Nothing is changed.
func (r *run) diagnose(ctx context.Context) (*failure, error) {
	status, err := replication.ReadStatus(ctx, r.control, r.channel)
	if err != nil {
		return nil, err
	}
	if err := r.refuseOtherSource(status); err != nil {
		return nil, err
	}
	d := &Diagnosis{At: r.request.Check.Now(), Replica: info(r.replica), Source: r.sourceInfo(), Status: status}
	f := &failure{diagnosis: d}
	if d.Hiding, err = replication.HidingSettings(ctx, r.control); err != nil {
		d.Hiding = []string{"which settings hide errors could not be read: " + err.Error()}
	}
	if r.source == nil {
		r.warn("the source could not be reached: %v", r.noReach)
	}
	switch {
	case status.StoppedByError():
		d.Part = Applier
		return f, r.diagnoseApplier(ctx, f)
	case !status.ReceiverError.IsZero():
		d.Part, d.Error, d.Class = Receiver, status.ReceiverError, ClassReceiver
		why, advice := receiverAdvice(d.Error.Number, status.Address())
		d.Why, d.Advice = []string{why}, advice
		if isLogGone(d.Error.Number) {
			d.Options = []Option{rebuildOption("what the source has purged and the replica has not executed is lost to it")}
		}
	case !status.ApplierRunning:
		d.Advice = []string{"The applier stands without an error: somebody stopped it, or the server was started with skip_slave_start (skip_replica_start). " +
			"Start it with " + replication.StartApplierStatement(r.replica.Identity(), r.channel)}
	}
	return f, nil
}

func (r *run) warn(format string, args ...any) {
	if said := fmt.Sprintf(format, args...); !slices.Contains(r.result.Warnings, said) {
		r.result.Warnings = append(r.result.Warnings, said)
	}
}

// diagnoseApplier explains why the applier stands.
func (r *run) diagnoseApplier(ctx context.Context, f *failure) (err error) {
	d := f.diagnosis
	if f.failing, d.Status, err = replication.ReadFailing(ctx, r.control, r.channel); err != nil {
		return err
	}
	d.Error = f.failing.Error
	d.Class = classOf(d.Error.Number)
	if err := r.readErrant(ctx, d); err != nil {
		return err
	}
	switch {
	case d.Class == ClassRelayLog:
		d.NotRead = "the relay log cannot be read, which is the error itself"
	case f.failing.Unnamed():
		d.NotRead = "the error does not say which one it was, and with parallel workers it need not be the first that was not executed"
	default:
		if err := r.readTransaction(ctx, f); err != nil {
			return err
		}
	}
	if f.touched != nil {
		if err := r.lookAtRows(ctx, f); err != nil {
			return err
		}
		if err := r.readDirectWrites(ctx, f); err != nil {
			return err
		}
		if d.Class == ClassSignal {
			if err := r.lookAtTriggers(ctx, f); err != nil {
				return err
			}
		}
		if err := r.lookBeside(ctx, f); err != nil {
			return err
		}
	}
	d.Why, d.Advice = explain(f)
	return r.offer(ctx, f)
}

// readErrant reads which transactions were written on the replica.
func (r *run) readErrant(ctx context.Context, d *Diagnosis) error {
	if r.source == nil {
		return nil
	}
	session, err := r.source.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer session.Close()
	if d.Errant, err = replication.Errant(ctx, r.control, session); err != nil {
		r.warn("which transactions only the replica has could not be read: %v", err)
	}
	return ctx.Err()
}

// readTransaction reads the failing transaction and works out what it does.
func (r *run) readTransaction(ctx context.Context, f *failure) error {
	d := f.diagnosis
	transaction, from, err := r.locate(ctx, f.failing, d.Status)
	if err != nil {
		d.NotRead = err.Error()
		return ctx.Err()
	}
	f.transaction = transaction
	if f.failing.GTID == "" {
		f.failing.GTID = transaction.GTID
	}
	f.failing.End = replication.Position{File: transaction.File, Offset: transaction.End}
	d.Transaction = showTransaction(transaction, from)
	var source *server.Session
	if r.source != nil {
		if source, err = r.source.Session(ctx, server.SessionOptions{Reopens: true}); err != nil {
			return err
		}
		defer source.Close()
	}
	var executed []schema.Name
	for _, name := range d.Transaction.Tables {
		if replicated, why := d.Status.Replicates(name.Database, name.Table); replicated {
			executed = append(executed, name)
		} else {
			r.warn("rows of %s.%s in the transaction are nothing to this replica: %s. What it has in a table of that name is its own, and left alone.", name.Database, name.Table, why)
		}
	}
	loaded, err := loadTables(ctx, source, r.control, d.Status, executed)
	if err != nil {
		return fmt.Errorf("reading the definitions of the transaction's tables: %w", err)
	}
	f.touched = newTouched(transaction, loaded, func(name schema.Name) bool { return slices.Contains(executed, name) })
	for i := range f.touched.changes {
		c := &f.touched.changes[i]
		d.Transaction.Partial = d.Transaction.Partial || c.before != nil && !c.wholeBefore || c.after != nil && !c.wholeAfter
	}
	return r.addStatementTables(ctx, f, source)
}

// addStatementTables adds the tables that statements of the transaction may change: which rows is not known.
func (r *run) addStatementTables(ctx context.Context, f *failure, source *server.Session) error {
	var executed []Statement
	for _, s := range f.diagnosis.Transaction.Statements {
		if !s.Annotation {
			executed = append(executed, s)
		}
	}
	if len(executed) == 0 {
		return nil
	}
	if source == nil {
		f.touched.doubt("the transaction executes statements, and which tables they change is not known without the source")
		return nil
	}
	tables, why, err := tablesOf(ctx, source, executed, func(database, table string) bool {
		replicated, _ := f.diagnosis.Status.Replicates(database, table)
		return replicated
	})
	if err != nil {
		return fmt.Errorf("finding out which tables the transaction's statements change: %w", err)
	}
	for _, name := range tables {
		f.touched.addWhole(name)
	}
	f.touched.why = append(f.touched.why, why...)
	return nil
}

func showTransaction(t *binlog.Transaction, from string) *Transaction {
	shown := &Transaction{GTID: t.GTID, From: from, File: t.File, Start: t.Start, End: t.End, At: t.At, Bytes: t.Size, Rows: t.Rows, Truncated: t.Truncated, XA: t.XA, Compressed: t.Compressed}
	executes := false
	for _, s := range t.Statements {
		shown.Statements = append(shown.Statements, Statement{Database: s.Database, Text: server.MaskSecrets(s.Text), Annotation: s.Annotation})
		executes = executes || !s.Annotation
	}
	switch {
	case t.Rows > 0 && executes:
		shown.Format = "mixed"
	case t.Rows > 0:
		shown.Format = "row"
	default:
		shown.Format = "statement"
	}
	for i := range t.Changes {
		name := schema.Name{Database: t.Changes[i].Table.Database, Table: t.Changes[i].Table.Name}
		if !slices.Contains(shown.Tables, name) {
			shown.Tables = append(shown.Tables, name)
		}
	}
	return shown
}

// lookAtRows reads the transaction's rows on both sides and works out what would make it apply.
func (r *run) lookAtRows(ctx context.Context, f *failure) error {
	onReplica, err := newSideReader(ctx, r.replica, true)
	if err != nil {
		return err
	}
	defer onReplica.close()
	p := &planner{touched: f.touched, plan: &fixPlan{}, replica: onReplica,
		load: func(ctx context.Context, there schema.Name) (*table, error) { return r.loadMore(ctx, f, there) },
		later: func(ctx context.Context, t *table, isIt func(checksum.Row) bool) (checksum.Row, error) {
			return r.imageLater(ctx, f, t, isIt)
		}}
	p.aboutLinks = f.diagnosis.Class == ClassParent || f.diagnosis.Class == ClassChild
	if p.links, err = repair.ForeignKeys(ctx, r.control); err != nil {
		return err
	}
	f.addCascaded(p.links)
	if r.source != nil {
		if p.source, err = newSideReader(ctx, r.source, false); err != nil {
			return err
		}
		defer p.source.close()
	}
	if err := p.planFix(ctx); err != nil {
		return fmt.Errorf("comparing the transaction's rows with those on the replica: %w", err)
	}
	f.plan = p.plan
	if f.diagnosis.Rows, err = p.showRows(ctx, MostRows); err != nil {
		return err
	}
	if f.diagnosis.InTheWay, err = p.showInTheWay(ctx, MostRows); err != nil {
		return err
	}
	return r.checkWritable(ctx, f)
}

// checkWritable adds what keeps us from writing to the replica to the fix's obstacles.
func (r *run) checkWritable(ctx context.Context, f *failure) error {
	_, names := f.plan.rewriteTables()
	if len(names) == 0 {
		return nil
	}
	err := repair.MayRewrite(ctx, r.replica, names)
	if server.IsConnectionLost(err) || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	if err != nil {
		f.plan.obstruct("%v", err)
	}
	return nil
}

// loadMore loads a table that the transaction does not change, by its name on the replica; nil: its rows cannot be shown, or written.
func (r *run) loadMore(ctx context.Context, f *failure, there schema.Name) (*table, error) {
	for _, known := range f.touched.tables.all {
		if known.there == there {
			return known, nil
		}
	}
	if f.unusable[there] {
		return nil, nil
	}
	if f.unusable == nil {
		f.unusable = map[schema.Name]bool{}
	}
	f.unusable[there] = true // until it turns out not to be
	database, known := f.diagnosis.Status.SourceNameOf(there.Database)
	if replicated, _ := f.diagnosis.Status.Replicates(database, there.Table); !known || !replicated {
		return nil, nil // which of the source's it is nobody can say, or its rows are the replica's own
	}
	var source *server.Session
	if r.source != nil {
		var err error
		if source, err = r.source.Session(ctx, server.SessionOptions{Reopens: true}); err != nil {
			return nil, err
		}
		defer source.Close()
	}
	loaded, err := loadTables(ctx, source, r.control, f.diagnosis.Status, []schema.Name{{Database: database, Table: there.Table}})
	if err != nil {
		return nil, err
	}
	one := loaded.all[0]
	if one.layout == nil || !one.keyed || one.source == nil {
		return nil, nil
	}
	f.touched.tables.all = append(f.touched.tables.all, one)
	return one, nil
}

// addCascaded adds tables whose rows change along with those of the transaction, by foreign keys.
func (f *failure) addCascaded(links []repair.ForeignKey) {
	var parents []*table
	for i := range f.touched.changes {
		if c := &f.touched.changes[i]; c.table != nil && c.change.Kind != binlog.Inserted && !slices.Contains(parents, c.table) {
			parents = append(parents, c.table)
		}
	}
	for _, child := range cascaded(links, parents) {
		database, known := f.diagnosis.Status.SourceNameOf(child.Database)
		if replicated, _ := f.diagnosis.Status.Replicates(database, child.Table); known && replicated {
			f.touched.addWhole(schema.Name{Database: database, Table: child.Table})
		}
		f.touched.doubt(fmt.Sprintf("Rows of %s.%s may change along by a foreign key's action, which the log does not say.", child.Database, child.Table))
	}
}
