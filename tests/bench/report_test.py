#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that the benchmarks' report can be bad: each thing that makes a run useless must be said.

usage: report_test.py
"""

import io
import sys

import report

GOALS = """# a comment
life\tashmem\t1.08 memfd\tthe life of a region
size\tashmem\t600\tits size
parts\tashmem\t1.15 whole:memfd\tin parts
calls\tashmem\t-\tno goal
beside\tashmem\t- calls:ashmem\tonly compared
"""

BOOT = """ok 1 the clock counts instructions
    # row: life ashmem instructions 1100.0 300
    # row: life memfd instructions 1000.0 300
    # row: size ashmem instructions 500.0 300
    # row: parts ashmem instructions 1200.0 300
    # row: whole memfd instructions 1000.0 300
    # row: calls ashmem instructions 10.0 300
    # row: beside ashmem bytes 20.0 300
"""


def run(first, second, goals=GOALS):
    """The complaints about two boots, or the text of the table."""
    try:
        goals = report.read_goals(goals)
        figures = report.merge([report.read_boot([first]), report.read_boot([second])])
        complaints = report.check(figures, goals)
        if complaints:
            return "BAD " + " | ".join(complaints)
    except report.BadRun as bad:
        return f"BAD {bad}"
    out = io.StringIO()
    report.write_markdown(out, "test", report.make_lines(figures, goals))
    return out.getvalue()


def without(text, what):
    """The text without the lines that have something."""
    return "".join(line for line in text.splitlines(keepends=True) if what not in line)


def main():
    """Runs each check, and fails if one of them does."""
    close = BOOT.replace("500.0", "520.0")
    far = BOOT.replace("500.0", "530.0")
    checks = [
        ("a good run is one", run(BOOT, BOOT), "the life of a region"),
        ("a goal that is missed says by how much", run(BOOT, BOOT), "| 1.100 | 1.08 times memfd | missed by 1.9 % |"),
        ("a number as goal is reached", run(BOOT, BOOT), "| 600 | reached |"),
        ("a number as goal is missed", run(*[BOOT.replace("500.0", "660.0")] * 2), "missed by 10.0 %"),
        ("a subject of another row", run(BOOT, BOOT), "| 1.200 | 1.15 times whole, memfd | missed by 4.3 % |"),
        ("exactly the goal is reached", run(*[BOOT.replace("500.0", "600.0")] * 2), "| 600 | reached |"),
        ("boots that differ by 4 % agree", run(BOOT, close), "| 510 |"),
        ("boots that differ by 6 % do not", run(BOOT, far), "BAD size ashmem: two boots differ by 6.0 %"),
        ("in the other order, too", run(far, BOOT), "BAD size ashmem: two boots differ by 6.0 %"),
        ("a row that is missing", run(*[without(BOOT, "size")] * 2), "BAD size ashmem was not measured"),
        ("a row missing in one boot", run(BOOT, without(BOOT, "size")), "BAD size ashmem was not measured in each"),
        ("what it is compared with is missing", run(*[without(BOOT, "whole")] * 2), "BAD whole memfd, beside parts"),
        ("a row that nobody knows", run(*[BOOT.replace(": calls", ": new")] * 2), "new ashmem is not in the goals"),
        ("a row twice in a boot", run(BOOT + BOOT, BOOT), "BAD life ashmem was measured twice"),
        ("nothing at all", run("", ""), "was not measured"),
        ("a figure of zero", run(*[BOOT.replace("500.0", "0.0")] * 2), "BAD size ashmem is 0.0"),
        ("a goal twice", run(BOOT, BOOT, GOALS + GOALS), "BAD the goals have life ashmem twice"),
        ("a ratio of one boot only", run(BOOT.replace("bytes", "ratio"), without(BOOT, "beside")), "| only compared |"),
    ]
    ratio, second = BOOT.replace("bytes", "ratio"), without(BOOT, "beside")
    little, much = ("# noise: beside ashmem 0.09", "# noise: beside ashmem 0.11")
    checks += [
        ("a ratio with little noise", run(ratio + little, second), "| 2.000 |  |  |\n"),
        ("a ratio with much noise", run(ratio + much, second), "repetitions differ by 11 %"),
    ]
    failed = [(what, got) for what, got, wanted in checks if wanted not in got]
    for what, got in failed:
        print(f"FAILED: {what}: {got}")
    print(f"{len(checks) - len(failed)} of {len(checks)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
