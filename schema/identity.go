package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trueup/server"
)

// Name names a table on one server.
type Name struct{ Database, Table string }

// Identities tell tables apart that had or have the same name: by the storage engine's numbers of a table and its partitions,
// which no other table ever gets, or, where the server does not tell them, by the moment at which the table was made.
type Identities map[Name]string

// IdentityReader reads identities on one server. It is for one goroutine.
type IdentityReader struct {
	session *server.Session
	coarse  bool // the account may not see the engine's numbers
}

// NewIdentityReader makes a reader on a session that holds no snapshot: a snapshot could show the tables as they were.
func NewIdentityReader(session *server.Session) *IdentityReader {
	return &IdentityReader{session: session}
}

// Read reads the identities that the named tables have now; a table that is not there has none. With the privilege PROCESS it
// costs one scan of the engine's dictionary, some milliseconds for some thousand tables (MySQL manual, "The INFORMATION_SCHEMA
// INNODB_TABLESPACES_BRIEF Table", "The INFORMATION_SCHEMA INNODB_TABLES Table"). Without it, and for tables of other engines, it is the time of creation: in whole seconds, and on MySQL
// partitions that changed places go unnoticed.
func (r *IdentityReader) Read(ctx context.Context, names []Name) (Identities, error) {
	found := Identities{}
	if !r.coarse {
		err := r.readNumbers(ctx, names, found)
		if server.IsAccessDenied(err) {
			r.coarse, err = true, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the identities of tables: %w", err)
		}
	}
	for _, name := range names {
		if _, known := found[name]; known {
			continue
		}
		created, err := r.created(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("reading the identity of %s.%s: %w", name.Database, name.Table, err)
		}
		if created != "" {
			found[name] = created
		}
	}
	return found, nil
}

// readNumbers reads InnoDB's numbers: those of tables, or of the tablespaces that they have for themselves.
//
// On MySQL 8.0 and newer INNODB_TABLES waits for the metadata lock of every table of the server that an ALTER is waiting to change (seen on
// 9.7). Whoever reads it while a snapshot holds the lock of a checked table would keep that ALTER, and all who come behind it, until
// lock_wait_timeout. INNODB_TABLESPACES_BRIEF waits for nobody; tables in a shared tablespace have no line of their own there, and since 8.0.13
// no partition is in one.
func (r *IdentityReader) readNumbers(ctx context.Context, names []Name, into Identities) error {
	wanted := map[string]Name{}
	for _, name := range names {
		if encoded, simple := engineName(name); simple {
			wanted[strings.ToLower(encoded)] = name
		}
	}
	view := "SELECT NAME AS name, TABLE_ID AS id FROM information_schema.INNODB_SYS_TABLES WHERE TRUE"
	if identity := r.session.Server().Identity(); identity.Flavor == server.MySQL && identity.Version.AtLeast(8, 0, 0) {
		view = "SELECT NAME AS name, TABLE_ID AS id FROM information_schema.INNODB_TABLES WHERE TRUE"
		if identity.Version.AtLeast(8, 0, 13) {
			const spaces = "SELECT NAME AS name, CONCAT('space ', SPACE) AS id FROM information_schema.INNODB_TABLESPACES_BRIEF WHERE SPACE_TYPE = 'Single'"
			if err := r.readView(ctx, spaces, wanted, into); err != nil {
				return err
			}
			if err := r.keepOnlyInnoDB(ctx, wanted); err != nil {
				return err
			}
		}
	}
	return r.readView(ctx, view, wanted, into)
}

// keepOnlyInnoDB drops from wanted what has no numbers: tables of other engines, and those that are not there.
func (r *IdentityReader) keepOnlyInnoDB(ctx context.Context, wanted map[string]Name) error {
	for encoded, name := range wanted {
		records, err := r.session.Records(ctx, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND ENGINE = 'InnoDB'", name.Database, name.Table)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			delete(wanted, encoded)
		}
	}
	return nil
}

// readView reads numbers, those of a partitioned table's partitions together, and takes what it finds from wanted.
func (r *IdentityReader) readView(ctx context.Context, view string, wanted map[string]Name, into Identities) error {
	if len(wanted) == 0 {
		return nil
	}
	condition, arguments := narrowed(wanted)
	records, err := r.session.Records(ctx, view+condition, arguments...)
	if err != nil {
		return err
	}
	parts := map[string][]string{}
	for _, record := range records {
		whole, partition, _ := strings.Cut(record.Text("name"), "#")
		if encoded := strings.ToLower(whole); wanted[encoded] != (Name{}) {
			parts[encoded] = append(parts[encoded], partition+"="+record.Text("id"))
		}
	}
	for encoded, list := range parts {
		slices.Sort(list)
		into[wanted[encoded]] = strings.Join(list, " ")
		delete(wanted, encoded)
	}
	return nil
}

// narrowed keeps the server from sending its whole dictionary for a few tables. What comes is filtered again: _ stands for any
// character.
func narrowed(wanted map[string]Name) (condition string, arguments []any) {
	const few = 100
	if len(wanted) > few {
		return "", nil
	}
	var alternatives []string
	for encoded := range wanted {
		alternatives = append(alternatives, "NAME LIKE ? OR NAME LIKE ?")
		arguments = append(arguments, encoded, encoded+"#%")
	}
	return " AND (" + strings.Join(alternatives, " OR ") + ")", arguments
}

// engineName is the name under which InnoDB keeps a table; simple is false where it writes characters in a way of its own
// (MySQL manual, "Mapping of Identifiers to File Names").
func engineName(name Name) (encoded string, simple bool) {
	for _, part := range []string{name.Database, name.Table} {
		for i := range len(part) {
			c := part[i]
			if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return "", false
			}
		}
	}
	return name.Database + "/" + name.Table, true
}

func (r *IdentityReader) created(ctx context.Context, name Name) (string, error) {
	records, err := r.session.Records(ctx, "SELECT CREATE_TIME AS created FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
		name.Database, name.Table)
	if err != nil || len(records) == 0 {
		return "", err
	}
	return "created " + records[0].Text("created"), nil
}
