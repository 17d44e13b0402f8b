#!/usr/bin/python3
"""What is wrong is said, where it is wrong, and loses nothing. bad_input.py SCENARIO"""

import hashlib
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import compare, main, until  # noqa: E402
from sandbox import Failed  # noqa: E402


def backing_missing(cluster):
    """the backing file is not there: create-md and up name it; the other node is not disturbed"""
    node, path = cluster.bravo, cluster.disks["bravo"][0]
    os.unlink(path)
    node.expect_refusal("drbdadm", "-c", node.config, "create-md", "--force", "r0", says=[path, "No such file"])
    node.expect_refusal("drbdadm", "-c", node.config, "up", "r0", says=[path, "does not exist"])
    if os.path.exists(path):
        raise Failed("the missing backing file was made up")


def backing_too_small(cluster):
    """the backing file has no room for metadata"""
    node, path = cluster.bravo, cluster.disks["bravo"][0]
    os.truncate(path, 8192)
    node.expect_refusal("drbdadm", "-c", node.config, "create-md", "--force", "r0", says=["small"])
    node.expect_refusal("drbdadm", "-c", node.config, "up", "r0", says=[path])


def backing_read_only(cluster):
    """the backing file lies on a file system that is mounted read-only"""
    node, path = cluster.bravo, cluster.disks["bravo"][0]
    node.drbdadm("create-md", "--force", "r0")
    node.run("mount", "--bind", path, path)
    node.run("mount", "-o", "remount,bind,ro", path)
    node.expect_refusal("drbdadm", "-c", node.config, "up", "r0", says=[path, "read-only"])
    node.run("umount", path)
    node.drbdadm("down", "r0")
    node.drbdadm("up", "r0")


def backing_in_use(cluster):
    """two resources, or two daemons, never share a backing file"""
    node, path = cluster.bravo, cluster.disks["bravo"][0]
    node.drbdadm("create-md", "--force", "r0")
    node.drbdadm("up", "r0")
    with open(node.config) as file:
        text = file.read()
    second = os.path.join(node.dir, "second.conf")
    with open(second, "w") as file:
        file.write(text.replace("resource r0", "resource r1").replace(":7788", ":7789").replace("drbd0 minor 0", "drbd5 minor 5"))
    node.expect_refusal("drbdadm", "-c", second, "up", "r1", says=[path, "in use"])
    node.expect_refusal("drbdadm", "-c", node.config, "create-md", "--force", "r0")
    node.wait(disk="Inconsistent")
    other = ["env", f"DRBDD_RUN_DIR={node.dir}/run2", f"DRBDD_DEV_DIR={node.dir}/dev2"]
    os.makedirs(f"{node.dir}/run2")
    os.makedirs(f"{node.dir}/dev2")
    node.expect_refusal(*other, "drbdadm", "-c", second, "up", "r1", says=[path, "in use"])


def port_taken(cluster):
    """somebody else listens on the resource's port: StandAlone, with the reason in the log; the disk stays attached; it heals"""
    node = cluster.bravo
    for each in cluster.nodes:
        each.drbdadm("create-md", "--force", "r0")
    squatter = node.start("python3", "-c", "import socket, time\ns = socket.create_server(('10.88.0.2', 7788))\ntime.sleep(1000)")
    until(lambda: node.run("python3", "-c", "import socket; socket.create_connection(('10.88.0.2', 7788))", check=False)[0] == 0,
          5, "the squatter does not listen")
    node.drbdadm("up", "r0")
    until(lambda: node.drbdadm("cstate", "r0")[1].strip() == "StandAlone", 10, "bravo does not give up")
    node.wait(disk="Inconsistent")
    with open(node.daemon_log) as file:
        reason = re.search(r"cannot listen on .*10\.88\.0\.2:7788.*in use", file.read())
    if not reason:
        raise Failed("the log does not say that the port is taken")
    for pid in node.processes("python3"):
        os.kill(pid, 9)
    squatter.wait()
    node.drbdadm("connect", "r0")
    cluster.alpha.drbdadm("up", "r0")
    node.wait(connection="Connected")


def damaged_metadata(cluster):
    """a superblock with flipped bits is refused, not guessed at, and nothing is written"""
    cluster.up(primary=cluster.alpha)
    cluster.down()
    node, path = cluster.bravo, cluster.disks["bravo"][0]
    end = os.path.getsize(path)
    with open(path, "r+b") as file:
        for offset in (60, 64, 76):  # magic, size and place of the bitmap
            file.seek(end - 4096 + offset)
            good = file.read(4)
            file.seek(end - 4096 + offset)
            file.write(bytes(byte ^ 0x5A for byte in good))
            file.flush()
            before = digest(path)
            node.expect_refusal("drbdadm", "-c", node.config, "up", "r0", says=[path])
            node.drbdadm("down", "r0")
            if digest(path) != before:
                raise Failed(f"{path} was changed although its metadata is damaged")
            file.seek(end - 4096 + offset)
            file.write(good)
            file.flush()
    for each in cluster.nodes:
        each.drbdadm("up", "r0")
    for each in cluster.nodes:
        each.wait_in_sync()
    cluster.compare()


def peer_of_other_size(cluster):
    """a peer that is too small is refused: the good node keeps its size and its data, and goes on"""
    cluster.up(primary=cluster.alpha)
    cluster.bravo.drbdadm("down", "r0")
    path = cluster.disks["bravo"][0]
    with open(path, "wb") as file:
        file.truncate(32 << 20)
    cluster.bravo.drbdadm("create-md", "--force", "r0")
    before = cluster.alpha.status()["devices"][0]["size"]
    cluster.bravo.drbdadm("up", "r0")
    until(lambda: cluster.alpha.drbdadm("cstate", "r0")[1].strip() == "StandAlone", 10, "alpha did not refuse the small peer")
    cluster.alpha.wait(role="Primary", disk="UpToDate")
    cluster.alpha.write_random(range(40 << 20, 48 << 20, 65536))
    if cluster.alpha.status()["devices"][0]["size"] != before:
        raise Failed("alpha's size changed")
    if cluster.bravo.state()[3] == "UpToDate":
        raise Failed("bravo calls its empty disk UpToDate")


def no_space(cluster):
    """the file system below a sparse backing file is full: the disk is detached and nothing is lost, on either side"""
    for loser, other in ((cluster.bravo, cluster.alpha), (cluster.alpha, cluster.bravo)):
        path = cluster.disks[loser.name][0]
        small = os.path.join(loser.dir, "small")
        image = os.path.join(loser.dir, "small.img")
        with open(image, "wb") as file:
            file.truncate(40 << 20)
        os.makedirs(small, exist_ok=True)
        loser.run("mke2fs", "-q", "-t", "ext4", "-F", image)
        loser.run("mount", "-o", "loop", image, small)
        loser.run("truncate", "-s", "64M", f"{small}/disk.img")
        retarget(cluster, path, f"{small}/disk.img")
        for node in cluster.nodes:
            node.drbdadm("create-md", "--force", "r0")
            node.drbdadm("up", "r0")
        loser.wait(connection="Connected")
        # As the source of the initial sync it writes nothing, so that its file stays sparse.
        loser.drbdadm("primary", "--force", "r0")
        loser.wait_in_sync()
        loser.drbdadm("secondary", "r0")
        cluster.alpha.drbdadm("primary", "r0")
        cluster.alpha.write_random(range(0, 60 << 20, 65536), 65536)
        until(lambda: loser.state()[3] == "Diskless", 30, lambda: f"{loser.name}: {loser.state()}")
        cluster.alpha.run("nbdcopy", cluster.alpha.nbd(), os.path.join(cluster.alpha.dir, "readback"))
        compare(os.path.join(cluster.alpha.dir, "readback"), cluster.disks[other.name][0], 60 << 20)
        cluster.down()
        retarget(cluster, f"{small}/disk.img", path)
        loser.run("umount", small)


def retarget(cluster, old, new):
    with open(cluster.alpha.config) as file:
        text = file.read()
    with open(cluster.alpha.config, "w") as file:
        file.write(text.replace(old, new))


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


main(backing_missing, backing_too_small, backing_read_only, backing_in_use, port_taken, damaged_metadata,
     peer_of_other_size, no_space, programs=("nbdcopy", "mke2fs"), disk="on-io-error detach;", mib=64)
