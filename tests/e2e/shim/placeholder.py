#!/usr/bin/python3
"""The placeholder at the node's name: before, beside and after the chain; a daemon that is killed at any step leads nobody to a wrong disk."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import threading

import chain
from chain import Chain, expect
from sandbox import out_of, run

# What making a name, or taking it away, consists of: the daemon is killed at each of these calls, one after the other.
STEPS = ("mknod,mknodat", "chown,fchownat", "chmod,fchmodat", "rename,renameat,renameat2", "symlink,symlinkat", "unlink,unlinkat",
         "ioctl", "rmdir", "umount2")


def number_of(path):
    status = os.stat(path)
    expect(stat.S_ISBLK(status.st_mode), f"{path} is no block device")
    return status.st_rdev


def is_placeholder(volume):
    return os.path.exists(volume.node) and os.major(number_of(volume.node)) == 0


def expect_placeholder(volume):
    expect(is_placeholder(volume), "there is no placeholder")
    for flags in (os.O_RDONLY, os.O_RDWR):
        try:
            os.close(os.open(volume.node, flags))
        except OSError as error:
            expect(error.errno == errno.ENXIO, f"open: {error}")
        else:
            expect(False, "somebody could open the placeholder")
    link = os.path.join(volume.dev_dir, "drbd/by-res/r0/0")
    expect(number_of(link) == number_of(volume.node), "the link leads elsewhere")


def leads_to_us_or_nobody(volume):
    """Each name in the device directory is the placeholder, or a device that carries this volume."""
    ours = {volume.loops()[0]: 0} if volume.loops() else {}
    numbers = set()
    for loop in ours:
        with open(f"/sys/block/{loop}/dev") as file:
            major, minor = file.read().strip().split(":")
            numbers.add(os.makedev(int(major), int(minor)))
    for name in os.listdir(volume.dev_dir):
        path = os.path.join(volume.dev_dir, name)
        if stat.S_ISBLK(os.stat(path).st_mode):
            number = os.stat(path).st_rdev
            expect(os.major(number) == 0 or number in numbers, f"{name} leads to {os.major(number)}:{os.minor(number)}")


class Watch:
    """Looks at the name all the time: it is a block device at any moment."""

    def __init__(self, path):
        self.path, self.missed, self.looks, self.ended = path, 0, 0, False
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        while not self.ended:
            self.looks += 1
            try:
                self.missed += not stat.S_ISBLK(os.stat(self.path).st_mode)
            except OSError:
                self.missed += 1

    def end(self):
        self.ended = True
        self.thread.join()
        expect(self.looks > 100 and not self.missed, f"the name was not there {self.missed} times of {self.looks}")


def check_roles(volume):
    volume.must("reserve")
    expect_placeholder(volume)
    watch = Watch(volume.node)
    for _ in range(3):
        volume.must("attach", "--placeholder")
        expect(not is_placeholder(volume), "the placeholder has stayed")
        with open(volume.node, "r+b", buffering=0) as node:
            os.pwrite(node.fileno(), b"served", 0)
            os.fsync(node.fileno())
        with subprocess.Popen(["sleep", "60"], stdin=open(volume.node, "rb")) as holder:
            code, text = volume.command("detach", "--placeholder")
            expect(code != 0 and not is_placeholder(volume), f"taken from its user: {text}")
            holder.kill()
        volume.must("detach", "--placeholder")
        expect_placeholder(volume)
    watch.end()
    expect(chain.read_file(volume.disk)[:6] == b"served", "the device did not carry data")
    volume.must("vacate")
    volume.expect_nothing_left()


def check_failed_promotion(volume):
    """What could not be made leaves the placeholder as it was."""
    volume.must("reserve")
    volume.kill_server()
    volume.start_server("-r")
    code, text = volume.command("attach", "--placeholder")
    expect(code != 0 and "read-only" in text, text)
    expect_placeholder(volume)
    volume.kill_server()
    volume.start_server()
    volume.must("vacate")
    volume.expect_nothing_left()


def killed_at(volume, calls, count, command):
    """The command under strace, killed at its count-th one of these calls. False: it makes fewer."""
    driver = volume.argv(command, "--placeholder")
    traced = subprocess.run(["strace", "-qq", "-e", f"trace={calls}", "-e", f"inject={calls}:signal=KILL:when={count}", "-o", "/dev/null",
                             *driver], capture_output=True, text=True, timeout=60)
    return traced.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)


def kill_at_each_step(volume, command, prepare):
    kills = 0
    for calls in STEPS:
        for count in range(1, 100):
            prepare()
            was_killed = killed_at(volume, calls, count, command)
            leads_to_us_or_nobody(volume)
            kills += was_killed
            clear(volume)
            if not was_killed:
                break
    print(f"{command}: killed {kills} times")
    return kills


def clear(volume):
    """The next daemon: a living chain is adopted by its promotion, then the resource goes down."""
    text = volume.must("sweep")
    leads_to_us_or_nobody(volume)
    volume.must("reserve")
    if not re.search("^living", text, re.MULTILINE):
        expect_placeholder(volume)
    volume.must("attach", "--placeholder")
    expect(not is_placeholder(volume), "the promotion left the placeholder")
    volume.must("detach", "--placeholder")
    expect_placeholder(volume)
    volume.must("vacate")
    volume.expect_nothing_left()


def check_kills(volume):
    def serving():
        volume.must("reserve")
        volume.must("attach", "--placeholder")

    for command, prepare, least in (("reserve", lambda: None, 6), ("attach", lambda: volume.must("reserve"), 8),
                                    ("detach", serving, 8), ("vacate", lambda: volume.must("reserve"), 4)):
        kills = kill_at_each_step(volume, command, prepare)
        expect(kills >= least, f"{command} was killed only {kills} times")


def check_no_place(volume):
    """A device directory that can't be written to: said, and nothing else is different."""
    out_of("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", volume.dev_dir)
    code, text = volume.command("reserve")
    expect(code != 0 and "Read-only file system" in text, text)
    out_of("umount", volume.dev_dir)
    volume.expect_nothing_left()


def check_no_right(volume):
    """Without CAP_MKNOD, the same."""
    done = subprocess.run(["setpriv", "--bounding-set=-mknod", "--inh-caps=-mknod", *volume.argv("reserve")], capture_output=True, text=True)
    expect(done.returncode != 0 and "Operation not permitted" in done.stdout, done.stdout + done.stderr)
    volume.expect_nothing_left()


def scenario(work):
    volume = Chain(work)
    volume.start_server()
    check_roles(volume)
    check_failed_promotion(volume)
    check_no_place(volume)
    check_no_right(volume)
    check_kills(volume)


if __name__ == "__main__":
    sys.exit(run(scenario, (*chain.PROGRAMS, "strace", "setpriv"), seconds=300))
