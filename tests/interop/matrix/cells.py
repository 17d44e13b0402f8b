"""What the two nodes do in a cell. Each begins and ends in sync, with the wanted node as Primary, and leaves what it has written to be
compared. cell: the rig, who is Primary, and with what configuration."""

import re
import time

from rig import spoil
from cluster import until  # noqa: E402
from sandbox import Failed

SPOILED = (700, 701, 5000)  # blocks of 4 KiB
MIB = 1 << 20


class Cell:
    def __init__(self, rig, primary, protocol, digests):
        self.rig, self.primary_name, self.protocol, self.digests = rig, primary, protocol, digests
        self.primary, self.secondary = rig.make_primary(primary)
        self.kernel_is = "SyncSource" if primary == "kernel" else "SyncTarget"

    def settled(self):
        self.rig.settled(self.primary_name)

    def part(self):
        """The Secondary leaves."""
        self.secondary.drbdadm("disconnect", "r0")
        self.primary.alone()

    def meet(self):
        self.secondary.drbdadm("connect", "r0")
        self.settled()

    def expect_resynced(self, least_kib, most_kib):
        """The kernel's log tells how much the last resync was about to copy, and who to whom."""
        began = re.findall(r"Began resync as (\w+) \(will sync (\d+) KB", self.rig.kernel.log())
        if not began or began[-1][0] != self.kernel_is or not least_kib <= int(began[-1][1]) <= most_kib:
            raise Failed(f"wanted a resync of {least_kib} to {most_kib} KiB with the kernel as {self.kernel_is}, saw {began[-1:]}")


def full(cell):
    """the Secondary's copy is declared worthless, and made anew under writes"""
    cell.primary.write(0, 200)
    cell.secondary.drbdadm("invalidate", "r0")
    cell.primary.write(3000, 200)
    until(lambda: "Began resync" in cell.rig.kernel.log(), 20, "no resync")
    cell.settled()
    size = cell.primary.size_kib()
    cell.expect_resynced(size, size)


def bitmap(cell):
    """the Secondary was away: what was written meanwhile is copied"""
    cell.part()
    cell.primary.write(1000, 400)
    cell.meet()
    cell.expect_resynced(1600, 2 * 1600 + 4096)


def checksum(cell):
    """the same, most of it written with what was there: only the rest is copied"""
    cell.primary.zero(20, 2)
    cell.rig.adjust(cell.protocol, cell.digests, csums=True)
    try:
        cell.settled()
        before = cell.secondary.log().count("had equal checksums")
        cell.part()
        cell.primary.zero(20, 2)
        cell.primary.write(5200, 3)
        cell.meet()
        until(lambda: cell.secondary.log().count("had equal checksums") > before, 10, "nothing was compared")
    finally:
        cell.rig.adjust(cell.protocol, cell.digests, csums=False)
    cell.settled()


def verify(cell):
    """blocks of the Secondary's disk rot: a verify under writes finds them, the next connect heals them, the next verify finds nothing"""
    cell.primary.write(600, 200)
    cell.rig.equal(cell.protocol)
    spoil(cell.secondary.image, SPOILED)
    for wrong, begins in ((4 * len(SPOILED), cell.primary), (0, cell.secondary)):
        before = cell.rig.kernel.log().count("Online verify done")
        begins.drbdadm("verify", "r0")
        cell.primary.write(2000, 100)
        until(lambda: cell.rig.kernel.log().count("Online verify done") > before, 60, "the verify does not end")
        until(lambda: cell.rig.us.node.state()[2] == "Established", 20, "the verify does not end for us")
        found = [side.out_of_sync_kib() for side in (cell.rig.us, cell.rig.kernel)]
        if found != [wrong, wrong]:
            raise Failed(f"out of sync for us and for the kernel: {found} KiB, wanted {wrong}")
        if wrong:
            cell.part()
            cell.meet()


def resize(cell):
    """both disks have grown: the device does, online, and what is new is replicated"""
    before = cell.primary.size_kib()
    cell.rig.grow(4 * MIB)
    cell.primary.drbdadm("resize", "r0")
    for side in (cell.primary, cell.secondary):
        until(lambda: before + 4000 <= side.size_kib() <= before + 4096, 30, lambda: f"{before} KiB have become {side.size_kib()}")
    cell.settled()
    cell.primary.write(before // 4 - 100, 900)
    cell.part()
    cell.primary.write(before // 4 + 500, 100)
    cell.meet()


def swap(cell):
    """the roles change there and back, with writes in between"""
    for _ in range(2):
        cell.primary.write(0, 100)
        cell.primary.drbdadm("secondary", "r0")
        cell.secondary.drbdadm("primary", "r0")
        cell.secondary.write(50, 100)
        cell.secondary.drbdadm("secondary", "r0")
        cell.primary.drbdadm("primary", "r0")
    cell.settled()


def split(cell):
    """both are used while they are apart: they refuse each other, until one of them gives its changes up"""
    cell.part()
    cell.primary.write(1000, 100)
    cell.secondary.drbdadm("primary", "r0")
    cell.secondary.write(1050, 100)
    cell.secondary.drbdadm("secondary", "r0")
    cell.secondary.drbdadm("connect", "r0")
    sides = (cell.primary, cell.secondary)
    until(lambda: any(side.connection() == "StandAlone" for side in sides), 30, "nobody has noticed it")
    # Who sees it first ends the connection, perhaps before the other one has looked: that one waits for its peer then.
    for side in sides:
        if side.connection() != "StandAlone":
            side.drbdadm("disconnect", "r0")
    if not any("Split-Brain detected but unresolved" in side.log() for side in sides):
        raise Failed("nobody tells of a split brain")
    cell.secondary.drbdadm("connect", "--discard-my-data", "r0")
    cell.primary.drbdadm("connect", "r0")
    cell.settled()
    cell.expect_resynced(400, 4096)


def storm(cell):
    """each node leaves and comes back again and again, in order and without, under writes; then the cable goes for a while"""
    cell.primary.start_load()
    for i in range(8):
        leaver = (cell.secondary, cell.primary)[i % 2]
        leaver.drbdadm("disconnect", *(["--force"] if i % 4 >= 2 else []), "r0")
        time.sleep((0, 0.3, 1)[i % 3])
        leaver.drbdadm("connect", "r0")
        if i % 3 == 2:
            cell.settled()
    cell.settled()
    cell.rig.cable(False)
    cell.primary.alone()
    cell.secondary.alone()
    cell.rig.cable(True)
    cell.settled()
    cell.primary.stop_load()


CASES = {"full": full, "bitmap": bitmap, "checksum": checksum, "verify": verify, "resize": resize, "swap": swap, "split": split,
         "storm": storm}
# What the kernel may say in these cells: it is what they bring about.
LOST = (r"NetworkFailure|BrokenPipe|Timeout|short read|error receiving|PingAck did not arrive|sock_(send|recv)msg|"
        # Its own administrator disconnects while a resync is about to begin.
        r"State change failed: (Need a connection to start verify or resync|In transient state)")
ALLOWED = {"split": r"Split-Brain|NetworkFailure|error receiving|short read",
           "verify": r"Online verify found|Out of sync: start=", "storm": LOST}
