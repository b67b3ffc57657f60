#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes copies of a file with a mistake in each, and one without.

usage: mutants.py LIST FILE DIRECTORY

In LIST, a mistake is a line `= name`, then the lines that are replaced with `-` in front, then those
that replace them with `+`. Indentation does not matter. The lines must be there exactly once.
"""

import re
import sys
from pathlib import Path


def read_list(text):
    """The mistakes: name, old lines, new lines."""
    mutants = []
    for number, line in enumerate(text.splitlines(), 1):
        kind, rest = line[:1], line[1:].strip()
        if kind == "=":
            mutants.append((rest, [], []))
        elif kind == "-" and mutants and not mutants[-1][2]:
            mutants[-1][1].append(rest)
        elif kind == "+" and mutants:
            mutants[-1][2].append(rest)
        elif kind not in ("", "#"):
            sys.exit(f"line {number} of the list: what is that? {line}")
    return mutants


def apply(lines, name, old, new):
    """The lines with the mistake."""
    plain = [line.strip() for line in lines]
    places = [at for at in range(len(lines)) if plain[at : at + len(old)] == old]
    if not old or len(places) != 1:
        sys.exit(f"{name}: its lines are there {len(places)} times:\n" + "\n".join(old))
    at = places[0]
    indentation = re.match(r"\s*", lines[at])[0]
    return lines[:at] + [indentation + line for line in new] + lines[at + len(old) :]


def refuse_twins(copies):
    """Names and lines: no two copies may be the same."""
    names = {}
    for name, lines in copies:
        if (first := names.setdefault(tuple(lines), name)) != name:
            sys.exit(f"{first} and {name} are the same")


def main():
    """Writes the copies."""
    mutants_file, source, directory = map(Path, sys.argv[1:])
    lines = source.read_text().splitlines()
    mutants = read_list(mutants_file.read_text())
    copies = [("unchanged", lines)] + [(name, apply(lines, name, *edit)) for name, *edit in mutants]
    refuse_twins(copies)

    for number, (name, copy) in enumerate(copies):
        path = directory / f"{number:02}-{name.replace(' ', '_')}{source.suffix}"
        path.write_text("\n".join(copy) + "\n")


if __name__ == "__main__":
    main()
