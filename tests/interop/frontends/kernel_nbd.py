#!/usr/bin/python3
"""The kernel's nbd driver as what carries /dev/drbdN, in a guest with Debian's kernel. kernel_nbd.py SCENARIO"""

from our_guest import main  # it knows where the others are
from cluster import compare  # noqa: I001
from load import write_under_kills
from sandbox import Failed

def carried(pair):
    """a file system on it, drbdd killed three times under load: pauses, no error; then a clean end with equal copies"""
    pair.start_daemon("nbd")
    pair.up()
    pair.expect_frontend("nbd")
    number, backend = pair.out("readlink -f /dev/drbd/by-res/r0; cat /sys/block/nbd0/dev; cat /sys/block/nbd0/backend").split()[1:]
    if number != "43:0" or not backend.endswith(":/run/drbdd/drbd0"):
        raise Failed(f"{number} {backend}")
    pair.run("cmp /sys/block/nbd0/size /sys/block/nbd0/size && [ -b /dev/drbd0 ] && [ -b /dev/drbd/by-disk/vda ]")
    pair.run("/usr/sbin/mke2fs -q -t ext4 /dev/drbd0 && mount -t ext4 /dev/drbd0 /mnt")
    pair.until("drbdadm secondary r0 2>&1 | grep 'mounted on /mnt'", 10, "nobody says that it is mounted")
    # Less than the kernel's own time-out.
    write_under_kills(pair, "nbd0", [lambda: kill_daemon(pair)] * 3, longest=25)
    pair.run("umount /mnt && /usr/sbin/e2fsck -fn /dev/drbd0")
    pair.adm("secondary", "r0")
    pair.expect_not_carried()
    pair.adm("down", "r0")
    pair.expect_gone()
    pair.bravo.drbdadm("down", "r0")
    compare(*pair.images)
    pair.expect_clean_log()
    pair.bravo.drbdadm("up", "r0")


def kill_daemon(pair):
    pair.kill_daemon()
    come_back(pair)


def come_back(pair):
    pair.start_daemon()
    pair.adm("adjust", "r0")
    pair.adm("primary", "r0")


def others_and_none(pair):
    """a stranger's device stays as it is; discards go out; without the driver, nbd refuses in words and auto takes the next; the living one is kept"""
    pair.run("rmmod nbd && insmod /mod/nbd.ko nbds_max=1")
    pair.run("nbdkit -i 127.0.0.1 memory 8M")
    stranger = connect_stranger(pair)
    pair.start_daemon("auto")
    pair.up()
    pair.expect_frontend("nbd", "ublk: cannot open /dev/ublk-control")
    if pair.out("cat /sys/block/nbd1/backend").split(":")[0] != "drbdd":
        raise Failed("a device of its own was not made beside the stranger's")
    pair.discard("nbd1")
    pair.kill_daemon()
    pair.start_daemon("fuse")  # what is there already is kept, whatever a new one would be
    pair.adm("adjust", "r0")
    pair.adm("primary", "r0")
    pair.expect_frontend("nbd")
    pair.adm("secondary", "r0")
    if stranger != pair.out("cat /sys/block/nbd0/pid /sys/block/nbd0/size; dd if=/dev/nbd0 bs=4k count=1 2>/dev/null | md5sum"):
        raise Failed("the stranger's device is not what it was")
    pair.run("nbd-client -d /dev/nbd0")
    without_driver(pair)
    pair.expect_clean_log()


def connect_stranger(pair):
    pair.run("nbd-client 127.0.0.1 /dev/nbd0 > /dev/null && echo stranger | dd of=/dev/nbd0 conv=fsync 2>/dev/null")
    return pair.out("cat /sys/block/nbd0/pid /sys/block/nbd0/size; dd if=/dev/nbd0 bs=4k count=1 2>/dev/null | md5sum")


def without_driver(pair):
    pair.until("rmmod nbd", 10, "the driver is in use")
    pair.stop_daemon()
    pair.start_daemon("nbd")
    pair.adm("adjust", "r0")
    pair.refuse_promotion("the kernel.s nbd driver is not there")
    pair.adm("down", "r0")
    pair.stop_daemon()
    pair.start_daemon("auto")
    pair.adm("adjust", "r0")
    pair.adm("primary", "r0")
    pair.expect_frontend("fuse", "; nbd: the kernel's nbd driver is not there")
    shown = pair.out("drbdadm status --verbose r0")
    if "frontend:fuse" not in shown or "; nbd: " not in shown:
        raise Failed(shown)
    pair.adm("secondary", "r0")


main(carried, others_and_none)
