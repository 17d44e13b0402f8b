#!/usr/bin/python3
"""Online verify with the unmodified in-kernel DRBD 8.4, begun by either node. verify.py SCENARIO"""

import re

from pair import NET, main
from cluster import until  # noqa: E402
from sandbox import Failed

SPOILED = (700, 701, 9000)  # blocks of 4 KiB
KIB = 4 * len(SPOILED)


def in_sync(pair):
    pair.up()
    pair.kernel.wait(cs="Connected")
    pair.kernel.drbdadm("primary", "--force", "r0")
    pair.settled("Primary/Secondary")
    pair.kernel_writes(0, 500)


def spoil(pair):
    """Some blocks of our disk are others while nobody looks."""
    pair.ours.drbdadm("down", "r0")
    with open(pair.our_image, "r+b") as file:
        for block in SPOILED:
            file.seek(block * 4096 + 5)
            file.write(b"spoiled")
    pair.ours.drbdadm("up", "r0")
    pair.settled("Primary/Secondary")


def expect_found(pair, kib, verifies):
    """By both, when the verify is over: the `verifies`-th that the kernel tells of."""
    until(lambda: pair.kernel.dmesg().count("Online verify done") == verifies, 120, "the kernel's verify does not end")
    pair.kernel.wait(cs="Connected")
    pair.ours.wait(replication="Established", seconds=20)
    theirs = int(re.search(r"oos:(\d+)", pair.kernel.run("cat /proc/drbd")[1]).group(1))
    ours = pair.ours.status()["connections"][0]["peer_devices"][0]["out-of-sync"]
    if (theirs, ours) != (kib, kib):
        raise Failed(f"{theirs} KiB out of sync for the kernel, {ours} for us, wanted {kib}")


def heal(pair):
    pair.kernel.drbdadm("disconnect", "r0")
    pair.kernel.drbdadm("connect", "r0")
    pair.settled("Primary/Secondary")


def begun_by_the_kernel(pair):
    """a verify of the kernel's finds what differs on our disk, and marks it on both; the next connect heals it"""
    in_sync(pair)
    spoil(pair)
    pair.kernel.drbdadm("verify", "r0")
    pair.kernel_writes(2000, 200)
    expect_found(pair, KIB, 1)
    heal(pair)
    pair.kernel.drbdadm("verify", "r0")
    expect_found(pair, 0, 2)
    pair.expect_equal()


def begun_by_us(pair):
    """the same by a verify of ours; and of a part of the device"""
    in_sync(pair)
    spoil(pair)
    pair.ours.drbdadm("verify", "r0")
    pair.kernel_writes(2000, 200)
    expect_found(pair, KIB, 1)
    heal(pair)
    pair.ours.drbdadm("verify", "--start=4000", "--stop=12000", "r0")
    expect_found(pair, 0, 2)
    pair.expect_equal()


def repaired_by_us(pair):
    """verify --repair: the kernel gets from us, as the Primary, what differs, over the same connection"""
    in_sync(pair)
    spoil(pair)
    pair.promote_ours()
    connections = pair.kernel.dmesg().count("Handshake successful")
    pair.ours.drbdadm("verify", "--repair", "r0")
    pair.we_write(2000, 200)
    until(lambda: pair.kernel.dmesg().count("Resync done") >= 2, 120, "the kernel gets no repair")
    pair.settled("Secondary/Primary")
    expect_found(pair, 0, 1)
    if pair.kernel.dmesg().count("Handshake successful") != connections:
        raise Failed("the connection was lost")
    pair.expect_equal()


main(begun_by_the_kernel, begun_by_us, repaired_by_us, net=NET + " verify-alg crc32c;")
