"""A database client that knows which of its rows were acknowledged."""

import select
import subprocess
import threading
import time

from sandbox import Failed


def end(client):
    """Its stdin ends the program itself, which is a grandchild: nsenter stands between."""
    try:
        client.stdin.close()
    except OSError:
        pass  # what could not be sent is not acknowledged either
    client.stdout.close()
    client.kill()
    client.wait()


class RowClient(threading.Thread):
    """Commits numbered rows from a node, over a new connection whenever one breaks, and remembers each answered COMMIT.

    It speaks through the mariadb program, which must not reconnect by itself: a COMMIT on a new connection commits nothing.
    """

    def __init__(self, node, host):
        super().__init__(daemon=True)
        self.node, self.host = node, host
        self.acked = {}  # number -> when the answer came
        self.last = 0
        self.last_time = 0.0
        self._stopping = threading.Event()

    def run(self):
        number = 0
        while not self._stopping.is_set():
            client = self.node.start("mariadb", "--no-defaults", "-h", self.host, "-uweb", "-pw", "--connect-timeout=1", "-N",
                                     "--unbuffered", "--skip-reconnect", "--abort-source-on-error", "app",
                                     pipe=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            try:
                while not self._stopping.is_set():
                    number += 1
                    if not self._commit(client, number):
                        break
            except OSError:
                pass  # the connection broke: this number stays unacknowledged
            end(client)
            time.sleep(0.05)

    def _commit(self, client, number):
        client.stdin.write(b"begin; insert into t values(%d, unix_timestamp(now(6))); commit; select %d;\n" % (number, number))
        client.stdin.flush()
        if not select.select([client.stdout], [], [], 2)[0] or client.stdout.readline().strip() != b"%d" % number:
            return False
        self.last, self.last_time = number, time.monotonic()
        self.acked[number] = self.last_time
        return True

    def stop(self):
        self._stopping.set()
        self.join(10)
        if self.is_alive():
            raise Failed("the client hangs")

    def rate(self):
        times = list(self.acked.values())
        return len(times) / max(times[-1] - times[0], 0.001)

    def first_after(self, moment):
        return min(at for at in list(self.acked.values()) if at > moment)
