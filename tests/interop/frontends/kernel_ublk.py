#!/usr/bin/python3
"""The kernel's ublk driver as what carries /dev/drbdN, in a guest with the newer kernel that Debian 12 offers. kernel_ublk.py SCENARIO"""

import re

from our_guest import main  # it knows where the others are
from cluster import compare  # noqa: I001
from load import write_under_kills
from sandbox import Failed

STRANGER = "dbdd000070000001"  # a token of minor 7


def carried(pair):
    """a file system on it, its server and drbdd killed under load: pauses, no error; then a clean end with equal copies"""
    pair.start_daemon("ublk")
    pair.up()
    pair.expect_frontend("ublk")
    pair.run("[ -b /dev/drbd0 ] && [ -b /dev/drbd/by-res/r0/0 ] && [ -b /dev/drbd/by-disk/vda ]")
    number = pair.out("cat /sys/block/ublkb0/dev")
    if pair.out("stat -c '%t:%T' /dev/drbd0") != ":".join(f"{int(part):x}" for part in number.split(":")):
        raise Failed(f"/dev/drbd0 is not {number}")
    queue = pair.out("cd /sys/block/ublkb0/queue; echo $(cat write_cache | tr ' ' _) $(cat fua logical_block_size physical_block_size)")
    if queue != "write_back 1 512 4096":
        raise Failed(f"queue: {queue}")
    pair.run("/usr/sbin/mke2fs -q -t ext4 /dev/drbd0 && mount -t ext4 /dev/drbd0 /mnt")
    pair.until("drbdadm secondary r0 2>&1 | grep 'mounted on /mnt'", 10, "nobody says that it is mounted")
    kills = [lambda: kill_server(pair), lambda: kill_daemon(pair), lambda: kill_server(pair), lambda: kill_both(pair),
             lambda: kill_server_twice(pair)]
    write_under_kills(pair, "ublkb0", kills, longest=100)  # emulated, on a machine that may be busy
    pair.run("umount /mnt && /usr/sbin/e2fsck -fn /dev/drbd0")
    pair.adm("secondary", "r0")
    pair.expect_not_carried()
    pair.adm("primary", "r0")
    pair.run("/usr/sbin/e2fsck -fn /dev/drbd0")
    pair.adm("secondary", "r0")
    pair.adm("down", "r0")
    pair.expect_gone()
    pair.bravo.drbdadm("down", "r0")
    compare(*pair.images)
    pair.expect_clean_log()
    pair.bravo.drbdadm("up", "r0")


def kill_server(pair):
    old = pair.out("pidof drbdd-ublk")
    pair.run(f"kill -9 {old}")
    pair.until(f"[ -n \"$(pidof drbdd-ublk)\" ] && [ \"$(pidof drbdd-ublk)\" != {old} ]", 20, "no other server was started")


def kill_server_twice(pair):
    """The second one is killed while it takes over."""
    pair.run("kill -9 $(pidof drbdd-ublk); until pidof drbdd-ublk > /dev/null; do usleep 5000; done; usleep 20000; kill -9 $(pidof drbdd-ublk)")
    pair.until("pidof drbdd-ublk", 20, "no other server was started")


def kill_daemon(pair):
    pair.kill_daemon()
    come_back(pair)


def kill_both(pair):
    pair.run("kill -9 $(pidof drbdd-ublk) $(pidof drbdd)")
    come_back(pair)


def come_back(pair):
    pair.start_daemon()
    pair.adm("adjust", "r0")
    pair.adm("primary", "r0")


def others_and_none(pair):
    """a stranger's device stays as it is; discards reach the disk; without the driver, ublk refuses in words and auto takes the next"""
    pair.run("nbdkit -U /tmp/stranger.nbd memory 8M")
    pair.run(f"drbdd-ublk serve --socket /tmp/stranger.nbd --token {STRANGER}")
    pair.run("echo stranger | dd of=/dev/ublkb0 conv=fsync 2> /dev/null")
    pair.start_daemon("auto")
    pair.up()
    pair.expect_frontend("ublk")
    pair.run("[ $(stat -c %T /dev/drbd0) != $(stat -c %T /dev/ublkb0) ] && [ -b /dev/ublkb1 ]")
    pair.discard("ublkb1")
    pair.kill_daemon()
    pair.start_daemon("fuse")  # what is there already is kept, whatever a new one would be
    pair.adm("adjust", "r0")
    pair.adm("primary", "r0")
    pair.expect_frontend("ublk")
    pair.adm("secondary", "r0")
    if not pair.out("dd if=/dev/ublkb0 bs=512 count=1 2> /dev/null").startswith("stranger"):
        raise Failed("the stranger's device is not what it was")
    pair.run("drbdd-ublk stop --device 0 && drbdd-ublk remove --device 0")
    pair.until("! pidof drbdd-ublk", 10, "the stranger's server does not end")
    without_driver(pair)
    pair.expect_clean_log()


def without_driver(pair):
    pair.until("rmmod ublk_drv", 10, "the driver is in use")
    pair.stop_daemon()
    pair.start_daemon("ublk")
    pair.adm("adjust", "r0")
    pair.refuse_promotion("cannot open /dev/ublk-control")
    pair.adm("down", "r0")
    pair.stop_daemon()
    pair.start_daemon("auto")
    pair.adm("adjust", "r0")
    pair.adm("primary", "r0")
    pair.expect_frontend("nbd", "ublk: cannot open /dev/ublk-control")
    shown = pair.out("drbdadm status --verbose r0")
    if "frontend:nbd" not in shown or not re.search('frontend-note:"ublk: .*modprobe ublk_drv', shown):
        raise Failed(shown)
    pair.adm("secondary", "r0")


main(carried, others_and_none, kernel="linux-image-6.12-amd64")
