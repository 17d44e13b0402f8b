#!/usr/bin/python3
"""Backing disks that answer late, or hang: what administrators hear, and what becomes of it. slow_disks.py SCENARIO"""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

import nbd_client  # noqa: E402
from cluster import main, until  # noqa: E402
from sandbox import Failed  # noqa: E402
from slow_disk import SlowDisk  # noqa: E402


def up(cluster):
    """In sync, with alpha Primary. Each operation of this disk takes a few programs: it may be late also when it is not slow."""
    cluster.up()
    until(lambda: cluster.alpha.drbdadm("primary", "--force", "r0", check=False)[0] == 0, 20, "no promotion")
    for node in cluster.nodes:
        for volume in (0, 1):
            node.wait_in_sync(volume=volume)


def slow_attach(cluster):
    """an attach takes as long as the disk, says so, and the daemon and another volume live on; detach ends it for good"""
    alpha = cluster.alpha
    disk = SlowDisk(cluster, alpha)
    up(cluster)
    alpha.drbdadm("detach", "r0/0")
    disk.set("SLOW", True)
    goes_on(alpha, "attach", "r0/0")
    alpha.write_random([0], minor=1)
    disk.set("SLOW", False)
    alpha.wait_in_sync()
    alpha.write_random([0, 4096])
    cluster.bravo.wait_in_sync()

    alpha.drbdadm("detach", "r0/0")
    disk.set("SLOW", True)
    goes_on(alpha, "attach", "r0/0")
    alpha.run("drbdadm", "-c", alpha.config, "detach", "r0/0", check=False)
    alpha.wait(disk="Diskless", seconds=20)
    disk.set("SLOW", False)
    time.sleep(3)
    if alpha.state()[3] != "Diskless":
        raise Failed("the disk came back by itself")
    alpha.drbdadm("attach", "r0/0")
    alpha.wait_in_sync()


def slow_roles(cluster):
    """primary, secondary and outdate on a slow disk: the disk is named, not the peer, and what goes on says so"""
    alpha, bravo = cluster.alpha, cluster.bravo
    disk = SlowDisk(cluster, alpha)
    up(cluster)
    alpha.drbdadm("secondary", "r0")
    changes_role(alpha, disk)

    bravo.drbdadm("down", "r0")
    alpha.wait(connection="Connecting", seconds=20)
    time.sleep(1)  # what that has to store
    disk.set("SLOW", True)
    goes_on(alpha, "outdate", "r0/0")
    disk.set("SLOW", False)
    alpha.wait(disk="Outdated", seconds=20)
    until(lambda: alpha.drbdadm("outdate", "r0/0", check=False)[0] == 0, 20, "outdate does not come to an end")
    bravo.drbdadm("up", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()

    bravo.drbdadm("down", "r0")
    alpha.wait(connection="Connecting", seconds=20)
    changes_role(alpha, disk)


def changes_role(node, disk):
    for command, role in (("primary", "Primary"), ("secondary", "Secondary")):
        time.sleep(1)  # what the last change has to store
        disk.set("SLOW", True)
        goes_on(node, command, "r0")
        node.wait(role=role, seconds=20)
        disk.set("SLOW", False)
        until(lambda: node.drbdadm(command, "r0", check=False)[0] == 0, 20, f"{command} does not come to an end")


def goes_on(node, *command):
    """The answer is "still waiting", and blames nobody but the disk."""
    text = node.expect_refusal("drbdadm", "-c", node.config, *command, code=11,
                               says=("still waiting for the local disk of volume 0", "may still happen"))
    if "peer" in text:
        raise Failed(f"{command[0]}: the peer is blamed: {text}")


def hung_disk(cluster):
    """detach --force on a disk that hangs: answered at once, the waiting requests go through the peer; not lent out before it answers"""
    alpha = cluster.alpha
    disk = SlowDisk(cluster, alpha)
    up(cluster)
    disk.set("HANG", True)
    writer = threading.Thread(target=alpha.write_random, args=([block << 12 for block in range(64)],))
    writer.start()
    time.sleep(1)
    if not writer.is_alive():
        raise Failed("the disk does not hang")
    before = time.monotonic()
    alpha.drbdadm("detach", "--force", "r0/0")
    writer.join(3)
    took = time.monotonic() - before
    if writer.is_alive() or took > 2:
        raise Failed(f"requests wait for a disk that was detached by force: {took:.1f} s")
    alpha.wait(disk="Diskless", seconds=1)
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "attach", "r0/0", says=("detached by force",))
    alpha.write_random([1 << 20, 2 << 20])
    disk.set("HANG", False)
    until(lambda: alpha.drbdadm("attach", "r0/0", check=False)[0] == 0, 30, "the disk stays claimed")
    for node in cluster.nodes:
        node.wait_in_sync()
    handle = nbd_client.connect(alpha.nbd())
    handle.pread(1 << 20, 0)
    handle.shutdown()
    alpha.drbdadm("secondary", "r0")
    cluster.compare()


main(slow_attach, slow_roles, hung_disk, programs=("nbdfuse", "nbdkit"), mib=16, volumes=2)
