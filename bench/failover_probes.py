"""What tells when the service is back: seen from a client, and on the node that took over."""

import os
import socket
import struct
import threading
import time

from ha_node import enter_network

INTERVAL_S = 0.005


class Pinger(threading.Thread):
    """Echo requests from a node to an address, many per second, and when each was answered."""

    def __init__(self, node, address):
        super().__init__(daemon=True)
        self.node, self.address = node, address
        self.answers = []
        self._stopping = threading.Event()

    def run(self):
        enter_network(self.node)
        echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        echo.settimeout(INTERVAL_S)
        number = 0
        while not self._stopping.is_set():
            number = (number + 1) & 0xFFFF
            try:
                echo.sendto(_request(number), (self.address, 0))
                while True:
                    packet = echo.recv(256)
                    if packet[20] == 0 and struct.unpack_from("!H", packet, 26)[0] == number:
                        break
                self.answers.append(time.monotonic())
                time.sleep(INTERVAL_S)
            except OSError:
                continue  # no answer in time, or nobody has the address

    def first_after(self, moment):
        return next((at for at in list(self.answers) if at > moment), None)

    def stop(self):
        self._stopping.set()
        self.join()


def _request(number):
    header = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, number)
    total = sum(struct.unpack("!4H", header))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", 8, 0, checksum, os.getpid() & 0xFFFF, number)


class MountWatch(threading.Thread):
    """When a file on the mirrored file system could be written and synced on a node."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node = node
        self.writable_at = None
        self._stopping = threading.Event()
        self.start()

    def run(self):
        while self.writable_at is None and not self._stopping.wait(INTERVAL_S):
            try:
                with open(f"/proc/{self.node.init}/mounts") as mounts:
                    if not any(line.split()[1:3] == ["/srv", "ext4"] for line in mounts):
                        continue
                with open(f"/proc/{self.node.init}/root/srv/bench", "w") as file:
                    file.write("writable\n")
                    file.flush()
                    os.fsync(file.fileno())
                self.writable_at = time.monotonic()
            except OSError:
                continue  # not yet

    def stop(self):
        self._stopping.set()
        self.join()
