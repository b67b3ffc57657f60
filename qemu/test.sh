# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs every suite in guests of each architecture, and judges what came out.

# test_guests ARCHITECTURES: on the kernel that KERNEL names; on debugging kernels, if that is what it is.
test_guests() {
	local arch logs=()
	for arch in $1; do
		test_arch "$arch"
	done
	judge_guests
}

# test_debug_guests ARCHITECTURES: on the debugging kernels, or on the one that KERNEL names.
test_debug_guests() {
	local arch variant logs=() variants=${KERNEL:-kasan kcsan}
	for variant in $variants; do
		is_debug "$variant" || die "KERNEL=$variant is no debugging kernel: there are kasan and kcsan"
	done
	for arch in $1; do
		for variant in $variants; do
			KERNEL=$variant test_arch "$arch"
		done
	done
	judge_guests
}

# test_arch ARCHITECTURE: every guest of it; before the first of them what runs here, unless GUESTS_ONLY says no.
test_arch() {
	local arch=$1 list
	use_kernel "$arch"
	[ ${#logs[@]} != 0 ] || step "$OUT/log/verdict-test.log" "check that the verdict on a run can be bad" \
		python3 -B "$TOP/qemu/verdict_test.py" "$KSRC"
	[ ${#logs[@]} != 0 ] || [ "${TESTS:-all}" != all ] || is_debug "${KERNEL:-}" || [ -n "${GUESTS_ONLY:-}" ] || run_unit
	build_module
	build_samples
	build_tests
	make_initramfs with-tests
	choose_accel
	for list in tests icount binder; do
		! is_for_kernel "$list" || ! is_wanted "$list" || test_guest "$list"
	done
}

# stress_guests ARCHITECTURES: the tests of races over and over, for TIME seconds, on a debugging kernel.
stress_guests() {
	local arch logs=() KERNEL=${KERNEL:-kasan}
	for arch in $1; do
		use_kernel "$arch"
		build_module
		build_samples
		build_tests
		make_initramfs with-tests
		choose_accel
		TEST_TIMEOUT=$((2 * TIME + 900)) test_guest stress
	done
	judge_guests
}

# The verdict on all guests.
judge_guests() {
	local status=0
	[ ${#logs[@]} != 0 ] || die "there is no suite of the name TESTS=$TESTS"
	python3 -B "$TOP/qemu/verdict.py" --kernel-source "$KSRC" "${HOST_RESULTS[@]}" "${logs[@]}" || status=$?
	return "$status"
}

# is_for_kernel LIST: instructions are not counted where they are mostly those of checks, and how the kernel's own
# binder answers, stock kernels tell.
is_for_kernel() {
	case ${KERNEL:-}:$1 in
	kasan:icount | kcsan:icount | kasan:binder | kcsan:binder) return 1 ;;
	esac
}

# is_wanted LIST: whether a suite of the list is to be run.
is_wanted() {
	[ "${TESTS:-all}" = all ] ||
		grep -qxFf <(tr , '\n' <<<"$TESTS") <(cut -d ' ' -f 1 "$OUT/initramfs/tests/$1.list")
}

# What counts instructions by address, for the benchmarks.
PLUGIN=()

# test_guest LIST: boots a guest that runs the suites of a list, with the kernel's messages in one log
# and the results in another; adds them to `logs`.
test_guest() {
	local start=$SECONDS status=0 list=$1 name=$OUT/log/ machine=() loglevel=8 try
	case $list in
	icount | bench | bench-binder)
		# Its clock counts instructions, one each nanosecond. A string instruction must not do the work
		# of a thousand, and no address may be random.
		# shellcheck disable=SC2034
		local ACCELERATOR=tcg GUEST_CPUS=1
		machine=(-icount 'shift=0,sleep=off')
		[ "$KARCH" != x86_64 ] || machine+=(-cpu 'max,-erms,-fsrm')
		name+=$list-${BOOT:+$BOOT-}
		machine+=("${PLUGIN[@]}")
		list+=" nokaslr norandmaps guest.profile=${PROFILE:-}"
		;;
	stress)
		# More CPUs than the host may have: each of them stops anywhere.
		# shellcheck disable=SC2034
		local GUEST_CPUS=4
		name+=$list-
		list+=" guest.seconds=$TIME"
		;;
	fuzz)
		name+=$list-
		list+=" guest.seconds=$TIME guest.calls=${CALLS:-}"
		;;
	bench-threads | binder) name+=$list- ;;
	esac
	case $1 in
	binder | bench-binder)
		# The kernel's own binder must pass the same tests. It has much to say about bad input, more than the console
		# takes at a time.
		# shellcheck disable=SC2034
		local KIMAGE=$REFERENCE/vmlinuz loglevel=5
		list+=" log_buf_len=2M"
		;;
	esac
	# By itself KASAN says nothing more after its first report.
	! is_debug "${KERNEL:-}" || list+=" kasan_multi_shot"
	# While the kernel looks its CPU over it forgets for a moment that page tables have five levels. To KASAN an
	# address in an interrupt is a wild one then; with four there is nothing to forget.
	! is_debug "${KERNEL:-}" || [ "$KARCH" != x86_64 ] || list+=" no5lvl"
	rm -f "$name"{ktap.log,console.log,qemu.status}
	say "==> run the suites on $RELEASE in QEMU ($ACCELERATOR); results in ${name#"$TOP"/}ktap.log"
	for try in 1 2 3; do
		status=0
		boot_suites || status=$?
		# Emulated, a kernel sometimes dies before it is up: that is not about what is tested.
		! is_up || break
		[ "$status" != 124 ] || break
		cp "${name}console.log" "${name}boot-$try.log"
		say "    the guest did not come up: $(tail -n 1 "${name}console.log" | tr -d '\r'): ${name#"$TOP"/}boot-$try.log"
	done
	echo "$status" >"${name}qemu.status"
	say "    $((SECONDS - start)) s"
	[ ! -e "${name}ktap.log" ] || sed -n 's/^# watched: \(.*\)/    KCSAN has watched \1 accesses/p' "${name}ktap.log"
	# What was asked for by name may also say what it has measured; so do faults that were put in, and rounds of races.
	if [ -n "${TESTS:-}" ] || is_debug "${KERNEL:-}"; then
		sed -n 's/^ *# figure: /    /p' "${name}ktap.log"
	fi
	logs+=("$arch $RELEASE $1" "${name}ktap.log" "${name}console.log" "${name}qemu.status")
}

# boot_suites: for test_guest, whose variables it uses. A guest that is not up after a while is ended.
boot_suites() {
	local guest status=0
	rm -f "${name}qemu.pid"
	qemu_for_tests "$TEST_TIMEOUT" "$name" "loglevel=$loglevel guest.task=test guest.list=$list" "${machine[@]}" \
		-pidfile "${name}qemu.pid" &
	guest=$!
	comes_up "$guest" || kill "$(<"${name}qemu.pid")"
	wait "$guest" || status=$?
	return "$status"
}

# is_up: whether the kernel of the guest has come as far as to its first process.
is_up() {
	grep -qs "guest: the kernel is up" "${name}console.log"
}

# comes_up PROCESS: whether the guest is up, or has ended, before its time to boot is up.
comes_up() {
	local end=$((SECONDS + BOOT_TIMEOUT))
	until [ "$SECONDS" -gt "$end" ]; do
		! is_up || return 0
		kill -0 "$1" 2>/dev/null || return 0
		sleep 1
	done
	return 1
}

# qemu_for_tests TIMEOUT PREFIX KERNEL-ARGUMENTS QEMU-ARGUMENTS...: a guest that runs the suites of TESTS, without anybody
# to look at it; PREFIX is what the names of its logs begin with.
qemu_for_tests() {
	local limit=$1 prefix=$2 append=$3
	shift 3
	# What would leave the guest stuck ends it: the report is in the log by then.
	append+=" oops=panic softlockup_panic=1 sysctl.kernel.hung_task_panic=1"
	append+=" guest.tests=${TESTS:-all} guest.slowness=$SLOWNESS"
	qemu "$limit" "$append" "$@" -display none -serial "file:${prefix}console.log" \
		-chardev "file,id=ktap,path=${prefix}ktap.log" -device pci-serial,chardev=ktap \
		</dev/null >"${prefix}qemu.log" 2>&1
}
