package rowsql

import (
	"crypto/sha256"
	"database/sql/driver"
	"fmt"
	"math"
	"math/big"

	"trueup/checksum"
	"trueup/schema"
)

// mostBytes is the size of the largest value that a guard holds as it is. Of a larger one it holds the SHA-256: with the value before the
// change and the one after it, a statement could else exceed the server's max_allowed_packet.
const mostBytes = 64 << 10

// AppendGuard appends a condition that holds for exactly this value of the column, as its reader reads it, and for no other that the server
// takes for equal. NULL is a value like others. Errors are those of AppendLiteral; text that is not valid in its character set can be
// guarded though it cannot be written.
func AppendGuard(dst []byte, column checksum.Column, value driver.Value) ([]byte, error) {
	expression := column.Expression()
	switch v := value.(type) {
	case nil:
		return append(append(dst, expression...), " IS NULL"...), nil
	case float32:
		return appendDoubleGuard(dst, column, expression, float64(v), value)
	case float64:
		return appendDoubleGuard(dst, column, expression, v, value)
	case []byte:
		return appendBytesGuard(dst, column, expression, v)
	}
	dst = append(append(dst, expression...), " = "...)
	return AppendLiteral(dst, column, value)
}

// appendDoubleGuard compares with the exact double. For 0 the sign is asked for too, which only ATAN2 tells. The column must not be compared
// with 0 directly then: the servers would put that 0 into ATAN2 in its place (all of MySQL 5.6 and 9.7, MariaDB 11.8).
func appendDoubleGuard(dst []byte, column checksum.Column, expression string, v float64, value driver.Value) ([]byte, error) {
	if v != 0 {
		dst = append(append(dst, expression...), " = "...)
		return AppendLiteral(dst, column, value)
	}
	dst = append(append(dst, '('), expression...)
	dst = append(append(dst, " + 0e0 = 0e0 AND ATAN2("...), expression...)
	if math.Signbit(v) {
		return append(dst, ", -1) < 0)"...), nil
	}
	return append(dst, ", -1) > 0)"...), nil
}

func appendBytesGuard(dst []byte, column checksum.Column, expression string, v []byte) ([]byte, error) {
	cast := func(expression, to string) []byte {
		dst = append(append(dst, "CAST("...), expression...)
		return append(append(dst, " AS "...), to+") = "...)
	}
	switch column.Kind {
	case schema.KindInteger, schema.KindDecimal:
		dst = append(append(dst, expression...), " = "...)
		return appendBytes(dst, column, v, false)
	case schema.KindBit:
		return append(cast(expression, "UNSIGNED"), new(big.Int).SetBytes(v).String()...), nil
	case schema.KindDate, schema.KindTime, schema.KindDateTime, schema.KindTimestamp, schema.KindUUID, schema.KindInet:
		return appendBytes(cast(expression, "CHAR"), column, v, false)
	case schema.KindText, schema.KindEnum, schema.KindSet, schema.KindJSON, schema.KindJSONValue, schema.KindBinary, schema.KindGeometry, schema.KindVector:
		if column.DataType == "json" && !column.AsUTF8 {
			expression = "CONVERT(" + expression + " USING utf8mb4)"
		}
		if len(v) > mostBytes {
			return fmt.Appendf(dst, "SHA2(CAST(%s AS BINARY), 256) = '%x'", expression, sha256.Sum256(v)), nil
		}
		if isReadable(column, v) { // binary on one side: the bytes are compared, whatever the session's collation
			return appendQuoted(cast(expression, "BINARY"), v), nil
		}
		return appendHex(cast(expression, "BINARY"), v), nil
	default:
		return dst, &checksum.ValueError{Kind: column.Kind, Value: v}
	}
}

// isReadable tells whether the stored bytes of a text are the characters that a person reads, so that a guard can show them.
func isReadable(column checksum.Column, v []byte) bool {
	switch column.Kind {
	case schema.KindText, schema.KindEnum, schema.KindSet, schema.KindJSON, schema.KindJSONValue:
		return len(v) > 0 && isHarmless(v) && isASCIIBased(charsetOf(column))
	default:
		return false
	}
}

// AppendSame appends a condition that holds for the column's values that a unique key takes for the same as this one, which is not NULL. Where a
// server does not find a value by its literal (a day that does not exist is an error to MySQL), it is the value's guard.
func AppendSame(dst []byte, column checksum.Column, value driver.Value) ([]byte, error) {
	if column.Kind == schema.KindFloat || column.Kind == schema.KindDouble || equalsItself(column, value) {
		return AppendLiteral(append(append(dst, column.Expression()...), " = "...), column, value)
	}
	return AppendGuard(dst, column, value)
}

// appendEquals appends an equality of a key column and the value by which the server finds rows in an index. It may hold for more than the
// value, which a guard beside it excludes, but always for the value. It returns false where there is none.
func appendEquals(dst []byte, column checksum.Column, value driver.Value) ([]byte, bool) {
	if column.Conversion() != "" || column.IsCompanion() || !equalsItself(column, value) {
		return dst, false
	}
	length := len(dst)
	dst = append(append(dst, column.Expression()...), " = "...)
	dst, err := AppendLiteral(dst, column, value)
	if err != nil { // text that is no text: the guard finds it, without an index
		return dst[:length], false
	}
	return dst, true
}

// equalsItself is false for values that a server may not find by their literal: a zero or impossible day, which is no DATE to it; an ENUM's error
// value, which is no member; a member to which another is equal ('a' and 'ä'), of which the server takes the first; 0 and -0.0, which servers put in the place of the column everywhere else in the condition; NULL.
func equalsItself(column checksum.Column, value driver.Value) bool {
	switch v := value.(type) {
	case nil:
		return false
	case float32:
		return v != 0
	case float64:
		return v != 0
	case []byte:
		switch column.Kind {
		case schema.KindDate, schema.KindDateTime, schema.KindTimestamp:
			return isDay(v)
		case schema.KindEnum, schema.KindSet:
			return len(v) > 0 && areDistinct(schema.Members(column.ColumnType))
		}
	}
	return true
}
