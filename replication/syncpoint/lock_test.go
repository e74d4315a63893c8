package syncpoint

import (
	"testing"

	"trueup/server"
)

// TestLockMode: only from MySQL 5.7.5 on does a READ lock wait for open transactions that have written.
func TestLockMode(t *testing.T) {
	t.Parallel()
	for version, want := range map[server.Version]string{
		{Major: 5, Minor: 6, Patch: 24}: "`a`.`t` WRITE, `a`.`u` WRITE", {Major: 5, Minor: 7, Patch: 9}: "`a`.`t` READ, `a`.`u` READ",
		{Major: 9, Minor: 7, Patch: 4}: "`a`.`t` READ, `a`.`u` READ",
	} {
		mode := lockMode(server.Identity{Flavor: server.MySQL, Version: version})
		if got := lockStatement([]Table{{"a", "t"}, {"a", "u"}}, mode); got != "LOCK TABLES "+want {
			t.Errorf("MySQL %s: %s, want %s", version, got, want)
		}
	}
}
