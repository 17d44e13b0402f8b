"""A client at the service address that knows which of its rows were acknowledged, and how long it had to wait for one."""

import threading
import time

from ha_node import enter_network
from sandbox import Failed

try:
    import pymysql
except ImportError:  # listing the scenarios must work without it
    pymysql = None

RETRY_S = 0.02
CONNECT_S = 0.3  # a service address without a machine swallows what is sent to it: soon, another try
ANSWER_S = 3.0


class SqlWriter(threading.Thread):
    """Commits numbered rows to app.t, each in a transaction, over a new connection whenever one fails."""

    def __init__(self, node, host, answer_s=ANSWER_S, connect_s=CONNECT_S):
        super().__init__(daemon=True)
        self.node, self.host, self.answer_s, self.connect_s = node, host, answer_s, connect_s
        self.acked = {}  # number -> when the answer came
        self._asked = {}  # number -> when it was sent
        self.error = None
        self._last_error = "none yet"
        self._stopping = threading.Event()

    def run(self):
        try:
            enter_network(self.node)
            number = 0
            while not self._stopping.is_set():
                number = self._one_connection(number)
                time.sleep(RETRY_S)
        except Exception as error:  # told by stop(), in the thread of the scenario
            self.error = error

    def _one_connection(self, number):
        connection = None
        try:
            connection = pymysql.connect(host=self.host, user="web", password="w", database="app", connect_timeout=self.connect_s,
                                         read_timeout=self.answer_s, write_timeout=self.answer_s, autocommit=True)
            cursor = connection.cursor()
            while not self._stopping.is_set():
                number += 1
                self._asked[number] = time.monotonic()
                cursor.execute("insert into t values(%s, unix_timestamp(now(6)))", (number,))
                self.acked[number] = time.monotonic()
                time.sleep(0.002)
        except (pymysql.Error, OSError) as error:
            self._last_error = error
        finally:
            if connection and connection.open:
                connection._force_close()
        return number

    def first_after(self, moment, seconds):
        """When the first row was acknowledged that was sent after `moment`, waiting for it: the answer to an earlier one may
        have lain here already, from a server that has ended since."""
        end = time.monotonic() + seconds
        while True:
            later = [at for number, at in self.acked.copy().items() if self._asked[number] > moment]
            if later:
                return min(later)
            if self.error or time.monotonic() > end:
                raise Failed(f"no row was committed for {seconds} s; the client: {self.error or self._last_error}")
            time.sleep(0.02)

    def interruption(self, since, seconds):
        """The longest time without an acknowledged row since then, once rows are acknowledged again."""
        until_then = self.first_after(time.monotonic(), seconds)
        times = sorted(at for at in list(self.acked.values()) if at <= until_then)
        return max(later - earlier for earlier, later in zip(times, times[1:]) if later > since)

    def stop(self):
        self._stopping.set()
        self.join(10)
        if self.is_alive() or self.error:
            raise Failed(f"the client: {self.error or 'hangs'}")
