# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What every script here needs: messages, steps with a log, entries of the cache.

CACHE=${ASHMEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ashmem-rs}
# shellcheck disable=SC2034  # for the scripts that source this
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# One clear line, and the end.
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

say() {
	printf '%s\n' "$*"
}

# step LOG WHAT COMMAND...: runs a command with its output in a log, and says how long it took; on
# failure shows the end of the log.
step() {
	local log=$1 what=$2 start=$SECONDS status=0 ticker=
	shift 2
	mkdir -p "$(dirname "$log")"
	printf '==> %s ... ' "$what"
	if [ "${V:-}" = 1 ]; then
		printf '\n'
		"$@" > >(tee "$log") 2>&1 </dev/null || status=$?
	else
		if [ -t 1 ]; then
			tick "$log" "$what" &
			ticker=$!
		fi
		"$@" >"$log" 2>&1 </dev/null || status=$?
		[ -z "$ticker" ] || kill "$ticker" 2>/dev/null || true
	fi
	if [ "$status" != 0 ]; then
		printf 'failed\n'
		tail -n 20 "$log" >&2
		die "$what failed with status $status; the whole log is $log"
	fi
	printf '%d s\n' $((SECONDS - start))
}

# A sign of life for whoever looks at a terminal: how far the log is.
tick() {
	local start=$SECONDS
	while sleep 1; do
		printf '\r==> %s ... %d s, %d lines ' "$2" $((SECONDS - start)) "$(wc -l <"$1")"
	done
}

# Refuses to remove a tree with something mounted in it.
remove_tree() {
	if grep -qF " $1/" /proc/self/mounts; then
		die "something is mounted below $1: unmount it first"
	fi
	rm -rf "$1"
}

# fresh DIR: a new, empty sibling in which an entry of the cache is made. Only what is complete gets
# its real name (commit), so an interruption leaves nothing but a sibling that the next try removes.
fresh() {
	remove_tree "$1.part"
	mkdir -p "$1.part"
}

commit() {
	sync -f "$1.part" 2>/dev/null || true
	mv -T "$1.part" "$1"
}

# need_network URI: one clear line at once, where a download would try for minutes.
need_network() {
	local host=${1#*://}
	host=${host%%[:/]*}
	if [ -z "${http_proxy:-}" ] && [[ $1 == http* ]] && ! getent ahosts "$host" >/dev/null; then
		die "no network: $host is not found, and what is needed from there has not been fetched yet"
	fi
}

# shellcheck disable=SC2120  # the whole cache, or a part of it
# lock_cache [PART]: waits for whoever else is changing the cache, or that part of it.
lock_cache() {
	mkdir -p "$CACHE"
	exec 9>"$CACHE/lock${1:+-$1}"
	if ! flock -n 9; then
		say "waiting for another run that uses $CACHE"
		flock 9
	fi
}

unlock_cache() {
	exec 9>&-
}
