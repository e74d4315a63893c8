// Package sandboxtest gives tests a private server, and a session on one, in one call. What it opens ends with the test.
// Topologies are the business of package integration.
package sandboxtest
