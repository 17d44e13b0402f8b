#!/usr/bin/python3
"""A third copy far away: a resource that is stacked on a pair's device. stacked.py SCENARIO"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import BIN, compare  # noqa: E402
from ha_node import HaNode, Wires  # noqa: E402
from sandbox import Failed, choose, run  # noqa: E402

SERVICE = "10.88.0.10"  # of the pair, wherever its Primary is
CONFIG = """global {{ usage-count no; }}
resource lower {{
    device /dev/drbd60; meta-disk internal;
    on alpha {{ disk {alpha}; address 10.88.0.1:7800; }}
    on bravo {{ disk {bravo}; address 10.88.0.2:7800; }}
}}
resource upper {{
    net {{ protocol A; connect-int 1; }}
    stacked-on-top-of lower {{ device /dev/drbd61; address 10.88.0.10:7801; }}
    on gamma {{ device /dev/drbd61; disk {gamma}; meta-disk internal; address 10.88.0.3:7801; }}
}}
"""


class Three:
    def __init__(self, work):
        if not os.path.exists(os.path.join(BIN, "drbdd-fuse")):
            raise Failed(f"{BIN} has no drbdd-fuse: build first, or set DRBDD_BIN")
        Wires("wire")
        names = ("alpha", "bravo", "gamma")
        self.nodes = [HaNode(work, name, {"eth0": ("wire", f"10.88.0.{i}")}) for i, name in enumerate(names, 1)]
        self.alpha, self.bravo, self.gamma = self.nodes
        self.disks = {node.name: os.path.join(node.dir, "disk.img") for node in self.nodes}
        for disk in self.disks.values():
            with open(disk, "wb") as file:
                file.truncate(48 << 20)
        with open(self.alpha.config, "w") as file:
            file.write(CONFIG.format(**self.disks))
        for node in self.nodes:
            node.boot()

    def report(self):
        for node in self.nodes:
            node.report()


def write(node, byte):
    node.run("sh", "-c", f"tr '\\0' '{byte}' < /dev/zero | dd of=/dev/drbd61 bs=1M count=8 iflag=fullblock oflag=direct conv=fsync")


def serve(three, node, force=False):
    """The pair's device and what is stacked on it, with the pair's address."""
    node.drbdadm("primary", *(["--force"] if force else []), "lower")
    node.run("ip", "address", "add", f"{SERVICE}/24", "dev", "eth0")
    if force:
        node.wait_in_sync("lower")
        node.drbdadm("-S", "create-md", "--force", "upper")
    node.drbdadm("-S", "up", "all")
    node.wait("upper", connection="Connected")
    node.drbdadm("primary", *(["--force"] if force else []), "upper")
    three.gamma.wait_in_sync("upper")


def far_away(three):
    """its disk is the device below; it moves with the pair's Primary, and the third node gets every write"""
    alpha, bravo, gamma = three.nodes
    for node in (alpha, bravo):
        node.drbdadm("create-md", "--force", "lower")
        node.drbdadm("up", "all")  # without what is stacked
    gamma.drbdadm("create-md", "--force", "upper")
    gamma.drbdadm("up", "all")
    alpha.wait("lower", connection="Connected")
    serve(three, alpha, force=True)
    write(alpha, "a")
    if "_stacked_on=lower\n_stacked_on_device=/dev/drbd60\n" not in alpha.drbdadm("sh-status")[1]:
        raise Failed("sh-status does not say what it is stacked on")
    alpha.expect_refusal("drbdadm", "down", "lower", code=11, says=["(-12)"])  # its device is in use
    alpha.drbdadm("-S", "down", "upper")
    alpha.drbdadm("secondary", "lower")
    alpha.run("ip", "address", "del", f"{SERVICE}/24", "dev", "eth0")
    serve(three, bravo)
    write(bravo, "b")
    gamma.wait_in_sync("upper")
    for node in (bravo, alpha):
        node.drbdadm("-S", "down", "upper")
        node.drbdadm("down", "lower")
    gamma.drbdadm("down", "upper")
    compare(three.disks["alpha"], three.disks["bravo"], 40 << 20)
    compare(three.disks["bravo"], three.disks["gamma"], 40 << 20)


def main():
    scenario = choose((far_away,))
    threes = []

    def run_it(work):
        threes.append(Three(work))
        scenario(threes[0])

    run(run_it, on_failure=lambda: threes and threes[0].report())


main()
