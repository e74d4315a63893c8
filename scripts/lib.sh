# Sourced by the other scripts of this folder: what they share about installing Debian packages.

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# have PROGRAM: true when it can be run; bash's own command -v also finds files that cannot.
have() {
	local path
	path=$(command -v "$1" 2>/dev/null) && [ -x "$path" ]
}

# as_root runs a command as root. sudo may ask for a password only where somebody can type one.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif ! have sudo; then
		return 1
	elif [ -t 0 ] && [ -t 2 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

# candidate PACKAGE: true when apt can install it.
candidate() {
	local policy
	policy=$(apt-cache policy "$1" 2>/dev/null) || return 1
	[[ $policy == *"Candidate: "[0-9]* ]]
}

# apt_refresh fetches the package lists. One source of many that does not answer must not stop what follows: what is
# needed may come from another.
apt_refresh() {
	as_root apt-get update -q >"$apt_log" 2>&1 </dev/null || tail -n 5 "$apt_log" >&2
}

# apt_install PACKAGE...: installs, quietly when it works. --no-remove: a package that would push out something that
# is installed (a MySQL server, say) is not worth it.
apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends --no-remove "$@" \
		>"$apt_log" 2>&1 </dev/null || { tail -n 8 "$apt_log" >&2; return 1; }
}

# can_apt: true on Debian, Ubuntu and the like, for root or with sudo.
can_apt() {
	have apt-get && as_root true 2>/dev/null
}

apt_log=$(mktemp)
trap 'rm -f "$apt_log"' EXIT
