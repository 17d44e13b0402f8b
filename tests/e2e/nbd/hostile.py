"""Raw bytes against the NBD server: what no well-behaved client sends.

usage: hostile.py NBD_MEMORY_EXPORT

After each case the server must still serve a fresh client, and at the end it must have released every
buffer and every user of the device (it says so itself, and exits with 1 otherwise).
"""
import os
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

SERVER = sys.argv.pop(1)
IHAVEOPT = 0x49484156454F5054
REQUEST = 0x25609513
EXTENDED_REQUEST = 0x21E41C71
PAYLOAD_LEN = 32
READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, STATUS = range(8)
MIB = 1 << 20
EPERM, EINVAL, ENOSPC, ENOTSUP, ESHUTDOWN = 1, 22, 28, 95, 108


class Client:
    """A connection; every receive has a deadline, so that a silent server is a failure."""

    def __init__(self, path, greet=True):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(path)
        if greet:
            greeting = self.recv(18)
            assert greeting == struct.pack('>QQH', 0x4E42444D41474943, IHAVEOPT, 3), greeting
            self.send(struct.pack('>I', 3))

    def send(self, data):
        self.sock.sendall(data)

    def recv(self, count):
        data = b''
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise EOFError(f'{len(data)} of {count} bytes')
            data += piece
        return data

    def at_end(self):
        """True when the server has closed and nothing else was on the way."""
        try:
            return self.sock.recv(1) == b''
        except ConnectionResetError:
            return True

    def option(self, number, data=b''):
        self.send(struct.pack('>QII', IHAVEOPT, number, len(data)) + data)

    def reply(self):
        magic, option, kind, length = struct.unpack('>QIII', self.recv(20))
        assert magic == 0x3E889045565A9
        return option, kind, self.recv(length)

    def final_reply(self):
        while True:
            _, kind, data = self.reply()
            if kind == 1 or kind >= 1 << 31:
                return kind, data

    def go(self, structured=False):
        if structured:
            self.option(8)
            assert self.final_reply()[0] == 1
        self.option(7, struct.pack('>IH', 0, 0))
        assert self.final_reply()[0] == 1
        return self

    def go_extended(self, *contexts):
        """With extended headers, and the contexts that BLOCK_STATUS is to tell of."""
        self.option(11)
        assert self.final_reply()[0] == 1
        if contexts:
            queries = b''.join(struct.pack('>I', len(name)) + name for name in contexts)
            self.option(10, struct.pack('>II', 0, len(contexts)) + queries)
            assert self.final_reply()[0] == 1
        return self.go()

    def ask(self, kind, offset=0, length=0, flags=0, payload=b'', cookie=7):
        """An extended request and its answer: type of the last chunk and the payloads of all."""
        self.send(struct.pack('>IHHQQQ', EXTENDED_REQUEST, flags, kind, cookie, offset, length) + payload)
        payloads, done = [], 0
        while not done:
            magic, done, chunk, *rest, size = struct.unpack('>IHHQQQ', self.recv(32))
            assert (magic, rest) == (0x6E8A278C, [cookie, offset]), (hex(magic), rest)
            payloads.append(self.recv(size))
        return chunk, payloads

    def extended_error(self, *args, **kwargs):
        chunk, (payload,) = self.ask(*args, **kwargs)
        return struct.unpack('>I', payload[:4])[0] if chunk == 0x8001 else chunk

    def request(self, kind, offset=0, length=0, flags=0, payload=b'', cookie=7):
        self.send(struct.pack('>IHHQQI', REQUEST, flags, kind, cookie, offset, length) + payload)

    def simple(self, length=0):
        magic, error, cookie = struct.unpack('>IIQ', self.recv(16))
        assert magic == 0x67446698, hex(magic)
        return error, cookie, self.recv(length) if error == 0 else b''

    def error_of(self, *args, **kwargs):
        self.request(*args, **kwargs)
        return self.simple()[0]

    def wait_until_executed(self):
        """Requests sent before are with the device: CACHE is answered without it, in order."""
        assert self.error_of(CACHE, 0, 512, cookie=99) == 0

    def close(self):
        self.sock.close()


class ServerCase(unittest.TestCase):
    options = []

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='nbd-hostile.')
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = self.folder + '/drbd0.nbd'
        signal.signal(signal.SIGALRM, self.on_deadline)
        signal.alarm(60)
        self.addCleanup(signal.alarm, 0)
        self.server = self.start_server()
        self.clients = []
        self.stopped = False

    def on_deadline(self, *_):
        self.server.kill()
        self.fail('the case takes longer than a minute')

    def start_server(self):
        with open(self.folder + '/log', 'a', encoding='utf-8') as log:
            # The server dies with this process, should that be killed at its time limit.
            server = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL',
                                       SERVER, self.path, '64', *self.options],
                                      stdout=subprocess.PIPE, stderr=log, text=True)
        self.assertEqual(server.stdout.readline(), 'ready\n')
        return server

    def client(self, **kwargs):
        self.clients.append(Client(self.path, **kwargs))
        return self.clients[-1]

    def tell_server(self, number, confirmation):
        self.server.send_signal(number)
        self.assertEqual(self.server.stdout.readline(), confirmation + '\n')

    def freeze(self):
        self.tell_server(signal.SIGUSR1, 'frozen')

    def thaw(self):
        self.tell_server(signal.SIGUSR2, 'thawed')

    def stop(self):
        self.stopped = True
        self.tell_server(signal.SIGTERM, 'stopping')

    def check_fresh_client(self):
        fresh = self.client().go()
        fresh.request(READ, 0, 512)
        self.assertEqual(fresh.simple(512)[0], 0)
        fresh.request(DISC)
        self.assertTrue(fresh.at_end())

    def tearDown(self):
        for client in self.clients:
            client.close()
        if not self.stopped:
            self.stop()
        self.server.wait(timeout=20)
        with self.server.stdout as rest, open(self.folder + '/log', encoding='utf-8') as log:
            self.assertEqual((self.server.returncode, rest.read()), (0, 'users=0 buffers=0\n'),
                             log.read())
        self.assertFalse(os.path.exists(self.path))


class Hostile(ServerCase):
    options = ['handshake-ms=1000', 'stop-ms=500']

    def test_wrong_magic_in_an_option(self):
        client = self.client()
        client.send(b'\0' * 16)
        self.assertTrue(client.at_end())
        self.check_fresh_client()

    def test_option_of_4_gib(self):
        client = self.client()
        client.send(struct.pack('>QII', IHAVEOPT, 6, 0xFFFFFFFF))
        self.assertTrue(client.at_end())
        self.check_fresh_client()

    def test_unknown_and_oversize_options_keep_the_stream_in_step(self):
        client = self.client()
        for number in (0, 4, 12, 4711, 0xFFFFFFFF):
            client.option(number, b'x' * 100)
            self.assertEqual(client.final_reply()[0], 0x80000001)
        client.option(6, b'x' * MIB)
        self.assertEqual(client.final_reply()[0], 0x80000009)
        client.option(6, struct.pack('>I5sH', 5, b'drbd9', 0))
        self.assertEqual(client.final_reply()[0], 0x80000006)
        client.option(6, struct.pack('>IH', 0xFFFFFFFF, 0))
        self.assertEqual(client.final_reply()[0], 0x80000003)
        client.option(5)
        self.assertEqual(client.final_reply()[0], 0x80000002)
        client.go()
        self.assertEqual(client.error_of(FLUSH), 0)

    def test_truncated_option_then_gone(self):
        client = self.client()
        client.send(struct.pack('>QII', IHAVEOPT, 7, 100) + b'abc')
        client.close()
        self.check_fresh_client()

    def test_slow_loris_is_cut_at_the_deadline(self):
        client = self.client(greet=False)
        started = time.monotonic()
        flags_and_option = struct.pack('>IQII', 3, IHAVEOPT, 8, 0) * 100
        try:
            for byte in flags_and_option:
                client.send(bytes([byte]))
                time.sleep(0.05)
            self.fail('a byte every 50 ms was tolerated')
        except (BrokenPipeError, ConnectionResetError):
            self.assertLess(time.monotonic() - started, 5)
        self.check_fresh_client()

    def test_silent_client_is_cut_at_the_deadline_but_not_after_go(self):
        settled = self.client().go()
        silent = self.client(greet=False)
        silent.recv(18)
        self.assertTrue(silent.at_end())
        self.assertEqual(settled.error_of(FLUSH), 0)

    def test_wrong_magic_in_a_request(self):
        client = self.client().go()
        client.send(b'\xff' * 28)
        self.assertTrue(client.at_end())
        self.check_fresh_client()

    def test_errors_and_that_the_payload_is_drained(self):
        client = self.client().go()
        end = 64 * MIB
        sector = b'x' * 512
        rows = [
            (ENOSPC, (WRITE, end, 512), {'payload': sector}),
            (EINVAL, (WRITE, 1, 512), {'payload': sector}),
            (EINVAL, (WRITE, 0, 512), {'payload': sector, 'flags': 0x8000}),
            (EINVAL, (WRITE, 0, 33 * MIB), {'payload': b'x' * (33 * MIB)}),
            (EINVAL, (READ, end, 512), {}),
            (EINVAL, (READ, 0, 33 * MIB), {}),
            (EINVAL, (READ, (1 << 64) - 512, 1024), {}),
            (EINVAL, (READ, 0, 512), {'flags': 4}),
            (EINVAL, (TRIM, end, 512), {}),
            (ENOSPC, (ZEROES, end, 512), {}),
            (ENOTSUP, (ZEROES, 0, 512), {'flags': 16}),
            (EINVAL, (STATUS, 0, 512), {}),
            (EINVAL, (8, 0, 512), {}),
            (EINVAL, (999, 0, 512), {}),
            (0, (WRITE, 0, 0), {}),
            (0, (READ, 0, 0), {}),
            (0, (CACHE, 0, 512), {}),
            (0, (FLUSH, 0, 0), {'flags': 1}),
            (0, (ZEROES, 0, 512), {'flags': 3}),
        ]
        for expected, args, kwargs in rows:
            with self.subTest(args=args):
                self.assertEqual(client.error_of(*args, **kwargs), expected)
        self.check_fresh_client()

    def test_structured_errors_are_chunks(self):
        client = self.client().go(structured=True)
        client.request(READ, 1, 512)
        magic, flags, kind, cookie, length = struct.unpack('>IHHQI', client.recv(20))
        self.assertEqual((magic, flags, kind, cookie), (0x668E33EF, 1, 0x8001, 7))
        error, text_length = struct.unpack('>IH', client.recv(6))
        self.assertEqual(error, EINVAL)
        self.assertEqual(length, 6 + text_length)
        self.assertIn(b'aligned', client.recv(text_length))

    def test_extended_errors_and_that_every_payload_is_drained(self):
        client = self.client().go_extended(b'base:allocation')
        end, huge = 64 * MIB, 1 << 63
        sector = b'x' * 512
        rows = [
            (0, (WRITE, 0, 512), {'payload': sector, 'flags': PAYLOAD_LEN | 1}),
            (ENOSPC, (WRITE, end, 512), {'payload': sector, 'flags': PAYLOAD_LEN}),
            (EINVAL, (WRITE, 0, 33 * MIB), {'payload': b'x' * (33 * MIB), 'flags': PAYLOAD_LEN}),
            (0, (WRITE, 0, 0), {}),
            (0, (WRITE, 0, 512), {'payload': sector}),
            (EINVAL, (READ, 0, 512), {'payload': sector, 'flags': PAYLOAD_LEN}),
            (EINVAL, (READ, 0, huge), {}),
            (EINVAL, (READ, (1 << 64) - 512, huge), {}),
            (EINVAL, (FLUSH, 0, 512), {'payload': sector, 'flags': PAYLOAD_LEN}),
            (EINVAL, (STATUS, 0, 12), {'payload': b'x' * 12, 'flags': PAYLOAD_LEN}),
            (EINVAL, (999, 0, 512), {'payload': sector, 'flags': PAYLOAD_LEN}),
            (EINVAL, (TRIM, 0, huge), {}),
            (ENOSPC, (ZEROES, 512, (1 << 64) - 512), {}),
            (EINVAL, (STATUS, 0, huge), {}),
            (0, (TRIM, 0, end), {}),
            (0, (ZEROES, 0, end), {}),
            (0, (CACHE, 0, end), {}),
            (0, (FLUSH, 0, 0), {}),
        ]
        for expected, args, kwargs in rows:
            with self.subTest(args=args):
                self.assertEqual(client.extended_error(*args, **kwargs), expected)
        self.assertEqual(client.ask(READ, 512, 1024), (1, [struct.pack('>Q', 512) + bytes(1024)]))
        self.assertEqual(client.ask(STATUS, 0, end), (6, [struct.pack('>IIQQ', 1, 1, end, 0)]))
        self.check_fresh_client()

    def test_extended_requests_that_lose_the_framing_are_hung_up(self):
        for kind, flags, length in ((WRITE, 0, 65 * MIB), (WRITE, PAYLOAD_LEN, 65 * MIB),
                                    (READ, PAYLOAD_LEN, (1 << 64) - 1)):
            client = self.client().go_extended()
            client.send(struct.pack('>IHHQQQ', EXTENDED_REQUEST, flags, kind, 7, 0, length))
            self.assertTrue(client.at_end())
        client = self.client().go_extended()
        client.request(FLUSH)
        client.send(bytes(4))
        self.assertTrue(client.at_end())
        self.check_fresh_client()

    def test_write_beyond_the_drain_limit_is_hung_up(self):
        client = self.client().go()
        client.request(WRITE, 0, 0xFFFFFFFF)
        self.assertTrue(client.at_end())
        self.check_fresh_client()

    def test_half_close_is_answered_first(self):
        client = self.client().go()
        for cookie in range(100):
            client.request(READ, 0, 4096, cookie=cookie)
        client.sock.shutdown(socket.SHUT_WR)
        self.assertEqual({client.simple(4096)[1] for _ in range(100)}, set(range(100)))
        self.assertTrue(client.at_end())

    def test_disconnect_finishes_what_came_before(self):
        client = self.client().go()
        self.freeze()
        client.request(WRITE, 0, 4096, payload=b'a' * 4096)
        client.wait_until_executed()
        client.request(DISC)
        client.request(FLUSH)  # behind DISC: never answered
        self.thaw()
        self.assertEqual(client.simple()[0], 0)
        self.assertTrue(client.at_end())

    def test_disconnect_with_odd_fields_is_obeyed_in_both_reply_modes(self):
        rows = [{'flags': 0xFFFF}, {'flags': 4}, {'offset': 1 << 60}, {'length': 0xFFFFFFFF},
                {'flags': 0x8000, 'offset': 1, 'length': 33 * MIB}]
        for structured in (False, True):
            for fields in rows:
                with self.subTest(structured=structured, fields=fields):
                    client = self.client().go(structured)
                    client.request(DISC, **fields)
                    self.assertTrue(client.at_end())

    def test_export_name_of_70000_bytes_ends_the_session(self):
        for structured in (False, True):
            client = self.client()
            if structured:
                client.option(8)
                self.assertEqual(client.final_reply()[0], 1)
            try:
                client.option(1, b'x' * 70_000)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it need not read them
            self.assertTrue(client.at_end())
        self.check_fresh_client()

    def test_gone_in_the_middle_of_a_payload(self):
        client = self.client().go()
        client.request(WRITE, 0, 32 * MIB, payload=b'a' * 100_000)
        client.close()
        self.check_fresh_client()

    def test_gone_while_requests_are_frozen(self):
        client = self.client().go()
        self.freeze()
        for _ in range(10):  # within what a client may have in flight, so that the next request is read
            client.request(READ, 0, MIB)
        client.wait_until_executed()
        client.close()
        other = self.client().go()  # by now the server knows that the first is gone
        other.wait_until_executed()
        self.thaw()
        self.check_fresh_client()

    def test_never_reading_client_stalls_only_itself(self):
        stuck = self.client().go()
        stuck.sock.settimeout(1)
        asked = 0
        with self.assertRaises(TimeoutError):
            while asked < 100_000:
                stuck.request(READ, 0, MIB)
                asked += 1
        with open(f'/proc/{self.server.pid}/status', encoding='ascii') as status:
            rss_kib = next(int(line.split()[1]) for line in status if line.startswith('VmRSS'))
        self.assertLess(rss_kib, 200 * 1024)
        self.check_fresh_client()

    def test_one_byte_segments(self):
        client = self.client()
        stream = struct.pack('>QII', IHAVEOPT, 7, 6) + struct.pack('>IH', 0, 0)
        stream += struct.pack('>IHHQQI', REQUEST, 1, WRITE, 1, 512, 1024) + bytes(range(256)) * 4
        stream += struct.pack('>IHHQQI', REQUEST, 0, DISC, 3, 0, 0)
        for byte in stream:
            client.send(bytes([byte]))
        self.assertEqual(client.final_reply()[0], 1)
        self.assertEqual(client.simple()[:2], (0, 1))
        self.assertTrue(client.at_end())
        other = self.client().go()
        other.request(READ, 512, 1024)
        self.assertEqual(other.simple(1024)[2], bytes(range(256)) * 4)

    def test_go_and_requests_in_one_segment(self):
        client = self.client()
        client.send(struct.pack('>QII', IHAVEOPT, 7, 6) + struct.pack('>IH', 0, 0) +
                    struct.pack('>IHHQQI', REQUEST, 0, WRITE, 1, 0, 8192) + b'z' * 8192 +
                    struct.pack('>IHHQQI', REQUEST, 0, FLUSH, 2, 0, 0))
        self.assertEqual(client.final_reply()[0], 1)
        self.assertEqual({client.simple()[:2], client.simple()[:2]}, {(0, 1), (0, 2)})

    def test_mutated_extended_streams(self):
        extended = struct.pack('>IQII', 3, IHAVEOPT, 11, 0)
        extended += struct.pack('>QII', IHAVEOPT, 10, 27) + struct.pack('>I', 0)
        extended += struct.pack('>II', 1, 15) + b'base:allocation'
        extended += struct.pack('>QII', IHAVEOPT, 7, 6) + struct.pack('>IH', 0, 0)
        extended += struct.pack('>IHHQQQ', EXTENDED_REQUEST, PAYLOAD_LEN, WRITE, 1, 0, 512) + b'z' * 512
        extended += struct.pack('>IHHQQQ', EXTENDED_REQUEST, 0, STATUS, 2, 0, 4096)
        self.mutate(extended, random.Random(3))

    def test_mutated_compact_streams(self):
        good = struct.pack('>IQII', 3, IHAVEOPT, 8, 0)
        good += struct.pack('>QII', IHAVEOPT, 10, 31) + struct.pack('>I', 0)
        good += struct.pack('>II', 1, 15) + b'base:allocation' + b'....'
        good += struct.pack('>QII', IHAVEOPT, 7, 6) + struct.pack('>IH', 0, 0)
        good += struct.pack('>IHHQQI', REQUEST, 0, WRITE, 1, 0, 512) + b'z' * 512
        good += struct.pack('>IHHQQI', REQUEST, 0, STATUS, 2, 0, 4096)
        self.mutate(good, random.Random(2))

    def mutate(self, good, chance):
        for _ in range(300):
            stream = bytearray(good)
            for _ in range(chance.randrange(1, 6)):
                stream[chance.randrange(len(stream))] = chance.choice((0, 1, 0x7F, 0xFF))
            client = Client(self.path, greet=False)
            try:
                client.send(stream[:chance.randrange(len(stream))])
                client.send(stream)
                client.sock.shutdown(socket.SHUT_WR)
                while client.sock.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError, OSError) as error:
                self.assertNotIsInstance(error, TimeoutError)
            client.close()
        self.check_fresh_client()

    def test_socket_is_private(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)


class Lifecycle(ServerCase):
    options = ['connections=3', 'handshakes=4', 'stop-ms=1500']

    def test_stop_answers_what_is_outstanding_and_refuses_the_rest(self):
        client = self.client().go()
        self.freeze()
        client.request(WRITE, 0, 512, payload=b'a' * 512, cookie=1)
        client.wait_until_executed()
        self.stop()
        client.request(FLUSH, cookie=2)
        self.assertEqual(client.simple()[:2], (ESHUTDOWN, 2))
        self.thaw()
        self.assertEqual(client.simple()[:2], (0, 1))
        self.assertTrue(client.at_end())

    def test_stop_does_not_wait_for_a_client_that_never_reads(self):
        client = self.client().go()
        for _ in range(20):
            client.request(READ, 0, MIB)
        started = time.monotonic()
        self.stop()
        self.server.wait(timeout=10)
        self.assertLess(time.monotonic() - started, 5)

    def test_too_many_clients(self):
        held = [self.client().go() for _ in range(3)]
        extra = self.client()
        for structured in (False, True):
            for number in (6, 7):
                if structured:
                    extra.option(8)
                    self.assertEqual(extra.final_reply()[0], 1)
                extra.option(number, struct.pack('>IH', 0, 0))
                kind, text = extra.final_reply()
                self.assertEqual(kind, 0x80000002)
                self.assertIn(b'3 clients', text)
        extra.option(1)
        self.assertTrue(extra.at_end())
        held[0].request(DISC)
        self.assertTrue(held[0].at_end())
        self.check_fresh_client()

    def test_a_hundred_idle_handshakes_keep_nobody_out(self):
        settled = self.client().go()
        idle = [self.client(greet=chance % 2 == 0) for chance in range(100)]
        for structured in (False, True):
            self.client().go(structured).request(DISC)
        self.assertEqual(settled.error_of(FLUSH), 0)
        idle[0].sock.settimeout(1)
        self.assertTrue(idle[0].at_end())  # the oldest has gone, the newest is still served
        idle[-2].go()

    def test_second_server_is_refused_and_a_dead_ones_socket_replaced(self):
        second = subprocess.run([SERVER, self.path, '64'], capture_output=True, text=True,
                                timeout=10, check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn('another server answers', second.stderr)
        self.check_fresh_client()
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()
        self.assertTrue(os.path.exists(self.path))
        self.server = self.start_server()
        self.check_fresh_client()


class Carrier(ServerCase):
    """The process that carries /dev/drbdN comes back after the daemon's restart, whoever was faster."""
    PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location('hostile', sys.argv[1])
sys.argv = sys.argv[:1] + ['']
hostile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)
path = input()
client = hostile.Client(path)
print('greeted', flush=True)
input()
client.go(structured=path.endswith('x'))
assert client.error_of(hostile.FLUSH) == 0
print('served', flush=True)
input()
"""

    @property
    def options(self):
        return ['connections=3', 'handshakes=2', f'carrier={self.folder}/pid']

    def test_neither_limit_is_for_the_carrier(self):
        with subprocess.Popen([sys.executable, '-c', self.PROGRAM, __file__], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as carrier:
            self.addCleanup(carrier.kill)
            with open(self.folder + '/pid', 'w', encoding='ascii') as file:
                file.write(f'{carrier.pid}\n')
            for _ in range(3):
                self.client().go()
            carrier.stdin.write(self.path + '\n')
            carrier.stdin.flush()
            self.assertEqual(carrier.stdout.readline(), 'greeted\n')
            for _ in range(5):
                self.client()  # more handshakes than there is room for
            carrier.stdin.write('\n')
            carrier.stdin.flush()
            self.assertEqual(carrier.stdout.readline(), 'served\n')
            carrier.stdin.write('\n')
            carrier.stdin.flush()


class Secondary(ServerCase):
    options = ['secondary']

    def test_go_is_refused_in_words(self):
        client = self.client()
        for number in (6, 7):
            client.option(number, struct.pack('>IH', 0, 0))
            kind, text = client.final_reply()
            self.assertEqual(kind, 0x80000002)
            self.assertIn(b'r0 is Secondary', text)
        client.option(3)
        self.assertEqual(client.reply()[1:], (1, b''))
        client.option(1, b'drbd0')
        self.assertTrue(client.at_end())


class ReadOnly(ServerCase):
    options = ['read-only', 'block=4096']

    def test_changes_are_refused(self):
        client = self.client().go()
        page = b'x' * 4096
        self.assertEqual(client.error_of(WRITE, 0, 4096, payload=page), EPERM)
        self.assertEqual(client.error_of(TRIM, 0, 4096), EPERM)
        self.assertEqual(client.error_of(ZEROES, 0, 4096), EPERM)
        self.assertEqual(client.error_of(READ, 100, 512), EINVAL)  # 512 is always taken, whatever is preferred
        client.request(READ, 4096, 4096)
        self.assertEqual(client.simple(4096), (0, 7, bytes(4096)))

    def check_fresh_client(self):
        raise NotImplementedError


if __name__ == '__main__':
    unittest.main(verbosity=1)
