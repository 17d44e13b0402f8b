"""A peer that is no drbdd: it speaks DRBD 8.4's protocol as far as a scenario wants, from a node's place in the network."""

import contextlib
import ctypes
import os
import socket
import struct

from sandbox import Failed

DATA, DATA_REQUEST, RS_DATA_REQUEST, BARRIER, STATE_CHG_REQ, TRIM = 0x00, 0x08, 0x09, 0x03, 0x12, 0x31
PROTOCOL, UUIDS, SIZES, STATE, SYNC_PARAM = 0x0b, 0x0c, 0x0d, 0x0e, 0x23
CHALLENGE, RESPONSE, PING = 0x10, 0x11, 0x13
FIRST_DATA, FIRST_META, FEATURES = 0xfff2, 0xfff1, 0xfffe
FLUSH, DISCARD, SEND_WRITE_ACK = 32, 64, 256
SECONDARY_UPTODATE = 2 | 8 << 4 | 8 << 9  # role, connection (WFConnection), disk


@contextlib.contextmanager
def network_of(node):
    """Sockets that are made inside belong to the node."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    its = os.open(f"/proc/{node.init}/ns/net", os.O_RDONLY)
    try:
        if libc.setns(its, 0) != 0:
            raise Failed(f"setns: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        libc.setns(own, 0)
        os.close(own)
        os.close(its)


def old_header(command, length=0):
    return struct.pack(">IHH", 0x83740267, command, length)


def packet(command, body=b"", payload_bytes=0):
    return struct.pack(">IHHII", 0x8620ec20, 0, command, len(body) + payload_bytes, 0) + body


def block_request(command, sector, size, number):
    return packet(command, struct.pack(">QQII", sector, number, size, 0))


def write(sector, number, flags, payload=b""):
    return packet(DATA, struct.pack(">QQII", sector, number, 0, flags), len(payload)) + payload


def trim(sector, size, number):
    return packet(TRIM, struct.pack(">QQIII", sector, number, 0, DISCARD | SEND_WRITE_ACK, size))


class WirePeer:
    """Two connections from `node` to a drbdd, which has its own connections to the node refused."""

    def __init__(self, node, address, port, seconds=5):
        with network_of(node):
            self.data, self.meta = (socket.create_connection((address, port), seconds, (node.address, 0)) for _ in range(2))
        self.data.sendall(old_header(FIRST_DATA))
        self.meta.sendall(old_header(FIRST_META))

    def close(self):
        self.data.close()
        self.meta.close()

    def _exactly(self, count):
        got = b""
        while len(got) < count:
            more = self.data.recv(count - len(got))
            if not more:
                raise ConnectionError("the node has closed the connection")
            got += more
        return got

    def features(self):
        """Agrees to everything."""
        magic, command, length = struct.unpack(">IHH", self._exactly(8))
        if command != FEATURES:
            raise Failed(f"expected features, got packet {command:#x} (magic {magic:#x})")
        self.data.sendall(old_header(FEATURES, length) + self._exactly(length))

    def receive(self, wanted):
        """The body of the next packet on the data socket, which is of the wanted kind."""
        command, length = struct.unpack(">6xHI4x", self._exactly(16))
        body = self._exactly(length)
        if command != wanted:
            raise Failed(f"expected packet {wanted:#x}, got {command:#x}")
        return body

    def become_twin(self):
        """Tells the node of itself what it tells us: the same data, of the same size; Secondary."""
        self.features()
        for command in (PROTOCOL, SYNC_PARAM, SIZES, UUIDS):
            self.data.sendall(packet(command, self.receive(command)))
        self.receive(STATE)
        self.data.sendall(packet(STATE, struct.pack(">I", SECONDARY_UPTODATE)))
        return self
