# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs every suite in a guest of each architecture, and judges what came out.

# test_guests ARCHITECTURES
test_guests() {
	local arch logs=() status=0
	for arch in $1; do
		use_kernel "$arch"
		[ ${#logs[@]} != 0 ] || step "$OUT/log/verdict-test.log" "check that the verdict on a run can be bad" \
			python3 -B "$TOP/qemu/verdict_test.py" "$KSRC"
		build_module
		build_samples
		build_tests
		make_initramfs with-tests
		choose_accel
		test_guest
		logs+=("$arch $RELEASE" "$OUT/log/ktap.log" "$OUT/log/console.log" "$OUT/log/qemu.status")
	done
	python3 -B "$TOP/qemu/verdict.py" --kernel-source "$KSRC" "${logs[@]}" || status=$?
	return "$status"
}

# Boots the guest, with the kernel's messages in one log and the results in another.
test_guest() {
	local start=$SECONDS status=0
	rm -f "$OUT"/log/{ktap.log,console.log,qemu.status}
	say "==> run the suites on $RELEASE in QEMU ($ACCELERATOR); results in build/$RELEASE/log/ktap.log"
	# What would leave the guest stuck ends it: the report is in the log by then.
	qemu "$TEST_TIMEOUT" "loglevel=8 oops=panic softlockup_panic=1 sysctl.kernel.hung_task_panic=1 \
guest.task=test guest.tests=${TESTS:-all}" -display none \
		-serial "file:$OUT/log/console.log" \
		-chardev "file,id=ktap,path=$OUT/log/ktap.log" -device pci-serial,chardev=ktap \
		</dev/null >"$OUT/log/qemu.log" 2>&1 || status=$?
	echo "$status" >"$OUT/log/qemu.status"
	say "    $((SECONDS - start)) s"
}
