package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// offer works out the ways out, the safest first.
func (r *run) offer(ctx context.Context, f *failure) error {
	d := f.diagnosis
	if fix := fixOption(f); fix != nil {
		d.Options = append(d.Options, *fix)
	}
	if d.Class.mayRetry() {
		d.Options = append(d.Options, retryOption(f))
	}
	skip, err := r.skipOption(ctx, f)
	if err != nil {
		return err
	}
	if skip != nil {
		d.Options = append(d.Options, *skip)
	}
	d.Options = append(d.Options, rebuildOption(""))
	recommend(d, f)
	return nil
}

// recommend marks the first option that is sound as things are.
func recommend(d *Diagnosis, f *failure) {
	if len(f.shared) > 0 {
		return // whose rows they are is for a person to see
	}
	for i := range d.Options {
		o := &d.Options[i]
		switch {
		case o.Action == Fix, o.Action == Rebuild && !d.Class.isForAPerson() && !canBeEnabled(d),
			o.Action == Retry && (d.Class.passesByItself() || isMended(f)),
			o.Action == Skip && !o.stays && d.Class.isAboutRows():
			o.Recommended = true
			return
		}
	}
}

// canBeEnabled tells whether a way out is kept from being sound by what a person can give: rights on the replica, or a source that is reached.
func canBeEnabled(d *Diagnosis) bool {
	skip := d.Option(Skip)
	return skip != nil && skip.stays
}

// isMended tells whether nothing stands against a transaction of rows any more.
func isMended(f *failure) bool {
	return f.plan != nil && f.plan.rows() == 0 && len(f.plan.obstacles) == 0 && f.transaction.Rows > 0 && len(f.touched.why) == 0
}

// fixOption makes the transaction apply; nil where that cannot be done, of which the diagnosis says why.
func fixOption(f *failure) *Option {
	d := f.diagnosis
	if !d.Class.isAboutRows() || f.plan == nil {
		return nil
	}
	if d.Transaction.Format != "row" {
		d.Advice = append(d.Advice, "It cannot be fixed row by row, since the transaction is logged as statements (binlog_format): which rows it needs is not in the log.")
		return nil
	}
	if len(f.plan.obstacles) > 0 {
		for _, why := range f.plan.obstacles {
			d.Advice = append(d.Advice, "It cannot be fixed row by row: "+why)
		}
		return nil
	}
	if f.plan.rows() == 0 {
		return nil
	}
	statements, err := f.plan.statements(d.Replica.Identity)
	if err != nil {
		d.Advice = append(d.Advice, "It cannot be fixed row by row: "+err.Error())
		return nil
	}
	start := replication.StartApplierStatement(d.Replica.Identity, d.Status.Channel)
	o := &Option{Action: Fix, Whole: f.touched.whole, Statements: append(statements[:min(len(statements), mostRecorded)], start)}
	o.Does = append(f.plan.sentences(mostSaid), fmt.Sprintf("Then the applier is started, and executes the whole transaction (%s).", rowChanges(f.transaction.Rows)),
		"What is changed before is saved in the journal, and every touched row is compared with the source afterwards.")
	o.Loses, o.Doubtful = f.besides(), len(f.shared) > 0
	return o
}

func rowChanges(n int64) string { return count(n, "row change") }

// count is a number with what it counts.
func count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func retryOption(f *failure) Option {
	d := f.diagnosis
	o := Option{Action: Retry, Statements: []string{replication.StartApplierStatement(d.Replica.Identity, d.Status.Channel)}, Does: []string{"The applier is started again, with nothing changed, and tries the same transaction."}}
	switch {
	case f.failing.Unnamed():
		o.Does = []string{"The applier is started again, with nothing changed, and goes on where it stopped.", "Which rows that touches is not known, so that none are compared afterwards: trueup check proves the replica as a whole."}
	case d.Class.passesByItself(), isMended(f):
	case d.Class.isAboutRows() && f.plan != nil && f.plan.stands():
		o.FailsAgain = true
		o.Does = append(o.Does, "The rows that stand against it are still as they were, so that it fails again until they are mended.")
	case f.plan != nil && f.plan.rows() > 0 && len(f.plan.obstacles) == 0 && d.Class.isAboutRows():
		o.Does = append(o.Does, "Nothing stands against it any more; rows that have other values are compared afterwards, and not repaired.")
	default:
		o.Does = append(o.Does, "That helps once a person has mended the cause.")
	}
	return o
}

// methods say how a transaction is skipped.
var methods = map[replication.SkipMethod]string{
	replication.SkipByCounter:          "by the skip counter",
	replication.SkipByEmptyTransaction: "by an empty transaction with its GTID, which also enters the replica's own binary log",
	replication.SkipByGTIDPosition:     "by setting gtid_slave_pos behind it, with the channel stopped for a moment",
}

// skipOption passes over the transaction; nil where that is never sound, or there is no way.
func (r *run) skipOption(ctx context.Context, f *failure) (*Option, error) {
	d := f.diagnosis
	if !d.Class.maySkip() || f.transaction == nil {
		return nil, nil
	}
	method, why, err := replication.SkipMethodFor(ctx, r.control, d.Status)
	if errors.Is(err, replication.ErrCannotSkip) && f.transaction.GTID != "" && r.replica.Identity().Flavor == server.MySQL {
		// MySQL 5.6 does not tell the GTID of a statement that a worker failed at, and MySQL without auto position may not; the log does.
		method, why, err = replication.SkipByEmptyTransaction, "the log has its GTID, which the replica does not tell", nil
	}
	if err == nil && method == replication.SkipByCounter && f.transaction.XA != "" && f.transaction.Rows > 0 && r.replica.Identity().Flavor == server.MySQL {
		// The counter takes XA START for a group of its own (seen on 9.7), and the applier would stand within the transaction.
		err = fmt.Errorf("MySQL's skip counter does not pass over an XA transaction as a whole: %w", replication.ErrCannotSkip)
	}
	if err == nil {
		err = r.maySkip(ctx, method)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		d.Advice = append(d.Advice, "It cannot be skipped: "+err.Error())
		return nil, nil
	}
	f.method = method
	o := &Option{Action: Skip, Whole: f.touched.whole}
	o.Does = []string{fmt.Sprintf("Exactly this transaction is passed over, %s: %s.", methods[method], why), "Then the applier goes on; every row of the transaction is compared with the source and repaired, so that nothing stays lost."}
	for i := range f.touched.changes {
		o.Lost = append(o.Lost, f.touched.changes[i].lost())
	}
	o.Loses, o.Doubtful = append(skipLoses(f), f.besides()...), len(f.shared) > 0 // what is repaired afterwards may be the other source's as well
	if f.passes = r.passedErrors(ctx); f.passes != "" && len(f.touched.changes) > 0 {
		o.Loses = append(o.Loses, "The replica has "+f.passes+", so that what is lost may be missing in other rows too once the source goes on with it: the transaction's tables are compared as a whole afterwards, and whatever differs in them is repaired.")
	}
	if refused := r.mayRepair(ctx, f); refused != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		o.Loses, o.stays = append(o.Loses, fmt.Sprintf("The repair afterwards would be refused, so that what is lost stays lost until it is made by hand: %v", refused)), true
	}
	if gone := f.goneTables(); len(gone) > 0 {
		o.Loses, o.stays = append(o.Loses, "The replica does not have "+names(gone)+", so that what is lost there stays lost until a person has made it and trueup repair has filled it."), true
	}
	o.stays = o.stays || f.unproven != ""
	if r.source == nil {
		o.Loses, o.stays = append(o.Loses, "The source is not reached, so that what is lost stays lost until it is: trueup recover --continue last repairs it then."), true
	}
	return o, nil
}

// passedErrors are the settings by which the replica's applier goes on over errors; "" for none.
func (r *run) passedErrors(ctx context.Context) string {
	settings, err := replication.PassedErrors(ctx, r.control)
	if err != nil {
		return "settings that could not be read (" + err.Error() + ")"
	}
	return strings.Join(settings, " and ")
}

// goneTables are those of the transaction's rows that the replica does not have.
func (f *failure) goneTables() (gone []schema.Name) {
	for i := range f.touched.changes {
		of := f.touched.changes[i].change.Table
		name := schema.Name{Database: of.Database, Table: of.Name}
		if t := f.touched.tables.named(name); t != nil && t.replica == nil && !slices.Contains(gone, name) {
			gone = append(gone, name)
		}
	}
	return gone
}

// skipLoses says what the replica lacks between the skip and the repair.
func skipLoses(f *failure) (loses []string) {
	if rows := f.transaction.Rows; rows > 0 {
		loses = append(loses, lacks(rows))
	}
	if f.transaction.Truncated {
		loses = append(loses, "Not all of them are listed: the transaction has more than are read at once.")
	}
	if f.transaction.Rows == 0 && !f.transaction.DDL {
		loses = append(loses, "Which rows the transaction changes is not in the log.")
	}
	loses = append(loses, f.touched.why...)
	if len(f.touched.whole) > 0 {
		loses = append(loses, "These tables are compared as a whole afterwards: "+names(f.touched.whole)+".")
	}
	switch {
	case f.transaction.Rows > 0 || len(f.touched.whole) > 0:
	case f.transaction.DDL:
		loses = append(loses, "The statement itself is left out: what it defines on the source is for a person to compare.")
	default:
		loses = append(loses, "No table is known that could be compared afterwards: what is lost, is lost unseen.")
	}
	return loses
}

func lacks(rows int64) string {
	if rows == 1 {
		return "The replica does not get 1 row change until that is repaired."
	}
	return fmt.Sprintf("The replica does not get %d row changes, those that nothing stands against included, until they are repaired.", rows)
}

func names(all []schema.Name) string {
	text := ""
	for i, name := range all {
		if i > 0 {
			text += ", "
		}
		if text += name.Database + "." + name.Table; i == mostSaid && len(all) > mostSaid+1 {
			return text + fmt.Sprintf(" and %d more", len(all)-i-1)
		}
	}
	return text
}

func isLogGone(number int) bool { return number == 1236 || number == 13114 }

// rebuildOption says how a replica is made anew.
func rebuildOption(loses string) Option {
	o := Option{Action: Rebuild, Does: []string{
		"trueup does not do this. The replica's data is replaced by a copy of the source: a physical backup (mariadb-backup, xtrabackup, the clone plugin) or a dump with its position (--source-data, --master-data, --gtid).",
		"Then the channel is pointed at that position, replication is started, and trueup check proves the result."}}
	if loses != "" {
		o.Loses = []string{loses}
	}
	return o
}
