#!/usr/bin/python3
"""Digests of what goes over the wire, and resyncs that compare before they copy. digests.py SCENARIO"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

import nbd_client  # noqa: E402
from cluster import main, until  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed  # noqa: E402

BLOCK = 4096
MIB = 1 << 20


def change_config(cluster, old, new):
    """Of both nodes: they share the file."""
    with open(cluster.alpha.config) as file:
        text = file.read()
    if old not in text:
        raise Failed(f"no '{old}' in the file")
    with open(cluster.alpha.config, "w") as file:
        file.write(text.replace(old, new))


def log_of(node):
    with open(node.daemon_log) as log:
        return log.read()


def expect_shown(node, *words):
    shown = node.run("drbdsetup", "show", "r0")[1]
    for word in words:
        if word not in shown:
            raise Failed(f"{node.name}: '{word}' is not in force:\n{shown}")


def expect_in_step(cluster):
    """All is the same on both disks."""
    for node in cluster.nodes:
        node.wait_in_sync()
    cluster.alpha.drbdadm("secondary", "r0")
    cluster.down()
    cluster.compare()


def counters(node):
    peer = node.status()["connections"][0]["peer_devices"][0]
    return peer["received"]  # KiB


def with_integrity(cluster, algorithm):
    alpha, bravo = cluster.alpha, cluster.bravo
    change_config(cluster, "protocol C;", f"protocol C; data-integrity-alg {algorithm};")
    cluster.up(primary=alpha)
    for node in cluster.nodes:
        expect_shown(node, "data-integrity-alg", algorithm)
    alpha.write_random(range(0, 8 * MIB, BLOCK))
    alpha.write_random(range(8 * MIB, 24 * MIB, MIB), MIB)
    handle = nbd_client.connect(alpha.nbd())
    handle.trim(2 * MIB, MIB)
    handle.zero(2 * MIB, 5 * MIB)
    handle.flush()
    alpha.write_random(range(MIB, 2 * MIB, BLOCK))
    handle.pwrite(b"x" * BLOCK, 30 * MIB + BLOCK)
    handle.flush()
    handle.shutdown()
    bravo.drbdadm("disconnect", "r0")
    alpha.write_random(range(0, 32 * MIB, 16 * BLOCK))
    bravo.drbdadm("connect", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
        if "FAILED" in log_of(node):
            raise Failed(f"{node.name}: a digest was wrong")
    alpha.drbdadm("detach", "r0")  # and reads that the peer answers
    reader = nbd_client.connect(alpha.nbd())
    if reader.pread(BLOCK, 30 * MIB + BLOCK) != b"x" * BLOCK or any(reader.pread(BLOCK, 5 * MIB + BLOCK)):
        raise Failed("the peer's data are other ones")
    reader.shutdown()
    alpha.drbdadm("attach", "r0")
    expect_in_step(cluster)


def integrity_crc32c(cluster):
    """data-integrity-alg crc32c: writes, discards, zeroes, reads from the peer and a resync with digests"""
    with_integrity(cluster, "crc32c")


def integrity_sha1(cluster):
    """data-integrity-alg sha1: the same"""
    with_integrity(cluster, "sha1")


def integrity_xxhash64(cluster):
    """data-integrity-alg xxhash64: the same"""
    with_integrity(cluster, "xxhash64")


def checksum_resync(cluster):
    """csums-alg: rewritten but equal blocks are not transferred, changed ones are; an unknown algorithm is refused by name"""
    alpha, bravo = cluster.alpha, cluster.bravo
    change_config(cluster, "protocol C;", "protocol C; csums-alg rot13;")
    alpha.drbdadm("create-md", "--force", "r0")
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "up", "r0", says=["'csums-alg'", "'rot13'"])
    change_config(cluster, "rot13", "md5")
    cluster.up(primary=alpha)
    for node in cluster.nodes:
        expect_shown(node, "csums-alg", "md5")
    handle = nbd_client.connect(alpha.nbd())
    for at in range(0, 16 * MIB, MIB):
        handle.pwrite(bytes([at // MIB]) * MIB, at)
    bravo.drbdadm("disconnect", "r0")
    for at in range(0, 16 * MIB, MIB):
        handle.pwrite(bytes([at // MIB]) * MIB, at)  # the same again
    handle.pwrite(b"y" * BLOCK, 5 * MIB)
    handle.pwrite(b"z" * BLOCK, 9 * MIB + BLOCK)
    handle.flush()
    handle.shutdown()
    before = counters(bravo) if bravo.status()["connections"] else 0
    bravo.drbdadm("connect", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
    copied = counters(bravo) - before
    if not 8 <= copied <= 2 * 64:
        raise Failed(f"{copied} KiB were copied: 8 KiB differ, in two pieces of 64 KiB")
    until(lambda: "% had equal checksums, eliminated: " in log_of(bravo), 5, "no line about equal checksums")
    expect_in_step(cluster)


def online_options(cluster):
    """adjust changes protocol and algorithms on a live connection, under load, without dropping it; adjust again changes nothing"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    writer = NumberedWriter(alpha.nbd(), 512, seed=5)
    writer.start()
    net = "protocol C;"
    steps = ((alpha, "protocol A; data-integrity-alg crc32c;", ("data-integrity-alg", "crc32c", "protocol")),
             (bravo, "protocol B; data-integrity-alg sha1; verify-alg sha1; csums-alg md5;", ("sha1", "md5", "verify-alg")),
             (alpha, "protocol C; data-integrity-alg xxhash64; verify-alg crc32c; csums-alg crc32c; after-sb-0pri discard-zero-changes;",
              ("xxhash64", "discard-zero-changes")),
             (bravo, "protocol C; verify-alg crc32c;", ("verify-alg",)))
    for first, options, shown in steps:
        change_config(cluster, net, options)
        net = options
        first.drbdadm("adjust", "r0")
        other = bravo if first is alpha else alpha
        until(lambda: all(word in other.run("drbdsetup", "show", "r0", quiet=True)[1] for word in shown), 5,
              f"{other.name} has not taken over '{options}'")
        other.drbdadm("adjust", "r0")
        for node in cluster.nodes:
            expect_shown(node, *shown)
            todo = node.drbdadm("-d", "adjust", "r0")[1]
            if todo.strip():
                raise Failed(f"{node.name}: a second adjust would still do\n{todo}")
    if "data-integrity-alg" in alpha.run("drbdsetup", "show", "r0")[1]:
        raise Failed("data-integrity-alg is still in force")
    writer.stop()
    for node in cluster.nodes:
        if "Connection closed" in log_of(node):
            raise Failed(f"{node.name}: the connection was dropped")
    expect_in_step(cluster)


main(integrity_crc32c, integrity_sha1, integrity_xxhash64, checksum_resync, online_options)
