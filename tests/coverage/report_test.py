#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that the report misses what does not run, and nothing else, and turns red for it.

usage: report_test.py
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import report

# A module. What is said of a line is so if runs(1) is all that is called.
SAMPLE = """__asm__(".globl begin; begin: nop");
int other(int x);

__attribute__((always_inline)) int shared(int x)
{
	if (!x)
		return 5; // not there: in the copy that nothing refers to it is, and nowhere else
	return other(x) + 1;
}

__attribute__((always_inline)) int lost(int x)
{
	return other(x) + 2; // missed: it is inlined in what does not run
}

int idle(int x)
{
	return other(x) + 3; // missed: nothing refers to it, and it is inlined nowhere
}

static int runs(int x)
{
	if (x)
		x = shared(x);
	else
		x = other(x - 1); // missed: a branch
MORE
	return x;
}

static int never(int x)
{
	return lost(x); // missed: a function that is in a table
}

int (*const functions[])(int) = { runs, never };
"""
# Enough for one missed line to be less than 5 %.
MORE = "\tx += other(x);\n" * 30
# What calls functions[a](b) for each argument "ab", and tells of the module what the guest tells.
PROGRAM = """#include <stdio.h>
extern char begin[];
extern int (*const functions[])(int);
int other(int x) { return x; }
void __sanitizer_cov_trace_pc(void)
{
	printf("# coverage: hit sample text %lx\\n", __builtin_return_address(0) - (void *)begin);
}
int main(int argc, char **argv)
{
	printf("# coverage: base sample text 5000\\n# coverage: section sample .text 5000\\n");
	while (*++argv)
		functions[argv[0][0] - '0'](argv[0][1] - '0');
}
"""

# Lines that do not count, and lines that do.
FRAMES = ["", "}", "\t});", "    fn drop(&mut self) {", "pub(crate) unsafe fn f(", 'unsafe extern "C" fn f(x: X) {']
CODE = ["    })?;", "    Self {", "        return Err(EINVAL);", "    let f = 1;", "    fn_of(x);", "    { x }"]


class Sample:
    """A module that has run."""

    def __init__(self, directory, text, *calls):
        self.directory = Path(directory)
        self.text = text.replace("MORE\n", MORE)
        for path, content in (("sample.c", self.text), ("tests/program.c", PROGRAM)):
            (self.directory / path).parent.mkdir(exist_ok=True)
            (self.directory / path).write_text(content)
        # All of it is in one section, as in a module, and `begin` is where it begins.
        gcc = "gcc -c -g -O2 -w -fno-pie -fno-reorder-functions"
        self.make(f"{gcc} -fno-toplevel-reorder -fsanitize-coverage=trace-pc sample.c")
        self.make(f"{gcc} tests/program.c")
        self.make("ld -r sample.o program.o -o sample.ko")
        self.make("gcc -no-pie sample.ko -o program")
        self.log = self.make("./program " + " ".join(calls))

    def make(self, command):
        """What a command in the directory prints."""
        return subprocess.run(command.split(), cwd=self.directory, check=True, stdout=subprocess.PIPE, text=True).stdout

    def report(self, reasons="", log=None):
        """Whether the report is good, and the numbers of the lines that it has as missed."""
        (self.directory / "log").write_text(self.log if log is None else log)
        (self.directory / "reasons").write_text(reasons)
        output = self.directory / "report"
        output.unlink(missing_ok=True)
        command = [sys.executable, "-B", report.__file__, "--source", self.directory, "--cross", ""]
        command += ["--log", self.directory / "log", "--reasons", self.directory / "reasons"]
        command += ["--output", output, self.directory / "sample.ko"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        # Not an error of its own.
        if "Traceback" in ended.stderr:
            sys.exit(ended.stderr)
        text = output.read_text() if output.exists() else ""
        return ended.returncode == 0, [int(number) for number in re.findall(r"^  (\d+):", text, re.MULTILINE)]

    def line(self, number):
        """The text of a line."""
        return self.text.splitlines()[number - 1].strip()

    def missed(self):
        """The numbers of the lines that must be missed when runs(1) is all that is called."""
        return [number for number, line in enumerate(self.text.splitlines(), 1) if "// missed" in line]


def main():
    """Runs each case."""
    wrong = []

    def expect(what, result, should):
        print(f"{result} {what}")
        if result != should:
            wrong.append(f"{what}: {result}, not {should}")

    for line in FRAMES + CODE:
        expect(repr(line), report.FRAME.fullmatch(line) is not None, line in FRAMES)

    with tempfile.TemporaryDirectory() as directory:
        sample = Sample(directory, SAMPLE, "01")
        missed = sample.missed()
        expect("what does not run", sample.report(), (False, missed))
        reasons = "\n".join(f"sample.c :: {sample.line(number)} :: why" for number in missed)
        expect("reasons for more than 5 %", sample.report(reasons), (False, missed))

    used = re.sub(r"int idle.*?}\n\n", "", SAMPLE, flags=re.DOTALL)
    with tempfile.TemporaryDirectory() as directory:
        sample = Sample(directory, used, "01", "00", "10")
        expect("all runs", sample.report(), (True, []))
        expect("a reason for a line that is reached", sample.report("sample.c :: if (x) :: why")[0], False)
        expect("a race in a line that is reached", sample.report("sample.c :: if (x) :: race: why")[0], True)
        expect("a race in a line that is not there", sample.report("sample.c :: return y; :: race: why")[0], False)
        hit = "# coverage: hit sample text 1\n"
        expect("a hit where no block begins", sample.report(log=sample.log + hit)[0], False)
        expect("no hits", sample.report(log="")[0], False)

    with tempfile.TemporaryDirectory() as directory:
        sample = Sample(directory, used, "01", "10")
        branch = [number for number in sample.missed() if "a branch" in sample.line(number)]
        reason = f"sample.c :: {sample.line(branch[0])} :: why"
        expect("a missed line", sample.report(), (False, branch))
        expect("a missed line with a reason", sample.report(reason), (True, branch))
        expect("a race in a missed line", sample.report(reason.replace("why", "race: why")), (True, branch))
        expect("the reason for another line", sample.report("sample.c :: return y; :: why")[0], False)

    for text in wrong:
        print(f"wrong: {text}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
