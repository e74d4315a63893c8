#!/usr/bin/env bash
# Every linter, also after one of them found something; exit 1 when any did.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0

unformatted=$(find . -name '*.go' -not -path './.*' -exec gofmt -l {} +)
if [ -n "$unformatted" ]; then
	printf 'gofmt: not formatted:\n%s\n' "$unformatted" >&2
	failed=1
fi
go vet ./... || failed=1
.tools/staticcheck-* ./... || failed=1
# What only make test-mutation builds.
go vet -tags mutation ./integration/mutation || failed=1
.tools/staticcheck-* -tags mutation ./integration/mutation || failed=1
go test -tags mutation -count=1 -run '^TestMutantsFit$' ./integration/mutation || failed=1
# Which package may import which, and other rules of the house.
go test -count=1 ./internal/architecture || failed=1
exit $failed
