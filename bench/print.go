package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"

	pretty "github.com/jedib0t/go-pretty/v6/table"
)

// spread is the middle, the least and the greatest of some numbers.
type spread struct{ median, least, most float64 }

func spreadOf(numbers []float64) spread {
	sorted := slices.Sorted(slices.Values(numbers))
	n := len(sorted)
	return spread{median: (sorted[(n-1)/2] + sorted[n/2]) / 2, least: sorted[0], most: sorted[n-1]}
}

func (s spread) String() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.least, s.most) }

// of collects one number of each sample.
func of(samples []sample, number func(sample) float64) spread {
	numbers := make([]float64, len(samples))
	for i, one := range samples {
		numbers[i] = number(one)
	}
	return spreadOf(numbers)
}

func wallSeconds(s sample) float64   { return s.wall.Seconds() }
func clientSeconds(s sample) float64 { return s.clientCPU.Seconds() }
func serverSeconds(s sample) float64 { return s.serverCPU.Seconds() }
func peakMegabytes(s sample) float64 { return float64(s.peak) / 1e6 }

// ratios divides pair by pair, which cancels what the machine did to both.
func ratios(one, other []sample, number func(sample) float64) spread {
	var numbers []float64
	for i := range one {
		if divisor := number(one[i]); divisor > 0 {
			numbers = append(numbers, number(other[i])/divisor)
		}
	}
	if len(numbers) == 0 {
		return spread{}
	}
	return spreadOf(numbers)
}

func printTable(w io.Writer, s settings, on *servers, tools []tool, results [][]sample) {
	fmt.Fprintf(w, "\n%d rows of %s bytes, one source and one replica, %s, %d CPUs; %d pairs after a warm-up\n",
		s.rows, on.averageRow, on.title, runtime.NumCPU(), s.pairs)
	fmt.Fprintln(w, "median (least–greatest); every run verified every row on the replica")
	out := pretty.NewWriter()
	out.SetOutputMirror(w)
	out.SetStyle(pretty.StyleLight)
	out.AppendHeader(pretty.Row{"", "wall s", "client CPU s", "servers CPU s", "client peak MB"})
	numbers := []func(sample) float64{wallSeconds, clientSeconds, serverSeconds, peakMegabytes}
	for i, tool := range tools {
		row := pretty.Row{tool.name}
		for _, number := range numbers {
			row = append(row, of(results[i], number))
		}
		out.AppendRow(row)
	}
	out.AppendSeparator()
	row := pretty.Row{tools[1].name + " / " + tools[0].name}
	for _, number := range numbers {
		row = append(row, ratios(results[0], results[1], number))
	}
	out.AppendRow(row)
	out.Render()
}
