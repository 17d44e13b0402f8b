#!/usr/bin/python3
"""systemd understands every line of our units, and they have no more rights than they need. systemd_units.py SOURCE_DIR"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
# What `systemd-analyze security` says at most; docs/security.md has what makes it up. heartbeat starts the services of its node.
EXPOSURE = {"drbdd.service": 50}


# heartbeat(8), kill -9: a new daemon comes before the partner misses the old one (deadtime may be a second), also when a
# replacement has failed (exit 1), never with a configuration that is wrong (6); what the old one had at work goes on.
LONGEST_PAUSE = 0.3
UNITS = {"us": 1e-6, "ms": 1e-3, "": 1, "s": 1, "sec": 1}


def seconds(text):
    found = re.fullmatch(r"([\d.]+)\s*([a-z]*)", text)
    return float(found[1]) * UNITS[found[2]] if found and found[2] in UNITS else float("inf")


def wrong_about_restart(text):
    section = re.search(r"^\[Service\]$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)[1]
    set_to = dict(re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE))
    wrong = []
    if set_to.get("Restart") not in ("on-failure", "always"):
        wrong.append(f"Restart={set_to.get('Restart')}")
    if seconds(set_to.get("RestartSec", "")) > LONGEST_PAUSE:
        wrong.append(f"RestartSec={set_to.get('RestartSec')}")
    if set_to.get("RestartPreventExitStatus") != "6":
        wrong.append(f"RestartPreventExitStatus={set_to.get('RestartPreventExitStatus')}")
    if set_to.get("KillMode") != "process":
        wrong.append(f"KillMode={set_to.get('KillMode')}")
    return wrong


def main(source):
    with open(os.path.join(source, "packaging/systemd/heartbeat.service.in")) as file:
        text = file.read()
    spoilt = [text.replace(*change) for change in (("=100ms", "=5"), ("=100ms", "="), ("=on-failure", "=no"), ("=6", "=1 6"), ("=process", "=mixed"))]
    if wrong := wrong_about_restart(text):
        print(f"heartbeat.service: a daemon that was killed is not replaced as it must be: {wrong}")
        return 1
    if not all(wrong_about_restart(each) for each in spoilt):
        print("systemd_units.py itself notices nothing")
        return 1
    if not shutil.which("systemd-analyze"):
        print("SKIPPED: systemd-analyze is not installed")
        return SKIPPED
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in glob.glob(os.path.join(source, "packaging/systemd/*.service.in")):
            with open(path) as file:
                text = file.read()
            # The programs are not installed where the tests run.
            copy = os.path.join(folder, os.path.basename(path).removesuffix(".in"))
            with open(copy, "w") as file:
                file.write(re.sub(r"^(Exec\w+=-?)@\w+@/[\w/-]+", r"\1/bin/true", text, flags=re.MULTILINE))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
            complaints = [line for line in done.stderr.splitlines() if os.path.basename(copy) in line]
            if done.returncode or complaints:
                print(f"{path}:\n{done.stderr}")
                bad += 1
            limit = EXPOSURE.get(os.path.basename(copy))
            if limit is not None:
                done = subprocess.run(["systemd-analyze", "security", "--offline=yes", f"--threshold={limit}", copy],
                                      capture_output=True, text=True)
                if done.returncode:
                    print(f"{path}: {done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr}")
                    bad += 1
    return 1 if bad else 0


sys.exit(main(sys.argv[1]))
