#!/usr/bin/python3
"""resource-and-stonith with the unmodified in-kernel DRBD 8.4 as the peer. frozen.py SCENARIO"""

import time

from pair import DISK, main
from cluster import until  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed


def generation(pair):
    return pair.ours.drbdadm("get-gi", "r0")[1].split(":")[0][:-1]


def we_freeze(pair):
    """our I/O freezes when the kernel's node goes and the handler fails; its return thaws it, and what was on its way is copied under the same generation"""
    with open(pair.ours.config) as file:
        text = file.read()
    text = text.replace(DISK, DISK + " fencing resource-and-stonith;").replace("resource r0 {", 'resource r0 { handlers { fence-peer "exit 1"; }')
    with open(pair.ours.config, "w") as file:
        file.write(text)
    pair.kernel.configure(text)
    pair.up()
    pair.kernel.wait(cs="Connected")
    pair.ours.drbdadm("primary", "--force", "r0")
    pair.settled("Secondary/Primary")
    before = generation(pair)
    for _ in range(3):
        writer = NumberedWriter(pair.ours.nbd(), 1024)
        writer.start()
        until(lambda: len(writer.acked) > 100, 60, "writes")
        pair.kernel.drbdadm("disconnect", "--force", "r0")
        pair.ours.wait(connection="Connecting", seconds=20)
        time.sleep(0.5)
        last = writer.last_ack
        time.sleep(2)
        if writer.last_ack != last or not pair.ours.status()["suspended-fencing"]:
            raise Failed(f"not frozen: {pair.ours.status()}")
        pair.kernel.drbdadm("connect", "r0")
        until(lambda: writer.last_ack > last, 60, "writes after the return of the kernel's node")
        writer.stop()
        pair.settled("Secondary/Primary")
        if generation(pair) != before:
            raise Failed("a new generation")
    pair.ours.drbdadm("secondary", "r0")
    pair.expect_equal()


main(we_freeze)
