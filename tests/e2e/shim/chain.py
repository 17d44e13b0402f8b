"""One volume's chain for the scenarios: a file behind nbdkit, and DeviceNode through shim_driver.

nbdkit stands for the daemon's NBD server, each run of shim_driver for a daemon that has just (re)started.
"""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from sandbox import Failed, out_of  # noqa: E402

BIN = os.environ.get("DRBDD_BIN", os.path.realpath(os.path.join(os.path.dirname(__file__), "../../../build/release/bin")))
PROGRAMS = ("nbdkit", "fio", "mkfs.ext4", "fstrim", "blkdiscard", "blockdev", os.path.join(BIN, "shim_driver"))
MIB = 1 << 20


def expect(condition, text):
    if not condition:
        raise Failed(text)


def until(question, seconds, text):
    end = time.monotonic() + seconds
    while not question():
        expect(time.monotonic() < end, text)
        time.sleep(0.02)


class Chain:
    def __init__(self, work, name="a", minor=0, mib=128):
        self.dir = os.path.join(work, name)
        self.run_dir = os.path.join(self.dir, "run")
        self.dev_dir = os.path.join(self.dir, "dev")
        self.mount_point = os.path.join(self.dir, "mnt")
        for path in (self.run_dir, self.dev_dir, self.mount_point):
            os.makedirs(path)
        self.minor = minor
        self.disk = os.path.join(self.dir, "disk")
        self.node = os.path.join(self.dev_dir, f"drbd{minor}")
        self.socket = os.path.join(self.run_dir, f"drbd{minor}.nbd")
        self.server = None
        with open(self.disk, "wb") as file:
            file.truncate(mib * MIB)

    # ---- the NBD server
    def start_server(self, *options):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.server = subprocess.Popen(["nbdkit", "-f", "-U", self.socket, *options, "file", self.disk])
        until(lambda: os.path.exists(self.socket), 10, "nbdkit did not start")

    def kill_server(self, number=signal.SIGKILL):
        self.server.send_signal(number)
        self.server.wait()

    # ---- DeviceNode
    def argv(self, command, *options):
        return [os.path.join(BIN, "shim_driver"), command, "--run-dir", self.run_dir, "--dev-dir", self.dev_dir,
                "--minor", str(self.minor), "--resource", "r0", "--disk", "/dev/vg0/data", *options]

    def command(self, command, *options):
        """(exit code, what it printed)"""
        done = subprocess.run(self.argv(command, *options), capture_output=True, text=True, timeout=60)
        print(f"{command} {' '.join(options)} -> {done.returncode} {done.stdout.strip()}")
        expect(not done.stderr, done.stderr)
        return done.returncode, done.stdout.strip()

    def must(self, command, *options):
        code, text = self.command(command, *options)
        expect(code == 0, f"{command}: {text}")
        return text

    def fuse_pid(self):
        """The pid that the locked file names; both are in our own pid namespace."""
        with open(os.path.join(self.run_dir, f"drbd{self.minor}.fuse.pid")) as file:
            return int(file.read())

    # ---- what is there
    def loops(self):
        found = []
        for name in os.listdir("/sys/block"):
            try:
                with open(f"/sys/block/{name}/loop/backing_file") as file:
                    if file.read().startswith(self.run_dir + "/"):
                        found.append(name)
            except OSError:
                continue  # no loop device, or not bound
        return found

    def expect_nothing_left(self):
        """But the server's socket and the folders that the scenario made."""
        left = os.listdir(self.dev_dir) + [name for name in os.listdir(self.run_dir) if not name.endswith(".nbd")]
        with open("/proc/self/mountinfo") as file:
            left += [line for line in file if self.dir in line]
        expect(not left and not self.loops(), f"left behind: {left} {self.loops()}")

    def mount(self):
        out_of("mount", "-o", "discard", self.node, self.mount_point)

    def umount(self):
        out_of("umount", self.mount_point)


def write_file(path, mib):
    """Random bytes, on disk when it returns; gives them back."""
    data = os.urandom(mib * MIB)
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return data


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def read_device(path, offset, length):
    """Past the page cache's memory of it."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return os.pread(file.fileno(), length, offset)
