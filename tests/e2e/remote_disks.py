#!/usr/bin/python3
"""A backing disk that is an NBD export, with a server that is not ours. remote_disks.py SCENARIO"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

import nbd_client  # noqa: E402
from cluster import compare, data_bytes, main, until  # noqa: E402
from sandbox import Failed  # noqa: E402


class Server:
    """nbdkit serves alpha's disk; its death is that of a process: what the kernel has of the file stays."""

    def __init__(self, cluster, tls=False):
        self.image = cluster.disks["alpha"][0]
        self.socket = os.path.join(cluster.alpha.dir, "export")
        self.keys = os.path.join(cluster.alpha.dir, "export.psk") if tls else None
        if tls:
            with open(self.keys, "w") as file:
                file.write("alpha:00112233445566778899aabbccddeeff\n")
            os.chmod(self.keys, 0o600)
        self.process = None
        self.start()

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        # It dies with this process, should that be killed at its time limit.
        tls = ["--tls=require", f"--tls-psk={self.keys}"] if self.keys else []
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "nbdkit", "-f", "-U", self.socket, *tls, "file",
                                         self.image])
        until(lambda: os.path.exists(self.socket), 5, "nbdkit does not start")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def uri(self):
        if self.keys:
            return f"nbds+unix://alpha@/?socket={self.socket}&tls-psk-file={self.keys}"
        return f"nbd+unix:///?socket={self.socket}"


def configure(cluster, disk, meta=True):
    """alpha's disk is this one, with metadata in a file; bravo's stays a file with its metadata inside."""
    alpha = cluster.alpha
    path = os.path.join(alpha.dir, "meta.img")
    with open(path, "wb") as file:
        file.truncate(4 << 20)
    old = f"disk {cluster.disks['alpha'][0]}; meta-disk internal;"
    new = f'disk "{disk}"; ' + (f"meta-disk {path};" if meta else "meta-disk internal;")
    with open(alpha.config) as file:
        text = file.read()
    if old not in text:
        raise Failed(f"no `{old}` in\n{text}")
    with open(alpha.config, "w") as file:
        file.write(text.replace(old, new))


def check_equal(cluster):
    one, other = cluster.disks["alpha"][0], cluster.disks["bravo"][0]
    compare(one, other, data_bytes(other))


def server_restarts(cluster):
    """data go to the export and come from it; its server is killed five times under load, and nobody hears of it"""
    restart_under_load(cluster, Server(cluster))


def server_with_tls(cluster):
    """the same with TLS and a shared key"""
    restart_under_load(cluster, Server(cluster, tls=True))


def restart_under_load(cluster, server):
    configure(cluster, server.uri())
    cluster.up(primary=cluster.alpha)
    check_equal(cluster)
    alpha = cluster.alpha
    writer = nbd_client.NumberedWriter(alpha.nbd(), slots=2000)
    writer.start()
    for round_number in range(5):
        before = writer.number
        until(lambda: writer.number > before + 300, 20, "the writer makes no progress")
        server.kill()
        if round_number % 2:
            until(lambda: "is lost" in open(alpha.daemon_log).read(), 5, "nobody has noticed")
        server.start()
    writer.stop()
    for node in cluster.nodes:
        node.wait_in_sync()
    writer.check(alpha.nbd())
    alpha.run("fio", "--name=verified", "--ioengine=nbd", f"--uri={alpha.nbd()}", "--size=32m", "--verify=crc32c",
              "--verify_fatal=1", "--verify_state_save=0", "--bssplit=4k/60:64k/20:1m/20", "--iodepth=16", "--rw=randrw",
              "--fsync=16", seconds=120)
    alpha.run("qemu-io", "-f", "raw", "-c", "write -z 1M 4M", "-c", "discard 8M 4M", "-c", "flush", alpha.nbd())
    check_equal(cluster)
    cluster.down()
    server.kill()


def server_stays_away(cluster):
    """an export that is lost is a failed disk: work goes on with the peer's; attached again, it gets what it has missed"""
    server = Server(cluster)
    configure(cluster, server.uri())
    cluster.up(primary=cluster.alpha)
    alpha = cluster.alpha
    server.kill()
    alpha.write_random(range(0, 16 << 20, 65536))  # waits, and goes on when the disk is given up
    alpha.wait(disk="Diskless", peer_disk="UpToDate", role="Primary")
    alpha.write_random(range(16 << 20, 20 << 20, 65536))
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "attach", "r0", says=["cannot open the export"], seconds=20)
    server.start()
    alpha.drbdadm("attach", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
    check_equal(cluster)
    cluster.down()
    server.kill()


def refusals(cluster):
    """metadata at the end of an export, and addresses that nobody speaks: refused in words"""
    alpha = cluster.alpha
    with open(alpha.config) as file:
        good = file.read()
    for disk, meta, says in (("nbd://10.88.0.2/x", False, ["meta-disk internal"]), ("iscsi://10.88.0.2/x", True, ["iscsi://"]),
                             ("nbd+ssh://10.88.0.2/x", True, ["nbd+ssh://"])):
        with open(alpha.config, "w") as file:
            file.write(good)
        configure(cluster, disk, meta)
        alpha.expect_refusal("drbdadm", "-c", alpha.config, "up", "r0", says=[*says, "not supported"])
    with open(alpha.config, "w") as file:
        file.write(good)


main(server_restarts, server_with_tls, server_stays_away, refusals, programs=("nbdkit", "fio", "qemu-io", "setpriv"))
