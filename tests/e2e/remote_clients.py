#!/usr/bin/python3
"""Volumes that are served to NBD clients on other machines. remote_clients.py SCENARIO"""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import main, until  # noqa: E402
from sandbox import Failed  # noqa: E402

PORT = 10809
SERVICE = "10.88.0.50"  # the address that moves with the service
KEY = "00112233445566778899aabbccddeeff"
CLIENT = """
import nbd, sys, time
client = nbd.NBD()
client.set_uri_allow_local_file(True)
client.connect_uri(sys.argv[1])
print(client.get_size(), flush=True)
time.sleep(60)
"""


def configure(node, text):
    """The node's daemon, anew, with this drbdd.conf."""
    for pid in node.processes("drbdd"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not node.processes("drbdd"), 5, f"{node.name}: drbdd does not end")
    conf = os.path.join(node.dir, "drbdd.conf")
    with open(conf, "w") as file:
        file.write(text)
    return "drbdd", "--foreground", "--log", "stderr", "--daemon-conf", conf


def start(node, text):
    command = configure(node, text)
    with open(node.daemon_log, "a") as log:
        node.start(*command, stdout=log, stderr=log)
    until(lambda: node.run("drbdsetup", "status", check=False, quiet=True)[0] == 0, 5, f"{node.name}: drbdd did not start")


def key_file(node, name="alice", key=KEY, mode=0o600):
    path = os.path.join(node.dir, "nbd.psk")
    with open(path, "w") as file:
        file.write(f"{name}:{key}\n")
    os.chmod(path, mode)
    return path


def uri(address, keys):
    return f"nbds://alice@{address}:{PORT}/drbd0?tls-psk-file={keys}"


def volume_moves_with_its_address(cluster):
    """a client with a key finds the volume at an address that moves to the other node, with what it wrote; nobody else finds it"""
    alpha, bravo = cluster.nodes
    for node in cluster.nodes:
        start(node, f"nbd-listen 0 {SERVICE}:{PORT};\nnbd-tls-psk {key_file(node)};\nfrontend none;\n")
    keys = key_file(alpha)
    cluster.up(primary=alpha)
    alpha.run("ip", "address", "add", f"{SERVICE}/24", "dev", "eth0")
    bravo.expect_refusal("nbdinfo", f"nbd://{SERVICE}:{PORT}/drbd0", seconds=10)
    size = bravo.run("nbdinfo", "--size", uri(SERVICE, keys))[1]
    image = os.path.join(bravo.dir, "image")
    with open(image, "wb") as file:
        file.write(os.urandom(8 << 20))
        file.truncate(int(size))
    bravo.run("nbdcopy", "--flush", image, uri(SERVICE, keys))
    alpha.run("ip", "address", "del", f"{SERVICE}/24", "dev", "eth0")
    alpha.drbdadm("secondary", "r0")
    bravo.drbdadm("primary", "r0")
    bravo.run("ip", "address", "add", f"{SERVICE}/24", "dev", "eth0")
    bravo.run("ip", "neigh", "flush", "all", check=False)
    back = os.path.join(bravo.dir, "back")
    bravo.run("nbdcopy", uri(SERVICE, keys), back)
    bravo.run("cmp", image, back)
    cluster.compare()


def a_client_keeps_the_volume(cluster):
    """a volume that a remote client uses is not demoted, and the refusal names the client"""
    alpha, bravo = cluster.nodes
    start(alpha, f"nbd-listen 0 {alpha.address}:{PORT};\nnbd-tls-psk {key_file(alpha)};\nfrontend none;\n")
    cluster.up(primary=alpha)
    client = bravo.start("/usr/bin/python3", "-c", CLIENT, uri(alpha.address, key_file(bravo)), stdout=subprocess.PIPE)
    if not client.stdout.readline().strip():
        raise Failed("the client was not let in")
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "secondary", "r0", code=11, says=[f"NBD client {bravo.address}:"])
    bravo.signal("python3", signal.SIGKILL)
    client.wait()
    client.stdout.close()
    until(lambda: alpha.drbdadm("secondary", "r0", check=False)[0] == 0, 5, "the client has gone, and still keeps the volume")


def nothing_by_mistake(cluster):
    """the daemon does not start with a door that has no lock, nor with a key that others can read"""
    alpha = cluster.alpha
    rows = (
        (f"nbd-listen 0 {alpha.address}:{PORT};", ["nbd-tls-certificates", "nbd-tls-psk", "nbd-plaintext"]),
        (f"nbd-listen 0 {alpha.address}:{PORT};\nnbd-tls-psk {key_file(alpha, mode=0o640)};", ["nbd.psk", "chmod 0600"]),
        (f"nbd-listen 0 {alpha.address}:{PORT};\nnbd-tls-psk {alpha.dir}/nosuch;", ["nosuch", "No such file"]),
        (f"nbd-listen 0 {alpha.address}:{PORT};\nnbd-tls-certificates {alpha.dir};", ["server-cert.pem", "No such file"]),
    )
    for text, says in rows:
        alpha.expect_refusal(*configure(alpha, text), says=says, code=1)
    if alpha.processes("drbdd"):
        raise Failed("a daemon runs all the same")
    start(alpha, "")
    listening = alpha.run("ss", "-Htln")[1]
    if listening.strip():
        raise Failed(f"without being asked to, alpha listens: {listening}")


main(volume_moves_with_its_address, a_client_keeps_the_volume, nothing_by_mistake, programs=("nbdinfo", "nbdcopy", "cmp", "ss"))
