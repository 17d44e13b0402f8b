#!/usr/bin/python3
"""Metadata on a device of its own: all of it, or a slot. metadata.py SCENARIO"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import compare, main  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed  # noqa: E402

MIB = 1 << 20
VOLUMES = 2
DATA = 64 * MIB  # all of the data device


def place(cluster, statement, mib, files=VOLUMES, nodes=None):
    """`statement(file, volume)` instead of internal metadata, with as many files for it on each of the nodes. Both nodes'
    configurations are one: a line of a node is known by its backing disk."""
    with open(cluster.alpha.config) as file:
        text = file.read()
    for node in nodes or cluster.nodes:
        for number in range(files):
            with open(os.path.join(node.dir, f"meta{number}.img"), "wb") as file:
                file.truncate(mib * MIB)
        for volume, disk in enumerate(cluster.disks[node.name]):
            path = os.path.join(node.dir, f"meta{volume % files}.img")
            text = text.replace(f"disk {disk}; meta-disk internal;", f"disk {disk}; {statement(path, volume)}")
    with open(cluster.alpha.config, "w") as file:
        file.write(text)


def life(cluster, size=DATA):
    """Up, write, crash of the Primary, replay of its log, resync, down, up again."""
    cluster.up(primary=cluster.alpha)
    for node in cluster.nodes:
        for volume in range(VOLUMES):
            node.wait_in_sync(volume=volume)
    for volume in range(VOLUMES):
        cluster.alpha.write_random(range(0, 16 * MIB, 65536), minor=volume)
    dead, alive = cluster.nodes
    writer = NumberedWriter(dead.nbd(), 8192, 1)
    writer.start()
    time.sleep(1.5)
    dead.kill()
    writer.join(10)
    if writer.is_alive() or not writer.error:
        raise Failed("the client did not notice that its node died")
    alive.drbdadm("primary", "r0")
    writer.check(alive.nbd())
    for volume in range(VOLUMES):
        alive.write_random(range(0, 8 * MIB, 32768), minor=volume)
    dead.boot()
    dead.drbdadm("up", "r0")
    for volume in range(VOLUMES):
        for node in cluster.nodes:
            node.wait_in_sync(volume=volume)
    alive.drbdadm("secondary", "r0")
    cluster.down()
    for volume in range(VOLUMES):
        compare(*(cluster.disks[node.name][volume] for node in cluster.nodes), length=size)
        line = dead.drbdadm("get-gi", f"r0/{volume}")[1].strip()
        fields = line.split(":")  # consistent, up to date, not Primary, no full sync, and nothing differs
        if fields[4:7] + fields[8:9] != ["1", "1", "0", "0"] or fields[1] != "0" * 16:
            raise Failed(f"the metadata of volume {volume} after all that: {line}")
    for node in cluster.nodes:
        node.drbdadm("up", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()


def flexible(cluster):
    """all of a device for the metadata of a volume: the data have all of theirs; a crash is repaired from its log"""
    place(cluster, lambda path, volume: f"flexible-meta-disk {path};", 1)
    life(cluster)
    size = next(device["size"] for device in cluster.alpha.status()["devices"])
    if size * 1024 != DATA:
        raise Failed(f"the device has {size} KiB")
    cluster.alpha.expect_refusal("drbdmeta", "--force", "0", "v08", f"{cluster.alpha.dir}/meta0.img", "flex-external",
                                 "get-gi", code=20, says=["configured"])


def indexed(cluster):
    """two volumes have slots of one device: each its own log and bitmap; a free slot can be looked at, one in use not"""
    place(cluster, lambda path, volume: f"meta-disk {path} [{1 - volume}];", 384, files=1)
    life(cluster)
    look = ("drbdmeta", "--force", "7", "v08", f"{cluster.alpha.dir}/meta0.img")
    cluster.alpha.expect_refusal(*look, "1", "get-gi", code=20, says=["configured"])
    cluster.alpha.run(*look, "2", "create-md")
    cluster.alpha.run(*look, "2", "get-gi")
    cluster.alpha.drbdadm("detach", "r0/1")
    cluster.alpha.run(*look, "0", "get-gi")
    cluster.alpha.drbdadm("attach", "r0/1")
    cluster.alpha.wait_in_sync(volume=1)


def mixed(cluster):
    """external metadata here and internal there: the device is as large as the smaller one"""
    place(cluster, lambda path, volume: f"meta-disk {path};", 1, nodes=[cluster.bravo])
    life(cluster, size=DATA - 2 * 4096 - 8 * 4096)


main(flexible, indexed, mixed, mib=64, volumes=VOLUMES, net="protocol C; timeout 30; ping-int 2; ping-timeout 5; connect-int 1;")
