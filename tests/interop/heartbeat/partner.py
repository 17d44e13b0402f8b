#!/usr/bin/python3
"""Our daemon as the partner of a real Heartbeat 3.0.6. partner.py SCENARIO

HB_KINDS=original,original runs a scenario with two originals: what the scenarios expect is what these do.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from pair import DEADTIME_S, HEALING, ORIGINAL, OURS, RETURN, SOON, START, Pair  # noqa: E402
from cluster import until  # noqa: E402
from sandbox import choose, run  # noqa: E402


QUIET = 10  # the original restarts itself a few seconds after the link is back


def ucast_sha1_failback_on(work):
    """original node-a, ours node-b, ucast, sha1, auto_failback on: a whole life"""
    life(make(work, "ucast", "sha1", "on", (ORIGINAL, OURS)))


def bcast_md5_failback_off(work):
    """ours node-a, original node-b, bcast, md5, auto_failback off: a whole life"""
    life(make(work, "bcast", "md5", "off", (OURS, ORIGINAL)))


def mcast_crc_partition(work):
    """original node-a, ours node-b, mcast, crc: the heartbeat link breaks and heals"""
    partition(make(work, "mcast", "crc", "on", (ORIGINAL, OURS)))


def serial_sha1_failback_on(work):
    """ours node-a, original node-b, serial line, sha1, auto_failback on: start, hand over, crash, return"""
    pair = make(work, "serial", "sha1", "on", (OURS, ORIGINAL))
    begin(pair)
    hand_over(pair)
    crash_and_return(pair, pair.a, pair.b)
    end(pair)


def ucast_md5_partition(work):
    """ours node-a, original node-b, ucast, md5, auto_failback off: the heartbeat link breaks and heals"""
    partition(make(work, "ucast", "md5", "off", (OURS, ORIGINAL)))


def make(work, media, auth, failback, kinds):
    kinds = tuple(os.environ["HB_KINDS"].split(",")) if "HB_KINDS" in os.environ else kinds
    make.pair = Pair(work, media, auth, failback, kinds)
    return make.pair


def begin(pair):
    pair.start()
    pair.expect(pair.a, START, "start together")
    pair.stable()
    for node, peer in ((pair.a, pair.b), (pair.b, pair.a)):
        until(lambda node=node, peer=peer: node.run(node.tool("cl_status"), "nodestatus", peer.name)[1].strip() == "active",
              SOON, f"{node.name}: {peer.name} is not active")
    pair.stays(pair.a, 3, "steady state")


def hand_over(pair):
    """Both ways, by both commands, from both sides."""
    a, b = pair.a, pair.b
    pair.moves(a.standby, b, "hb_standby on the holder node-a")
    pair.moves(a.takeover, a, "hb_takeover on node-a")
    pair.moves(b.takeover, b, "hb_takeover on node-b")
    pair.moves(b.standby, a, "hb_standby on the holder node-b")


def clean_stop_and_return(pair):
    pair.stable()
    pair.stop(pair.a)
    pair.expect(pair.b, SOON, "clean stop of node-a")
    pair.stable()
    pair.start(pair.a)
    returned(pair)


def crash_and_return(pair, dying, heir):
    pair.stable()
    pair.crash(dying)
    pair.expect(heir, DEADTIME_S + SOON, f"crash of {dying.name}")
    pair.stable()
    pair.boot(dying)
    if dying is pair.a:
        returned(pair)
    else:
        until(lambda: heir.run(heir.tool("cl_status"), "nodestatus", dying.name, check=False)[1].strip() == "active", RETURN,
              f"{dying.name} did not come back")
        pair.stable()
        pair.stays(heir, 3, f"return of {dying.name}")


def returned(pair):
    """node-a, the home node, is back: it gets its resources only with auto_failback on."""
    if pair.failback == "on":
        pair.expect(pair.a, RETURN, "return of node-a, auto_failback on")
        pair.stable()
        return
    until(lambda: pair.b.run(pair.b.tool("cl_status"), "nodestatus", "node-a", check=False)[1].strip() == "active", RETURN,
          "node-a did not come back")
    pair.stable()
    pair.stays(pair.b, 5, "return of node-a, auto_failback off")
    pair.moves(pair.a.takeover, pair.a, "hb_takeover by the node that returned")


def life(pair):
    begin(pair)
    hand_over(pair)
    clean_stop_and_return(pair)
    crash_and_return(pair, pair.a, pair.b)
    pair.moves(pair.b.takeover, pair.b, "hb_takeover on node-b")
    crash_and_return(pair, pair.b, pair.a)
    end(pair)


def partition(pair):
    """Without a defence both hold the service while they do not hear each other, and exactly one afterwards."""
    begin(pair)
    pair.a.cable("eth1", False)
    until(lambda: pair.holders() == ({"node-a", "node-b"},) * 2, DEADTIME_S + SOON, "node-b did not take over")
    pair.stable()  # who says at the end of its takeover what it has taken is heard by nobody
    pair.a.cable("eth1", True)
    until(lambda: len(pair.holders()[0]) < 2, SOON, "both keep the address after the link is back")
    pair.settles(HEALING, QUIET, "after the partition has healed")
    until(lambda: both_active(pair), SOON, "they do not see each other active after the partition has healed")
    end(pair)


def both_active(pair):
    return all(node.run(node.tool("cl_status"), "nodestatus", peer.name, check=False, quiet=True)[1].strip() == "active"
               for node, peer in ((pair.a, pair.b), (pair.b, pair.a)))


def end(pair):
    """Both stop cleanly, and neither address nor service stays behind."""
    pair.stable()
    for node in reversed(pair.nodes):
        pair.stop(node)
    until(lambda: pair.holders() == (set(), set()), SOON, lambda: f"after the last clean stop: {pair.holders()}")
    pair.check_logs()


make.pair = None
if __name__ == "__main__":
    scenario = choose((ucast_sha1_failback_on, bcast_md5_failback_off, mcast_crc_partition, serial_sha1_failback_on,
                       ucast_md5_partition))
    run(scenario, ("socat", "/usr/libexec/heartbeat/heartbeat", "cl_status"), 300, lambda: make.pair and make.pair.report())
