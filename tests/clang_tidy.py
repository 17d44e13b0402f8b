#!/usr/bin/python3
"""clang-tidy over the product's sources with the settings of .clang-tidy; each warning counts as a failure.

clang_tidy.py BUILD_DIR     the build directory has the compile commands
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

from headers import flags

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))


def warnings_of(source, options):
    done = subprocess.run(["clang-tidy-14", "--quiet", source, "--", "-std=c++20", *options], cwd=ROOT, capture_output=True, text=True)
    return re.findall(r"^(/\S+:\d+:\d+: (?:warning|error): .*)$", done.stdout, re.MULTILINE)


def main(build):
    if not shutil.which("clang-tidy-14"):
        print("SKIPPED: clang-tidy-14 is not installed")
        return 77
    # Not the files of the build, which are several of ours together.
    listed = subprocess.run(["git", "ls-files", "*.cpp"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    sources = [source for source in listed if not source.startswith(("tests/", "bench/"))]
    options = flags(build)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = sorted({warning for result in pool.map(lambda source: warnings_of(source, options), sources) for warning in result})
    print("\n".join(warning.removeprefix(ROOT + "/") for warning in found))
    print(f"{len(sources)} files, {len(found)} warnings")
    return 1 if found else 0


sys.exit(main(sys.argv[1]))
