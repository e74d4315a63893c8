#!/usr/bin/env bash
# Runs every fuzz test of the tree for a while, one after the other: go test fuzzes one at a time.
# Usage: test-fuzz.sh TIME
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?how long each fuzz test runs, e.g. 60s}

grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do
	sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file" | while read -r name; do
		printf '%s: %s in %s\n' "$(basename "$0")" "$name" "$(dirname "$file")"
		"${GO:-go}" test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$(dirname "$file")" </dev/null
	done
done
