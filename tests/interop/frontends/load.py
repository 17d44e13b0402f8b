"""A load on a mounted device in our guest, with new data each time and a check of what was written, while things are killed."""

import re
import time

from sandbox import Failed

MEASURE = """
last=; since=$(cut -d' ' -f1 /proc/uptime)
while [ -e /tmp/measuring ]; do
    now=$(awk '{print $5}' /sys/block/DEVICE/stat)
    [ "$now" = "$last" ] || { at=$(cut -d' ' -f1 /proc/uptime); echo "$since $at" >> /tmp/pauses; since=$at; last=$now; }
    usleep 50000
done
"""
LOAD = """
while [ -e /tmp/measuring ]; do
    dd if=/dev/urandom of=/tmp/data bs=64k count=16 2> /dev/null
    dd if=/tmp/data of=/mnt/data bs=4k oflag=direct conv=notrunc && sync && echo 3 > /proc/sys/vm/drop_caches &&
        cmp /tmp/data /mnt/data && echo round >> /tmp/rounds || { echo FAILED >> /tmp/rounds; break; }
done
echo end >> /tmp/rounds
"""


def write_under_kills(pair, device, kills, longest):
    """Calls each of `kills` in the middle of the load, which sees no error, and pauses of the device no longer than `longest` s."""
    pair.run("touch /tmp/measuring; rm -f /tmp/pauses /tmp/rounds")
    for name, text in (("measure", MEASURE.replace("DEVICE", device)), ("load", LOAD)):
        pair.run(f"cat > /tmp/{name} <<'END'{text}END\nsh /tmp/{name} > /tmp/{name}.log 2>&1 &")
    for kill in kills:
        next_round(pair)
        time.sleep(0.5)
        started = time.monotonic()
        kill()
        print(f"killed and back after {time.monotonic() - started:.1f} s")
    next_round(pair)
    pair.until("rm -f /tmp/measuring; grep end /tmp/rounds", 150, "the load does not end")
    if "FAILED" in pair.out("cat /tmp/rounds"):
        raise Failed("the device's user saw an error:\n" + pair.out("cat /tmp/load.log"))
    pauses = sorted(float(b) - float(a) for a, b in re.findall(r"(\S+) (\S+)", pair.out("cat /tmp/pauses")))
    print(f"longest pauses of the device in s: {pauses[-5:]}")
    if pauses[-1] > longest:
        raise Failed(f"the device stood still for {pauses[-1]} s")
    pair.until("drbdadm dstate r0 | grep -q UpToDate/UpToDate", 150, "not in sync")


def next_round(pair):
    rounds = len(pair.out("cat /tmp/rounds 2>/dev/null", check=False).split())
    pair.until(f"[ $(cat /tmp/rounds 2>/dev/null | wc -l) -gt {rounds} ]", 150, "the load does not go on")
