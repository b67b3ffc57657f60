# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What binder_fd.ko is compared with: the kernel's own binder, in the stock kernel that has it.

# generic_release RELEASE: the one beside it that has all modules.
generic_release() {
	sed 's/-\(cloud\|rt\)-/-/; s/-16k$//' <<<"$1"
}

# use_reference: sees to that kernel and its binder, and sets REFERENCE, where both are.
use_reference() {
	local release
	# shellcheck disable=SC2153
	release=$(generic_release "$RELEASE")
	REFERENCE=$CACHE/reference/$release
	[ -d "$REFERENCE" ] && return
	lock_cache
	fresh "$REFERENCE"
	step "$CACHE/log/reference-$release.log" "fetch the image and the binder of $release" \
		unpack_reference "$REFERENCE.part" "$release"
	commit "$REFERENCE"
	unlock_cache
}

unpack_reference() {
	local dir=$1 release=$2 packages deb
	mkdir "$dir/deb" || return
	packages=("linux-modules-$release:$(debian_arch "$KARCH")" "$(image_package "$release")")
	if ! (cd "$dir/deb" && download "${packages[@]}"); then
		# The list of packages may be an old one.
		refresh_packages || return
		(cd "$dir/deb" && download "${packages[@]}") || return
	fi
	for deb in "$dir"/deb/*.deb; do
		# Only these: there are thousands of modules. Each package lacks one of the two.
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$dir/deb" --wildcards '*/binder_linux.ko*' '*/vmlinuz*' 2>/dev/null || true
	done
	find "$dir/deb" -name 'binder_linux.ko.xz' -exec xz -d {} + || return
	find "$dir/deb" -name 'binder_linux.ko' -exec mv {} "$dir/binder_linux.ko" \; || return
	find "$dir/deb" -name 'vmlinuz*' -exec mv {} "$dir/vmlinuz" \; || return
	if ! [ -s "$dir/binder_linux.ko" ] || ! [ -s "$dir/vmlinuz" ]; then
		echo "$release has no image or no binder_linux.ko"
		return 1
	fi
	rm -rf "$dir/deb"
}
