# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs every suite in guests of each architecture, and judges what came out.

# test_guests ARCHITECTURES
test_guests() {
	local arch list logs=() status=0
	for arch in $1; do
		use_kernel "$arch"
		[ ${#logs[@]} != 0 ] || step "$OUT/log/verdict-test.log" "check that the verdict on a run can be bad" \
			python3 -B "$TOP/qemu/verdict_test.py" "$KSRC"
		[ ${#logs[@]} != 0 ] || [ "${TESTS:-all}" != all ] || run_unit
		build_module
		build_samples
		build_tests
		make_initramfs with-tests
		choose_accel
		for list in tests icount binder; do
			! is_wanted "$list" || test_guest "$list"
		done
	done
	[ ${#logs[@]} != 0 ] || die "there is no suite of the name TESTS=$TESTS"
	python3 -B "$TOP/qemu/verdict.py" --kernel-source "$KSRC" "${HOST_RESULTS[@]}" "${logs[@]}" || status=$?
	return "$status"
}

# is_wanted LIST: whether a suite of the list is to be run.
is_wanted() {
	[ "${TESTS:-all}" = all ] ||
		grep -qxFf <(tr , '\n' <<<"$TESTS") <(cut -d ' ' -f 1 "$OUT/initramfs/tests/$1.list")
}

# test_guest LIST: boots a guest that runs the suites of a list, with the kernel's messages in one log
# and the results in another; adds them to `logs`.
test_guest() {
	local start=$SECONDS status=0 list=$1 name=$OUT/log/ machine=() loglevel=8
	if [ "$list" = icount ]; then
		# Its clock counts instructions, one each nanosecond. A string instruction must not do the work
		# of a thousand, and no address may be random.
		# shellcheck disable=SC2034
		local ACCELERATOR=tcg GUEST_CPUS=1
		machine=(-icount 'shift=0,sleep=off')
		[ "$KARCH" != x86_64 ] || machine+=(-cpu 'max,-erms,-fsrm')
		name+=icount-
		list+=" nokaslr norandmaps"
	fi
	if [ "$list" = binder ]; then
		# The kernel's own binder must pass the same tests. It has much to say about bad input.
		# shellcheck disable=SC2034
		local KIMAGE=$REFERENCE/vmlinuz loglevel=5
		name+=binder-
	fi
	rm -f "$name"{ktap.log,console.log,qemu.status}
	say "==> run the suites on $RELEASE in QEMU ($ACCELERATOR); results in ${name#"$TOP"/}ktap.log"
	# What would leave the guest stuck ends it: the report is in the log by then.
	qemu "$TEST_TIMEOUT" "loglevel=$loglevel oops=panic softlockup_panic=1 sysctl.kernel.hung_task_panic=1 \
guest.task=test guest.tests=${TESTS:-all} guest.list=$list" "${machine[@]}" -display none \
		-serial "file:${name}console.log" \
		-chardev "file,id=ktap,path=${name}ktap.log" -device pci-serial,chardev=ktap \
		</dev/null >"${name}qemu.log" 2>&1 || status=$?
	echo "$status" >"${name}qemu.status"
	say "    $((SECONDS - start)) s"
	# What was asked for by name may also say what it has measured.
	[ -z "${TESTS:-}" ] || sed -n 's/^ *# figure: /    /p' "${name}ktap.log"
	logs+=("$arch $RELEASE $1" "${name}ktap.log" "${name}console.log" "${name}qemu.status")
}
