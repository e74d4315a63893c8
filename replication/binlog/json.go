package binlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
	library "github.com/go-mysql-org/go-mysql/replication"
)

// MySQL stores JSON as a tree of types and offsets: MySQL source, sql-common/json_binary.h. Here it becomes the text that the
// server prints of it, byte for byte.

var errBadJSON = errors.New("a JSON document is broken")

// deepestJSON is the depth that MySQL allows (ER_JSON_DOCUMENT_TOO_DEEP).
const deepestJSON = 100

// jsonText prints a document. An empty one was stored in place of a NULL that the column did not take; the server
// prints it as null.
func jsonText(document []byte) ([]byte, error) {
	if len(document) == 0 {
		return []byte("null"), nil
	}
	return appendJSON(make([]byte, 0, len(document)), document[0], document[1:], 0)
}

func appendJSON(dst []byte, kind byte, data []byte, depth int) ([]byte, error) {
	if depth > deepestJSON {
		return nil, errBadJSON
	}
	switch kind {
	case library.JSONB_SMALL_OBJECT, library.JSONB_LARGE_OBJECT, library.JSONB_SMALL_ARRAY, library.JSONB_LARGE_ARRAY:
		return appendContainer(dst, kind, data, depth)
	case library.JSONB_STRING:
		text, err := jsonBytes(data)
		return appendJSONString(dst, text), err
	case library.JSONB_OPAQUE:
		return appendOpaque(dst, data)
	}
	size, known := jsonSizes[kind]
	if !known || len(data) < size {
		return nil, errBadJSON
	}
	number := littleEndian(data[:size])
	switch kind {
	case library.JSONB_LITERAL:
		if number >= uint64(len(jsonLiterals)) {
			return nil, errBadJSON
		}
		return append(dst, jsonLiterals[number]...), nil
	case library.JSONB_DOUBLE:
		return appendJSONDouble(dst, math.Float64frombits(number)), nil
	case library.JSONB_UINT16, library.JSONB_UINT32, library.JSONB_UINT64:
		return strconv.AppendUint(dst, number, 10), nil
	default:
		unused := 64 - 8*size
		return strconv.AppendInt(dst, int64(number<<unused)>>unused, 10), nil
	}
}

var jsonLiterals = [...]string{library.JSONB_NULL_LITERAL: "null", library.JSONB_TRUE_LITERAL: "true", library.JSONB_FALSE_LITERAL: "false"}

var jsonSizes = map[byte]int{
	library.JSONB_LITERAL: 1, library.JSONB_INT16: 2, library.JSONB_UINT16: 2, library.JSONB_INT32: 4, library.JSONB_UINT32: 4,
	library.JSONB_INT64: 8, library.JSONB_UINT64: 8, library.JSONB_DOUBLE: 8,
}

// appendContainer prints an object or an array: the number of elements, the size, the places of the keys with their
// lengths, the types and places of the values. Small values lie where the place would.
func appendContainer(dst []byte, kind byte, data []byte, depth int) ([]byte, error) {
	isObject := kind == library.JSONB_SMALL_OBJECT || kind == library.JSONB_LARGE_OBJECT
	width := 2
	if kind == library.JSONB_LARGE_OBJECT || kind == library.JSONB_LARGE_ARRAY {
		width = 4
	}
	head := reader{rest: data}
	count := int(head.number(width))
	head.number(width)
	opening, closing := byte('['), byte(']')
	var keys reader
	if isObject {
		opening, closing = '{', '}'
		keys.rest = head.take(count * (width + 2))
	}
	values := reader{rest: head.take(count * (1 + width))}
	if head.failed {
		return nil, errBadJSON
	}
	dst = append(dst, opening)
	for i := range count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if isObject {
			place, length := keys.number(width), keys.number(2)
			if place+length > uint64(len(data)) {
				return nil, errBadJSON
			}
			dst = append(appendJSONString(dst, data[place:place+length]), ": "...)
		}
		kind, value := byte(values.number(1)), values.take(width)
		if size, fixed := jsonSizes[kind]; !fixed || size > width {
			place := littleEndian(value)
			if place > uint64(len(data)) {
				return nil, errBadJSON
			}
			value = data[place:]
		}
		var err error
		if dst, err = appendJSON(dst, kind, value, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, closing), nil
}

// jsonBytes are those behind a length of seven bits a byte.
func jsonBytes(data []byte) ([]byte, error) {
	const longest = 5
	length := uint64(0)
	for i := 0; i < min(len(data), longest); i++ {
		length |= uint64(data[i]&0x7f) << (7 * i)
		if data[i]&0x80 == 0 {
			if rest := data[i+1:]; length <= uint64(len(rest)) {
				return rest[:length], nil
			}
			break
		}
	}
	return nil, errBadJSON
}

var jsonEscapes = map[byte]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

func appendJSONString(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, b := range text {
		if escape, special := jsonEscapes[b]; special {
			dst = append(dst, escape...)
		} else if b < ' ' {
			dst = fmt.Appendf(dst, `\u%04x`, b)
		} else {
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}

// appendJSONDouble prints as the server does (MySQL source, my_gcvt): the fewest digits that are exact, an exponent where the number
// would be long without, and always a sign that it is no integer.
func appendJSONDouble(dst []byte, value float64) []byte {
	text := strconv.FormatFloat(math.Abs(value), 'e', -1, 64)
	mantissa, exponentText, _ := strings.Cut(text, "e")
	exponent, _ := strconv.Atoi(exponentText)
	digits := strings.Replace(mantissa, ".", "", 1)
	point := exponent + 1 // digits before the point
	if value == 0 {
		point = 1
	}
	if math.Signbit(value) {
		dst = append(dst, '-')
	}
	const mostDigits = 15
	if point <= -mostDigits || point > mostDigits && len(digits) <= point {
		return append(append(append(dst, mantissa...), 'e'), strconv.Itoa(exponent)...)
	}
	switch {
	case point <= 0:
		return append(append(append(dst, "0."...), strings.Repeat("0", -point)...), digits...)
	case point < len(digits):
		return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
	default:
		return append(append(append(dst, digits...), strings.Repeat("0", point-len(digits))...), ".0"...)
	}
}

// appendOpaque prints a value of a type that JSON does not have: its type's number, then its bytes.
func appendOpaque(dst, data []byte) ([]byte, error) {
	if len(data) < 1 {
		return nil, errBadJSON
	}
	value, err := jsonBytes(data[1:])
	if err != nil {
		return nil, err
	}
	switch data[0] {
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		if len(value) < 2 || !isDecimal(int(value[0]), int(value[1])) || len(value)-2 < decimalSize(int(value[0]), int(value[1])) {
			return nil, errBadJSON
		}
		return append(dst, decimalDigits(value[2:], int(value[0]), int(value[1]))...), nil
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP, mysql.MYSQL_TYPE_TIME:
		if len(value) != 8 {
			return nil, errBadJSON
		}
		return append(append(append(dst, '"'), packedTime(data[0], int64(littleEndian(value)))...), '"'), nil
	}
	encoded := fmt.Sprintf("base64:type%d:%s", data[0], base64Lines(value))
	return appendJSONString(dst, []byte(encoded)), nil
}

// base64Lines breaks the lines as the server's base64_encode does.
func base64Lines(value []byte) string {
	const length = 76
	text := base64.StdEncoding.EncodeToString(value)
	var lines []string
	for len(text) > length {
		lines = append(lines, text[:length])
		text = text[length:]
	}
	return strings.Join(append(lines, text), "\n")
}

// packedTime prints a date or time as it is stored inside JSON: MySQL source, TIME_to_longlong_packed.
func packedTime(kind byte, packed int64) []byte {
	negative := packed < 0
	whole := uint64(max(packed, -packed))
	micros := fmt.Sprintf(".%06d", whole&(1<<24-1))
	whole >>= 24
	hours, minutes, seconds := whole>>12&31, whole>>6&63, whole&63
	months, day := whole>>22, whole>>17&31
	switch kind {
	case mysql.MYSQL_TYPE_TIME:
		return timeText(negative, whole>>12&1023, minutes, seconds, micros)
	case mysql.MYSQL_TYPE_DATE:
		return fmt.Appendf(nil, "%04d-%02d-%02d", months/13, months%13, day)
	default:
		return fmt.Appendf(nil, "%04d-%02d-%02d %02d:%02d:%02d%s", months/13, months%13, day, hours, minutes, seconds, micros)
	}
}
