package recovery

import (
	"slices"
	"strings"

	"trueup/server"
)

// mention is a name in a statement that may be a table's.
type mention struct {
	database string // "" where the statement does not say it
	name     string
	// reference is true where a table's name has to stand; else it may be a column's, or a text.
	reference bool
	// target is true of the table that rows are inserted into: an alias it cannot be.
	target bool
	// replaced is true of a name that the statement takes from a table: there need be none of it any more.
	replaced bool
}

// call is a name before a parenthesis: a function's, as far as is known.
type call struct{ database, name string }

// namesIn are the names in a statement that is read in one way.
type namesIn struct {
	on       server.Identity
	tokens   []token
	does     effect
	verb     string
	mentions []mention
	calls    []call
	aliases  map[string]bool // lower case

	frames []frame
	// counted: calls are noted. In the definition of a table what stands before a parenthesis is a type, a key or a constraint.
	counted bool
}

// frame is what is read between two parentheses.
type frame struct {
	expects bool // a table comes next
	list    bool // and after the next comma again
	target  bool // it is the one that rows are inserted into
	query   bool // it is a SELECT or a DELETE, in which FROM names tables: it does not in TRIM(x FROM y)
}

// namesOf reads a statement.
func namesOf(on server.Identity, tokens []token) *namesIn {
	n := &namesIn{on: on, tokens: tokens, aliases: map[string]bool{}, frames: []frame{{}}}
	var at int
	n.does, n.verb, at = effectOf(tokens)
	n.counted = n.does == changesRows || n.does == changesAnything
	for i := 0; i < len(tokens); {
		i = n.read(i, i == at)
	}
	return n
}

func (n *namesIn) top() *frame { return &n.frames[len(n.frames)-1] }

// word is the keyword at a place; "" where there is none.
func (n *namesIn) word(i int) string {
	if i < 0 || i >= len(n.tokens) {
		return ""
	}
	return n.tokens[i].word()
}

func (n *namesIn) isSymbol(i int, character string) bool {
	return i >= 0 && i < len(n.tokens) && n.tokens[i].is(character)
}

// read takes what stands at a place and returns the next.
func (n *namesIn) read(i int, isVerb bool) int {
	t := n.tokens[i]
	switch {
	case t.is("("):
		inner := frame{expects: n.top().expects, list: n.top().expects}
		n.top().expects = false
		n.frames = append(n.frames, inner)
	case t.is(")"):
		if len(n.frames) > 1 {
			n.frames = n.frames[:len(n.frames)-1]
		}
	case t.is(","):
		n.top().expects = n.top().expects || n.top().list
	case !t.named():
	case n.keyword(i, isVerb):
	case n.top().expects:
		return n.reference(i)
	default:
		n.note(i)
	}
	return i + 1
}

// beforeTables are words that may stand between one after which a table comes and the table.
var beforeTables = []string{"LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE", "QUICK", "INTO", "TABLE", "TABLES", "TEMPORARY", "LATERAL", "IF", "NOT", "EXISTS", "ONLINE", "OFFLINE", "OJ", "TO", "AS"}

// afterTables are words that end a list of tables.
var afterTables = []string{"SET", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "WINDOW", "UNION", "EXCEPT", "INTERSECT", "VALUES", "VALUE", "RETURNING", "OUTFILE", "DUMPFILE", "FIELDS", "COLUMNS", "LINES", "PROCEDURE"}

// keyword follows the words that say where tables are named. False: it is none of these.
func (n *namesIn) keyword(i int, isVerb bool) bool {
	word, before := n.word(i), n.word(i-1)
	f := n.top()
	if word == "" || n.isSymbol(i-1, ".") || n.isSymbol(i+1, ".") {
		return false
	}
	switch word {
	case "SELECT":
		*f = frame{query: true}
		n.counted = true
		return true
	case "WITH":
		f.expects, f.list = false, false
		n.alias(i + 1)
		n.alias(i + 2) // behind RECURSIVE
		return true
	case "DELETE":
		f.query = isVerb
		return true
	case "AS":
		if f.list && !f.expects {
			n.alias(i + 1)
		}
		if n.isSymbol(i+1, "(") && i > 0 { // of WITH
			n.alias(i - 1)
		}
		return true
	}
	switch {
	case n.startsTables(i, word, before, isVerb):
		f.expects, f.target = true, slices.Contains([]string{"INTO", "INSERT", "REPLACE"}, word)
		// Elsewhere a comma comes before the next option of a table, or before the next change of it.
		f.list = !f.target && (n.does != changesTable || n.verb == "RENAME" || n.verb == "REPAIR")
		return true
	case n.renames(i, word):
		for m := len(n.mentions) - 1; m >= 0; m-- {
			if n.mentions[m].reference {
				n.mentions[m].replaced = true
				break
			}
		}
		f.expects = true
		return true
	case f.expects && slices.Contains(beforeTables, word):
		return true
	case slices.Contains(afterTables, word):
		f.expects, f.list = false, false
		return true
	}
	return false
}

// startsTables tells whether the word is one after which tables are named.
func (n *namesIn) startsTables(i int, word, before string, isVerb bool) bool {
	function := n.isSymbol(i+1, "(")
	switch word {
	case "UPDATE":
		return isVerb
	case "INSERT", "REPLACE":
		return isVerb && !function
	case "TRUNCATE":
		return isVerb
	case "TABLE":
		return true
	case "TABLES":
		return before == n.verb || before == "TEMPORARY"
	case "FROM":
		return n.top().query && before != "SYSTEM_TIME"
	case "INTO":
		return true
	case "JOIN", "STRAIGHT_JOIN":
		return before != "FOR" && before != "SELECT" // FORCE INDEX FOR JOIN (…); SELECT STRAIGHT_JOIN …
	case "USING":
		return !function
	case "ON": // of CREATE INDEX i ON t
		return len(n.frames) == 1 && (n.does == changesTable || n.does == dropsTable) && !n.hasReference()
	}
	return false
}

// renames tells whether a table's new name comes next: RENAME TABLE a TO b, ALTER TABLE a RENAME [TO|AS] b.
func (n *namesIn) renames(i int, word string) bool {
	switch {
	case len(n.frames) > 1:
		return false
	case n.verb == "RENAME":
		return word == "TO"
	}
	return n.verb == "ALTER" && word == "RENAME" && !slices.Contains([]string{"COLUMN", "INDEX", "KEY"}, n.word(i+1))
}

func (n *namesIn) hasReference() bool {
	return slices.ContainsFunc(n.mentions, func(m mention) bool { return m.reference })
}

// alias notes that a name stands for something else within the statement.
func (n *namesIn) alias(i int) {
	if i < len(n.tokens) && n.tokens[i].named() {
		n.aliases[strings.ToLower(n.tokens[i].text)] = true
	}
}

// reference takes a table's name, and notes what follows it for its alias, whatever it is: a word such as WHERE does no harm there.
func (n *namesIn) reference(i int) (next int) {
	n.top().expects = false
	m := mention{name: n.tokens[i].text, reference: true, target: n.top().target}
	if n.isSymbol(i+1, ".") && i+2 < len(n.tokens) && n.tokens[i+2].named() {
		m.database, m.name = m.name, n.tokens[i+2].text
		i += 2
	}
	if n.word(i) == "JSON_TABLE" && n.isSymbol(i+1, "(") {
		return i + 1
	}
	n.mentions = append(n.mentions, m)
	if n.word(i+1) != "AS" {
		n.alias(i + 1)
	}
	return i + 1
}

// note notes a name that stands anywhere else. One before a dot is no table's, unless that stands as a reference somewhere.
func (n *namesIn) note(i int) {
	if n.isSymbol(i+1, ".") {
		return
	}
	database, name := "", n.tokens[i].text
	if n.isSymbol(i-1, ".") && i > 1 && n.tokens[i-2].named() {
		database = n.tokens[i-2].text
	}
	n.mentions = append(n.mentions, mention{database: database, name: name})
	if !n.counted || !n.isSymbol(i+1, "(") || n.tokens[i].kind == doubled {
		return
	}
	named := n.word(i-1) == "AS" || n.word(i-1) == "WITH" || n.word(i-1) == "RECURSIVE" // a list of columns follows
	if !named && (database != "" || n.tokens[i].kind == backticked || !isOwnWord(n.on, n.word(i))) {
		n.calls = append(n.calls, call{database, name})
	}
}
