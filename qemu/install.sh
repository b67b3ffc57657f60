# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# On the host: the packages, installed by apt on a Debian with a stock kernel, which is then booted.

# test_install: build/install/ has the system, its disk and the results.
test_install() {
	local dir=$TOP/build/install status=0
	case ${ARCH:-x86_64} in
	x86_64) ;;
	*) die "ARCH=$ARCH: the packages are installed on x86_64 only, as DKMS builds on the kernel's own architecture" ;;
	esac
	mkdir -p "$dir/log"
	in_build_root "$TOP/qemu/inside.sh" system-programs
	make_deb
	make_system "$dir"
	install_on_system "$dir"
	give_tests "$dir"
	step "$dir/log/disk.log" "make its disk" in_package_root \
		mke2fs -q -t ext4 -d build/install/root build/install/disk.img 6G
	remove_tree "$dir/root"
	in_build_root "$TOP/qemu/inside.sh" system-guest || status=$?
	rm -f "$dir/disk.img"
	return "$status"
}

# make_system DIR: a Debian with the kernel whose packages are listed there, to be written to.
make_system() {
	# shellcheck disable=SC2034  # make_root sees it
	local ROOT_PACKAGES ROOT_NAME="a Debian $SUITE with a stock kernel"
	mapfile -t ROOT_PACKAGES <"$1/packages"
	ROOT_PACKAGES+=("${SYSTEM_ROOT_PACKAGES[@]}")
	in_build_root true
	remove_tree "$1/root"
	cp -a "$(root_path)" "$1/root"
	# The package of an unsigned kernel leaves that to others.
	[ -e "$1/root/boot/vmlinuz-$(<"$1/release")" ] ||
		cp "$1/root/usr/lib/modules/$(<"$1/release")"/vmlinuz* "$1/root/boot/vmlinuz-$(<"$1/release")"
}

# install_on_system DIR: what fails in there is a failed test.
install_on_system() {
	local ROOT=$1/root start=$SECONDS status=0 other
	mapfile -t other <"$1/other"
	say "==> install it with apt; results in ${1#"$TOP"/}/log/packaged.log"
	mkdir -p "$CACHE/archives/partial"
	rm -f "$1/log/packaged.status"
	enter_root env ARCHIVES="$CACHE/archives" nice tests/install/packaged "$(ls "$TOP"/build/deb/ashmem-dkms_*.deb)" \
		"$(<"$1/release")" "${other[@]}" >"$1/log/packaged.log" 2>&1 </dev/null || status=$?
	echo "$status" >"$1/log/packaged.status"
	say "    $((SECONDS - start)) s"
	# The package of an unsigned kernel makes none.
	[ -e "$ROOT/boot/initrd.img-$(<"$1/release")" ] || step "$1/log/initramfs.log" "make its initramfs" \
		enter_root update-initramfs -c -k "$(<"$1/release")"
	# Where the cache and the checkout were.
	rmdir -p --ignore-fail-on-non-empty "$ROOT$CACHE" "$ROOT$TOP" 2>/dev/null || true
	cp "$ROOT/boot/initrd.img-$(<"$1/release")" "$1/initrd"
}

# give_tests DIR: the tests and who runs them.
give_tests() {
	local root=$1/root
	cp -r "$1/tests" "$root/tests"
	cp "$TOP"/tests/install/{installed,purged,tap.sh} "$root/tests/"
	mv "$root/tests/busybox" "$root/usr/bin/busybox"
	cp "$TOP"/tests/install/guest "$TOP"/tests/guest/{host.sh,run-tests} "$root/usr/local/sbin/"
	cp "$TOP/tests/install/guest.service" "$root/etc/systemd/system/"
	ln -s /etc/systemd/system/guest.service "$root/etc/systemd/system/multi-user.target.wants/"
	echo guest >"$root/etc/hostname"
}
