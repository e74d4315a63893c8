// Package server is one MySQL or MariaDB server as trueup sees it: how to reach it (DSN, TLS), what it
// is (flavor and version as comparable types, identity), sessions on it with canonical settings, its SQL
// errors by class, and which privileges the connected account holds.
//
// A Server hands out Sessions. A Session is one physical connection that is never shared or pooled: its
// settings, snapshot and locks end with it. Every Session proves on opening that it reached the server the
// Server was opened on, so that a proxy, a reader endpoint or a failover cannot swap the data under a check.
//
// Everything read for comparison goes through Statement.Stream, which prepares: the driver uses the text
// protocol for queries without arguments, and the text protocol rounds FLOAT to six digits.
package server
