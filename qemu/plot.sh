#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the root that has what draws plots: draws those of every report of the benchmarks.

set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=qemu/lib.sh
. "$here/lib.sh"

for report in "$TOP"/build/*/bench; do
	release=$(basename "$(dirname "$report")")
	for plot in ranges beside; do
		step "$report/$plot.log" "draw build/$release/bench/$plot.svg" \
			gnuplot -e "release='$release'; data='$report/$plot.dat'; set output '$report/$plot.svg'" \
			"$TOP/tests/bench/$plot.gnuplot"
	done
done
