package binlog

import (
	"fmt"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// How dates and times lie in a row: MySQL internals, "Date and Time Data Type Representation". Those of before MySQL 5.6 and MariaDB 10.1
// are decimal numbers, which rows of tables from that time still are.

func isTemporal(kind byte) bool {
	switch kind {
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE, mysql.MYSQL_TYPE_TIME, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP,
		mysql.MYSQL_TYPE_TIME2, mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2:
		return true
	}
	return false
}

// digitsOf is how many fractional digits the log says that the column has.
func digitsOf(column Column) int {
	switch column.Type {
	case mysql.MYSQL_TYPE_TIME2, mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2:
		return int(column.Meta)
	}
	return 0
}

// temporalText is a date or time as the server prints it, a TIMESTAMP in UTC.
func temporalText(column Column, raw []byte, digits int) []byte {
	switch column.Type {
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE:
		n := littleEndian(raw)
		return fmt.Appendf(nil, "%04d-%02d-%02d", n>>9, n>>5&15, n&31)
	case mysql.MYSQL_TYPE_TIME:
		n := integer(raw, false).(int64)
		return timeText(n < 0, uint64(max(n, -n))/1e4, uint64(max(n, -n))/100%100, uint64(max(n, -n))%100, "")
	case mysql.MYSQL_TYPE_DATETIME:
		n := littleEndian(raw)
		return fmt.Appendf(nil, "%04d-%02d-%02d %02d:%02d:%02d", n/1e10, n/1e8%100, n/1e6%100, n/1e4%100, n/100%100, n%100)
	case mysql.MYSQL_TYPE_TIMESTAMP:
		return timestampText(littleEndian(raw), "")
	case mysql.MYSQL_TYPE_TIMESTAMP2:
		return timestampText(bigEndian(raw[:4]), fraction(bigEndian(raw[4:]), len(raw)-4, digits))
	case mysql.MYSQL_TYPE_DATETIME2:
		const offset = 1 << 39
		n, second := bigEndian(raw[:5])-offset, fraction(bigEndian(raw[5:]), len(raw)-5, digits)
		months := n >> 22
		return fmt.Appendf(nil, "%04d-%02d-%02d %02d:%02d:%02d%s", months/13, months%13, n>>17&31, n>>12&31, n>>6&63, n&63, second)
	default: // TIME2: a negative one is the whole number's complement, fraction and all
		width := 8 * len(raw)
		n := int64(bigEndian(raw)) - 1<<(width-1)
		whole := uint64(max(n, -n))
		below := width - 24
		seconds := whole >> below
		return timeText(n < 0, seconds>>12, seconds>>6&63, seconds&63, fraction(whole&(1<<below-1), below/8, digits))
	}
}

func timeText(negative bool, hours, minutes, seconds uint64, fraction string) []byte {
	sign := ""
	if negative {
		sign = "-"
	}
	return fmt.Appendf(nil, "%s%02d:%02d:%02d%s", sign, hours, minutes, seconds, fraction)
}

func timestampText(seconds uint64, fraction string) []byte {
	if seconds == 0 {
		return []byte("0000-00-00 00:00:00" + fraction)
	}
	return append(time.Unix(int64(seconds), 0).UTC().AppendFormat(nil, time.DateTime), fraction...)
}

// fraction prints what is stored in bytes of hundredths, ten thousandths or millionths of a second with that many digits.
func fraction(stored uint64, bytes, digits int) string {
	if digits == 0 {
		return ""
	}
	all := fmt.Sprintf(".%0*d000000", 2*bytes, stored)
	return all[:1+digits]
}
