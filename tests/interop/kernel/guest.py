"""The unmodified in-kernel DRBD 8.4 in a QEMU guest, for use inside sandbox.run().

The guest's network card is a tap at the sandbox's bridge, next to the nodes of cluster.py. Commands go over its
second serial port, so they do not depend on the network. It runs without KVM and boots in about 5 s.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../e2e/lib"))

from cluster import Bridge, until  # noqa: E402
from sandbox import Failed, Skip, out_of  # noqa: E402
from serial_shell import SerialShell  # noqa: E402

PROGRAMS = ("qemu-system-x86_64", "busybox", "cpio", "drbdadm", "mke2fs", "apt-get", "dpkg-deb")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "drbdd-tests/guest")
APPEND = ("console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr random.trust_cpu=on audit=0 apparmor=0 "
          "rcupdate.rcu_expedited=1")
# What the module prints when a packet, a peer or a disk is not as it should be. The first group of lines of a graceful
# disconnect ("conn( Connected -> TearDown )", "Connection closed") does not match.
TROUBLE = re.compile(r"ASSERT|BUG|Oops|WARNING|error|magic|unexpected|Unknown packet|short read|failed|did not arrive|"
                     r"Split-Brain|ProtocolError|NetworkFailure|BrokenPipe|Timeout|unrelated|digest", re.IGNORECASE)
HARMLESS = re.compile(r"exit code 0|disk\( (UpToDate -> Failed|Failed -> Diskless) \)")  # the latter is what `down` looks like


def prepare(cache=CACHE, *modules, kernel="linux-image-amd64"):
    """Builds the guest's files unless they are there. Needs the network outside of the sandbox: call it before run()."""
    done = subprocess.run([os.path.join(HERE, "build-guest.sh"), "--kernel", kernel, cache, *modules], capture_output=True, text=True)
    if done.returncode:
        print(f"SKIPPED: the guest cannot be built: {done.stderr.strip()[-300:]}")
        sys.exit(77)


class Guest:
    """One guest called `name` whose /dev/vda is the raw image `disk`. Its kernel and modules are those of `cache`; `initrd`: what
    it boots, if not the file system there."""

    def __init__(self, work, name, address, disk, memory_mib=256, cache=CACHE, initrd=None):
        self.name, self.address, self.disk, self.memory_mib = name, address, disk, memory_mib
        self.kernel, self.initrd = f"{cache}/vmlinux", initrd or f"{cache}/initrd.cpio"
        self.dir = os.path.join(work, name)
        self.qemu = None
        os.makedirs(self.dir, exist_ok=True)
        out_of("ip", "tuntap", "add", f"v-{name}", "mode", "tap", "vnet_hdr")
        Bridge.plug(f"v-{name}")

    def boot(self, seconds=90):
        started = time.monotonic()
        console = os.path.join(self.dir, "console")
        control = os.path.join(self.dir, "control")
        self.monitor = os.path.join(self.dir, "monitor")
        for path in (console, control, self.monitor):
            if os.path.exists(path):
                os.unlink(path)
        blockdev = {"driver": "raw", "node-name": "disk", "discard": "unmap",
                    "file": {"driver": "file", "filename": self.disk, "discard": "unmap"}}
        mac = f"52:54:00:88:00:{int(self.address.split('.')[3]):02x}"
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=128", "-cpu", "max",
                   "-m", str(self.memory_mib), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   "-kernel", self.kernel, "-initrd", self.initrd,
                   "-append", f"{APPEND} guest.name={self.name} guest.ip={self.address}/24",
                   "-serial", f"file:{console}",
                   "-chardev", f"socket,id=control,path={control},server=on,wait=off", "-serial", "chardev:control",
                   "-qmp", f"unix:{self.monitor},server=on,wait=off",
                   "-blockdev", json.dumps(blockdev), "-device", "virtio-blk-pci,drive=disk",
                   "-netdev", f"tap,id=net,ifname=v-{self.name},script=no,downscript=no",
                   "-device", f"virtio-net-pci,netdev=net,romfile=,mac={mac}"]
        with open(os.path.join(self.dir, "qemu.log"), "w+") as log:
            self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            time.sleep(0.5)
            if self.qemu.poll() is not None:
                log.seek(0)
                raise Skip(f"qemu does not run here: {log.read().strip()}")
        until(lambda: "GUEST-READY" in self.console() or self.qemu.poll() is not None, seconds,
              lambda: f"{self.name}: no boot\n{self.console()[-2000:]}")
        self.shell = SerialShell(name=self.name, path=control, report=lambda: self.console()[-2000:])
        self.run("echo 4 > /proc/sys/kernel/printk")
        self.boot_seconds = time.monotonic() - started
        return self

    def kill(self):
        """Power failure."""
        self.qemu.kill()
        self.qemu.wait()

    def disk_has_grown(self):
        """Tells the running guest of the size that the image has now."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(20)
            monitor.connect(self.monitor)
            answers = monitor.makefile()
            answers.readline()  # the greeting
            for command in ({"execute": "qmp_capabilities"},
                            {"execute": "block_resize", "arguments": {"node-name": "disk", "size": os.path.getsize(self.disk)}}):
                monitor.sendall(json.dumps(command).encode() + b"\n")
                answer = json.loads(answers.readline())
                while "event" in answer:
                    answer = json.loads(answers.readline())
                if "return" not in answer:
                    raise Failed(f"{self.name}: {command['execute']}: {answer}")
        sectors = os.path.getsize(self.disk) // 512
        until(lambda: int(self.run("cat /sys/block/vda/size")[1]) == sectors, 20, f"{self.name} does not see that its disk has grown")

    def console(self):
        path = os.path.join(self.dir, "console")
        if not os.path.exists(path):
            return ""
        with open(path, errors="replace") as file:
            return file.read()

    def run(self, script, check=True, seconds=120):
        """(exit code, stdout and stderr) of a shell script in the guest."""
        return self.shell.run(script, check, seconds)

    # ---- DRBD in it ----
    def configure(self, text):
        self.run(f"cat > /etc/drbd.conf <<'END'\n{text}END\n")

    def drbdadm(self, *argv, **options):
        return self.run("drbdadm " + " ".join(argv), **options)

    def proc_drbd(self, minor=0):
        """(cs, ro, ds) of /proc/drbd, for example ('Connected', 'Primary/Secondary', 'UpToDate/UpToDate')."""
        found = re.search(rf"^ *{minor}: cs:(\S+)(?: ro:(\S+) ds:(\S+))?", self.run("cat /proc/drbd")[1], re.MULTILINE)
        return found.groups() if found else (None, None, None)

    def wait(self, cs=None, ro=None, ds=None, seconds=60, minor=0):
        """Until /proc/drbd shows the wanted states."""
        last = None

        def reached():
            nonlocal last
            last = self.proc_drbd(minor)
            return all(want in (None, have) for want, have in zip((cs, ro, ds), last))

        until(reached, seconds, lambda: f"{self.name} (guest): {last}, wanted cs:{cs} ro:{ro} ds:{ds}\n{self.dmesg()[-3000:]}")

    def dmesg(self):
        return self.run("dmesg")[1]

    def drbd_log(self):
        return [line for line in self.dmesg().splitlines() if re.search(r"drbd|block drbd|BUG|Oops", line)]

    def expect_clean_log(self):
        """The kernel met nothing in our peer's packets that it complains of."""
        bad = [line for line in self.drbd_log() if TROUBLE.search(line) and not HARMLESS.search(line)]
        if bad:
            raise Failed(f"{self.name} (guest): its kernel log complains:\n" + "\n".join(bad))
