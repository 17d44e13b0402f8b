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


def main(source):
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
