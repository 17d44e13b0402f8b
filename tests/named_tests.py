#!/usr/bin/python3
"""The tests that the pages about failover name exist. named_tests.py SOURCE_DIR

A name with a dot between backticks is Suite.Name of a scenario or unit test, or e2e.FOLDER.FILE.SCENARIO; `Name...` and
`Suite.*` stand for all that begin so, and `.Name` is one more of the name before it.
"""

import fnmatch
import glob
import re
import subprocess
import sys

PAGES = ("docs/design/failover.md", "docs/design/failover-tests.md")
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


def main():
    root = sys.argv[1]
    tests = tests_of(root)
    wrong = []
    for path in PAGES:
        with open(f"{root}/{path}", encoding="utf-8") as file:
            wrong += [f"{path}: there is no test {name}" for name in missing(file.read(), tests)]
    print("\n".join(wrong) or f"{len(tests)} tests, and all names are of one of them")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
