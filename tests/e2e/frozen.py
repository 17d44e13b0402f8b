#!/usr/bin/python3
"""I/O that is frozen, and disks that hang: what applications see of it, and how it ends. frozen.py SCENARIO"""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

import slow_disk  # noqa: E402
from cluster import main, until  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed  # noqa: E402

MIB = 16


def edit(cluster, old, new):
    with open(cluster.alpha.config) as file:
        text = file.read()
    with open(cluster.alpha.config, "w") as file:
        file.write(text.replace(old, new))


def fence(cluster, command, policy="resource-and-stonith"):
    """The handler is a file that the scenario may change."""
    path = os.path.join(cluster.alpha.dir, "fence")
    with open(path, "w") as file:
        file.write(f"#!/bin/sh\n{command}\n")
    os.chmod(path, 0o755)
    edit(cluster, "resource r0 {", f'resource r0 {{ handlers {{ fence-peer "{path}"; }}')
    edit(cluster, "disk {  }", f"disk {{ fencing {policy}; }}")


def generation(node):
    return node.drbdadm("get-gi", "r0")[1].split(":")[0][:-1]


def suspended_by(node):
    status = node.status()
    return {word for word in ("user", "fencing", "no-data") if status[f"suspended-{word}"]}


def load(node):
    writer = NumberedWriter(node.nbd(), 1024, seed=5)
    writer.start()
    until(lambda: len(writer.acked) > 100, 20, "writes")
    return writer


def expect_frozen(writer, seconds):
    """Nothing is answered from now on."""
    time.sleep(0.3)  # answers that had left the daemon
    last = writer.last_ack
    time.sleep(seconds)
    if writer.last_ack != last or writer.error:
        raise Failed(f"a write was answered although I/O is frozen: {writer.error}")
    return last


def cut(cluster):
    """The peer is gone from one moment to the next."""
    cluster.bridge.cable("bravo", False)
    cluster.alpha.wait(connection="Connecting", seconds=30)


def fencing_stonith_freezes(cluster):
    """resource-and-stonith: I/O stands still while the handler runs, and goes on when it reports success"""
    alpha, bravo = cluster.alpha, cluster.bravo
    fence(cluster, "while [ ! -e $0.verdict ]; do sleep 0.1; done; exit 7")
    cluster.up(primary=alpha)
    before = generation(alpha)
    writer = load(alpha)
    bravo.drbdadm("disconnect", "--force", "r0")
    alpha.wait(connection="Connecting", seconds=10)
    last = expect_frozen(writer, 1.5)
    if suspended_by(alpha) != {"fencing"}:
        raise Failed(f"{alpha.status()}")
    # The writer's own may all have been started, and wait for their answers only.
    late = threading.Thread(target=alpha.write_random, args=([12 << 20],))
    late.start()

    def verbose():
        return alpha.run("drbdsetup", "status", "--verbose", "--statistics")[1]

    until(lambda: all(word in verbose() for word in ("suspended:fencing", "held-back-by:fencing", "blocked:upper")), 5, verbose)
    if generation(alpha) != before:
        raise Failed("a new generation although nobody knows what the peer does")
    open(os.path.join(alpha.dir, "fence.verdict"), "w").close()
    until(lambda: writer.last_ack > last, 20, "writes after the handler's success")
    late.join(20)
    if alpha.state()[4] != "Outdated" or suspended_by(alpha) or generation(alpha) == before:
        raise Failed(f"{alpha.status()}")
    bravo.drbdadm("connect", "r0")
    alpha.wait_in_sync()
    writer.stop()
    alpha.drbdadm("secondary", "r0")
    cluster.compare()


def suspend_io_fencing(cluster):
    """resource-and-stonith with a broken handler: writes freeze; the reconnect thaws them, without a new generation"""
    alpha, bravo = cluster.alpha, cluster.bravo
    fence(cluster, "exit 1")
    cluster.up(primary=alpha)
    before = generation(alpha)
    writer = load(alpha)
    bravo.drbdadm("disconnect", "--force", "r0")
    alpha.wait(connection="Connecting", seconds=10)
    last = expect_frozen(writer, 2)
    if suspended_by(alpha) != {"fencing"}:
        raise Failed(f"{alpha.status()}")
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "secondary", "r0")
    bravo.drbdadm("connect", "r0")
    until(lambda: writer.last_ack > last, 20, "writes after the peer's return")
    for node in cluster.nodes:
        node.wait_in_sync()
    writer.stop()
    if suspended_by(alpha) or generation(alpha) != before or generation(bravo) != before:
        raise Failed(f"{alpha.status()} {before} {generation(alpha)} {generation(bravo)}")
    alpha.drbdadm("secondary", "r0")
    cluster.compare()


def resumed_by_hand(cluster):
    """an administrator lets go on what a broken handler has left frozen; adjust changes the policy online"""
    alpha, bravo = cluster.alpha, cluster.bravo
    fence(cluster, "exit 1")
    cluster.up(primary=alpha)
    writer = load(alpha)
    bravo.drbdadm("disconnect", "--force", "r0")
    alpha.wait(connection="Connecting", seconds=10)
    last = expect_frozen(writer, 0.5)
    alpha.drbdadm("resume-io", "r0")
    until(lambda: writer.last_ack > last, 10, "writes after resume-io")
    bravo.drbdadm("connect", "r0")
    alpha.wait_in_sync()
    edit(cluster, "fencing resource-and-stonith;", "fencing resource-only;")
    for node in cluster.nodes:
        node.drbdadm("adjust", "r0")
    bravo.drbdadm("disconnect", "--force", "r0")
    alpha.wait(connection="Connecting", seconds=10)
    last = writer.last_ack
    until(lambda: writer.last_ack > last, 5, "writes with fencing resource-only")
    if suspended_by(alpha):
        raise Failed(f"{alpha.status()}")
    bravo.drbdadm("connect", "r0")
    alpha.wait_in_sync()
    writer.stop()
    alpha.drbdadm("secondary", "r0")
    cluster.compare()


def promoted(node):
    """The exit code of `primary`, which says that it is to be asked again while the handler takes longer than an answer may."""
    for _ in range(10):
        code, _, words = node.drbdadm("primary", "r0", check=False)
        if "In transient state" not in words:
            break
        time.sleep(0.5)
    return code


def fencing_exit_codes(cluster):
    """fence-peer exits 3 to 7 and 1 when a disconnected node is promoted"""
    alpha, bravo = cluster.alpha, cluster.bravo
    fence(cluster, 'exit "$(cat $0.code)"', policy="resource-only")
    cluster.up(primary=alpha)
    alpha.drbdadm("secondary", "r0")
    outcomes = {3: (0, "UpToDate", "Inconsistent"), 4: (0, "UpToDate", "Outdated"), 5: (0, "UpToDate", "Outdated"),
                7: (0, "UpToDate", "Outdated"), 6: (17, "Outdated", "DUnknown"), 1: (11, "UpToDate", "DUnknown")}
    for code, (exit_code, disk, peer_disk) in outcomes.items():
        with open(os.path.join(alpha.dir, "fence.code"), "w") as file:
            file.write(str(code))
        for node in cluster.nodes:
            node.wait_in_sync()
        bravo.drbdadm("down", "r0")
        alpha.drbdadm("disconnect", "r0", check=False)
        alpha.wait(connection="StandAlone", seconds=10)
        got = promoted(alpha)
        state = alpha.run("drbdadm", "-c", alpha.config, "dstate", "r0")[1].strip()
        if (got, state) != (exit_code, f"{disk}/{peer_disk}"):
            raise Failed(f"fence-peer exits {code}: primary exits {got}, {state}; wanted {exit_code}, {disk}/{peer_disk}")
        alpha.drbdadm("secondary", "r0")
        bravo.drbdadm("up", "r0")
        alpha.drbdadm("connect", "r0")


def no_data(cluster):
    """on-no-data-accessible suspend-io: a Primary without a disk waits for its peer, and what waits is written then"""
    alpha, bravo = cluster.alpha, cluster.bravo
    edit(cluster, "resource r0 {", "resource r0 { options { on-no-data-accessible suspend-io; }")
    cluster.up(primary=alpha)
    alpha.drbdadm("detach", "r0/0")
    writer = load(alpha)
    bravo.drbdadm("disconnect", "--force", "r0")
    alpha.wait(connection="Connecting", seconds=10)
    last = expect_frozen(writer, 2)
    if suspended_by(alpha) != {"no-data"}:
        raise Failed(f"{alpha.status()}")
    bravo.drbdadm("connect", "r0")
    until(lambda: writer.last_ack > last, 20, "writes after the peer's return")
    alpha.drbdadm("attach", "r0/0")
    for node in cluster.nodes:
        node.wait_in_sync()
    writer.stop()
    writer.check(alpha.nbd())
    if suspended_by(alpha):
        raise Failed(f"{alpha.status()}")
    alpha.drbdadm("secondary", "r0")
    cluster.compare()


def disk_timeout(cluster):
    """disk-timeout: the Primary's disk stops answering; it is given up after the time configured, writes go on by the peer"""
    alpha = cluster.alpha
    disk = slow_disk.SlowDisk(cluster, alpha)
    log = os.path.join(alpha.dir, "errors")
    cluster.up(primary=alpha)
    edit(cluster, "disk {  }", "disk { disk-timeout 30; on-io-error call-local-io-error; }")
    edit(cluster, "resource r0 {", f'resource r0 {{ handlers {{ local-io-error "echo $DRBD_RESOURCE >> {log}"; }}')
    alpha.drbdadm("adjust", "r0")
    disk.set("HANG", True)
    before = time.monotonic()
    writer = threading.Thread(target=alpha.write_random, args=([block << 12 for block in range(64)],))
    writer.start()
    writer.join(20)
    took = time.monotonic() - before
    if writer.is_alive() or took < 2.5:
        raise Failed(f"disk-timeout 30: the writes took {took:.1f} s")
    alpha.wait(disk="Diskless", seconds=5)
    until(lambda: os.path.exists(log), 5, "the handler local-io-error was not called")
    alpha.write_random([1 << 20])
    disk.set("HANG", False)
    until(lambda: alpha.drbdadm("attach", "r0/0", check=False)[0] == 0, 30, "the disk stays claimed")
    for node in cluster.nodes:
        node.wait_in_sync()
    alpha.drbdadm("secondary", "r0")
    cluster.compare()


main(fencing_stonith_freezes, suspend_io_fencing, resumed_by_hand, fencing_exit_codes, no_data, disk_timeout,
     programs=("nbdfuse", "nbdkit"), mib=MIB)
