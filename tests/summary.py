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


def reason(case):
    """Why a test was skipped: the rest of a line SKIPPED: of a script, or what GoogleTest was told."""
    output = case.findtext("system-out") or ""
    found = re.search(r"^SKIPPED: (.*)$", output, re.MULTILINE) or re.search(r"Skipped\n(.+)$", output, re.MULTILINE)
    return found.group(1) if found else "no reason given"


def last_words(case, build):
    """The end of a failed test's output."""
    lines = (case.findtext("system-out") or "").rstrip().splitlines()[-SHOWN_LINES:]
    return "\n".join([f"---- {case.get('name')} ({build}) ----", *lines])


def main(paths):
    kinds = collections.defaultdict(collections.Counter)
    seconds = collections.Counter()
    notes = []
    took = []
    for path in paths:
        build = os.path.basename(path).split(".")[0]
        for case in xml.parse(path).getroot().iter("testcase"):
            kind = f"{case.get('name').split('.')[0]} ({build})"
            result = {"run": "passed", "fail": "failed"}.get(case.get("status"), "skipped")
            kinds[kind][result] += 1
            seconds[kind] += float(case.get("time", 0))
            took.append((float(case.get("time", 0)), f"{case.get('name')} ({build})"))
            if result == "failed":
                print(last_words(case, build))
            if result != "passed":
                notes.append(f"{result}: {case.get('name')} ({build})" + (f": {reason(case)}" if result == "skipped" else ""))
    print("the longest: " + ", ".join(f"{name} {length:.0f} s" for length, name in sorted(took, reverse=True)[:15]))
    print("\n".join(sorted(notes)))
    total = collections.Counter()
    for kind, counts in sorted(kinds.items()):
        total.update(counts)
        print(f"{kind:18} {counts['passed']:5} passed {counts['failed']:3} failed {counts['skipped']:3} skipped {seconds[kind]:8.1f} s")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


sys.exit(main(sys.argv[1:]))
