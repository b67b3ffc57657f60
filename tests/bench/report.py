#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares what the benchmarks have measured with their goals, and writes it as Markdown, as CSV and for plots.

usage: report.py --title TEXT --goals FILE --output DIR [--cross PREFIX] [--module KO]... --boot LOG,LOG --boot LOG,LOG

What counts instructions has run in two boots, each with one or more logs. It fails if a row of the goals was not
measured in each of them, if the two figures differ by more than 5 %, or if a row is not in the goals. A goal that is
missed is no failure: the table says by how much.
"""

import argparse
import csv
import os
import re
import subprocess
import sys
from dataclasses import dataclass

ROW = re.compile(r"# row: (\S+) (\S+) (\S+) ([0-9.]+) (\d+)")
NOISE = re.compile(r"# noise: (\S+) (\S+) ([0-9.]+)")

# How much two boots may differ, of the smaller figure.
AGREEMENT = 0.05

# How far repetitions of a ratio may be apart before it says nothing.
NOISY = 0.1


# The subjects that are ours.
OURS = ("ashmem", "binder_fd")


class BadRun(Exception):
    """What was measured cannot be used."""


@dataclass
class Goal:
    """A row of the goals: what it is, what it is compared with, and what it should reach."""

    name: str
    subject: str
    what: str
    limit: float | None = None
    factor: float | None = None
    other: tuple | None = None


@dataclass
class Figure:
    """What was measured: the mean of the boots, how far they are apart, and the rounds in a boot.

    Of a ratio, which is of one boot, how far its repetitions are apart.
    """

    unit: str
    value: float
    difference: float
    rounds: int


def read_goals(text):
    """The goals, by row and subject, in their order."""
    goals = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, subject, aim, what = (part.strip() for part in re.split(r"\t+", line, maxsplit=3))
        goal = Goal(name, subject, what)
        number, _, other = aim.partition(" ")
        if other:
            row, _, other = other.rpartition(":")
            goal.other = (row or name, other)
        if number != "-":
            if other:
                goal.factor = float(number)
            else:
                goal.limit = float(number)
        if (name, subject) in goals:
            raise BadRun(f"the goals have {name} {subject} twice")
        goals[name, subject] = goal
    return goals


def read_boot(texts):
    """The figures of a boot, by row and subject: (unit, value, rounds)."""
    rows = {}
    for text in texts:
        for found in ROW.finditer(text.replace("\r", "")):
            key = found[1], found[2]
            if key in rows:
                raise BadRun(f"{found[1]} {found[2]} was measured twice in a boot")
            rows[key] = found[3], float(found[4]), int(found[5])
        for found in NOISE.finditer(text):
            rows.setdefault("noise", {})[found[1], found[2]] = float(found[3])
    return rows


def merge(boots):
    """The figures of all boots together. A ratio is a thing of one boot only: it is taken where it is."""
    figures = {}
    noise = {key: value for boot in boots for key, value in boot.pop("noise", {}).items()}
    for key in dict.fromkeys(key for boot in boots for key in boot):
        found = [boot[key] for boot in boots if key in boot]
        unit = found[0][0]
        values = [value for _, value, _ in found]
        if len(found) != len(boots) and unit != "ratio":
            raise BadRun(f"{' '.join(key)} was not measured in each boot")
        if min(values) <= 0:
            raise BadRun(f"{' '.join(key)} is {min(values)}")
        mean = sum(values) / len(values)
        difference = noise.get(key, 0.0) if unit == "ratio" else max(values) / min(values) - 1
        figures[key] = Figure(unit, mean, difference, found[0][2])
    return figures


def check(figures, goals):
    """What is wrong with a run, a line each."""
    complaints = []
    for key, figure in figures.items():
        if figure.unit != "ratio" and figure.difference > AGREEMENT:
            complaints.append(f"{' '.join(key)}: two boots differ by {100 * figure.difference:.1f} %")
    for key, goal in goals.items():
        if key not in figures:
            complaints.append(f"{' '.join(key)} was not measured")
        if goal.other and goal.other not in figures:
            complaints.append(f"{' '.join(goal.other)}, beside {' '.join(key)}, was not measured")
    others = {goal.other for goal in goals.values()}
    for key in figures:
        if key not in goals and key not in others:
            complaints.append(f"{' '.join(key)} is not in the goals")
    return complaints


def number(value):
    """A figure as people read it."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


@dataclass
class Line:
    """A line of the table."""

    goal: Goal
    figure: Figure
    other: Figure | None

    @property
    def ratio(self):
        """How many times what it is compared with it is."""
        return self.figure.value / self.other.value if self.other else None

    @property
    def excess(self):
        """By which factor the goal is missed, or reached with room to spare; None without a goal."""
        if self.goal.limit:
            return self.figure.value / self.goal.limit
        if self.goal.factor:
            return self.ratio / self.goal.factor
        return None

    @property
    def aim(self):
        """The goal in words."""
        if self.goal.limit:
            return f"{number(self.goal.limit)}"
        if self.goal.factor:
            return f"{self.goal.factor:g} times {self.beside}"
        return ""

    @property
    def beside(self):
        """What it is compared with."""
        if not self.goal.other:
            return ""
        row, subject = self.goal.other
        return subject if row == self.goal.name else row if subject == "kernel" else f"{row}, {subject}"

    @property
    def verdict(self):
        """Whether the goal is reached."""
        noise = max(figure.difference for figure in (self.figure, self.other) if figure)
        if self.figure.unit == "ratio" and noise > NOISY:
            return f"says nothing: repetitions differ by {100 * noise:.0f} %"
        if self.excess is None:
            return ""
        return "reached" if self.excess <= 1 else f"missed by {100 * (self.excess - 1):.1f} %"


def make_lines(figures, goals):
    """The lines of the table, in the order of the goals."""
    return [
        Line(goal, figures[key], figures[goal.other] if goal.other else None)
        for key, goal in goals.items()
    ]


UNITS = {
    "instructions": "Instructions",
    "bytes": "Bytes",
    "ratio": "Ratios within one boot, threads on several CPUs",
}


def write_markdown(out, title, lines):
    """The tables: one for each unit."""
    print(f"# What it costs: {title}\n", file=out)
    for unit, heading in UNITS.items():
        chosen = [line for line in lines if line.figure.unit == unit]
        if not chosen:
            continue
        print(f"## {heading}\n", file=out)
        print("| operation | subject | figure | beside | its figure | ratio | at most | |", file=out)
        print("|---|---|--:|---|--:|--:|---|---|", file=out)
        for line in chosen:
            other = number(line.other.value) if line.other else ""
            ratio = f"{line.ratio:.3f}" if line.other else ""
            print(
                f"| {line.goal.what} | {line.goal.subject} | {number(line.figure.value)} | {line.beside} | {other} "
                f"| {ratio} | {line.aim} | {line.verdict} |",
                file=out,
            )
        print(file=out)


def write_csv(out, lines, figures):
    """Every figure with what is known about it, also of those that others are compared with."""
    table = csv.writer(out, lineterminator="\n")
    table.writerow(
        ["row", "subject", "unit", "figure", "boots_differ_by", "rounds", "beside", "ratio", "at_most", "verdict"]
    )
    by_key = {(line.goal.name, line.goal.subject): line for line in lines}
    for key, figure in figures.items():
        line = by_key.get(key)
        extra = [line.beside, f"{line.ratio:.4f}" if line.other else "", line.aim, line.verdict] if line else [""] * 4
        table.writerow([*key, figure.unit, f"{figure.value:.4f}", f"{figure.difference:.4f}", figure.rounds, *extra])


def write_data(directory, lines, figures):
    """What plots are drawn from: the cost against the number of ranges, and ratios."""
    with open(os.path.join(directory, "ranges.dat"), "w", encoding="utf-8") as out:
        for name, subject in figures:
            operation, _, ranges = name.partition("/")
            if operation == "unpin+pin" and ranges.isdigit():
                status = figures["status/" + ranges, subject]
                print(f'"{int(ranges):,}" {figures[name, subject].value:.1f} {status.value:.1f}', file=out)
    with open(os.path.join(directory, "beside.dat"), "w", encoding="utf-8") as out:
        for line in lines:
            name, subject = line.goal.name, line.goal.subject
            ours = subject in OURS and line.goal.other and line.goal.other[0] == name
            if ours and line.figure.unit == "instructions":
                print(f'"{name} / {line.beside}" {line.ratio:.4f}', file=out)


def module_sizes(path, cross):
    """What the code and the data of a module are, in bytes: (name, subject, unit, value)."""
    name = os.path.basename(path).removesuffix(".ko")
    out = subprocess.run([cross + "size", path], check=True, capture_output=True, text=True).stdout
    header, line = out.splitlines()
    sizes = dict(zip(header.split(), line.split()))
    return {
        ("module-text", name): ("bytes", float(sizes["text"]), 1),
        ("module-data", name): ("bytes", float(sizes["data"]) + float(sizes["bss"]), 1),
    }


def read(path):
    """The text of a log."""
    with open(path, encoding="utf-8", errors="replace") as log:
        return log.read()


def main():
    """Writes the report, and fails if the run cannot be used."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--title", required=True)
    arguments.add_argument("--goals", required=True)
    arguments.add_argument("--output", required=True)
    arguments.add_argument("--cross", default="")
    arguments.add_argument("--module", action="append", default=[])
    arguments.add_argument("--boot", action="append", default=[])
    options = arguments.parse_args()

    goals = read_goals(read(options.goals))
    boots = [read_boot([read(path) for path in boot.split(",")]) for boot in options.boot]
    for path in options.module:
        for boot in boots:
            boot.update(module_sizes(path, options.cross))
    try:
        figures = merge(boots)
        complaints = check(figures, goals)
        if complaints:
            raise BadRun("\n  ".join(["this run cannot be used:", *complaints]))
    except BadRun as bad:
        sys.exit(f"error: {bad}")
    lines = make_lines(figures, goals)
    os.makedirs(options.output, exist_ok=True)
    with open(os.path.join(options.output, "bench.md"), "w", encoding="utf-8") as out:
        write_markdown(out, options.title, lines)
    with open(os.path.join(options.output, "bench.csv"), "w", encoding="utf-8") as out:
        write_csv(out, lines, figures)
    write_data(options.output, lines, figures)
    write_markdown(sys.stdout, options.title, lines)


if __name__ == "__main__":
    main()
