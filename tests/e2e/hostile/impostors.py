#!/usr/bin/python3
"""Somebody at the peer's address who does not know the secret. impostors.py SCENARIO"""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))

from cluster import configuration, main, until  # noqa: E402
from sandbox import Failed  # noqa: E402
from wire_peer import CHALLENGE, FEATURES, RESPONSE, WirePeer, old_header, packet  # noqa: E402

NET = "protocol C; cram-hmac-alg sha256; shared-secret \"correct horse\"; connect-int 2;"
PORTS = (7788, 7789)


def two_resources(cluster):
    """r0 and r1 with one secret, up on alpha alone."""
    texts = [configuration(cluster.NAMES, {name: disks[i:] for name, disks in cluster.disks.items()}, NET, resource=f"r{i}",
                           port=PORTS[i], first_minor=i) for i in range(2)]
    with open(cluster.alpha.config, "w") as file:
        file.write(texts[0] + texts[1].split("\n", 1)[1])  # one global section
    for resource in ("r0", "r1"):
        cluster.alpha.drbdadm("create-md", "--force", resource)
        cluster.alpha.drbdadm("up", resource)
        cluster.alpha.wait(resource, connection="Connecting")


def log_of(node):
    with open(node.daemon_log) as log:
        return log.read()


def reflected_challenge(cluster):
    """the challenge of one resource, put to the other one: neither answers it, and nobody is let in"""
    two_resources(cluster)
    address = cluster.alpha.address
    door = WirePeer(cluster.bravo, address, PORTS[0])
    door.features()
    challenge = door.receive(CHALLENGE)
    door.data.sendall(packet(CHALLENGE, os.urandom(64)))
    door.receive(RESPONSE)  # now it waits for ours
    oracle = WirePeer(cluster.bravo, address, PORTS[1])
    oracle.features()
    oracle.receive(CHALLENGE)
    oracle.data.sendall(packet(CHALLENGE, challenge))
    try:
        answer = oracle.receive(RESPONSE)
    except OSError:
        answer = None
    if answer:
        door.data.sendall(packet(RESPONSE, answer))
        until(lambda: "Peer authenticated" in log_of(cluster.alpha), 5, "the answer was not even good")
        raise Failed("r1 has answered the challenge of r0: whoever asks is let in without the secret")
    until(lambda: "unusable challenge" in log_of(cluster.alpha), 5, "nothing is said of the reflected challenge")
    door.close()
    oracle.close()
    for resource in ("r0", "r1"):
        cluster.alpha.drbdadm("down", resource)


def wrong_answers_separate_nobody(cluster):
    """ten attempts with wrong answers, foreign versions and silence: the real peer is let in all the same"""
    two_resources(cluster)
    alpha, bravo = cluster.nodes
    for attempt in range(10):
        try:
            peer = WirePeer(bravo, alpha.address, PORTS[0], seconds=2)
            if attempt % 3 == 0:
                peer.data.sendall(old_header(FEATURES, 72) + struct.pack(">III60x", 200, 0, 210))
            elif attempt % 3 == 1:
                peer.features()
                peer.data.sendall(packet(CHALLENGE, os.urandom(64)) + packet(RESPONSE, os.urandom(32)))
            peer.data.recv(1 << 16)
            peer.close()
        except OSError:
            pass  # between two attempts nobody listens
        if alpha.state()[1] == "StandAlone":
            raise Failed("an impostor has separated the pair: StandAlone until a person comes")
    bravo.drbdadm("create-md", "--force", "r0")
    bravo.drbdadm("up", "r0")
    alpha.wait(connection="Connected", seconds=20)
    alpha.drbdadm("down", "r1")


if __name__ == "__main__":
    main(reflected_challenge, wrong_answers_separate_nobody, volumes=2)
