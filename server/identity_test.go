package server_test

import (
	"testing"

	"trueup/server"
)

func TestIdentityMatches(t *testing.T) {
	t.Parallel()
	mysql := server.Identity{Flavor: server.MySQL, ServerID: 7, UUID: "a", Hostname: "h", Port: 3306, DataDir: "/d/"}
	maria := mysql
	maria.Flavor = server.MariaDB
	for name, test := range map[string]struct {
		of     server.Identity
		change func(*server.Identity)
		same   bool
	}{
		"MySQL as it was":             {mysql, func(*server.Identity) {}, true},
		"MySQL, other server_uuid":    {mysql, func(i *server.Identity) { i.UUID = "b" }, false},
		"MariaDB, other network card": {maria, func(i *server.Identity) { i.UUID = "b" }, true},
		"MariaDB, other server_id":    {maria, func(i *server.Identity) { i.UUID, i.ServerID = "b", 8 }, false},
		"MariaDB, other host":         {maria, func(i *server.Identity) { i.Hostname = "g" }, false},
		"MariaDB, other data":         {maria, func(i *server.Identity) { i.DataDir = "/e/" }, false},
		"MariaDB, other port":         {maria, func(i *server.Identity) { i.Port++ }, false},
	} {
		now := test.of
		test.change(&now)
		if got := test.of.Matches(now); got != test.same {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestIdentityRemains(t *testing.T) {
	t.Parallel()
	mysql := server.Identity{Flavor: server.MySQL, ServerID: 7, UUID: "a", Hostname: "h", Port: 3306, DataDir: "/d/", VersionText: "8.4"}
	maria, old := mysql, mysql
	maria.Flavor, old.UUID = server.MariaDB, ""
	for name, test := range map[string]struct {
		of     server.Identity
		change func(*server.Identity)
		same   bool
	}{
		"MySQL, upgraded":                  {mysql, func(i *server.Identity) { i.VersionText = "9.7" }, true},
		"MySQL, moved":                     {mysql, func(i *server.Identity) { i.Hostname, i.DataDir, i.Port = "g", "/e/", 1 }, true},
		"MySQL, other server_uuid":         {mysql, func(i *server.Identity) { i.UUID = "b" }, false},
		"MySQL, server_id given to a copy": {mysql, func(i *server.Identity) { i.ServerID = 8 }, false},
		"MySQL 5.5, upgraded":              {old, func(i *server.Identity) { i.VersionText = "5.5.9" }, true},
		"MySQL 5.5, other host":            {old, func(i *server.Identity) { i.Hostname = "g" }, false},
		"MariaDB, upgraded and moved":      {maria, func(i *server.Identity) { i.VersionText, i.DataDir = "11.8", "/e/" }, true},
		"MariaDB, other network card":      {maria, func(i *server.Identity) { i.UUID = "b" }, true},
		"MariaDB, other card and host":     {maria, func(i *server.Identity) { i.UUID, i.Hostname = "b", "g" }, false},
		"MariaDB, other card and data":     {maria, func(i *server.Identity) { i.UUID, i.DataDir = "b", "/e/" }, false},
		"the other family":                 {maria, func(i *server.Identity) { i.Flavor = server.MySQL }, false},
	} {
		now := test.of
		test.change(&now)
		if got := test.of.Remains(now); got != test.same {
			t.Errorf("%s: %v", name, got)
		}
	}
}
