#!/usr/bin/python3
"""Heartbeat paths that no other scenario has: IPv6, and a disk that both nodes can write. links.py SCENARIO"""

import os
import subprocess

from duo import DEADTIME, Duo, SOON, expect, main, out_of, until

NET6 = "fd00:77:1::"


def with_ipv6(duo):
    for node, number in ((duo.a, 1), (duo.b, 2)):
        node.run("ip", "-6", "address", "add", f"{NET6}{number}/64", "dev", "eth1", "nodad")
    return duo


def ucast6(work):
    """two nodes by ucast6 alone: they start together, and a crash is a takeover"""
    life(with_ipv6(Duo(work, lambda own, peer: [f"ucast6 eth1 {NET6}{peer}"])), "eth1")


def mcast6(work):
    """two nodes by mcast6 alone, to a group of the link: they start together, and a crash is a takeover"""
    life(with_ipv6(Duo(work, lambda own, peer: ["mcast6 eth1 ff02::77 694 1 0"])), "eth1")


def life(duo, link):
    duo.start_together()
    for node, peer in ((duo.a, duo.b), (duo.b, duo.a)):
        shown = node.run(node.tool("cl_status"), "hblinkstatus", peer.name, link)[1].strip()
        expect(shown == "up", f"{node.name}: link {peer.name}:{link} is {shown}")
    duo.stays(duo.a, 1, "steady state")
    duo.power_off(duo.a)
    duo.holds(duo.b, DEADTIME + SOON, "crash of node-a")
    duo.stop(duo.b)


def disk_keeps_a_partition_from_two_holders(work):
    """a loop device carries the heartbeat: all cables are pulled and nobody takes over; a crash is still a takeover"""
    with open(f"{work}/quorum.img", "wb") as file:
        file.truncate(1 << 20)
    loop = out_of("losetup", "--find", "--show", f"{work}/quorum.img").strip()
    try:
        on_the_disk(work, loop)
    finally:
        subprocess.run(["losetup", "-d", loop], check=False)


def on_the_disk(work, loop):
    duo = Duo(work, policy="disk_heartbeat /dev/shared-disk 8192\n")
    for node in duo.nodes:
        with_disk(node, loop)
    duo.up()
    for node, peer in ((duo.a, duo.b), (duo.b, duo.a)):
        until(lambda node=node, peer=peer: link_of(node, peer) == "up", SOON, f"{node.name} hears nothing on the disk")
    duo.a.cables(False)
    for node in duo.nodes:
        duo.until_alarm(node, "last-link", "Only one path")
    duo.stays(duo.a, 3 * DEADTIME, "all cables are pulled")
    for node, peer in ((duo.a, duo.b), (duo.b, duo.a)):
        expect(duo.member(node, peer), f"{node.name} takes {peer.name} for dead although the disk carries its heartbeat")
    duo.a.cables(True)
    until(lambda: duo.a.run(duo.a.tool("cl_status"), "hblinkstatus", "node-b", "eth1", check=False)[1].strip() == "up", SOON,
          "the cables carry nothing")
    duo.power_off(duo.a)
    duo.holds(duo.b, DEADTIME + SOON, "crash of node-a: what it wrote last is on the disk, and nothing new")
    duo.stop(duo.b)


def with_disk(node, loop):
    number = os.stat(loop).st_rdev
    node.run("mknod", "/dev/shared-disk", "b", str(os.major(number)), str(os.minor(number)))


def link_of(node, peer):
    return node.run(node.tool("cl_status"), "hblinkstatus", peer.name, "/dev/shared-disk", check=False)[1].strip()


def disk_file(work):
    """the disk heartbeat on a plain file that both nodes reach: it keeps them together; it fails, and is used again when it is back"""
    path = f"{work}/heartbeat.img"
    with open(path, "wb") as file:
        file.truncate(64 << 10)
    duo = Duo(work, policy=f"disk_heartbeat {path} 0\n").up()
    duo.b.cables(False)
    duo.until_alarm(duo.b, "last-link", "Only one path")
    duo.stays(duo.a, 2 * DEADTIME, "all cables are pulled")
    duo.b.cables(True)
    until(lambda: duo.a.run(duo.a.tool("cl_status"), "hblinkstatus", "node-b", "eth1", check=False)[1].strip() == "up", SOON,
          "the cables carry nothing")
    os.rename(path, path + ".away")
    with open(path, "wb"):  # node-b does not see it before it opens the file again
        pass
    os.truncate(path + ".away", 0)
    duo.until_alarm(duo.a, "link-down", path, "too small")
    duo.until_alarm(duo.b, "link-down", path)
    os.truncate(path, 64 << 10)
    until(lambda: len(duo.a.log_lines(f"Link node-b:{path} up")) == 2, SOON, "the disk is not used again")
    duo.stays(duo.a, 0.5, "the disk is back")
    duo.stop()


main(ucast6, mcast6, disk_keeps_a_partition_from_two_holders, disk_file, programs=("losetup",))
