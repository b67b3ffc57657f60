#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Says where the instructions of a benchmark's row go: by function, and within our modules by line.

usage: profile.py --source DIR [--cross PREFIX] [--module KO]... KTAP-LOG COUNTS

The log names the rows that were profiled and has the kernel's symbols; the counts are those of profile.c.
"""

import argparse
import base64
import bisect
import gzip
import os
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


def count_by_place(lines, symbols):
    """For each row, how many instructions were executed: by (function, offset of the instruction in it)."""
    addresses = [address for address, _ in symbols]
    counts = {}
    for line in lines:
        row, address, count = line.split()
        address = int(address, 16)
        at = bisect.bisect_right(addresses, address) - 1
        place = ("(user space)", 0)
        if address >> 63 and at >= 0:
            place = symbols[at][1], address - addresses[at]
        counts.setdefault(int(row), Counter())[place] += int(count)
    return counts


def by_function(counts):
    """The counts of a row by function."""
    functions = Counter()
    for (function, _), count in counts.items():
        functions[function] += count
    return functions


class Module:
    """A module of ours: tells the lines that its instructions come from."""

    def __init__(self, path, source, cross):
        self.path, self.source, self.cross = path, source + "/", cross
        self.mark = "[" + os.path.basename(path).removesuffix(".ko") + "]"
        self.functions = {}
        for line in self.run("nm", path).splitlines():
            address, *kind, name = line.split()
            if kind and kind[0] in "tT":
                self.functions[name] = int(address, 16)

    def run(self, tool, *arguments):
        """The output of a binary tool."""
        return subprocess.run([self.cross + tool, *arguments], check=True, capture_output=True, text=True).stdout

    def by_line(self, counts):
        """The counts of a row that fall into this module, by the innermost line of our own source."""
        places = {}
        for (function, offset), count in counts.items():
            name, _, module = function.partition(" ")
            if module == self.mark and name in self.functions:
                places[f"0x{self.functions[name] + offset:x}"] = count
        if not places:
            return Counter()
        lines = Counter()
        # After each address: a function and a file with its line, for each function that was inlined.
        told = self.run("addr2line", "-aif", "-j", ".text", "-e", self.path, *places)
        told = re.split(r"^0x0*([0-9a-f]+)\n", told, flags=re.M)
        for address, frames in zip(told[1::2], told[2::2]):
            ours = [frame for frame in frames.splitlines()[1::2] if frame.startswith(self.source)]
            where = ours[0].removeprefix(self.source).split(" ")[0] if ours else "(elsewhere)"
            lines[where] += places["0x" + address]
        return lines


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


def show_lines(row, lines, out):
    """The lines of a module."""
    if not lines:
        return
    print(f"\n{row[0]} {row[1]}: {sum(lines.values()) / row[2]:.1f} instructions, by the line of ours", file=out)
    for line, count in lines.most_common():
        if count >= row[2]:
            print(f"{count / row[2]:12.1f}         {line}", file=out)


def main():
    """Prints a table for each row, and one for what the first subject of a row has more than each other."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--source", required=True)
    arguments.add_argument("--cross", default="")
    arguments.add_argument("--module", action="append", default=[])
    arguments.add_argument("log")
    arguments.add_argument("counts")
    options = arguments.parse_args()
    with open(options.log, encoding="utf-8", errors="replace") as log:
        rows, symbols = read_log(log.read().replace("\r", "").splitlines())
    with open(options.counts, encoding="utf-8") as counts:
        by_row = count_by_place(counts, symbols)
    if not rows:
        sys.exit("error: nothing was profiled: the row is unknown, or it failed")
    names = demangle(sorted({function for counts in by_row.values() for function, _ in counts}))
    modules = [Module(path, options.source, options.cross) for path in options.module]
    first = {}
    for number, row in enumerate(rows):
        if not by_row.get(number):
            sys.exit(f"error: no instruction was counted for {row[0]} {row[1]}")
        functions = by_function(by_row[number])
        show(row, functions, names, sys.stdout)
        if row[0] in first:
            base = first[row[0]]
            show_difference(rows[base], by_function(by_row[base]), row, functions, names, sys.stdout)
        first.setdefault(row[0], number)
        for module in modules:
            show_lines(row, module.by_line(by_row[number]), sys.stdout)


if __name__ == "__main__":
    main()
