# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The module and the programs for the kernel in use; make, cargo and Kbuild see what is up to date.

# What a driver is built from.
# shellcheck disable=SC2034  # for the other parts
DRIVER_FILES=(
	Kbuild include helpers
	ashmem.rs ashmem_area.rs ashmem_area ioctl.rs pin.rs pin
	binder_fd.rs binder_fd
)

# source_key: the drivers and the suites as they are, and who judges them, in a word: without the tests of the packages,
# the lists of faults, and the fuzzer. What takes hours keeps its results under that name, so that it need not be done in one go.
source_key() {
	(cd "$TOP" && find "${DRIVER_FILES[@]}" tests lib qemu/verdict.py qemu/debug -type f -not -path '*/target/*' -not -path 'tests/install/*' \
		-not -path 'tests/mutations/*' -not -path 'tests/fuzz/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)
}

# build_module [MAKE-ARGUMENTS...]: what is in MODULE_SOURCE, into MODULE_DIR.
build_module() {
	mkdir -p "$MODULE_DIR"
	step "$OUT/log/module.log" "build the module for $RELEASE" \
		kernel_make -C "$KOBJ" M="$MODULE_SOURCE" MO="$MODULE_DIR" "$@" modules
	! is_debug "${KERNEL:-}" || check_instrumented
}

# How the programs for this architecture are compiled.
set_compilers() {
	case $KARCH in
	x86_64)
		CROSS=
		CC32=i686-linux-gnu-gcc
		RUST_TARGET=x86_64-unknown-linux-gnu
		;;
	arm64)
		CROSS=aarch64-linux-gnu-
		CC32=arm-linux-gnueabihf-gcc
		RUST_TARGET=aarch64-unknown-linux-gnu
		;;
	esac
}

build_samples() {
	set_compilers
	step "$OUT/log/samples.log" "build the demonstration" \
		make -C "$TOP/samples" OUTPUT="$OUT/samples" CC="${CROSS}gcc"
}

build_tests() {
	set_compilers
	mkdir -p "$OUT/tests" "$OUT/tests-installed" "$OUT/tests-module"
	step "$OUT/log/tests.log" "build the C tests" \
		make -j"$(nproc)" -C "$TOP/tests" OUTPUT="$OUT/tests" ARCH="$KARCH" CROSS_COMPILE="$CROSS" CC32="$CC32" \
		KSRC="$KSRC" INSTALL_PATH="$OUT/tests-installed" DEBUGGING="$(is_debug "${KERNEL:-}" && echo 1)" all install
	step "$OUT/log/tests-module.log" "build the module that tests use" \
		kernel_make -C "$KOBJ" M="$TOP/tests/module" MO="$OUT/tests-module" modules
	step "$OUT/log/lib.log" "build the library, look at what it exports" \
		make -C "$TOP/lib" OUTPUT="$OUT/lib" CROSS_COMPILE="$CROSS" all check
	fetch_crates
	step "$OUT/log/model.log" "build the Rust model test" guest_cargo model build --release
	step "$OUT/log/binder.log" "build the Rust binder tests" guest_cargo binder build --release
}

# guest_cargo TESTS COMMAND...: cargo on tests for the guest, without the network.
guest_cargo() {
	local tests=$1 command=$2
	shift 2
	CARGO_HOME=$CACHE/cargo CARGO_TARGET_DIR=$TOP/build/cargo KSRC=$KSRC \
		RUSTFLAGS="-C target-feature=+crt-static -C linker=${CROSS}gcc" \
		cargo "$command" --manifest-path "$TOP/tests/$tests/Cargo.toml" --offline --locked \
		--target "$RUST_TARGET" "$@"
}

# The crates of the tests in Rust: fetched once for each lock file.
fetch_crates() {
	local tests stamp
	for tests in model binder fuzz unit protocol; do
		stamp=$CACHE/cargo/fetched-$(sha256sum <"$TOP/tests/$tests/Cargo.lock" | cut -c1-12)
		[ ! -e "$stamp" ] || continue
		lock_cache
		mkdir -p "$CACHE/cargo"
		step "$CACHE/log/crates-$tests.log" "fetch the crates of tests/$tests" \
			env CARGO_HOME="$CACHE/cargo" cargo fetch --locked --manifest-path "$TOP/tests/$tests/Cargo.toml"
		touch "$stamp"
		unlock_cache
	done
}
