"""What is measured: a name, the fio options that reach it, and whose CPU and memory it costs on which node."""

import dataclasses
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../tests/e2e/lib"))

from cluster import until  # noqa: E402
from sandbox import Failed, out_of  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
QUORUM_PORT = 10809
# Not just the name: that is a part of the work directory's, which is in the command lines of the others.
DAEMON, FUSE = "drbdd\0--foreground", "drbdd-fuse\0"


@dataclasses.dataclass
class Target:
    name: str
    text: str
    fio: list
    servers: dict  # side ("local", "remote") -> [(node, part of the command line)]
    flush: str = "--fsync=1"  # fio's nbd engine sends NBD_CMD_FLUSH for it

    def cpu_seconds(self, side):
        """User and system time of the servers so far."""
        return sum(cpu_seconds(pid) for pid in self._pids(side))

    def peak_mib(self, side):
        return sum(peak_kib(pid) for pid in self._pids(side)) / 1024

    def _pids(self, side):
        return [pid for node, part in self.servers.get(side, []) for pid in pids_of(node, part)]


def pids_of(node, part):
    """Processes of a node whose command line contains `part`."""
    found = []
    own = os.readlink(f"/proc/{node.init}/ns/pid")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if part.encode() in file.read() and os.readlink(f"/proc/{pid}/ns/pid") == own:
                    found.append(int(pid))
        except OSError:
            continue  # ended while we looked
    return found


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def forget_peak(pid):
    """The peak of its memory counts from now on."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def peak_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("VmHWM:")), 0)


def nbd_options(socket, name=""):
    return ["--ioengine=nbd", f"--uri=nbd+unix:///{name}?socket={socket}"]


def make_file(path, mib):
    """Really written, so that no measured write has to allocate."""
    out_of("dd", "if=/dev/urandom", f"of={path}", "bs=4M", f"count={mib // 4}", "oflag=direct", "status=none")
    return path


def raw(work, mib):
    path = make_file(f"{work}/raw.img", mib)
    return Target("raw", "the backing file itself: fio, io_uring, O_DIRECT",
                  ["--ioengine=io_uring", "--direct=1", f"--filename={path}"], {},
                  "--fdatasync=1")  # which is also how the servers flush their files


def start_export(node, path, aio, address):
    """qemu-nbd on a file, O_DIRECT. `address`: its options for the socket."""
    node.start("qemu-nbd", "--format=raw", "--cache=none", f"--aio={aio}", "--discard=unmap", "--persistent", "--shared=8",
               *address, path)


def wait_for_socket(path):
    until(lambda: os.path.exists(path), 10, f"{path}: nobody serves it")


def plain_nbd(node, mib, aio):
    path = make_file(f"{node.dir}/nbd-{aio}.img", mib)
    socket = f"{node.dir}/nbd-{aio}.sock"
    start_export(node, path, aio, [f"--socket={socket}"])
    wait_for_socket(socket)
    return Target("nbd", f"a plain NBD export of such a file: qemu-nbd --cache=none --aio={aio}", nbd_options(socket),
                  {"local": [(node, socket)]})


def quick_address(node):
    """A second address of a node at which TCP acknowledges at once. QEMU's NBD client waits for acknowledgements between
    small requests; delayed ones would cost its mirror a factor of ten."""
    address = node.address.replace("10.88.0.", "10.88.1.")
    node.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    node.run("ip", "route", "change", "10.88.1.0/24", "dev", "eth0", "src", address, "quickack", "1")
    return address


def quorum(local, remote, mib, aio):
    """QEMU's mirror of two exports, one of them on the other node."""
    quick_address(local)
    address = quick_address(remote)
    here, there = f"{local.dir}/quorum-child.sock", f"{remote.dir}/quorum.img"
    start_export(local, make_file(f"{local.dir}/quorum.img", mib), aio, [f"--socket={here}"])
    start_export(remote, make_file(there, mib), aio, [f"--bind={address}", f"--port={QUORUM_PORT}"])
    wait_for_socket(here)
    until(lambda: local.run("nbdinfo", f"nbd://{address}:{QUORUM_PORT}", check=False)[0] == 0, 10,
          "the remote export of the quorum does not answer")
    socket = f"{local.dir}/quorum.sock"
    local.start("qemu-storage-daemon",
                "--blockdev", f"driver=nbd,node-name=here,server.type=unix,server.path={here}",
                "--blockdev", f"driver=nbd,node-name=there,server.type=inet,server.host={address},server.port={QUORUM_PORT}",
                "--blockdev", "driver=quorum,node-name=both,vote-threshold=2,read-pattern=fifo,children.0=here,children.1=there",
                "--nbd-server", f"addr.type=unix,addr.path={socket}",
                "--export", "type=nbd,id=export,node-name=both,name=both,writable=on")
    wait_for_socket(socket)
    return Target("quorum", "QEMU's quorum of two such exports, one of them across the link, without delayed TCP acknowledgements",
                  nbd_options(socket, "both"),
                  {"local": [(local, "node-name=both"), (local, here)], "remote": [(remote, there)]})


def drbdd_configuration(nodes, protocols):
    lines = ["global { usage-count no; }"]
    for minor, protocol in enumerate(protocols):
        lines += [f"resource {protocol} {{", f"  net {{ protocol {protocol}; }}"]
        for node in nodes:
            lines += [f"  on {node.name} {{ address {node.address}:{7788 + minor}; device /dev/drbd{minor} minor {minor}; "
                      f"disk {node.dir}/{protocol}.img; meta-disk internal; }}"]
        lines += ["}"]
    return "\n".join(lines + [""])


def drbdd(local, remote, mib, protocols):
    """One resource per protocol, all connected and in sync."""
    nodes = (local, remote)
    with open(local.config, "w") as file:
        file.write(drbdd_configuration(nodes, protocols))
    for node in nodes:
        for protocol in protocols:
            make_file(f"{node.dir}/{protocol}.img", mib)
            node.drbdadm("create-md", "--force", protocol)
            node.drbdadm("up", protocol)
    for protocol in protocols:
        local.wait(protocol, connection="Connected")
        local.drbdadm("primary", "--force", protocol)
        for node in nodes:
            node.wait_in_sync(protocol, seconds=120)
    return [Target(protocol, f"drbdd, protocol {protocol}", nbd_options(f"{local.run_dir}/drbd{minor}.nbd", f"drbd{minor}"),
                   {side: [(node, program) for program in (DAEMON, FUSE)]
                    for side, node in (("local", local), ("remote", remote))})
            for minor, protocol in enumerate(protocols)]


def check_usable(target):
    """The export can be read before it is measured, so that a failure is told as one."""
    uri = next((option.partition("=")[2] for option in target.fio if option.startswith("--uri=")), None)
    if uri and not out_of("nbdinfo", "--size", uri).strip().isdigit():
        raise Failed(f"{target.name}: {uri} has no size")
