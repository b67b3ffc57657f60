#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Says where the instructions of a benchmark's row go, function by function.

usage: profile.py KTAP-LOG COUNTS

The log names the rows that were profiled and has the kernel's symbols; the counts are those of profile.c.
"""

import base64
import bisect
import gzip
import re
import subprocess
import sys
from collections import Counter

PROFILED = re.compile(r"# profiled: (\S+) (\S+) (\d+)")
SYMBOLS = re.compile(r"# symbols: (\S+)")

# Functions with less than this share are summed up.
LEAST = 0.002


def read_log(lines):
    """The rows, in their order, as (name, subject, operations), and the symbols as sorted (address, name)."""
    rows, text = [], []
    for line in lines:
        if found := PROFILED.search(line):
            rows.append((found[1], found[2], int(found[3])))
        elif found := SYMBOLS.search(line):
            text.append(found[1])
    symbols = []
    for line in gzip.decompress(base64.b64decode("".join(text))).decode().splitlines():
        address, _, name, *module = line.split()
        symbols.append((int(address, 16), " ".join([name, *module])))
    return rows, sorted(symbols)


def demangle(names):
    """The names as they stand in the source, as far as they are Rust's."""
    out = subprocess.run(["c++filt"], input="\n".join(names), check=True, capture_output=True, text=True).stdout
    return dict(zip(names, out.splitlines(), strict=True))


def count_by_symbol(lines, symbols):
    """For each row, how many instructions each function has executed."""
    addresses = [address for address, _ in symbols]
    counts = {}
    for line in lines:
        row, address, count = line.split()
        address = int(address, 16)
        at = bisect.bisect_right(addresses, address) - 1
        name = symbols[at][1] if address >> 63 and at >= 0 else "(user space)"
        counts.setdefault(int(row), Counter())[name] += int(count)
    return counts


def show(row, counts, names, out):
    """The table of a row."""
    name, subject, done = row
    total = sum(counts.values())
    print(f"\n{name} {subject}: {total / done:.1f} instructions, {done} times", file=out)
    print(f"{'instructions':>12} {'share':>6}  function", file=out)
    rest = 0
    for function, count in counts.most_common():
        if count < LEAST * total:
            rest += count
            continue
        print(f"{count / done:12.1f} {100 * count / total:5.1f}%  {names[function]}", file=out)
    print(f"{rest / done:12.1f} {100 * rest / total:5.1f}%  (others)", file=out)


def show_difference(row, counts, other, other_counts, names, out):
    """What a row has more, or less, than the same row of another subject."""
    each = {f: counts[f] / row[2] - other_counts[f] / other[2] for f in counts | other_counts}
    total = sum(each.values())
    print(f"\n{row[0]}: {row[1]} has {total:+.1f} instructions beside {other[1]}", file=out)
    rest = 0
    for function, more in sorted(each.items(), key=lambda item: -item[1]):
        if abs(more) < LEAST * abs(total) or abs(more) < 1:
            rest += more
            continue
        print(f"{more:+12.1f}         {names[function]}", file=out)
    print(f"{rest:+12.1f}         (others)", file=out)


def main():
    """Prints a table for each row, and one for what the first subject of a row has more than each other."""
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        rows, symbols = read_log(log.read().replace("\r", "").splitlines())
    with open(sys.argv[2], encoding="utf-8") as counts:
        by_row = count_by_symbol(counts, symbols)
    if not rows:
        sys.exit("error: nothing was profiled: the row is unknown, or it failed")
    names = demangle(sorted({function for counts in by_row.values() for function in counts}))
    first = {}
    for number, row in enumerate(rows):
        if not by_row.get(number):
            sys.exit(f"error: no instruction was counted for {row[0]} {row[1]}")
        show(row, by_row[number], names, sys.stdout)
        if row[0] in first:
            base = first[row[0]]
            show_difference(rows[base], by_row[base], row, by_row[number], names, sys.stdout)
        first.setdefault(row[0], number)


if __name__ == "__main__":
    main()
