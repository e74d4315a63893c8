#!/usr/bin/env bash
# Makes sure that private MariaDB servers can be started on this machine (internal/sandbox looks in the same places
# in the same order). Does nothing when a server program is there. Installs only the program, from the package
# mariadb-server-core: it has no system service that could start, now or at the next boot, and no data directory.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

PATH=$PATH:/usr/sbin:/usr/libexec:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin

have_server() {
	have mariadbd && have mariadb-install-db
}

have_docker() {
	have docker && timeout 15 docker version >/dev/null 2>&1
}

# core_package prints the package with the server program; its name held the version in older releases.
core_package() {
	local package
	for package in mariadb-server-core $(apt-cache pkgnames mariadb-server-core- | sort -rV); do
		if candidate "$package"; then
			echo "$package"
			return
		fi
	done
	return 1
}

install_server() {
	local package
	apt_refresh
	package=$(core_package) || { say "apt knows no mariadb-server-core"; return 1; }
	say "installing $package (the server program; no service is started)"
	# The client package holds my_print_defaults, which mariadb-install-db calls.
	apt_install "$package" "${package/server/client}"
}

if [ -n "${TRUEUP_MARIADBD:-}" ]; then
	[ -x "$TRUEUP_MARIADBD" ] && exit 0
	say "TRUEUP_MARIADBD=$TRUEUP_MARIADBD is not a program"
	exit 1
fi
have_server && exit 0
if can_apt && install_server && have_server; then
	exit 0
fi
if have_docker; then
	say "no MariaDB server program; servers will run in Docker (${TRUEUP_DEMO_IMAGE:-mariadb:lts})"
	exit 0
fi
say "there is no MariaDB server on this machine and none could be installed.
Any one of these helps:
  - Debian, Ubuntu: run this as root or with sudo rights, or: apt-get install mariadb-server
  - another system: install MariaDB so that mariadbd and mariadb-install-db are on PATH
  - a server unpacked from a tarball: TRUEUP_MARIADBD=/path/to/mariadbd
  - Docker: install and start it; the image is TRUEUP_DEMO_IMAGE (default mariadb:lts)"
exit 1
