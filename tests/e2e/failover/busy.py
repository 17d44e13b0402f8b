#!/usr/bin/python3
"""Short times on a busy machine: is anybody declared dead who lives? busy.py --minutes 10

The pair runs with keepalive 100 ms and deadtime 400 ms while two processes for each core compute. The service must stay where it
is, the client's rows must go on, and neither node may say that the other one is dead.
"""

import argparse
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from topology import PROGRAMS, Timing, Topology  # noqa: E402
from sandbox import Failed, run  # noqa: E402


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long (%(default)s)")
    return parser.parse_args()


def deaths(node):
    """What this node's log says of dead nodes; the ping node counts as well."""
    with open(os.path.join(node.log_dir, "ha-log"), errors="replace") as log:
        return [line.strip() for line in log if ": is dead" in line]


def busy(work):
    busy.topology = topology = Topology(work, timing=Timing(100, 400))
    topology.up()
    holder = topology.holder()
    before = {node.name: len(deaths(node)) for node in topology.db}
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * os.cpu_count())]
    try:
        end = time.monotonic() + options().minutes * 60
        while time.monotonic() < end:
            time.sleep(5)
            found = [line for node in topology.db for line in deaths(node)[before[node.name]:]]
            if found or topology.holder() is not holder:
                raise Failed(f"somebody was taken for dead: {found}")
            print(f"{end - time.monotonic():4.0f} s left, {len(topology.writer.acked)} rows acknowledged", flush=True)
    finally:
        for process in load:
            process.kill()
    topology.check()
    topology.finish()
    print(f"{options().minutes:.0f} minutes with {len(load)} busy processes on {os.cpu_count()} cores: no false takeover")


busy.topology = None
if __name__ == "__main__":
    run(busy, PROGRAMS, 300 + round(options().minutes * 60), lambda: busy.topology and busy.topology.report())
