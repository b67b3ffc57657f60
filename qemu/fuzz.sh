# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The fuzzer (tests/fuzz/) in the debugging kernel with KASAN and KCOV.

# fuzz_guests ARCHITECTURES: for TIME seconds; with SEEDED=1 the drivers have a bug that must be found, from the
# programs written by hand alone: those that were found know the way to too many places.
fuzz_guests() {
	# shellcheck disable=SC2034  # for the other parts
	local arch logs=() KERNEL=kasan TESTS=all status=0
	for arch in $1; do
		use_kernel "$arch"
		[ -z "${SEEDED:-}" ] || seed_bug
		build_module
		build_samples
		build_tests
		step "$OUT/log/fuzz.log" "build the fuzzer" guest_cargo fuzz build --release
		FUZZER=$TOP/build/cargo/$RUST_TARGET/release/ashmem_fuzz make_initramfs with-tests
		choose_accel
		TEST_TIMEOUT=$((TIME + 600)) test_guest fuzz
		keep_corpus
	done
	if [ -z "${SEEDED:-}" ]; then
		judge_guests
		return
	fi
	judge_guests >"$OUT/log/seeded.log" || status=$?
	sed -n 's/^ *FAILED: /found: /p' "$OUT/log/seeded.log"
	[ "$status" != 0 ] || die "the bug of tests/fuzz/seeded-bug.patch was not found in $TIME s"
	say "1 passed, 0 failed"
}

# A copy of the drivers with the bug in it, and an output of its own.
seed_bug() {
	OUT+=-seeded
	# shellcheck disable=SC2034  # for the other parts
	MODULE_DIR=$OUT/module
	MODULE_SOURCE=$OUT/source
	rm -rf "$MODULE_SOURCE"
	mkdir -p "$OUT/log" "$MODULE_SOURCE"
	(cd "$TOP" && cp -a "${DRIVER_FILES[@]}" "$MODULE_SOURCE/")
	step "$OUT/log/patch.log" "put a bug into a copy of the drivers" apply_seeded_bug "$MODULE_SOURCE"
}

# apply_seeded_bug DIR ARGUMENTS...: to the drivers there.
apply_seeded_bug() {
	local dir=$1
	shift
	patch -d "$dir" -p1 -i "$TOP/tests/fuzz/seeded-bug.patch" "$@"
}

# What the fuzzer has found worth keeping: a line of a file each, in its results.
keep_corpus() {
	local dir=$OUT/corpus file line
	rm -rf "$dir"
	mkdir -p "$dir"
	sed -n 's/^ *# corpus: //p' "$OUT/log/fuzz-ktap.log" | while read -r file line; do
		printf '%s\n' "$line" >>"$dir/${file##*/}"
	done
	say "    $(find "$dir" -type f | wc -l) programs that reach more than those in tests/fuzz/corpus: build/${OUT##*/}/corpus"
}
