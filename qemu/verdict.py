#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judges test runs: the results of the suites, the kernel's messages, and how the guest ended.

usage: verdict.py --kernel-source DIR [--host NAME KTAP-LOG STATUS]... [NAME KTAP-LOG CONSOLE-LOG QEMU-STATUS]...

The results are parsed by the kernel's own KTAP parser. What it takes for granted is checked here: that
the document was complete, that a suite's own verdict is not better or worse than those of its tests,
that the guest ended by itself, and that the kernel had nothing to complain of.
"""

import argparse
import os
import re
import sys
from dataclasses import dataclass, field

# What the kernel prints when something is wrong in it. The taint of an unsigned module is not among it.
SPLATS = re.compile(
    r"WARNING: |\bBUG: |\bBUG at |Oops|Kernel panic|KASAN|KCSAN|KFENCE|UBSAN|kmemleak: \d+ new|"
    r"possible circular locking|possible recursive locking|possible deadlock|inconsistent lock state|"
    r"possible irq lock inversion|suspicious RCU usage|held lock freed|lock held when returning|"
    r"Invalid wait context|sleeping function called|scheduling while atomic|"
    r"INFO: task .* blocked|rcu: INFO: .*stall|soft lockup|hard LOCKUP|watchdog: BUG|"
    r"general protection fault|unable to handle|Unable to handle|Internal error|stack-protector|"
    r"refcount_t: |list_(add|del) corruption|Bad page|bad page state|Objects remaining|"
    r"Call trace:|Call Trace:|rust_kernel: panicked|panicked at|[Oo]ut of memory: Killed|"
    # What watches has stopped to, or what it said is lost; and what a driver has left behind in debugfs.
    r"ODEBUG disabled|memory leak detector disabled|printk messages dropped|"
    r"'ashmem' already exists in '|already exists in 'ashmem'"
)

# What the kernel itself complains of when its allocations are made to fail while it loads a module, all of it in
# the program that has them fail; and where such a report ends.
FAULT_COMPLAINTS = re.compile(
    r"fault(_32)?: vmalloc error: |__kmem_cache_create_args\(\S+\) failed with error -|"
    r"WARNING: at event_define_fields\+\S+, CPU#\d+: fault(_32)?/"
)
FAULT_COMM = re.compile(r"Comm: fault(_32)? ")
FAULT_END = re.compile(r"</TASK>|---\[ end trace|el0t_(64|32)_sync\+")

# A data race, and who takes part in it: the functions that read or write, with their modules. The kernel has
# races of its own that nobody minds; those count in which a function of ours is, or has called what is.
RACE = re.compile(r"BUG: KCSAN: ")
# Reports of races that are the kernel's, whoever has called it.
RACES_OF_THE_KERNEL = (
    # list_lru counts its objects without a lock for those who read, whoever they are.
    re.compile(r"data-race in list_lru_\S+ / list_lru_\S+"),
    # capable() notes in its task's flags that the task has used a privilege; the scheduler reads them meanwhile.
    re.compile(r"data-race in (capable / \w+|\w+ / capable)$", re.MULTILINE),
    # The page cache counts the pages of a file under a lock of its own, and whoever wants to know reads that without.
    # We do so once, and say so: "marked". KCSAN sorts the two names.
    re.compile(
        r"data-race in \S+7Backing5punch \[ashmem\] / \w*(filemap|shmem)_\w+\n"
        r"(.*\n)*.*read \(marked\) to 0x.*\n.* \S+7Backing5punch\+"
    ),
)
RACE_EDGE = re.compile(r"={40,}")
OURS = re.compile(r"\[(ashmem|binder_fd)\]")
RACE_STACK = re.compile(r"(read|write|access|race) .*(to|at|of) 0x|by task|by interrupt")

# What a test announces that wants the OOM killer at work, and how its reports begin and end.
ANNOUNCED = re.compile(r"ashmem-test: expect the oom-killer to kill (\S+)")
OOM_BEGIN = re.compile(r"invoked oom-killer: ")
# What is killed may complain of the memory that it does not get any more.
KILLED_COMPLAINS = re.compile(r"(\S+): page allocation failure: ")
COMPLAINT_END = re.compile(r"Mem-Info:")
OOM_END = re.compile(r"[Oo]ut of memory: Killed process \d+ \(([^)]*)\)")

# What tests/guest/init says when the kernel is up, before it loads the first module. What came before is not about
# any of ours: it is told, and fails nothing.
UP = "guest: the kernel is up"

# The last line of a complete results log, from tests/guest/run-tests.
END = "# guest: every program has run"


@dataclass
class Verdict:
    """How many tests passed, failed and were skipped, and what is to be said about it."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    complaints: list = field(default_factory=list)
    skips: list = field(default_factory=list)
    foreign_races: int = 0
    early_reports: int = 0

    def fail(self, complaint):
        """Something that is not a test of a suite has failed."""
        self.failed += 1
        self.complaints.append(complaint)


def leaves(test, path=()):
    """The tests without subtests below `test`, with the names of their parents."""
    here = path + (test.name,) if path or test.name != "main" else ()
    if not test.subtests:
        yield "/".join(here), test
    for subtest in test.subtests:
        yield from leaves(subtest, here or ("",))


def judge_results(parser, printer, text, verdict):
    """The results of the suites: a KTAP document."""
    lines = text.splitlines()
    if END not in lines:
        verdict.fail("the results are not complete: the guest stopped before the last suite ended")
    if not lines:
        return
    main = parser.parse_run_tests(lines, printer)
    status = parser.TestStatus

    if main.expected_count is None or main.expected_count != len(main.subtests):
        verdict.fail(f"{len(main.subtests)} suites reported of {main.expected_count}")
    if not main.subtests:
        verdict.fail("no suite has run")
    for suite in main.subtests:
        results = [leaf for _, leaf in leaves(suite)]
        bad = [r for r in results if r.status not in (status.SUCCESS, status.SKIPPED)]
        if suite.subtests and not suite.ok_status() and not bad:
            verdict.fail(f"{suite.name}: each test passed, but the program did not")
        if suite.subtests and suite.expected_count is None:
            verdict.fail(f"{suite.name}: it did not say how many tests it has")
        if suite.subtests and suite.counts.errors:
            verdict.fail(f"{suite.name}: its report is not complete")
    for name, leaf in leaves(main):
        name = name.strip("/")
        if leaf.status == status.SUCCESS:
            verdict.passed += 1
        elif leaf.status == status.SKIPPED:
            verdict.skipped += 1
            verdict.skips.append(name)
        else:
            name = name or "a test that was never reported"
            verdict.fail(f"{name}: " + " | ".join(line.strip() for line in leaf.log[-4:]))


def without_announced_kills(lines):
    """The lines, but for reports of the OOM killer that a test has announced, of whom it has announced."""
    kept = []
    victim, killed = None, False
    begin, end = None, None
    for line in lines:
        if announced := ANNOUNCED.search(line):
            victim, killed = announced[1], False
        complaint = KILLED_COMPLAINS.search(line)
        if victim and OOM_BEGIN.search(line):
            begin, end = len(kept), OOM_END
        elif killed and complaint and complaint[1] == victim:
            begin, end = len(kept), COMPLAINT_END
        kept.append(line)
        ends = begin is not None and end.search(line)
        if ends and (end is COMPLAINT_END or ends[1] == victim):
            killed = True
            # A report has no other report in it.
            report = kept[begin:-1]
            if not any(SPLATS.search(line) and "Call " not in line for line in report):
                del kept[begin:]
            begin = None
    return kept


def without_answers_to_faults(lines):
    """The lines, but for what the kernel says to the faults that the program "fault", or "fault_32", puts into it."""
    kept, at = [], 0
    while at < len(lines):
        if FAULT_COMPLAINTS.search(lines[at]) and any(map(FAULT_COMM.search, lines[at : at + 5])):
            end = next((n for n in range(at, min(at + 80, len(lines))) if FAULT_END.search(lines[n])), None)
            if end is not None and not any(SPLATS.search(line) and "Call " not in line for line in lines[at + 1 : end]):
                at = end + 1
                continue
        kept.append(lines[at])
        at += 1
    return kept


def without_foreign_races(lines):
    """The lines, but for reports of data races in which nothing of ours takes part; and how many these are."""
    kept, report, foreign = [], None, 0
    for line in lines:
        if report is None:
            kept.append(line)
            if RACE.search(line):
                # The edge above it, too.
                report = [kept.pop()]
            continue
        report.append(line)
        if RACE_EDGE.search(line):
            # Another CPU may have had something to say meanwhile.
            if is_ours(report) or any(map(SPLATS.search, report[1:])):
                kept.extend(report)
            else:
                foreign += 1
            report = None
    return kept + (report or []), foreign


def is_ours(report):
    """Whether a race is ours: one of the first three functions of a stack, if those before are the kernel's."""
    text = "\n".join(report)
    if any(race.search(text) for race in RACES_OF_THE_KERNEL):
        return False
    depth = 0
    for line in report:
        if RACE.search(line) and OURS.search(line):
            return True
        depth = 1 if RACE_STACK.search(line) else depth + 1
        if depth <= 4 and OURS.search(line):
            return True
    return False


def reports(lines):
    """The beginnings of what the kernel complains of."""
    at = 0
    while at < len(lines):
        if SPLATS.search(lines[at]):
            begin = at
            yield lines[begin : begin + 12]
            # One report is many lines: the next one begins after its end.
            while at < len(lines) and "---[ end" not in lines[at] and at - begin < 60:
                at += 1
        at += 1


def judge_console(text, verdict):
    """The messages of the kernel."""
    lines, verdict.foreign_races = without_foreign_races(
        without_answers_to_faults(without_announced_kills(text.splitlines()))
    )
    up = next((at for at, line in enumerate(lines) if UP in line), 0)
    verdict.early_reports = sum(1 for _ in reports(lines[:up]))
    for report in reports(lines[up:]):
        verdict.fail("the kernel reported:\n      " + "\n      ".join(report))


def judge(parser, printer, ktap, console, status):
    """The verdict on a guest, from the texts of its logs."""
    verdict = Verdict()
    judge_results(parser, printer, ktap, verdict)
    judge_console(console, verdict)
    if status.strip() != "0":
        verdict.fail(f"QEMU ended with status {status.strip() or 'unknown'} (124: its time was up)")
    elif "guest: done" not in console:
        verdict.fail("the guest did not end by itself")
    return verdict


def judge_host(parser, printer, ktap, status):
    """The verdict on a program that ran without a guest, as if it were the only suite of one."""
    verdict = Verdict()
    if not ktap.startswith("KTAP version 1\n"):
        verdict.fail("there are no results")
    result = "ok" if status.strip() == "0" else "not ok"
    nested = "".join(f"    {line}\n" for line in ktap.splitlines())
    judge_results(parser, printer, f"KTAP version 1\n1..1\n{nested}{result} 1 program\n{END}\n", verdict)
    if status.strip() != "0" and not verdict.failed:
        verdict.fail(f"it ended with status {status.strip() or 'unknown'} (124: its time was up)")
    return verdict


def load_parser(kernel_source):
    """The kernel's KTAP parser, and a printer for it that prints nothing."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(kernel_source, "tools/testing/kunit"))
    import kunit_parser
    from kunit_printer import Printer

    return kunit_parser, Printer(print=False, output=open(os.devnull, "w"))


def read(path):
    """The text of a log; an empty one if it was never written."""
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            return log.read().replace("\r", "")
    except FileNotFoundError:
        return ""


def main():
    """Judges each run, prints the totals, and fails if anything has failed."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kernel-source", required=True)
    arguments.add_argument("--host", nargs=3, action="append", default=[])
    arguments.add_argument("logs", nargs="*")
    options = arguments.parse_args()
    parser, printer = load_parser(options.kernel_source)

    total = Verdict()
    runs = [(judge_host, *run) for run in options.host]
    runs += [(judge, *run) for run in zip(*[iter(options.logs)] * 4)]
    for how, name, *paths in runs:
        verdict = how(parser, printer, *(read(path) for path in paths))
        print(f"\n{name}: {verdict.passed} passed, {verdict.failed} failed, {verdict.skipped} skipped")
        for skip in verdict.skips:
            print(f"  skipped: {skip}")
        if verdict.foreign_races:
            print(f"  {verdict.foreign_races} data races within the kernel itself")
        if verdict.early_reports:
            print(f"  {verdict.early_reports} reports of the kernel before any module was loaded")
        for complaint in verdict.complaints:
            print(f"  FAILED: {complaint}")
        if verdict.failed:
            print("  the logs: " + " and ".join(paths[:-1]))
        total.passed += verdict.passed
        total.failed += verdict.failed
        total.skipped += verdict.skipped

    skipped = f", {total.skipped} skipped" if total.skipped else ""
    print(f"\n{total.passed} passed, {total.failed} failed{skipped}")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
