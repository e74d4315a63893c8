package server_test

import (
	"testing"

	"trueup/server"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text    string
		flavor  server.Flavor
		version string
	}{
		{"10.11.19-MariaDB-0+deb12u1-log Debian 12", server.MariaDB, "10.11.19"},
		{"5.5.5-10.6.1-MariaDB", server.MariaDB, "10.6.1"},
		{"5.5.5-10.4.32-MariaDB-1:10.4.32+maria~ubu2004-log", server.MariaDB, "10.4.32"},
		{"11.8.2-MariaDB-ubu2404", server.MariaDB, "11.8.2"},
		{"12.0.1 MariaDB Server", server.MariaDB, "12.0.1"},
		{"10.6.14-8 mariadb.org binary distribution", server.MariaDB, "10.6.14"},
		{"8.4.3", server.MySQL, "8.4.3"},
		{"8.4.3 MySQL Community Server - GPL", server.MySQL, "8.4.3"},
		{"9.7.4-commercial MySQL Enterprise Server", server.MySQL, "9.7.4"},
		{"8.0.36-28 Percona Server (GPL), Release 28", server.MySQL, "8.0.36"},
		{"5.5.5 Source distribution", server.MySQL, "5.5.5"},
		{"5.7.44-log", server.MySQL, "5.7.44"},
		{"  8.0 ", server.MySQL, "8.0.0"},
		{"8.0.11-TiDB-v7.5.0", server.UnknownFlavor, "8.0.11"},
		{"8.0.30-Vitess", server.UnknownFlavor, "8.0.30"},
	}
	for _, test := range tests {
		flavor, version, err := server.ParseVersion(test.text)
		if err != nil || flavor != test.flavor || version.String() != test.version {
			t.Errorf("%q: %v %v, %v; want %v %s", test.text, flavor, version, err, test.flavor, test.version)
		}
	}
	for _, text := range []string{"", "MariaDB", "ten.eleven", "10", "v8.0.1", "99999.1.1"} {
		if flavor, version, err := server.ParseVersion(text); err == nil {
			t.Errorf("%q: %v %v, want an error", text, flavor, version)
		}
	}
}

func TestVersionAtLeast(t *testing.T) {
	t.Parallel()
	v := server.Version{Major: 10, Minor: 5, Patch: 9}
	for _, test := range []struct {
		major, minor, patch int
		want                bool
	}{
		{10, 5, 9, true}, {10, 5, 8, true}, {10, 5, 10, false}, {10, 4, 99, true}, {10, 6, 0, false}, {9, 99, 99, true}, {11, 0, 0, false},
	} {
		if got := v.AtLeast(test.major, test.minor, test.patch); got != test.want {
			t.Errorf("%v at least %d.%d.%d: %v", v, test.major, test.minor, test.patch, got)
		}
	}
}

func TestFlavorNames(t *testing.T) {
	t.Parallel()
	for flavor, want := range map[server.Flavor]string{server.MySQL: "mysql", server.MariaDB: "mariadb", server.UnknownFlavor: "unknown", 99: "unknown"} {
		if flavor.String() != want {
			t.Errorf("flavor %d is %q, want %q", uint8(flavor), flavor, want)
		}
	}
}
