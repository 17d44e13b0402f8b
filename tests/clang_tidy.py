#!/usr/bin/python3
"""clang-tidy over the product's sources with the settings of .clang-tidy; each warning counts as a failure.

clang_tidy.py BUILD_DIR     the build directory has the compile commands
"""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))


def warnings_of(source, build):
    done = subprocess.run(["clang-tidy-14", "--quiet", "-p", build, source], capture_output=True, text=True)
    return re.findall(r"^(/\S+:\d+:\d+: (?:warning|error): .*)$", done.stdout, re.MULTILINE)


def main(build):
    if not shutil.which("clang-tidy-14"):
        print("SKIPPED: clang-tidy-14 is not installed")
        return 77
    with open(os.path.join(build, "compile_commands.json")) as file:
        sources = sorted({entry["file"] for entry in json.load(file)})
    sources = [source for source in sources if source.startswith(ROOT) and not source.startswith((f"{ROOT}/tests/", f"{ROOT}/build/"))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = sorted({warning for result in pool.map(lambda source: warnings_of(source, build), sources) for warning in result})
    print("\n".join(warning.removeprefix(ROOT + "/") for warning in found))
    print(f"{len(sources)} files, {len(found)} warnings")
    return 1 if found else 0


sys.exit(main(sys.argv[1]))
