# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Whether the suites see a fault in a driver: they run on copies with one each, in a guest each.

# make mutations [MUTANTS=NAME,NAME] [KERNEL=cloud|kasan|kcsan]: what has been found before need not be found again, as
# long as drivers, tests and kernels are the same.
mutations_all() {
	local dir=$TOP/build/mutations kernel kernels results
	[ "${ARCH:-x86_64}" = x86_64 ] || die "faults are looked for on x86_64 only"
	mkdir -p "$dir"
	rm -rf "$dir/files"
	KERNEL='' use_kernel x86_64
	results=$dir/results-$(source_key)-$RELEASE
	touch "$results"
	step "$dir/all-faults" "put faults into copies of the drivers" \
		make_faults "$dir/files" "${MUTANTS:-}"
	awk -F '\t' -v kernel="${KERNEL:-}" 'kernel == "" || $3 == kernel' "$dir/all-faults" >"$dir/faults"
	mapfile -t kernels < <(cut -f 3 "$dir/faults" | sort -u)
	for kernel in "${kernels[@]}"; do
		# In a shell of its own: a kernel sets much that another one must not find.
		(inject_faults "$kernel")
	done
	report_faults
}

# make_faults DIR NAME,NAME|'': copies of the drivers' files with a fault in each, and a line for each.
make_faults() {
	python3 -B "$TOP/tests/mutations/mutations.py" "$TOP" "$1" "$2" "$TOP"/tests/mutations/{ashmem,binder_fd}
}

# inject_faults KERNEL: all faults that it is wanted for, behind none at all.
inject_faults() {
	# shellcheck disable=SC2034
	local KERNEL=$1 arch=x86_64 number name kernel suites test file
	local work=$dir/$1 tree=$dir/$1/tree initramfs
	use_kernel x86_64
	build_module
	build_samples
	build_tests
	make_initramfs with-tests
	choose_accel
	initramfs=$INITRAMFS
	mkdir -p "$tree" "$work"/{module,log,modules}
	# With new times: what a run before this one has built there may be of a fault.
	(cd "$TOP" && cp -r "${DRIVER_FILES[@]}" "$tree/")
	say "==> look for faults on $RELEASE; results in ${results#"$TOP"/}"
	while IFS=$'\t' read -r -u 3 number name kernel suites test file; do
		[ "$kernel" != "$KERNEL" ] || [ -n "$(result_of_fault ok)" ] || inject_fault
	done 3<"$dir/faults"
}

# One fault of inject_faults: the drivers without one must pass, all others must be found out.
inject_fault() {
	local start=$SECONDS found verdict=ok
	[ "$file" = - ] || cp "$dir/files/$number/$file" "$tree/$file"
	if compile_fault; then
		pack_fault
		boot_fault
		found=$(judge_fault)
		[ -n "$found" ] || [ "$file" != - ] || found=$(missing_test)
		[ -n "$found" ] || found=-
		case $file:$found in
		-:-) ;;
		-:* | *:-) verdict="not ok" ;;
		esac
	else
		cp "$work/build.log" "$work/$number.build.log"
		found="does not compile: ${work#"$TOP"/}/$number.build.log" verdict="not ok"
	fi
	[ "$file" = - ] || cp "$TOP/$file" "$tree/$file"
	printf '%s\t' "$verdict" "$name" "$KERNEL" "$suites" "$(fault_key)" >>"$results"
	printf '%s\n' "$found" >>"$results"
	say "    $verdict $number $name: $found ($((SECONDS - start)) s)"
}

# result_of_fault [VERDICT]: the last result of a fault, which is a line of the results.
result_of_fault() {
	awk -F '\t' -v name="$name" -v kernel="$kernel" -v suites="$suites" -v key="$(fault_key)" -v verdict="${1:-}" \
		'$2 == name && $3 == kernel && $4 == suites && $5 == key { last = $0 }
		END { if (verdict == "" || index(last, verdict "\t") == 1) print last }' "$results"
}

# fault_key: the test that is to find a fault and what it is, in a word; without a fault, the tests that have to pass.
fault_key() {
	if [ "$file" = - ]; then
		awk -F '\t' -v kernel="$kernel" '$3 == kernel { print $5 }' "$dir/faults" | sort -u
	else
		echo "$test"
		cat "$dir/files/$number/$file"
	fi | sha256sum | cut -c1-12
}

# The drivers of the tree.
compile_fault() {
	kernel_make -C "$KOBJ" M="$tree" MO="$work/module" modules >"$work/build.log" 2>&1 </dev/null
}

# The guest's file system with them: a second archive replaces files of the first.
pack_fault() {
	local module
	for module in ashmem binder_fd; do
		cp "$work/module/$module.ko" "$work/modules/"
		strip_debug "$work/modules/$module.ko"
	done
	(cd "$work" && find modules | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$work/modules.cpio.gz"
	cat "$initramfs" "$work/modules.cpio.gz" >"$work/initramfs.cpio.gz"
}

# A guest with them, until the first test fails that counts: what comes then may take long, and says
# nothing new.
boot_fault() {
	local failure='^ *not ok '
	[ "$test" = - ] || failure+="[0-9]* ${test//./\\.}\$"
	# Read by test_guest.
	# shellcheck disable=SC2034
	local OUT=$work INITRAMFS=$work/initramfs.cpio.gz TESTS=$suites logs=() guest
	rm -f "$work"/log/*
	# With job control it has a process group of its own, QEMU included.
	set -m
	test_guest tests >"$work/guest.log" 2>&1 &
	guest=$!
	set +m
	while kill -0 "$guest" 2>/dev/null; do
		if grep -qs "$failure" "$work/log/ktap.log"; then
			kill -- "-$guest" 2>/dev/null || true
			break
		fi
		sleep 1
	done
	wait "$guest" 2>/dev/null || true
}

# What has found the fault: a test, or a report of the kernel. If it is for a certain test to find it, a report is all
# that counts beside that: others may fail on a busy machine. Without a fault, whatever the verdict complains of counts.
judge_fault() {
	local log=$work/log verdict=$work/$number.verdict failed
	# Whatever else there is to complain of: a guest that never came up has found nothing.
	[ "$file" = - ] || name=$log/ is_up || return 0
	python3 -B "$TOP/qemu/verdict.py" --kernel-source "$KSRC" \
		"$name" "$log/ktap.log" "$log/console.log" "$log/qemu.status" >"$verdict" && return
	failed=$(sed -nE 's!^  FAILED: ([^ /:]*/[^ :]*|kmemleak): .*!\1!p' "$verdict")
	{
		if [ "$test" = - ]; then
			say "$failed"
		else
			grep -xF -e "$suites/$test" -e "$test" <<<"$failed" || true
		fi
		sed -n '/^  FAILED: the kernel reported:/ { n; s/^ *\(\[[^]]*\] *\)*//p }' "$verdict"
		[ "$file" != - ] || sed -n 's/^  FAILED: \([^:]*\).*/\1/p' "$verdict"
	} | awk 'NF && !found++'
}

# missing_test: one that is to find a fault, but that did not pass without one. It may have another name by now, or
# cannot run in this guest.
missing_test() {
	local passed
	passed=$(sed -n 's/^ *ok [0-9]* \([^ ]*\)$/\1/p' "$work/log/ktap.log")
	awk -F '\t' -v kernel="$KERNEL" '$3 == kernel && $5 != "-" { print $5 }' "$dir/faults" | sort -u |
		{ grep -vxF -f <(echo "$passed") || true; } | sed -n '1s/^/no such test has passed: /p'
}

# The verdict on all of them, and the table.
report_faults() {
	local log=$dir/ktap.log table=$dir/mutations.md verdict number name kernel suites test file found count=0
	printf 'KTAP version 1\n1..%s\n' "$(wc -l <"$dir/faults")" >"$log"
	printf '| fault | file | suites | kernel | found by |\n|---|---|---|---|---|\n' >"$table"
	while IFS=$'\t' read -r -u 3 number name kernel suites test file; do
		IFS=$'\t' read -r verdict _ _ _ _ found < <(result_of_fault)
		printf '# %s: %s\n%s %s %s\n' "$suites" "$found" "$verdict" $((++count)) "$name" >>"$log"
		[ "$file" = - ] ||
			printf '| %s | %s | %s | %s | %s |\n' "${name//_/ }" "$file" "${suites//,/, }" "$kernel" "$found" >>"$table"
	done 3<"$dir/faults"
	echo 0 >"$dir/status"
	say "the table is ${table#"$TOP"/}"
	python3 -B "$TOP/qemu/verdict.py" --kernel-source "$KSRC" --host "faults in the drivers" "$log" "$dir/status"
}
