#!/usr/bin/python3
"""Strangers on the network: their connections are no business of the pair. strangers.py SCENARIO"""

import contextlib
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))

from cluster import main, until  # noqa: E402
from sandbox import Failed, out_of  # noqa: E402

PORT = 7788
STRANGER = "10.88.0.66"  # the bridge's own address: a third machine on the LAN
CONNECT_SECONDS = 2
ROUNDS = 3

# Each thread holds what it has got, says nothing, half a packet or nonsense, and begins anew when it is thrown out.
FLOOD = """
import collections, os, socket, sys, threading
def flood(address, number):
    held = collections.deque()
    while True:
        try:
            held.append(socket.create_connection((address, %d), timeout=2))
            if number %% 3:
                held[-1].send((b"\\x83\\x74\\x02\\x67", os.urandom(512))[number %% 3 - 1])
            if len(held) > 50:
                held.popleft().close()
        except OSError:
            if held:
                held.popleft().close()
for number in range(8):
    threading.Thread(target=flood, args=(sys.argv[1], number), daemon=True).start()
print("floods", flush=True)
threading.Event().wait()
""" % PORT


def stranger():
    out_of("ip", "address", "add", f"{STRANGER}/24", "dev", "br0")


def begin_floods(cluster):
    floods = [subprocess.Popen([sys.executable, "-c", FLOOD, node.address], stdout=subprocess.PIPE, text=True)
              for node in cluster.nodes]
    for flood in floods:
        flood.stdout.readline()
    time.sleep(1)
    return floods


def connect_seconds(node):
    """How long the pair takes to find together again, as the node sees it."""
    node.drbdadm("disconnect", "r0")
    time.sleep(0.5)
    started = time.monotonic()
    node.drbdadm("connect", "r0")
    node.wait(connection="Connected", seconds=20)
    return time.monotonic() - started


def check_connects(cluster, besieged):
    """The pair finds together below CONNECT_SECONDS while strangers are there. A machine on which it takes that long without
    them, too, is held against itself: most of the rounds may not be slower by more than a second."""
    rounds = [cluster.nodes[number % 2] for number in range(ROUNDS)]
    alone = sorted(connect_seconds(node) for node in rounds)
    with besieged():
        among = sorted(connect_seconds(node) for node in rounds)
    print("alone", *(f"{took:.2f}" for took in alone), "among strangers", *(f"{took:.2f}" for took in among))
    most = max(CONNECT_SECONDS, alone[ROUNDS // 2] + 1)
    if among[ROUNDS // 2] > most:
        raise Failed(f"{among[ROUNDS // 2]:.2f} s until the peer was there, {alone[ROUNDS // 2]:.2f} s without strangers")


def flooded_pair_connects(cluster):
    """eight flooding threads at each node: the pair finds each other within 2 s, again and again"""
    stranger()
    cluster.up(primary=cluster.alpha)

    @contextlib.contextmanager
    def flooded():
        floods = begin_floods(cluster)
        try:
            yield
        finally:
            for flood in floods:
                flood.kill()
                flood.wait()

    check_connects(cluster, flooded)
    cluster.alpha.wait_in_sync()
    with open(cluster.alpha.daemon_log) as log:
        lines = [line for line in log if "event=stranger" in line]
    if not lines or STRANGER not in lines[0] or len(lines) > 10:
        raise Failed(f"the log tells of the stranger {len(lines)} times: {lines[:3]}")


# Always a hundred connections to the address, none of which says a word: what is closed is made again.
HOLD = """
import select, socket, sys, time
def fill(held):
    while len(held) < 100:
        try:
            held.append(socket.create_connection((sys.argv[1], %d), timeout=2))
        except OSError:
            return  # the pair is connected, nobody listens
held = []
begun = time.monotonic()
while len(held) < 100 and time.monotonic() < begun + float(sys.argv[2]):
    fill(held)
    time.sleep(0.05)
print(len(held), flush=True)
while True:
    for ended in select.select(held, [], [], 0.1)[0]:
        ended.close()
        held.remove(ended)
    fill(held)
    time.sleep(0.1)
""" % PORT


@contextlib.contextmanager
def idle_strangers(*nodes, patience=0):
    """At each node; `patience`: it is waited for until the node listens, for as many seconds."""
    holders = [subprocess.Popen([sys.executable, "-c", HOLD, node.address, str(patience)], stdout=subprocess.PIPE, text=True)
               for node in nodes]
    try:
        yield [int(holder.stdout.readline()) for holder in holders]
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


def idle_strangers_hold_nothing(cluster):
    """a hundred connections that say nothing, made before the pair begins, and at each of its attempts"""
    stranger()
    for node in cluster.nodes:
        node.drbdadm("create-md", "--force", "r0")
    cluster.bravo.drbdadm("up", "r0")
    with idle_strangers(cluster.bravo, patience=10) as held:
        if held[0] < 100:
            raise Failed(f"only {held[0]} connections of the stranger were accepted: nothing is tried")
        cluster.alpha.drbdadm("up", "r0")
        cluster.alpha.wait(connection="Connected", seconds=20)
    check_connects(cluster, lambda: idle_strangers(*cluster.nodes))


def translated_address(cluster):
    """peer-address any: a peer that comes from another address than the configured one is heard"""
    alpha, bravo = cluster.nodes
    # As bravo sees it, alpha comes from an address that is not in its configuration, and cannot be reached itself.
    alpha.run("ip", "address", "del", f"{alpha.address}/24", "dev", "eth0")
    alpha.run("ip", "address", "add", "10.88.0.77/24", "dev", "eth0")
    alpha.config = os.path.join(alpha.dir, "translated.conf")
    with open(bravo.config) as file, open(alpha.config, "w") as translated:
        translated.write(file.read().replace(f"address {alpha.address}:", "address 10.88.0.77:"))
    for node in cluster.nodes:
        node.drbdadm("create-md", "--force", "r0")
    for node in cluster.nodes:
        node.drbdadm("up", "r0")
    time.sleep(4)
    if alpha.state()[1] == "Connected":
        raise Failed("bravo takes connections from an address that is not its peer's")
    for pid in bravo.processes("drbdd"):
        os.kill(pid, 9)
    until(lambda: not bravo.processes("drbdd"), 5, "bravo's drbdd does not end")
    conf = os.path.join(bravo.dir, "drbdd.conf")
    with open(conf, "w") as file:
        file.write("peer-address any;\n")
    with open(bravo.daemon_log, "a") as log:
        bravo.start("drbdd", "--foreground", "--log", "stderr", "--daemon-conf", conf, stderr=log)
    until(lambda: bravo.run("drbdsetup", "status", check=False, quiet=True)[0] == 0, 5, "bravo's drbdd did not start")
    bravo.drbdadm("up", "r0")
    alpha.wait(connection="Connected", seconds=20)


if __name__ == "__main__":
    main(flooded_pair_connects, idle_strangers_hold_nothing, translated_address)
