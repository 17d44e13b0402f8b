"""Nodes that take part in a failover: several links each, a /dev, /etc/ha.d and /var of their own, and a heartbeat daemon.

Inside sandbox.run(), like cluster.py. The daemon is ours or the original (Debian's heartbeat 3.0.6), chosen per node.
What resource agents of a real machine may do is kept inside: a reboot ends the node, and nothing of /etc is changed.
"""

import ctypes
import os
import shutil
import signal
import stat
import subprocess

from cluster import BIN, Node, until
from sandbox import Failed, child_of, namespaces, out_of

ORIGINAL, OURS = "original", "ours"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "fuse", "loop-control")
ORIGINAL_DAEMON = "/usr/libexec/heartbeat/heartbeat"
ORIGINAL_TOOLS = "/usr/share/heartbeat"
CLONE_NEWNET = 0x40000000
# reboot(2) ends a PID namespace, of which this node is one.
REBOOT = "#!/bin/sh\necho reboot $* >> /var/log/reboots\nexec python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x1234567)'\n"
BOOT = """
set -e
hostname {name}
mount --rbind /dev/pts {dir}/dev/pts
mount -t tmpfs tmpfs {dir}/dev/shm
mount --rbind {dir}/dev /dev
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/drbdd /run/resource-agents /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd
chown -R hacluster:haclient /run/heartbeat
mount --bind {dir}/ha.d /etc/ha.d
mount --bind {dir}/lib /var/lib/heartbeat
mount --bind {dir}/varlog /var/log
[ ! -e {drbd_conf} ] || mount --bind {drbd_conf} /etc/drbd.conf
for tool in drbdadm drbdsetup drbdmeta; do [ ! -e {bin}/$tool ] || mount --bind {bin}/$tool /sbin/$tool; done
[ ! -e /sbin/reboot ] || mount --bind {dir}/reboot /sbin/reboot
[ ! -e /proc/sysrq-trigger ] || mount --bind /dev/null /proc/sysrq-trigger
touch /run/booted
while :; do sleep 3600 & wait; done
"""


class Wires:
    """The networks of one sandbox, each a bridge. A cable is the network's end of a link: pulling it the node sees a lost
    carrier, and the others see nothing."""

    def __init__(self, *networks):
        for number, network in enumerate(networks, 1):
            # With a MAC of its own: else a bridge takes that of one of its ports, and when this node dies the router's answers
            # are gone for the others, too, until they look it up again.
            out_of("ip", "link", "add", network, "address", f"02:00:00:00:00:{number:02x}", "type", "bridge",
                   "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
            out_of("ip", "link", "set", network, "up")


class HaNode(Node):
    """A machine with links {interface: (network, address)}."""

    def __init__(self, work, name, links, kind=None):
        super().__init__(work, name, links["eth0"][1], rate_bytes=None, daemon=False)
        self.links = links
        self.kind = kind
        self.ha_dir = os.path.join(self.dir, "ha.d")
        self.log_dir = os.path.join(self.dir, "varlog")
        self.ha_log = os.path.join(self.log_dir, "ha-log")
        for path in (self.log_dir, f"{self.dir}/lib/cores/root", f"{self.dir}/lib/cores/hacluster",
                     f"{self.ha_dir}/resource.d"):
            os.makedirs(path)
        self._write("reboot", REBOOT)

    def _write(self, path, text, mode=0o755):
        path = os.path.join(self.dir, path)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)

    def install(self, files, agents=()):
        """Fills /etc/ha.d: files by name, and agents that are copied from the machine's own resource.d or given as text."""
        for name, text in files.items():
            self._write(f"ha.d/{name}", text, 0o600 if name == "authkeys" else 0o644)
        for agent in agents:
            shutil.copy2(agent, f"{self.ha_dir}/resource.d/{os.path.basename(agent)}")

    # ---- the machine ----
    def boot(self):
        self._make_dev()
        script = BOOT.format(name=self.name, dir=self.dir, drbd_conf=self.config, bin=BIN)
        with open(os.path.join(self.dir, "boot.log"), "a") as log:
            self.shell = subprocess.Popen([*namespaces("mount", "net", "uts", "ipc"), "sh", "-c", script],
                                          stdin=subprocess.DEVNULL, stderr=log)
        self.init = until(lambda: child_of(self.shell.pid), 5, f"{self.name}: no first process")
        until(lambda: os.path.exists(f"/proc/{self.init}/root/run/booted"), 10,
              lambda: f"{self.name}: did not boot: {self._text_of('boot.log')}")
        for interface in self.links:
            self._plug(interface)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def _text_of(self, name):
        with open(os.path.join(self.dir, name), errors="replace") as file:
            return file.read()[-2000:]

    def _plug(self, interface):
        network, address = self.links[interface]
        cable = self.cable_name(interface)
        out_of("ip", "link", "add", cable, "type", "veth", "peer", "name", interface, "netns", str(self.init))
        out_of("ip", "link", "set", cable, "master", network, "up")
        self.run("ip", "address", "add", f"{address}/24", "broadcast", "+", "dev", interface)
        self.run("ip", "link", "set", interface, "up")

    def shape_link(self, interface, rate_bytes):
        """Limits what the node sends there, in bytes per second."""
        self.run("tc", "qdisc", "replace", "dev", interface, "root", "tbf", "rate", f"{rate_bytes * 8}bit", "burst", "512kb",
                 "limit", "4mb")

    def cable_name(self, interface):
        return f"{self.name}-{interface}"

    def cable(self, interface, connected):
        out_of("ip", "link", "set", self.cable_name(interface), "up" if connected else "down")

    def cables(self, connected):
        """All of them at once."""
        word = "up" if connected else "down"
        out_of("ip", "-batch", "-", input="".join(f"link set {self.cable_name(i)} {word}\n" for i in self.links))

    def _make_dev(self):
        for name in DEVICES:
            path = os.path.join(self.dev_dir, name)
            os.mknod(path, stat.S_IFCHR | 0o666, os.stat(f"/dev/{name}").st_rdev)
            os.chmod(path, 0o666)
        for name in ("pts", "shm"):
            os.makedirs(os.path.join(self.dev_dir, name))
        for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"),
                             ("ptmx", "pts/ptmx")):
            os.symlink(target, os.path.join(self.dev_dir, name))

    def power_cut(self):
        """Links and processes end at once: nobody hears a last word."""
        self.cables(False)
        self.kill()

    def kill(self):
        """The node's file systems are held until its processes are gone: the process that serves /dev/drbd0 would wait for
        itself for ever if it were the last one there and had to unmount what lies on it."""
        with open(f"/proc/{self.init}/ns/mnt"):
            super().kill()
        self._unplug()

    def _unplug(self):
        for interface in self.links:
            subprocess.run(["ip", "link", "delete", self.cable_name(interface)], check=False, capture_output=True)

    def alive(self):
        return self.shell is not None and self.shell.poll() is None

    def reap(self):
        """After the node has rebooted by itself."""
        self.shell.wait()
        self._clear()
        self._unplug()

    def environment(self):
        """As on a machine where all is in its usual place: /dev and /run are the node's own."""
        environment = {**super().environment(), "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin"}
        for name in ("DRBDD_RUN_DIR", "DRBDD_DEV_DIR", "DRBDD_RIG_WORK"):
            environment.pop(name, None)
        return environment

    def holds(self, address):
        return address in self.run("ip", "-o", "-4", "address", "show", "to", address, quiet=True)[1]

    def exists(self, path):
        """Whether a file is there, as the node sees it."""
        return self.alive() and os.path.exists(f"/proc/{self.init}/root{path}")

    # ---- heartbeat on it ----
    def heartbeat(self, *options):
        return [os.path.join(BIN, "heartbeat") if self.kind == OURS else ORIGINAL_DAEMON, *options]

    def tool(self, name):
        if self.kind == OURS:
            return os.path.join(BIN, name)
        return "/usr/bin/cl_status" if name == "cl_status" else f"{ORIGINAL_TOOLS}/{name}"

    def start_heartbeat(self):
        self.run(*self.heartbeat(), seconds=20)

    def stop_heartbeat(self, seconds=40):
        """The clean stop. The original's `-k` may never return when it comes in the middle of a transition."""
        self.run(*self.heartbeat("-k"), seconds=seconds)

    def kill_heartbeat(self):
        self.signal("heartbeat", signal.SIGKILL)

    def standby(self, what="all"):
        self.run(self.tool("hb_standby"), what)

    def takeover(self, what="all"):
        self.run(self.tool("hb_takeover"), what)

    def resource_status(self):
        """none, local, foreign, all or transition; None while the daemon does not answer."""
        code, out, _ = self.run(self.tool("cl_status"), "rscstatus", check=False, seconds=10, quiet=True)
        return out.strip() if code == 0 else None

    def report(self):
        super().report()
        print(f"---- {self.name}: heartbeat")
        if os.path.exists(self.ha_log):
            with open(self.ha_log, errors="replace") as log:
                print(log.read()[-8000:])

    def log_lines(self, *words):
        """Lines of the daemon's log that contain one of the words."""
        if not os.path.exists(self.ha_log):
            return []
        with open(self.ha_log, errors="replace") as log:
            return [line.rstrip() for line in log if any(word in line for word in words)]


def enter_network(node):
    """The calling thread is on the node's network from now on; the others of this process stay where they are."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{node.init}/ns/net") as space:
        if libc.setns(space.fileno(), CLONE_NEWNET):
            raise Failed(f"{node.name}: setns: {os.strerror(ctypes.get_errno())}")
