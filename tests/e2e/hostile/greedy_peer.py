#!/usr/bin/python3
"""A peer that asks for anything as fast as it can and reads none of the answers. greedy_peer.py SCENARIO"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))

import wire_peer as wire  # noqa: E402
from cluster import main, until  # noqa: E402
from sandbox import Failed  # noqa: E402

MOST_KIB = 128 << 10
SECONDS_EACH = 8
MANY = 2000  # packets of one call

GREED = {
    "reads": ("data", b"".join(wire.block_request(wire.DATA_REQUEST, n % 60 * 2048, 1 << 20, n) for n in range(MANY))),
    "small reads": ("data", b"".join(wire.block_request(wire.DATA_REQUEST, n * 8, 4096, n) for n in range(MANY))),
    "resync requests": ("data", b"".join(wire.block_request(wire.RS_DATA_REQUEST, n * 8, 4096, n) for n in range(MANY))),
    "pings": ("meta", wire.packet(wire.PING) * MANY),
    "empty writes": ("data", wire.write(0, 1, wire.FLUSH | wire.SEND_WRITE_ACK) * MANY),
    "empty epochs": ("data", (wire.write(0, 1, wire.FLUSH | wire.SEND_WRITE_ACK) + wire.packet(wire.BARRIER, bytes(8))) * MANY),
    "trims": ("data", b"".join(wire.trim(n * 8, 4096, n) for n in range(MANY))),
    "writes": ("data", b"".join(wire.write(n * 8, n, wire.SEND_WRITE_ACK, bytes(512)) for n in range(MANY))),
    "state requests": ("data", wire.packet(wire.STATE_CHG_REQ, bytes((0, 0, 1, 0xf0, 0, 0, 0, 0x80))) * MANY),
}


def memory_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


class Glutton:
    """Sends one kind without an end, on one connection after the other, and watches the daemon's memory."""

    def __init__(self, cluster):
        self.alpha, self.bravo = cluster.nodes
        self.pid = self.alpha.processes("drbdd")[0]

    def run(self, socket_name, packets):
        peak = sent = 0
        peer = until(self.connected, 120, "the node does not come back to listening")
        end = time.monotonic() + SECONDS_EACH
        while time.monotonic() < end:
            peer = peer or self.connected()
            if not peer:
                time.sleep(0.1)
                continue
            peer.data.settimeout(0.1)
            peer.meta.settimeout(0.1)
            socket, rest = getattr(peer, socket_name), memoryview(packets)
            try:
                while time.monotonic() < end:
                    peak = max(peak, memory_kib(self.pid))
                    try:
                        count = socket.send(rest)
                    except TimeoutError:
                        continue  # it reads no more: as it should be
                    sent += count
                    rest = rest[count:] or memoryview(packets)
            except OSError:
                pass  # the node has ended the connection
            peer.close()
            peer = None
        return peak, sent

    def connected(self):
        try:
            return wire.WirePeer(self.bravo, self.alpha.address, 7788).become_twin()
        except OSError:
            return None


def stays_small(cluster):
    """nine kinds of requests for 72 s: the daemon stays below 128 MiB, and is there for its real peer afterwards"""
    cluster.up(primary=cluster.alpha)
    cluster.alpha.drbdadm("secondary", "r0")
    cluster.bravo.drbdadm("down", "r0")
    glutton = Glutton(cluster)
    too_much = []
    for kind, (socket_name, packets) in GREED.items():
        peak, sent = glutton.run(socket_name, packets)
        print(f"{kind}: {sent >> 10} KiB sent, {peak >> 10} MiB at most")
        if sent == 0:
            raise Failed(f"{kind}: nothing could be sent: nothing is tried")
        if peak > MOST_KIB:
            too_much.append(f"{kind}: {peak >> 10} MiB")
    if too_much:
        raise Failed(f"the daemon has grown beyond 128 MiB: {too_much}")
    cluster.bravo.drbdadm("up", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()


if __name__ == "__main__":
    main(stays_small)
