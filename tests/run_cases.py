#!/usr/bin/python3
"""Runs every nth case of a GoogleTest program in one process: starting one for each case took longer than most cases.

run_cases.py PROGRAM [--part I/N] [--limit SECONDS]

A case that ends the process, or takes longer than the limit, has failed; those after it run in a process of their own. Where the
process fails when all cases are over (a leak is found then), each runs alone, to find out which one it is. No case runs again for any
other reason. What failed is shown whole; then comes a line for each case, which summary.py reads:

CASE passed|failed|skipped SECONDS NAME[: REASON]
"""

import argparse
import os
import re
import selectors
import subprocess
import sys
import time

EVENT = re.compile(r"\[ +(RUN|OK|FAILED|SKIPPED) +\] ([\w/]+\.[\w/]+)(?:$|, where | \((\d+) ms\))")
RESULTS = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


class Case:
    def __init__(self, name):
        self.name = name
        self.result = None  # not run yet
        self.seconds = 0.0
        self.output = []

    def fail(self, why):
        self.result = "failed"
        self.output.append(f"{self.name}: {why}")

    def line(self):
        skipped = re.search(r"Skipped\n(.+)", "\n".join(self.output)) if self.result == "skipped" else None
        return f"CASE {self.result} {self.seconds:.3f} {self.name}" + (f": {skipped.group(1).strip()}" if skipped else "")


def names_of(program):
    listed = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, check=True).stdout
    suite = ""
    for line in listed.splitlines():
        name = line.split("#")[0].strip()
        if line.startswith(" "):
            yield suite + name
        elif name.endswith("."):
            suite = name


def lines_of(process, limit):
    """Each line of its output with the time; nothing more once it was silent about its cases for `limit` seconds."""
    rest = b""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        end = time.monotonic() + limit
        while ready.select(max(0, end - time.monotonic())):
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            for line in (line.decode(errors="replace") for line in lines):
                if EVENT.search(line):
                    end = time.monotonic() + limit
                yield line
    process.kill()


def run_together(program, cases, limit):
    """Until the process ends. Returns (its exit code, the case that it was at, what it said after the last case)."""
    by_name = {case.name: case for case in cases}
    command = [program, "--gtest_color=no", "--gtest_filter=" + ":".join(by_name)]
    at, after = None, []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in lines_of(process, limit):
            event = EVENT.search(line)
            named = by_name.get(event.group(2)) if event else None
            (at.output if at else after).append(line)
            if named and event.group(1) == "RUN":
                at, after = named, []
                at.began = time.monotonic()
            elif named and named is at:
                at.result, at.seconds = RESULTS[event.group(1)], int(event.group(3) or 0) / 1000
                at = None
        code = process.wait()
    return code, at, after


def words_of(code):
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def run_all(program, cases, limit):
    left = cases
    while left:
        code, at, after = run_together(program, left, limit)
        if at:
            at.seconds = time.monotonic() - at.began
            at.fail(f"it ended the process, or took longer than {limit} s: {words_of(code)}")
        not_run = [case for case in left if case.result is None]
        if len(not_run) == len(left):
            left[0].fail(f"no case has run: {words_of(code)}\n" + "\n".join(after))
        elif code != 0 and not any(case.result == "failed" for case in left):
            find_culprit(program, left, limit, after)
        left = [case for case in left if case.result is None]


def find_culprit(program, cases, limit, after):
    """They passed, but the process did not."""
    for case in cases:
        alone = Case(case.name)
        code, _, words = run_together(program, [alone], limit)
        if code != 0:
            case.fail(f"{words_of(code)} at the end\n" + "\n".join(words))
    if not any(case.result == "failed" for case in cases):
        cases[-1].fail("the process failed after this case, with none of them alone\n" + "\n".join(after))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--limit", type=float, default=300)
    options = parser.parse_args()
    part, parts = (int(number) for number in options.part.split("/"))
    cases = [Case(name) for name in names_of(options.program)][part - 1::parts]
    cases = [case for case in cases if "DISABLED_" not in case.name]
    run_all(options.program, cases, options.limit)
    for case in cases:
        if case.result == "failed":
            print("\n".join([f"---- {case.name} ----", *case.output]))
    print("\n".join(case.line() for case in cases))
    return 1 if any(case.result == "failed" for case in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
