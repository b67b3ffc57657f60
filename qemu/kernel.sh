# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel: which one, its packages, and an object tree that a module can be built against.
#
# A stock kernel's headers have no metadata for Rust. The same source, configuration and compiler give
# it anew: `modules_prepare` on the distribution's source, with the headers' configuration and symbols.

# shellcheck disable=SC2034  # KIMAGE, KOBJ and the like are for the other parts

# The distribution's name of an architecture, and how the kernel's make is told of it.
debian_arch() {
	case $1 in
	x86_64) say amd64 ;;
	arm64) say arm64 ;;
	esac
}

kernel_make() {
	local args=(ARCH="$KARCH" "${KMAKE[@]}")
	[ "$KARCH" = arm64 ] && args+=(CROSS_COMPILE=aarch64-linux-gnu-)
	make -j"$(nproc)" "${args[@]}" "$@"
}

# What follows the version in a release: flavour_suffix FLAVOUR ARCH
flavour_suffix() {
	case $1:$2 in
	cloud:* | rt:*) say "$1-$(debian_arch "$2")" ;;
	generic:*) debian_arch "$2" ;;
	16k:arm64) say arm64-16k ;;
	*) return 1 ;;
	esac
}

# use_kernel ARCH: sees to the kernel that KERNEL names, and sets KARCH, RELEASE, KSRC, KOBJ, KIMAGE, OUT.
use_kernel() {
	local wish=${KERNEL:-cloud}
	KARCH=$1
	KMAKE=()
	! is_debug "$wish" || wish=cloud
	lock_cache
	pick_kernel "$wish"
	KDIR_CACHE=$CACHE/kernel/$RELEASE
	[ -d "$KDIR_CACHE" ] || fetch_kernel
	KSRC=$CACHE/source/$(<"$KDIR_CACHE/source")
	[ -d "$KSRC" ] || fetch_source "$(<"$KDIR_CACHE/source")"
	KOBJ=$KDIR_CACHE/build
	[ -e "$KOBJ/.prepared" ] || prepare_kernel
	unlock_cache
	KIMAGE=$KDIR_CACHE/vmlinuz
	! is_debug "${KERNEL:-}" || use_debug_kernel "$1" "$KERNEL"
	OUT=$TOP/build/$RELEASE
	MODULE_SOURCE=$TOP
	MODULE_DIR=$OUT/module
	mkdir -p "$OUT/log"
}

# pick_kernel WISH: sets RELEASE from a flavour, a version, both with a dash between them, or a release.
pick_kernel() {
	local wish=$1 remembered=$CACHE/pick/$KARCH-$1
	if [ -d "$CACHE/kernel/$wish" ] && [[ $wish == *-$(debian_arch "$KARCH")* ]]; then
		RELEASE=$wish
		return
	fi
	if [ -e "$remembered" ]; then
		RELEASE=$(<"$remembered")
		return
	fi

	look_for_kernels
	find_kernel "$wish"
	[ -n "$RELEASE" ] || die "no kernel '$wish' for $KARCH; there are the flavours $(flavours) and the releases" \
		"$(complete_kernels '[^ ]*' | tr '\n' ' ')"
	say "kernel for $KARCH, $wish: $RELEASE is the newest one whose source, headers and image are all there"
	mkdir -p "$CACHE/pick"
	printf '%s\n' "$RELEASE" >"$remembered.part"
	mv "$remembered.part" "$remembered"
}

# look_for_kernels: what the archive has now, for those that name kernels from it.
look_for_kernels() {
	need_network "$(awk '/^deb/ { print $2; exit }' /etc/apt/sources.list)"
	step "$CACHE/log/apt-update.log" "look for kernels in $KERNEL_SUITE" refresh_packages
}

refresh_packages() {
	apt-get -o APT::Sandbox::User=root -o Acquire::Retries=2 -o Acquire::http::Timeout=20 \
		-o APT::Update::Error-Mode=any update
}

flavours() {
	[ "$KARCH" = arm64 ] && printf 'cloud generic rt 16k' || printf 'cloud generic rt'
}

find_kernel() {
	local wish=$1 suffix
	RELEASE=
	if suffix=$(flavour_suffix "$wish" "$KARCH"); then
		RELEASE=$(complete_kernels "[0-9.]*+deb[0-9]*-$suffix" 1)
	elif [[ $wish =~ ^([0-9.]+)(-([a-z0-9]+))?$ ]] &&
		suffix=$(flavour_suffix "${BASH_REMATCH[3]:-cloud}" "$KARCH"); then
		RELEASE=$(complete_kernels "${BASH_REMATCH[1]//./\\.}[0-9.]*+deb[0-9]*-$suffix" 1)
	elif [[ $wish =~ ^[0-9a-z.+-]+$ ]]; then
		RELEASE=$(complete_kernels "${wish//./\\.}" 1)
	fi
}

# The version of a package, if there is such a package.
version_of() {
	apt-cache show --no-all-versions "$1" 2>/dev/null |
		awk '/^Version: / && !version { version = $2 } END { print version }'
}

# complete_kernels PATTERN [MOST]: the releases for this architecture that match and for which
# everything is there, newest first.
complete_kernels() {
	local arch release version found=0
	arch=$(debian_arch "$KARCH")
	apt-cache pkgnames linux-headers- | sed -n "s/^linux-headers-\\($1\\)$/\\1/p" |
		{ grep -E -- "^[0-9.]+\\+deb[0-9]+-((cloud|rt)-)?$arch(-16k)?$" || true; } | sort -Vr |
		while read -r release; do
			# Of the two, the oldest one that is allowed must be the older.
			[ "$(printf '%s\n' "$OLDEST_KERNEL" "$release" | sort -V | head -n 1)" = "$OLDEST_KERNEL" ] || continue
			version=$(version_of "linux-headers-$release:$arch")
			[ -n "$version" ] || continue
			[ "$(version_of "linux-source-$(minor_version "$release")")" = "$version" ] || continue
			[ -n "$(image_package "$release")" ] || continue
			[ -n "$(version_of "linux-modules-$release:$arch")" ] || continue
			say "$release"
			found=$((found + 1))
			[ "$found" != "${2:-}" ] || break
		done
}

# 7.3 of 7.3.4+deb13-cloud-amd64
minor_version() {
	say "$1" | cut -d. -f1-2
}

# The package with the image: signed ones come later than unsigned ones.
image_package() {
	local arch package
	arch=$(debian_arch "$KARCH")
	for package in "linux-binary-$1:$arch" "linux-binary-unsigned-$1:$arch"; do
		if [ -n "$(version_of "$package")" ]; then
			say "$package"
			return
		fi
	done
}

download() {
	apt-get -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::http::Timeout=20 download "$@"
}

fetch_kernel() {
	fresh "$KDIR_CACHE"
	step "$CACHE/log/fetch-$RELEASE.log" "fetch the headers and the image of $RELEASE" \
		unpack_kernel "$KDIR_CACHE.part"
	commit "$KDIR_CACHE"
}

unpack_kernel() {
	local dir=$1 arch deb headers
	arch=$(debian_arch "$KARCH")
	mkdir "$dir/deb"
	(cd "$dir/deb" && download "linux-headers-$RELEASE:$arch" "$(image_package "$RELEASE")") || return
	for deb in "$dir"/deb/*.deb; do
		dpkg-deb -x "$deb" "$dir/deb/x" || return
	done
	headers=$dir/deb/x/usr/src/linux-headers-$RELEASE
	grep -qx CONFIG_RUST=y "$headers/.config" || {
		echo "$RELEASE was built without CONFIG_RUST"
		return 1
	}
	cp "$headers/.config" "$dir/config" || return
	cp "$headers/Module.symvers" "$dir/Module.symvers" || return
	cp "$dir"/deb/x/usr/lib/modules/"$RELEASE"/vmlinuz* "$dir/vmlinuz" || return
	printf '%s\n' "linux-$(minor_version "$RELEASE")_$(version_of "linux-headers-$RELEASE:$arch")" >"$dir/source" || return
	rm -rf "$dir/deb"
}

fetch_source() {
	local name=$1
	fresh "$CACHE/source/$name"
	step "$CACHE/log/fetch-$name.log" "fetch and unpack the source $name" \
		unpack_source "$CACHE/source/$name.part" "$name"
	commit "$CACHE/source/$name"
}

unpack_source() {
	local dir=$1 name=$2 package=linux-source-${2#linux-}
	package=${package%%_*}
	mkdir "$dir/deb" || return
	if ! (cd "$dir/deb" && download "$package=${name#*_}"); then
		# The list of packages may be an old one.
		refresh_packages || return
		(cd "$dir/deb" && download "$package=${name#*_}") || return
	fi
	dpkg-deb -x "$dir"/deb/*.deb "$dir/deb/x" || return
	tar -xf "$dir"/deb/x/usr/src/linux-source-*.tar.xz -C "$dir" --strip-components=1 --no-same-owner || return
	rm -rf "$dir/deb"
}

prepare_kernel() {
	remove_tree "$KOBJ"
	mkdir -p "$KOBJ"
	step "$CACHE/log/prepare-$RELEASE.log" "prepare the object tree of $RELEASE" modules_prepare
}

modules_prepare() {
	cp "$KDIR_CACHE/config" "$KOBJ/.config" || return
	kernel_make -C "$KSRC" O="$KOBJ" olddefconfig || return
	# What follows the kernel's own version in the release is not part of the configuration.
	kernel_make -C "$KSRC" O="$KOBJ" LOCALVERSION="+${RELEASE#*+}" modules_prepare || return
	cp "$KDIR_CACHE/Module.symvers" "$KOBJ/Module.symvers" || return
	if [ "$(<"$KOBJ/include/config/kernel.release")" != "$RELEASE" ]; then
		echo "the tree became $(<"$KOBJ/include/config/kernel.release"), not $RELEASE"
		return 1
	fi
	touch "$KOBJ/.prepared"
}
