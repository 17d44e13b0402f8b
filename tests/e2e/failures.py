#!/usr/bin/python3
"""Nodes that die, links that break, peers that freeze. failures.py SCENARIO"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import main, until  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed  # noqa: E402

SLOTS = 8192  # 32 MiB of numbered blocks


def primary_killed(cluster):
    """power failure of the Primary under load: the other node has every acknowledged block, the dead one catches up"""
    cluster.up(primary=cluster.alpha)
    dead, alive = cluster.nodes
    for seed in range(3):
        writer = load(dead, seed)
        dead.kill()
        writer.join(10)
        if writer.is_alive() or not writer.error:
            raise Failed("the client did not notice that its node died")
        alive.drbdadm("primary", "r0")
        writer.check(alive.nbd())
        load(alive, seed + 100, seconds=1).stop()
        dead.boot()
        dead.drbdadm("up", "r0")
        for node in cluster.nodes:
            node.wait_in_sync()
        cluster.compare()
        dead, alive = alive, dead


def daemon_killed(cluster):
    """SIGKILL to the Primary's daemon alone: it comes up again with every acknowledged block"""
    cluster.up(primary=cluster.alpha)
    for seed in range(3):
        writer = load(cluster.alpha, seed)
        cluster.alpha.signal("drbdd", signal.SIGKILL)
        writer.join(10)
        if not writer.error:
            raise Failed("the client did not notice that the daemon died")
        cluster.alpha.drbdadm("up", "r0")
        cluster.alpha.wait_in_sync()
        cluster.alpha.drbdadm("primary", "r0")
        writer.check(cluster.alpha.nbd())
        cluster.compare()


def secondary_killed(cluster):
    """power failure of the Secondary under load: no write fails, none waits longer than the timeout, and it catches up"""
    cluster.up(primary=cluster.alpha)
    writer = load(cluster.alpha, seed=1)
    for _ in range(2):
        cluster.bravo.kill()
        cluster.alpha.wait(connection="Connecting", seconds=20)
        time.sleep(1)
        cluster.bravo.boot()
        cluster.bravo.drbdadm("up", "r0")
        cluster.bravo.wait_in_sync()
        time.sleep(1)
    writer.stop()
    if writer.longest_gap > 15:
        raise Failed(f"no write was acknowledged for {writer.longest_gap:.1f} s")
    writer.check(cluster.alpha.nbd())
    cluster.alpha.wait_in_sync()
    cluster.compare()


def link_cut(cluster):
    """the cable is pulled under load and plugged again: the Primary goes on, what it wrote is copied afterwards"""
    cluster.up(primary=cluster.alpha)
    for _ in range(2):
        writer = load(cluster.alpha, seed=2)
        cluster.bridge.cable("bravo", False)
        for node in cluster.nodes:
            node.wait(connection="Connecting", seconds=30)
        time.sleep(1)
        cluster.bridge.cable("bravo", True)
        for node in cluster.nodes:
            node.wait_in_sync(seconds=30)
        writer.stop()
        writer.check(cluster.alpha.nbd())
        cluster.alpha.drbdadm("secondary", "r0")
        cluster.bravo.drbdadm("primary", "r0")
        writer.check(cluster.bravo.nbd())
        cluster.compare()
        cluster.bravo.drbdadm("secondary", "r0")
        cluster.alpha.drbdadm("primary", "r0")


def split_brain(cluster):
    """both nodes were Primary without each other: they refuse to connect until one side's data is given up"""
    cluster.up(primary=cluster.alpha)
    cluster.bridge.cable("bravo", False)
    for node in cluster.nodes:
        node.wait(connection="Connecting", seconds=30)
    cluster.bravo.drbdadm("primary", "r0")
    survivor = load(cluster.alpha, seed=3, seconds=1)
    survivor.stop()
    load(cluster.bravo, seed=4, seconds=1).stop()
    cluster.bridge.cable("bravo", True)
    for node in cluster.nodes:
        until(lambda node=node: node.drbdadm("cstate", "r0")[1].strip() == "StandAlone", 30, f"{node.name} is not StandAlone")
    survivor.check(cluster.alpha.nbd())
    cluster.bravo.drbdadm("secondary", "r0")
    cluster.bravo.drbdadm("connect", "--discard-my-data", "r0")
    cluster.alpha.drbdadm("connect", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
    survivor.check(cluster.alpha.nbd())
    cluster.compare()


def frozen_peer(cluster):
    """while the peer's daemon is stopped every query answers within a second, on both nodes"""
    cluster.up(primary=cluster.alpha)
    writer = load(cluster.alpha, seed=5)
    cluster.bravo.signal("drbdd", signal.SIGSTOP)
    queries = [["drbdadm", "-c", cluster.alpha.config, word, "r0"] for word in ("role", "cstate", "dstate", "status", "dump")]
    queries += [["drbdsetup", "status"], ["drbdsetup", "status", "--json"], ["drbdsetup", "events2", "--now"]]
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for query in queries:
            answers_at_once(cluster.alpha, query, must_succeed=True)
    for query in queries:
        answers_at_once(cluster.bravo, query, must_succeed=False)
    cluster.alpha.wait(connection="Connecting", seconds=20)
    cluster.bravo.signal("drbdd", signal.SIGCONT)
    cluster.bravo.wait_in_sync()
    writer.stop()
    cluster.alpha.wait_in_sync()
    cluster.compare()


def answers_at_once(node, query, must_succeed):
    def seconds_of(argv, check):
        started = time.monotonic()
        node.run(*argv, check=check, seconds=10)
        return time.monotonic() - started

    # What it takes to run anything in the node's namespaces is none of the answer.
    took = seconds_of(query, must_succeed) - seconds_of(["true"], True)
    if took > 1:
        raise Failed(f"{node.name}: `{' '.join(query)}` took {took:.2f} s")


def load(node, seed, seconds=2):
    """Numbered writes to a node, for some time by now."""
    writer = NumberedWriter(node.nbd(), SLOTS, seed=seed)
    writer.start()
    until(lambda: writer.acked or writer.error, 10, "no write was acknowledged")
    time.sleep(seconds)
    if writer.error:
        raise Failed(f"{node.name}: the writer met an error: {writer.error}")
    return writer


main(primary_killed, daemon_killed, secondary_killed, link_cut, split_brain, frozen_peer, mib=64,
     net="protocol C; timeout 30; ping-int 2; ping-timeout 5; connect-int 1;")
