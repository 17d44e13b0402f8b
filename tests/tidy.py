#!/usr/bin/python3
"""The rules of the house that a program can check: who includes whom, what the pure rooms may use, and form.

tidy.py [ROOT]      one line per offence, exit code 1 when there is any
"""

import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), ".."))

# What a room may include besides itself. The longest matching prefix of a path is its room.
PURE_BELOW = ["base"]
ENGINE_BELOW = ["base", "proto", "meta", "config", "drbdd/io"]
# What all parts of the engine speak of: it belongs to none of them.
ENGINE_WORDS = [f"drbdd/engine/{word}.h" for word in ("core", "effects", "error_numbers", "events", "settings", "status", "work")]
OUTSIDE_BELOW = [*ENGINE_BELOW, "drbdd/engine"]
HEARTBEAT_BELOW = ["base", "ipc", "config", "heartbeat"]
MAY_INCLUDE = {
    "base": [],
    "proto": PURE_BELOW,
    "meta": PURE_BELOW,
    "config": PURE_BELOW,
    "ipc": ["base"],
    "drbdd/io": ["base", "proto", "meta", "config"],
    "drbdd/engine/rules": PURE_BELOW,
    "drbdd/engine/volume": [*ENGINE_BELOW, *ENGINE_WORDS, "drbdd/engine/rules"],
    "drbdd/engine/peer": [*ENGINE_BELOW, *ENGINE_WORDS, *(f"drbdd/engine/{part}" for part in ("rules", "volume"))],
    "drbdd/engine/requests": [*ENGINE_BELOW, *ENGINE_WORDS, *(f"drbdd/engine/{part}" for part in ("rules", "volume", "peer"))],
    "drbdd/engine/admin": [*ENGINE_BELOW, *ENGINE_WORDS,
                           *(f"drbdd/engine/{part}" for part in ("rules", "volume", "peer", "requests"))],
    "drbdd/engine": [*ENGINE_BELOW, "drbdd/engine"],  # the root: the resource and its step
    "drbdd/runtime": OUTSIDE_BELOW,
    "drbdd/control": [*OUTSIDE_BELOW, "ipc"],
    "nbd-backend": OUTSIDE_BELOW,
    "kmod-shim": OUTSIDE_BELOW,
    "cli": ["base", "ipc", "meta", "config", "drbdd/control/messages.h"],
    "heartbeat": HEARTBEAT_BELOW,  # the assembly
    "heartbeat/wire": ["base", "config"],
    "heartbeat/engine": ["base", "config", "heartbeat/wire"],
    "heartbeat/control": ["base", "ipc", "config"],
    "heartbeat/agents": ["base", "config"],
    "heartbeat/runtime": HEARTBEAT_BELOW,
    "heartbeat/tools": ["base", "ipc", "config", "heartbeat/control"],
}
ENGINE = "drbdd/engine"  # one library
PURE_ROOMS = ("base", "proto", "meta", "heartbeat/wire", "heartbeat/engine",
              *(room for room in MAY_INCLUDE if room.startswith("drbdd/engine")))
FREE_ROOMS = ("drbdd", "tests", "bench")  # drbdd: main.cpp and its assembly

# What still turns round: a device owns what its peer and its application want of it.
BACK_REFERENCES = {
    ("drbdd/engine/volume/device.h", "drbdd/engine/peer/peer_device.h"),
    ("drbdd/engine/volume/device.h", "drbdd/engine/requests/requests.h"),
    ("drbdd/engine/volume/device.cpp", "drbdd/engine/peer/connection.h"),
}

# A state machine that is replayed from a seed has none of these.
IMPURE = re.compile(
    r"#include\s*<(thread|mutex|shared_mutex|condition_variable|atomic|future|semaphore|latch|barrier|stop_token|fstream|"
    r"filesystem|random|ctime|time\.h|unistd\.h|fcntl\.h|poll\.h|pthread\.h|signal\.h|csignal|sys/[^>]+|netinet/[^>]+|"
    r"arpa/[^>]+|netdb\.h|linux/[^>]+|liburing[^>]*|boost/asio[^>]*|libnbd[^>]*)>"
    r"|_clock::now|\brandom_device\b|\bgetenv\b|\bstd::rand\b|\bthread_local\b")
FORBIDDEN = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MAX_LINES = 800

offences = []
used = set()  # of BACK_REFERENCES
names = {}  # (folder, constant or type of a .cpp): the file in which it stands


def offend(path, line, text):
    offences.append(f"{path}:{line}: {text}")


def room_of(path):
    fitting = [room for room in (*MAY_INCLUDE, *FREE_ROOMS) if path.startswith(room + "/")]
    return max(fitting, key=len, default=None)


def check_includes(path, lines):
    room = room_of(path)
    if room not in MAY_INCLUDE:
        return
    for number, line in enumerate(lines, 1):
        found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if not found:
            continue
        target = found.group(1)
        if not os.path.exists(os.path.join(ROOT, target)):
            offend(path, number, f'"{target}" is not a path from the root of the repository')
        elif (path, target) in BACK_REFERENCES:
            used.add((path, target))
        elif room_of(target) != room and not any(target == may or target.startswith(may + "/") for may in MAY_INCLUDE[room]):
            offend(path, number, f'{room} may not include "{target}"')


def check_purity(path, lines):
    if room_of(path) not in PURE_ROOMS:
        return
    for number, line in enumerate(lines, 1):
        found = IMPURE.search(line.split("//")[0])
        if found:
            offend(path, number, f"{room_of(path)} is pure: no {found.group(0)}")


def check_form(path, lines):
    if path.endswith(".h") and "#pragma once" not in lines:
        offend(path, 1, "a header without #pragma once")
    if len(lines) > MAX_LINES:
        offend(path, len(lines), f"more than {MAX_LINES} lines: which second subject lives here?")
    for number, line in enumerate(lines, 1):
        found = FORBIDDEN.search(line)
        if found:
            offend(path, number, f"{found.group(0)}: finish it, or write it into an issue")


def check_names(path, lines):
    """Rooms are compiled as one file (drbdd_together): their constants and types have different names, also the unnamed namespace's."""
    room = room_of(path)
    if room not in MAY_INCLUDE or not path.endswith(".cpp"):
        return
    folder = ENGINE if room.startswith(ENGINE) else os.path.dirname(path)
    for number, line in enumerate(lines, 1):
        found = (re.match(r"(?:inline |static )*(?:constexpr|const) [^=({]*?\b(k[A-Z]\w*)(?:\[\w*\])?(?: = | ?\{|;)", line)
                 or re.match(r"(?:struct|class|enum class) (\w+)[^;]*\{$", line))
        if found and names.setdefault((folder, found.group(1)), path) != path:
            offend(path, number, f"{found.group(1)} stands in {names[folder, found.group(1)]} too, and the two are compiled together")


def check_format(paths):
    formatter = shutil.which("clang-format-14")
    if not formatter:
        print("clang-format-14 is not installed: the formatting was not checked")
        return
    done = subprocess.run([formatter, "--dry-run", "--ferror-limit=1", *paths], cwd=ROOT, capture_output=True, text=True)
    for path in sorted(set(re.findall(r"^(\S+?):\d+:\d+: (?:warning|error): code should be", done.stderr, re.MULTILINE))):
        offend(path, 1, "is not formatted: clang-format-14 -i")


def main():
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--", "*.h", "*.cpp"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout
    paths = [path for path in listed.split("\0") if path and os.path.exists(os.path.join(ROOT, path))]
    if not paths:
        sys.exit(f"{ROOT}: no sources")
    for path in paths:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            lines = file.read().splitlines()
        check_includes(path, lines)
        check_purity(path, lines)
        check_form(path, lines)
        check_names(path, lines)
    for path, target in sorted(BACK_REFERENCES - used):
        offend(path, 1, f'"{target}" is not included any more: take it off the list of back references')
    check_format(paths)
    print("\n".join(offences))
    print(f"{len(paths)} files, {len(offences)} offences")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
