#!/usr/bin/python3
"""What an administrator does on a good day. everyday.py SCENARIO"""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

import nbd_client  # noqa: E402
from cluster import BIN, ROOT, data_bytes, main, until  # noqa: E402
from sandbox import Failed  # noqa: E402

RESUME = os.path.join(ROOT, "packaging/systemd/resume.in")


def initial_sync(cluster):
    """create-md, up, promote, full sync: both UpToDate and equal, and every query has the right answer"""
    cluster.up(primary=cluster.alpha)
    cluster.compare()
    for command, alpha, bravo in (("role", "Primary/Secondary", "Secondary/Primary"), ("cstate", "Connected", "Connected"),
                                  ("dstate", "UpToDate/UpToDate", "UpToDate/UpToDate")):
        for node, wanted in ((cluster.alpha, alpha), (cluster.bravo, bravo)):
            answer = node.drbdadm(command, "r0")[1].strip()
            if answer != wanted:
                raise Failed(f"{node.name}: {command} is {answer}, wanted {wanted}")
    text = cluster.alpha.drbdadm("status", "r0")[1]
    if not text.startswith("r0 role:Primary") or "disk:UpToDate" not in text or "peer-disk:UpToDate" not in text:
        raise Failed(f"status of a healthy Primary:\n{text}")
    cluster.down()
    if any(node.status() for node in cluster.nodes):
        raise Failed("r0 is still configured after down")


def started_by_up(cluster):
    """`drbdadm up` starts the daemon when none answers, and is not kept waiting by it"""
    cluster.up(primary=cluster.alpha)
    for node in cluster.nodes:
        if len(node.processes("drbdd")) != 1:
            raise Failed(f"{node.name}: {len(node.processes('drbdd'))} daemons run")
    cluster.compare()


def events(cluster):
    """events2 shows what there is, then each change up to UpToDate, and ends with the resource"""
    for node in cluster.nodes:
        node.drbdadm("create-md", "--force", "r0")
    cluster.alpha.drbdadm("up", "r0")
    path = os.path.join(cluster.alpha.dir, "events")
    with open(path, "w") as file:
        watcher = cluster.alpha.start("drbdsetup", "events2", stdout=file)

    def lines():
        with open(path) as events_file:
            return events_file.read().splitlines()

    until(lambda: "exists -" in lines(), 5, "no `exists -` in events2")
    if not any(line.startswith("exists resource name:r0 ") for line in lines()):
        raise Failed("events2 does not show r0:\n" + "\n".join(lines()))
    cluster.bravo.drbdadm("up", "r0")
    cluster.alpha.wait(connection="Connected")
    cluster.alpha.drbdadm("primary", "--force", "r0")
    cluster.alpha.wait_in_sync()
    for wanted in (("change connection", "connection:Connected"), ("change resource", "role:Primary"),
                   ("change device", "disk:UpToDate"), ("change peer-device", "replication:SyncSource"),
                   ("change peer-device", "peer-disk:UpToDate")):
        until(lambda: any(all(part in line for part in wanted) for line in lines()), 5,
              lambda: f"no event with {wanted} in\n" + "\n".join(lines()))
    now = cluster.alpha.run("drbdsetup", "events2", "--now")[1].splitlines()
    if now[-1] != "exists -" or not all(line.startswith("exists ") for line in now):
        raise Failed("events2 --now:\n" + "\n".join(now))
    cluster.alpha.signal("drbdsetup", signal.SIGKILL)
    watcher.wait()


def resync_progress(cluster):
    """while a resync runs, status shows how far it is and the estimate of its end gets smaller"""
    with open(cluster.alpha.config) as file:
        text = file.read()
    with open(cluster.alpha.config, "w") as file:
        file.write(text.replace("disk {", "disk { c-plan-ahead 0; resync-rate 8M;", 1))
    for node in cluster.nodes:
        node.drbdadm("create-md", "--force", "r0")
        node.drbdadm("up", "r0")
    cluster.alpha.wait(connection="Connected")
    cluster.alpha.drbdadm("primary", "--force", "r0")
    cluster.alpha.wait(replication="SyncSource", seconds=10)
    cluster.bravo.wait(replication="SyncTarget", seconds=10)
    seen = []

    def ended():
        status = cluster.bravo.status()
        peer = status["connections"][0]["peer_devices"][0]
        if peer["replication-state"] == "SyncTarget":
            seen.append(peer["percent-in-sync"])
        return peer["replication-state"] == "Established" and status["devices"][0]["disk-state"] == "UpToDate"

    until(ended, 60, lambda: f"resync at {seen[-3:]}")
    if len(set(seen)) < 5 or seen != sorted(seen):
        raise Failed(f"progress seen: {seen}")
    cluster.compare()


def verified_load(cluster):
    """fio writes through NBD and verifies what it reads; then both disks are equal"""
    cluster.up(primary=cluster.alpha)
    for job in (["--bs=4k", "--iodepth=32", "--rw=randwrite"], ["--bs=128k", "--iodepth=8", "--rw=write"],
                ["--bssplit=512/10:4k/60:32k/20:1m/10", "--iodepth=16", "--rw=randrw", "--fsync=16"]):
        cluster.alpha.run("fio", "--name=verified", "--ioengine=nbd", f"--uri={cluster.alpha.nbd()}", "--size=48m",
                          "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--do_verify=1", "--randrepeat=0", *job, seconds=120)
        cluster.compare()


def roles_swap(cluster):
    """a file system moves between the nodes with its data, and a device in use cannot be demoted"""
    cluster.up(primary=cluster.alpha)
    cluster.alpha.run("mke2fs", "-q", "-t", "ext4", device(cluster.alpha))
    first, second = cluster.nodes
    for round_number in range(4):
        mount(first)
        first.run("sh", "-c", f"cp /usr/bin/env {first.dir}/mnt/file{round_number} && sync -f {first.dir}/mnt && "
                              f"ls {first.dir}/mnt/file* | wc -l | grep -qx {round_number + 1}")
        first.expect_refusal("drbdadm", "-c", first.config, "secondary", "r0", code=11, says=["-12", "held open"])
        first.run("umount", f"{first.dir}/mnt")
        first.drbdadm("secondary", "r0")
        second.drbdadm("primary", "r0")
        first, second = second, first
    cluster.compare()
    holder = first.start("sh", "-c", f"exec tail -f /dev/null < {device(first)}")
    until(lambda: first.processes("tail"), 5, "nobody holds the device open")
    first.expect_refusal("drbdadm", "-c", first.config, "secondary", "r0", code=11, says=["-12", "held open"])
    first.signal("tail", signal.SIGKILL)
    holder.wait()
    first.drbdadm("secondary", "r0")


def device(node, minor=0):
    return os.path.join(node.dev_dir, f"drbd{minor}")


def mount(node):
    os.makedirs(f"{node.dir}/mnt", exist_ok=True)
    node.run("mount", "-t", "ext4", device(node), f"{node.dir}/mnt")


def secondary_refuses(cluster):
    """a Secondary gives its data to nobody, and says why"""
    cluster.up(primary=cluster.alpha)
    # QEMU shows the server's words, libnbd keeps them to itself.
    cluster.bravo.expect_refusal("qemu-img", "info", cluster.bravo.nbd(), says=["Secondary"])
    cluster.bravo.expect_refusal("nbdinfo", cluster.bravo.nbd())


def device_of_a_secondary(cluster):
    """/dev/drbdN is a block device from `up` to `down`, also beside a killed daemon, and opens on the Primary only"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    alpha.run("dd", f"if={device(alpha)}", "of=/dev/null", "bs=4k", "count=1")
    closed(bravo)
    bravo.signal("drbdd", signal.SIGKILL)
    until(lambda: not bravo.processes("drbdd"), 5, "drbdd lives on")
    closed(bravo)
    alpha.drbdadm("secondary", "r0")
    closed(alpha)
    bravo.start_daemon()
    resume(bravo)
    closed(bravo)
    bravo.wait(role="Secondary", connection="Connected", seconds=10)
    bravo.drbdadm("primary", "r0")
    bravo.run("dd", "if=/dev/urandom", f"of={device(bravo)}", "bs=4k", "count=1", "oflag=direct", "conv=notrunc")
    bravo.drbdadm("secondary", "r0")
    closed(bravo)
    for node in cluster.nodes:
        node.drbdadm("down", "r0")
        if os.listdir(node.dev_dir):
            raise Failed(f"{node.name}: left behind: {os.listdir(node.dev_dir)}")


def no_place_for_a_device(cluster):
    """where nothing can be made in /dev the log says so once, and all else works; a promotion makes the device when it can be made"""
    alpha, bravo = cluster.alpha, cluster.bravo
    alpha.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", alpha.dev_dir)
    cluster.up(primary=bravo)
    bravo.drbdadm("secondary", "r0")
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "primary", "r0", code=10, says=["Read-only file system"])
    alpha.wait(role="Secondary", seconds=5)
    bravo.drbdadm("primary", "r0")
    bravo.drbdadm("secondary", "r0")
    alpha.run("umount", alpha.dev_dir)
    alpha.drbdadm("primary", "r0")
    alpha.run("dd", f"if={device(alpha)}", "of=/dev/null", "bs=4k", "count=1")
    alpha.drbdadm("secondary", "r0")
    closed(alpha)
    with open(alpha.daemon_log) as file:
        said = [line for line in file if "there is no placeholder" in line]
    if len(said) != 1 or "Read-only file system" not in said[0]:
        raise Failed(f"the log says of the placeholder: {said}")


def closed(node):
    """There is a block device, which nobody can open."""
    for name in ("drbd0", "drbd/by-res/r0/0"):
        path = os.path.join(node.dev_dir, name)
        node.run("test", "-b", path)
        node.expect_refusal("dd", "if=/dev/zero", f"of={path}", "bs=4k", "count=1", says=["No such device or address"])
        node.expect_refusal("dd", f"if={path}", "of=/dev/null", "bs=4k", "count=1", says=["No such device or address"])


def resume(node):
    """What the service runs when drbdd has started, as if our device directory were /dev."""
    folder = os.path.join(node.dir, "resume")
    os.makedirs(folder)
    with open(os.path.join(folder, "drbdadm"), "w") as file:
        file.write(f"#!/bin/sh\n{os.path.join(BIN, 'drbdadm')} -c {node.config} \"$@\" | sed s,^/dev/,{node.dev_dir}/,\n")
    os.chmod(file.name, 0o755)
    with open(RESUME) as script, open(os.path.join(folder, "resume"), "w") as file:
        file.write(script.read().replace("@SBINDIR@", folder))
    node.run("sh", file.name)


def several_volumes(cluster):
    """the volumes of one resource have nodes, exports and data of their own"""
    cluster.up(primary=cluster.alpha)
    for minor in range(2):
        cluster.alpha.wait_in_sync(volume=minor)
        cluster.alpha.write_random(range(0, 8 << 20, 65536), 4096 * (minor + 1), minor)
        if os.major(os.stat(device(cluster.alpha, minor)).st_rdev) == 0:
            raise Failed(f"no node for volume {minor}")
    for volume in range(2):
        cluster.compare(volume)


def one_volume(cluster):
    """`up` and `primary --force` of one volume are about that one"""
    alpha, bravo = cluster.alpha, cluster.bravo
    forced = ("drbdadm", "-c", alpha.config, "primary", "--force")
    for node in cluster.nodes:
        node.drbdadm("create-md", "--force", "r0")
        node.drbdadm("up", "r0/1")
    for node in cluster.nodes:
        node.wait(connection="Connected", volume=1)
        if (node.state(volume=0)[3], node.state(volume=1)[3]) != ("Diskless", "Inconsistent"):
            raise Failed(f"{node.name}: {node.status()}")
    alpha.expect_refusal(*forced, "r0/1", code=17)
    for node in cluster.nodes:
        node.drbdadm("up", "r0/0")
    alpha.wait(disk="Inconsistent", peer_disk="Inconsistent")
    alpha.expect_refusal(*forced, "r0/1", code=17, says=["only volume 1 was forced"])
    if alpha.state(volume=1)[3] != "Inconsistent":
        raise Failed(f"volume 1 was forced though the command failed: {alpha.status()}")
    alpha.run(*forced, "r0")
    for volume in range(2):
        bravo.wait_in_sync(volume=volume)


def many_volumes(cluster):
    """twenty volumes come up, are promoted, demoted and taken down by one command each"""
    cluster.up(primary=cluster.alpha)
    for volume in range(20):
        cluster.alpha.wait_in_sync(volume=volume)
        cluster.compare(volume)
    cluster.alpha.drbdadm("secondary", "r0")
    cluster.bravo.drbdadm("primary", "r0")


def marked_blocks(cluster):
    """an NBD client sees which blocks the bitmap marks: none, what was written alone, none again; no answer without the disk"""
    cluster.up(primary=cluster.alpha)
    alpha = cluster.alpha

    def marked():
        lines = alpha.run("nbdinfo", "--map=x-drbd:out-of-sync", alpha.nbd())[1].splitlines()
        runs = [tuple(map(int, line.split()[:3])) for line in lines]
        if sum(length for _, length, _ in runs) != data_bytes(cluster.disks["alpha"][0]):
            raise Failed(f"the map does not cover the volume: {lines}")
        return [(offset, length) for offset, length, flag in runs if flag == 1]

    def expect(wanted):
        if marked() != wanted:
            raise Failed(f"marked are {marked()}, wanted {wanted}")

    expect([])
    alpha.drbdadm("disconnect", "r0")
    alpha.write_random([4096, 8192, 1 << 20, 40 << 20])
    alpha.write_random([(41 << 20) + 512], 512)
    expect([(4096, 8192), (1 << 20, 4096), (40 << 20, 4096), (41 << 20, 4096)])
    alpha.drbdadm("connect", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
    expect([])
    cluster.compare()
    alpha.drbdadm("detach", "r0")
    alpha.wait(disk="Diskless")
    if alpha.run("nbdinfo", "--map=x-drbd:out-of-sync", alpha.nbd(), check=False)[0] == 0:
        raise Failed("a map without a disk")
    alpha.run("nbdinfo", "--map", alpha.nbd())


def holes(cluster):
    """an NBD client sees where the disk, a file, has no data, and a copy of it is as sparse; without the disk all is data"""
    cluster.up()
    alpha = cluster.alpha
    alpha.drbdadm("disconnect", "r0")
    alpha.drbdadm("primary", "--force", "r0")
    size = data_bytes(cluster.disks["alpha"][0])

    def expect(wanted):
        lines = alpha.run("nbdinfo", "--map", alpha.nbd())[1].splitlines()
        seen = [tuple(line.split()) for line in lines]
        if seen != [tuple(map(str, run)) for run in wanted]:
            raise Failed(f"the map is {seen}, wanted {wanted}")

    mib = 1 << 20
    expect([(0, size, 3, "hole,zero")])
    alpha.write_random([mib, mib + 65536, 40 * mib], 65536)
    expect([(0, mib, 3, "hole,zero"), (mib, 131072, 0, "data"), (mib + 131072, 39 * mib - 131072, 3, "hole,zero"),
            (40 * mib, 65536, 0, "data"), (40 * mib + 65536, size - 40 * mib - 65536, 3, "hole,zero")])
    client = nbd_client.connect(alpha.nbd())
    client.trim(65536, mib)
    client.shutdown()
    copied = os.path.join(alpha.dir, "copied")
    alpha.run("qemu-img", "convert", "-f", "raw", "-O", "raw", alpha.nbd(), copied)
    alpha.run("qemu-img", "compare", "-f", "raw", "-F", "raw", alpha.nbd(), copied)
    if os.stat(copied).st_blocks * 512 > mib:
        raise Failed(f"a copy of 128 KiB of data takes {os.stat(copied).st_blocks // 2} KiB")
    alpha.drbdadm("connect", "r0")
    alpha.wait_in_sync()
    alpha.drbdadm("detach", "r0")  # the peer's disk is read now
    alpha.wait(disk="Diskless")
    expect([(0, size, 0, "data")])


VOLUMES = {"several_volumes": (2, 64), "one_volume": (2, 16), "many_volumes": (20, 4)}
volumes, mib = VOLUMES.get(sys.argv[-1], (1, 64))
main(initial_sync, started_by_up, events, resync_progress, verified_load, roles_swap, secondary_refuses, device_of_a_secondary,
     no_place_for_a_device, several_volumes, one_volume, many_volumes, marked_blocks, holes,
     programs=("fio", "nbdinfo", "qemu-img"), mib=mib, volumes=volumes, daemon="started_by_up" not in sys.argv)
