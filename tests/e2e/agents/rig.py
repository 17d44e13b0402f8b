"""What the scenarios of the agents share: the driver, the agents' folder, two ends of a cable, frames as they pass."""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e/lib"))

from sandbox import Failed, Skip, choose, out_of, run  # noqa: E402, F401

BIN = os.environ.get("DRBDD_BIN", os.path.join(ROOT, "build/release/bin"))
OWN_AGENTS = os.path.join(BIN, "../agents")


def expect(condition, text):
    if not condition:
        raise Failed(text)


def until(condition, seconds, text):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise Failed(f"{text} (waited {seconds} s)")
        time.sleep(0.02)
    return value


class Agents:
    """The agents of one node: our own, installed as they would be, or those of another folder."""

    def __init__(self, work, ha_dir=None):
        self.work = work
        self.run_dir = os.path.join(work, "run")
        self.tools = os.path.join(work, "tools")
        os.makedirs(self.run_dir, exist_ok=True)
        os.makedirs(self.tools, exist_ok=True)
        self.ha_dir = ha_dir or os.path.join(work, "ha.d")
        self.options = []
        if ha_dir is None and not os.path.exists(self.ha_dir):
            os.makedirs(self.ha_dir)
            shutil.copytree(OWN_AGENTS, os.path.join(self.ha_dir, "resource.d"), symlinks=True)
            shutil.copy(os.path.join(ROOT, "packaging/ha.d/shellfuncs"), self.ha_dir)

    def script(self, name, text, folder=None):
        path = os.path.join(folder or os.path.join(self.ha_dir, "resource.d"), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def tool(self, name, text):
        """A program in front of the agents' PATH."""
        return self.script(name, text, self.tools)

    def command(self, *argv, limit=60000):
        return [os.path.join(BIN, "agent_driver"), "--ha-dir", self.ha_dir, "--tool-dir", self.tools, "--limit", str(limit),
                *self.options, *argv]

    def drive(self, *argv, limit=60000, start=False):
        environment = {**os.environ, "DRBDD_RUN_DIR": self.run_dir}
        process = subprocess.Popen(self.command(*argv, limit=limit), env=environment, text=True, errors="replace", stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if start:
            return process
        out, self.log = process.communicate(timeout=120)
        expect(process.returncode == 0, f"agent_driver {argv}: exit {process.returncode}\n{out}{self.log}")
        return [json.loads(line) for line in out.splitlines()]

    def run(self, word, operation, *argv, limit=60000):
        return self.drive("run", word, operation, *argv, limit=limit)[0]

    def good(self, word, *operations):
        for operation in operations:
            result = self.run(word, operation)
            expect(result["exit"] == 0, f"{word} {operation}: {result}\n{self.log}")
        return result

    def verdict(self, word, wanted):
        result = self.run(word, "status")
        expect(result["verdict"] == wanted, f"{word} status: {result}, wanted {wanted}\n{self.log}")
        return result

    def refused(self, word, operation, *says):
        result = self.run(word, operation)
        text = result["output"] + self.log + result["text"]
        missing = [what for what in says if what not in text]
        expect(result["exit"] != 0 and not missing, f"{word} {operation}: {result}, wanted a refusal with {missing}\n{self.log}")


class Cable:
    """eth0 with 10.9.0.1/24, and its other end `peer`, whose frames we see."""

    def __init__(self):
        out_of("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "peer")
        for end in ("eth0", "peer"):
            out_of("ip", "link", "set", end, "up")
        out_of("ip", "address", "add", "10.9.0.1/24", "dev", "eth0")
        self.mac = self.mac_of("eth0")

    @staticmethod
    def mac_of(interface):
        return json.loads(out_of("ip", "-json", "link", "show", interface))[0]["address"]

    @staticmethod
    def addresses(interface="eth0"):
        """{address: (prefix, label)}"""
        shown = json.loads(out_of("ip", "-json", "address", "show", interface))
        return {info["local"]: (info["prefixlen"], info.get("label", "")) for info in shown[0]["addr_info"]}


class Sniffer:
    """Frames of one kind that arrive at an interface."""

    ARP, IPV6 = 0x0806, 0x86dd

    def __init__(self, interface, kind):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        self.socket.bind((interface, kind))
        self.frames = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def listen(self, seconds):
        """[(time, frame)] of everything so far."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame, address = self.socket.recvfrom(2048)
            except TimeoutError:
                break
            if address[2] != socket.PACKET_OUTGOING:
                self.frames.append((time.monotonic(), frame))
        return self.frames

    def send(self, frame):
        self.socket.send(frame)


def arp_fields(frame):
    """(operation, sender MAC, sender IP, target MAC, target IP)"""
    operation, = struct.unpack("!H", frame[20:22])
    return (operation, frame[22:28].hex(":"), socket.inet_ntoa(frame[28:32]), frame[32:38].hex(":"),
            socket.inet_ntoa(frame[38:42]))


def arp_frame(operation, mac, ip):
    """An announcement of `ip` by `mac`."""
    sender = bytes.fromhex(mac.replace(":", "")) + socket.inet_aton(ip)
    return (b"\xff" * 6 + sender[:6] + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation) + sender + b"\0" * 6
            + socket.inet_aton(ip))


def processes_with(text):
    """Process ids whose command line has this in it, in our namespace."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if text.encode() in file.read().replace(b"\0", b" ") and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            continue  # ended while we looked
    return found


def main(*scenarios, programs=(), seconds=300):
    chosen = choose(scenarios)
    run(chosen, programs, seconds)
