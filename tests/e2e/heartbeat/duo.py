"""Two nodes with our heartbeat daemon and little else: a service address, and a stand-in for a service that knows, outside of
both nodes, who runs it. So a second holder is noticed at the moment when it starts, however short it lives."""

import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))

from cluster import ROOT, until  # noqa: E402, F401
from ha_node import HaNode, OURS, Wires  # noqa: E402
from sandbox import Failed, Skip, choose, out_of, run  # noqa: E402, F401

SERVICE = "10.77.0.100"
ROUTER = "10.77.0.254"
KEEPALIVE_MS, DEADTIME_MS = 200, 1500
DEADTIME = DEADTIME_MS / 1000
SOON = 10  # for what takes a moment on a quiet machine
TOGETHER = 30  # two nodes that start at once wait ten seconds for each other
SERVICE_AGENT = """#!/bin/sh
# Usage: service start|stop|status. {shared}/holder is outside of the nodes.
me=$(uname -n)
case $1 in
start)
    echo "$(date +%s.%N) $me start" >> {shared}/calls
    [ ! -e {shared}/refuses-$me ] || {{ echo "the service is told to refuse"; exit 1; }}
    [ ! -e {shared}/slow ] || sleep "$(cat {shared}/slow)"
    ln -s "$me" {shared}/holder 2> /dev/null || [ "$(readlink {shared}/holder)" = "$me" ] ||
        echo "$me started while $(readlink {shared}/holder) held it" >> {shared}/conflicts
    touch /run/service ;;
stop)
    echo "$(date +%s.%N) $me stop" >> {shared}/calls
    rm -f /run/service
    [ "$(readlink {shared}/holder)" != "$me" ] || rm -f {shared}/holder ;;
status) if [ -e /run/service ]; then echo "service is running"; else echo "service is stopped"; exit 3; fi ;;
esac
exit 0
"""
ALARM = "#!/bin/sh\necho \"$HB_ALARM_NODE $1 $2\" >> /var/log/alarms\n"


def expect(condition, text):
    if not condition:
        raise Failed(text() if callable(text) else text)


def ha_cf(*lines, failback="off", keepalive=KEEPALIVE_MS, deadtime=DEADTIME_MS):
    return "\n".join(["logfile /var/log/ha-log", "logfacility none", f"keepalive {keepalive}ms", f"deadtime {deadtime}ms",
                      f"initdead {deadtime}ms", *lines, f"auto_failback {failback}", "node node-a node-b", ""])


class Duo:
    """node-a is the home of the resources. `lines(node, peer)`: what ha.cf has beside times and members; both are numbers."""

    last = None  # for the report after a failure

    def __init__(self, work, lines=None, policy="", resources=f"IPaddr::{SERVICE}/24/eth0 service", **options):
        Duo.last = self
        Wires("service", "heartbeat")
        out_of("ip", "address", "add", f"{ROUTER}/24", "dev", "service")
        self.work = work
        self.legacy = options.get("failback") == "legacy"
        self.shared = f"{work}/shared"
        os.makedirs(self.shared)
        self.nodes = [HaNode(work, f"node-{x}", {"eth0": ("service", f"10.77.0.{n}"), "eth1": ("heartbeat", f"10.77.1.{n}")}, OURS)
                      for x, n in (("a", 1), ("b", 2))]
        self.a, self.b = self.nodes
        for node, own, peer in ((self.a, 1, 2), (self.b, 2, 1)):
            shutil.copytree(os.path.join(ROOT, "packaging/ha.d"), node.ha_dir, dirs_exist_ok=True, symlinks=True)
            added = lines(own, peer) if lines else [f"ucast eth1 10.77.1.{peer}", f"ucast eth0 10.77.0.{peer}"]
            node.install({"ha.cf": ha_cf(*added, **options), "haresources": f"node-a {resources}\n",
                          "authkeys": "auth 1\n1 sha1 0123456789abcdef\n",
                          "ha_policy.cf": "alarm command /etc/ha.d/alarm\n" + policy})
            self.script(node, "ha.d/resource.d/service", SERVICE_AGENT.format(shared=self.shared))
            self.script(node, "ha.d/alarm", ALARM)
            node.boot()

    @staticmethod
    def script(node, path, text):
        """An executable file below the node's own directory."""
        os.makedirs(os.path.dirname(f"{node.dir}/{path}"), exist_ok=True)
        node._write(path, text)

    @staticmethod
    def program(node, path, text):
        """An executable file at a place of the machine, for this node only; its folder must exist."""
        private = f"{node.dir}/programs/{os.path.basename(path)}"
        os.makedirs(os.path.dirname(private), exist_ok=True)
        with open(private, "w") as file:
            file.write(text)
        os.chmod(private, 0o755)
        folder = os.path.dirname(path)
        with open(f"/proc/{node.init}/mounts") as mounts:
            covered = any(line.split()[1] == folder for line in mounts)
        if not covered:  # so that nothing is made on the machine itself
            layer = f"/run/layer{folder.replace('/', '-')}"
            node.run("sh", "-c", f"mkdir {layer} && cd {layer} && mkdir up work && "
                                 f"mount -t overlay overlay -o lowerdir={folder},upperdir=up,workdir=work {folder}")
        node.run("cp", private, path)

    # ---- bringing it up ----
    def up(self, seconds=SOON):
        """node-a holds the service and node-b is a member, without the wait of two nodes that start together."""
        self.a.start_heartbeat()
        self.holds(self.a, seconds, "the first node, alone")
        return self.join(self.b)

    def join(self, node):
        peer = self.other(node)
        node.start_heartbeat()
        until(lambda: self.member(peer, node) and self.member(node, peer), SOON, f"{node.name} is no member")
        if not self.legacy:  # it has told what it holds
            self.until_log(peer, f"remote resource transition: {node.name} is starting")
        return self

    def start_together(self):
        for node in self.nodes:
            node.start_heartbeat()
        self.holds(self.a, TOGETHER, "start together")
        self.stable()
        return self

    def stable(self, seconds=TOGETHER):
        until(lambda: all(node.resource_status() in ("none", "local", "foreign", "all") for node in self.nodes), seconds,
              lambda: f"in transition: {[node.resource_status() for node in self.nodes]}")

    def other(self, node):
        return self.b if node is self.a else self.a

    @staticmethod
    def member(node, peer):
        """`node` sees `peer` as an active member."""
        return node.run(node.tool("cl_status"), "nodestatus", peer.name, check=False, quiet=True)[1].strip() == "active"

    # ---- what is seen ----
    def holder(self):
        try:
            return os.readlink(f"{self.shared}/holder")
        except FileNotFoundError:
            return None

    def holds(self, node, seconds=SOON, why=""):
        until(lambda: self.holder() == node.name and node.exists("/run/service"), seconds,
              lambda: f"{why}: {node.name} should hold the service, and {self.holder()} does")

    def stays(self, node, seconds, why):
        """`node` holds it all the time, and nobody else has tried."""
        calls = self.calls()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            expect(self.holder() == (node.name if node else None), lambda: f"{why}: {self.holder()} holds the service")
            time.sleep(0.05)
        expect(self.calls() == calls, lambda: f"{why}: {self.calls()[len(calls):]}")

    def calls(self):
        return self._lines("calls")

    def _lines(self, name):
        path = f"{self.shared}/{name}"
        if not os.path.exists(path):
            return []
        with open(path) as file:
            return [line.strip() for line in file]

    def note(self, name, text=""):
        """Tells the agents of both nodes something."""
        with open(f"{self.shared}/{name}", "w") as file:
            file.write(text)

    @staticmethod
    def alarms(node, kind=""):
        path = f"{node.log_dir}/alarms"
        if not os.path.exists(path):
            return []
        with open(path) as file:
            return [line.strip() for line in file if line.split()[1].startswith(kind)]

    def until_alarm(self, node, kind, *words, seconds=SOON):
        until(lambda: any(all(word in line for word in words) for line in self.alarms(node, kind)), seconds,
              lambda: f"{node.name}: no alarm {kind} {words}; there are {self.alarms(node)}")

    @staticmethod
    def until_log(node, *words, seconds=SOON):
        until(lambda: any(all(word in line for word in words) for line in node.log_lines(words[0])), seconds,
              f"{node.name}: the log does not say {words}")

    # ---- faults ----
    def power_off(self, node):
        """Everything of the node ends. What it held is free from then on."""
        node.power_cut()
        if self.holder() == node.name:
            os.remove(f"{self.shared}/holder")

    def stop(self, *nodes):
        for node in nodes or reversed(self.nodes):
            if node.alive():
                node.stop_heartbeat(20)
        self.check()

    def check(self):
        expect(not self._lines("conflicts"), lambda: f"two holders: {self._lines('conflicts')}")

    def report(self):
        print("calls: " + "; ".join(self.calls()))
        for node in self.nodes:
            node.report()
            print(f"---- {node.name}: alarms\n" + "\n".join(self.alarms(node)))


def main(*scenarios, programs=(), seconds=120):
    run(choose(scenarios), programs, seconds, lambda: Duo.last and Duo.last.report())
