#!/usr/bin/python3
"""Heartbeat paths that no other scenario has: IPv6, and a disk that both nodes can write. links.py SCENARIO"""

import errno
import fcntl
import os
import struct
import subprocess

from duo import DEADTIME, Duo, SOON, expect, main, out_of, until

NET6 = "fd00:77:1::"
LOOP_SET_STATUS64, LOOP_GET_STATUS64 = 0x4C04, 0x4C05  # linux/loop.h, with struct loop_info64
LOOP_INFO, LOOP_SIZELIMIT_AT = 232, 32


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
    duo.check()


def disk_keeps_a_partition_from_two_holders(work):
    """a loop device carries the heartbeat: all cables are pulled and nobody takes over; it fails and returns; a crash is a takeover"""
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
    ends_at(loop, 512)  # as a disk that fails
    for node in duo.nodes:
        duo.until_alarm(node, "link-down", "Medium /dev/shared-disk failed")
    ends_at(loop, 0)
    until(lambda: link_of(duo.a, duo.b) == link_of(duo.b, duo.a) == "up", SOON, "the disk is not used again")
    duo.power_off(duo.a)
    duo.holds(duo.b, DEADTIME + SOON, "crash of node-a: what it wrote last is on the disk, and nothing new")
    duo.check()


def ends_at(loop, size):
    """The device has this size from now on; 0: that of its file. Not by the file's own size: a write of a node that comes
    before the device has taken it over makes the file longer again, and the disk has never failed."""
    with open(loop, "rb") as device:
        status = bytearray(LOOP_INFO)
        fcntl.ioctl(device, LOOP_GET_STATUS64, status)
        struct.pack_into("Q", status, LOOP_SIZELIMIT_AT, size)
        until(lambda: is_taken(device, status), SOON, f"{loop} does not take its new size")


def is_taken(device, status):
    try:
        fcntl.ioctl(device, LOOP_SET_STATUS64, bytes(status))
    except OSError as error:
        if error.errno != errno.EAGAIN:  # somebody has read it through the page cache
            raise
        return False
    return True


def with_disk(node, loop):
    number = os.stat(loop).st_rdev
    node.run("mknod", "/dev/shared-disk", "b", str(os.major(number)), str(os.minor(number)))


def link_of(node, peer):
    return node.run(node.tool("cl_status"), "hblinkstatus", peer.name, "/dev/shared-disk", check=False)[1].strip()


main(ucast6, mcast6, disk_keeps_a_partition_from_two_holders, programs=("losetup",))
