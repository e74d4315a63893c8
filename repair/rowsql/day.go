package rowsql

import "time"

// isDay tells whether a date, or a date with its time, is on a day that the calendar has.
func isDay(v []byte) bool {
	const length = len(time.DateOnly)
	if len(v) < length {
		return false
	}
	day, err := time.Parse(time.DateOnly, string(v[:length]))
	return err == nil && day.Year() > 0
}
