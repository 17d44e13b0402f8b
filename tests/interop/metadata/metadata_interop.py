#!/usr/bin/env python3
"""drbdmeta against the drbdmeta of drbd-utils: the same images to both, the same bytes and words back.

Usage: metadata_interop.py OUR_DRBDMETA [--seed N] [--cases N] [--only CASE]

Kinds of cases: create (both create, areas are compared, each reads the other's), read (a random
superblock and bitmap is printed by both), modify (outdate, invalidate, set-gi, write-dev-uuid,
wipe-md), apply_al (random logs: wrapped, torn, striped, damaged, of older drivers), restore (each
restores the other's dump), damaged (both refuse the same); of DRBD 9 for one peer nine_read (random metadata
are printed by both), nine_restore (each restores the other's dump), nine_convert (v08 -> v09 and v09 -> v08 by
both, and what one has made is read by the other).

Known faults of drbd-utils 9.22 that are left out of the comparison:
- dump-md of v08 always prints flags 0x00000000; the line is compared against the image instead;
- create-md on metadata of another version forgets the largest request of the peer, which is asked for at each
  connect: it is 0 in what is converted. It keeps flags of quorum that v08 does not know: never set. From v09 it reads the bitmap's identifier and the peer's flags in the
  first slot, whoever the peer is: there the peer has the first slot;
- restore-md leaves the activity log as it was: after it, only bitmap and superblock are compared;
- the move of metadata on a grown device copies a wrong bitmap: never provoked, no device grows;
- of external metadata md_size_sect is not looked at, and is wrong if the device has shrunk: never provoked;
- with an index, a striped activity log is written that the kernel refuses: never asked for;
- bm_bytes_per_bit other than 4096 is accepted, which the kernel refuses as we do: never provoked;
- a log that looks like that of an older driver, with more slots than such a log holds (3843), makes it
  overrun its buffer and abort: apply-al gets no such number;
- a log whose size is no power of two is replayed in ring order, which is wrong where the transaction
  number wraps: such a log gets no number near the wrap.
Exit code 77 and a reason: cannot run here."""
import argparse
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import image
from image import BLOCK, FREE, SLOT, External, Image, Layout

MIB = 1 << 20
NOTES = '/var/lib/drbd'
NOISE = re.compile(r'ioctl\(.*\n|initializing bitmap .* using pwrite\n')
HEADER = re.compile(r'(?m)^# (\d{4}-.*|.*> drbdmeta .*)$')
FLAGS = re.compile(r'    flags 0x([0-9A-F]{8});')


def skip(reason):
    print('skipped:', reason)
    sys.exit(77)


class Failure(Exception):
    pass


def expect_equal(what, ours, theirs):
    if ours == theirs:
        return
    if isinstance(ours, bytes) and isinstance(theirs, bytes) and len(ours) == len(theirs):
        at = next(i for i in range(len(ours)) if ours[i] != theirs[i])
        begin = at // 16 * 16
        raise Failure(f'{what}: first difference at byte {at} of {len(ours)}\n'
                      f'  ours   {ours[begin:begin + 32].hex()}\n'
                      f'  theirs {theirs[begin:begin + 32].hex()}')
    raise Failure(f'{what}:\n--- ours\n{ours}\n--- theirs\n{theirs}')


class Case:
    def __init__(self, rng, folder, ours, theirs):
        self.rng, self.folder = rng, folder
        self.programs = {'ours': ours, 'theirs': theirs}

    # --- running -----------------------------------------------------------------------------------

    def run(self, who, img, *command, force=True, version='v08'):
        argv = [self.programs[who]] + (['--force'] if force else [])
        done = subprocess.run(argv + ['-', version, img.path, img.layout.index, *map(str, command)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        # The original answers some damage with an assertion (SIGABRT): a refusal. Ours never may.
        if done.returncode < 0 and (who == 'ours' or done.returncode != -6):
            raise Failure(f'{who}: {command} was killed by signal {-done.returncode}')
        return done.returncode, done.stdout, NOISE.sub('', done.stderr)

    def run_ok(self, who, img, *command, version='v08'):
        code, out, err = self.run(who, img, *command, version=version)
        if code != 0:
            raise Failure(f'{who}: {command} failed with exit code {code}: {err}')
        return out

    def pair(self, layout, area=None):
        return tuple(Image(os.path.join(self.folder, name), layout, area) for name in ('a', 'b'))

    # --- random contents ---------------------------------------------------------------------------

    def layout(self, striped=0.3, limit=6 * 1024 * MIB):
        rng = self.rng
        stripes, size = 1, 8
        if rng.random() < striped:
            stripes, size = rng.choice([(1, 8), (2, 8), (4, 16), (3, 5), (1, 73), (8, 1), (5, 64)])
        least = 69632 + (stripes * size - 8) * BLOCK
        if rng.random() < 0.4:
            return self.external(least, stripes, size)
        step = 128 * MIB * rng.randrange(1, limit // (128 * MIB) + 1)
        device_bytes = rng.choice([
            least + rng.randrange(64) * 512,
            rng.randrange(least, 200 * MIB),
            rng.randrange(least, limit),
            step + rng.randrange(-20, 20) * 4096,
            step + rng.randrange(-200, 200) * 512,
        ])
        device_bytes = max(device_bytes, least)
        if rng.random() < 0.8:
            device_bytes -= device_bytes % 512
        return Layout(max(device_bytes, least), stripes, size)

    def external(self, least, stripes, size):
        rng = self.rng
        if (stripes, size) == (1, 8) and rng.random() < 0.7:
            slot = rng.choice([0, 0, 1, 2, 5])
            return External(SLOT * (slot + 1) + rng.choice([0, 512, 3 * SLOT]), slot=slot)
        device_bytes = rng.choice([least, least + rng.randrange(64) * 512, 1 << 20,
                                   rng.randrange(least, 4 * MIB) // 512 * 512])
        return External(max(least, device_bytes), stripes, size)

    def bitmap(self, layout):
        """Bytes of the whole bitmap area: long runs, noise, repeated words and single bits."""
        rng = self.rng
        out = bytearray()
        while len(out) < layout.bitmap_bytes:
            kind = rng.randrange(6)
            if kind == 0:
                out += rng.choice([b'\0', b'\xff']) * (8 * rng.choice([1, 3, 4, 8, 9, 64, 500]))
            elif kind == 1:
                out += rng.randbytes(8 * rng.randrange(1, 40))
            elif kind == 2:
                out += rng.randbytes(4) * (2 * rng.randrange(1, 80))
            elif kind == 3:
                out += rng.randbytes(8) * rng.randrange(1, 40)
            elif kind == 4:
                out += struct.pack('<Q', 1 << rng.randrange(64)) + bytes(8 * rng.randrange(30))
            else:
                out += bytes(rng.randrange(layout.bitmap_bytes + 1) // 8 * 8)
        return bytes(out[:layout.bitmap_bytes])

    def fields(self, layout):
        rng = self.rng
        uuid = lambda: rng.choice([0, 4, rng.getrandbits(64), rng.getrandbits(64)])
        return dict(la_size=rng.choice([0, layout.usable_sectors, rng.randrange(layout.usable_sectors + 1)]),
                    uuids=(uuid(), uuid(), uuid(), uuid()), device_uuid=uuid(),
                    flags=rng.getrandbits(9), magic=rng.choice([image.MAGIC_CLEAN, image.MAGIC_UNCLEAN]),
                    al_extents=rng.choice([67, 257, 1237, 6433]),
                    bio_size=rng.choice([0, 4096, 1 << 20, rng.randrange(1 << 20)]))

    def area(self, layout, log=None, **fields):
        log = log if log is not None else image.initialized_block() * layout.blocks
        bitmap, superblock = self.bitmap(layout), image.superblock(layout, **fields)
        area = bitmap + log + superblock if layout.index == 'internal' else superblock + log + bitmap
        return area.ljust(layout.end - layout.begin, b'\0')

    # --- the kinds ---------------------------------------------------------------------------------

    def compare_prints(self, first, second, flags):
        """`first` is read by ours, `second` by theirs; the images hold the same metadata."""
        for command in ('get-gi', 'show-gi', 'dstate', 'read-dev-uuid'):
            ours, theirs = self.run('ours', first, command), self.run('theirs', second, command)
            expect_equal(command, ours[:2], theirs[:2])
        ours = self.run('ours', first, 'dump-md', force=True)
        theirs = self.run('theirs', second, 'dump-md', force=True)
        expect_equal('exit code of dump-md', ours[0], theirs[0])
        expect_equal('flags in our dump', FLAGS.findall(ours[1]), ['%08X' % flags])
        strip = lambda text: FLAGS.sub('', HEADER.sub('#', text))
        expect_equal('dump-md', strip(ours[1]), strip(theirs[1]))

    def create(self):
        rng, layout = self.rng, self.layout(striped=0.5)
        bio_size = rng.choice([0, 4096, 1 << 20])
        options = ['--peer-max-bio-size', bio_size] if bio_size else []
        if (layout.stripes, layout.stripe_size) != (1, 8) or rng.random() < 0.2:
            options += ['--al-stripes', layout.stripes, '--al-stripe-size-kB', layout.stripe_size * 4]
        old = rng.randbytes(layout.bitmap_bytes + layout.blocks * BLOCK)
        if layout.index != 'internal':
            # Of the bitmap both clear as much as they take for needed: the rest is not looked at.
            layout.end = layout.bitmap + BLOCK
            old = bytes(BLOCK) + old[:layout.end - layout.begin - BLOCK]
        first, second = self.pair(layout, old)
        self.run_ok('ours', first, 'create-md', *options)
        self.run_ok('theirs', second, 'create-md', *options)
        area = first.area()
        expect_equal('the created area', area, second.area())
        expected = image.superblock(layout, bio_size=bio_size)
        expect_equal('the created superblock',
                     layout.within(area, layout.superblock, BLOCK), expected)
        if first.data_written():
            raise Failure('create-md wrote outside of the metadata')
        # Each reads what the other wrote.
        self.compare_prints(second, first, image.AL_CLEAN)

    def read(self):
        layout = self.layout()
        fields = self.fields(layout)
        first, second = self.pair(layout, self.area(layout, **fields))
        self.compare_prints(first, second, fields['flags'])
        unforced = self.run('ours', first, 'dump-md', force=False)
        expect_equal('exit code for a plain file without --force', unforced[0],
                     self.run('theirs', second, 'dump-md', force=False)[0])

    def modify(self):
        rng, layout = self.rng, self.layout(limit=200 * MIB)
        first, second = self.pair(layout, self.area(layout, **self.fields(layout)))
        for _ in range(3):
            command = rng.choice([['outdate'], ['invalidate'], self.gi_command(),
                                  ['write-dev-uuid', '%016X' % rng.getrandbits(64)]])
            self.run_both(first, second, command)
        if rng.random() < 0.3:
            self.run_both(first, second, ['wipe-md'])
            self.run_both(first, second, ['wipe-md'])

    def run_both(self, first, second, command):
        ours, theirs = self.run('ours', first, *command), self.run('theirs', second, *command)
        expect_equal(f'exit code and output of {command}', ours[:2], theirs[:2])
        expect_equal(f'the area after {command}', first.area(), second.area())

    def gi_command(self):
        rng = self.rng
        words = [rng.choice(['', '%X' % rng.getrandbits(64), '%016x' % rng.getrandbits(60)])
                 for _ in range(4)] + [rng.choice(['', '0', '1']) for _ in range(7)]
        return ['set-gi', ':'.join(words[:rng.randrange(1, 12)]).rstrip(':') or '4']

    def apply_al(self):
        rng = self.rng
        layout = self.layout(striped=0.4, limit=1024 * MIB)
        fields = self.fields(layout)
        fields['al_extents'] = min(fields['al_extents'], 3843)
        if rng.random() < 0.7:
            fields['flags'] |= image.PRIMARY_IND
            fields['la_size'] = layout.usable_sectors
        if rng.random() < 0.15 and layout.blocks == 8 and layout.stripes == 1:
            log = self.legacy_log(fields)
        else:
            log = self.log(layout, fields)
        first, second = self.pair(layout, self.area(layout, log, **fields))
        before = first.area()
        ours, theirs = self.run('ours', first, 'apply-al'), self.run('theirs', second, 'apply-al')
        expect_equal(f'exit code of apply-al ({ours[2]}{theirs[2]})', ours[0], theirs[0])
        marked = lambda text: re.findall(r'Marked additional .*', text)
        expect_equal('what apply-al says it marked', marked(ours[2]), marked(theirs[2]))
        expect_equal('the area after apply-al', first.area(), second.area())
        if ours[0] != 0:
            expect_equal('the area after a refused apply-al', first.area(), before)
        self.run_both(first, second, ['apply-al'])

    def log(self, layout, fields):
        """A ring as a kernel would have left it, then possibly damaged."""
        rng = self.rng
        blocks = layout.blocks
        ring = [rng.choice([image.initialized_block(), image.initialized_block(), bytes(BLOCK)])] * blocks
        slots = rng.choice([67, 67, 257, 1237, 4000])
        slots = max(1, min(slots, (blocks - 1) * 919))
        table = [FREE] * slots
        last_extent = max(layout.usable_sectors // 8192, 1)
        start = 0
        number = rng.choice([0, 0, rng.randrange(1 << 31)])
        if blocks & (blocks - 1) == 0 and rng.random() < 0.3:
            number = (1 << 32) - rng.randrange(1, 2 * blocks)
        count = rng.choice([0, 1, rng.randrange(2, 3 * blocks)]) if rng.random() < 0.5 else blocks + 3
        # Checksums in Python take their time: only what stays in the ring is built.
        for i in range(min(count, 260)):
            updates = [(rng.randrange(slots), rng.randrange(last_extent + (3 if rng.random() < 0.1 else 0)))
                       for _ in range(rng.choice([0, 1, 1, 2, 6, 64]))]
            if i + blocks >= min(count, 260):
                ring[layout.position(number)] = image.al_block(
                    number, updates, slots, start, table[start:start + 919])
            for slot, extent in updates:
                table[slot] = extent
            start = start + 919 if start + 919 < slots else 0
            number = (number + 1) & 0xFFFFFFFF
        newest = layout.position((number - 1) & 0xFFFFFFFF)
        self.damage(ring, newest)
        return b''.join(ring)

    def damage(self, ring, newest):
        rng = self.rng
        kind = rng.randrange(10)
        torn = []
        if kind in (0, 1, 2):
            torn = [newest]
        elif kind == 3:
            torn = [rng.randrange(len(ring)) for _ in range(rng.randrange(1, 4))]
        elif kind == 4:
            torn = range(len(ring))
        for at in torn:
            block = bytearray(ring[at])
            begin = rng.randrange(0, BLOCK, 512)
            block[begin:begin + 96] = rng.randbytes(96)
            ring[at] = bytes(block)

    def legacy_log(self, fields):
        rng = self.rng
        fields['magic'] = image.MAGIC_CLEAN
        fields['al_extents'] = slots = rng.choice([67, 257, 1237])
        used = 1 + -(-slots // 61)
        table = [FREE] * slots
        ring = [bytes(512)] * 64
        number = rng.choice([0, rng.randrange(1 << 31), (1 << 32) - used * rng.randrange(1, 3)])
        cycle = 0
        for i in range(rng.choice([0, 3, 2 * used])):
            slot, extent = rng.randrange(slots), rng.randrange(40)
            table[slot] = extent
            entries = [(slot, extent)]
            for k in range(61):
                s = (cycle + k) % slots
                entries.append((s, table[s]))
            cycle = (cycle + 61) % slots
            ring[i % used] = image.legacy_sector((number + i) & 0xFFFFFFFF, entries)
        return b''.join(ring)

    def restore(self):
        rng, layout = self.rng, self.layout(striped=0.4, limit=1500 * MIB)
        fields = self.fields(layout)
        fields['magic'] = image.MAGIC_CLEAN
        fields['flags'] |= image.AL_CLEAN
        source = Image(os.path.join(self.folder, 's'), layout, self.area(layout, **fields))
        who = rng.choice(['ours', 'theirs'])
        dump = self.run_ok(who, source, 'dump-md')
        path = os.path.join(self.folder, 'dump')
        with open(path, 'w') as file:
            file.write(dump)
        old = None
        if rng.random() < 0.3:
            old = rng.randbytes(layout.bitmap_bytes)
            old = old if layout.index == 'internal' else bytes(layout.bitmap - layout.begin) + old
        first, second = self.pair(layout, old)
        self.run_ok('ours', first, 'restore-md', path)
        self.run_ok('theirs', second, 'restore-md', path)
        ours, theirs = first.area(), second.area()
        used = len(self.meaningful_bitmap(fields['la_size']))
        bitmap = lambda area: layout.within(area, layout.bitmap, used)
        expect_equal('the restored bitmap', bitmap(ours), bitmap(theirs))
        expect_equal('the restored bitmap and its source', bitmap(ours), bitmap(source.area()))
        superblock = lambda area: layout.within(area, layout.superblock, BLOCK)
        expect_equal('the restored superblock', superblock(ours), superblock(theirs))
        log = layout.within(ours, layout.al, layout.blocks * BLOCK)
        expect_equal('our restored log', log, image.initialized_block() * layout.blocks)
        # And what was restored reads alike.
        self.compare_prints(second, first, fields['flags'] if who == 'ours' else 0)

    # --- DRBD 9 ------------------------------------------------------------------------------------

    def nine_fields(self, layout, history, peer_slot=None):
        rng = self.rng
        uuid = lambda: rng.choice([0, rng.getrandbits(64), rng.getrandbits(64)])
        slot = rng.choice([None, 0, 1, 5, 31]) if peer_slot is None else peer_slot
        flags = lambda: rng.choice([0, 0x11, 0x13, 0x1F, 0x10018, rng.getrandbits(5)])
        peers = {} if slot is None else {slot: (uuid(), uuid(), flags(), 0)}
        return dict(la_size=rng.choice([0, layout.usable_sectors, rng.randrange(layout.usable_sectors + 1)]),
                    current=uuid() | 8, device_uuid=uuid(), flags=rng.choice([0x80, 0x81, 0x91, 0xC3, 0x191, 0x680]),
                    al_extents=257, bio_size=rng.choice([0, 4096, 1 << 20]), node_id=rng.choice([-1, 0, 1, 30]),
                    peers=peers, history=[uuid() for _ in range(history)])

    def nine_area(self, layout, **fields):
        log = image.initialized_block() * layout.blocks
        bitmap, superblock = self.bitmap(layout), image.superblock_v09(layout, **fields)
        area = bitmap + log + superblock if layout.index == 'internal' else superblock + log + bitmap
        return area.ljust(layout.end - layout.begin, b'\0')

    def compare_nine_dumps(self, first, second):
        """`first` is read by ours, `second` by theirs."""
        ours = self.run('ours', first, 'dump-md', version='v09')
        theirs = self.run('theirs', second, 'dump-md', version='v09')
        expect_equal('exit code of dump-md of v09', ours[0], theirs[0])
        expect_equal('dump-md of v09', HEADER.sub('#', ours[1]), HEADER.sub('#', theirs[1]))
        return ours[1]

    def nine_read(self):
        rng, layout = self.rng, self.layout()
        fields = self.nine_fields(layout, rng.choice([0, 2, 32]))
        if rng.random() < 0.2:
            fields['flags'] &= ~image.AL_CLEAN
        for slot in rng.sample(range(32), 3):
            fields['peers'].setdefault(slot, (rng.getrandbits(64), rng.getrandbits(64), rng.choice([0, 0x10000]), -1))
        img = self.pair(layout, self.nine_area(layout, **fields))[0]
        self.compare_nine_dumps(img, img)
        unforced = self.run('ours', img, 'dump-md', force=False, version='v09')
        expect_equal('exit code for a plain file without --force', unforced[0], 20)

    def nine_restore(self):
        rng, layout = self.rng, self.layout(striped=0.4, limit=1500 * MIB)
        fields = self.nine_fields(layout, rng.choice([0, 2, 32]))
        source = Image(os.path.join(self.folder, 's'), layout, self.nine_area(layout, **fields))
        path = os.path.join(self.folder, 'dump')
        with open(path, 'w') as file:
            file.write(self.run_ok(rng.choice(['ours', 'theirs']), source, 'dump-md', version='v09'))
        first, second = self.pair(layout)
        self.run_ok('ours', first, 'verify-dump', path, version='v09')
        self.run_ok('ours', first, 'restore-md', path, version='v09')
        self.run_ok('theirs', second, 'restore-md', path, version='v09')
        ours, theirs, used = first.area(), second.area(), len(self.meaningful_bitmap(fields['la_size']))
        bitmap = lambda area: layout.within(area, layout.bitmap, used)
        superblock = lambda area: layout.within(area, layout.superblock, BLOCK)
        expect_equal('the restored bitmap', bitmap(ours), bitmap(theirs))
        expect_equal('the restored bitmap and its source', bitmap(ours), bitmap(source.area()))
        expect_equal('the restored superblock', superblock(ours), superblock(theirs))
        self.compare_nine_dumps(second, first)

    def nine_convert(self):
        rng, layout = self.rng, self.layout(striped=0.4, limit=1500 * MIB)
        if rng.random() < 0.5:
            there, here, argument = 'v09', 'v08', ['1']
            fields = self.fields(layout)
            fields.update(magic=image.MAGIC_CLEAN, flags=fields['flags'] | image.AL_CLEAN, bio_size=0)
            area = self.area(layout, **fields)
        else:
            there, here, argument = 'v08', 'v09', []
            fields = self.nine_fields(layout, rng.choice([0, 2, 5]), peer_slot=0)
            fields.update(bio_size=0, flags=fields['flags'] & 0x1FF)
            area = self.nine_area(layout, **fields)
        first, second = self.pair(layout, area)
        self.run_ok('ours', first, 'create-md', *argument, version=there)
        self.run_ok('theirs', second, 'create-md', *argument, version=there)
        expect_equal(f'the area after {here} has become {there}', first.area(), second.area())
        if there == 'v09':
            self.compare_nine_dumps(second, first)
        else:
            self.compare_prints(second, first, struct.unpack_from(
                '>I', layout.within(first.area(), layout.superblock, BLOCK), 0x38)[0])

    @staticmethod
    def meaningful_bitmap(la_size):
        words = -(-(-(-la_size // 8)) // 64)
        return bytes(-(-words * 8 // BLOCK) * BLOCK)

    def damaged(self):
        rng, layout = self.rng, self.layout(limit=200 * MIB)
        area = bytearray(self.area(layout, **self.fields(layout)))
        at = layout.superblock - layout.begin
        field, value = rng.choice([
            (0x3C, rng.choice([0, 0x83740267, 0x8374026E, rng.getrandbits(32)])),
            (0x40, rng.choice([0, 8, rng.getrandbits(32)])) if layout.index == 'internal' else (0x3C, 0),
            (0x44, rng.getrandbits(32)),
            (0x4C, rng.getrandbits(32)),
            (0x58, 0),
            (0x5C, 0),
            (0x58, rng.randrange(9, 1 << 32)),
        ])
        struct.pack_into('>I', area, at + field, value)
        first, second = self.pair(layout, bytes(area))
        for command in ('get-gi', 'apply-al', 'dstate', 'outdate'):
            ours, theirs = self.run('ours', first, command), self.run('theirs', second, command)
            expect_equal(f'whether {command} refuses field {field:#x} = {value:#x}', ours[0] != 0, theirs[0] != 0)
            expect_equal(f'the area after {command}', first.area(), second.area())


KINDS = ['create', 'read', 'modify', 'apply_al', 'apply_al', 'restore', 'damaged', 'nine_read', 'nine_restore', 'nine_convert']


def isolate():
    """The original notes what it saw in /var/lib/drbd and locks in /var/lock: not on this machine."""
    if os.environ.get('DRBDD_METADATA_INTEROP') == 'isolated':
        for folder in (NOTES, '/var/lock'):
            os.makedirs(folder, exist_ok=True)
            subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', folder], check=True)
        return
    if os.geteuid() != 0:
        skip('needs root for a mount namespace')
    if subprocess.run(['unshare', '--mount', 'true'], capture_output=True).returncode != 0:
        skip('no mount namespace here')
    os.environ['DRBDD_METADATA_INTEROP'] = 'isolated'
    os.execvp('unshare', ['unshare', '--mount', '--propagation', 'private', sys.executable, *sys.argv])


def forget_devices():
    """What the original noted of the case before is not about this one's devices."""
    for name in os.listdir(NOTES):
        os.remove(os.path.join(NOTES, name))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('ours')
    parser.add_argument('--seed', type=int, default=20261120)
    parser.add_argument('--cases', type=int, default=500)
    parser.add_argument('--only', type=int)
    args = parser.parse_args()
    theirs = shutil.which('drbdmeta', path='/usr/sbin:/sbin')
    if theirs is None:
        skip('drbdmeta of drbd-utils is not installed in /usr/sbin')
    isolate()
    print(f'seed {args.seed}', flush=True)
    counts, failures = {}, 0
    for number in range(args.cases) if args.only is None else [args.only]:
        kind = KINDS[number % len(KINDS)]
        counts[kind] = counts.get(kind, 0) + 1
        forget_devices()
        with tempfile.TemporaryDirectory() as folder:
            case = Case(random.Random(f'{args.seed}/{number}'), folder, os.path.abspath(args.ours), theirs)
            try:
                getattr(case, kind)()
            except (Failure, subprocess.TimeoutExpired) as failure:
                failures += 1
                print(f'FAILED case {number} ({kind}): {failure}\n'
                      f'replay: {sys.argv[0]} {args.ours} --seed {args.seed} --only {number}')
    print(', '.join(f'{count} {kind}' for kind, count in sorted(counts.items())),
          f'- {failures} failed')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
