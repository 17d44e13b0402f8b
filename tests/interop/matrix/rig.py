"""A kernel guest and our node that serve many cells, with another drbd.conf when a cell wants it."""

import mmap
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../kernel"))

import pair as kernel_pair  # noqa: E402
from pair import ADDRESSES, Pair  # noqa: E402
from cluster import Bridge, compare, configuration, data_bytes, until  # noqa: E402
from guest import HARMLESS, TROUBLE  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed  # noqa: E402

BLOCK = 4096
NET = "connect-int 1; ping-int 2; timeout 30;"
# What goes with the data, who the peer is, and what verifies and checksum resyncs hash with.
DIGESTS = {"on": 'data-integrity-alg crc32c; cram-hmac-alg sha256; shared-secret "two of a kind"; verify-alg sha1;',
           "off": "verify-alg crc32c;"}
CSUMS = {"on": "csums-alg sha1;", "off": "csums-alg crc32c;"}


class Us:
    """Our node, as a cell sees it."""

    def __init__(self, pair):
        self.pair, self.node = pair, pair.ours
        self.image = pair.our_image
        self.load = None

    def drbdadm(self, *argv, **options):
        return self.node.drbdadm(*argv, **options)

    def write(self, first_block, blocks, size=BLOCK):
        self.pair.we_write(first_block, blocks, size)

    def zero(self, first_mib, mib):
        """Blocks of zeroes, as data."""
        import nbd_client
        handle = nbd_client.connect(self.node.nbd())
        for i in range(mib):
            handle.pwrite(bytes(1 << 20), (first_mib + i) << 20)
        handle.flush()
        handle.shutdown()

    def alone(self):
        """Until the peer's disconnect is known here."""
        self.node.wait(connection="Connecting", seconds=30)

    def connection(self):
        return self.node.state()[1]

    def size_kib(self):
        return self.node.status()["devices"][0]["size"]

    def out_of_sync_kib(self):
        return self.node.status()["connections"][0]["peer_devices"][0]["out-of-sync"]

    def log(self):
        with open(self.node.daemon_log, errors="replace") as file:
            return file.read()

    def start_load(self):
        self.load = NumberedWriter(self.node.nbd(), 1024, depth=4)
        self.load.start()
        until(lambda: len(self.load.acked) > 50, 60, "our writes do not begin")

    def stop_load(self):
        self.load.stop(60)
        self.load.check(self.node.nbd())


class Kernel:
    """The guest, as a cell sees it."""

    def __init__(self, pair):
        self.pair, self.guest = pair, pair.kernel
        self.image = pair.kernel_image

    def drbdadm(self, *argv, **options):
        return self.guest.drbdadm(*argv, **options)

    def write(self, first_block, blocks, size=BLOCK):
        self.pair.kernel_writes(first_block, blocks, size)

    def zero(self, first_mib, mib):
        self.guest.run(f"dd if=/dev/zero of=/dev/drbd0 bs=1M count={mib} seek={first_mib} oflag=direct")

    def alone(self):
        self.guest.wait(cs="WFConnection", seconds=30)

    def connection(self):
        return self.guest.proc_drbd()[0]

    def size_kib(self):
        return int(self.guest.run("cat /sys/block/drbd0/size")[1]) // 2

    def out_of_sync_kib(self):
        return int(re.search(r"oos:(\d+)", self.guest.run("cat /proc/drbd")[1]).group(1))

    def log(self):
        return self.guest.dmesg()

    def start_load(self):
        self.guest.run("touch /tmp/load; (i=0; while [ -e /tmp/load ]; do i=$(((i + 7) % 16)); "
                       "dd if=/dev/urandom of=/dev/drbd0 bs=4k count=64 seek=$((i * 64)) oflag=direct || touch /tmp/bad; done) "
                       "> /dev/null 2>&1 < /dev/null &")

    def stop_load(self):
        self.guest.run("rm /tmp/load")
        until(lambda: self.guest.run("pidof dd", check=False)[0] != 0, 60, "the kernel's writes hang")
        if self.guest.run("[ -e /tmp/bad ]", check=False)[0] == 0:
            raise Failed("the kernel's application met an error")


class Rig:
    """Both nodes, in sync under one configuration; another one begins from nothing."""

    def __init__(self, work, mib=32):
        self.work, self.number, self.mib = work, 0, mib
        self.pair = self.have = None

    def boot(self):
        self.number += 1
        folder = os.path.join(self.work, str(self.number))
        os.makedirs(folder)
        kernel_pair.MIB = self.mib
        self.pair = Pair(folder, "protocol C; " + NET)
        self.us, self.kernel = Us(self.pair), Kernel(self.pair)

    def power_off(self):
        """After a failure nothing of it may be in the way of the next cell."""
        self.pair.kernel.kill()
        self.pair.ours.kill()
        # Our node's end of the cable lives on while a connection in its dead network says goodbye.
        for device in ("v-bravo", "v-alpha", "br0"):
            subprocess.run(["ip", "link", "del", device], check=False, stderr=subprocess.DEVNULL)
        self.pair = self.have = None

    def configure(self, protocol, digests, csums=False):
        net = f"protocol {protocol}; {NET} {DIGESTS[digests]} {CSUMS[digests] if csums else ''}"
        disks = {"alpha": ["/dev/vda"], "bravo": [self.pair.our_image]}
        text = configuration(ADDRESSES, disks, net, kernel_pair.DISK)
        with open(self.pair.ours.config, "w") as file:
            file.write(text)
        self.pair.kernel.configure(text)

    def adjust(self, protocol, digests, csums):
        """The same resource with or without checksums of its resyncs, as an administrator changes it."""
        self.configure(protocol, digests, csums)
        for side in (self.kernel, self.us):
            side.drbdadm("adjust", "r0")

    def prepare(self, protocol, digests):
        """In sync under this configuration. It is made once for all cells that want it."""
        if self.have == (protocol, digests):
            return
        if self.have:
            for side in (self.us, self.kernel):
                side.drbdadm("secondary", "r0")
                side.drbdadm("down", "r0")
        self.have = None
        self.configure(protocol, digests)
        for side in (self.us, self.kernel):
            side.drbdadm("create-md", "--force", "r0")
        self.pair.up()
        self.pair.kernel.wait(cs="Connected")
        self.kernel.drbdadm("primary", "--force", "r0")
        self.pair.settled("Primary/Secondary")
        self.have = protocol, digests

    def make_primary(self, primary):
        """`us` or `kernel`; the other one is Secondary. Gives both, in this order."""
        ours = self.us.node.state()[0] == "Primary"
        if primary == "us" and not ours:
            self.pair.promote_ours()
        elif primary == "kernel" and (ours or self.pair.kernel.proc_drbd()[1] != "Primary/Secondary"):
            self.pair.promote_kernel()
        return (self.us, self.kernel) if primary == "us" else (self.kernel, self.us)

    def settled(self, primary):
        self.pair.settled("Secondary/Primary" if primary == "us" else "Primary/Secondary")

    def cable(self, connected):
        Bridge.cable("bravo", connected)

    def grow(self, bytes_more):
        """Both disks, as a volume manager does it."""
        for image in (self.pair.our_image, self.pair.kernel_image):
            os.truncate(image, os.path.getsize(image) + bytes_more)
        self.pair.kernel.disk_has_grown()

    def equal(self, protocol):
        """What a Primary has written under protocol A or B may still be on its way to the other disk."""
        length = min(data_bytes(self.pair.kernel_image), data_bytes(self.pair.our_image))
        if length == 0:
            raise Failed("no size was agreed on")
        end = time.monotonic() + (0 if protocol == "C" else 10)
        while True:
            try:
                compare(self.pair.kernel_image, self.pair.our_image, length)
                return
            except Failed:
                if time.monotonic() > end:
                    raise
            time.sleep(0.2)

    def no_complaint(self, allowed=None):
        """The kernel met nothing in our packets that it complains of, but for what the cell brings about."""
        bad = [line for line in self.pair.kernel.drbd_log() if TROUBLE.search(line) and not HARMLESS.search(line) and
               not (allowed and re.search(allowed, line, re.IGNORECASE))]
        if bad:
            raise Failed("the guest's kernel log complains:\n" + "\n".join(bad))

    def forget_log(self):
        self.pair.kernel.run("dmesg -c > /dev/null")


def spoil(image, blocks):
    """These blocks of a disk become others while nobody looks. Past the page cache, as the programs that have it open read it."""
    fd = os.open(image, os.O_RDWR | os.O_DIRECT)
    page = mmap.mmap(-1, BLOCK)
    page.write(os.urandom(BLOCK))
    for block in blocks:
        os.pwrite(fd, page, block * BLOCK)
    os.close(fd)
