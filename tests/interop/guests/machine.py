"""A Debian 12 machine with systemd in a QEMU guest, for use inside sandbox.run(). Runs without KVM and boots in about a minute.

eth0 is in the network of the clients, eth1 at the direct cable between the two machines: each a bridge of the sandbox.
"""

import glob
import json
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "../../.."))
sys.path.insert(0, os.path.join(HERE, "../../e2e/lib"))

from cluster import until  # noqa: E402
from sandbox import Failed, Skip, out_of  # noqa: E402
from serial_shell import SerialShell  # noqa: E402

PROGRAMS = ("qemu-system-x86_64", "qemu-img", "mke2fs")
BUILD_PROGRAMS = ("debootstrap", "busybox", "cpio", "python3", "dpkg-shlibdeps", "cpack")
IMAGE = os.path.join(ROOT, "build/guests")
PACKAGES = os.path.join(ROOT, "build/package")
APPEND = ("root=/dev/vda rw console=ttyS0 quiet loglevel=4 panic=-1 net.ifnames=0 mitigations=off nokaslr random.trust_cpu=on "
          "audit=0 apparmor=0 systemd.show_status=0 systemd.default_timeout_start_sec=600")
BOOT_SECONDS = 400
MAIN, PEER = "52:54:00:88", {"alice": 1, "bob": 2}


def prepare():
    """Builds image and package, outside of the sandbox. Skips, with the reason, where that is impossible."""
    missing = [program for program in BUILD_PROGRAMS if not shutil.which(program)]
    if missing:
        print(f"SKIPPED: not installed: {' '.join(missing)} (scripts/test --guests installs it)")
        sys.exit(77)
    os.makedirs(PACKAGES, exist_ok=True)
    for what, command, folder in (("image", [f"{HERE}/build-image.sh", IMAGE], ROOT),
                                  ("package", ["cpack", "-B", PACKAGES], os.environ.get("DRBDD_BUILD", f"{ROOT}/build/release"))):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            print(f"FAILED: the {what} cannot be built:\n{(done.stdout + done.stderr)[-2000:]}")
            sys.exit(1)


def package():
    found = sorted(glob.glob(f"{PACKAGES}/drbdd_*.deb"), key=os.path.getmtime)
    if not found:
        raise Failed(f"{PACKAGES} has no package")
    return found[-1]


class Networks:
    """The networks of the pair. The sandbox itself is the router, and a client, in that of the clients."""

    def __init__(self, router):
        for bridge in ("clients", "cable"):
            out_of("ip", "link", "add", bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
            out_of("ip", "link", "set", bridge, "up")
        out_of("ip", "address", "add", f"{router}/24", "dev", "clients")


class Machine:
    """Its system lies on /dev/vda, its data disk is /dev/vdb, and the packages that it may install are on /dev/vdc."""

    def __init__(self, work, name, data_mib, memory_mib=640):
        self.name, self.memory_mib = name, memory_mib
        self.dir = os.path.join(work, name)
        self.qemu = self.shell = None
        self.boots = 0
        os.makedirs(f"{self.dir}/packages")
        out_of("qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{IMAGE}/root.img", "-F", "raw", f"{self.dir}/system.qcow2")
        with open(f"{self.dir}/data.img", "wb") as file:
            file.truncate(data_mib << 20)
        shutil.copy(package(), f"{self.dir}/packages")
        out_of("mke2fs", "-q", "-t", "ext4", "-d", f"{self.dir}/packages", f"{self.dir}/packages.img", "32M")
        for interface, bridge in (("eth0", "clients"), ("eth1", "cable")):
            out_of("ip", "tuntap", "add", f"{name}-{interface}", "mode", "tap", "vnet_hdr")
            out_of("ip", "link", "set", f"{name}-{interface}", "master", bridge, "up")

    # ---- power ----
    def boot(self, seconds=BOOT_SECONDS):
        started = time.monotonic()
        self.boots += 1
        port = f"{self.dir}/port"
        if os.path.exists(port):
            os.unlink(port)
        with open(f"{self.dir}/qemu.log", "w+") as log:
            self.qemu = subprocess.Popen(self._command(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self.shell = until(lambda: self._connect(port) or self.qemu.poll() is not None, 30, f"{self.name}: qemu does not start")
            if self.qemu.poll() is not None:
                log.seek(0)
                raise Skip(f"qemu does not run here: {log.read().strip()}")
        self.shell.wait_for("==READY", seconds)
        self.boot_seconds = time.monotonic() - started
        return self

    def _connect(self, port):
        try:
            return SerialShell(self.name, port, self.console)
        except OSError:
            return None  # qemu is not that far yet

    def _command(self, port):
        command = ["nice", "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max", "-smp", "1",
                   "-m", str(self.memory_mib), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   "-kernel", f"{IMAGE}/vmlinux", "-initrd", f"{IMAGE}/initrd.cpio", "-append", APPEND,
                   "-serial", f"file:{self.dir}/console.{self.boots}",
                   "-chardev", f"socket,id=port,path={port},server=on,wait=off", "-serial", "chardev:port",
                   "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"]
        for disk, file, kind in (("system", "system.qcow2", "qcow2"), ("data", "data.img", "raw"), ("packages", "packages.img", "raw")):
            blockdev = {"driver": kind, "node-name": disk, "discard": "unmap", "cache": {"direct": False, "no-flush": disk == "system"},
                        "file": {"driver": "file", "filename": f"{self.dir}/{file}"}}
            command += ["-blockdev", json.dumps(blockdev), "-device", f"virtio-blk-pci,drive={disk}"]
        for number in (0, 1):
            mac = f"{MAIN}:0{number}:0{PEER[self.name]}"
            command += ["-netdev", f"tap,id=net{number},ifname={self.name}-eth{number},script=no,downscript=no",
                        "-device", f"virtio-net-pci,netdev=net{number},romfile=,mac={mac}"]
        return command

    def power_cut(self):
        self.qemu.kill()
        self.qemu.wait()
        self.shell.close()

    def shut_down(self, seconds=300):
        """In good order, as `poweroff` does."""
        self.run("systemctl poweroff --no-block")
        try:
            self.qemu.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name}: does not shut down in {seconds} s\n{self.console()}") from None
        self.shell.close()

    def alive(self):
        return self.qemu is not None and self.qemu.poll() is None

    def cable(self, interface, connected):
        out_of("ip", "link", "set", f"{self.name}-{interface}", "up" if connected else "down")

    def console(self):
        path = f"{self.dir}/console.{self.boots}"
        if not os.path.exists(path):
            return ""
        with open(path, errors="replace") as file:
            return file.read()[-3000:]

    # ---- what is done in it ----
    def run(self, script, check=True, seconds=180):
        return self.shell.run(script, check, seconds)

    def out(self, script, **options):
        return self.run(script, **options)[1].strip()

    def write(self, path, text, mode="644"):
        self.run(f"cat > {path} <<'END-OF-FILE'\n{text}\nEND-OF-FILE\nchmod {mode} {path}")

    def until(self, script, seconds, why):
        """Until the script succeeds in the guest."""
        last = ""

        def reached():
            nonlocal last
            code, last = self.run(script, check=False)
            return code == 0

        until(reached, seconds, lambda: f"{self.name}: {why}: `{script}`: {last.strip()}")

    def report(self):
        if not self.alive():
            return
        for what in ("systemctl --failed --no-legend", "drbdadm status", "hb_status", "hb_status --log | tail -n 20",
                     "journalctl -b -n 60 --no-pager -u drbdd -u heartbeat -u mariadb"):
            try:
                print(f"---- {self.name}: {what}\n{self.run(what, check=False, seconds=30)[1]}")
            except Failed as failure:
                print(f"---- {self.name}: {what}: {failure}")
