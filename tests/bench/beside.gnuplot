# SPDX-License-Identifier: GPL-2.0
#
# What an operation costs beside its like. Set by the caller: release, data, output.

set terminal svg size 800,500 font "DejaVu Sans,13" background rgb "white"
set title "Instructions, as a multiple of those of what an operation is compared with\n" . release noenhanced
set yrange [0:*]
set grid ytics
set lmargin 16
set style fill solid 0.7
set boxwidth 0.7
set xtics rotate by 45 right noenhanced nomirror
plot data using 0:2:xtic(1) with boxes notitle, 1 with lines linewidth 2 linecolor "black" title "as much"
