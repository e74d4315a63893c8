#!/usr/bin/env bash
# Runs the integration tests on every row of TRUEUP_TEST_IMAGES, by default on what test-images.sh finds or builds.
# Further arguments go to the test program, for example -test.run TestCheck -test.v.
set -euo pipefail
cd "$(dirname "$0")/.."

images=${TRUEUP_TEST_IMAGES:-}
if [ -z "$images" ]; then
	images=$(scripts/test-images.sh)
else
	for name in ${images//,/ }; do
		case $name in
		trueup-test/*) scripts/test-images.sh "${name#trueup-test/}" >/dev/null ;;
		esac
	done
fi
printf 'rows: %s\n' "$images"

# As a program of its own: go test would keep the summary of a package that passes to itself. Without the race
# detector, under which make test runs the same tests on this machine's server.
mkdir -p bin
"${GO:-go}" test -c -o bin/integration.test ./integration
cd integration
# Unset, testcontainers would start a cleaner from an image that only a registry has; the tests remove what killed
# ones left. Servers publish their ports on the loopback, which testcontainers does not guess inside a container.
export TESTCONTAINERS_RYUK_DISABLED=${TESTCONTAINERS_RYUK_DISABLED:-true}
export TESTCONTAINERS_HOST_OVERRIDE=${TESTCONTAINERS_HOST_OVERRIDE:-127.0.0.1}
run() {
	local rows=$1
	shift
	REQUIRE_SERVERS=1 TRUEUP_TEST_IMAGES=$rows ../bin/integration.test -test.timeout "${TEST_TIMEOUT:-70m}" "$@"
}

# With TRUEUP_MATRIX_LOCAL=once (.ci/run), the row that is the same server as this machine's own, on which make test runs every test,
# is left to the tests between two rows.
others=$images
if [ "${TRUEUP_MATRIX_LOCAL:-}" = once ]; then
	PATH=$PATH:/usr/sbin:/usr/libexec:/usr/local/sbin
	own=trueup-test/mariadb:$(mariadbd --version 2>/dev/null | sed -nE 's/.*Ver ([0-9]+\.[0-9]+).*/\1/p')
	others=$(printf '%s' "$images" | tr ',' '\n' | grep -vxF "$own" | paste -sd, -)
fi
if [ "$others" = "$images" ] || [ -z "$others" ]; then
	run "$images" "$@"
	exit
fi
run "$others" "$@"
run "$images" "$@" -test.run '^(TestPairsOfVersions|TestAcrossFamilies|TestJSONByValueAcrossFamilies)$'
