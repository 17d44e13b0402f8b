"""Two nodes on one machine, for use inside sandbox.run().

A node is a PID, mount, network and UTS namespace: `uname -n` is its name, SIGKILL to its first process is its
power failure (the backing file's page cache survives: what was written but not flushed is not lost), and its cable
ends at a bridge, so that a dead node answers nothing while the other one keeps its own link.
"""

import glob
import json
import os
import shutil
import signal
import subprocess
import time

import nbd_client
from sandbox import Failed, child_of, choose, namespaces, out_of, run

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
BIN = os.environ.get("DRBDD_BIN", os.path.join(ROOT, "build/release/bin"))
LOOP_MAJOR = 7
RATE_BYTES = 200_000_000  # per second and direction: the replication link that the product is made for


class Bridge:
    """The wire between the nodes. One per sandbox, in its network namespace."""

    def __init__(self):
        out_of("ip", "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0")
        out_of("ip", "link", "set", "br0", "up")

    @staticmethod
    def plug(device):
        out_of("ip", "link", "set", device, "master", "br0", "up")

    @staticmethod
    def cable(name, connected):
        """Pulls or plugs the cable of a node. Both sides keep their addresses and see no more than a lost carrier."""
        out_of("ip", "link", "set", f"v-{name}", "up" if connected else "down")


class Node:
    """One machine of the pair."""

    def __init__(self, work, name, address, rate_bytes=RATE_BYTES, daemon=True):
        self.name = name
        self.daemon = daemon  # drbdd is started at boot, as systemd would; else `drbdadm up` has to
        self.address = address
        self.rate_bytes = rate_bytes
        self.dir = os.path.join(work, name)
        self.config = os.path.join(work, "drbd.conf")
        self.run_dir = os.path.join(self.dir, "run")
        self.dev_dir = os.path.join(self.dir, "dev")
        self.log = os.path.join(self.dir, "log")
        self.daemon_log = os.path.join(self.dir, "drbdd.log")
        for path in (self.run_dir, self.dev_dir):
            os.makedirs(path)
        self.shell = None
        self.init = None

    # ---- the machine ----
    def boot(self):
        first = f"hostname {self.name}; mount -t tmpfs tmpfs /run; mkdir /run/lock; while :; do sleep 3600 & wait; done"
        self.shell = subprocess.Popen([*namespaces("mount", "net", "uts"), "sh", "-c", first], stdin=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        self.init = until(lambda: child_of(self.shell.pid), 5, f"{self.name}: no first process")
        until(lambda: self.run("uname", "-n", check=False)[1].strip() == self.name, 5, f"{self.name}: did not boot")
        out_of("ip", "link", "add", f"v-{self.name}", "type", "veth", "peer", "name", "eth0", "netns", str(self.init))
        Bridge.plug(f"v-{self.name}")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        if self.rate_bytes:
            self.shape(self.rate_bytes)
        if self.daemon:
            self.start_daemon()
        return self

    def start_daemon(self):
        """Its log goes to a file, for report()."""
        with open(self.daemon_log, "a") as log:
            self.start("drbdd", "--foreground", "--log", "stderr", stdout=log, stderr=log)
        until(lambda: self.run("drbdsetup", "status", check=False, quiet=True)[0] == 0, 5, f"{self.name}: drbdd did not start")

    def shape(self, rate_bytes):
        """Limits what the node sends, in bytes per second."""
        self.rate_bytes = rate_bytes
        self.run("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", f"{rate_bytes * 8}bit",
                 "burst", "512kb", "limit", "4mb")

    def kill(self):
        """Power failure: every process of the node ends at once, and what its kernel and its tmpfs held is gone."""
        os.kill(self.init, signal.SIGKILL)
        self.shell.wait()
        self._clear()

    def _clear(self):
        """What must not outlive the node."""
        self.init = None
        for device in glob.glob(f"{self.dev_dir}/drbd[0-9]*"):
            number = os.stat(device).st_rdev
            if os.major(number) == LOOP_MAJOR:  # else nothing carries it
                subprocess.run(["losetup", "-d", f"/dev/loop{os.minor(number)}"], check=False)
        for path in (self.run_dir, self.dev_dir):
            shutil.rmtree(path)
            os.makedirs(path)

    def inside(self, *argv):
        """The command line that runs argv on this node."""
        if self.init is None:
            raise Failed(f"{self.name} is not running")
        return ["nsenter", "--target", str(self.init), "--mount", "--net", "--uts", "--pid", *argv]

    def environment(self):
        return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DRBDD_RUN_DIR": self.run_dir,
                "DRBDD_DEV_DIR": self.dev_dir, "LC_ALL": "C"}

    def run(self, *argv, check=True, seconds=60, input=None, quiet=False):
        """(exit code, stdout, stderr), kept for report() unless `quiet`. Output goes through files, which a daemon that is
        left running may keep open."""
        with open(os.path.join(self.dir, "stdout"), "w+") as out, open(os.path.join(self.dir, "stderr"), "w+") as err:
            try:
                done = subprocess.run(self.inside(*argv), env=self.environment(), stdout=out, stderr=err, input=input,
                                      stdin=subprocess.DEVNULL if input is None else None, timeout=seconds, text=True)
            except subprocess.TimeoutExpired:
                raise Failed(f"{self.name}: `{' '.join(argv)}` gave no answer in {seconds} s") from None
            out.seek(0)
            err.seek(0)
            result = done.returncode, out.read(), err.read()
        with open(os.devnull if quiet else self.log, "a") as log:
            log.write(f"{time.time():.3f} {' '.join(argv)} -> {result[0]}\n{result[1]}{result[2]}")
        if check and result[0]:
            raise Failed(f"{self.name}: `{' '.join(argv)}`: exit {result[0]}\n{result[1]}{result[2]}")
        return result

    def start(self, *argv, pipe=False, **options):
        """A process of this node that goes on beside the scenario; `pipe`: it is fed through its stdin."""
        return subprocess.Popen(self.inside(*argv), env=self.environment(),
                                stdin=subprocess.PIPE if pipe else subprocess.DEVNULL, **options)

    def expect_refusal(self, *argv, code=None, says=(), seconds=5):
        """The command fails, soon, with the wanted exit code, and its text names what is wanted. Returns the text."""
        got, out, err = self.run(*argv, check=False, seconds=seconds)
        missing = [word for word in says if word.lower() not in (out + err).lower()]
        if got == 0 or (code is not None and got != code) or missing:
            raise Failed(f"{self.name}: `{' '.join(argv)}`: exit {got}, wanted {code or 'a failure'} and the words {missing}"
                         f"\n{out}{err}")
        return out + err

    def processes(self, program):
        """Process ids, as the scenario sees them, of a program that runs on this node."""
        found = []
        own = os.readlink(f"/proc/{self.init}/ns/pid")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm") as comm:
                    if comm.read().strip() == program and os.readlink(f"/proc/{pid}/ns/pid") == own:
                        found.append(int(pid))
            except OSError:
                continue  # ended while we looked
        return found

    def signal(self, program, number):
        pids = self.processes(program)
        if not pids:
            raise Failed(f"{self.name}: {program} is not running")
        for pid in pids:
            os.kill(pid, number)

    def report(self):
        """What a person wants to see after a failure."""
        for what, path in (("last commands", self.log), ("drbdd", self.daemon_log)):
            print(f"---- {self.name}: {what}")
            if os.path.exists(path):
                with open(path, errors="replace") as log:
                    print(log.read()[-6000:])

    # ---- DRBD on it ----
    def drbdadm(self, *argv, check=True, **options):
        """On a busy machine a change of role may take longer than the second of an answer. The answer says then that it goes on,
        and a script asks again; how soon answers come is the business of slow_disks.py and of frozen_peer."""
        waited_for = check and argv[0] in ("primary", "secondary", "down")
        result = self.run("drbdadm", "-c", self.config, *argv, check=check and not waited_for, **options)
        if not waited_for or result[0] == 0:
            return result
        if "may still happen" not in result[2]:
            raise Failed(f"{self.name}: drbdadm {' '.join(argv)}: exit {result[0]}: {result[2]}")
        until(lambda: self.drbdadm(*argv, check=False)[0] == 0, 30, f"drbdadm {' '.join(argv)} comes to no end")
        return 0, "", ""

    def status(self, resource="r0"):
        """The resource as `drbdsetup status --json` shows it, or None when it is not configured."""
        code, out, _ = self.run("drbdsetup", "status", resource, "--json", check=False, seconds=5, quiet=True)
        found = [entry for entry in json.loads(out or "[]") if entry["name"] == resource] if code == 0 else []
        return found[0] if found else None

    def state(self, resource="r0", volume=0):
        """(role, connection, replication, disk, peer disk) in DRBD's words; None for what there is not."""
        status = self.status(resource)
        if status is None:
            return (None,) * 5
        disk = next(d["disk-state"] for d in status["devices"] if d["volume"] == volume)
        connection = (status["connections"] or [{}])[0]
        peer = next((p for p in connection.get("peer_devices", []) if p["volume"] == volume), {})
        return (status["role"], connection.get("connection-state"), peer.get("replication-state"), disk,
                peer.get("peer-disk-state"))

    def wait(self, resource="r0", volume=0, seconds=30, **wanted):
        """Until role, connection, replication, disk and peer_disk are what is wanted of them."""
        names = ("role", "connection", "replication", "disk", "peer_disk")
        assert set(wanted) <= set(names)
        last = None

        def reached():
            nonlocal last
            last = dict(zip(names, self.state(resource, volume)))
            return all(last[name] == value for name, value in wanted.items())

        until(reached, seconds, lambda: f"{self.name}: {resource}/{volume} is {last}, wanted {wanted}")

    def wait_in_sync(self, resource="r0", volume=0, seconds=60):
        self.wait(resource, volume, seconds, connection="Connected", replication="Established", disk="UpToDate",
                  peer_disk="UpToDate")

    def nbd(self, minor=0):
        """The NBD export of a minor, as a URI."""
        return f"nbd+unix:///drbd{minor}?socket={self.run_dir}/drbd{minor}.nbd"

    def write_random(self, offsets, size=4096, minor=0):
        """Random bytes through the NBD export, durable at the end."""
        nbd_client.write_random(self.nbd(minor), offsets, size)


def until(condition, seconds, failure):
    """The first true value of condition(). Fails when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{failure() if callable(failure) else failure} (waited {seconds} s)")
        time.sleep(0.05)


def configuration(nodes, disks, net="protocol C;", disk="", volumes=1, resource="r0", port=7788, first_minor=0):
    """drbd.conf for both nodes. disks: node name -> its backing disks, one per volume."""
    minors = [first_minor + volume for volume in range(volumes)]
    lines = ["global { usage-count no; }", f"resource {resource} {{", f"  net {{ {net} }}", f"  disk {{ {disk} }}"]
    for name, address in nodes:
        lines += [f"  on {name} {{", f"    address {address}:{port};"]
        lines += [f"    volume {v} {{ device /dev/drbd{minor} minor {minor}; disk {disks[name][v]}; meta-disk internal; }}"
                  for v, minor in enumerate(minors)]
        lines += ["  }"]
    return "\n".join(lines + ["}", ""])


def data_bytes(image):
    """Length of the data area before internal v08 metadata, from its superblock: the agreed size once there is one."""
    with open(image, "rb") as file:
        end = file.seek(0, os.SEEK_END) // 4096 * 4096
        file.seek(end - 4096)
        block = file.read(4096)
    if block[60:64] not in (b"\x83\x74\x02\x6b", b"\x83\x74\x02\x6c"):
        raise Failed(f"{image}: no v08 metadata at its end")
    return int.from_bytes(block[0:8], "big") * 512


def compare(one, other, length=None, block=4096):
    """Fails unless the two images hold the same data, with the number and place of differing blocks."""
    if length is None:
        length = data_bytes(one)
        if length != data_bytes(other):
            raise Failed(f"{one} has {length} bytes of data, {other} has {data_bytes(other)}")
    different, first, chunk = 0, None, 1 << 20
    with open(one, "rb") as left, open(other, "rb") as right:
        for offset in range(0, length, chunk):
            size = min(chunk, length - offset)
            a, b = left.read(size), right.read(size)
            if a == b and len(a) == size:
                continue
            for at in range(0, size, block):
                if a[at:at + block] != b[at:at + block] or len(a) < at + block:
                    different += 1
                    first = offset + at if first is None else first
    if different:
        raise Failed(f"{different} blocks of {block} bytes differ, the first at byte {first}: {one} {other}")


def main(*scenarios, programs=(), seconds=300, **options):
    """Runs the scenario named on the command line with a booted cluster of `options`."""
    scenario = choose(scenarios)
    clusters = []

    def run_it(work):
        clusters.append(Cluster(work, **options))
        scenario(clusters[0])
        clusters[0].down()  # what it leaves behind after that is a failure

    run(run_it, ("mke2fs", "losetup", *programs), seconds, lambda: clusters and clusters[0].report())


class Cluster:
    """Two nodes with one resource of sparse backing files, down and without metadata at first."""

    NAMES = (("alpha", "10.88.0.1"), ("bravo", "10.88.0.2"))

    def __init__(self, work, mib=64, volumes=1, net="protocol C;", disk="", rate_bytes=RATE_BYTES, daemon=True):
        if not os.path.exists(os.path.join(BIN, "drbdadm")):
            raise Failed(f"{BIN} has no drbdadm: build first, or set DRBDD_BIN")
        self.bridge = Bridge()
        self.nodes = [Node(work, name, address, rate_bytes, daemon) for name, address in self.NAMES]
        self.alpha, self.bravo = self.nodes
        self.disks = {node.name: [os.path.join(node.dir, f"disk{v}.img") for v in range(volumes)] for node in self.nodes}
        for path in (path for paths in self.disks.values() for path in paths):
            with open(path, "wb") as file:
                file.truncate(mib << 20)
        with open(self.alpha.config, "w") as file:
            file.write(configuration(self.NAMES, self.disks, net, disk, volumes))
        for node in self.nodes:
            node.boot()

    def up(self, primary=None):
        """Metadata, `up` on both, and the initial sync from `primary`, which stays Primary."""
        for node in self.nodes:
            node.drbdadm("create-md", "--force", "r0")
            node.drbdadm("up", "r0")
        for node in self.nodes:
            node.wait(connection="Connected")
        if primary:
            primary.drbdadm("primary", "--force", "r0")
            for node in self.nodes:
                node.wait_in_sync()
        return self

    def compare(self, volume=0):
        compare(self.disks["alpha"][volume], self.disks["bravo"][volume])

    def down(self):
        for node in self.nodes:
            if node.init and node.status():
                node.drbdadm("down", "r0")

    def report(self):
        for node in self.nodes:
            node.report()
