#!/usr/bin/python3
"""One line per kind of test and per skipped or failed test of ctest's JUnit files; the totals last.

summary.py FILE.xml...      exit code 1 when a test failed
"""

import collections
import os
import re
import sys
import xml.etree.ElementTree as xml


def reason(case):
    """Why a test was skipped: the rest of a line SKIPPED: of a script, or what GoogleTest was told."""
    output = case.findtext("system-out") or ""
    found = re.search(r"^SKIPPED: (.*)$", output, re.MULTILINE) or re.search(r"Skipped\n(.+)$", output, re.MULTILINE)
    return found.group(1) if found else "no reason given"


def main(paths):
    kinds = collections.defaultdict(collections.Counter)
    seconds = collections.Counter()
    notes = []
    for path in paths:
        build = os.path.basename(path).split(".")[0]
        for case in xml.parse(path).getroot().iter("testcase"):
            kind = f"{case.get('name').split('.')[0]} ({build})"
            result = {"run": "passed", "fail": "failed"}.get(case.get("status"), "skipped")
            kinds[kind][result] += 1
            seconds[kind] += float(case.get("time", 0))
            if result != "passed":
                notes.append(f"{result}: {case.get('name')} ({build})" + (f": {reason(case)}" if result == "skipped" else ""))
    print("\n".join(sorted(notes)))
    total = collections.Counter()
    for kind, counts in sorted(kinds.items()):
        total.update(counts)
        print(f"{kind:18} {counts['passed']:5} passed {counts['failed']:3} failed {counts['skipped']:3} skipped {seconds[kind]:8.1f} s")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


sys.exit(main(sys.argv[1:]))
