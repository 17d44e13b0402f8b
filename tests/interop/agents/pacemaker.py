#!/usr/bin/python3
"""Pacemaker's agent ocf:linbit:drbd, as drbd-utils ships it, runs a pair of ours through ocf:drbdd:drbd. pacemaker.py SCENARIO"""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../e2e/lib"))

from cluster import BIN, ROOT, compare, configuration  # noqa: E402
from ha_node import HaNode, Wires  # noqa: E402
from sandbox import Failed, choose, run  # noqa: E402

WRAPPER = os.path.join(ROOT, "packaging/ocf/drbd")
LINBITS = "/usr/lib/ocf/resource.d/linbit/drbd"
RUNNING, PROMOTED, NOT_RUNNING = 0, 8, 7  # of the Open Cluster Framework
NAMES = (("alpha", "10.88.0.1"), ("bravo", "10.88.0.2"))
# Pacemaker's own programs, as far as the agent uses them: a node's score for a promotion, and where the resource is.
SCORE = """#!/bin/sh
for last; do :; done
case "$*" in
*-G*) cat /run/score 2> /dev/null ;;
*-D*) rm -f /run/score ;;
*) echo "$last" > /run/score ;;
esac
"""
CRM = {"clone_max": 2, "clone_node_max": 1, "master_max": 1, "master_node_max": 1, "notify": "true", "timeout": 60000}


class Pair:
    def __init__(self, work):
        Wires("wire")
        self.nodes = [HaNode(work, name, {"eth0": ("wire", address)}) for name, address in NAMES]
        self.alpha, self.bravo = self.nodes
        self.disks = {name: [os.path.join(work, name, "disk.img")] for name, _ in NAMES}
        for node in self.nodes:
            with open(self.disks[node.name][0], "wb") as file:
                file.truncate(64 << 20)
            os.makedirs(f"{node.dir}/crm")
            node._write("crm/crm_master", SCORE)
            node._write("crm/crm_resource", "#!/bin/sh\n")
        with open(self.alpha.config, "w") as file:
            file.write(configuration(NAMES, self.disks))
        for node in self.nodes:
            node.boot()
            node.run("drbdadm", "create-md", "--force", "r0")

    def agent(self, node, action, wanted=RUNNING, script=WRAPPER, **meta):
        """What Pacemaker runs: the exit code must be the wanted one."""
        environment = {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": "p_drbd:0", "OCF_RESKEY_drbd_resource": "r0",
                       "OCF_RESKEY_CRM_meta_interval": 0 if action != "monitor" else 10000,
                       "OCF_RESKEY_crm_feature_set": "3.19.0", "HA_SBIN_DIR": f"{node.dir}/crm", "HA_LOGFACILITY": "none", "HA_debug": 0,
                       "PATH": f"{node.dir}/crm:{node.environment()['PATH']}"}
        environment |= {f"OCF_RESKEY_CRM_meta_{key}": value for key, value in {**CRM, **meta}.items()}
        words = [f"{key}={value}" for key, value in environment.items()]
        code, out, err = node.run("env", *words, script, action, check=False)
        if code != wanted:
            raise Failed(f"{node.name}: {action}: exit {code}, wanted {wanted}\n{out}{err}")
        return out + err

    def on_both(self, action, wanted=RUNNING):
        """At the same time, as Pacemaker does."""
        troubles = []

        def one(node):
            try:
                self.agent(node, action, wanted)
            except Failed as failed:
                troubles.append(str(failed))

        threads = [threading.Thread(target=one, args=(node,)) for node in self.nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if troubles:
            raise Failed("\n".join(troubles))

    def report(self):
        for node in self.nodes:
            node.report()


def score(node):
    return node.run("cat", "/run/score", check=False)[1].strip()


def write(node, byte):
    node.run("sh", "-c", f"tr '\\0' '{byte}' < /dev/zero | dd of=/dev/drbd0 bs=1M count=4 iflag=fullblock oflag=direct conv=fsync")


def moved(pair):
    """start, promote, monitor, demote and stop; the role moves to the other node and back, and the data with it"""
    alpha, bravo = pair.nodes
    pair.on_both("monitor", NOT_RUNNING)  # a probe, with no daemon there
    pair.on_both("start")
    pair.on_both("monitor")
    alpha.run("drbdadm", "new-current-uuid", "--clear-bitmap", "r0/0")
    for node in pair.nodes:
        node.wait_in_sync()
        pair.agent(node, "notify", notify_type="post", notify_operation="start", notify_start_uname="alpha bravo")
    pair.agent(alpha, "promote")
    pair.agent(alpha, "monitor", PROMOTED)
    pair.agent(bravo, "monitor")
    if score(alpha) != "10000" or score(bravo) != "10000":
        raise Failed(f"scores for a promotion: {score(alpha)}, {score(bravo)}")
    write(alpha, "a")
    pair.agent(alpha, "demote")
    pair.agent(alpha, "monitor")
    pair.agent(bravo, "promote")
    pair.agent(bravo, "monitor", PROMOTED)
    write(bravo, "b")
    pair.agent(alpha, "stop")
    pair.agent(alpha, "monitor", NOT_RUNNING)
    pair.agent(bravo, "monitor", PROMOTED)
    write(bravo, "c")
    pair.agent(alpha, "start")
    alpha.wait_in_sync()
    pair.agent(bravo, "demote")
    pair.on_both("stop")
    pair.on_both("stop")  # what is stopped already is no failure
    pair.on_both("monitor", NOT_RUNNING)
    compare(pair.disks["alpha"][0], pair.disks["bravo"][0], 60 << 20)


def taken_over(pair):
    """the survivor of a power failure is promoted; data that nobody vouches for are refused at once"""
    alpha, bravo = pair.nodes
    pair.on_both("start")
    # Both Inconsistent: the agent gives up by the exit code, and doesn't try on until its time is over.
    pair.agent(alpha, "promote", 1)
    alpha.run("drbdadm", "new-current-uuid", "--clear-bitmap", "r0/0")
    for node in pair.nodes:
        node.wait_in_sync()
    pair.agent(alpha, "promote")
    write(alpha, "a")
    alpha.power_cut()
    bravo.wait(connection="Connecting")
    pair.agent(bravo, "promote")
    pair.agent(bravo, "monitor", PROMOTED)
    write(bravo, "b")
    pair.agent(bravo, "demote")
    pair.agent(bravo, "stop")


def main():
    scenario = choose((moved, taken_over))
    pairs = []

    def run_it(work):
        if not os.path.exists(os.path.join(BIN, "drbdd-fuse")):
            raise Failed(f"{BIN} has no drbdd-fuse: build first, or set DRBDD_BIN")
        pairs.append(Pair(work))
        scenario(pairs[0])

    run(run_it, (LINBITS,), on_failure=lambda: pairs and pairs[0].report())


main()
