#!/usr/bin/env bash
# Makes sure that the tools named are there: setup-tools.sh [lint] [race] [galera] [bench] [make]
#   lint   staticcheck, of one version, built from the Go module proxy into .tools/
#   race   a C compiler, which go test -race needs (Debian packages gcc, libc6-dev)
#   make   make itself, for .ci/run
#   galera the Galera library, of which tests make a cluster (Debian package galera-4)
#   bench  pt-table-checksum, which trueup is measured against (Debian package percona-toolkit)
# Does nothing, and says nothing, when they are.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

staticcheck_version=v0.8.2

setup_lint() {
	local tool=.tools/staticcheck-$staticcheck_version
	[ -x "$tool" ] && return
	say "building staticcheck $staticcheck_version (half a minute, once)"
	mkdir -p .tools
	rm -f .tools/staticcheck*
	GOBIN=$PWD/.tools go install "honnef.co/go/tools/cmd/staticcheck@$staticcheck_version" 2>.tools/build.log ||
		{ cat .tools/build.log >&2; return 1; }
	mv .tools/staticcheck "$tool" # named by its version, so that another version is built anew
}

# need_package PROGRAM PACKAGE...: installs the packages when the program is missing.
need_package() {
	local program=$1
	shift
	have "$program" && return
	if ! can_apt; then
		say "$program is missing: install it (Debian, Ubuntu: apt-get install $*)"
		return 1
	fi
	apt_refresh
	say "installing $*"
	apt_install "$@"
}

setup_galera() {
	[ -e /usr/lib/galera/libgalera_smm.so ] && return
	need_package galera-4 galera-4
}

for tool in "$@"; do
	case $tool in
	lint) setup_lint ;;
	race) need_package "${CC:-gcc}" gcc libc6-dev ;;
	galera) setup_galera ;;
	make) need_package make make ;;
	bench) need_package pt-table-checksum percona-toolkit ;;
	*)
		say "unknown tool $tool: lint, race, galera, make or bench"
		exit 64
		;;
	esac
done
