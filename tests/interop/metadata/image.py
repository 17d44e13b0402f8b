"""Metadata images made from scratch: an independent model of the v08 format, internal and external, so
that the two programs under test are never their own reference."""
import os
import struct

FREE = 0xFFFFFFFF
BLOCK = 4096
AL_MAGIC = 0x69CB65A2
MAGIC_CLEAN = 0x8374026B
MAGIC_UNCLEAN = 0x8374026C
MAGIC_V09 = 0x8374026D
LEGACY_AL_MAGIC = 0x83740267
PRIMARY_IND = 0x002
AL_CLEAN = 0x080


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc_table()


def crc32c_raw(data):
    crc = 0
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc


class Layout:
    """Byte offsets on a device of this size; internal metadata."""

    index = 'internal'

    def __init__(self, device_bytes, stripes=1, stripe_size=8):
        self.device_bytes = device_bytes
        self.blocks = stripes * stripe_size
        self.stripes, self.stripe_size = stripes, stripe_size
        self.superblock = (device_bytes - BLOCK) // BLOCK * BLOCK
        self.bitmap_bytes = BLOCK * -(-(device_bytes // 512) // 262144)
        self.al = self.superblock - self.blocks * BLOCK
        self.bitmap = self.al - self.bitmap_bytes
        self.usable_sectors = self.bitmap // 512
        self.md_size = (self.superblock - self.bitmap) // 512 + 8
        # What is looked at, slack included.
        self.begin, self.end = self.bitmap, device_bytes

    def within(self, area, at, length=None):
        """The part of an area (from begin to end) that lies at this byte of the device."""
        return area[at - self.begin:][:length]

    def position(self, number):
        k = number % self.blocks
        return k % self.stripes * self.stripe_size + k // self.stripes


SLOT = 128 << 20


class External(Layout):
    """On a device of its own: all of it, or (slot not None) one slot of it. Of a large bitmap only the
    first bytes are looked at."""

    def __init__(self, device_bytes, stripes=1, stripe_size=8, slot=None):
        self.device_bytes = device_bytes
        self.blocks = stripes * stripe_size
        self.stripes, self.stripe_size = stripes, stripe_size
        self.index = 'flex-external' if slot is None else str(slot)
        self.begin = self.superblock = (slot or 0) * SLOT
        self.al = self.superblock + BLOCK
        self.bitmap = self.al + self.blocks * BLOCK
        self.md_size = device_bytes // 512 if slot is None else SLOT // 512
        room = self.md_size * 512 - (self.bitmap - self.begin)
        self.bitmap_bytes = min(room // BLOCK * BLOCK, 16 * BLOCK)
        self.usable_sectors = self.bitmap_bytes * 64
        self.end = self.bitmap + self.bitmap_bytes


def superblock(layout, **fields):
    f = dict(la_size=0, uuids=(4, 0, 0, 0), device_uuid=0, flags=AL_CLEAN, magic=MAGIC_CLEAN,
             al_extents=257, bytes_per_bit=4096, bio_size=0)
    f.update(fields)
    return struct.pack('>Q4QQQIIIiIiIIII', f['la_size'], *f['uuids'], f['device_uuid'], 0, f['flags'],
                       f['magic'], layout.md_size,
                       (layout.al - layout.superblock) // 512, f['al_extents'],
                       (layout.bitmap - layout.superblock) // 512, f['bytes_per_bit'],
                       f['bio_size'], layout.stripes, layout.stripe_size).ljust(BLOCK, b'\0')


def superblock_v09(layout, **fields):
    """Of DRBD 9 for one peer; `peers` are slot -> (bitmap identifier, dagtag, flags, bitmap index)."""
    f = dict(la_size=0, current=4, device_uuid=0, flags=AL_CLEAN, al_extents=257, bio_size=0, node_id=-1, peers={}, history=())
    f.update(fields)
    block = bytearray(BLOCK)
    struct.pack_into('>QQ32xQIIIiIiIIIiII', block, 0, f['la_size'], f['current'], f['device_uuid'], f['flags'], MAGIC_V09,
                     layout.md_size, (layout.al - layout.superblock) // 512, f['al_extents'],
                     (layout.bitmap - layout.superblock) // 512, 4096, f['bio_size'], 1, f['node_id'],
                     layout.stripes, layout.stripe_size)
    for slot in range(32):
        struct.pack_into('>QQIi', block, 0x70 + 32 * slot, *f['peers'].get(slot, (0, 0, 0, -1)))
    struct.pack_into(f'>{len(f["history"])}Q', block, 0x470, *f['history'])
    return bytes(block)


def al_block(number, updates, slots, start, context, kind=0):
    """One transaction; `updates` are (slot, extent), `context` the extents from slot `start` on."""
    block = bytearray(b'\xff' * BLOCK)
    struct.pack_into('>IIIHHHH16x', block, 0, AL_MAGIC, number, 0, kind, len(updates), slots, start)
    for i, (slot, extent) in enumerate(updates):
        struct.pack_into('>H', block, 36 + 2 * i, slot)
        struct.pack_into('>I', block, 164 + 4 * i, extent)
    for i, extent in enumerate(context[:919]):
        struct.pack_into('>I', block, 420 + 4 * i, extent)
    struct.pack_into('>I', block, 8, crc32c_raw(block))
    return bytes(block)


def initialized_block():
    block = bytearray(BLOCK)
    struct.pack_into('>IIIH', block, 0, AL_MAGIC, 0, 0x709CC651, 0xFFFF)
    return bytes(block)


def legacy_sector(number, entries):
    """One sector of the log of DRBD 8.3: 62 pairs of slot and extent."""
    check = 0
    for _, extent in entries:
        check ^= extent
    flat = [value for entry in entries for value in entry]
    return struct.pack('>II124III', LEGACY_AL_MAGIC, number, *flat, check, 0)


class Image:
    """A sparse file with a metadata area."""

    def __init__(self, path, layout, area=None):
        self.path, self.layout = path, layout
        with open(path, 'wb') as file:
            file.truncate(layout.device_bytes)
            if area is not None:
                file.seek(layout.begin)
                file.write(area)

    def area(self):
        """All of the metadata, slack included."""
        with open(self.path, 'rb') as file:
            file.seek(self.layout.begin)
            return file.read(self.layout.end - self.layout.begin)

    def data_written(self):
        """Whether anything before the metadata is not a hole any more, or not zero."""
        if self.layout.begin == 0:
            return False
        with open(self.path, 'rb') as file:
            try:
                at = os.lseek(file.fileno(), 0, os.SEEK_DATA)
            except OSError:
                return False
            while at < self.layout.begin:
                file.seek(at)
                if any(file.read(min(1 << 20, self.layout.begin - at))):
                    return True
                try:
                    at = os.lseek(file.fileno(), at + (1 << 20), os.SEEK_DATA)
                except OSError:
                    break
            return False
