package report

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// tableLayout is one way to lay out the table; layouts go from comfortable to narrow.
type tableLayout struct {
	shortAddresses bool
	gap            int  // cells between columns
	oneChunkColumn bool // "2/15" instead of 15 and 2
	noTime         bool
}

var tableLayouts = []tableLayout{
	{gap: 2},
	{gap: 2, shortAddresses: true},
	{gap: 1, shortAddresses: true},
	{gap: 1, shortAddresses: true, oneChunkColumn: true},
	{gap: 1, shortAddresses: true, oneChunkColumn: true, noTime: true},
}

// lossless is the number of layouts that differ in comfort only.
const lossless = 2

// usualName is the width of names that layouts are chosen for.
const usualName = 30

// nameWidth is how wide names are given a column even where they do not fit: longer ones go on a line of
// their own above their numbers, whole, so that they can be copied.
const nameWidth = 12

// gridColumn is one column of the table.
type gridColumn struct {
	header string
	right  bool
	cell   func(tableRow) string
}

// tableSection prints the table in the first layout that fits. A few very long names must not take columns
// from all others, so that only usual names count once the layouts that lose nothing are too wide.
func (t *textPrinter) tableSection() {
	rows := t.tableRows()
	if len(rows) == 0 {
		return
	}
	usual := slices.DeleteFunc(slices.Clone(rows), func(r tableRow) bool { return displayWidth(r.title) > usualName })
	t.out.WriteByte('\n')
	for i, layout := range append(tableLayouts[:lossless:lossless], tableLayouts...) {
		columns := t.columns(layout)
		rest := 0
		for _, column := range columns[1:] {
			rest += layout.gap + column.width(rows)
		}
		names, counted := t.options.Width-rest, rows
		if i >= lossless {
			counted = usual
		}
		if t.options.Width <= 0 || columns[0].width(counted) <= names || i == lossless+len(tableLayouts)-1 {
			t.render(columns, rows, layout.gap, names)
			return
		}
	}
}

func (c gridColumn) width(rows []tableRow) int {
	width := text.LongestLineLen(c.header)
	for _, row := range rows {
		width = max(width, displayWidth(c.cell(row)))
	}
	return width
}

// columns are the columns of a layout, the name first; with one replica there is no column for it.
func (t *textPrinter) columns(layout tableLayout) []gridColumn {
	columns := []gridColumn{{"TABLE", false, func(r tableRow) string { return r.title }}}
	if len(t.check.Replicas) > 1 {
		shorten := func(address string) string { return address }
		if layout.shortAddresses {
			shorten = shortAddresses(t.check.Replicas)
		}
		columns = append(columns, gridColumn{"REPLICA", false, func(r tableRow) string { return showName(shorten(r.replica)) }})
	}
	columns = append(columns, gridColumn{"VERDICT", false, func(r tableRow) string { return r.verdict }},
		number("ROWS", func(r tableRow) int64 { return r.table.Rows }))
	if layout.oneChunkColumn {
		columns = append(columns, gridColumn{"DIFF/\nCHUNKS", true, tableRow.chunkShare})
	} else {
		columns = append(columns, number("CHUNKS", tableRow.chunks),
			number("DIFF\nCHUNKS", func(r tableRow) int64 { return int64(r.table.ChunksDifferent) }))
	}
	columns = append(columns, number("MISSING", func(r tableRow) int64 { return r.missing }),
		number("EXTRA", func(r tableRow) int64 { return r.extra }), number("CHANGED", func(r tableRow) int64 { return r.changed }))
	if !layout.noTime {
		columns = append(columns, gridColumn{"TIME", true, tableRow.time})
	}
	return columns
}

func number(header string, value func(tableRow) int64) gridColumn {
	return gridColumn{header, true, func(r tableRow) string {
		if !r.counts {
			return "-"
		}
		return strconv.FormatInt(value(r), 10)
	}}
}

func (r tableRow) chunks() int64 { return int64(r.table.ChunksVerified + r.table.ChunksUnverified) }

func (r tableRow) chunkShare() string {
	if !r.counts {
		return "-"
	}
	return fmt.Sprintf("%d/%d", r.table.ChunksDifferent, r.chunks())
}

func (r tableRow) time() string {
	if !r.counts {
		return "-"
	}
	return shortDuration(time.Duration(r.table.DurationSeconds * float64(time.Second)))
}

// render prints the table; names wider than `names` get their own line above.
func (t *textPrinter) render(columns []gridColumn, rows []tableRow, gap, names int) {
	tooLong := func(r tableRow) bool { return t.options.Width > 0 && displayWidth(r.title) > max(names, nameWidth) }
	writer := table.NewWriter()
	writer.SetStyle(plainStyle(gap))
	writer.SuppressTrailingSpaces()
	header := make(table.Row, len(columns))
	configs := make([]table.ColumnConfig, len(columns))
	for i, column := range columns {
		header[i] = column.header
		configs[i] = table.ColumnConfig{Number: i + 1, VAlignHeader: text.VAlignBottom}
		if column.right {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
		if column.header == "VERDICT" {
			configs[i].Transformer = func(v any) string { return t.verdict(v.(string)) }
		}
	}
	writer.AppendHeader(header)
	writer.SetColumnConfigs(configs)
	for _, row := range rows {
		line := make(table.Row, len(columns))
		for i, column := range columns {
			line[i] = column.cell(row)
		}
		if tooLong(row) {
			line[0] = ""
		}
		writer.AppendRow(line)
	}
	lines := strings.Split(writer.Render(), "\n")
	heading := len(lines) - len(rows)
	for i, line := range lines {
		if row := i - heading; row >= 0 && tooLong(rows[row]) && (row == 0 || rows[row-1].title != rows[row].title) {
			t.printf("%s\n", rows[row].title)
		}
		t.printf("%s\n", line)
	}
}

func plainStyle(gap int) table.Style {
	style := table.StyleDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", strings.Repeat(" ", gap)
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	return style
}

// shortAddresses leaves out what all replicas have in common: the host, the port, or the domain of their
// hosts. The full addresses stand above the table.
func shortAddresses(replicas []Replica) func(string) string {
	var hosts, ports []string
	for _, r := range replicas {
		host, port, err := net.SplitHostPort(r.Address)
		if err != nil {
			return func(address string) string { return address }
		}
		hosts, ports = append(hosts, host), append(ports, port)
	}
	sameHost, samePort := len(slices.Compact(slices.Clone(hosts))) == 1, len(slices.Compact(ports)) == 1
	firstLabels := map[string]string{}
	for _, host := range hosts {
		label, _, _ := strings.Cut(host, ".")
		firstLabels[label] = host
	}
	distinct := len(firstLabels) == len(slices.Compact(slices.Sorted(slices.Values(hosts))))
	return func(address string) string {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return address
		}
		if sameHost {
			return ":" + port
		}
		if distinct && net.ParseIP(host) == nil {
			host, _, _ = strings.Cut(host, ".")
		}
		if samePort {
			return host
		}
		return net.JoinHostPort(host, port)
	}
}
