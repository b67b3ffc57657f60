#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that the verdict on a test run can be bad: each thing that must turn it red does.

usage: verdict_test.py KERNEL-SOURCE
"""

import sys

import verdict

GOOD_KTAP = """KTAP version 1
1..2
    KTAP version 1
    # Subtest: one
    1..2
    # Starting 2 tests from 1 test cases.
    #  RUN           a.b ...
    #            OK  a.b
    ok 1 a.b
    ok 2 a.c # SKIP not here
    # PASSED: 2 / 2 tests passed.
ok 1 one
    KTAP version 1
    # Subtest: two
    1..1
    ok 1 x.y
ok 2 two
# guest: every program has run
"""
GOOD_CONSOLE = """[    0.000000] Linux version 7.3.4
[    2.000000] ashmem: loading out-of-tree module taints kernel.
guest: done
[    9.000000] reboot: Power down
"""

GOOD_HOST = """KTAP version 1
1..2
# what it has done
ok 1 a
ok 2 b
"""

SPLATS = [
    "WARNING: CPU: 0 PID: 1 at mm/shmem.c:1 shmem_evict_inode+0x1/0x2",
    "WARNING: possible circular locking dependency detected",
    "BUG: KASAN: slab-use-after-free in ashmem_llseek+0x1/0x2",
    "BUG: unable to handle page fault for address: ffff",
    "Oops: 0000 [#1] PREEMPT SMP",
    "Unable to handle kernel NULL pointer dereference at virtual address 0",
    "INFO: task ashmem:12 blocked for more than 120 seconds.",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s!",
    "BUG: sleeping function called from invalid context at mm/slab.c:1",
    "rust_kernel: panicked at ashmem.rs:1:1:",
    "BUG ashmem_area_cache: Objects remaining on __kmem_cache_shutdown()",
    "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "UBSAN: array-index-out-of-bounds in x.c:1:2",
    "refcount_t: underflow; use-after-free.",
    "Out of memory. ODEBUG disabled",
    "kmemleak: Kernel memory leak detector disabled",
    "** 12 printk messages dropped **",
    "debugfs: 'totals' already exists in 'ashmem'",
]

# What KCSAN prints about a race between two functions, each with its caller.
EDGE = "[    3.000000] " + "=" * 66
RACE = f"""{EDGE}
[    3.000001] BUG: KCSAN: data-race in {{first}} / {{second}}

[    3.000002] {{access}} to 0xffff888003e2c9c8 of 8 bytes by task 12 on cpu 0:
[    3.000003]  {{first_at}}
[    3.000004]  {{caller_at}}
[    3.000005]  a+0x1/0x2
[    3.000006]  b+0x1/0x2
[    3.000007]  c+0x1/0x2 [ashmem]

[    3.000008] read to 0xffff888003e2c9c8 of 8 bytes by task 13 on cpu 1:
[    3.000009]  {{second_at}}
[    3.000010]  d+0x1/0x2

[    3.000011] Reported by Kernel Concurrency Sanitizer on:
[    3.000012] CPU: 1 UID: 0 PID: 13 Comm: race
{EDGE}
"""


def race(first, caller, second, access="write"):
    """Such a report; first, caller and second are functions, perhaps with their modules."""
    at = {}
    for key, function in (("first_at", first), ("caller_at", caller), ("second_at", second)):
        name, *module = function.split()
        at[key] = " ".join([f"{name}+0x1/0x2", *module])
    return RACE.format(first=first, second=second, access=access, **at)


# What the kernel prints when a cache cannot be made.
NO_CACHE = """[    3.000000] __kmem_cache_create_args(ashmem_area_cache) failed with error -12
[    3.000001] CPU: 1 UID: 0 PID: 317 Comm: {comm} Tainted: G        W  O        7.3.4-kasan #1 PREEMPT
[    3.000002] {call}
{within}[    3.000003]  {end}
"""

# What the OOM killer prints about a process that it kills, and what a test says that wants it to.
OOM = """[    3.000000] fill invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
[    3.000001] Call Trace:
[    3.000002]  dump_stack_lvl+0x5d/0x80
[    3.000003] Mem-Info:
[    3.000004] {what}: Killed process 77 ({victim}) total-vm:1kB, anon-rss:1kB
"""
COMPLAINT = """[    3.500000] {victim}: page allocation failure: order:0, mode:0x140dca(GFP_HIGHUSER_MOVABLE)
[    3.500001] Call Trace:
[    3.500002]  dump_stack_lvl+0x5d/0x80
{within}[    3.500003] Mem-Info:
"""
ANNOUNCED = "[    2.900000] ashmem-test: expect the oom-killer to kill {}\n"


def killed(announced="hog", victim="hog", what="Out of memory", within=""):
    """A log with a kill in it, and perhaps something else in the middle of the report."""
    report = OOM.format(what=what, victim=victim).replace("[    3.000003]", within + "[    3.000003]")
    return GOOD_CONSOLE + (ANNOUNCED.format(announced) if announced else "") + report


def main():
    """Runs each case."""
    parser, printer = verdict.load_parser(sys.argv[1])

    def counts(ktap=GOOD_KTAP, console=GOOD_CONSOLE, status="0\n"):
        judged = verdict.judge(parser, printer, ktap, console, status)
        return judged.passed, judged.failed, judged.skipped

    wrong = []

    def expect(what, red, result):
        print(f"{'red  ' if result[1] else 'green'} {result} {what}")
        if bool(result[1]) != red:
            wrong.append(what)

    expect("a clean run", False, counts())
    if counts() != (2, 0, 1):
        wrong.append(f"a clean run counts {counts()}")
    expect("a failing test", True, counts(GOOD_KTAP.replace("    ok 1 a.b", "    not ok 1 a.b")))
    expect("a failing program", True, counts(GOOD_KTAP.replace("ok 2 two", "not ok 2 two # status 137")))
    expect("a test too few", True, counts(GOOD_KTAP.replace("    ok 2 a.c # SKIP not here\n", "")))
    expect("a test too many", True, counts(GOOD_KTAP.replace("    ok 1 x.y", "    ok 1 x.y\n    ok 2 x.z")))
    expect("a suite too few", True, counts(GOOD_KTAP.replace("1..2\n    KTAP", "1..3\n    KTAP", 1)))
    expect("a suite without a plan", True, counts(GOOD_KTAP.replace("    1..1\n", "")))
    expect("a suite without a test", True, counts(GOOD_KTAP.replace("    1..1\n    ok 1 x.y\n", "")))
    expect("no output at all", True, counts(""))
    for cut in range(1, GOOD_KTAP.count("\n")):
        lines = GOOD_KTAP.splitlines(True)[:cut]
        expect(f"output that ends after line {cut}", True, counts("".join(lines)))
    for splat in SPLATS[:3]:
        early = f"[    0.500000] {splat}\n[    1.000000] guest: the kernel is up\n{GOOD_CONSOLE}"
        expect(f"before any module: {splat}", False, counts(console=early))
        expect(f"and after that: {splat}", True, counts(console=f"{early}[    3.000000] {splat}\n"))
    expect("a guest that hung", True, counts(status="124\n"))
    expect("a QEMU that died", True, counts(status="139\n"))
    expect("a QEMU without a status", True, counts(status=""))
    expect("a guest that rebooted", True, counts(console=GOOD_CONSOLE.replace("guest: done\n", "")))
    for what in ("Out of memory", "Memory cgroup out of memory"):
        expect(f"{what}, announced", False, counts(console=killed(what=what)))
        expect(f"{what}, not announced", True, counts(console=killed(announced=None, what=what)))
        expect(f"{what}, announced for later", True, counts(console=killed(announced="nobody", what=what)))
        expect(f"{what}, another victim", True, counts(console=killed(victim="init", what=what)))
        expect(f"{what}, twice, announced once", True, counts(console=killed() + killed("nobody")))
    expect("a report within a report", True, counts(console=killed(within="[    3.1] WARNING: at x.c:1\n")))
    for victim, within, console, bad in (
        ("hog", "", killed(), False),
        ("init", "", killed(), True),
        ("hog", "", GOOD_CONSOLE + ANNOUNCED.format("hog"), True),
        ("hog", "[    3.1] WARNING: at x.c:1\n", killed(), True),
    ):
        console += COMPLAINT.format(victim=victim, within=within)
        expect(f"a complaint of {victim} {within.strip()}", bad, counts(console=console))
    expect("a report after an announced kill", True, counts(console=killed() + "[    4.0] BUG: x\n"))
    for splat in SPLATS:
        expect(splat, True, counts(console=GOOD_CONSOLE + f"[   10.000000] {splat}\n"))

    for call, end in (
        ("Call Trace:", "</TASK>"),
        ("Call trace:", "el0t_64_sync+0x154/0x158"),
        ("Call trace:", "el0t_32_sync+0x158/0x160"),
    ):
        for comm, within, bad in (
            ("fault", "", False),
            ("fault_32", "", False),
            ("faulty", "", True),
            ("race", "", True),
            ("fault", "[    3.1] BUG: KASAN: x\n", True),
        ):
            console = GOOD_CONSOLE + NO_CACHE.format(comm=comm, within=within, call=call, end=end)
            what = f"{comm}, {end} {within.strip()}"
            expect(f"no cache for {what}", bad, counts(console=console))
            expect(f"that and a splat, {what}", True, counts(console=console + "[    4.0] BUG: x\n"))
    punch = "_RNvMs3_5shmemNtB5_7Backing5punch [ashmem]"
    for bad, *between in (
        (False, "x", "y", "z"),
        (True, "x [ashmem]", "y", "z"),
        (True, "x", "y", "z [binder_fd]"),
        (True, "memset", "y [ashmem]", "z"),
        (False, "list_lru_count_one", "y [ashmem]", "list_lru_del_obj"),
        (True, "list_lru_count_one", "y [ashmem]", "z"),
        (False, "capable", "y [ashmem]", "kthread_is_per_cpu"),
        (True, "capable", "y", "z [ashmem]"),
        (False, punch, "y [ashmem]", "__filemap_remove_folio", "read (marked)"),
        (True, punch, "y [ashmem]", "__filemap_remove_folio", "read"),
        (True, punch, "y [ashmem]", "z", "read (marked)"),
        (True, punch, "y [ashmem]", "shmem_x [ashmem]", "read (marked)"),
        (True, "x [ashmem]", "y [ashmem]", "__filemap_remove_folio", "read (marked)"),
    ):
        report = race(*between)
        console = GOOD_CONSOLE + report
        what = ", ".join(between)
        expect(f"a race of {what}", bad, counts(console=console))
        expect(f"that and a splat {what}", True, counts(console=console + "[    4.0] BUG: x\n"))
        within = report.replace("[    3.000006]", "[    3.1] WARNING: at x.c:1\n[    3.000006]")
        expect(f"that and a splat within {what}", True, counts(console=GOOD_CONSOLE + within))
        cut = GOOD_CONSOLE + "".join(report.splitlines(True)[:-1])
        expect(f"that cut {what}", True, counts(console=cut))

    def host(ktap=GOOD_HOST, status="0\n"):
        judged = verdict.judge_host(parser, printer, ktap, status)
        return judged.passed, judged.failed, judged.skipped

    expect("a clean run without a guest", False, host())
    if host() != (2, 0, 0):
        wrong.append(f"a clean run without a guest counts {host()}")
    expect("a failing test without a guest", True, host(GOOD_HOST.replace("ok 1", "not ok 1"), "1\n"))
    expect("a failing test, but not a failing status", True, host(GOOD_HOST.replace("ok 2", "not ok 2")))
    expect("a test too many without a guest", True, host(GOOD_HOST + "ok 3 c\n"))
    expect("no plan", True, host(GOOD_HOST.replace("1..2\n", "")))
    expect("no test", True, host(GOOD_HOST.replace("1..2\n# what it has done\nok 1 a\nok 2 b", "1..0")))
    expect("no KTAP", True, host("all is well\n"))
    for cut in range(GOOD_HOST.count("\n")):
        lines = GOOD_HOST.splitlines(True)[:cut]
        expect(f"a run without a guest that ends after line {cut}", True, host("".join(lines)))
    for status in ("1\n", "124\n", "139\n", ""):
        expect(f"a run without a guest with status {status.strip() or 'unknown'}", True, host(status=status))

    for what in wrong:
        print(f"WRONG: {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
