#!/usr/bin/env python3
"""What drbdmeta refuses, and with which exit code: ours and the drbdmeta of drbd-utils on the same loop
devices. Scripts and drbdadm test these codes. The last scenarios are ours alone: the lock that a
running drbdd holds, and formats that we refuse by name.

Usage: refusals.py OUR_DRBDMETA. Exit code 77 and a reason: cannot run here."""
import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import image
from image import External, Image, Layout
from metadata_interop import isolate, skip

MIB = 1 << 20
F_OFD_SETLK = 37


class Stage:
    def __init__(self, folder, ours, theirs):
        self.folder, self.programs = folder, {'ours': ours, 'theirs': theirs}
        self.failures = 0
        self.checks = 0

    def run(self, who, *argv):
        done = subprocess.run([self.programs[who], *map(str, argv)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20)
        return done

    @contextlib.contextmanager
    def device(self, prepare=None, size=64 * MIB):
        """A loop device over a file that `prepare` has filled."""
        path = os.path.join(self.folder, 'disk')
        Image(path, Layout(size))
        if prepare:
            prepare(path)
        device = subprocess.run(['losetup', '--find', '--show', path], check=True,
                                capture_output=True, text=True).stdout.strip()
        try:
            yield device
        finally:
            subprocess.run(['losetup', '--detach', device], check=True)

    def check(self, name, expected, who, done):
        self.checks += 1
        if done.returncode != expected:
            self.failures += 1
            print(f'FAILED {name}: {who} gave exit code {done.returncode}, not {expected}\n'
                  f'{done.stdout}{done.stderr}')

    def expect(self, name, good):
        self.checks += 1
        if not good:
            self.failures += 1
            print(f'FAILED {name}')

    def both(self, name, expected, command, prepare=None, options=(), size=64 * MIB, index='internal'):
        for who in ('ours', 'theirs'):
            with self.device(prepare, size) as device:
                self.check(name, expected, who,
                           self.run(who, *options, '-', 'v08', device, index, *command))


def tool(*argv):
    subprocess.run(argv, check=True, capture_output=True)


def write_at(offset, data):
    def prepare(path):
        with open(path, 'r+b') as file:
            file.seek(offset)
            file.write(data)
    return prepare


def metadata(**fields):
    layout = Layout(64 * MIB)
    return write_at(layout.al, image.initialized_block() * 8 + image.superblock(layout, **fields))


def scenarios_of_both(stage):
    stage.both('create-md on an empty device', 0, ['create-md'])
    stage.both('create-md over metadata', 1, ['create-md'], metadata())
    stage.both('create-md over metadata, forced', 0, ['create-md'], metadata(), ['--force'])
    stage.both('create-md over unknown data', 1, ['create-md'], write_at(20000, b'data'))
    stage.both('create-md over unknown data, forced', 0, ['create-md'], write_at(20000, b'x'), ['--force'])
    stage.both('create-md looks no further than 68 KiB', 0, ['create-md'], write_at(69632, b'data'))
    stage.both('create-md with too small a log', 10, ['create-md', '--al-stripe-size-kB', '4'])
    stage.both('create-md with too large a log', 10, ['create-md', '--al-stripes', '400000'])
    stage.both('create-md with too large a bio', 10, ['create-md', '--peer-max-bio-size', '2M'])
    for command in ('get-gi', 'dump-md', 'apply-al', 'dstate', 'outdate', 'wipe-md'):
        stage.both(f'{command} with an option of create-md', 10, [command, '--al-stripes', '4'], metadata(flags=0x91), ['--force'])
        stage.both(f'{command} with a bio size', 10, [command, '--peer-max-bio-size', '4k'], metadata(flags=0x91), ['--force'])
    stage.both('create-md on too small a device', 10, ['create-md'], size=60 * 1024)
    filesystems(stage)
    stage.both('no metadata', 1, ['get-gi'])
    stage.both('no metadata to dump', 1, ['dump-md'])
    stage.both('no metadata to apply', 1, ['apply-al'])
    stage.both('no metadata to wipe', 0, ['wipe-md'])
    stage.both('no metadata to move', 1, ['check-resize'])
    stage.both('wipe-md unasked', 1, ['wipe-md'], metadata())
    stage.both('outdate of inconsistent data', 5, ['outdate'], metadata())
    stage.both('outdate of consistent data', 0, ['outdate'], metadata(flags=0x91))
    stage.both('a dump of unclean metadata', 1, ['dump-md'], metadata(magic=image.MAGIC_UNCLEAN))
    stage.both('restore-md of no file', 20, ['restore-md', '/nonexistent'])
    stage.both('restore-md of no dump', 10, ['restore-md', '/etc/passwd'])
    stage.both('set-gi unasked', 0, ['set-gi', '1'], metadata())
    stage.both('set-gi of a bad flag', 10, ['set-gi', '1:2:3:4:2'], metadata(), ['--force'])
    stage.both('set-gi of nothing', 10, ['set-gi'], metadata())
    stage.both('an unknown command', 20, ['bogus'])
    for index in ('flex-external', '0'):
        on_a_device_of_its_own(stage, index)
    stage.both('a slot that the device has not', 10, ['create-md'], size=256 * MIB, index='2')
    stage.both('an index that does not exist', 20, ['create-md'], size=256 * MIB, index='256')
    for who in ('ours', 'theirs'):
        for name, argv in {'no command': ['-', 'v08', '/dev/null', 'internal'],
                           'no arguments': [],
                           'an unknown format': ['-', 'v99', '/dev/null', 'internal', 'get-gi'],
                           'an unknown index': ['-', 'v08', '/dev/null', 'outside', 'get-gi'],
                           'an unknown option': ['--bogus', '-', 'v08', '/dev/null', 'internal', 'get-gi'],
                           'no such device': ['-', 'v08', '/dev/nonexistent', 'internal', 'get-gi'],
                           'not a block device': ['-', 'v08', '/dev/null', 'internal', 'get-gi']}.items():
            stage.check(name, 20, who, stage.run(who, *argv))


def on_a_device_of_its_own(stage, index):
    size = 128 * MIB
    layout = External(size, slot=None if index == 'flex-external' else 0)
    there = lambda **fields: write_at(0, image.superblock(layout, **fields) + image.initialized_block() * 8)
    both = lambda name, *args: stage.both(f'{index}: {name}', *args, size=size, index=index)
    both('create-md on an empty device', 0, ['create-md'])
    both('create-md over metadata', 1, ['create-md'], there())
    both('create-md over metadata, forced', 0, ['create-md'], there(), ['--force'])
    both('create-md over unknown data', 1, ['create-md'], write_at(20000, b'data'))
    both('create-md over a filesystem, forced', 40, ['create-md'], full, ['--force'])
    both('no metadata', 1, ['get-gi'])
    both('no metadata to wipe', 0, ['wipe-md'])
    both('outdate of inconsistent data', 5, ['outdate'], there())
    both('outdate of consistent data', 0, ['outdate'], there(flags=0x91))
    both('a dump of unclean metadata', 1, ['dump-md'], there(magic=image.MAGIC_UNCLEAN))


def full(path):
    tool('mke2fs', '-q', '-F', '-t', 'ext4', path)


def filesystems(stage):
    small = lambda path: tool('mke2fs', '-q', '-F', '-t', 'ext4', path, '60M')
    swap = lambda path: tool('mkswap', path)
    xfs = write_at(0, struct.pack('>4sIQ', b'XFSB', 4096, 64 * MIB // 4096))
    stage.both('create-md on a full filesystem', 40, ['create-md'], full)
    stage.both('create-md on a full filesystem, forced', 40, ['create-md'], full, ['--force'])
    stage.both('create-md behind a small filesystem', 1, ['create-md'], small)
    stage.both('create-md behind a small filesystem, forced', 0, ['create-md'], small, ['--force'])
    stage.both('create-md on swap', 40, ['create-md'], swap)
    stage.both('create-md on a full xfs', 40, ['create-md'], xfs)
    for who in ('ours', 'theirs'):
        with stage.device(small) as device:
            folder = os.path.join(stage.folder, 'mounted')
            os.makedirs(folder, exist_ok=True)
            tool('mount', '-t', 'ext4', device, folder)
            try:
                stage.check('create-md on a mounted device', 20, who,
                            stage.run(who, '-', 'v08', device, 'internal', 'create-md'))
            finally:
                tool('umount', folder)


def scenarios_of_ours(stage):
    for version, command, says in (('v06', 'get-gi', 'not supported'), ('v09', 'outdate', 'only read'), ('v07', 'wipe-md', 'only read')):
        done = stage.run('ours', '-', version, '/dev/null', 'internal', command)
        stage.check(f'{version} {command} by name', 20, 'ours', done)
        if says not in done.stderr:
            stage.failures += 1
            print(f'FAILED {version}: not refused in words: {done.stderr}')
    # The original knows the option too, but 9.22 refuses all the same.
    with stage.device(full) as device:
        stage.check('create-md on a full filesystem, sanity aside', 0, 'ours',
                    stage.run('ours', '--force', '--ignore-sanity-checks', '-', 'v08', device,
                              'internal', 'create-md'))
    slots_of_one_device(stage)
    home_from_drbd_9(stage)
    out_to_drbd_9(stage)
    out_of_the_past(stage)
    for old, new in ((64 * MIB, 68 * MIB), (64 * MIB, 65 * MIB), (100 * MIB, 300 * MIB), (64 << 30, (64 << 30) + 4 * MIB)):
        for magic in (image.MAGIC_CLEAN, image.MAGIC_UNCLEAN):
            grown(stage, old, new, magic)
    with stage.device(metadata()) as device:
        with open(device, 'r+b') as daemon:
            lock = struct.pack('hhqqi4x', fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            fcntl.fcntl(daemon, F_OFD_SETLK, lock)
            for command in ('get-gi', 'apply-al', 'create-md', 'wipe-md'):
                done = stage.run('ours', '--force', '7', 'v08', device, 'internal', command)
                stage.check(f'{command} while drbdd has the lock', 20, 'ours', done)
                if "Device '7' is configured!" not in done.stderr or 'in use' not in done.stderr:
                    stage.failures += 1
                    print(f'FAILED {command}: the lock is not named: {done.stderr}')
        stage.check('get-gi after the lock is gone', 0, 'ours',
                    stage.run('ours', '7', 'v08', device, 'internal', 'get-gi'))


def slots_of_one_device(stage):
    """Where the first slot is in use, the others are not: neither its metadata nor its lock are in their way."""
    with stage.device(size=384 * MIB) as device:
        run = lambda index, *command: stage.run('ours', '7', 'v08', device, index, *command)
        stage.check('create-md in the first slot', 0, 'ours', run('0', 'create-md'))
        stage.check('create-md in another slot', 0, 'ours', run('2', 'create-md'))
        with open(device, 'r+b') as daemon:
            lock = struct.pack('hhqqi4x', fcntl.F_WRLCK, os.SEEK_SET, 0, 128 * MIB, 0)
            fcntl.fcntl(daemon, F_OFD_SETLK, lock)
            stage.check('get-gi of a slot in use', 20, 'ours', run('0', 'get-gi'))
            stage.check('get-gi of a free slot', 0, 'ours', run('2', 'get-gi'))
            stage.check('the whole of a device with a slot in use', 20, 'ours', run('flex-external', 'get-gi'))
        stage.check('get-gi of the first slot', 0, 'ours', run('0', 'get-gi'))


def home_from_drbd_9(stage):
    """Metadata that the original made for DRBD 9 become v08 by our create-md, and the original reads them as such."""
    path = os.path.join(stage.folder, 'nine')
    for index, size in (('internal', 64 * MIB), ('flex-external', MIB)):
        for peers in (1, 3):
            layout = Layout(size) if index == 'internal' else External(size)
            Image(path, layout)
            run = lambda who, version, *command: stage.run(who, '--force', '-', version, path, index, *command)
            stage.check('theirs makes v09', 0, 'theirs', run('theirs', 'v09', 'create-md', str(peers)))
            if peers == 1:
                with open(path, 'r+b') as file:  # as DRBD 9 leaves it: a peer, generations, one bit
                    file.seek(layout.superblock)
                    block = bytearray(file.read(image.BLOCK))
                    struct.pack_into('>QQ', block, 0, 120000, 0x1234567890ABCDE0)
                    struct.pack_into('>I', block, 0x38, 0x91)
                    struct.pack_into('>QQIi', block, 0x70 + 32, 0x55, 0, 0x1 | 0x2, 0)
                    struct.pack_into('>QQ', block, 0x470, 0x66, 0x77)
                    file.seek(layout.superblock)
                    file.write(block)
                    file.seek(layout.bitmap)
                    file.write(b'\x20')
            nine = run('ours', 'v09', 'get-gi')
            stage.check(f'{index}: get-gi of v09 for {peers}', 0 if peers == 1 else 1, 'ours', nine)
            dumped = run('ours', 'v09', 'dump-md').stdout
            stage.check(f'{index}: create-md on v09 for {peers}', 0 if peers == 1 else 1, 'ours', run('ours', 'v08', 'create-md'))
            if peers == 1:
                stage.expect(f'{index}: dump of v09', 'version "v09";' in dumped and 'bits-set 1;' in dumped)
                want = ':'.join('%016X' % uuid for uuid in (0x1234567890ABCDE0, 0x55, 0x66, 0x77)) + ':1:1:0:1:0:1:0\n'
                for who in ('ours', 'theirs'):
                    got = run(who, 'v08', 'get-gi').stdout
                    stage.expect(f'{index}: converted, {who}: {got}', got == want)
                stage.expect(f'{index}: read before: {nine.stdout}', nine.stdout == want)
                stage.expect(f'{index}: the bitmap', 'bits-set 1;' in run('theirs', 'v08', 'dump-md').stdout)
                # And back to DRBD 9, by its own tool, which leaves the bitmap's identifier behind.
                stage.check(f'{index}: theirs makes v09 of ours', 0, 'theirs', run('theirs', 'v09', 'create-md', '1'))
                back = run('ours', 'v09', 'get-gi').stdout
                with open(path, 'rb') as file:
                    file.seek(layout.superblock)
                    stage.expect(f'{index}: what theirs leaves behind', struct.pack('>Q', 0x55) not in file.read(image.BLOCK))
                stage.expect(f'{index}: there and back: {back}', back.split(':')[::2][:2] == want.split(':')[::2][:2])
    os.remove(path)


def out_to_drbd_9(stage):
    """Our create-md makes v09 of v08, and of nothing; what it can't convert without loss is refused by name, unless forced."""
    layout = Layout(64 * MIB)
    place = lambda block: write_at(layout.al, image.initialized_block() * 8 + block)
    eight = lambda **fields: place(image.superblock(layout, la_size=120000, flags=0x91, **fields))
    nine = lambda **fields: place(image.superblock_v09(layout, la_size=120000, current=0x1234567890ABCDE0, flags=0x91, **fields))
    peer = {1: (0x55, 0, 0x11, 0)}

    def refused(name, prepare, version, command, says, forced=True):
        with stage.device(prepare) as device:
            run = lambda *options: stage.run('ours', *options, '-', version, device, 'internal', *command)
            before = open(device, 'rb').read()
            done = run()
            stage.check(name, 1, 'ours', done)
            stage.expect(f'{name}: by name: {done.stdout}{done.stderr}', says in done.stderr)
            stage.expect(f'{name}, unasked: nothing is written', before == open(device, 'rb').read())
            if forced:
                done = run('--force')
                stage.check(f'{name}, forced', 0, 'ours', done)
                stage.expect(f'{name}, forced, by name: {done.stderr}', says in done.stderr)

    refused('v09 of v08 with a bitmap identifier', eight(uuids=(0x1234567890ABCDE0, 0x55, 0, 0)), 'v09', ['create-md', '1'],
            '0000000000000055')
    refused('v09 of v08 that is in use', eight(uuids=(2, 0, 0, 0), magic=image.MAGIC_UNCLEAN), 'v09', ['create-md', '1'], 'apply-al',
            forced=False)
    refused('v08 of v09 with a long history', nine(peers=peer, history=(1, 2, 3)), 'v08', ['create-md'], '1 more than the 2 generations')
    refused('v08 of v09 with bits since day 0', nine(peers={4: (0x66, 0, 0, -1), 0: (0x66, 0, 0, -1)}), 'v08', ['create-md'], 'day 0')
    refused('v08 of v09 that is in use',
            place(image.superblock_v09(layout, flags=0x13, peers=peer)), 'v08', ['create-md'], 'apply-al', forced=False)
    refused('v09 over v09', nine(peers=peer), 'v09', ['create-md', '1'], 'already in place')
    for maximum, code in (('0', 20), ('32', 20), ('x', 20), (None, 20), ('3', 20), ('1', 0)):
        with stage.device() as device:
            arguments = ['create-md'] + ([maximum] if maximum else [])
            stage.check(f'a new v09 for {maximum}', code, 'ours', stage.run('ours', '7', 'v09', device, 'internal', *arguments))
            if code == 0:
                fresh = stage.run('theirs', '-', 'v09', device, 'internal', 'dump-md')
                stage.expect('theirs reads a new v09 of ours', 'max-peers 1;' in fresh.stdout and fresh.returncode == 0)
    # There, as the original makes it too, and home again; no question is answered where nobody sits.
    with stage.device(eight(uuids=(0x1234567890ABCDE0, 0, 0x66, 0x77))) as device:
        run = lambda who, version, *command: stage.run(who, '--force', '-', version, device, 'internal', *command)
        before = run('theirs', 'v08', 'get-gi').stdout
        stage.check('v09 of v08, unasked', 1, 'ours', stage.run('ours', '-', 'v09', device, 'internal', 'create-md', '1'))
        done = run('ours', 'v09', 'create-md', '3')
        stage.check('v09 of v08', 0, 'ours', done)
        stage.expect('v09 of v08 for several', 'setting max_peers to 1 instead of 3' in done.stdout)
        for words in ('Valid v08 meta-data found, convert to v09?', 'There appears to be a v08 flexible-size internal'):
            stage.expect(f"the original's words: {words}", words in done.stderr)
        stage.check('restore-md over another version, unasked', 1, 'ours',
                    stage.run('ours', '-', 'v08', device, 'internal', 'restore-md', small_dump(stage)))
        stage.check('home again', 0, 'ours', run('ours', 'v08', 'create-md'))
        stage.expect('there and back', run('theirs', 'v08', 'get-gi').stdout == before)


def small_dump(stage):
    path = os.path.join(stage.folder, 'small-dump')
    with open(path, 'w') as file:
        file.write('version "v08"; uuid { 0x0000000000000004; 0x0000000000000000; 0x0000000000000000; 0x0000000000000000;'
                   ' flags 0x00000080; } la-size-sect 0; bm-byte-per-bit 4096; device-uuid 0x0000000000000000;'
                   ' la-peer-max-bio-size 0; al-stripes 1; al-stripe-size-4k 8; bm { }')
    return path


def out_of_the_past(stage):
    """Metadata that the original made for DRBD 0.7: its conversion and ours give the same bytes."""
    paths = {who: os.path.join(stage.folder, f'seven-{who}') for who in ('ours', 'theirs')}
    for index, size in (('flex-internal', 64 * MIB), ('flex-external', MIB)):
        layout = Layout(size) if index == 'flex-internal' else External(size)
        superblocks = {}
        for who, path in paths.items():
            Image(path, layout)
            theirs = lambda *command: stage.run('theirs', '--force', '-', 'v07', path, index, *command)
            stage.check('theirs makes v07', 0, 'theirs', theirs('create-md'))
            stage.check('theirs sets counters', 0, 'theirs', theirs('set-gi', '1:7:8:9:10:1'))
            seven = stage.run('ours', '--force', '-', 'v07', path, index, 'get-gi')
            stage.check(f'{index}: get-gi of v07', 0, 'ours', seven)
            stage.check(f'{index}: create-md on v07', 0, who,
                        stage.run(who, '--force', '-', 'v08', path, index, 'create-md'))
            with open(path, 'rb') as file:
                file.seek(layout.superblock)
                superblocks[who] = file.read(image.BLOCK)
        stage.expect(f'{index}: v07 converted', superblocks['ours'] == superblocks['theirs'])
        for command in ('apply-al', 'get-gi'):
            stage.check(f'{index}: {command} of what was v07', 0, 'ours',
                        stage.run('ours', '--force', '-', 'v08', paths['ours'], index, command))
    for path in paths.values():
        os.remove(path)


def grown(stage, old_size, new_size, magic):
    """check-resize takes identifiers, flags and bits along, and leaves the data alone; theirs finds them at the new end. The last
    of the sizes has the new place overlap the old one. (The original's own move is wrong: see metadata_interop.py.)"""
    path = os.path.join(stage.folder, 'grown')
    old, new = Layout(old_size), Layout(new_size)
    fields = dict(la_size=old.usable_sectors, uuids=(0x1234567890ABCDE0, 0x55, 0x66, 0x77), flags=0x91, magic=magic)
    bitmap = os.urandom(64) + bytes(old.bitmap_bytes - 128) + os.urandom(64)
    Image(path, old, bitmap + image.initialized_block() * 8 + image.superblock(old, **fields))
    data = os.urandom(4096)
    write_at(old.bitmap - 4096, data)(path)
    before = stage.run('ours', '--force', '-', 'v08', path, 'internal', 'get-gi').stdout
    os.truncate(path, new_size)
    name = f'check-resize from {old_size} to {new_size}'
    move = lambda: stage.run('ours', '--force', '7', 'v08', path, 'internal', 'check-resize')
    stage.check(name, 0, 'ours', move())
    for who in ('ours', 'theirs'):
        done = stage.run(who, '--force', '-', 'v08', path, 'internal', 'get-gi')
        stage.check(f'{name}: get-gi', 0, who, done)
        stage.expect(f'{name}: the identifiers of {who}', done.stdout == before)
    moved = Image.__new__(Image)
    moved.path, moved.layout = path, new
    area = moved.area()
    used = -(-old.usable_sectors // 8 // 64) * 8
    stage.expect(f'{name}: the bits', new.within(area, new.bitmap, used) == bitmap[:used])
    stage.expect(f'{name}: the log', new.within(area, new.al, 8 * image.BLOCK) == image.initialized_block() * 8)
    with open(path, 'rb') as file:
        file.seek(old.bitmap - 4096)
        stage.expect(f'{name}: the data', file.read(4096) == data)
        file.seek(old.superblock)
        stage.expect(f'{name}: the old superblock', old.superblock >= new.bitmap or not any(file.read(4096)))
    stage.check(f'{name}, again', 0, 'ours', move())
    stage.expect(f'{name}: nothing is left to do', moved.area() == area)
    os.remove(path)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    theirs = shutil.which('drbdmeta', path='/usr/sbin:/sbin')
    if theirs is None:
        skip('drbdmeta of drbd-utils is not installed in /usr/sbin')
    for program in ('losetup', 'mke2fs', 'mkswap'):
        if shutil.which(program) is None:
            skip(f'{program} is not installed')
    isolate()
    if subprocess.run(['losetup', '--find'], capture_output=True).returncode != 0:
        skip('no loop devices here')
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder, os.path.abspath(sys.argv[1]), theirs)
        scenarios_of_both(stage)
        scenarios_of_ours(stage)
    print(f'{stage.checks} checks, {stage.failures} failed')
    sys.exit(1 if stage.failures else 0)


if __name__ == '__main__':
    main()
