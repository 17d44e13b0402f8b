#!/usr/bin/python3
"""What others can make the daemon log, as fast as they can. floods.py SCENARIO"""

import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))

import wire_peer as wire  # noqa: E402
from cluster import main, until  # noqa: E402
from sandbox import Failed  # noqa: E402

SECONDS_EACH = 4
MOST_LINES = 400  # of one flood: a few kinds of lines, 60 of each
MANY = 500  # packets of one call


def state_request(mask, value):
    return wire.packet(wire.STATE_CHG_REQ, struct.pack(">II", mask, value))


def state(role):
    return wire.packet(wire.STATE, struct.pack(">I", role | 10 << 4 | 8 << 9))


PACKETS = {
    "requests that are refused": b"".join(state_request(15 << 13, n % 5 << 13) for n in range(MANY)),
    "roles that change": (state(1) + state(2)) * MANY,
    "packets for a volume that is not there": struct.pack(">IHHII", 0x8620ec20, 7, wire.STATE, 4, 0) + bytes(4),
}


def lines_of(node):
    with open(node.daemon_log) as log:
        return log.read().splitlines()


def flood_with(packets):
    def flood(cluster, end):
        peer = until(lambda: connected(cluster), 60, "the node does not come back to listening")
        peer.data.settimeout(0.5)
        sent = 0
        try:
            while time.monotonic() < end:
                try:
                    sent += peer.data.send(packets * (1 if len(packets) > 1000 else MANY))
                except TimeoutError:
                    pass
        except OSError:
            pass
        peer.close()
        return sent // len(packets)
    return flood


def connected(cluster):
    try:
        return wire.WirePeer(cluster.bravo, cluster.alpha.address, 7788).become_twin()
    except OSError:
        return None


def connections_that_end(cluster, end):
    """Good handshakes, and then a packet that nobody may send."""
    count = 0
    while time.monotonic() < end:
        peer = connected(cluster)
        if peer:
            count += 1
            try:
                peer.data.sendall(wire.packet(wire.CHALLENGE, bytes(64)))
                peer.data.settimeout(1)
                while peer.data.recv(1 << 16):
                    pass
            except OSError:
                pass
            peer.close()
    return count


def unix_socket(path, bytes_to_send):
    def flood(cluster, end):
        count = 0
        while time.monotonic() < end:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                try:
                    client.connect(os.path.join(cluster.alpha.run_dir, path))
                    client.sendall(bytes_to_send)
                    client.recv(1 << 16)
                except OSError:
                    pass
                count += 1
        return count
    return flood


def nobody_fills_the_log(cluster):
    """a peer, strangers to its protocol, NBD and admin clients that do nothing but wrong: a few hundred lines at most, and a count"""
    cluster.up(primary=cluster.alpha)
    cluster.alpha.drbdadm("secondary", "r0")
    cluster.bravo.drbdadm("down", "r0")
    cluster.alpha.wait(connection="Connecting")
    floods = {name: flood_with(packets) for name, packets in PACKETS.items()}
    floods["connections that end"] = connections_that_end
    floods["NBD clients"] = unix_socket("drbd0.nbd", struct.pack(">I", 0xffff))
    floods["admin clients"] = unix_socket("drbdd.sock", b"{]\n")
    too_much = []
    for name, flood in floods.items():
        before = len(lines_of(cluster.alpha))
        count = flood(cluster, time.monotonic() + SECONDS_EACH)
        written = len(lines_of(cluster.alpha)) - before
        print(f"{name}: {count} times, {written} lines")
        if count == 0:
            raise Failed(f"{name}: nothing came through: nothing is tried")
        if written > MOST_LINES:
            too_much.append(f"{name}: {written} lines")
    if too_much:
        raise Failed(f"whoever likes fills the disk with log lines: {too_much}")
    if not any(line.endswith("(more like this are counted, not logged)") for line in lines_of(cluster.alpha)):
        raise Failed("nothing says that lines are held back")
    cluster.bravo.drbdadm("up", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()


if __name__ == "__main__":
    main(nobody_fills_the_log)
