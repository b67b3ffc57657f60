# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# QEMU with the kernel in use.

# choose_accel: kvm if the user asks for it, or if a guest really boots under it; else tcg. Sets ACCELERATOR.
choose_accel() {
	local verdict=$CACHE/accel-$KARCH
	ACCELERATOR=tcg
	if [ "${ACCEL:-}" = kvm ]; then
		[ -w /dev/kvm ] || die "ACCEL=kvm: there is no /dev/kvm that can be used"
		ACCELERATOR=kvm
	fi
	# Other architectures than the host's are always emulated.
	[ -z "${ACCEL:-}" ] && [ "$KARCH" = "$(uname -m)" ] && [ -w /dev/kvm ] || return 0
	if [ ! -e "$verdict" ]; then
		ACCELERATOR=kvm
		if qemu "$PROBE_TIMEOUT" guest.task=nothing -display none -serial "file:$OUT/log/probe-kvm.log" \
			>/dev/null 2>&1 && grep -q '^guest: done' "$OUT/log/probe-kvm.log"; then
			echo kvm >"$verdict"
		else
			echo tcg >"$verdict"
			say "a guest does not boot under this system's kvm: emulating (remembered; ACCEL=kvm insists)"
		fi
	fi
	ACCELERATOR=$(<"$verdict")
}

# qemu TIMEOUT KERNEL-ARGUMENTS QEMU-ARGUMENTS...: runs a guest; 124 when the time is up.
qemu() {
	local limit=$1 append=$2 machine console
	shift 2
	case $KARCH in
	x86_64)
		machine=(qemu-system-x86_64 -cpu max)
		[ "$ACCELERATOR" = kvm ] && machine=(qemu-system-x86_64 -cpu host)
		console=ttyS0
		;;
	arm64)
		machine=(qemu-system-aarch64 -M virt -cpu "max,pauth-impdef=on")
		console=ttyAMA0
		;;
	esac
	timeout --foreground -k 5 "$limit" "${machine[@]}" -accel "$ACCELERATOR" \
		-m "$GUEST_MEMORY" -smp "$GUEST_CPUS" -no-reboot -nodefaults -vga none -nic none \
		-kernel "$KIMAGE" -initrd "$INITRAMFS" "$@" \
		-append "console=$console panic=-1 $append"
}

# Shows the demonstration; its status is the guest's last word. At a terminal a shell follows.
boot_run() {
	local status=0 result=$OUT/log/demo.status
	choose_accel
	say "==> boot $RELEASE in QEMU ($ACCELERATOR)"
	: >"$result"
	if [ -t 0 ]; then
		qemu 86400 "quiet loglevel=4 guest.task=run guest.shell=1" -display none -serial mon:stdio \
			-chardev "file,id=result,path=$result" -device pci-serial,chardev=result || status=$?
	else
		qemu "$RUN_TIMEOUT" "quiet loglevel=4 guest.task=run" -display none -serial stdio \
			-chardev "file,id=result,path=$result" -device pci-serial,chardev=result </dev/null || status=$?
	fi
	[ "$status" = 0 ] || die "QEMU ended with status $status (124: it took longer than $RUN_TIMEOUT s)"
	status=$(sed -n 's/^demo: \([0-9]*\).*/\1/p' "$result")
	[ -n "$status" ] || die "the guest ended before the demonstration did"
	return "$status"
}

# A shell in the guest.
boot_shell() {
	choose_accel
	[ -t 0 ] || die "make shell wants a terminal"
	qemu 86400 "quiet loglevel=4 guest.task=shell guest.shell=1" -display none -serial mon:stdio
}
