#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the build root: carries out a target of the Makefile.
#
# usage: inside.sh TARGET

set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
for part in lib pins kernel debug reference build guest boot unit test system coverage fuzz mutations bench matrix lint; do
	# shellcheck source=/dev/null
	. "$here/$part.sh"
done

# The architectures to work on: the one that was asked for, or else those given.
architectures() {
	if [ -n "${ARCH:-}" ]; then
		say "$ARCH"
	else
		printf '%s\n' "$@"
	fi
}

case $1 in
all)
	for arch in $(architectures x86_64); do
		use_kernel "$arch"
		build_module
		say "the module for $RELEASE is build/$RELEASE/module/ashmem.ko"
	done
	;;
run | shell)
	use_kernel "$(architectures x86_64)"
	build_module
	build_samples
	if [ "$1" = run ]; then
		make_initramfs without-tests
	else
		build_tests
		make_initramfs with-tests
	fi
	boot_"$1"
	;;
test)
	test_guests "$(architectures x86_64 arm64)"
	;;
matrix)
	matrix_guests "$(architectures x86_64 arm64)"
	;;
system-programs)
	prepare_system
	;;
system-guest)
	test_system
	;;
test-debug)
	test_debug_guests "$(architectures x86_64 arm64)"
	;;
stress)
	TIME=${TIME:-$STRESS_TIME}
	stress_guests "$(architectures x86_64)"
	;;
fuzz)
	# It ends as soon as it has found the bug, or has executed CALLS: a hundred a second is slow.
	TIME=${TIME:-$((FUZZ_TIME * (${SEEDED:-0} ? 3 : 1) + ${CALLS:-0} / 100))}
	fuzz_guests "$(architectures x86_64)"
	;;
mutations)
	mutations_all
	;;
bench)
	bench_guests "$(architectures x86_64)"
	;;
coverage)
	cover_guests "$(architectures x86_64)"
	;;
unit)
	use_kernel x86_64
	unit_all
	;;
lint)
	use_kernel x86_64
	lint_all
	;;
doc)
	use_kernel "$(architectures x86_64)"
	make_doc
	;;
update)
	rm -f "$CACHE"/pick/*
	for arch in $(architectures x86_64 arm64); do
		use_kernel "$arch"
	done
	;;
*)
	die "unknown target $1"
	;;
esac
