#!/usr/bin/python3
"""A limit of the system that one resource runs into is its own business: the daemon and the other resource go on.
limits.py SCENARIO

The n-th system call of one kind fails during `up`, `primary` and `down`, for n = 1, 2, 3 ... until none fails any more.
"""

import mmap
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))

import nbd_client  # noqa: E402
from cluster import BIN, Bridge, Node, configuration, until  # noqa: E402
from sandbox import Failed, choose, run  # noqa: E402

KINDS = ("thread", "epoll", "watch", "eventfd", "timerfd", "ring", "ring_eventfd", "buffers", "socket", "bind", "listen", "accept",
         "open", "pipe", "spawn")
ADDRESSES = (("alpha", "10.88.0.1"), ("bravo", "10.88.0.2"))
LATE = ("has not answered", "does not answer")  # within a second: this machine is busy, and the checks behind wait
MOST = 400  # calls of a kind during one command: far beyond what there are


def is_late(text):
    return any(words in text for words in LATE)


class FailingNode(Node):
    """A node whose daemon fails the calls that the plan names."""

    def __init__(self, work):
        super().__init__(work, *ADDRESSES[0], daemon=False)
        self.plan_path = os.path.join(work, "plan")
        with open(self.plan_path, "wb") as file:
            file.write(bytes(4096))
        with open(self.plan_path, "r+b") as file:
            self.plan = mmap.mmap(file.fileno(), 4096)
        self.work = work
        disks = {}
        texts = []
        for number, resource in enumerate(("r0", "r1")):
            disks[resource] = os.path.join(self.dir, f"{resource}.img")
            with open(disks[resource], "wb") as file:
                file.truncate(16 << 20)
            both = {name: [disks[resource]] for name, _ in ADDRESSES}
            texts.append(configuration(ADDRESSES, both, resource=resource, port=7788 + number, first_minor=number))
        with open(self.config, "w") as file:
            file.write(texts[0] + texts[1].replace("global { usage-count no; }\n", ""))

    def environment(self):
        return {**super().environment(), "DRBDD_FAIL_PLAN": self.plan_path, "LD_PRELOAD": os.path.join(BIN, "fail_nth.so")}

    def arm(self, kind, number):
        self.plan[0:12] = struct.pack("=iii", KINDS.index(kind) + 1, 0, 0)
        self.plan[4:8] = struct.pack("=i", number)

    def disarm(self):
        """Whether the call came to it."""
        self.plan[4:8] = bytes(4)
        return struct.unpack("=i", self.plan[8:12])[0] == 1

    def begin(self):
        self.boot()
        self.start_daemon()
        self.pids = self.processes("drbdd")
        for resource in ("r0", "r1"):
            self.drbdadm("create-md", "--force", resource)
        self.do("up", "r0")
        self.do("primary", "--force", "r0")
        until(lambda: self.state()[0] == "Primary", 20, "r0 does not become Primary")
        self.client = nbd_client.connect(self.nbd(0))
        return self

    def check_the_other(self, what):
        """The daemon is the one that was started, and the other resource reads and writes, for old users and new ones."""
        if not set(self.pids) <= set(self.processes("drbdd")):
            raise Failed(f"{what}: the daemon has ended")
        for client in (self.client, nbd_client.connect(self.nbd(0))):
            client.pwrite(what.encode().ljust(512), 4096)
            if client.pread(512, 4096) != what.encode().ljust(512):
                raise Failed(f"{what}: r0 has other data than were written")
        if self.status("r0")["role"] != "Primary":
            raise Failed(f"{what}: r0 is {self.status('r0')['role']}")

    def do(self, *command):
        """Succeeds. A busy machine may need more than the second in which a command is answered."""
        code, out, err = self.drbdadm(*command, check=False, seconds=20)
        if code and not is_late(out + err):
            raise Failed(f"{' '.join(command)}: exit {code}: {out}{err}")

    def down(self, what):
        """Whatever happened before, the resource can be taken down."""
        def gone():
            self.drbdadm("down", "r1", check=False, seconds=20)
            return self.status("r1") is None

        until(gone, 20, f"{what}: r1 cannot be taken down any more")


def try_each(node, kind, command, prepare):
    """`command` with each call of the kind failing. What fails is refused in words."""
    for number in range(1, MOST):
        what = f"{' '.join(command)} with {kind} call {number}"
        prepare()
        node.arm(kind, number)
        code, out, err = node.drbdadm(*command, check=False, seconds=20)
        failed = node.disarm()
        if code and not (out + err).strip():
            raise Failed(f"{what}: exit {code} without a word")
        if not failed and code and not is_late(out + err):
            raise Failed(f"{what}: nothing failed, and exit {code}: {out}{err}")
        node.check_the_other(what)
        node.down(what)
        if not failed:
            return
    raise Failed(f"{' '.join(command)}: {kind} calls have no end")


def try_kinds(work, kinds):
    Bridge()
    node = FailingNode(work).begin()
    try:
        for kind in kinds:
            try_each(node, kind, ["up", "r1"], lambda: None)
            try_each(node, kind, ["primary", "--force", "r1"], lambda: node.do("up", "r1"))
            try_each(node, kind, ["down", "r1"],
                     lambda: (node.do("up", "r1"), node.do("primary", "--force", "r1")))
    except BaseException:
        node.report()
        raise
    node.client.shutdown()
    node.drbdadm("down", "r0")


def ups_and_downs(work):
    """without any failure: a resource that is down is in no status, however its disk was closed"""
    Bridge()
    node = FailingNode(work).begin()
    for number in range(40):
        node.do("up", "r1")
        node.down(f"round {number}")
        node.drbdadm("down", "r1", check=False)
        if node.status("r1") is not None:
            node.report()
            raise Failed(f"round {number}: r1 is down, and still in the status")
    node.client.shutdown()
    node.drbdadm("down", "r0")


def threads_and_loops(work):
    """no thread, no epoll, no eventfd, no timer, no watch left"""
    try_kinds(work, KINDS[0:5])


def rings(work):
    """no memory locked for a ring, no ring, no buffers"""
    try_kinds(work, KINDS[5:8])


def sockets(work):
    """no socket, no address, no connection"""
    try_kinds(work, KINDS[8:12])


def files_and_children(work):
    """no file, no pipe, no process"""
    try_kinds(work, KINDS[12:])


if __name__ == "__main__":
    scenario = choose((ups_and_downs, threads_and_loops, rings, sockets, files_and_children))
    if not os.path.exists(os.path.join(BIN, "fail_nth.so")):
        print("SKIPPED: fail_nth.so is not built")
        sys.exit(77)
    run(scenario, ("losetup",), 550)
