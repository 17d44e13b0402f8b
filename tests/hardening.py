#!/usr/bin/python3
"""The programs that are installed have what the compiler and the linker offer against their mistakes. hardening.py BIN_DIR

Read from the binaries themselves. A program that is not built is left out; without any the test is skipped.
"""

import os
import platform
import re
import subprocess
import sys

SKIPPED = 77
PROGRAMS = ("drbdd", "drbdd-fuse", "drbdd-ublk", "drbdadm", "drbdsetup", "drbdmeta", "heartbeat", "cl_status", "hb_standby",
            "hb_takeover", "hb_status")


def readelf(*words):
    return subprocess.run(["readelf", "--wide", *words], capture_output=True, text=True, check=True).stdout


def missing(path):
    """What this program lacks, in words."""
    header = readelf("-h", path)
    segments = readelf("-l", path)
    dynamic = readelf("-d", path)
    symbols = readelf("--dyn-syms", path)
    stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
    checks = {
        "position independent (PIE)": re.search(r"Type:\s+DYN", header) and "PIE" in dynamic,
        "relocations read-only (RELRO)": "GNU_RELRO" in segments,
        "relocations at start (BIND_NOW)": re.search(r"BIND_NOW|\bNOW\b", dynamic),
        "stack not executable": "RWE" not in stack and "R E" not in stack,
        "stack protector": "__stack_chk_fail" in symbols,
        # The checked form of some function that copies, formats or reads.
        "FORTIFY": re.search(r"__(mem|str|stp|v?s?n?printf|v?fprintf|v?printf|read|pread|recv|poll|realpath|readlink|fgets)\w*_chk",
                             symbols),
        "no library path of the build": "RUNPATH" not in dynamic and "RPATH" not in dynamic,
    }
    if platform.machine() == "x86_64":
        notes = readelf("-n", path)
        commands = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", ".text", path], capture_output=True, text=True,
                                  check=True).stdout
        # The note in the program needs it in every library that is linked statically; the code shows what ours has.
        checks["control-flow protection"] = "IBT" in notes or commands.count("endbr64") > 100
        # A frame of more than a page is probed page by page. (To subtract a negative number gives a frame back.)
        checks["stack clash protection"] = re.search(r"(sub\s+\$0x1000,%rsp\s*\n[^\n]*or[ql]\s+\$0x0,)", commands) or \
            not re.search(r"sub\s+\$0x[1-9a-f][0-9a-f]{4,7},%rsp", commands)
    return [what for what, there in checks.items() if not there]


def main(folder):
    paths = [os.path.join(folder, name) for name in PROGRAMS]
    paths = [path for path in paths if os.path.exists(path)]
    if not paths:
        print("SKIPPED: no program is built")
        return SKIPPED
    bad = 0
    for path in paths:
        lacks = missing(path)
        if lacks:
            print(f"{path} lacks: {', '.join(lacks)}")
            bad += 1
    print(f"{len(paths)} programs, {bad} with gaps")
    return 1 if bad else 0


sys.exit(main(sys.argv[1]))
