# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Which lines of the modules the suites reach: in the debugging kernel with KCOV, whose hooks a collector
# of ours listens to (tests/coverage/).

# cover_guests ARCHITECTURES
cover_guests() {
	# shellcheck disable=SC2034  # for the other parts
	local arch logs=() status=0 KERNEL=kasan
	for arch in $1; do
		use_kernel "$arch"
		OUT+=-coverage
		mkdir -p "$OUT/log"
		step "$OUT/log/report-test.log" "check that the report misses what does not run" \
			python3 -B "$TOP/tests/coverage/report_test.py"
		MODULE_DIR=$OUT/module
		build_module ASHMEM_COVERAGE=1
		cp "$MODULE_DIR"/tests/coverage/ashmem_coverage.ko "$MODULE_DIR/"
		build_samples
		build_tests
		make_initramfs with-tests
		choose_accel
		test_guest tests
		report_coverage || status=$?
	done
	judge_guests || status=$?
	return "$status"
}

# The report on the last guest.
report_coverage() {
	say "==> map what was reached to lines; the report is build/${OUT##*/}/coverage.txt"
	python3 -B "$TOP/tests/coverage/report.py" --source "$TOP" --cross "$CROSS" --log "$OUT/log/ktap.log" \
		--reasons "$TOP/tests/coverage/reasons" --output "$OUT/coverage.txt" \
		"$MODULE_DIR/ashmem.ko" "$MODULE_DIR/binder_fd.ko"
}
