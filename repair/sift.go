package repair

import (
	"context"
	"errors"
	"slices"

	"trueup/repair/rowsql"
	"trueup/server"
)

// rowError is a refusal that is about single rows of a group: the others can be changed.
type rowError struct{ Refusal }

func (e *rowError) Error() string { return e.Reason }

// isOfRow tells whether a group failed because of some of its rows.
func isOfRow(err error) bool {
	var row *rowError
	return errors.As(err, &row)
}

// asRowError gives what the server has against a row a code. Errors that may pass, and those of the connection, are left as they are.
func asRowError(err error) error {
	_, answered := server.ErrorNumber(err)
	switch {
	case err == nil || isOfRow(err) || !answered || server.IsConnectionLost(err) || server.IsTransient(err) || server.IsQueryInterrupted(err):
		return err
	case server.IsDuplicateKey(err):
		return &rowError{Refusal{Code: RefusedUniqueKey, Reason: "a row that is equal on both sides, or cannot be changed, has a unique value of it: " + server.ErrorText(err)}}
	case server.IsForeignKey(err):
		return &rowError{Refusal{Code: RefusedForeignKey, Reason: server.ErrorText(err)}}
	case server.IsAccessDenied(err):
		return &refusedError{Refusal{Code: RefusedPrivilege, Reason: server.ErrorText(err)}}
	case server.IsReadOnly(err):
		return &refusedError{Refusal{Code: RefusedReadOnly, Reason: server.ErrorText(err)}}
	case isOfValue(err):
		return &rowError{Refusal{Code: RefusedWrite, Reason: server.ErrorText(err)}}
	default:
		return &refusedError{Refusal{Code: RefusedWrite, Reason: server.ErrorText(err)}}
	}
}

// isOfValue tells whether the server refused a value: NULL where none may be, one that does not fit, a check constraint. Others of its
// errors are those of the table or the server, and no other row fares better.
func isOfValue(err error) bool {
	number, _ := server.ErrorNumber(err)
	ofValues := []uint16{1048, 1138, 1263, 1264, 1265, 1292, 1300, 1364, 1366, 1367, 1406, 1411, 1416, 1525, 1526, 1690, 1748, 3140, 3141, 3156, 3819, 4025}
	return slices.Contains(ofValues, number)
}

// sift finds the rows of a group that cannot be changed, by trying halves of it in transactions that are taken back. Their images
// are in the journal already.
func (h *holding) sift(ctx context.Context, g *group, failed error) (good []rowsql.Change, refused []Refusal, err error) {
	if g.target.compared.Scan {
		var row *rowError
		errors.As(failed, &row)
		return nil, nil, &refusedError{row.Refusal} // no part of it could be proven
	}
	var try func(changes []rowsql.Change, failed error) error
	try = func(changes []rowsql.Change, failed error) error {
		if len(changes) == 1 {
			var row *rowError
			errors.As(failed, &row)
			one := row.Refusal
			one.Rows = changes[0].Count
			refused = append(refused, one)
			return nil
		}
		for _, half := range [][]rowsql.Change{changes[:len(changes)/2], changes[len(changes)/2:]} {
			err := h.trial(ctx, g, append(good[:len(good):len(good)], half...))
			switch {
			case err == nil:
				good = append(good, half...)
			case !isOfRow(err):
				return err
			default:
				if err := try(half, err); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err = try(g.changes, failed)
	return good, refused, err
}

// trial is a transaction that is taken back in any case.
func (h *holding) trial(ctx context.Context, g *group, changes []rowsql.Change) error {
	if err := h.writer.Exec(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	entry, err := h.changeAndProve(ctx, g, changes, true)
	return errors.Join(err, h.rollBack(entry))
}
