package checksum

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// canonicalJSON writes a JSON document in the one form that all documents of the same value have: no white space, members
// sorted by name (of two of one name the last counts, as in MySQL since 8.0.3), numbers by value (1, 1.0 and 1e0 are one
// number; beyond 64-bit integers a number is a double, as in MySQL). It returns false for what is no JSON document, and for
// strings with half a surrogate pair, which have no value: those can only be compared as they are.
//
// https://dev.mysql.com/doc/refman/en/json.html
func canonicalJSON(text []byte) ([]byte, bool) {
	if !utf8.Valid(text) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, false
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	value, sound := canonicalValue(value)
	if !sound {
		return nil, false
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out) // sorts the members of maps
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, false
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), true
}

func canonicalValue(value any) (canonical any, sound bool) {
	switch v := value.(type) {
	case json.Number:
		return canonicalNumber(v)
	case string:
		return v, isSound(v)
	case []any:
		for i := range v {
			if v[i], sound = canonicalValue(v[i]); !sound {
				return nil, false
			}
		}
		return v, true
	case map[string]any:
		for name, member := range v {
			if v[name], sound = canonicalValue(member); !sound || !isSound(name) {
				return nil, false
			}
		}
		return v, true
	default: // true, false, null
		return v, true
	}
}

// isSound is false for a string that holds U+FFFD: the decoder puts it in the place of half a surrogate pair, whichever it was.
func isSound(text string) bool { return !bytes.ContainsRune([]byte(text), utf8.RuneError) }

func canonicalNumber(number json.Number) (json.Number, bool) {
	if n, err := strconv.ParseInt(number.String(), 10, 64); err == nil {
		return json.Number(strconv.FormatInt(n, 10)), true
	}
	if n, err := strconv.ParseUint(number.String(), 10, 64); err == nil {
		return json.Number(strconv.FormatUint(n, 10)), true
	}
	double, err := strconv.ParseFloat(number.String(), 64)
	if err != nil || math.IsInf(double, 0) {
		return "", false
	}
	const exact = 1 << 53 // above it a double and an integer of the same digits need not be the same number
	if double == math.Trunc(double) && math.Abs(double) < exact {
		return json.Number(strconv.FormatInt(int64(double), 10)), true
	}
	return json.Number(strconv.FormatFloat(double, 'g', -1, 64)), true
}
