#!/usr/bin/python3
"""Strangers at the UDP port of heartbeat. heartbeat_flood.py SCENARIO"""

import os
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../heartbeat")]

PORT = 694
DATAGRAM = (b">>>\nt=status\nst=active\ndt=1388\nprotocol=1\nsrc=node-b\n(1)srcuuid=AAAAAAAAAAAAAAAAAAAAAA==\nseq=7fffffff\nhg=7fffffff\n"
            b"ts=7fffffff\nld=0.00 0.00 0.00 1/100 1000\nttl=3\nauth=1 " + 20 * b"5e" + b"\n<<<\n")
KEEPALIVE_MS, DEADTIME_MS = 500, 5000
DEADTIME = DEADTIME_MS / 1000
FLOOD_S = 20
LEAST = 2000 * FLOOD_S  # datagrams to each node: else nothing is tried
MOST_CPU_S = FLOOD_S / 4
MOST_LINES = 60


def flood(seconds, pairs):
    """In the stranger's network: as fast as one process can, to each TO, from SOURCE if one is given."""
    sockets = []
    for pair in pairs:
        to, _, source = pair.partition("@")
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if source:
            sender.bind((source, 0))
        sender.connect((to, PORT))
        sockets.append(sender)
    sent, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(100):
            for sender in sockets:
                try:
                    sender.send(DATAGRAM)
                except OSError:
                    pass
        sent += 100
    print(sent)


if sys.argv[1:2] == ["--flood"]:
    flood(float(sys.argv[2]), sys.argv[3:])
    sys.exit(0)

from duo import Duo, SOON, expect, main  # noqa: E402
from ha_node import HaNode  # noqa: E402


class Stranger:
    """Somebody on the heartbeat link, perhaps with an address of others."""

    def __init__(self, work, stolen=None):
        self.node = HaNode(work, "stranger", {"eth0": ("heartbeat", "10.77.1.66")})
        self.node.boot()
        if stolen:
            self.node.run("ip", "address", "add", f"{stolen}/32", "dev", "lo")

    def flood(self, seconds, *pairs):
        return self.node.start(sys.executable, os.path.realpath(__file__), "--flood", str(seconds), *pairs, stdout=subprocess.PIPE,
                               text=True)


def cpu_of(node):
    """Seconds that its daemon has used."""
    used = 0
    for pid in node.processes("heartbeat"):
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def lines_of(node):
    return node.log_lines("heartbeat")


def endure(duo, stranger, flooded, *pairs):
    """The flood begins; for FLOOD_S nothing comes of it. It goes on for as long again."""
    cpu = {node: cpu_of(node) for node in duo.nodes}
    lines = {node: len(lines_of(node)) for node in duo.nodes}
    flooding = stranger.flood(2 * FLOOD_S, *pairs)
    duo.stays(duo.a, FLOOD_S, "the port is flooded")
    for node in duo.nodes:
        used = cpu_of(node) - cpu[node]
        written = lines_of(node)[lines[node]:]
        print(f"{node.name}: {used:.2f} s of a processor in {FLOOD_S} s, {len(written)} lines")
        expect(used < MOST_CPU_S, f"{node.name}: the daemon has used {used:.2f} s of a processor in {FLOOD_S} s")
        expect(len(written) < MOST_LINES, f"{node.name}: {len(written)} lines in {FLOOD_S} s")
        expect(not any("declared dead" in line for line in written), f"{node.name} has declared its partner dead")
        expect(node not in flooded or any("was ignored" in line for line in written), f"{node.name}: nothing of the flood has come")
    return flooding


def enough(flooding):
    sent = int(flooding.communicate(timeout=3 * FLOOD_S)[0])
    print(f"{sent} datagrams to each node")
    expect(sent > LEAST, f"{sent} datagrams in {2 * FLOOD_S} s: nothing was tried")


def heartbeat_flood(work):
    """wrong signatures as fast as they can be sent, on the only link: for 20 s the pair neither fails over nor fills its log, its
    daemons use little of a processor; and a power cut of the partner during it is taken over in its time"""
    duo = Duo(work, lambda own, peer: [f"ucast eth1 10.77.1.{peer}"], keepalive=KEEPALIVE_MS, deadtime=DEADTIME_MS)
    duo.up(SOON + DEADTIME)
    stranger = Stranger(work)
    flooding = endure(duo, stranger, duo.nodes, "10.77.1.1", "10.77.1.2")
    cut = time.monotonic()
    duo.power_off(duo.a)
    duo.holds(duo.b, DEADTIME + SOON, "node-a has lost its power while the port is flooded")
    print(f"taken over after {time.monotonic() - cut:.1f} s")
    expect(flooding.poll() is None, "the flood had ended before the takeover")
    enough(flooding)
    duo.check()


def heartbeat_flood_in_our_name(work):
    """the same to node-a with node-b's address as its source, on one of two links: no filter helps, and still no processor is eaten
    and nobody is declared dead"""
    duo = Duo(work, keepalive=KEEPALIVE_MS, deadtime=DEADTIME_MS)
    duo.up(SOON + DEADTIME)
    stranger = Stranger(work, "10.77.1.2")
    enough(endure(duo, stranger, [duo.a], "10.77.1.1@10.77.1.2"))
    duo.stays(duo.a, DEADTIME, "the flood is over")
    duo.check()


main(heartbeat_flood, heartbeat_flood_in_our_name, seconds=180)
