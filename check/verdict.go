package check

// String is the verdict as JSON shows it.
func (v Verdict) String() string {
	switch v {
	case Equal:
		return "equal"
	case NotCompared:
		return "not_compared"
	case Unverified:
		return "unverified"
	case Failed:
		return "failed"
	case Different:
		return "different"
	default:
		return "unknown"
	}
}

// String is the kind as JSON shows it.
func (k DifferenceKind) String() string {
	switch k {
	case Missing:
		return "missing"
	case Extra:
		return "extra"
	default:
		return "changed"
	}
}

// worse is the graver of two verdicts: Different before Failed before Unverified before NotCompared before Equal.
func worse(a, b Verdict) Verdict { return max(a, b) }

// conclude derives the verdicts of replicas and of the run from those of the tables. A table that was not compared has
// no say, unless it was named (then its verdict is Unverified already).
func (r *Result) conclude() {
	replicas := map[string]*ReplicaResult{}
	for i := range r.Replicas {
		replicas[r.Replicas[i].Address] = &r.Replicas[i]
	}
	for _, table := range r.Tables {
		r.Verdict = worse(r.Verdict, saidBy(table.Verdict))
		for _, on := range table.Replicas {
			if replica := replicas[on.Address]; replica != nil {
				replica.Verdict = worse(replica.Verdict, saidBy(on.Verdict))
			}
		}
	}
	for _, difference := range r.SchemaDifferences {
		if replica := replicas[difference.Replica]; replica != nil {
			replica.Verdict = Different
		}
		r.Verdict = Different
	}
	r.settleReplicas()
	for _, replica := range r.Replicas {
		r.Verdict = worse(r.Verdict, saidBy(replica.Verdict))
	}
	if !r.comparedAnything() {
		r.Verdict = worse(r.Verdict, Unverified)
	}
	if r.Interrupted {
		r.Verdict = worse(r.Verdict, Unverified)
	}
	if r.Err != nil {
		r.Verdict = worse(r.Verdict, Failed)
	}
}

// settleReplicas makes sure that a replica with which no table was compared does not read as equal.
func (r *Result) settleReplicas() {
	compared := map[string]bool{}
	for _, table := range r.Tables {
		for _, on := range table.Replicas {
			compared[on.Address] = compared[on.Address] || on.Verdict == Equal || on.Verdict == Different
		}
	}
	for i := range r.Replicas {
		replica := &r.Replicas[i]
		if replica.Verdict != Equal || compared[replica.Address] {
			continue
		}
		replica.Verdict = Unverified
		switch {
		case r.Interrupted:
			replica.ReasonCode, replica.Reason = ReasonInterrupted, "the check was interrupted before it was compared"
		case r.timeUp:
			replica.ReasonCode, replica.Reason = ReasonMaxDuration, "the check ended after --max-duration, before it was compared"
		case r.Err != nil:
			replica.ReasonCode, replica.Reason = ReasonNotReached, "the check failed before it was compared"
		case r.restricted:
			replica.Verdict, replica.ReasonCode, replica.Reason = NotCompared, ReasonExcluded, "none of the ranges that were asked for is of this replica"
		default:
			replica.ReasonCode, replica.Reason = ReasonNothing, "there was no table to compare"
		}
	}
}

func saidBy(v Verdict) Verdict {
	if v == NotCompared {
		return Equal
	}
	return v
}

// comparedAnything tells whether at least one table's rows were compared: a run that compared nothing proved nothing.
func (r *Result) comparedAnything() bool {
	for _, table := range r.Tables {
		for _, on := range table.Replicas {
			if on.Verdict == Equal || on.Verdict == Different {
				return true
			}
		}
	}
	return false
}
