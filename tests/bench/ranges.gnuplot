# SPDX-License-Identifier: GPL-2.0
#
# What pinning costs against the number of ranges. Set by the caller: release, data, output.

set terminal svg size 800,450 font "DejaVu Sans,13" background rgb "white"
set title "Instructions, by the number of unpinned ranges\n" . release noenhanced
set xlabel "ranges of the region"
set ylabel "instructions"
set yrange [0:*]
set offsets graph 0.03, graph 0.03, graph 0.15, 0
set grid ytics
set key top left reverse Left
plot data using 0:2:xtic(1) with linespoints pointtype 7 linewidth 2 title "unpin a page and pin it, two calls", \
	data using 0:3 with linespoints pointtype 7 linewidth 2 title "status of a page"
