#!/usr/bin/python3
"""Which resync comes first, which disk is read, and who waits for a slow link. order.py SCENARIO"""

import itertools
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import main, until  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed  # noqa: E402

MIB = 32
RATE = "c-plan-ahead 0; resync-rate 8M;"


def edit(cluster, old, new):
    """The file of both nodes."""
    with open(cluster.alpha.config) as file:
        text = file.read()
    if old not in text:
        raise Failed(f"the configuration has no {old}")
    with open(cluster.alpha.config, "w") as file:
        file.write(text.replace(old, new))


def suspended(node, volume):
    return node.status()["connections"][0]["peer_devices"][volume]["resync-suspended"]


def resync_after(cluster):
    """a volume whose resync comes after another one's waits for that on either node, and no more when the order is taken back"""
    alpha, bravo = cluster.alpha, cluster.bravo
    edit(cluster, "disk {  }", f"disk {{ {RATE} }}")
    edit(cluster, "minor 1;", "minor 1; disk { resync-after r0/0; }")
    for node in cluster.nodes:
        node.drbdadm("create-md", "--force", "r0")
        node.drbdadm("up", "r0")
    alpha.wait(connection="Connected")
    alpha.drbdadm("primary", "--force", "r0")
    alpha.wait(volume=0, replication="SyncSource")
    bravo.wait(volume=1, replication="PausedSyncT")
    if suspended(alpha, 0) != "no" or "dependency" not in suspended(alpha, 1) or "dependency" not in suspended(bravo, 1):
        raise Failed(f"{suspended(alpha, 0)}; {suspended(alpha, 1)}; {suspended(bravo, 1)}")
    out = bravo.run("drbdsetup", "show", "r0")[1]
    if "resync-after" not in out:
        raise Failed(f"drbdsetup show: {out}")
    bravo.wait(volume=0, replication="Established", seconds=60)
    bravo.wait(volume=1, replication="SyncTarget", seconds=10)
    for volume in (0, 1):
        bravo.wait_in_sync(volume=volume)
    # Without the order it goes on at once.
    bravo.drbdadm("invalidate", "r0/0")
    bravo.drbdadm("invalidate", "r0/1")
    bravo.wait(volume=1, replication="PausedSyncT")
    edit(cluster, " disk { resync-after r0/0; }", "")
    for node in cluster.nodes:
        node.drbdadm("adjust", "r0")
    bravo.wait(volume=1, replication="SyncTarget", seconds=2)
    bravo.wait(volume=0, replication="SyncTarget", seconds=1)
    for volume in (0, 1):
        bravo.wait_in_sync(volume=volume)
    alpha.drbdadm("secondary", "r0")
    for volume in (0, 1):
        cluster.compare(volume)


def read_from_peer(node):
    """KiB that the node has got from its peer."""
    return node.status()["connections"][0]["peer_devices"][0]["received"]


def balanced_reads(cluster):
    """read-balancing is changed online; what is read from the peer is what was written, and goes on without it"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    writer = NumberedWriter(alpha.nbd(), 1024, seed=7)
    writer.start()
    until(lambda: len(writer.acked) > 200, 20, "writes")
    before = read_from_peer(alpha)
    if before:
        raise Failed(f"{before} KiB were read from the peer")
    for mode in ("prefer-remote", "256K-striping", "round-robin"):
        last = next(line for line in open(alpha.config) if line.startswith("  disk {"))
        edit(cluster, last, f"  disk {{ read-balancing {mode}; }}\n")
        alpha.drbdadm("adjust", "r0")
        before = read_from_peer(alpha)
        alpha.run("nbdcopy", "--no-extents", alpha.nbd(), "null:")  # holes are read, too
        got = read_from_peer(alpha) - before
        if got < (4 << 10) or (mode != "prefer-remote" and got > (MIB << 10) * 3 // 4):
            raise Failed(f"{mode}: {got} KiB were read from the peer")
    cluster.bridge.cable("bravo", False)
    alpha.wait(connection="Connecting", seconds=30)
    alpha.run("nbdcopy", "--no-extents", alpha.nbd(), "null:")  # holes are read, too
    cluster.bridge.cable("bravo", True)
    for node in cluster.nodes:
        node.wait_in_sync()
    writer.stop()
    writer.check(alpha.nbd())
    alpha.drbdadm("secondary", "r0")
    cluster.compare()


def logged(node, text):
    with open(node.daemon_log) as log:
        return text in log.read()


def pulls_ahead(cluster):
    """on-congestion pull-ahead: writes go on without the peer, which is Outdated meanwhile, and are brought to it afterwards"""
    alpha, bravo = cluster.alpha, cluster.bravo
    edit(cluster, "protocol C;", "protocol A; on-congestion pull-ahead; congestion-fill 64K;")
    cluster.up(primary=alpha)
    for volume in (0, 1):
        bravo.wait_in_sync(volume=volume)
    for node in cluster.nodes:
        node.shape(200_000)
    offsets = iter(range(0, 16 << 20, 4096))

    def ahead():
        alpha.write_random(list(itertools.islice(offsets, 64)))
        return logged(alpha, "conn( Connected -> Ahead )")

    until(ahead, 60, "alpha does not pull ahead")
    until(lambda: logged(bravo, "conn( Connected -> Behind ) disk( UpToDate -> Outdated )"), 60, "bravo does not fall behind")
    for node in cluster.nodes:
        node.shape(20_000_000)
    for node in cluster.nodes:
        node.wait_in_sync(seconds=90)
    alpha.drbdadm("secondary", "r0")
    cluster.compare()


main(resync_after, balanced_reads, pulls_ahead, programs=("nbdcopy",), mib=MIB, volumes=2)
