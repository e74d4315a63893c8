// Package architecture holds the tests that hold the house together: which package may import which (the table of
// ARCHITECTURE.md as ranks), who may use the driver and the binary log library, and that every package opens with a
// doc.go. It has no code of its own. It fails with the name of the import that breaks a rule and what the
// rule is; a new package must be given its rank in the table here and in ARCHITECTURE.md.
package architecture
