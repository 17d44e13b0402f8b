"""Clients of an NBD export that know what they were promised."""

import os
import random
import struct
import threading
import time

from sandbox import Failed, Skip

try:
    import nbd
except ImportError:  # listing the scenarios must work without it
    nbd = None

BLOCK = 4096
_RECORD = struct.Struct("<8sQQ8x")  # mark, slot, number: fills a block by repetition
_MARK = b"numbered"


def connect(uri):
    if nbd is None:
        raise Skip("not installed: python3-libnbd (scripts/install-deps installs everything)")
    handle = nbd.NBD()
    handle.connect_uri(uri)
    return handle


def write_random(uri, offsets, size, depth=16):
    """Random bytes to each offset, `depth` requests at once, and a flush at the end."""
    handle = connect(uri)
    for offset in offsets:
        while handle.aio_in_flight() >= depth:
            handle.poll(-1)
        handle.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(os.urandom(size))), offset, completion=_raise_error)
    while handle.aio_in_flight():
        handle.poll(-1)
    handle.flush()
    handle.shutdown()


def _raise_error(error):
    if error.value:
        raise Failed(f"NBD write: {os.strerror(error.value)}")
    return 1


class NumberedWriter(threading.Thread):
    """Writes numbered blocks to random slots until stopped or until the export ends, and remembers each acknowledgement.

    A slot has one write on its way at a time, so that what it may hold later is known: the last acknowledged number,
    or the one that was sent after it.
    """

    def __init__(self, uri, slots, depth=16, seed=1):
        super().__init__(daemon=True)
        self.uri, self.slots, self.depth = uri, slots, depth
        self.random = random.Random(seed)
        self.number = 0
        self.acked = {}
        self.sent = {}
        self.busy = set()
        self.error = None
        self.last_ack = time.monotonic()
        self.longest_gap = 0.0
        self._stopping = threading.Event()

    def run(self):
        try:
            handle = connect(self.uri)
            self.last_ack = time.monotonic()
            while not self._stopping.is_set() and not self.error:
                while handle.aio_in_flight() < self.depth:
                    self._write(handle)
                handle.poll(100)
            while handle.aio_in_flight() and not self.error:
                handle.poll(100)
        except nbd.Error as error:
            self.error = self.error or str(error)

    def stop(self, seconds=30):
        """Waits for what is on its way; the writer must have met no error."""
        self._stopping.set()
        self.join(seconds)
        if self.is_alive():
            raise Failed(f"writes hang: {len(self.busy)} have had no answer for {seconds} s")
        if self.error:
            raise Failed(f"the writer met an error: {self.error}")

    def _write(self, handle):
        slot = self.random.randrange(self.slots)
        if slot in self.busy:
            return
        self.number += 1
        number = self.number
        self.busy.add(slot)
        self.sent[slot] = number
        block = bytearray(_RECORD.pack(_MARK, slot, number) * (BLOCK // _RECORD.size))

        def done(error):
            if error.value:
                self.error = f"write {number}: {os.strerror(error.value)}"
                return 1
            self.busy.discard(slot)
            self.acked[slot] = number
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - self.last_ack)
            self.last_ack = now
            return 1

        handle.aio_pwrite(nbd.Buffer.from_bytearray(block), slot * BLOCK, completion=done)

    def check(self, uri):
        """Every slot holds its last acknowledged number, or the unacknowledged one after it, whole."""
        handle = connect(uri)
        lost = []
        for slot, sent in sorted(self.sent.items()):
            block = handle.pread(BLOCK, slot * BLOCK)
            mark, at, number = _RECORD.unpack_from(block)
            acked = self.acked.get(slot, 0)
            if mark == _MARK and (at != slot or block != block[:_RECORD.size] * (BLOCK // _RECORD.size)):
                lost.append(f"slot {slot}: torn or misplaced")
            elif acked and (mark != _MARK or number not in (acked, sent)):
                lost.append(f"slot {slot}: {number if mark == _MARK else 'nothing'} instead of {acked}")
        handle.shutdown()
        if lost:
            raise Failed(f"{len(lost)} of {len(self.acked)} acknowledged blocks are lost: {'; '.join(lost[:5])}")
