package rowsql

import (
	"bytes"
	"database/sql/driver"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"

	"trueup/checksum"
	"trueup/schema"
)

// AppendLiteral appends the SQL that stands for a value as the column's reader read it. Assigned to the column it stores exactly that value, in
// a session as the package describes, but for the error value of an ENUM, which is ” and needs a session that is not strict. The error is
// an *UnwritableError where no literal does it, or a *checksum.ValueError for a value that cannot come from the column.
func AppendLiteral(dst []byte, column checksum.Column, value driver.Value) ([]byte, error) {
	return appendLiteral(dst, column, value, false)
}

// appendLiteral is AppendLiteral; loose is for a server that takes text which others do not, see isLoose.
func appendLiteral(dst []byte, column checksum.Column, value driver.Value, loose bool) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(dst, "NULL"...), nil
	case int64:
		if isInteger(column.Kind) {
			return strconv.AppendInt(dst, v, 10), nil
		}
	case uint64:
		if isInteger(column.Kind) {
			return strconv.AppendUint(dst, v, 10), nil
		}
	case float32:
		// The server reads a literal as a double: the double of the same value is the only one that surely becomes this FLOAT.
		if column.Kind == schema.KindFloat {
			return appendDouble(dst, column, float64(v))
		}
	case float64:
		if column.Kind == schema.KindDouble {
			return appendDouble(dst, column, v)
		}
	case []byte:
		return appendBytes(dst, column, v, loose)
	}
	return dst, &checksum.ValueError{Kind: column.Kind, Value: value}
}

func isInteger(kind schema.Kind) bool { return kind == schema.KindInteger || kind == schema.KindYear }

// appendDouble writes 17 significant digits, which every double has to itself, and an exponent, without which the number would be a DECIMAL.
func appendDouble(dst []byte, column checksum.Column, v float64) ([]byte, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dst, &UnwritableError{column.Name, "it is no number (NaN or infinite)"}
	}
	return strconv.AppendFloat(dst, v, 'e', 16, 64), nil
}

func appendBytes(dst []byte, column checksum.Column, v []byte, loose bool) ([]byte, error) {
	switch column.Kind {
	case schema.KindInteger, schema.KindDecimal:
		if !isNumber(v) {
			return dst, &checksum.ValueError{Kind: column.Kind, Value: v}
		}
		return append(dst, v...), nil
	case schema.KindBit:
		return append(dst, new(big.Int).SetBytes(v).String()...), nil
	case schema.KindDate, schema.KindTime, schema.KindDateTime, schema.KindTimestamp, schema.KindUUID, schema.KindInet:
		if !isHarmless(v) {
			return dst, &checksum.ValueError{Kind: column.Kind, Value: v}
		}
		return appendQuoted(dst, v), nil
	case schema.KindText, schema.KindEnum, schema.KindSet, schema.KindJSON, schema.KindJSONValue:
		return appendText(dst, column, v, loose)
	case schema.KindBinary, schema.KindGeometry, schema.KindVector:
		return appendHex(dst, v), nil
	default:
		return dst, &checksum.ValueError{Kind: column.Kind, Value: v}
	}
}

// isNumber tells whether v is digits, with a sign and a point at most: nothing else may go into SQL without quotes.
func isNumber(v []byte) bool {
	v = bytes.TrimPrefix(v, []byte("-"))
	whole, fraction, pointed := bytes.Cut(v, []byte("."))
	digits := func(v []byte) bool { return len(bytes.Trim(v, "0123456789")) == 0 }
	return digits(whole) && digits(fraction) && len(whole)+len(fraction) > 0 && (!pointed || len(fraction) > 0)
}

// appendText writes text in the character set that it was read in.
func appendText(dst []byte, column checksum.Column, v []byte, loose bool) ([]byte, error) {
	charset := charsetOf(column)
	switch {
	case len(v) == 0, isASCIIBased(charset) && isHarmless(v):
		return appendQuoted(dst, v), nil
	case charset == "":
		return dst, &UnwritableError{column.Name, "the character set of the column is not known"}
	}
	if why := invalidIn(charset, v, loose); why != "" {
		return dst, &UnwritableError{column.Name, why}
	}
	dst = append(dst, '_')
	dst = append(dst, introducer(charset)...)
	return appendHex(append(dst, ' '), v), nil
}

// charsetOf is the character set in which the column's text is read.
func charsetOf(column checksum.Column) string {
	if column.AsUTF8 || column.DataType == "json" {
		return "utf8mb4" // MySQL's JSON has no character set of its own in its definition
	}
	return strings.ToLower(column.Charset)
}

func appendQuoted(dst, v []byte) []byte {
	dst = append(dst, '\'')
	dst = append(dst, v...)
	return append(dst, '\'')
}

func appendHex(dst, v []byte) []byte {
	dst = append(dst, "x'"...)
	dst = hex.AppendEncode(dst, v)
	return append(dst, '\'')
}

// isHarmless tells whether text means itself between quotes everywhere: printable ASCII without quotes, backslashes, and the semicolon, at
// which a program may split a file of statements.
func isHarmless(v []byte) bool {
	for _, b := range v {
		if b < ' ' || b > '~' || b == '\'' || b == '"' || b == '`' || b == '\\' || b == ';' {
			return false
		}
	}
	return true
}
