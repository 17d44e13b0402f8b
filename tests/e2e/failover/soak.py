#!/usr/bin/python3
"""Random crashes of the MySQL pair's holder under load, one after the other. soak.py --rounds 100

Each round waits a random time, kills the holder or cuts its power, demands that the client goes on at the other node, lets the
dead one come back, and demands every acknowledged row on the holder and on both replicas. At the end both disks are equal.
"""

import argparse
import os
import random
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from failures import KIND, lose  # noqa: E402
from topology import PROGRAMS, Topology  # noqa: E402
from sandbox import run  # noqa: E402

ROUND_S = 60  # far more than one takes


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="how many crashes (%(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random choices (default: the time)")
    return parser.parse_args()


def soak(work):
    chosen = options()
    dice = random.Random(chosen.seed)
    print(f"seed {chosen.seed}", flush=True)
    soak.topology = topology = Topology(work, KIND)
    topology.up()
    waits = []
    for number in range(chosen.rounds):
        time.sleep(dice.uniform(0, 3))
        faults = {"killed": lambda node: node.kill(), "power cut": lambda node: node.power_cut()}
        name = dice.choice(sorted(faults))
        victim = topology.holder().name
        waits.append(lose(topology, faults[name], seconds=dice.choice((0, 0, 2))))
        topology.check()
        print(f"round {number + 1}: {victim} {name}, {waits[-1]:.2f} s without the database, "
              f"{len(topology.writer.acked)} rows acknowledged", flush=True)
    topology.finish()
    print(f"{chosen.rounds} crashes, no acknowledged row lost; without the database: median {statistics.median(waits):.2f} s, "
          f"longest {max(waits):.2f} s")


soak.topology = None
if __name__ == "__main__":
    chosen_rounds = options().rounds
    run(soak, PROGRAMS, 120 + ROUND_S * chosen_rounds, lambda: soak.topology and soak.topology.report())
