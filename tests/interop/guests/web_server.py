"""A real server behind the director of a virtual server, with direct routing: it has the service's address on lo and is silent about it."""

import socket
import subprocess
import sys

from sandbox import child_of, namespaces, out_of

PORT = 80
ANSWER = f"""import socket, sys
server = socket.create_server(("", {PORT}))
while True:
    client, _ = server.accept()
    client.sendall(sys.argv[1].encode())
    client.close()
"""


class WebServer:
    """A host of its own on `bridge`. Ends with the test."""

    def __init__(self, name, address, virtual, bridge):
        self.unshare = subprocess.Popen([*namespaces("net", "mount"), sys.executable, "-c", ANSWER, name], stdin=subprocess.DEVNULL)
        while (pid := child_of(self.unshare.pid)) is None:
            pass
        inside = ("nsenter", "--target", str(pid), "--net")
        out_of("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        out_of("ip", "link", "set", name, "master", bridge, "up")
        # Not asked for by ARP, and not told: that is the director's.
        out_of(*inside, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
        out_of(*inside, "ip", "address", "add", f"{virtual}/32", "dev", "lo")
        out_of(*inside, "ip", "link", "set", "lo", "up")
        out_of(*inside, "ip", "address", "add", f"{address}/24", "dev", "eth0")
        out_of(*inside, "ip", "link", "set", "eth0", "up")


def who_answers(virtual, seconds=60):
    """The name of the real server that a client of the virtual one gets."""
    with socket.create_connection((virtual, PORT), timeout=seconds) as client:
        return client.recv(64).decode()
