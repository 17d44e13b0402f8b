#!/usr/bin/python3
"""What is left when drbdd-fuse itself is killed, or was never ours, and what the next daemon's start removes."""

import os
import signal
import subprocess
import sys

import chain
from chain import MIB, Chain, expect, until
from sandbox import out_of, run


def kill_fuse(volume):
    process = volume.fuse_pid()
    os.kill(process, signal.SIGKILL)
    until(lambda: volume.must("adopt") == "nothing", 5, "a dead chain was adopted")


def check_dead_chain_in_use(volume):
    """Mounted when its carrier dies: nothing can be taken away before the umount, and the user is named."""
    volume.must("attach")
    out_of("mkfs.ext4", "-q", volume.node)
    volume.mount()
    kill_fuse(volume)
    expect(f"mounted on {volume.mount_point}" in volume.must("sweep"), "the sweep does not say who is in the way")
    code, text = volume.command("attach")
    expect(code != 0 and f"mounted on {volume.mount_point}" in text, f"attached over a mounted file system: {text}")
    volume.umount()
    expect("removed the remains" in volume.must("sweep"), "the sweep removed nothing")
    volume.expect_nothing_left()


def check_attach_clears_remains(volume):
    volume.must("attach")
    kill_fuse(volume)
    volume.must("attach")
    with open(volume.node, "r+b", buffering=0) as node:
        os.pwrite(node.fileno(), b"alive", 0)
        os.fsync(node.fileno())
    expect(chain.read_file(volume.disk)[:5] == b"alive", "the new chain does not carry data")
    volume.must("detach")
    volume.expect_nothing_left()


def check_strangers_device(volume, work):
    """A node whose number has passed to somebody else's loop device, and links to nothing."""
    file = os.path.join(work, "foreign")
    with open(file, "wb") as foreign:
        foreign.truncate(MIB)
    loop = out_of("losetup", "-f", "--show", file).strip()
    number = os.stat(loop).st_rdev
    os.mknod(volume.node, 0o660 | 0o060000, number)
    os.makedirs(os.path.join(volume.dev_dir, "drbd/by-res/r9"))
    os.symlink("../../../drbd9", os.path.join(volume.dev_dir, "drbd/by-res/r9/0"))
    text = volume.must("sweep")
    expect("stale node" in text and "dangling link" in text, text)
    expect(os.path.exists(loop) and loop in out_of("losetup", "-a"), "a stranger's loop device was released")
    out_of("losetup", "-d", loop)
    volume.expect_nothing_left()


def check_other_run_directory(volume, work):
    """Two daemons that share /dev: neither touches, nor takes over, the other's node."""
    other = Chain(work, "other")
    os.rmdir(other.dev_dir)
    os.symlink(volume.dev_dir, other.dev_dir)
    other.start_server()
    volume.must("attach")
    other.must("sweep")
    code, text = other.command("attach")
    expect(code != 0 and "another run directory" in text and volume.run_dir in text, text)
    other.must("detach")
    expect(os.path.exists(volume.node), "another daemon's detach removed our node")
    volume.must("detach")
    volume.expect_nothing_left()


def check_given_up(volume, work):
    """A refusal that lasts ends in an error, not in tasks that hang for ever."""
    mount = os.path.join(work, "direct")
    os.mkdir(mount)
    process = subprocess.Popen([os.path.join(chain.BIN, "drbdd-fuse"), "--socket", volume.socket, "--mount", mount,
                                "--refused-limit", "1", "--foreground"], stderr=subprocess.DEVNULL)
    until(lambda: os.path.exists(f"{mount}/volume"), 5, "no volume")
    volume.kill_server()
    volume.start_server("-r")
    write = subprocess.run(["dd", "if=/dev/zero", f"of={mount}/volume", "bs=4k", "count=1", "conv=notrunc"],
                           capture_output=True, text=True, timeout=10)
    expect(write.returncode != 0 and "Input/output error" in write.stderr, write.stderr)
    out_of("umount", mount)
    expect(process.wait(5) == 0, f"drbdd-fuse ended with {process.returncode} after the umount")
    os.rmdir(mount)


def scenario(work):
    volume = Chain(work)
    volume.start_server()
    check_dead_chain_in_use(volume)
    check_attach_clears_remains(volume)
    check_strangers_device(volume, work)
    check_other_run_directory(volume, work)
    check_given_up(volume, work)


if __name__ == "__main__":
    sys.exit(run(scenario, chain.PROGRAMS, seconds=120))
