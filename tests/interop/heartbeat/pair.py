"""Two heartbeat nodes, one of them the original, with a service address and a stand-in for mysqld as their resources."""

import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../e2e/lib"))

from cluster import until  # noqa: E402
from ha_node import HaNode, ORIGINAL, OURS, Wires  # noqa: E402
from sandbox import Failed  # noqa: E402

SERVICE = "10.77.0.100"
DEADTIME_S = 2
# Starting, stopping and moving resources takes the original about a second, and its start-up waits for 10 s.
SOON, START, RETURN, HEALING = 12, 40, 40, 90
KEYS = {"sha1": "auth 1\n1 sha1 47e9336850f1db6fa58bc470bc9b7810eb397f04\n", "md5": "auth 3\n3 md5 Hello!\n",
        "crc": "auth 2\n2 crc\n"}
# What the original says of its own affairs; anything else of this severity is about us.
OWN_AFFAIRS = ("Cannot lock ourselves into memory", "udpport setting must precede", "Shared disks are not protected", "STONITH", "Late heartbeat",
               "Resetting node", "returning after partition")
MYSQLD = """#!/bin/sh
S=/run/fake-mysqld
echo "$(date +%s.%N) $1" >> /var/log/resource-calls.log
case $1 in
  start) touch $S ;;
  stop) rm -f $S ;;
  status) if [ -e $S ]; then echo "mysqld is running"; else echo "mysqld is stopped"; exit 3; fi ;;
esac
exit 0
"""


def configuration(media, failback):
    return "\n".join(["logfile /var/log/ha-log", "debugfile /var/log/ha-debug", "logfacility none", "keepalive 200ms",
                      f"deadtime {DEADTIME_S}", "warntime 1", "initdead 6", *media, f"auto_failback {failback}",
                      "node node-a node-b", ""])


class Pair:
    """node-a is the home of the resources. `kinds`: who is the original, who is ours."""

    def __init__(self, work, media, auth, failback, kinds=(ORIGINAL, OURS)):
        Wires("service", "heartbeat")
        self.work, self.failback = work, failback
        self.serial = None
        self.nodes = [HaNode(work, f"node-{x}", {"eth0": ("service", f"10.77.0.{n}"), "eth1": ("heartbeat", f"10.77.1.{n}")},
                             kind) for (x, n), kind in zip((("a", 1), ("b", 2)), kinds)]
        self.a, self.b = self.nodes
        for node, peer in ((self.a, 2), (self.b, 1)):
            shutil.copytree("/etc/ha.d", node.ha_dir, dirs_exist_ok=True, symlinks=True)
            node.install({"ha.cf": configuration(self._media(media, node, peer), failback),
                          "haresources": f"node-a IPaddr::{SERVICE}/24/eth0:1 mysqld\n", "authkeys": KEYS[auth]})
            node._write("ha.d/resource.d/mysqld", MYSQLD)
            node.boot()

    def _media(self, media, node, peer):
        if media == "serial":
            self._lay_serial_line()
            return ["baud 115200", f"serial {self.work}/tty-{node.name}"]
        return {"ucast": [f"ucast eth1 10.77.1.{peer}"], "bcast": ["bcast eth1"], "mcast": ["mcast eth1 225.0.0.130 694 1 0"]}[media]

    def _lay_serial_line(self):
        if self.serial:
            return
        ends = [f"pty,raw,echo=0,link={self.work}/tty-node-{x}" for x in "ab"]
        self.serial = subprocess.Popen(["socat", *ends], stdin=subprocess.DEVNULL)
        until(lambda: all(os.path.exists(f"{self.work}/tty-node-{x}") for x in "ab"), 5, "socat made no serial line")

    # ---- what is seen from outside ----
    def holders(self):
        """Names of the nodes that have the service address, and of those that run the stand-in."""
        return tuple({node.name for node in self.nodes if node.alive() and has(node)}
                     for has in (lambda node: node.holds(SERVICE), lambda node: node.exists("/run/fake-mysqld")))

    def expect(self, holder, seconds, why):
        """Until the holder has address and service and the other neither."""
        wanted = {holder.name}
        until(lambda: self.holders() == (wanted, wanted), seconds,
              lambda: f"{why}: {holder.name} should hold the service; address on {self.holders()[0]}, service on {self.holders()[1]}")

    def stable(self, seconds=START):
        """Until no node that runs heartbeat is in transition: then commands are heard."""
        def settled():
            return all(node.resource_status() in ("none", "local", "foreign", "all") for node in self.nodes if node.running)
        until(settled, seconds, lambda: f"still in transition: {[node.resource_status() for node in self.nodes]}")

    def stays(self, holder, seconds, why):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.holders() != ({holder.name}, {holder.name}):
                raise Failed(f"{why}: address on {self.holders()[0]}, service on {self.holders()[1]}")
            time.sleep(0.2)

    def settles(self, seconds, quiet, why):
        """Until one node holds the service and nothing has changed for `quiet` seconds. Returns that node."""
        end, since, last = time.monotonic() + seconds, time.monotonic(), None
        while True:
            now = self.holders()
            if now != last:
                since, last = time.monotonic(), now
            address, service = now
            if len(address) == 1 and address == service and time.monotonic() - since > quiet:
                return next(node for node in self.nodes if node.name in address)
            if time.monotonic() > end:
                raise Failed(f"{why}: no single holder that lasts; address on {address}, service on {service}")
            time.sleep(0.2)

    # ---- what is done to it ----
    def start(self, *nodes):
        for node in nodes or self.nodes:
            node.start_heartbeat()
            node.running = True

    def stop(self, node):
        node.stop_heartbeat()
        node.running = False

    def crash(self, node):
        node.power_cut()
        node.running = False

    def boot(self, node):
        node.boot()
        self.start(node)

    def moves(self, command, holder, why):
        """An operator's command makes `holder` the holder; the service has stopped there before it starts here."""
        self.stable()
        giver = next(node for node in self.nodes if node is not holder)
        command()
        self.expect(holder, SOON, why)
        stopped, started = self._last_call(giver, "stop"), self._last_call(holder, "start")
        if stopped > started:
            raise Failed(f"{why}: {holder.name} started the service {stopped - started:.3f} s before {giver.name} had stopped it")
        self.stable()

    @staticmethod
    def _last_call(node, verb):
        with open(f"{node.log_dir}/resource-calls.log") as log:
            return max((float(line.split()[0]) for line in log if line.split()[1] == verb), default=0.0)

    def check_logs(self):
        """The original has nothing to complain about."""
        complaints = [f"{node.name}: {line}" for node in self.nodes if node.kind == ORIGINAL
                      for line in node.log_lines("ERROR", "CRIT") if not any(word in line for word in OWN_AFFAIRS)]
        if complaints:
            raise Failed("the original complains:\n" + "\n".join(complaints[:20]))

    def report(self):
        for node in self.nodes:
            node.report()
