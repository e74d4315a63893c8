package recovery

import (
	"context"
	"strings"
	"time"

	"trueup/schema"
	"trueup/server"
)

// For the tests on real servers, which package integration starts: that imports this one.
var (
	TablesOf     = tablesOf
	DirectWrites = directWrites
)

// DirectWritesWithin is DirectWrites with less to read.
func DirectWritesWithin(ctx context.Context, session *server.Session, tables map[schema.Name]bool, bytes uint64, limit time.Duration) ([]DirectWrite, []string, error) {
	s := newDirectSearch(session, "", tables, nil)
	s.left, s.limit = bytes, limit
	err := s.run(ctx)
	return s.found, s.notes, err
}

// OwnWordsOf are the words that are taken for a server's own before a parenthesis.
func OwnWordsOf(on server.Identity) (words []string) {
	for _, word := range strings.Fields(ownWords + newerWords) {
		if isOwnWord(on, word) {
			words = append(words, word)
		}
	}
	return words
}
