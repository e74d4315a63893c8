package report

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"trueup/check"
	"trueup/repair"
)

// StoredCheck is a check's JSON report, read back so that what differed then can be repaired. No value of a row is taken from it: it
// says where to look, and the rows are read again.
type StoredCheck struct {
	Document Check
	Servers  repair.Stored
	// Ranges are the parts of tables that differed on any replica. A table that differs as a whole, or in no range that is known, is
	// one range without a key.
	Ranges []check.Range
}

// ReadStored reads what "trueup check --format json" has written. The error says what is wrong with the file; the caller names it.
func ReadStored(r io.Reader) (StoredCheck, error) {
	var document struct {
		Check
		SelfTest json.RawMessage `json:"self_test"`
	}
	decoder := json.NewDecoder(r)
	if err := decoder.Decode(&document); err != nil {
		return StoredCheck{}, fmt.Errorf("it is not the JSON report of a check: %w", err)
	}
	stored := StoredCheck{Document: document.Check}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return StoredCheck{}, errors.New("there is more than one document in it; it must be a report of \"trueup check --format json\" (not jsonl)")
	}
	if document.SelfTest != nil {
		return StoredCheck{}, errors.New("it is the report of a self-test, whose servers are gone")
	}
	if err := stored.validate(); err != nil {
		return StoredCheck{}, err
	}
	stored.takeServers()
	return stored, stored.takeRanges()
}

// validate refuses what is no report of a check that this version understands.
func (s *StoredCheck) validate() error {
	d := s.Document
	verdicts := []string{ConditionEqual, ConditionDifferent, ConditionUnverified, ConditionFailed}
	switch {
	case d.SchemaVersion != SchemaVersion:
		return fmt.Errorf("its schema_version is %d; this version of trueup reads %d", d.SchemaVersion, SchemaVersion)
	case d.Command != "check":
		return fmt.Errorf("it is the report of %q; give one of \"trueup check --format json\"", "trueup "+d.Command)
	case d.RunID == "" || !slices.Contains(verdicts, d.Verdict):
		return errors.New("it is not a whole report: run_id or verdict is missing")
	case d.Source.Flavor == "" && d.Verdict != ConditionFailed:
		return errors.New("it does not say which server the source was")
	}
	return nil
}

func (s *StoredCheck) takeServers() {
	s.Servers = repair.Stored{RunID: s.Document.RunID, Source: storedServerOf(s.Document.Source)}
	for _, replica := range s.Document.Replicas {
		if replica.Flavor != "" { // one that was never reached is nobody
			s.Servers.Replicas = append(s.Servers.Replicas, storedServerOf(replica.Server))
		}
	}
}

func storedServerOf(s Server) repair.StoredServer {
	return repair.StoredServer{Address: s.Address, Flavor: s.Flavor, ServerID: s.ServerID, UUID: s.ServerUUID}
}

// takeRanges takes the ranges, each once, and tables that differ on a replica without one as a whole.
func (s *StoredCheck) takeRanges() error {
	known, ranged := map[string]bool{}, map[[3]string]bool{}
	add := func(r check.Range) {
		if key := fmt.Sprintf("%q", []any{r.Replica, r.Database, r.Table, r.Key, r.Lower, r.Upper}); !known[key] {
			known[key] = true
			s.Ranges = append(s.Ranges, r)
		}
	}
	addWhole := func(replica, database, table string) {
		if !ranged[[3]string{replica, database, table}] {
			add(check.Range{Replica: replica, Database: database, Table: table})
		}
	}
	for i, stored := range s.Document.DifferentRanges {
		r, err := stored.stored()
		if err != nil {
			return fmt.Errorf("different_ranges, number %d (%s): %w", i+1, tableTitle(stored.Database, stored.Table), err)
		}
		ranged[[3]string{r.Replica, r.Database, r.Table}] = true
		add(r)
	}
	for _, t := range s.Document.Tables {
		for _, on := range t.Replicas {
			if on.Verdict == ConditionDifferent {
				addWhole(on.Address, t.Database, t.Table)
			}
		}
	}
	for _, d := range s.Document.SchemaDifferences {
		addWhole(d.Replica, d.Database, d.Table)
	}
	return nil
}

func (r Range) stored() (check.Range, error) {
	if r.Replica == "" || r.Database == "" || r.Table == "" {
		return check.Range{}, errors.New("it names no replica or no table")
	}
	lower, err := storedBound(r.Lower)
	if err != nil {
		return check.Range{}, err
	}
	upper, err := storedBound(r.Upper)
	if err != nil {
		return check.Range{}, err
	}
	if (lower != nil || upper != nil) && r.Key == "" {
		return check.Range{}, errors.New("it has bounds and names no key")
	}
	return check.Range{Replica: r.Replica, Database: r.Database, Table: r.Table, Key: r.Key, Lower: lower, Upper: upper}, nil
}

func storedBound(values []NamedValue) ([]check.NamedValue, error) {
	var bound []check.NamedValue
	for _, value := range values {
		shown, err := value.Value.stored()
		if err != nil || value.Name == "" {
			return nil, fmt.Errorf("the bound %q cannot be read: %w", value.Name, errors.Join(err, nameless(value.Name)))
		}
		bound = append(bound, check.NamedValue{Name: value.Name, Value: shown})
	}
	return bound, nil
}

func nameless(name string) error {
	if name == "" {
		return errors.New("it names no column")
	}
	return nil
}

// stored is the value as the check had it.
func (v Value) stored() (check.Value, error) {
	isHex := v.Encoding == "hex"
	switch {
	case v.Encoding != "text" && !isHex:
		return check.Value{}, fmt.Errorf("encoding %q is none of text, hex", v.Encoding)
	case v.Bytes != 0 || v.Offset != 0:
		return check.Value{}, errors.New("it is only a part of the value")
	case v.Value == nil:
		return check.Value{Null: true, Hex: isHex}, nil
	}
	if isHex {
		if _, err := hex.DecodeString(*v.Value); err != nil || strings.ToLower(*v.Value) != *v.Value {
			return check.Value{}, errors.New("it is not in hexadecimal digits")
		}
	}
	return check.Value{Text: *v.Value, Hex: isHex}, nil
}
