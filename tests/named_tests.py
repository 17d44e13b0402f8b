#!/usr/bin/python3
"""The tests that the pages about failover name exist, and each row of the contract's tables names one. named_tests.py SOURCE_DIR

A name with a dot between backticks is Suite.Name of a scenario or unit test, or e2e.FOLDER.FILE.SCENARIO; `Name...` and
`Suite.*` stand for all that begin so, and `.Name` is one more of the name before it. A table of the contract ends with a column "scenario"
or "test".
"""

import fnmatch
import glob
import re
import subprocess
import sys

PAGES = ("docs/design/failover.md", "docs/design/failover-tests.md", "docs/mutants-heartbeat.md")
SOURCES = ("tests/hbsim/*_test.cpp", "tests/unit/**/*.cpp")
SCRIPTS = "tests/e2e/heartbeat/*.py"
NAME = re.compile(r"`((?:e2e\.|[A-Z]\w*\.|\.)[\w.]*[\w*](?:\.\.\.)?)`")


def tests_of(root):
    found = set()
    for path in (path for pattern in SOURCES for path in glob.glob(f"{root}/{pattern}", recursive=True)):
        with open(path, encoding="utf-8") as file:
            found.update(".".join(names) for names in re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", file.read(), re.MULTILINE))
    for path in glob.glob(f"{root}/{SCRIPTS}"):
        with open(path, encoding="utf-8") as file:
            if "\nmain(" not in file.read():
                continue
        name = path.rsplit("/", 1)[1].removesuffix(".py")
        listed = subprocess.run([path, "--list"], capture_output=True, text=True, check=True).stdout
        found.update(f"e2e.heartbeat.{name}.{scenario}" for scenario in listed.split())
        found.update(f"e2e.heartbeat.{scenario}" for scenario in listed.split())  # as ctest calls it
    return found


def missing(page, tests):
    before = ""
    for name in NAME.findall(page):
        whole = name if not name.startswith(".") else before.rsplit(".", 1)[0] + name
        before = whole
        pattern = whole.replace("...", "*")
        if not any(fnmatch.fnmatchcase(test, pattern) for test in tests):
            yield name


def rows_without(page):
    """Rows of the contract in whose last column no test stands."""
    columns = 0
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and cells[-1] in ("scenario", "test"):
            columns = len(cells)
        elif columns and len(cells) == columns and not cells[0].startswith("---") and not NAME.search(cells[-1]):
            yield cells[0]
        elif not cells:
            columns = 0


def main():
    root = sys.argv[1]
    tests = tests_of(root)
    wrong = []
    for path in PAGES:
        with open(f"{root}/{path}", encoding="utf-8") as file:
            page = file.read()
        wrong += [f"{path}: there is no test {name}" for name in missing(page, tests)]
        wrong += [f"{path}: no test shows: {row}" for row in rows_without(page)]
    print("\n".join(wrong) or f"{len(tests)} tests, and all names are of one of them")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
