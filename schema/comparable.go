package schema

import (
	"fmt"
	"strings"
)

// ColumnPair is a column that can be compared by value between two servers.
type ColumnPair struct {
	Source, Replica Column
	// NeedsUTF8 is true where the character sets differ: both sides have to send the text as utf8mb4, since the
	// stored bytes of equal text differ.
	NeedsUTF8 bool
	// NeedsNumber is true for BIT of unlike widths: both sides have to send the number.
	NeedsNumber bool
	// NeedsJSON is true for MySQL's JSON on one side and text, as MariaDB has it, on the other.
	NeedsJSON bool
	// DecimalOf is the DECIMAL that holds both sides' values where their scales differ, else nil.
	DecimalOf *Decimal
}

// Decimal is the type DECIMAL(Precision, Scale).
type Decimal struct{ Precision, Scale int }

// LeftOut is a column that cannot be compared by value, and why, in words.
type LeftOut struct {
	Name string
	Why  string
}

// ComparableColumns pairs the columns of two definitions that can be compared by value, in the source's order, and
// names every other column. Generated columns are compared like others (they can be read) unless their expressions
// differ. With a LoadError on either side there is no pair.
func ComparableColumns(source, replica *Table) (columns []ColumnPair, left []LeftOut) {
	for _, s := range source.Columns {
		r, ok := replica.Column(s.Name)
		if !ok {
			left = append(left, LeftOut{s.Name, "the replica has no such column"})
			continue
		}
		if why := incomparable(source, replica, s, r); why != "" {
			left = append(left, LeftOut{s.Name, why})
			continue
		}
		unlike := (hasText(s.Kind) || hasText(r.Kind)) && normalCharset(textCharset(s)) != normalCharset(textCharset(r))
		columns = append(columns, ColumnPair{Source: s, Replica: r, NeedsUTF8: unlike, DecimalOf: commonDecimal(s, r),
			NeedsJSON: jsonAndText(s, r), NeedsNumber: s.Kind == KindBit && normalType(s) != normalType(r)})
	}
	for _, r := range replica.Columns {
		if _, ok := source.Column(r.Name); !ok {
			left = append(left, LeftOut{r.Name, "the source has no such column"})
		}
	}
	return columns, left
}

func incomparable(source, replica *Table, s, r Column) string {
	switch {
	case source.LoadError != "":
		return "the source cannot open the table"
	case replica.LoadError != "":
		return "the replica cannot open the table"
	case !sameGeneration(s, r):
		return fmt.Sprintf("generated differently: %s on the source, %s on the replica", orNone(s.GenerationExpr), orNone(r.GenerationExpr))
	case s.Generated && s.Kind == KindInteger && strings.HasPrefix(strings.ToUpper(s.GenerationExpr), "ROW "):
		return "it holds transaction ids, which are each server's own"
	case s.endsPeriod():
		return "in current rows it is a constant, which depends on the server's version"
	case jsonAndText(s, r):
		return ""
	case s.Kind != r.Kind:
		return fmt.Sprintf("%s on the source, %s on the replica", s.ColumnType, r.ColumnType)
	}
	return incomparableTypes(s, r)
}

// incomparableTypes holds two columns of one Kind against each other.
func incomparableTypes(s, r Column) string {
	unlike := fmt.Sprintf("%s on the source, %s on the replica", s.ColumnType, r.ColumnType)
	switch s.Kind {
	case KindInteger, KindYear, KindText, KindDate, KindFloat, KindDouble, KindBit, KindEnum:
		return "" // an ENUM by the text of its members
	case KindDecimal:
		if both := commonDecimal(s, r); both != nil && both.Precision > mostDigits {
			return fmt.Sprintf("%s: no DECIMAL has the %d digits that hold both", unlike, both.Precision)
		}
	case KindTime, KindDateTime, KindTimestamp:
		if s.FractionalDigits != r.FractionalDigits {
			return unlike + ": the fractional digits differ"
		}
	case KindBinary:
		// BINARY pads with zero bytes to its length, which VARBINARY and BLOB never do.
		if (s.DataType == "binary" || r.DataType == "binary") && normalType(s) != normalType(r) {
			return unlike + ": BINARY pads its values to its length"
		}
	case KindUnknown:
		return fmt.Sprintf("%s is a type this version does not know", s.ColumnType)
	default:
		if normalType(s) != normalType(r) {
			return unlike
		}
	}
	return ""
}

func jsonAndText(s, r Column) bool {
	return s.Kind == KindJSON && r.Kind == KindText || s.Kind == KindText && r.Kind == KindJSON
}

func hasText(kind Kind) bool { return kind == KindText || kind == KindEnum || kind == KindSet }

// textCharset is the character set in which a column's values are sent: JSON always comes as utf8mb4.
func textCharset(c Column) string {
	if c.Kind == KindJSON {
		return "utf8mb4"
	}
	return c.Charset
}

// mostDigits is the greatest precision of a DECIMAL on every server.
const mostDigits = 65

// commonDecimal is nil unless both are DECIMALs of unlike scales.
func commonDecimal(s, r Column) *Decimal {
	if s.Kind != KindDecimal || r.Kind != KindDecimal || s.Scale == r.Scale {
		return nil
	}
	scale := max(s.Scale, r.Scale)
	return &Decimal{Precision: max(s.Precision-s.Scale, r.Precision-r.Scale) + scale, Scale: scale}
}
