# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What each operation costs (tests/bench/): in instructions, in guests whose clock counts them, and as ratios
# within one guest where threads meet. Everything that counts instructions runs in two boots, which must agree.

# bench_guests ARCHITECTURES
bench_guests() {
	# shellcheck disable=SC2034  # for the other parts
	local arch logs=() status=0
	! is_debug "${KERNEL:-}" || die "make bench wants a stock kernel: the checks of $KERNEL would be measured"
	for arch in $1; do
		use_kernel "$arch"
		build_module
		build_samples
		build_bench
		make_initramfs with-bench
		choose_accel
		if [ -n "${PROFILE:-}" ]; then
			profile_arch || status=$?
		else
			bench_arch || status=$?
		fi
	done
	judge_guests || status=$?
	return "$status"
}

build_bench() {
	set_compilers
	step "$OUT/log/bench-build.log" "build the benchmarks" \
		make -C "$TOP/tests/bench" OUTPUT="$OUT/bench-programs" KSRC="$KSRC" CC="${CROSS}gcc"
}

# Every guest of an architecture, and the report on them.
bench_arch() {
	local BOOT log=$OUT/log/bench
	rm -rf "$OUT/bench"
	step "$OUT/log/report-test.log" "check that the report can be bad" python3 -B "$TOP/tests/bench/report_test.py"
	# shellcheck disable=SC2034  # for test_guest
	for BOOT in 1 2; do
		test_guest bench
		test_guest bench-binder
	done
	test_guest bench-threads
	say "==> compare it with the goals; the report is build/${OUT##*/}/bench/bench.md"
	python3 -B "$TOP/tests/bench/report.py" --title "$RELEASE" --goals "$TOP/tests/bench/goals" \
		--output "$OUT/bench" --cross "$CROSS" --module "$OUT/initramfs/modules/ashmem.ko" \
		--module "$OUT/initramfs/modules/binder_fd.ko" \
		--boot "$log-1-ktap.log,$log-binder-1-ktap.log,$log-threads-ktap.log" \
		--boot "$log-2-ktap.log,$log-binder-2-ktap.log"
}

# Where the instructions of some rows go.
profile_arch() {
	# shellcheck disable=SC2034  # for test_guest
	local counts=$OUT/log/profile.counts guest=bench BOOT=profile PLUGIN
	[[ $PROFILE != in-tree/* ]] || guest=bench-binder
	step "$OUT/log/plugin.log" "build what counts instructions by address" \
		gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$OUT/profile.so" "$TOP/tests/bench/profile.c"
	rm -f "$counts"
	# shellcheck disable=SC2034  # for test_guest
	PLUGIN=(-plugin "$OUT/profile.so,output=$counts")
	test_guest "$guest"
	python3 -B "$TOP/tests/bench/profile.py" --source "$TOP" --cross "$CROSS" \
		--module "$MODULE_DIR/ashmem.ko" --module "$MODULE_DIR/binder_fd.ko" \
		"$OUT/log/$guest-profile-ktap.log" "$counts"
}
