#!/usr/bin/python3
"""The kernel's nbd driver as what carries /dev/drbdN, in a guest with Debian's kernel. kernel_nbd.py SCENARIO"""

import re
import time

from our_guest import main  # it knows where the others are
from cluster import compare  # noqa: I001
from sandbox import Failed

MEASURE = """
last=; since=$(cut -d' ' -f1 /proc/uptime)
while [ -e /tmp/measuring ]; do
    now=$(awk '{print $5}' /sys/block/nbd0/stat)
    [ "$now" = "$last" ] || { at=$(cut -d' ' -f1 /proc/uptime); echo "$since $at" >> /tmp/pauses; since=$at; last=$now; }
    usleep 50000
done
"""


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
    write_under_kills(pair)
    pair.run("umount /mnt && /usr/sbin/e2fsck -fn /dev/drbd0")
    pair.adm("secondary", "r0")
    expect_gone(pair)
    pair.adm("down", "r0")
    pair.bravo.drbdadm("down", "r0")
    compare(*pair.images)
    pair.expect_clean_log()
    pair.bravo.drbdadm("up", "r0")


def write_under_kills(pair):
    """The same data again and again, with a check after each time; drbdd dies in the middle and comes again."""
    pair.run("dd if=/dev/urandom of=/tmp/data bs=64k count=16 2>/dev/null; touch /tmp/measuring; rm -f /tmp/pauses")
    pair.run(f"cat > /tmp/measure <<'END'\n{MEASURE}\nEND\nsh /tmp/measure > /dev/null 2>&1 &")
    pair.run("cat > /tmp/load <<'END'\n"
             "while [ -e /tmp/measuring ]; do\n"
             "    dd if=/tmp/data of=/mnt/data bs=4k oflag=direct conv=notrunc && sync && echo 3 > /proc/sys/vm/drop_caches &&\n"
             "        cmp /tmp/data /mnt/data && echo round >> /tmp/rounds || { echo FAILED >> /tmp/rounds; break; }\n"
             "done\necho end >> /tmp/rounds\nEND\nsh /tmp/load > /tmp/load.log 2>&1 &")
    for _ in range(3):
        rounds = len(pair.out("cat /tmp/rounds 2>/dev/null", check=False).split())
        pair.until(f"[ $(cat /tmp/rounds 2>/dev/null | wc -l) -gt {rounds} ]", 150, "the load does not go on")
        time.sleep(0.5)
        pair.kill_daemon()
        pair.start_daemon()
        pair.adm("adjust", "r0")
        pair.adm("primary", "r0")
    rounds = len(pair.out("cat /tmp/rounds").split())
    pair.until(f"[ $(cat /tmp/rounds | wc -l) -gt {rounds} ]", 150, "the load does not go on")
    pair.until("rm -f /tmp/measuring; grep end /tmp/rounds", 150, "the load does not end")
    if "FAILED" in pair.out("cat /tmp/rounds"):
        raise Failed("the device's user saw an error:\n" + pair.out("cat /tmp/load.log"))
    pauses = sorted(float(b) - float(a) for a, b in re.findall(r"(\S+) (\S+)", pair.out("cat /tmp/pauses")))
    print(f"longest pauses of the device in s: {pauses[-5:]}")
    if pauses[-1] > 25:
        raise Failed("the device stood still for as long as the kernel's own time-out")
    pair.until("drbdadm dstate r0 | grep -q UpToDate/UpToDate", 150, "not in sync")


def expect_gone(pair):
    left = pair.out("ls /run/drbdd | grep 'drbd0.nbd-\\|fuse\\|loop'; ls /dev | grep drbd; cat /sys/block/nbd0/pid", check=False)
    if re.sub(r"cat: .*", "", left).strip():
        raise Failed(f"left behind: {left}")


def others_and_none(pair):
    """a stranger's device stays as it is; without the driver, nbd refuses in words and auto takes the next; the living one is kept"""
    pair.run("rmmod nbd && insmod /mod/nbd.ko nbds_max=1")
    pair.run("nbdkit -i 127.0.0.1 memory 8M")
    stranger = connect_stranger(pair)
    pair.start_daemon("auto")
    pair.up()
    pair.expect_frontend("nbd")
    if pair.out("cat /sys/block/nbd1/backend").split(":")[0] != "drbdd":
        raise Failed("a device of its own was not made beside the stranger's")
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
    pair.run("kill $(pidof drbdd)")
    pair.until("! pidof drbdd", 20, "drbdd does not end")
    pair.start_daemon("nbd")
    pair.adm("adjust", "r0")
    refused = pair.run("drbdadm primary r0", check=False)
    if refused[0] == 0 or ("nbd driver is not there" not in refused[1] and "may still happen" not in refused[1]):
        raise Failed(f"promoted without a device: {refused}")
    pair.until("grep 'drbd0: the kernel.s nbd driver is not there' /tmp/drbdd.log", 10, "no reason was given")
    pair.until("drbdadm role r0 | grep -q ^Secondary", 10, "the role did not go back")
    pair.adm("down", "r0")
    pair.run("kill $(pidof drbdd)")
    pair.until("! pidof drbdd", 20, "drbdd does not end")
    pair.start_daemon("auto")
    pair.adm("adjust", "r0")
    pair.adm("primary", "r0")
    pair.expect_frontend("fuse", "nbd: the kernel's nbd driver is not there")
    shown = pair.out("drbdadm status --verbose r0")
    if "frontend:fuse" not in shown or 'frontend-note:"nbd: ' not in shown:
        raise Failed(shown)
    pair.adm("secondary", "r0")


main(carried, others_and_none)
