# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# In the build root: what the test of the packages needs from here, and the guest that boots the system that
# they have been installed on.

# prepare_system: the programs of the tests, the release of the kernel, and its packages.
prepare_system() {
	local dir=$TOP/build/install other
	use_kernel x86_64
	build_tests
	rm -rf "$dir/tests"
	mkdir -p "$dir/tests"
	cp -r "$OUT/tests-installed/." "$dir/tests/"
	cp "$TOP/build/cargo/$RUST_TARGET/release/"{ashmem_model,binder_fd} "$dir/tests/"
	cp "$(guest_busybox)" "$dir/tests/busybox"
	list_tests "$dir/tests"
	# The system as it comes is the first, its end the last.
	sed -i "1i installed 300" "$dir/tests/tests.list"
	echo "purged 900" >>"$dir/tests/tests.list"
	echo "$RELEASE" >"$dir/release"
	system_packages "$RELEASE" >"$dir/packages"
	# And another one that comes and goes.
	other=$(other_release)
	echo "$other" >"$dir/other"
	[ -z "$other" ] || { system_packages "$other" && say "linux-source-$(minor_version "$other")"; } >>"$dir/other"
}

# The newest kernel of the same flavour with another minor version, if there is one.
other_release() {
	complete_kernels "[0-9.]*+deb[0-9]*-${RELEASE#*+deb*-}" | grep -v "^$(minor_version "$RELEASE")\." | head -n 1
}

# system_packages RELEASE: the kernel as a user has it; without the signed one, its parts.
system_packages() {
	local RELEASE=$1 arch
	arch=$(debian_arch "$KARCH")
	if [ -n "$(version_of "linux-image-$RELEASE:$arch")" ]; then
		# It needs a newer linux-base than the one of the release.
		printf '%s\n' "linux-image-$RELEASE:$arch" "linux-base/$KERNEL_SUITE"
	else
		printf '%s\n' "$(image_package "$RELEASE")" "linux-modules-$RELEASE:$arch"
	fi
	say "linux-headers-$RELEASE:$arch"
}

# test_system: boots the disk, and judges.
test_system() {
	local dir=$TOP/build/install log=$TOP/build/install/log start=$SECONDS status=0
	use_kernel x86_64
	choose_accel
	# shellcheck disable=SC2034  # qemu() sees them
	local INITRAMFS=$dir/initrd GUEST_MEMORY=$SYSTEM_MEMORY
	say "==> boot it in QEMU ($ACCELERATOR) and run the suites; results in ${log#"$TOP"/}/ktap.log"
	rm -f "$log"/{ktap.log,console.log,qemu.status}
	qemu_for_tests "$SYSTEM_TIMEOUT" "$log/" "root=/dev/vda rw systemd.firstboot=no loglevel=8" \
		-drive "file=$dir/disk.img,format=raw,if=virtio,cache=unsafe" || status=$?
	echo "$status" >"$log/qemu.status"
	say "    $((SECONDS - start)) s"
	python3 -B "$TOP/qemu/verdict.py" --kernel-source "$KSRC" \
		--host "packaged $RELEASE" "$log/packaged.log" "$log/packaged.status" \
		"installed $RELEASE" "$log/ktap.log" "$log/console.log" "$log/qemu.status"
}
