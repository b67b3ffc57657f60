# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The fuzzer (tests/fuzz/) in the debugging kernel with KASAN and KCOV.

# The bug for SEEDED=1, with what it is known by.
SEEDED_BUG=$TOP/tests/fuzz/seeded-bug.patch

# fuzz_guests ARCHITECTURES: for TIME seconds; with SEEDED=1 the drivers have a bug that must be found, from the
# programs written by hand alone: those that were found know the way to too many places.
fuzz_guests() {
	# shellcheck disable=SC2034  # for the other parts
	local arch logs=() KERNEL=kasan TESTS=all
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
	else
		judge_seeded
	fi
}

# judge_seeded: good if the fuzzer has found the bug that was put in. That the run was bad is not enough: so is that of a
# guest that does not come up, of a kernel without KCOV, one whose time is up, and one in which something else is found.
judge_seeded() {
	local verdict=$OUT/log/seeded.log why
	judge_guests >"$verdict" || true
	why=$(why_missed "$verdict")
	if [ -n "$why" ]; then
		say "what came out instead:"
		cat "$verdict"
		die "the bug of tests/fuzz/seeded-bug.patch was missed: $why"
	fi
	say "found: $(seeded_complaint)"
	say "1 passed, 0 failed"
}

# why_missed VERDICT: nothing, if that bug was found.
why_missed() {
	if ! name=$OUT/log/fuzz- is_up; then
		say "the guest did not come up"
	elif ! grep -qsE '^ *# figure: executed_calls [1-9]' "$OUT/log/fuzz-ktap.log"; then
		say "the fuzzer does not say that it has executed a call"
	elif ! seeded_complaint >/dev/null; then
		say "what the fuzzer has found in $TIME s is: $(fuzz_complaint)"
	elif ! grep -qE '^[0-9]+ passed, [1-9][0-9]* failed' "$1"; then
		say "the fuzzer has complained of it, and the verdict on the run is not bad"
	fi
}

# What the fuzzer has said to the bug, if it has: among the lines of programs none looks like that.
seeded_complaint() {
	local signature
	signature=$(sed -n 's/^Signature: //p' "$SEEDED_BUG")
	[ -n "$signature" ] && sed 's/^ *# //' "$OUT/log/fuzz-ktap.log" | grep -E "^$signature"
}

# What the fuzzer has said of any program, if it has: the line above the program.
fuzz_complaint() {
	local said
	said=$(sed -n 's/^ *# //; /^the program was:$/ { x; p; q; }; h' "$OUT/log/fuzz-ktap.log")
	say "${said:-nothing}"
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
	patch -d "$dir" -p1 -i "$SEEDED_BUG" "$@"
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
