#!/usr/bin/python3
"""What ctest's JUnit files say: the end of each failed test's output, the longest tests, skipped and failed ones; the totals last.

summary.py FILE.xml...      exit code 1 when a test failed
"""

import collections
import os
import re
import sys
import xml.etree.ElementTree as xml


SHOWN_LINES = 60
CASE = re.compile(r"^CASE (passed|failed|skipped) (\S+) ([^:\n]+)(?:: (.*))?$", re.MULTILINE)


def reason(case):
    """Why a test was skipped: the rest of a line SKIPPED: of a script, or what GoogleTest was told."""
    output = case.findtext("system-out") or ""
    found = re.search(r"^SKIPPED: (.*)$", output, re.MULTILINE) or re.search(r"Skipped\n(.+)$", output, re.MULTILINE)
    return found.group(1) if found else "no reason given"


def results_of(test):
    """(name, result, seconds, reason) of each case that the test names (tests/run_cases.py), and of the test where it is only one, or
    has failed without any of them."""
    name = test.get("name")
    result = {"run": "passed", "fail": "failed"}.get(test.get("status"), "skipped")
    kind = name.rsplit(".", 1)[0]
    cases = [(f"{kind}.{case}", how, float(seconds), why) for how, seconds, case, why in CASE.findall(test.findtext("system-out") or "")]
    if not cases or (result == "failed" and all(how != "failed" for _, how, _, _ in cases)):
        cases.append((name, result, float(test.get("time", 0)), reason(test) if result == "skipped" else ""))
    return cases


def last_words(case, build):
    """The end of a failed test's output, but not what it says of each case."""
    lines = CASE.sub("", case.findtext("system-out") or "").rstrip().splitlines()[-SHOWN_LINES:]
    return "\n".join([f"---- {case.get('name')} ({build}) ----", *lines])


def main(paths):
    kinds = collections.defaultdict(collections.Counter)
    seconds = collections.Counter()
    notes = []
    took = []
    for path in paths:
        build = os.path.basename(path).split(".")[0]
        for test in xml.parse(path).getroot().iter("testcase"):
            kind = f"{test.get('name').split('.')[0]} ({build})"
            seconds[kind] += float(test.get("time", 0))
            if test.get("status") == "fail":
                print(last_words(test, build))
            for name, result, length, why in results_of(test):
                kinds[kind][result] += 1
                took.append((length, f"{name} ({build})"))
                if result != "passed":
                    notes.append(f"{result}: {name} ({build})" + (f": {why}" if result == "skipped" else ""))
    print("the longest: " + ", ".join(f"{name} {length:.0f} s" for length, name in sorted(took, reverse=True)[:15]))
    print("\n".join(sorted(notes)))
    total = collections.Counter()
    for kind, counts in sorted(kinds.items()):
        total.update(counts)
        print(f"{kind:18} {counts['passed']:5} passed {counts['failed']:3} failed {counts['skipped']:3} skipped {seconds[kind]:8.1f} s")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


sys.exit(main(sys.argv[1:]))
