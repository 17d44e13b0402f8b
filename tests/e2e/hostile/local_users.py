#!/usr/bin/python3
"""Users of the machine who are not root, and programs that are started for root. local_users.py SCENARIO"""

import fcntl
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))

from cluster import main, until  # noqa: E402
from sandbox import Failed  # noqa: E402

NOBODY = 65534


def add_handler(cluster, name, command):
    with open(cluster.alpha.config) as file:
        text = file.read()
    with open(cluster.alpha.config, "w") as file:
        file.write(text.replace("  net {", f"  handlers {{ {name} \"{command}\"; }}\n  net {{", 1))


class Locker:
    """A process of a user without rights that locks whatever it may open. It is made of this one: no program is started for it
    that such a user may not be allowed to read."""

    def __init__(self, paths):
        told, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                self._lock(paths, tell)
            finally:
                os._exit(1)
        os.close(tell)
        with open(told, "rb") as answer:
            self.held = len(answer.read())

    @staticmethod
    def _lock(paths, tell):
        held = []
        for path in paths:
            try:
                held.append(os.open(path, os.O_RDONLY))
                fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pass
        os.write(tell, b"." * len(held))
        os.close(tell)
        while True:
            signal.pause()

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def locks_of_others(cluster):
    """a user who locks all that he may open keeps no daemon from starting again after a crash"""
    node = cluster.bravo
    node.run("chmod", "755", os.path.dirname(node.dir), node.dir, node.run_dir)  # the way to it, as below /run
    for pid in node.processes("drbdd"):
        os.kill(pid, 9)
    until(lambda: not node.processes("drbdd"), 5, "the daemon does not end")
    user = Locker([node.run_dir] + [os.path.join(node.run_dir, name) for name in os.listdir(node.run_dir)])
    try:
        if user.held < 1:
            raise Failed("the user could not even open the directory: nothing is tried")
        node.start_daemon()
    finally:
        user.end()


def a_handler_keeps_no_port(cluster):
    """fence-peer leaves a process running: the daemon that is killed and started again has its port and its peer"""
    for node in cluster.nodes:
        node.run("mkdir", "-p", f"{node.dir}/seen")
    script = os.path.join(os.path.dirname(cluster.alpha.config), "handler")
    with open(script, "w") as file:
        file.write("#!/bin/sh\n(ls -l /proc/$$/fd > $1/fds)\n/usr/bin/env | /usr/bin/sort > $1/environment\nsleep 60 &\nexit 4\n")
    os.chmod(script, 0o755)
    add_handler(cluster, "fence-peer", f"{script} {cluster.alpha.dir}/seen")
    with open(cluster.alpha.config) as file:
        text = file.read()
    with open(cluster.alpha.config, "w") as file:
        file.write(text.replace("  disk { ", "  disk { fencing resource-only; ", 1))
    cluster.up(primary=cluster.alpha)
    cluster.bridge.cable("bravo", False)
    until(lambda: os.path.exists(f"{cluster.alpha.dir}/seen/environment"), 60, "fence-peer was not called")
    time.sleep(0.5)
    with open(f"{cluster.alpha.dir}/seen/fds") as file:
        lines = [line for line in file if "->" in line]
    extra = [line for line in lines if int(line.split()[-3]) > 2 and "handler" not in line]
    if extra or any("socket:" in line for line in lines if int(line.split()[-3]) > 2):
        raise Failed(f"the handler has inherited: {extra}")
    with open(f"{cluster.alpha.dir}/seen/environment") as file:
        names = {line.split("=")[0] for line in file}
    unknown = names - {"DRBD_RESOURCE", "DRBD_CONF", "DRBD_MINOR", "DRBD_VOLUME", "DRBD_LL_DISK", "DRBD_PEER", "DRBD_PEERS",
                       "DRBD_PEER_AF", "DRBD_PEER_ADDRESS", "PATH", "HOME", "TERM", "PWD", "OLDPWD", "SHLVL", "_"}
    if unknown:
        raise Failed(f"the handler's environment has {unknown}")
    for pid in cluster.alpha.processes("drbdd"):
        os.kill(pid, 9)
    until(lambda: not cluster.alpha.processes("drbdd"), 5, "the daemon does not end")
    if not cluster.alpha.processes("sleep"):
        raise Failed("the handler's process has ended: nothing is tried")
    cluster.bridge.cable("bravo", True)
    cluster.alpha.start_daemon()
    cluster.alpha.drbdadm("up", "r0")
    cluster.alpha.wait(connection="Connected", seconds=30)


def the_carrier_inherits_nothing(cluster):
    """drbdd-fuse has its own files and none of the daemon's, and an environment without a word of the daemon's"""
    cluster.up(primary=cluster.alpha)
    pids = cluster.alpha.processes("drbdd-fuse")
    if not pids:
        raise Failed("there is no drbdd-fuse")
    for pid in pids:
        targets = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        disks = [target for target in targets if "disk" in target or "io_uring" in target]
        if disks:
            raise Failed(f"drbdd-fuse has {disks}")
        inode = os.stat(f"{cluster.alpha.run_dir}/drbdd.sock").st_ino
        if any(f"[{inode}]" in target for target in targets):
            raise Failed("drbdd-fuse has the admin socket")
        with open(f"/proc/{pid}/environ") as file:
            names = {entry.split("=")[0] for entry in file.read().split("\0") if entry}
        if names != {"PATH"}:
            raise Failed(f"drbdd-fuse's environment has {names}")


if __name__ == "__main__":
    main(locks_of_others, a_handler_keeps_no_port, the_carrier_inherits_nothing)
