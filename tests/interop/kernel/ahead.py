#!/usr/bin/python3
"""A node that runs ahead of its peer, with the unmodified in-kernel DRBD 8.4 as either of them. ahead.py SCENARIO"""

from pair import NET, main
from cluster import until  # noqa: E402
from sandbox import Failed


def log_of(node):
    with open(node.daemon_log) as log:
        return log.read()


def start(pair):
    pair.up()
    pair.kernel.wait(cs="Connected")
    pair.kernel.drbdadm("primary", "--force", "r0")
    pair.settled("Primary/Secondary")


def kernel_ahead(pair):
    """the kernel leaves us behind and brings us what we lack; once more, and the connection is lost meanwhile"""
    start(pair)
    for disturbed in (False, True):
        pair.kernel.run("for i in 0 1 2 3; do "
                        "dd if=/dev/urandom of=/dev/drbd0 bs=256k seek=$((i * 8)) count=8 oflag=direct & done; wait")
        until(lambda: "conn( Connected -> Behind )" in log_of(pair.ours), 30, "we were not left behind")
        if disturbed:
            pair.kernel.drbdadm("disconnect", "r0")
            pair.kernel.drbdadm("connect", "r0")
        pair.settled("Primary/Secondary")
    pair.expect_equal()


def we_are_ahead(pair):
    """we leave the kernel behind and bring it what it lacks; once more, and the connection is lost meanwhile"""
    start(pair)
    pair.promote_ours()
    for disturbed in (False, True):
        pair.we_write(0, 2000)
        until(lambda: "Connected -> Behind" in pair.kernel.dmesg(), 30, "the kernel was not left behind")
        if disturbed:
            pair.kernel.drbdadm("disconnect", "r0")
            pair.we_write(3000, 100)
            pair.kernel.drbdadm("connect", "r0")
        pair.settled("Secondary/Primary")
    out_of_sync = pair.ours.status()["connections"][0]["peer_devices"][0]["out-of-sync"]
    if out_of_sync:
        raise Failed(f"{out_of_sync} KiB are still out of sync")
    pair.expect_equal()


main(kernel_ahead, we_are_ahead,
     net=NET.replace("protocol C", "protocol A") + " on-congestion pull-ahead; congestion-fill 8K;")
