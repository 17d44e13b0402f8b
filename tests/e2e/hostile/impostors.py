#!/usr/bin/python3
"""Somebody at the peer's address who does not know the secret. impostors.py SCENARIO"""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))

from cluster import configuration, main, until  # noqa: E402
from sandbox import Failed  # noqa: E402
from wire_peer import CHALLENGE, FEATURES, RESPONSE, WirePeer, old_header, packet  # noqa: E402

SECRET = "correct-horse"  # as a shell writes it, too
NET = f"protocol C; cram-hmac-alg sha256; shared-secret \"{SECRET}\"; connect-int 2;"
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


def command_lines():
    """What everybody on the machine can read of each process."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                yield file.read()
        except OSError:
            continue  # ended while we looked


def the_secret_is_seen_nowhere(cluster):
    """while a pair lives with it: not in a log, not in ps, not in what -d and -v print, unless that is asked for"""
    two_resources(cluster)
    alpha = cluster.alpha
    printed = "".join(alpha.drbdadm(*command)[1] + alpha.drbdadm(*command)[2]
                      for command in (("-d", "up", "r0"), ("-d", "adjust", "r0"), ("-v", "adjust", "r0"), ("status", "r0")))
    for place, text in (("what is printed", printed), ("the log", log_of(alpha)), ("ps", "".join(command_lines()))):
        if SECRET in text:
            raise Failed(f"the secret stands in {place}")
    if "*" not in printed:
        raise Failed(f"no stars where the secret is: nothing was looked at: {printed}")
    if SECRET not in alpha.drbdadm("--show-secrets", "-d", "up", "r0")[1]:
        raise Failed("--show-secrets does not show it")
    for resource in ("r0", "r1"):
        alpha.drbdadm("down", resource)


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
    main(reflected_challenge, wrong_answers_separate_nobody, the_secret_is_seen_nowhere, volumes=2)
