#!/usr/bin/python3
"""Online verify between two daemons. verify.py SCENARIO"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import main, until  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed  # noqa: E402

BLOCK = 4096
SPOILED = (1000, 1001, 3000, 7000)
WRITTEN = 512  # blocks that are written meanwhile


def spoil(node, path):
    """A bit of some blocks of a disk turns round while nobody looks."""
    node.drbdadm("down", "r0")
    with open(path, "r+b") as file:
        for block in SPOILED:
            file.seek(block * BLOCK + 77)
            byte = file.read(1)[0]
            file.seek(block * BLOCK + 77)
            file.write(bytes([byte ^ 0x10]))
    node.drbdadm("up", "r0")
    node.wait_in_sync()


def change_config(node, old, new):
    """Of both nodes: they share the file."""
    with open(node.config) as file:
        text = file.read()
    with open(node.config, "w") as file:
        file.write(text.replace(old, new))


def out_of_sync(node):
    return node.status()["connections"][0]["peer_devices"][0]["out-of-sync"]


def log_of(node):
    with open(node.daemon_log) as log:
        return log.read()


def expect_found(node, kib):
    node.wait(replication="Established", seconds=60)
    until(lambda: out_of_sync(node) == kib, 10, lambda: f"{node.name}: {out_of_sync(node)} KiB out of sync, wanted {kib}")


def finds(cluster):
    """bits that have turned round on a disk are found by a verify of either node, and healed by the next connect; what is written meanwhile is no difference"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    alpha.write_random(range(0, 8 << 20, BLOCK))
    spoil(bravo, cluster.disks["bravo"][0])
    writer = NumberedWriter(alpha.nbd(), WRITTEN, seed=3)
    writer.start()
    bravo.drbdadm("verify", "r0")
    for node in cluster.nodes:
        expect_found(node, len(SPOILED) * 4)
    writer.stop()
    for node in cluster.nodes:
        log = log_of(node)
        for line in ("Out of sync: start=8000, size=16 (sectors)", "Out of sync: start=24000, size=8 (sectors)",
                     "Online verify done (total ", "Online verify found 4 4k block out of sync!"):
            if line not in log:
                raise Failed(f"{node.name}: no line '{line}' in its log")
    alpha.drbdadm("disconnect", "r0")
    alpha.drbdadm("connect", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
        expect_found(node, 0)
    alpha.drbdadm("verify", "r0")
    for node in cluster.nodes:
        expect_found(node, 0)
    alpha.drbdadm("secondary", "r0")
    cluster.down()
    cluster.compare()


def repaired(cluster):
    """verify --repair brings the peer what differs, under load and over the same connection; only the Primary may"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    alpha.write_random(range(0, 8 << 20, BLOCK))
    spoil(bravo, cluster.disks["bravo"][0])
    writer = NumberedWriter(alpha.nbd(), WRITTEN, seed=3)
    writer.start()
    bravo.expect_refusal("drbdadm", "-c", bravo.config, "verify", "--repair", "r0", code=10, says=["Primary's data: verify there"])
    connections = log_of(alpha).count("Handshake successful")
    last = writer.last_ack
    alpha.drbdadm("verify", "--repair", "r0")
    until(lambda: "Resync done" in log_of(bravo).split("Online verify found 4 4k block out of sync!")[-1], 60, "no repair")
    for node in cluster.nodes:
        node.wait_in_sync()
        expect_found(node, 0)
    until(lambda: writer.last_ack > last, 10, "writes")
    writer.stop()
    if log_of(alpha).count("Handshake successful") != connections:
        raise Failed("the connection was lost")
    alpha.drbdadm("secondary", "r0")
    cluster.down()
    cluster.compare()


def refused(cluster):
    """a verify at the wrong moment is refused in the original's words; sectors that are none, as well"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "verify", "--start=none", "r0", code=20, says=["'none' is no sector"])
    alpha.expect_refusal("drbdsetup", "verify", "0", "--start=100G", code=10, says=["(162) Invalid configuration request"])
    bravo.drbdadm("disconnect", "r0")
    alpha.wait(connection="Connecting")
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "verify", "r0", code=11,
                         says=["(-15) Need a connection to start verify or resync"])
    change_config(alpha, "verify-alg crc32c;", "")
    for node in cluster.nodes:
        node.drbdadm("adjust", "r0")  # bravo's connects it again
    bravo.wait_in_sync()
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "verify", "r0", code=11,
                         says=["(-14) Need a verify algorithm to start online verify"])
    change_config(alpha, "protocol C;", "protocol C; verify-alg rot13;")
    bravo.expect_refusal("drbdadm", "-c", bravo.config, "adjust", "r0", says=["'verify-alg'", "'rot13'"])
    change_config(alpha, "rot13", "sha1")
    bravo.drbdadm("adjust", "r0")
    until(lambda: 'using verify-alg: "sha1"' in log_of(alpha), 10, "alpha has not taken the algorithm over")
    alpha.drbdadm("verify", "r0")
    for node in cluster.nodes:
        expect_found(node, 0)


main(finds, repaired, refused, net="protocol C; verify-alg crc32c;")
