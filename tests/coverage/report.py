#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Maps what has been reached in the modules to lines of their sources.

usage: report.py --source DIR --cross PREFIX --log KTAP-LOG --reasons FILE --output FILE MODULE.ko...

The log has what tests/coverage/ashmem_coverage.c shows, behind "# coverage: ". The compiler has put a
call of its hook at the begin of each block of code. An instruction belongs to the call before it, a line
to the instructions that were made of it, in all the places where it was inlined: it is reached if one
of them is.

Not counted, neither as reached nor as missed, are

- lines with nothing but brackets and the punctuation of them, and those where a Rust function begins: what
  they have is the frame of other lines. Of a function that never runs, the lines of its body are missed;
- copies of a function that nothing refers to, if it has been inlined elsewhere: the compiler leaves one of
  each function that another crate could call, and nobody can. Lines that have code nowhere else, because it
  was folded away where the function is inlined, are not there then.

Each line that is not reached needs a reason: a line of FILE, "path :: text of the line :: why". A reason
for nothing is an error, too; but what takes a race is reached in some runs and not in others: where the reason
begins with "race: ", the line may be reached.
"""

import argparse
import bisect
import collections
import os
import re
import subprocess
import sys
import tempfile

HOOK = "__sanitizer_cov_trace_pc"
# A line that is not counted.
FRAME = re.compile(r"""[\s{}()\[\],;]*|\s*(pub(\([a-z]+\))? )?((const|unsafe|extern "C") )*fn .*""")
# What refers to a function because it is there, not because it is used.
TABLES = re.compile(r"\.rela(\.debug|\.eh_frame|\.orc|__mcount_loc|__patchable)")
SECTION = re.compile(r"^\s*\[\s*\d+\]\s+(\S+)\s+\S+\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\S+\s+\S*X")


def run(*command, text=None):
    """What a command prints."""
    return subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout


class Log:
    """What the guest has told."""

    def __init__(self, path):
        self.bases = {}
        self.sections = {}
        self.hits = collections.defaultdict(set)
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                words = line.strip().split(" ")
                if words[:2] != ["#", "coverage:"]:
                    continue
                what, module, *rest = words[2:]
                if what == "base":
                    self.bases[module, rest[0]] = int(rest[1], 16)
                elif what == "section":
                    self.sections[module, rest[0]] = int(rest[1], 16)
                elif what == "hit":
                    self.hits[module, rest[0]].add(int(rest[1], 16))

    def addresses(self, module):
        """Where hooks have returned to, as section and offset."""
        places = sorted(
            (address, name) for (owner, name), address in self.sections.items() if owner == module
        )
        starts = [address for address, _ in places]
        for (owner, kind), offsets in self.hits.items():
            if owner != module:
                continue
            for offset in offsets:
                address = self.bases[module, kind] + offset
                start, name = places[bisect.bisect_right(starts, address) - 1]
                yield name, address - start


class Module:
    """A module's code, at addresses of its own."""

    def __init__(self, path, cross, directory):
        self.name = os.path.basename(path).removesuffix(".ko")
        self.elf = os.path.join(directory, self.name)
        # Linked, each section has an address of its own, and the debugging information knows it.
        options = ("--unresolved-symbols=ignore-all", "--no-warnings", "--emit-relocs", "-e", "0")
        run(f"{cross}ld", *options, "-o", self.elf, path)
        headers = run(f"{cross}readelf", "-SW", self.elf)
        self.sections = {m[1]: int(m[2], 16) for m in map(SECTION.match, headers.splitlines()) if m}
        # The functions' names by their addresses.
        self.names = {}
        # Of each instruction, in order: the function's and its own address, whether it calls the hook.
        self.instructions = []
        # Of each address of a function, or None for data: what it refers to.
        self.references = collections.defaultdict(set)
        self.read_code(run(f"{cross}objdump", "-d", "--no-show-raw-insn", self.elf))
        self.read_relocations(run(f"{cross}readelf", "-rW", self.elf))

    def read_code(self, listing):
        """Reads what objdump shows."""
        function = None
        for line in listing.splitlines():
            if start := re.match(r"^([0-9a-f]+) <(.*)>:$", line):
                # Labels within a function are no functions.
                if not start[2].startswith((".L", "$")):
                    function = int(start[1], 16)
                    self.names[function] = start[2]
            elif code := re.match(r"^\s*([0-9a-f]+):\s+(\S+)(.*)", line):
                calls = code[2] in ("call", "callq", "bl", "jmp") and f"<{HOOK}>" in code[3]
                self.instructions.append((function, int(code[1], 16), calls))
                for target in re.findall(r"\b([0-9a-f]+) <", code[3]):
                    self.references[function].add(int(target, 16))

    def read_relocations(self, listing):
        """Reads what readelf shows: where the address of something is in code and data."""
        starts = [address for _, address, _ in self.instructions]
        section = ""
        for line in listing.splitlines():
            if begin := re.match(r"Relocation section '(\S+)'", line):
                section = begin[1]
            entry = re.match(r"([0-9a-f]+)\s+[0-9a-f]+\s+R_\S+\s+([0-9a-f]+) .* ([+-]) ([0-9a-f]+)$", line)
            if not entry or TABLES.match(section):
                continue
            function = None
            if section.removeprefix(".rela") in self.sections:
                function, _, _ = self.instructions[bisect.bisect_right(starts, int(entry[1], 16)) - 1]
            target = int(entry[2], 16) + int(entry[3] + entry[4], 16)
            # What is relative to the next instruction of x86 is so to the end of these four bytes.
            self.references[function].update((target, target + 4))

    def unused(self):
        """The functions that nothing refers to, but perhaps others of these."""
        used, waiting = set(), list(self.references[None])
        while waiting:
            function = waiting.pop()
            if function in self.names and function not in used:
                used.add(function)
                waiting.extend(self.references[function])
        return set(self.names) - used

    def lines(self, source):
        """Of each instruction: the names of the functions inlined there, the lines of `source` that it was made of."""
        addresses = [f"0x{address:x}" for _, address, _ in self.instructions]
        # The innermost first, then where that was inlined; an empty line ends an address.
        options = ("--obj=" + self.elf, "--inlines", "--functions=linkage", "--no-demangle")
        out = run("llvm-symbolizer", *options, text="\n".join(addresses))
        for frames in out.split("\n\n")[: len(addresses)]:
            frames = frames.strip().splitlines()
            found = set()
            for frame in frames[1::2]:
                path, line, _ = frame.rsplit(":", 2)
                path = os.path.normpath(path)
                if path.startswith(source + "/") and int(line):
                    found.add((path.removeprefix(source + "/"), int(line)))
            yield set(frames[:-2:2]), found


def reached_lines(module, log, source):
    """Every line that there is code for, and whether it was reached."""
    hits = {module.sections[name] + offset for name, offset in log.addresses(module.name) if name in module.sections}
    owner, begun, calls = {}, None, []
    waiting = []
    code = module.instructions
    unused = module.unused()
    for (function, address, is_call), (_, following, _) in zip(code, code[1:] + [(None, 0, False)]):
        if function != begun:
            begun, call, waiting = function, None, []
        if is_call:
            call = following
            calls.append(following)
            # What is before the first call of a function is in the same block.
            for early in waiting:
                owner[early] = call
            waiting = []
        if call is None:
            waiting.append(address)
        else:
            owner[address] = call
    unknown = hits.difference(calls)
    if unknown:
        sys.exit(f"{module.name}: {len(unknown)} hits are where no block begins: another module was loaded")

    places = [(function, address, *rest) for (function, address, _), rest in zip(code, module.lines(source))]
    inlined = set().union(*(names for function, _, names, _ in places if function not in unused))
    copies = {function for function in unused if module.names[function] in inlined}
    lines = {}
    for function, address, _, found in places:
        if address not in owner:
            continue
        is_reached = owner[address] in hits
        if is_reached and function in unused:
            sys.exit(f"{module.name}: {module.names[function]} is reached, though nothing seems to refer to it")
        if function in copies:
            continue
        for line in found:
            lines[line] = lines.get(line, False) or is_reached
    return lines, len(calls), len(hits)


def read_reasons(path):
    """Why some lines are not reached: (path, text) to reason."""
    reasons = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, text, why = (part.strip() for part in line.split(" :: "))
                reasons[name, text] = why
    return reasons


def main():
    """Writes the report, and fails if a line is missing without a reason."""
    arguments = argparse.ArgumentParser()
    for name in ("source", "cross", "log", "reasons", "output"):
        arguments.add_argument("--" + name, required=True)
    arguments.add_argument("modules", nargs="+")
    options = arguments.parse_args()
    source = os.path.realpath(options.source)
    log = Log(options.log)
    lines = {}
    with tempfile.TemporaryDirectory() as directory:
        for path in options.modules:
            module = Module(path, options.cross, directory)
            found, blocks, hits = reached_lines(module, log, source)
            print(f"{module.name}: {hits} of {blocks} blocks of code are reached")
            for line, is_reached in found.items():
                lines[line] = lines.get(line, False) or is_reached

    reasons = read_reasons(options.reasons)
    unused, missing = set(reasons), []
    by_file, texts = collections.defaultdict(list), {}
    for (path, number), is_reached in sorted(lines.items()):
        if path.startswith("tests/"):
            continue
        if path not in texts:
            with open(os.path.join(source, path), encoding="utf-8") as file:
                texts[path] = file.read().splitlines()
        if not FRAME.fullmatch(texts[path][number - 1]):
            by_file[path].append((number, is_reached))
    with open(options.output, "w", encoding="utf-8") as report:
        total = reached = 0
        for path, found in by_file.items():
            count = sum(is_reached for _, is_reached in found)
            total += len(found)
            reached += count
            report.write(f"{path}: {count} of {len(found)} lines, {100 * count / len(found):.1f} %\n")
            for number, is_reached in found:
                key = (path, texts[path][number - 1].strip())
                why = reasons.get(key)
                if not is_reached or (why or "").startswith("race: "):
                    unused.discard(key)
                if is_reached:
                    continue
                report.write(f"  {number}: {key[1]}\n    {why or 'WITHOUT A REASON'}\n")
                if not why:
                    missing.append(f"{path}:{number}: {key[1]}")
        percent = 100 * reached / total
        report.write(f"all: {reached} of {total} lines, {percent:.1f} %\n")
    print(f"{reached} of {total} lines are reached: {percent:.1f} %")
    for line in missing:
        print(f"not reached, without a reason: {line}")
    for path, text in sorted(unused):
        print(f"a reason for a line that is reached, or is not there: {path}: {text}")
    if missing or unused or percent < 95:
        sys.exit(1)


if __name__ == "__main__":
    main()
