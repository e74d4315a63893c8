package recovery

import "slices"

// effect is what a statement can change, as its first words say.
type effect uint8

const (
	// changesAnything: a statement that calls something, or that is not known here.
	changesAnything   effect = iota
	changesNothing           // no row: transaction control, accounts
	changesDefinition        // what is no table: a view, a trigger, a routine
	changesRows              // of the tables that it names, with all that hangs on them
	changesTable             // a table's definition, and its rows with that, but no other table's
	dropsTable
	dropsDatabase
)

// objects are what CREATE, ALTER and DROP may be about.
var objects = map[string]effect{
	"TABLE": changesTable, "TABLES": changesTable, "INDEX": changesTable, "KEY": changesTable,
	"DATABASE": dropsDatabase, "SCHEMA": dropsDatabase,
	"VIEW": changesDefinition, "TRIGGER": changesDefinition, "PROCEDURE": changesDefinition, "FUNCTION": changesDefinition,
	"EVENT": changesDefinition, "PACKAGE": changesDefinition, "SERVER": changesDefinition, "SEQUENCE": changesDefinition,
	"TABLESPACE": changesDefinition, "LOGFILE": changesDefinition, "INSTANCE": changesDefinition, "RESOURCE": changesDefinition,
	"REFERENCE": changesDefinition, // SPATIAL REFERENCE SYSTEM
	"USER":      changesNothing, "ROLE": changesNothing,
}

// verbs are the statements that are not about objects.
var verbs = map[string]effect{
	"INSERT": changesRows, "REPLACE": changesRows, "UPDATE": changesRows, "DELETE": changesRows, "LOAD": changesRows,
	"TRUNCATE": changesTable, "REPAIR": changesTable,
	"BEGIN": changesNothing, "START": changesNothing, "COMMIT": changesNothing, "ROLLBACK": changesNothing, "SAVEPOINT": changesNothing,
	"RELEASE": changesNothing, "USE": changesNothing, "SET": changesNothing, "GRANT": changesNothing, "REVOKE": changesNothing,
	"FLUSH": changesNothing, "ANALYZE": changesNothing, "OPTIMIZE": changesNothing, "INSTALL": changesDefinition, "UNINSTALL": changesDefinition,
}

// definers are the first words of statements that change definitions, or look after tables, and commit by themselves.
var definers = []string{"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "GRANT", "REVOKE", "INSTALL", "UNINSTALL", "IMPORT", "REPAIR", "ANALYZE", "OPTIMIZE", "FLUSH"}

// isDDL tells whether a statement changes a definition (of a table, a routine, an account), or looks after tables: none is part of a
// transaction, and no other statement is executed again with it.
//
// https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html
func isDDL(text string) bool {
	return slices.ContainsFunc(readings(text), func(tokens []token) bool {
		verb, at := verbOf(tokens)
		if verb == "SET" {
			return len(tokens) > at+1 && slices.Contains([]string{"PASSWORD", "DEFAULT"}, tokens[at+1].word()) // DEFAULT ROLE
		}
		return slices.Contains(definers, verb)
	})
}

// verbOf finds the word that says what a statement does, and where it stands: behind parentheses, behind the definitions of WITH, and
// behind SET STATEMENT … FOR, with which MariaDB sets variables for one statement.
func verbOf(tokens []token) (verb string, at int) {
	depth := 0
	until := []string(nil)
	for i, t := range tokens {
		switch word := t.word(); {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case word == "":
		case until == nil && word == "WITH":
			until, depth = []string{"SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE"}, 0
		case until == nil && word == "SET" && i+1 < len(tokens) && tokens[i+1].word() == "STATEMENT":
			until, depth = []string{"FOR"}, 0
		case until == nil:
			return word, i
		case depth == 0 && slices.Contains(until, word):
			if word != "FOR" {
				return word, i
			}
			verb, at = verbOf(tokens[i+1:])
			return verb, at + i + 1
		}
	}
	return "", 0
}

// effectOf says what a statement can change, and the object that it creates, alters or drops.
func effectOf(tokens []token) (does effect, verb string, at int) {
	verb, at = verbOf(tokens)
	switch verb {
	case "":
		if len(tokens) == 0 {
			return changesNothing, verb, at
		}
	case "CREATE", "ALTER", "DROP", "RENAME":
		for _, t := range tokens[at+1:] {
			if of, known := objects[t.word()]; known {
				return effectOn(of, verb), verb, at
			}
		}
	case "XA":
		if len(tokens) > at+1 && tokens[at+1].word() != "COMMIT" {
			return changesNothing, verb, at
		}
	default:
		return verbs[verb], verb, at
	}
	return changesAnything, verb, at
}

func effectOn(object effect, verb string) effect {
	switch {
	case object == dropsDatabase && verb != "DROP":
		return changesNothing
	case object == changesTable && verb == "DROP":
		return dropsTable
	}
	return object
}
