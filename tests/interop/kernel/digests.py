#!/usr/bin/python3
"""Digests that go with the data, and checksum resyncs, with the unmodified in-kernel DRBD 8.4. digests.py SCENARIO"""

from pair import NET, main
from cluster import until  # noqa: E402
import nbd_client  # noqa: E402
from sandbox import Failed

MIB = 1 << 20


def both_ways(pair):
    """data-integrity-alg and csums-alg, each node as Primary and as source: writes, flushes, zeroes, discards, a resync of what is mostly equal"""
    pair.up()
    pair.kernel.wait(cs="Connected")
    pair.kernel.drbdadm("primary", "--force", "r0")
    pair.settled("Primary/Secondary")
    pair.kernel_writes(0, 500)
    pair.kernel.run("dd if=/dev/zero of=/dev/drbd0 bs=1M count=4 seek=8 conv=fsync")
    pair.kernel.run("blkdiscard --offset 8M --length 2M /dev/drbd0", check=False)
    pair.kernel.run("blkdiscard -z --offset 16M --length 2M /dev/drbd0", check=False)
    pair.promote_ours()
    pair.we_write(100, 300)
    handle = nbd_client.connect(pair.ours.nbd())
    handle.flush()
    handle.zero(3 * MIB, 20 * MIB)
    handle.flush()
    handle.trim(2 * MIB, 30 * MIB)
    handle.flush()
    # Equal blocks are not copied: to the kernel
    pair.kernel.drbdadm("disconnect", "r0")
    handle.zero(3 * MIB, 20 * MIB)
    handle.pwrite(b"q" * 4096, 40 * MIB)
    handle.flush()
    handle.shutdown()
    pair.kernel.drbdadm("connect", "r0")
    pair.settled("Secondary/Primary")
    if "had equal checksums" not in pair.kernel.dmesg():
        raise Failed("the kernel has compared nothing")
    # ... and from it
    pair.promote_kernel()
    pair.ours.drbdadm("disconnect", "r0")
    pair.kernel.run("dd if=/dev/zero of=/dev/drbd0 bs=1M count=2 seek=20 oflag=direct")
    pair.kernel_writes(9000, 3)
    pair.ours.drbdadm("connect", "r0")
    pair.settled("Primary/Secondary")

    def compared():
        with open(pair.ours.daemon_log) as log:
            return "had equal checksums" in log.read()

    until(compared, 10, "we have compared nothing")
    pair.expect_equal()


main(both_ways, net=NET + " data-integrity-alg crc32c; csums-alg crc32c;")
