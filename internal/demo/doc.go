// Package demo makes something to look at: a private source and two replicas on this machine with tables of many column
// types, a writer that keeps the source busy, and a replica that is damaged in the ways that happen in practice, among
// them those that other checkers do not see. It knows exactly what it damaged, so that a check of it can be judged.
//
// StartServers gives the same servers without data to who has other things to show (package selftest).
//
// It starts servers of its own (package sandbox) and touches no others; everything is gone after Close.
package demo
