# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's file system: busybox, the module, and the programs that have been built.

# The statically linked busybox for the guest.
guest_busybox() {
	if [ "$KARCH" = x86_64 ]; then
		say /usr/bin/busybox
		return
	fi
	local dir=$CACHE/guest-$KARCH
	if [ ! -d "$dir" ]; then
		lock_cache
		fresh "$dir"
		step "$CACHE/log/guest.log" "fetch busybox for $KARCH" unpack_busybox "$dir.part" >&2
		commit "$dir"
		unlock_cache
	fi
	say "$dir/usr/bin/busybox"
}

unpack_busybox() {
	(
		cd "$1" || exit
		download "${GUEST_ARM64_PACKAGES[@]}" || { refresh_packages && download "${GUEST_ARM64_PACKAGES[@]}"; } || exit
		dpkg-deb -x ./*.deb . && rm ./*.deb
	)
}

# make_initramfs with-tests|with-bench|without-tests: puts together what the guest of the kernel in use begins
# with; sets INITRAMFS.
make_initramfs() {
	local dir=$OUT/initramfs busybox module modules=("$MODULE_DIR"/*.ko)
	INITRAMFS=$OUT/initramfs.cpio.gz
	busybox=$(guest_busybox)
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,sbin,dev,proc,sys,tmp,root,etc,modules,tests,demo}
	cp "$busybox" "$dir/bin/busybox"
	cp "$TOP/tests/guest/init" "$dir/init"
	cp "$TOP"/tests/guest/{host.sh,run-tests,run-stress,find-leaks} "$dir/bin/"
	[ "$1" != with-tests ] || modules+=("$OUT"/tests-module/*.ko)
	for module in "${modules[@]}"; do
		cp "$module" "$dir/modules/"
		strip_debug "$dir/modules/${module##*/}"
	done
	cp -r "$OUT/samples/." "$TOP/samples/run" "$dir/demo/"
	case $1 in
	with-tests)
		cp -r "$OUT/tests-installed/." "$dir/tests/"
		cp "$TOP/build/cargo/$RUST_TARGET/release/ashmem_model" "$dir/tests/"
		cp "$TOP/build/cargo/$RUST_TARGET/release/binder_fd" "$dir/tests/"
		list_tests "$dir/tests"
		add_reference "$dir"
		;;
	with-bench)
		cp "$OUT"/bench-programs/* "$dir/tests/"
		add_reference "$dir"
		;;
	esac
	(cd "$dir" && find . -print0 | LC_ALL=C sort -z |
		cpio --null --quiet -o -H newc -R 0:0 --reproducible | gzip -1) >"$INITRAMFS.part"
	mv "$INITRAMFS.part" "$INITRAMFS"
}

# add_reference DIR: the kernel's own binder. Debugging kernels are not compared with it.
add_reference() {
	! is_debug "${KERNEL:-}" || return 0
	use_reference
	cp "$REFERENCE/binder_linux.ko" "$1/modules/"
}

# list_tests DIR: puts those in Rust in front of those in C, the last of which are to be the last.
list_tests() {
	local dir=$1 fault=
	if is_debug "${KERNEL:-}"; then
		ln -s binder_fd "$dir/binder_fault"
		fault="binder_fault $BINDER_TIMEOUT"
	fi
	sed -i "1i ashmem_model $MODEL_TIMEOUT\nbinder_fd $BINDER_TIMEOUT${fault:+\n$fault}" "$dir/tests.list"
	echo "binder_fd $BINDER_TIMEOUT" >"$dir/binder.list"
	if [ -n "${FUZZER:-}" ]; then
		cp -r "$FUZZER" "$TOP/tests/guest/fuzz" "$TOP/tests/fuzz/corpus" "$dir/"
		[ -z "${SEEDED:-}" ] || rm "$dir"/corpus/found-*
		echo "fuzz $((TIME + 120))" >"$dir/fuzz.list"
	fi
}

strip_debug() {
	local tool=strip
	[ "$KARCH" != arm64 ] || tool=aarch64-linux-gnu-strip
	"$tool" -g "$1"
}
