#!/usr/bin/python3
"""drbddisk and Filesystem on a replicated device: what they do at a takeover, with the storage's own verdicts."""

import os
import sys
import time

from rig import OWN_AGENTS, ROOT, expect

sys.path.insert(0, os.path.join(ROOT, "tests/e2e/lib"))
from cluster import main  # noqa: E402


def agent(node, name, *argv, code=0, says=""):
    """Runs an agent on a node; its exit code must be `code` (None: any failure), and its text must have this in it."""
    got, out, err = node.run(os.path.join(OWN_AGENTS, name), *argv, check=False, seconds=30)
    fits = got != 0 if code is None else got == code
    expect(fits and says in out + err, f"{node.name}: {name} {argv}: exit {got}\n{out}{err}")
    return out


def configure(cluster):
    for node in cluster.nodes:
        node.run("mount", "--bind", node.config, "/etc/drbd.conf")


def handover(cluster):
    """the resource and its file system go from one node to the other and back, with a file that is written on each"""
    configure(cluster)
    cluster.up(primary=cluster.alpha)
    holder, other = cluster.nodes
    holder.run("mke2fs", "-q", "-t", "ext4", f"{holder.dev_dir}/drbd0")
    for number in range(2):
        device, directory = f"{holder.dev_dir}/drbd0", f"{holder.dir}/mnt"
        agent(holder, "drbddisk", "r0", "start")
        agent(holder, "drbddisk", "r0", "status", says="running (Primary)")
        agent(other, "drbddisk", "r0", "status", code=3, says="stopped (Secondary)")
        agent(holder, "Filesystem", device, directory, "ext4", "start")
        holder.run("sh", "-c", f"echo {number} > {directory}/file{number} && ls {directory}/file{number}")
        agent(other, "drbddisk", "r0", "start", code=1, says="r0 does not become primary")
        agent(holder, "drbddisk", "r0", "stop", code=1, says="held open")
        agent(holder, "Filesystem", device, directory, "ext4", "stop")
        agent(holder, "drbddisk", "r0", "stop")
        holder, other = other, holder


def partner_unheard(cluster):
    """without the replication link a node does not become Primary as long as its partner is alive"""
    configure(cluster)
    cluster.up(primary=cluster.alpha)
    cluster.bridge.cable("bravo", False)
    cluster.alpha.wait(connection="Connecting")
    drbddisk = os.path.join(OWN_AGENTS, "drbddisk")

    def start(partner):
        return cluster.bravo.run("env", f"HA_PARTNER={partner}", drbddisk, "r0", "start", check=False, seconds=30)

    code, out, err = start("alive")
    expect(code == 1 and "may have newer data" in err, f"started without contact to a living partner: {code}\n{out}{err}")
    expect(cluster.bravo.state()[0] == "Secondary", "it has become Primary")
    cluster.bridge.cable("bravo", True)
    cluster.alpha.drbdadm("secondary", "r0")
    code, out, err = start("alive")
    expect(code == 0, f"in contact again, but refused: {code}\n{out}{err}")


def takeover(cluster):
    """the survivor is promoted as soon as the storage agrees; a node whose data are not good says so at once"""
    configure(cluster)
    cluster.up()
    began = time.monotonic()
    agent(cluster.bravo, "drbddisk", "r0", "start", code=1, says="its data are Inconsistent")
    expect(time.monotonic() - began < 3, "the refusal came late")
    cluster.alpha.drbdadm("primary", "--force", "r0")
    cluster.bravo.wait_in_sync()
    cluster.alpha.kill()
    agent(cluster.bravo, "drbddisk", "r0", "start")
    agent(cluster.bravo, "drbddisk", "r0", "status", says="running (Primary)")
    cluster.bravo.run("drbdadm", "secondary", "r0")
    cluster.bravo.run("drbdadm", "down", "r0")
    agent(cluster.bravo, "drbddisk", "r0", "status", code=3, says="stopped")
    agent(cluster.bravo, "drbddisk", "r0", "stop")


main(handover, partner_unheard, takeover)
