#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# On the host: checks what was asked for, sees to the build root, and goes on in there.
#
# usage: main.sh TARGET

set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=qemu/lib.sh
. "$here/lib.sh"
# The limits are made of it.
case ${SLOWNESS:-1} in
[1-9] | [1-9][0-9]) ;;
*) die "SLOWNESS=$SLOWNESS is no number from 1 to 99" ;;
esac
# shellcheck source=qemu/pins.sh
. "$here/pins.sh"
# shellcheck source=qemu/host.sh
. "$here/host.sh"
# shellcheck source=qemu/package.sh
. "$here/package.sh"
# shellcheck source=qemu/install.sh
. "$here/install.sh"

target=$1

case ${ARCH:-} in
'') ;;
x86_64 | amd64) export ARCH=x86_64 ;;
arm64 | aarch64) export ARCH=arm64 ;;
*) die "ARCH=$ARCH is unknown: there are x86_64 and arm64" ;;
esac
case ${ACCEL:-} in
'' | tcg | kvm) ;;
*) die "ACCEL=$ACCEL is unknown: there are tcg and kvm" ;;
esac
case $target:${MUTANTS:-} in
*: | *:1) ;;
mutations:*[!A-Za-z0-9_,]*) die "MUTANTS= takes names of faults, with commas" ;;
mutations:*) ;;
*) die "MUTANTS=$MUTANTS is unknown: there is 1" ;;
esac
case ${SEEDED:-} in
'' | 1) ;;
*) die "SEEDED=$SEEDED is unknown: there is 1" ;;
esac
case ${PROFILE:-} in
*[!A-Za-z0-9_,/+-]*) die "PROFILE=$PROFILE is no row of the benchmarks" ;;
esac
case ${TIME:-} in
*[!0-9]*) die "TIME=$TIME is no number of seconds" ;;
esac
case ${CALLS:-} in
*[!0-9]*) die "CALLS=$CALLS is no number of calls" ;;
esac
case ${KERNEL:-}${TESTS:-} in
*[!A-Za-z0-9_,.+-]*) die "KERNEL= and TESTS= take letters, digits and _ , . + - only" ;;
esac

if [ "$target" = distclean ]; then
	remove_tree "$TOP/build"
	remove_tree "$CACHE"
	exit
fi

check_host
case $target in
deb)
	make_deb
	exit
	;;
test-install)
	test_install
	exit
	;;
esac
in_build_root "$TOP/qemu/inside.sh" "$target"

if [ "$target" = bench ] && [ -z "${PROFILE:-}" ]; then
	in_plot_root "$TOP/qemu/plot.sh"
fi
