package recovery

import "fmt"

// mostSaid is how many rows a list of sentences names.
const mostSaid = 20

// explain says in plain words why the transaction failed, and what a person may have to do.
func explain(f *failure) (why, advice []string) {
	d := f.diagnosis
	if f.plan != nil && d.Class.isAboutRows() {
		why = f.plan.problems(mostSaid)
	}
	switch d.Class {
	case ClassDuplicate, ClassMissing, ClassParent, ClassChild:
		if len(why) == 0 {
			why = []string{explainUnseen(f)}
		}
	case ClassXA:
		why = []string{"the XA transaction that is to be committed here is not prepared on the replica: its first half was skipped, or lost (a restart, a backup without it)"}
		advice = []string{"What the XA transaction changed is in its first half, earlier in the source's log; where that was skipped in this recovery its rows are repaired with it. Else check the replica as a whole afterwards."}
	case ClassLock:
		why = []string{"another session on the replica held a lock that the applier waited for: nothing is wrong with the data"}
		advice = []string{"Look who writes, or locks, on the replica (SHOW PROCESSLIST, long transactions, backups). slave_transaction_retries (replica_transaction_retries) lets the applier try again by itself."}
	case ClassWorkers:
		why = []string{"the replica's parallel workers stopped without saying why (MySQL 5.6 tells it in its error log only): mostly a lock wait timeout or a deadlock on the replica"}
		advice = []string{"Starting the applier again is safe for transactional tables: it begins where it stopped, and leaves nothing out. A statement that defines something (DDL), or a change of a table without transactions, may have been executed by half, or may be executed twice: look at the replica's error log first where there are such.",
			"If it stops again, look at that log, and who writes, or locks, on the replica (SHOW PROCESSLIST, long transactions, backups). Parallel workers of MySQL 5.6 never try a transaction again by themselves, whatever slave_transaction_retries is; a longer innodb_lock_wait_timeout has them wait longer."}
	case ClassSchema:
		why = []string{"the replica's definitions are not those of the source: the transaction cannot be executed there"}
		advice = schemaAdvice(d)
	case ClassSignal:
		why, advice = f.signals.explained()
	case ClassResource:
		why = []string{"the replica cannot write: the server needs a person first (disk, crashed table, read-only, limits, privileges)"}
		advice = []string{"Read the error's text and the replica's error log, mend what they name, then retry."}
	case ClassRelayLog:
		why = []string{"the relay log, the replica's copy of the source's log, cannot be read: the applier has not tried the transaction"}
		advice = []string{"Never skip here: what is skipped is whatever happens to stand at that place. Where the source still has its log from the applier's position on, the relay log can be fetched anew."}
	case ClassDomains:
		why = []string{"the replica's GTID position and its data or its source do not fit each other"}
		advice = []string{"Compare @@gtid_slave_pos, @@gtid_binlog_state (MariaDB) or @@gtid_executed, @@gtid_purged (MySQL) of both servers before anything is changed."}
	case ClassUnknown:
		why = []string{fmt.Sprintf("error %d is none that trueup knows a sound way out of; it is explained as far as it goes, and never skipped", d.Error.Number)}
		advice = []string{"Read the error's text and the replica's error log. Where the cause is mended, --action retry starts the applier again."}
	case ClassReceiver, ClassNone:
	}
	if d.Transaction == nil && d.Class != ClassRelayLog {
		why = append(why, "The failing transaction could not be read ("+d.NotRead+"), so that what it does is not known.")
	}
	return why, advice
}

// explainUnseen is the sentence for an error about rows where no row stands against the transaction.
func explainUnseen(f *failure) string {
	switch {
	case f.plan == nil:
		return "a row on the replica is not as the transaction needs it"
	case len(f.plan.obstacles) > 0:
		return "a row on the replica is not as the transaction needs it; which, cannot be told for sure: " + f.plan.obstacles[0]
	case f.diagnosis.Transaction.Format == "statement":
		return "the transaction is logged as statements, so that the log does not say which rows it changes; the error's text names what stands in its way"
	}
	return "all rows of the transaction are on the replica now as it needs them: somebody may have mended them since. A retry will tell"
}

// schemaAdvice is for a person who mends definitions.
func schemaAdvice(d *Diagnosis) []string {
	advice := []string{"Make the definition on the replica what the source had when it wrote the transaction (trueup check shows what differs now), under SET SESSION sql_log_bin = 0, then retry."}
	switch d.Error.Number {
	case 1146, 1049, 1051, 1008:
		advice = append(advice, "A missing table or database: create it as the source has it (SHOW CREATE TABLE), and fill it before or after with trueup repair; one that a DROP does not find may be skipped.")
	case 1050, 1007, 1060, 1061, 1091:
		advice = append(advice, "A change of definitions that the replica already has, or never had: where the definitions are equal to the source's apart from that, the statement can be skipped; they are compared afterwards.")
	case 1677, 13146, 1535:
		advice = append(advice, "The column's type on the replica cannot take the source's values: change it there to the source's; replica_type_conversions (slave_type_conversions) only helps where no value is lost.")
	}
	return advice
}
