# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The part that runs on the user's own system: its tools, the build root, and the way in.

# What the root is that ROOT_PACKAGES describe.
ROOT_NAME="the build root: a Debian $SUITE with the kernel's compilers"

# Where the build root is: another one for other pins.
root_path() {
	local key
	key=$(printf '%s\n' "$SUITE" "$KERNEL_SUITE" "${ROOT_PACKAGES[@]}" | sha256sum | cut -c1-12)
	printf '%s/root-%s\n' "$CACHE" "$key"
}

is_root() {
	[ "$(id -u)" = 0 ]
}

# Sees to the tools that the host itself must have.
check_host() {
	local missing=() packages=(mmdebstrap bubblewrap)

	[ "$(uname -m)" = x86_64 ] || die "the build root is for x86_64 hosts, this one is $(uname -m)"

	command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
	command -v bwrap >/dev/null || missing+=(bubblewrap)
	if ! is_root; then
		command -v newuidmap >/dev/null || missing+=(uidmap)
	fi
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)

	if [ -d "$(root_path)" ]; then
		# The root is made: only the way in is needed.
		packages=(bubblewrap)
		command -v bwrap >/dev/null && missing=()
	fi
	if [ ${#missing[@]} != 0 ]; then
		install_packages "${missing[@]}"
	fi
	for tool in "${packages[@]}"; do
		[ "$tool" = bubblewrap ] && tool=bwrap
		command -v "$tool" >/dev/null || die "$tool is still missing"
	done

	if ! is_root && ! bwrap --unshare-user --ro-bind / / true 2>/dev/null; then
		die "this system allows no user namespaces: run this as root, or have the administrator allow them"
	fi
	if ! is_root && ! grep -qs "^\($(id -un)\|$(id -u)\):" /etc/subuid; then
		die "$(id -un) has no subordinate ids, have them added with:" \
			"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)"
	fi
}

# As root on a system with apt: installs. Else: says how.
install_packages() {
	if ! command -v apt-get >/dev/null; then
		die "missing: $*; install them with this system's package manager"
	fi
	if ! is_root; then
		die "missing: $*; install them with: sudo apt-get install $*"
	fi
	say "installing what is missing on this system: $*"
	apt_log=$(mktemp)
	if ! { apt-get install -y --no-install-recommends "$@" ||
		{ apt-get update && apt-get install -y --no-install-recommends "$@"; }; } \
		>"$apt_log" 2>&1 </dev/null; then
		tail -n 5 "$apt_log" >&2
		die "apt-get could not install $* (log: $apt_log)"
	fi
	rm -f "$apt_log"
}

# The Debian mirror: the user's choice, or the one that this system uses.
mirror() {
	local uri=${MIRROR:-}

	if [ -z "$uri" ] && command -v apt-get >/dev/null; then
		# shellcheck disable=SC2016  # apt's own placeholders
		uri=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
			awk '$1 == "Debian" { print $2; exit }')
	fi
	[ -n "$uri" ] || die "no Debian mirror in this system's apt configuration: name one with MIRROR="
	printf '%s\n' "$uri"
}

# Makes the build root, unless it is there.
make_root() {
	local root uri
	root=$(root_path)
	[ -d "$root" ] && return

	uri=$(mirror)
	need_network "$uri"
	say "making $ROOT_NAME, in $root"
	fresh "$root"
	step "$CACHE/log/root.log" "fetch and install ${#ROOT_PACKAGES[@]} packages and what they need" \
		bootstrap "$root.part" "$uri"
	commit "$root"
}

# bootstrap DIR MIRROR
bootstrap() {
	local dir=$1 uri=$2 include options
	include=$(
		IFS=,
		printf '%s' "${ROOT_PACKAGES[*]}"
	)
	options=(
		--variant=apt "--architectures=amd64,arm64" --include="$include"
		--aptopt='Acquire::Retries "3"' --aptopt='Acquire::http::Timeout "20"'
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*'
		--dpkgopt='path-exclude=/usr/share/locale/*'
	)
	local sources=(
		"deb $uri $SUITE main"
		"deb $uri $KERNEL_SUITE main"
	)

	if is_root; then
		mmdebstrap "${options[@]}" "$SUITE" "$dir" "${sources[@]}"
		return
	fi
	# Without root the owners of files do not matter, and only one of them can be had: unpack a
	# tarball as if all were the same.
	mmdebstrap --mode=unshare "${options[@]}" "$SUITE" "$dir.tar" "${sources[@]}" || return
	bwrap --unshare-user --uid 0 --gid 0 --bind / / \
		tar -xf "$dir.tar" -C "$dir" --no-same-owner --exclude='./dev/*' || return
	rm -f "$dir.tar"
}

# in_build_root COMMAND...: runs a command in the build root, which is made first if it is not there.
in_build_root() {
	check_host
	lock_cache
	make_root
	unlock_cache
	enter_root "$@"
}

# in_plot_root COMMAND...: the same where gnuplot is.
in_plot_root() {
	# shellcheck disable=SC2034  # make_root and enter_root see it
	local ROOT_PACKAGES=("${PLOT_PACKAGES[@]}") ROOT_NAME="a small root with what draws plots"
	in_build_root "$@"
}

# enter_root COMMAND...: runs a command in the build root, or in that of ROOT, with this checkout and the cache at their
# own paths. Everything that is started in there ends with it, and nothing is mounted outside it.
enter_root() {
	local root options=() name
	root=${ROOT:-$(root_path)}

	is_root || options+=(--unshare-user --uid 0 --gid 0)
	for name in ARCH KERNEL ACCEL TESTS SLOWNESS TIME CALLS SEEDED MUTANTS PROFILE V CI http_proxy https_proxy no_proxy; do
		[ -z "${!name:-}" ] || options+=(--setenv "$name" "${!name}")
	done
	[ -e /etc/resolv.conf ] && options+=(--ro-bind "$(readlink -f /etc/resolv.conf)" /etc/resolv.conf)
	[ -e /etc/ssl/certs/ca-certificates.crt ] &&
		options+=(--ro-bind "$(readlink -f /etc/ssl/certs/ca-certificates.crt)" /etc/ssl/certs/ca-certificates.crt)

	mkdir -p "$CACHE"
	bwrap --clearenv --die-with-parent --unshare-pid --unshare-ipc \
		--bind "$root" / --dev-bind /dev /dev --proc /proc --tmpfs /tmp \
		--bind "$CACHE" "$CACHE" --bind "$TOP" "$TOP" --chdir "$TOP" \
		--setenv PATH /usr/sbin:/usr/bin:/sbin:/bin --setenv HOME /root --setenv LANG C.UTF-8 \
		--setenv TERM "${TERM:-dumb}" --setenv ASHMEM_CACHE "$CACHE" \
		"${options[@]}" "$@"
}
