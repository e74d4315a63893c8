package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/schema"
	"trueup/server"
)

// randomFrom is a source of random choices whose seed the test prints.
func randomFrom(t testing.TB) (*rand.Rand, uint64) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// openServer opens n as trueup does.
func openServer(t testing.TB, n *Node) *server.Server {
	t.Helper()
	opened, err := server.Open(context.Background(), n.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// readSession opens a reader session, with a snapshot or without.
func readSession(t testing.TB, on *server.Server, snapshot bool) *server.Session {
	t.Helper()
	session, err := on.Session(context.Background(), server.SessionOptions{Reader: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	if snapshot {
		if err := session.Exec(context.Background(), "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
			t.Fatal(err)
		}
	}
	return session
}

// loadSchema reads all definitions of a server.
func loadSchema(t testing.TB, on *server.Server) *schema.Catalog {
	t.Helper()
	session, err := on.Session(context.Background(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	catalog, err := schema.Load(context.Background(), session, nil)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

// layoutOf is the layout that reads all columns of a table by its best key.
func layoutOf(t testing.TB, catalog *schema.Catalog, database, name string) *checksum.Layout {
	t.Helper()
	table, found := catalog.Table(database, name)
	if !found {
		t.Fatalf("no table %s.%s", database, name)
	}
	usable, rejected := schema.SplitKeys(table)
	if len(usable) == 0 {
		t.Fatalf("no usable key in %s.%s: %+v", database, name, rejected)
	}
	key, err := chunker.NewKey(table, usable[0])
	if err != nil {
		t.Fatal(err)
	}
	var columns []checksum.Column
	for _, column := range table.Columns {
		columns = append(columns, checksum.Column{Column: column})
	}
	return checksum.NewLayout(database, name, key, columns)
}

// split returns all chunks of a table and fails the test unless they cover every key.
func split(t testing.TB, session *server.Session, layout *checksum.Layout, rows int) []chunker.Chunk {
	t.Helper()
	splitter := chunker.NewSplitter(session, layout.Database, layout.Table, layout.Key, chunker.NewSizer(chunker.SizeOptions{Rows: rows}))
	defer splitter.Close()
	var chunks []chunker.Chunk
	var coverage chunker.Coverage
	for {
		chunk, err := splitter.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := coverage.Add(chunk); err != nil {
			t.Fatal(err)
		}
		if chunk.Lower != nil && slices.EqualFunc(chunk.Lower, chunk.Upper, chunker.Value.Equal) {
			t.Fatalf("chunk %d ends where it begins, at %v: the splitter would never be through", chunk.Index, chunk.Lower)
		}
		chunks = append(chunks, chunk)
	}
	if err := coverage.Complete(); err != nil {
		t.Fatal(err)
	}
	return chunks
}

// wholeTable is the chunk without ends.
func wholeTable(layout *checksum.Layout) chunker.Chunk {
	return chunker.Chunk{Range: chunker.Range{Key: layout.Key}}
}

// numbersIn reads a chunk and returns the values of the integer column that the layout has at the given place.
func numbersIn(t testing.TB, reader *checksum.Reader, chunk chunker.Chunk, place int) []string {
	t.Helper()
	var numbers []string
	err := reader.Rows(context.Background(), chunk, func(row []server.Field) error {
		numbers = append(numbers, fmt.Sprint(row[place].Value()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

// firstColumn is the first column of every row of a query.
func firstColumn(t testing.TB, n *Node, query string) []string {
	t.Helper()
	var values []string
	for _, row := range n.Query(t, query) {
		values = append(values, row[0])
	}
	return values
}

// orderedNumbers asks the server for the column rowno of a whole table in key order.
func orderedNumbers(t testing.TB, n *Node, layout *checksum.Layout) []string {
	t.Helper()
	return firstColumn(t, n, fmt.Sprintf("SELECT rowno FROM %s ORDER BY %s", schema.QuoteTable(layout.Database, layout.Table), layout.Key.OrderList()))
}

// checkChunks reads the chunks of a table and compares what they hold, one after the other, with the whole table.
func checkChunks(t testing.TB, session *server.Session, layout *checksum.Layout, chunks []chunker.Chunk, want []string) {
	t.Helper()
	reader := checksum.NewReader(layout, session)
	defer reader.Close()
	place := slices.IndexFunc(layout.Columns, func(c checksum.Column) bool { return c.Name == "rowno" })
	var got []string
	for _, chunk := range chunks {
		got = append(got, numbersIn(t, reader, chunk, place)...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s.%s in %d chunks:\nread %d rows: %s\nwant %d rows: %s", layout.Database, layout.Table, len(chunks),
			len(got), strings.Join(got, " "), len(want), strings.Join(want, " "))
		for _, chunk := range chunks {
			t.Logf("chunk %d up to %v holds %v", chunk.Index, chunk.Upper, numbersIn(t, reader, chunk, place))
		}
	}
}
