#!/usr/bin/python3
"""Other links, other disks, and the administrator's own programs. setups.py SCENARIO"""

import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import data_bytes, main, until  # noqa: E402
from sandbox import Failed  # noqa: E402


def rewrite(cluster, *changes):
    with open(cluster.alpha.config) as file:
        text = file.read()
    for old, new in changes:
        if old not in text:
            raise Failed(f"drbd.conf has no '{old}'")
        text = text.replace(old, new)
    with open(cluster.alpha.config, "w") as file:
        file.write(text)


def ipv6_link(cluster):
    """the nodes replicate over IPv6, and find each other again"""
    for number, node in enumerate(cluster.nodes, 1):
        node.run("ip", "-6", "address", "add", f"fd88::{number}/64", "dev", "eth0", "nodad")
        rewrite(cluster, (f"address {node.address}:7788;", f"address ipv6 [fd88::{number}]:7788;"))
    cluster.up(primary=cluster.alpha)
    cluster.alpha.write_random(range(0, 8 << 20, 65536))
    cluster.compare()
    cluster.bridge.cable("bravo", False)
    cluster.alpha.wait(connection="Connecting", seconds=30)
    cluster.alpha.write_random(range(0, 4 << 20, 32768))
    cluster.bridge.cable("bravo", True)
    for node in cluster.nodes:
        node.wait_in_sync()
    cluster.compare()
    sockets = cluster.alpha.run("cat", "/proc/net/tcp")[1]
    if f":{7788:04X} " in sockets:
        raise Failed(f"there are connections over IPv4:\n{sockets}")


def block_device(cluster):
    """the backing disks are block devices: claimed while attached, free again afterwards"""
    loops = {}
    try:
        for node in cluster.nodes:
            path = cluster.disks[node.name][0]
            loops[node] = node.run("losetup", "--find", "--show", path)[1].strip()
            rewrite(cluster, (f"disk {path};", f"disk {loops[node]};"))
        for node in cluster.nodes:
            node.drbdadm("create-md", "r0")  # no --force: a block device needs none
            node.drbdadm("up", "r0")
        cluster.alpha.wait(connection="Connected")
        cluster.alpha.drbdadm("primary", "--force", "r0")
        for node in cluster.nodes:
            node.wait_in_sync()
        cluster.alpha.write_random(range(0, 16 << 20, 65536))
        cluster.alpha.expect_refusal("mke2fs", "-q", "-t", "ext4", loops[cluster.alpha], says=["in use"])
        cluster.alpha.drbdadm("secondary", "r0")
        cluster.bravo.drbdadm("primary", "r0")
        cluster.bravo.write_random(range(0, 8 << 20, 65536))
        cluster.down()
        for node in cluster.nodes:
            node.run("losetup", "--detach", loops.pop(node))
        cluster.compare()
    finally:
        for node, loop in loops.items():
            node.run("losetup", "--detach", loop, check=False)


HANDLERS = ("before-resync-target", "after-resync-target", "initial-split-brain", "split-brain")


def fenced(cluster):
    """with fencing a lonely Primary has the peer outdated; a survivor is promoted when the peer is found dead"""
    work = os.path.dirname(cluster.alpha.dir)
    # Another network than the one that is cut: the peer's admin socket can be seen from both nodes.
    for node, peer in ((cluster.alpha, cluster.bravo), (cluster.bravo, cluster.alpha)):
        with open(os.path.join(node.dir, "fence"), "w") as file:
            file.write(f"#!/bin/sh\nexport PATH={peer.environment()['PATH']} DRBDD_RUN_DIR={peer.run_dir}\n"
                       f"[ -e {work}/dead ] && exit 5\n"
                       f"drbdadm -c {peer.config} --node {peer.name} outdate r0 >> {node.dir}/fence.log 2>&1\n"
                       "case $? in 0) exit 4;; 5) exit 3;; 17) exit 6;; esac\nexit 1\n")
        os.chmod(os.path.join(node.dir, "fence"), 0o755)
    rewrite(cluster, ("net {", "net { fencing resource-only;"),
            ("resource r0 {", f'resource r0 {{\n  handlers {{ fence-peer "{work}/$(uname -n)/fence"; }}'))
    cluster.up(primary=cluster.alpha)

    cluster.bridge.cable("bravo", False)
    cluster.alpha.wait(connection="Connecting", peer_disk="Outdated")
    cluster.bravo.wait(disk="Outdated")
    cluster.bravo.expect_refusal("drbdadm", "-c", cluster.bravo.config, "primary", "r0", code=17,
                                 says=["Need access to UpToDate data"])
    cluster.bridge.cable("bravo", True)
    for node in cluster.nodes:
        node.wait_in_sync()

    cluster.alpha.kill()
    open(os.path.join(work, "dead"), "w").close()
    cluster.bravo.drbdadm("peer-dead", "r0")
    cluster.bravo.wait(connection="Connecting", seconds=1)
    cluster.bravo.drbdadm("primary", "r0")
    cluster.bravo.write_random(range(0, 1 << 20, 65536))
    cluster.alpha.boot()
    cluster.alpha.drbdadm("up", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
    cluster.compare()


def handlers(cluster):
    """handlers run at their moment, with their environment"""
    work = os.path.dirname(cluster.alpha.dir)
    script = os.path.join(work, "handler")
    with open(script, "w") as file:
        file.write(f'#!/bin/sh\ncd {work}/$(uname -n) || exit 1\n'
                   'echo "$1 $DRBD_RESOURCE minor=$DRBD_MINOR volume=$DRBD_VOLUME peer=$DRBD_PEER/$DRBD_PEER_ADDRESS '
                   'af=$DRBD_PEER_AF disk=$DRBD_LL_DISK conf=$DRBD_CONF" >> calls\n')
    os.chmod(script, 0o755)
    lines = "\n".join(f'    {name} "{script} {name}";' for name in HANDLERS)
    rewrite(cluster, ("resource r0 {", "resource r0 {\n  handlers {\n" + lines + "\n  }"))

    def calls(node):
        path = os.path.join(node.dir, "calls")
        if not os.path.exists(path):
            return []
        with open(path) as file:
            return file.read().splitlines()

    def expect(node, *names):
        until(lambda: [line.split()[0] for line in calls(node)] == list(names), 10,
              lambda: f"{node.name}: handlers {calls(node)}, wanted {names}")
        peer = cluster.bravo if node is cluster.alpha else cluster.alpha
        for line in calls(node):
            wanted = (f"{line.split()[0]} r0 minor=0 volume=0 peer={peer.name}/{peer.address} af=ipv4 "
                      f"disk={cluster.disks[node.name][0]} conf={node.config}")
            if line != wanted:
                raise Failed(f"{node.name}: a handler saw\n{line}\nwanted\n{wanted}")
        if names:
            os.unlink(os.path.join(node.dir, "calls"))

    cluster.up(primary=cluster.alpha)
    expect(cluster.alpha)
    expect(cluster.bravo, "before-resync-target", "after-resync-target")

    cluster.bravo.drbdadm("disconnect", "r0")
    cluster.alpha.wait(connection="Connecting")
    cluster.alpha.drbdadm("disconnect", "r0")
    cluster.alpha.write_random(range(0, 1 << 20, 65536))
    cluster.bravo.drbdadm("primary", "--force", "r0")
    cluster.bravo.write_random(range(0, 1 << 20, 65536))
    for node in cluster.nodes:
        node.drbdadm("connect", "r0")
    for node in cluster.nodes:
        until(lambda: node.state()[1] == "StandAlone", 10, lambda: f"{node.name}: {node.state()}")
        expect(node, "initial-split-brain", "split-brain")


def snapshot_first(cluster):
    """a resync begins when before-resync-target has ended, and not at all if it fails; the application does not notice"""
    alpha, bravo = cluster.alpha, cluster.bravo
    gate = os.path.join(bravo.dir, "gate")
    rewrite(cluster, ("resource r0 {", 'resource r0 {\n  handlers { before-resync-target '
                      f'"while [ ! -e {gate} ]; do sleep 0.2; done; exit $(cat {gate})"; }}'))
    open_gate(gate, 0)
    cluster.up(primary=alpha)
    os.unlink(gate)
    bravo.drbdadm("disconnect", "r0")
    alpha.write_random(range(0, 4 << 20, 65536))
    bravo.drbdadm("connect", "r0")
    bravo.wait(connection="Connected", disk="Outdated")
    before = image(cluster.disks["bravo"][0])
    alpha.write_random(range(0, 2 << 20, 4096))
    bravo.drbdadm("status", "r0", seconds=5)
    if image(cluster.disks["bravo"][0]) != before or bravo.state()[3] != "Outdated":
        raise Failed(f"the data was touched while the handler ran: {bravo.state()}")
    open_gate(gate, 3)
    until(lambda: bravo.state()[1] == "StandAlone", 10, lambda: f"bravo: {bravo.state()}")
    if image(cluster.disks["bravo"][0]) != before:
        raise Failed("the data was touched though the handler forbade it")
    with open(bravo.daemon_log) as log:
        if "before-resync-target handler returned 3, dropping connection." not in log.read():
            raise Failed("bravo does not say why")
    open_gate(gate, 0)
    bravo.drbdadm("connect", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
    cluster.compare()


def open_gate(path, code):
    with open(path + ".new", "w") as file:
        file.write(f"{code}\n")
    os.rename(path + ".new", path)


def image(path):
    """A digest of the data, without the metadata."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read(data_bytes(path))).hexdigest()


main(ipv6_link, block_device, fenced, handlers, snapshot_first, programs=("mke2fs",), net="protocol C; timeout 30; ping-int 2; ping-timeout 5; connect-int 1;")
