#!/usr/bin/python3
"""The story that scripts/demo tells, on a pair in namespaces. Ends with 1 if an acknowledged row is missing."""

import os
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "../tests/e2e/failover"), os.path.join(HERE, "../tests/e2e/lib")]

from topology import MIB, PROGRAMS, SERVICE, Timing, Topology, holdings, rows  # noqa: E402
from cluster import until  # noqa: E402
from sandbox import Failed, run  # noqa: E402

TIMING = Timing(keepalive=200, deadtime=1000)  # milliseconds
started = time.monotonic()


def tell(text):
    print(f"[{time.monotonic() - started:5.1f} s] {text}", flush=True)


class Witness:
    """When each part of the service was first seen on the node that takes over, in seconds after the crash."""

    def __init__(self, node, crash):
        self.node, self.crash = node, crash

    def first(self, part, seconds=60):
        until(lambda: holdings(self.node)[part], seconds, f"{self.node.name} does not get this far: {part}")
        return time.monotonic() - self.crash


def story(work):
    tell("A shop keeps its orders in a database. The database must not stop when a machine dies, and no order may be lost.")
    tell("So there are two machines, db-a and db-b, each with a disk of its own. Only one of them works at a time.")
    tell("  drbdd     writes everything to both disks before it says \"written\"")
    tell(f"  heartbeat lets each machine say \"I am alive\" to the other {1000 // TIMING.keepalive} times a second")
    tell(f"  The shop knows neither machine, only the address {SERVICE}, which belongs to the one that works.")
    topology = story.topology = Topology(work, timing=TIMING)
    topology.up()
    alive, spare = topology.a, topology.b
    tell(f"Both disks ({MIB} MiB) are equal, and db-a works. Two more machines keep a read-only copy of the database (replicas).")
    tell("The shop stores numbered orders, one after the other, and keeps a note of each one that the database has confirmed.")
    time.sleep(5)
    before = len(topology.writer.acked)
    tell(f"  {before} orders are confirmed")

    tell("Now db-a dies, in the middle of the work: power and network are gone at once. Nobody touches anything from here on.")
    crash = time.monotonic()
    alive.power_cut()
    witness = Witness(spare, crash)
    for part, text in (("mounted", "db-b has missed db-a's sign of life, made its own disk the leading one and mounted the files"),
                       ("address", f"the address {SERVICE} belongs to db-b"),
                       ("mysqld", "the database runs on db-b and has repaired what was half done")):
        seconds = witness.first(part)
        tell(f"  {seconds:.1f} s after the crash: {text}")
    waited = topology.writer.interruption(crash, 60)
    tell(f"  The shop goes on. It was without its database for {waited:.1f} s.")
    time.sleep(3)
    tell(f"  {len(topology.writer.acked)} orders are confirmed by now")

    tell("db-a gets its power back and starts like any machine.")
    topology.bring_back(alive)
    topology.in_sync()
    topology.settle()
    tell("  It has copied what it missed, while db-b worked on, and is the spare machine now.")

    tell("The count: is every confirmed order in the database?")
    topology.writer.stop()
    topology.check()
    confirmed, stored = set(topology.writer.acked), rows(topology.holder())
    missing = confirmed - stored
    tell(f"  {len(confirmed)} orders confirmed, {len(missing)} of them missing; both replicas have them all, without any help")
    topology.finish()
    tell("  Stopped in good order: both disks are equal, byte for byte.")
    if missing:
        raise Failed(f"confirmed orders are missing, the first ones are {sorted(missing)[:10]}")
    tell("One machine died. Not one confirmed order was lost.")


story.topology = None
if __name__ == "__main__":
    run(story, PROGRAMS, 300, lambda: story.topology and story.topology.report())
