#!/usr/bin/python3
"""A device node from attach to detach: names, file system, discards, zeroes, refusals, size, two nodes at once."""

import grp
import os
import shutil
import stat
import subprocess
import sys

import chain
from chain import MIB, Chain, expect
from sandbox import out_of, run


def check_names(volume):
    node = os.stat(volume.node)
    expect(stat.S_ISBLK(node.st_mode) and stat.S_IMODE(node.st_mode) == 0o660, f"mode {oct(node.st_mode)}")
    expect(node.st_gid == grp.getgrnam("disk").gr_gid, f"group {node.st_gid}")
    for link in ("drbd/by-res/r0/0", "drbd/by-disk/vg0/data"):
        expect(os.path.realpath(os.path.join(volume.dev_dir, link)) == volume.node, f"{link} does not lead to the node")
    loop = volume.loops()[0]
    for name, value in (("loop/dio", "1"), ("queue/write_cache", "write back")):
        expect(chain.read_file(f"/sys/block/{loop}/{name}").decode().strip() == value, f"{loop}: {name}")


def check_file_system(volume):
    out_of("mkfs.ext4", "-q", volume.node)
    volume.mount()
    data = chain.write_file(f"{volume.mount_point}/kept", 16)
    chain.write_file(f"{volume.mount_point}/dropped", 64)
    full = os.stat(volume.disk).st_blocks * 512

    code, text = volume.command("detach")
    expect(code != 0 and f"mounted on {volume.mount_point}" in text, f"detach of a mounted volume: {text}")
    expect(os.path.exists(volume.node), "a refused detach removed the node")

    os.unlink(f"{volume.mount_point}/dropped")
    out_of("sync", "-f", volume.mount_point)  # freed blocks are trimmed only once the journal says so
    out_of("fstrim", volume.mount_point)
    trimmed = os.stat(volume.disk).st_blocks * 512
    expect(trimmed < full - 48 * MIB, f"fstrim freed too little: {full} -> {trimmed}")
    volume.umount()
    volume.mount()
    expect(chain.read_file(f"{volume.mount_point}/kept") == data, "the file differs after a remount")
    volume.umount()


def check_zeroes(volume):
    pattern = b"\xaa" * (4 * MIB)
    with open(volume.node, "r+b", buffering=0) as node:
        os.pwrite(node.fileno(), pattern * 4, 0)
        os.fsync(node.fileno())
    expect(chain.read_file(volume.disk)[:16 * MIB] == pattern * 4, "fsync returned before the data was there")
    out_of("blkdiscard", "-z", "-o", str(4 * MIB), "-l", str(4 * MIB), volume.node)
    out_of("blkdiscard", "-o", str(8 * MIB), "-l", str(4 * MIB), volume.node)
    content = chain.read_device(volume.node, 0, 16 * MIB)
    expect(content == pattern + bytes(8 * MIB) + pattern, "zeroes and discards hit the wrong bytes, or none")


def check_open_is_refused(volume):
    with subprocess.Popen(["sleep", "60"], stdin=open(volume.node, "rb")) as holder:
        code, text = volume.command("detach")
        expect(code != 0 and f"open in sleep (pid {holder.pid})" in text, f"detach of an open volume: {text}")
        holder.kill()


def check_udev_is_waited_for(volume):
    """It opens the device for a moment after each writer, as after an unmount."""
    worker = f"{os.path.dirname(volume.disk)}/(udev-worker)"
    shutil.copy(shutil.which("sleep"), worker)
    with subprocess.Popen([worker, "0.25"], stdin=open(volume.node, "rb")):
        volume.must("detach")
    volume.must("attach")
    with subprocess.Popen([worker, "60"], stdin=open(volume.node, "rb")) as holder:
        code, text = volume.command("detach")
        expect(code != 0 and f"open in (udev-worker) (pid {holder.pid})" in text, f"detach of an open volume: {text}")
        holder.kill()


def check_resize(volume):
    os.truncate(volume.disk, 192 * MIB)
    volume.kill_server()
    volume.start_server()
    volume.must("resize", "--size", str(192 * MIB))
    expect(out_of("blockdev", "--getsize64", volume.node).strip() == str(192 * MIB), "the new size is not seen")
    with open(volume.node, "r+b", buffering=0) as node:
        os.pwrite(node.fileno(), b"end", 192 * MIB - 3)
        os.fsync(node.fileno())
    expect(chain.read_file(volume.disk)[-3:] == b"end", "the last bytes do not arrive")


def check_refused_attach(work):
    volume = Chain(work, "refused")
    with open(volume.node, "w"):
        pass
    volume.start_server()
    code, text = volume.command("attach")
    expect(code != 0 and f"{volume.node} exists and is no block device" in text, text)
    os.unlink(volume.node)
    volume.kill_server()
    volume.start_server("-r")
    code, text = volume.command("attach")
    expect(code != 0 and "read-only" in text, text)
    volume.kill_server()
    os.unlink(volume.socket)
    volume.expect_nothing_left()


def check_two_nodes_and_large_sectors(work, first):
    second = Chain(work, "b")
    second.start_server()
    second.must("attach", "--block-size", "4096")
    expect(out_of("blockdev", "--getss", second.node).strip() == "4096", "logical sector size")
    check_names(second)
    first.must("attach")
    out_of("mkfs.ext4", "-q", second.node)
    second.mount()
    first.must("detach")
    second.umount()
    second.must("detach")
    second.expect_nothing_left()


def scenario(work):
    volume = Chain(work)
    volume.start_server()
    volume.must("attach")
    check_names(volume)
    expect(volume.must("in-use") == "", "in use by nobody")
    check_file_system(volume)
    check_zeroes(volume)
    check_open_is_refused(volume)
    check_udev_is_waited_for(volume)
    check_resize(volume)
    volume.must("detach")
    volume.expect_nothing_left()
    volume.must("detach")
    check_two_nodes_and_large_sectors(work, volume)
    check_refused_attach(work)
    volume.expect_nothing_left()


if __name__ == "__main__":
    sys.exit(run(scenario, chain.PROGRAMS, seconds=120))
