package integration

import (
	"context"
	"fmt"
	"strings"

	"trueup/internal/sandbox"
	"trueup/server"
)

// Server is a running server program, on this machine or in a container. The methods of both behave alike.
type Server interface {
	// Port and Address are where this process reaches the server, and what it reports to its source. They stay
	// the same over Restart.
	Port() int
	Address() string
	// DSN is the administrator's, for go-sql-driver, without parameters.
	DSN() string
	// AdminEndpoint is the administrator's account over TCP, which may do everything and grant it.
	AdminEndpoint() server.Endpoint
	// LogTail returns the last lines of the server's log.
	LogTail(lines int) string
	// Pause freezes the server: its connections stay open and nothing answers. Resume ends it.
	Pause() error
	Resume() error
	// Kill ends the server as kill -9 does, Shutdown in order; Restart brings it back with its data. Arguments
	// replace those of the topology's options when any are given.
	Kill() error
	Shutdown() error
	Restart(ctx context.Context, args ...string) error
	// Stop ends the server and removes everything it had.
	Stop() error
}

// localName is the row of TRUEUP_TEST_IMAGES that means the server program of this machine.
const localName = "local"

// ServerRow is one row of the matrix: a server program that topologies can be made of.
type ServerRow struct {
	// Name is "local", or the image's name as TRUEUP_TEST_IMAGES has it.
	Name    string
	Flavor  server.Flavor
	Version server.Version

	runtime *sandbox.Runtime // of the local row
	image   string           // the id of the image with a data directory, of all others
}

// String is the row's name and what runs there.
func (r ServerRow) String() string {
	return fmt.Sprintf("%s (%s %s)", r.Name, r.Flavor, r.Version)
}

// Local tells whether servers of the row are processes of this machine: their files and sockets can be
// reached, and they cannot be cut off from each other.
func (r ServerRow) Local() bool { return r.image == "" }

// IsMySQL tells whether the row is of the MySQL family, in the given version or newer.
func (r ServerRow) IsMySQL(major, minor, patch int) bool {
	return r.Flavor == server.MySQL && r.Version.AtLeast(major, minor, patch)
}

// IsMariaDB tells whether the row is of the MariaDB family, in the given version or newer.
func (r ServerRow) IsMariaDB(major, minor, patch int) bool {
	return r.Flavor == server.MariaDB && r.Version.AtLeast(major, minor, patch)
}

// short is the name as part of a test's name.
func (r ServerRow) short() string { return strings.TrimPrefix(r.Name, "trueup-test/") }
