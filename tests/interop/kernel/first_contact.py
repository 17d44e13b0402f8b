#!/usr/bin/python3
"""Our drbdd as the peer of the unmodified in-kernel DRBD 8.4. first_contact.py SCENARIO"""

import re

from pair import main
from sandbox import Failed


def sync_from_kernel(pair):
    """a kernel node with data gets our node as its new, empty peer"""
    pair.kernel.drbdadm("up", "r0")
    pair.kernel.drbdadm("primary", "--force", "r0")
    pair.kernel_writes(0, 2000)
    pair.ours.drbdadm("up", "r0")
    pair.settled("Primary/Secondary")
    pair.expect_equal()


def sync_to_kernel(pair):
    """our node with data gets a kernel node as its new, empty peer"""
    pair.ours.drbdadm("up", "r0")
    pair.ours.drbdadm("primary", "--force", "r0")
    pair.we_write(100, 2000)
    pair.kernel.drbdadm("up", "r0")
    pair.settled("Secondary/Primary")
    pair.expect_equal()


def writes_both_ways(pair):
    """protocol C writes in both directions, with the roles swapped twice"""
    in_sync(pair)
    for _ in range(2):
        pair.kernel_writes(0, 300)
        pair.kernel_writes(3, 8, size=1 << 20)
        pair.expect_equal()
        pair.promote_ours()
        pair.we_write(200, 300)
        pair.we_write(9, 8, size=1 << 20)
        pair.expect_equal()
        pair.promote_kernel()


def bitmap_resync(pair):
    """after a disconnect only what was written meanwhile is copied, from whichever side wrote it"""
    in_sync(pair)
    pair.ours.drbdadm("disconnect", "r0")
    pair.kernel.wait(cs="WFConnection")
    pair.kernel_writes(1000, 500)
    pair.ours.drbdadm("connect", "r0")
    pair.settled("Primary/Secondary")
    pair.expect_equal()
    expect_resynced(pair, "SyncSource", 500 * 4)

    pair.promote_ours()
    pair.kernel.drbdadm("disconnect", "r0")
    pair.ours.wait(connection="Connecting")
    pair.we_write(5000, 700)
    pair.kernel.drbdadm("connect", "r0")
    pair.settled("Secondary/Primary")
    pair.expect_equal()
    expect_resynced(pair, "SyncTarget", 700 * 4)


def reconnect(pair):
    """each side disconnects and comes back, then leaves and comes back as a whole, without copying anything"""
    in_sync(pair)
    pair.promote_ours()
    for leave in (pair.ours, pair.kernel):
        leave.drbdadm("disconnect", "r0")
        leave.drbdadm("connect", "r0")
        pair.settled("Secondary/Primary")
    pair.kernel.drbdadm("down", "r0")
    pair.ours.wait(connection="Connecting")
    pair.kernel.drbdadm("up", "r0")
    pair.settled("Secondary/Primary")
    pair.promote_kernel()
    pair.ours.drbdadm("down", "r0")
    pair.kernel.wait(cs="WFConnection")
    pair.ours.drbdadm("up", "r0")
    pair.settled("Primary/Secondary")
    pair.expect_equal()


def in_sync(pair):
    """The state after the initial sync, with the kernel as Primary."""
    pair.up()
    pair.kernel.wait(cs="Connected")
    pair.kernel.drbdadm("primary", "--force", "r0")
    pair.settled("Primary/Secondary")


def expect_resynced(pair, side, kib):
    """The kernel's log tells how much the last resync was about to copy."""
    began = re.findall(r"Began resync as (\w+) \(will sync (\d+) KB", pair.kernel.dmesg())
    if not began or began[-1][0] != side or not kib <= int(began[-1][1]) <= 2 * kib + 4096:
        raise Failed(f"wanted a resync of about {kib} KiB with the kernel as {side}, saw {began[-1:]}")


main(sync_from_kernel, sync_to_kernel, writes_both_ways, bitmap_resync, reconnect)
