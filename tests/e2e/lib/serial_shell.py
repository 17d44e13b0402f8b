"""A shell in a QEMU guest, over one of its serial ports: it does not depend on the network that a test is about.

In the guest an agent reads lines ID BASE64(script), runs each script and answers ==BEGIN ID STATUS, BASE64(output) in
lines, ==END ID.
"""

import base64
import socket
import time

from sandbox import Failed


class SerialShell:
    """`path`: the unix socket of the port; `report()`: what to show when there is no answer."""

    def __init__(self, name, path, report):
        self.name, self.report = name, report
        self.sequence = 0
        self.received = b""
        self.port = socket.socket(socket.AF_UNIX)
        self.port.connect(path)

    def close(self):
        self.port.close()

    def run(self, script, check=True, seconds=120):
        """(exit code, stdout and stderr) of a shell script in the guest."""
        self.sequence += 1
        self.port.sendall(f"{self.sequence} {base64.b64encode(script.encode()).decode()}\n".encode())
        end = time.monotonic() + seconds
        code, body = None, []
        while True:
            line = self._line(end, script)
            if line.startswith(f"==BEGIN {self.sequence} "):
                code = int(line.split()[2])
            elif line == f"==END {self.sequence}" and code is not None:
                break
            elif code is not None:
                body.append(line)
        output = base64.b64decode("".join(body)).decode(errors="replace")
        if check and code:
            raise Failed(f"{self.name} (guest): `{script}`: exit {code}\n{output}")
        return code, output

    def wait_for(self, word, seconds):
        """Until the agent has said `word` in a line of its own."""
        end = time.monotonic() + seconds
        while self._line(end, f"wait for {word}") != word:
            pass

    def _line(self, end, script):
        while b"\n" not in self.received:
            self.port.settimeout(max(end - time.monotonic(), 0.01))
            try:
                received = self.port.recv(65536)
            except TimeoutError:
                raise Failed(f"{self.name} (guest): `{script}` gave no answer in time\n{self.report()}") from None
            except ConnectionError:
                received = b""
            if not received:
                raise Failed(f"{self.name} (guest): it ended\n{self.report()}")
            self.received += received
        line, self.received = self.received.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")
