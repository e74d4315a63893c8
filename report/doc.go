// Package report turns the result of a run into what people and programs read: one versioned model (Check),
// printed as JSON, as JSON lines while the run goes on, or as text; the live progress line; and the exit code.
//
// Everything that is printed comes from the model, so that text and JSON never say different things, and the
// exit code is decided in one place (Conditions, CodeFor). Names and values come from databases that may hold
// anything: nothing printed can drive a terminal, and in JSON every control character is escaped.
//
// The package fails only where a writer fails. What JSON means, field by field, is in docs/json.md.
package report
