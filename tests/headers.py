#!/usr/bin/python3
"""Each header compiles alone: it includes what it needs. headers.py BUILD_DIR

Where files are compiled together a header finds by luck what another one has included.
"""

import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))


def flags(build):
    """Where the build looks for headers, and what it defines."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = [shlex.split(entry["command"]) for entry in json.load(file)]
    words = []
    for command in commands:
        for i, word in enumerate(command):
            # A macro with a value belongs to one program.
            found = [word, command[i + 1]] if word == "-isystem" else [word] if re.match(r"-I|-D[A-Z_]+(=\d+)?$", word) else []
            if found and " ".join(found) not in [" ".join(known) for known in words]:
                words.append(found)
    return [word for found in words for word in found]


def complaint(header, options):
    done = subprocess.run(["g++", "-std=c++20", "-fsyntax-only", *options, "-include", header, "-x", "c++", "/dev/null"],
                          cwd=ROOT, capture_output=True, text=True)
    return f"{header}:\n{done.stderr}" if done.returncode else ""


def main(build):
    headers = subprocess.run(["git", "ls-files", "*.h"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    options = flags(build)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = [text for text in pool.map(lambda header: complaint(header, options), headers) if text]
    print("\n".join(complaints))
    print(f"{len(headers)} headers, {len(complaints)} that do not compile alone")
    return 1 if complaints or not headers else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
