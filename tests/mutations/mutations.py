#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes copies of the drivers' files with a fault in each.

usage: mutations.py TREE DIRECTORY NAME,NAME|'' LIST...

In LIST, a fault is a line `= name`, then where it is and what finds it,

    @ FILE SUITE[,SUITE]... [KERNEL]    or    @ FILE SUITE/TEST [KERNEL]

with a test where no other one counts ("kmemleak" for what is left when the suite has run), and a debugging kernel where a stock one cannot show it; then the
old and the new lines as in tests/unit/mutants.py. For the fault number 7, DIRECTORY gets 07/FILE.
Printed is a line for each that is wanted, or for all: number, name, kernel, suites, test, file; before
that, for each kernel, one without a fault, with the number 00 and all suites.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))
from mutants import apply, read_list, refuse_twins

STOCK = "cloud"


def read_faults(path):
    """The faults of a list: name, file, suites, test, kernel, old lines, new lines."""
    lines = path.read_text().splitlines()
    places = [line[1:].split() for line in lines if line.startswith("@")]
    edits = read_list("\n".join("" if line.startswith("@") else line for line in lines))
    if len(places) != len(edits) or not all(2 <= len(place) <= 3 for place in places):
        sys.exit(f"{path}: each fault has one line @ FILE SUITES [KERNEL]")
    if strange := [name for name, *_ in edits if not re.fullmatch(r"\w+( \w+)*", name, re.ASCII)]:
        sys.exit(f"{path}: a name has words and nothing else: {strange[0]}")
    for (file, finder, *kernel), (name, old, new) in zip(places, edits):
        suites, _, test = finder.partition("/")
        yield name, file, suites.split(","), test or "-", (kernel or [STOCK])[0], old, new


def main():
    """Writes the copies."""
    tree, directory, wanted, *lists = sys.argv[1:]
    faults = {}
    for path in lists:
        for name, *fault in read_faults(Path(path)):
            if faults.setdefault(name.replace(" ", "_"), fault) is not fault:
                sys.exit(f"there are two faults of the name {name}")
    wanted = wanted.split(",") if wanted else list(faults)
    if unknown := set(wanted) - set(faults):
        sys.exit("there is no fault of the name " + ", ".join(unknown))

    suites_of = {}
    for _, suites, _, kernel, *_ in map(faults.get, wanted):
        suites_of.setdefault(kernel, {}).update(dict.fromkeys(suites))
    for kernel, suites in suites_of.items():
        print("00", "unchanged", kernel, ",".join(suites), "-", "-", sep="\t")

    # All are applied: a list that has come to differ from the drivers is to be mended.
    copies = []
    for number, (name, (file, suites, test, kernel, old, new)) in enumerate(faults.items(), 1):
        copy = Path(directory, f"{number:02}", file)
        copy.parent.mkdir(parents=True)
        lines = apply(Path(tree, file).read_text().splitlines(), name, old, new)
        copy.write_text("\n".join(lines) + "\n")
        copies.append((name, lines))
        if name in wanted:
            print(f"{number:02}", name, kernel, ",".join(suites), test, file, sep="\t")
    refuse_twins(copies)


if __name__ == "__main__":
    main()
