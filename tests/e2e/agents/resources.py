#!/usr/bin/python3
"""File systems, small agents, and the agents of Debian's packages, run unchanged."""

import os
import re
import subprocess

from rig import Agents, Cable, Skip, expect, main, out_of, processes_with, until

DEBIAN = "/etc/ha.d"


class Disk:
    """A loop device with ext4; ends with the scenario, as does everything that uses it."""

    def __init__(self, work, *options):
        self.image = os.path.join(work, "image")
        self.directory = os.path.join(work, "mnt")
        with open(self.image, "wb") as file:
            file.truncate(32 << 20)
        out_of("mke2fs", "-q", "-t", "ext4", *options, self.image)
        self.device = self.attach()
        self.word = f"Filesystem::{self.device}::{self.directory}::ext4::noatime"

    def attach(self, *options):
        return out_of("losetup", *options, "--find", "--show", self.image).strip()

    def detach(self, device=None):
        out_of("losetup", "--detach", device or self.device)

    def mounted(self):
        with open("/proc/self/mounts") as table:
            return [line.split()[1] for line in table if line.split()[1].startswith(self.directory)]


def file_system(work):
    """start mounts and makes the directory, status tells, stop unmounts; each of them twice is no error"""
    agents, disk = Agents(work), Disk(work)
    agents.verdict(disk.word, "stopped")
    took = agents.good(disk.word, "start")["took"]
    agents.good(disk.word, "start")
    agents.verdict(disk.word, "running")
    with open("/proc/self/mounts") as table:
        expect(any(disk.directory in line and "noatime" in line for line in table), "options were not used")
    agents.good(disk.word, "stop", "stop")
    agents.verdict(disk.word, "stopped")
    expect(took < 1000, f"start took {took} ms")
    disk.detach()


def file_system_refusals(work):
    """a directory in use, a missing device and a write-protected one are refused in words"""
    agents, disk = Agents(work), Disk(work)
    os.makedirs(f"{disk.directory}/below")
    out_of("mount", "-t", "tmpfs", "none", f"{disk.directory}/below")
    agents.refused(disk.word, "start", f"{disk.directory}/below")
    out_of("umount", f"{disk.directory}/below")
    agents.refused(f"Filesystem::/dev/no-such-device::{disk.directory}", "start", "/dev/no-such-device")
    other = Disk(os.path.join(work, "ha.d"))
    agents.good(disk.word, "start")
    agents.refused(f"Filesystem::{other.device}::{disk.directory}", "start", disk.device)
    agents.good(disk.word, "stop")
    disk.detach()
    other.detach()
    disk.device = disk.attach("--read-only")
    agents.refused(f"Filesystem::{disk.device}::{disk.directory}::ext4", "start", "write-protected")
    expect(not disk.mounted(), "it was mounted read-only")
    disk.detach()


def file_system_is_checked(work):
    """a file system whose superblock tells of errors is repaired first, and not mounted when fsck cannot"""
    agents, disk = Agents(work), Disk(work)
    out_of("debugfs", "-w", "-R", "set_super_value state 3", disk.image)
    agents.good(disk.word, "start", "stop")
    state = re.search(r"Filesystem state: *(.*)", out_of("dumpe2fs", "-h", disk.image)).group(1)
    expect(state == "clean", state)
    out_of("debugfs", "-w", "-R", "set_super_value state 3", disk.image)
    agents.tool("fsck", "#!/bin/sh\nexit 4\n")
    agents.refused(disk.word, "start", "by hand", "exit 4")
    expect(not disk.mounted(), "mounted in spite of fsck")
    disk.detach()


def file_system_users(work):
    """whoever uses the file system is ended at a stop, SIGTERM first; what is mounted below goes too; others live"""
    agents, disk = Agents(work), Disk(work)
    agents.good(disk.word, "start")
    os.makedirs(f"{disk.directory}/below")
    out_of("mount", "-t", "tmpfs", "none", f"{disk.directory}/below")
    polite = subprocess.Popen(["sleep", "100"], cwd=disk.directory)
    with open(f"{disk.directory}/open", "w") as file:
        writer = subprocess.Popen(["sleep", "100"], stdout=file)
    rude = subprocess.Popen(["sh", "-c", f"trap '' TERM; exec 5> {disk.directory}/below/x; while :; do sleep 0.1; done"])
    bystander = subprocess.Popen(["sleep", "100"], cwd="/")
    until(lambda: os.path.exists(f"{disk.directory}/below/x"), 5, "not begun")
    result = agents.good(disk.word, "stop")
    expect(not disk.mounted(), disk.mounted())
    expect([p.wait(5) for p in (polite, writer, rude)] == [-15, -15, -9], "not ended as they should be")
    expect(bystander.poll() is None, "a bystander was ended")
    bystander.kill()
    expect(3000 < result["took"] < 6000, f"stop took {result['took']} ms")
    disk.detach()


def file_system_is_never_lazy(work):
    """what no signal frees is a failed stop that says so, not a lazy unmount"""
    agents, disk = Agents(work), Disk(work)
    agents.good(disk.word, "start")
    inner = f"{disk.directory}/inner"
    with open(inner, "wb") as file:
        file.truncate(1 << 20)
    loop = out_of("losetup", "--find", "--show", inner).strip()
    agents.refused(disk.word, "stop", "busy", "loop device")
    agents.verdict(disk.word, "running")
    disk.detach(loop)
    agents.good(disk.word, "stop")
    disk.detach()


def small_agents(work):
    """Delay waits, MailTo mails and fails for no mail, both know whether they are started"""
    agents = Agents(work)
    result = agents.good("Delay::0.5::0.1", "start")
    expect(500 <= result["took"] < 2000, result)
    agents.verdict("Delay::0.5::0.1", "running")
    agents.good("Delay::0.5::0.1", "stop")
    agents.verdict("Delay::0.5::0.1", "stopped")
    word = "MailTo::a@x.example,b@x.example::Cluster"
    agents.tool("mail", f'#!/bin/sh\n{{ echo "$@"; cat; }} >> {work}/mail\n')
    agents.verdict(word, "stopped")
    agents.good(word, "start", "start")
    agents.verdict(word, "running")
    agents.good(word, "stop", "stop")

    def mails():
        if not os.path.exists(f"{work}/mail"):
            return []
        with open(f"{work}/mail") as file:
            return re.findall(r"^-s Cluster (.*?) at .* a@x.example b@x.example$", file.read(), re.MULTILINE)

    until(lambda: len(mails()) == 2, 5, "not mailed")
    expect(sorted(mails()) == ["Migrating resource away", "Takeover in progress"], mails())
    agents.tool("mail", "#!/bin/sh\nexec sleep 987657\n")
    expect(agents.good(word, "start")["took"] < 1000, "a mail that hangs holds up the start")
    agents.good(word, "stop")
    until(lambda: len(processes_with("987657")) == 2, 2, "no mail was tried")


def debian():
    for path in (f"{DEBIAN}/resource.d/IPaddr2", f"{DEBIAN}/shellfuncs", "/usr/lib/ocf/resource.d/heartbeat/IPaddr2"):
        if not os.path.exists(path):
            raise Skip(f"{path} is missing: packages heartbeat and resource-agents (scripts/install-deps installs them)")
    os.makedirs("/run/resource-agents", exist_ok=True)  # as the boot makes it; /run is the scenario's own


def debian_addresses(work):
    """IPaddr, IPaddr2 and SendArp of Debian's packages set, tell and remove an address unchanged"""
    debian()
    cable, agents = Cable(), Agents(work, DEBIAN)
    for agent, ip in (("IPaddr", "10.9.0.17"), ("IPaddr2", "10.9.0.18")):
        word = f"{agent}::{ip}/24/eth0"
        agents.verdict(word, "stopped")
        agents.good(word, "start")
        expect(ip in cable.addresses(), cable.addresses())
        agents.verdict(word, "running")
        agents.good(word, "stop", "stop")
        expect(ip not in cable.addresses(), cable.addresses())
        agents.verdict(word, "stopped")


def debian_others(work):
    """Filesystem, MailTo and Delay of Debian's packages run unchanged"""
    debian()
    agents, disk = Agents(work, DEBIAN), Disk(work)
    os.makedirs(disk.directory)
    agents.verdict(disk.word, "stopped")
    agents.good(disk.word, "start")
    agents.verdict(disk.word, "running")
    agents.good(disk.word, "stop")
    agents.verdict(disk.word, "stopped")
    disk.detach()
    agents.good("Delay::1::1", "start", "stop")  # its status waits half a minute
    for name in ("mail", "mailx"):
        agents.tool(name, f'#!/bin/sh\n{{ echo "$@"; cat; }} >> {work}/mail\n')
    agents.good("MailTo::a@x.example::Cluster", "start")
    agents.verdict("MailTo::a@x.example::Cluster", "running")
    agents.good("MailTo::a@x.example::Cluster", "stop")
    with open(f"{work}/mail") as file:
        text = file.read()
    expect("Takeover in progress" in text and "Migrating resource away" in text, text)


def debian_ocf(work):
    """an OCF agent is found without a wrapper, by instance file and by name=value, and judged by its exit code"""
    debian()
    agents = Agents(work)
    os.makedirs(f"{agents.ha_dir}/conf/OCF/Dummy")
    with open(f"{agents.ha_dir}/conf/OCF/Dummy/one", "w") as file:
        file.write(f'# an instance\nstate="{work}/dummy-one"\n')
    for word, state in (("OCF::Dummy::one", "dummy-one"), (f"Dummy::state={work}/two", "two")):
        expect(agents.verdict(word, "stopped")["kind"] == "ocf", word)
        agents.good(word, "start")
        expect(os.path.exists(f"{work}/{state}"), "the parameter did not arrive")
        agents.verdict(word, "running")
        agents.good(word, "stop", "stop")
        agents.verdict(word, "stopped")


if __name__ == "__main__":
    main(file_system, file_system_refusals, file_system_is_checked, file_system_users, file_system_is_never_lazy, small_agents,
         debian_addresses, debian_others, debian_ocf, programs=("mke2fs", "losetup", "debugfs"))
