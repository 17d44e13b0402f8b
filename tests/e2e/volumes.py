#!/usr/bin/python3
"""Volumes that come to a resource which runs, and go from it. volumes.py SCENARIO"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import configuration, main, until  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed  # noqa: E402


def write_file(cluster, volumes):
    with open(cluster.alpha.config, "w") as file:
        file.write(configuration(cluster.NAMES, cluster.disks, volumes=volumes))


def numbers(node):
    return [device["volume"] for device in node.status()["devices"]]


def expect_volumes(cluster, wanted):
    for node in cluster.nodes:
        if numbers(node) != wanted:
            raise Failed(f"{node.name} has the volumes {numbers(node)}, not {wanted}")


def device(node, minor):
    return os.path.join(node.dev_dir, f"drbd{minor}")


def connection_number(node):
    """Another one after each connect."""
    return node.run("sh", "-c", "ss -Hnt state established '( sport = :7788 or dport = :7788 )' | awk '{print $3,$4}' | sort")[1]


def added_under_load(cluster):
    """adjust on both nodes adds a volume, and takes it away again, under a load on the other one that notices nothing"""
    alpha, bravo = cluster.alpha, cluster.bravo
    write_file(cluster, 1)
    cluster.up(primary=alpha)
    sockets = connection_number(alpha)
    writer = NumberedWriter(alpha.nbd(), 4096, seed=3)
    writer.start()
    write_file(cluster, 2)
    for node in (bravo, alpha):
        node.drbdadm("create-md", "--force", "r0/1")
        node.drbdadm("adjust", "r0")
        node.drbdadm("adjust", "r0")
    for node in cluster.nodes:
        node.wait(volume=1, connection="Connected", disk="Inconsistent", peer_disk="Inconsistent")
    alpha.drbdadm("new-current-uuid", "--clear-bitmap", "r0/1")
    bravo.wait_in_sync(volume=1)
    alpha.drbdadm("primary", "r0")
    if not os.path.exists(device(alpha, 1)):
        raise Failed(f"alpha has no {device(alpha, 1)}")
    alpha.write_random(range(0, 4 << 20, 65536), minor=1)
    until(lambda: len(writer.acked) > 300, 20, "writes")
    writer.stop()
    cluster.compare(0)
    cluster.compare(1)
    if connection_number(alpha) != sockets:
        raise Failed("the connection was made anew")
    write_file(cluster, 1)
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "adjust", "r0", code=10, says=["volume 1", "secondary"])
    expect_volumes(cluster, [0, 1])
    alpha.drbdadm("secondary", "r0")
    for node in cluster.nodes:
        node.drbdadm("adjust", "r0")
    expect_volumes(cluster, [0])
    if connection_number(alpha) != sockets:
        raise Failed("the connection was made anew")
    left = [name for node in cluster.nodes for name in os.listdir(node.dev_dir) if name == "drbd1"]
    left += [name for node in cluster.nodes for name in os.listdir(node.run_dir) if name == "drbd1.nbd"]
    if left:
        raise Failed(f"left of the volume: {left}")
    alpha.drbdadm("primary", "r0")
    alpha.write_random(range(0, 2 << 20, 65536))
    cluster.compare(0)


def one_by_one(cluster):
    """a resource without volumes connects; new-minor and attach on both sides give it two; del-minor takes one away"""
    nodes = cluster.nodes
    addresses = dict(cluster.NAMES)
    for node, peer in zip(nodes, reversed(nodes)):
        node.drbdadm("create-md", "--force", "r0")
        node.run("drbdsetup", "new-resource", "r0")
        node.run("drbdsetup", "connect", "r0", f"ipv4:{addresses[node.name]}:7788", f"ipv4:{addresses[peer.name]}:7788", "--protocol=C")
    for node in nodes:
        until(lambda: node.status()["connections"][0]["connection-state"] == "Connected", 20, f"{node.name}'s connection")
        if node.status()["devices"]:
            raise Failed("volumes of nobody")
    sockets = connection_number(cluster.alpha)
    for volume in (1, 0):
        for node in nodes:
            disk = cluster.disks[node.name][volume]
            node.run("drbdsetup", "new-minor", "r0", str(volume), str(volume))
            node.run("drbdsetup", "attach", str(volume), disk, disk, "internal")
    for node in nodes:
        for volume in (0, 1):
            node.wait(volume=volume, connection="Connected", disk="Inconsistent")
    cluster.alpha.drbdadm("primary", "--force", "r0")
    for node in nodes:
        for volume in (0, 1):
            node.wait_in_sync(volume=volume)
    cluster.alpha.write_random(range(0, 2 << 20, 65536), minor=1)
    cluster.compare(1)
    cluster.alpha.expect_refusal("drbdsetup", "del-minor", "1", code=10)
    cluster.alpha.run("drbdsetup", "secondary", "1")
    for node in nodes:
        node.expect_refusal("drbdsetup", "del-minor", "1", code=10)
        node.run("drbdsetup", "detach", "1")
        node.run("drbdsetup", "del-minor", "1")
    expect_volumes(cluster, [0])
    if connection_number(cluster.alpha) != sockets:
        raise Failed("the connection was made anew")


main(added_under_load, one_by_one, programs=("ss",), mib=32, volumes=2)
