#!/usr/bin/python3
"""Storage, database and the services of others: drbddisk, mariadb, LVS, iSCSI, NFS."""

import os
import signal
import subprocess
import time

from rig import Agents, Skip, expect, main, out_of, until

SERVER_USER = "nobody"  # the core packages of the server make no user of its own

# Plays drbdadm: FILE `answer` has "EXIT TEXT" for primary and secondary, `role` and `dstate` what is printed.
DRBDADM = """#!/bin/sh
echo "$@" >> {work}/calls
case "$1" in
primary|secondary) read -r code text < {work}/answer; echo "$text" >&2; exit $code ;;
role|dstate) cat {work}/$1 2> /dev/null; exit $(cat {work}/$1-exit 2> /dev/null || echo 0) ;;
sh-dev) echo /dev/drbd0 ;;
esac
"""


class Storage:
    def __init__(self, work):
        self.work = work
        self.agents = Agents(work)
        self.agents.tool("drbdadm", DRBDADM.format(work=work))

    def set(self, **files):
        for name, text in files.items():
            with open(os.path.join(self.work, name.replace("_", "-")), "w") as file:
                file.write(text + "\n")

    def calls(self, verb):
        path = os.path.join(self.work, "calls")
        if not os.path.exists(path):
            return 0
        with open(path) as file:
            return sum(line.startswith(verb + " ") for line in file)


def drbddisk_verdicts(work):
    """drbddisk tells Primary, Secondary and not configured, for one volume or several; what it cannot tell may be running"""
    storage = Storage(work)
    for role, code, wanted in (("Primary/Secondary", 0, "running"), ("Secondary/Primary", 0, "stopped"),
                               ("Secondary/Unknown", 0, "stopped"), ("Primary", 0, "running"),
                               ("Secondary/Secondary\nPrimary/Secondary", 0, "running"),
                               ("Secondary/Secondary\nSecondary/Unknown", 0, "stopped"),
                               ("Unknown/Unknown", 0, "stopped"), ("", 10, "stopped"), ("", 20, "stopped")):
        storage.set(role=role, role_exit=str(code))
        storage.agents.verdict("drbddisk::r0", wanted)
    # A storage that does not answer, under a file system that is mounted.
    os.makedirs(f"{work}/mnt")
    out_of("mount", "-t", "tmpfs", "/dev/drbd0", f"{work}/mnt")
    storage.agents.verdict("drbddisk::r0", "running")


def drbddisk_waits(work):
    """a refusal that can change is waited out: the partner is still Primary, or a disk is just being attached"""
    storage = Storage(work)
    for answer, disk in (("11 State change failed: (-1) Multiple primaries not allowed by config", "UpToDate/UpToDate"),
                         ("17 State change failed: (-2) Need access to UpToDate data", "Negotiating/DUnknown")):
        storage.set(answer=answer, dstate=disk)
        process = storage.agents.drive("run", "drbddisk::r0", "start", start=True)
        before = storage.calls("primary")
        until(lambda: storage.calls("primary") > before + 2, 5, "not tried again")
        storage.set(answer="0")
        out, log = process.communicate(timeout=10)
        expect('"exit":0' in out, out + log)


def drbddisk_refuses(work):
    """a refusal that cannot change is reported at once and in words, any other one after six seconds"""
    storage = Storage(work)
    storage.set(answer="17 State change failed: (-2) Need access to UpToDate data")
    for disk, says in (("Inconsistent/DUnknown", "did not end"), ("Outdated/DUnknown", "newer data"),
                       ("UpToDate/DUnknown\nDiskless/DUnknown", "Diskless")):
        storage.set(dstate=disk)
        began = time.monotonic()
        storage.agents.refused("drbddisk::r0", "start", says, "Need access to UpToDate data", "exit 17")
        expect(time.monotonic() - began < 2, "not at once")
    storage.set(answer="11 State change failed: (-1) Multiple primaries not allowed by config")
    began = time.monotonic()
    storage.agents.refused("drbddisk::r0", "start", "Multiple primaries", "within 6 s")
    expect(5 < time.monotonic() - began < 9, f"{time.monotonic() - began} s")
    storage.set(answer="11 (-12) Device is held open by someone", role="Primary/Secondary")
    storage.agents.refused("drbddisk::r0", "stop", "held open", "within 3 s")
    storage.set(role="", role_exit="10")
    before = storage.calls("secondary")
    storage.agents.good("drbddisk::r0", "stop")
    expect(storage.calls("secondary") == before, "an unconfigured resource was demoted")


class Database:
    """A MariaDB server with a data directory of its own."""

    def __init__(self, work):
        self.agents = Agents(work)
        self.data = os.path.join(work, "data")
        self.socket = os.path.join(work, "s")
        os.chmod(work, 0o755)
        out_of("mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
               f"--datadir={self.data}")
        out_of("chown", "-R", SERVER_USER, self.data)
        with open(f"{work}/my.cnf", "w") as file:
            file.write(f"[mysqld]\ndatadir={self.data}\nuser={SERVER_USER}\nskip-networking\ninnodb-buffer-pool-size=32M\n")
        os.makedirs(os.path.join(work, "sockets"))
        out_of("chown", SERVER_USER, os.path.join(work, "sockets"))
        self.socket = os.path.join(work, "sockets/s")
        self.word = f"mariadb::{work}/my.cnf::socket={self.socket}"

    def process(self):
        with open(os.path.join(self.agents.run_dir, "mariadb" + self.data.replace("/", "-") + ".pid")) as file:
            return int(file.read())

    def ping(self, limit=2000, rounds=1):
        return self.agents.drive("probe", "sql", self.socket, "--rounds", str(rounds), limit=limit)


def mariadb_server(work):
    """start returns when the server answers, stop when it is gone; a killed one is stopped; each twice is no error"""
    database = Database(work)
    agents, word = database.agents, database.word
    agents.verdict(word, "stopped")
    agents.good(word, "start")
    expect(database.ping()[0]["ok"], "start returned too soon")
    agents.verdict(word, "running")
    first = database.process()
    # An administrator without a way in is no reason to take the server for dead.
    out_of("mariadb", "--no-defaults", f"--socket={database.socket}", "-uroot", "-e",
           "alter user root@localhost identified by 'x'")
    answer = database.ping()[0]
    expect(answer["ok"] and "refuses" in answer["text"], f"the query needs no password: {answer}")
    agents.good(word, "start")
    expect(database.process() == first, "started twice")
    agents.good(word, "stop", "stop")
    expect(not os.path.exists(f"/proc/{first}/cwd"), "stop returned too soon")
    agents.verdict(word, "stopped")
    agents.good(word, "start")
    os.kill(database.process(), signal.SIGKILL)
    until(lambda: agents.run(word, "status")["verdict"] == "stopped", 5, "a killed server is still running")
    result = database.ping()[0]
    expect(not result["ok"] and "connect" in result["text"], result)
    agents.good(word, "start")
    agents.verdict(word, "running")
    agents.good(word, "stop")


def mariadb_hangs(work):
    """a server that hangs is found by its deadline, again and again, and a stop ends it"""
    database = Database(work)
    agents, word = database.agents, database.word + "::stop-timeout=1"
    agents.good(word, "start")
    os.kill(database.process(), signal.SIGSTOP)
    for result in database.ping(limit=700, rounds=3):
        expect(not result["ok"] and result["took"] < 1200, result)
    agents.verdict(word, "running")
    agents.good(word, "stop")
    agents.verdict(word, "stopped")
    agents.good(word, "start")
    hung = database.process()
    # Not even SIGCONT helps a server that is traced and never goes on: SIGKILL does.
    tracer = subprocess.Popen(["python3", "-c", TRACER, str(hung)], stdout=subprocess.PIPE, text=True)
    expect(tracer.stdout.readline() == "attached\n", "could not be traced")
    result = agents.good(word, "stop")
    expect(not os.path.exists(f"/proc/{hung}/cwd"), "it lives")
    tracer.kill()
    expect("SIGKILL" in agents.log and result["took"] < 5000, result)


TRACER = """
import ctypes, sys, time
libc = ctypes.CDLL(None)
assert libc.ptrace(16, int(sys.argv[1]), None, None) == 0  # PTRACE_ATTACH stops it
print("attached", flush=True)
time.sleep(60)
"""


def mariadb_refuses(work):
    """a missing data directory and a server that ends at once are said in words"""
    agents = Agents(work)
    agents.refused(f"mariadb::datadir={work}/none::socket={work}/s", "start", f"{work}/none", "mounted")
    os.makedirs(f"{work}/empty")
    agents.refused(f"mariadb::datadir={work}/empty::socket={work}/s::user={SERVER_USER}", "start", "ended at once")
    agents.refused("mariadb::nonsense", "start", "nonsense")
    agents.good(f"mariadb::datadir={work}/none::socket={work}/s", "stop")


def distribution_service(work):
    """without arguments `mariadb` is the distribution's service, and its status is put into words"""
    if os.path.exists("/run/systemd/system") or not os.path.exists("/etc/init.d"):
        raise Skip("needs a machine without systemd, with /etc/init.d")
    agents = Agents(work)
    out_of("mount", "-t", "tmpfs", "none", "/etc/init.d")
    agents.script("mariadb", f'#!/bin/sh\necho "$@" >> {work}/calls\n[ "$1" = status ] && exit $(cat {work}/state)\nexit 0\n',
                  "/etc/init.d")
    for code, wanted in (("0", "running"), ("3", "stopped")):
        with open(f"{work}/state", "w") as file:
            file.write(code)
        agents.verdict("mariadb", wanted)
    agents.good("mariadb", "start", "stop")
    with open(f"{work}/calls") as file:
        expect(file.read().split() == ["status", "status", "start", "stop"], "not handed on")


# Plays ipvsadm with a file as the kernel's table.
IPVSADM = """#!/bin/sh
table={work}/table
touch $table
case "$1" in
--save) cat $table ;;
--restore) cat >> $table ;;
-D) grep -vF -e "$2 $3" $table > $table.new; mv $table.new $table ;;
esac
"""


def lvs_rules(work):
    """LVS loads the rules of its file and removes only its own services; ipvsadm is played here"""
    agents = Agents(work)
    agents.tool("ipvsadm", IPVSADM.format(work=work))
    with open(f"{work}/rules", "w") as file:
        file.write("-A -t 10.9.0.17:80 -s rr\n-a -t 10.9.0.17:80 -r 10.9.0.2:80 -g -w 1\n-A -u 10.9.0.17:53 -s wlc\n")
    with open(f"{work}/table", "w") as file:
        file.write("-A -t 10.9.0.99:80 -s rr\n")
    word = f"LVS::{work}/rules"
    agents.verdict(word, "stopped")
    agents.good(word, "start", "start")
    agents.verdict(word, "running")
    with open(f"{work}/table") as file:
        expect(len(file.readlines()) == 4, "loaded twice, or not")
    agents.good(word, "stop", "stop")
    agents.verdict(word, "stopped")
    with open(f"{work}/table") as file:
        expect(file.read() == "-A -t 10.9.0.99:80 -s rr\n", "foreign services were touched")
    agents.refused(f"LVS::{work}/none", "start", f"{work}/none")


def ocf_services(work):
    """the words for iSCSI, NFS and ldirectord become the parameters that Debian's agents declare"""
    folder = "/usr/lib/ocf/resource.d/heartbeat"
    if not os.path.exists(f"{folder}/exportfs"):
        raise Skip("package resource-agents is missing (scripts/install-deps installs it)")
    agents = Agents(work)
    # An agent of the same name shows what it gets; the real one says in its meta-data whether it knows that.
    # Some of their packages bring an init script of the same name.
    agents.options = ["--ocf-root", f"{work}/ocf", "--init-dir", f"{work}/init.d"]
    for word in ("iSCSITarget::iqn.2026-01.example:data::1::lio-t",
                 "iSCSILogicalUnit::iqn.2026-01.example:data::0::/dev/drbd0::lio-t",
                 "exportfs::10.9.0.0/24::/data::1::rw,sync", "nfsserver::/data/nfs", "ldirectord::/etc/ha.d/ldirectord.cf",
                 "exportfs::directory=/data::clientspec=*::fsid=1"):
        name = word.split("::")[0]
        agents.script(name, "#!/bin/sh\nenv | sed -n 's/^OCF_RESKEY_//p'\n", f"{work}/ocf/resource.d/heartbeat")
        output = agents.good(word, "start")["output"]
        meta_data = out_of(f"{folder}/{name}", "meta-data", env={**os.environ, "OCF_ROOT": "/usr/lib/ocf"})
        got = dict(line.split("=", 1) for line in output.splitlines())
        unknown = [key for key in got if f'<parameter name="{key}"' not in meta_data]
        expect(len(got) == len(word.split("::")) - 1 and not unknown, f"{word}: {got}, not known: {unknown}")


def nfs_export(work):
    """Debian's exportfs agent exports, tells and withdraws by our words; the tool exportfs is played here"""
    if not os.path.exists("/usr/lib/ocf/resource.d/heartbeat/exportfs"):
        raise Skip("package resource-agents is missing (scripts/install-deps installs it)")
    os.makedirs("/run/resource-agents", exist_ok=True)
    os.makedirs(f"{work}/data")
    agents = Agents(work)
    agents.tool("exportfs", EXPORTFS.format(work=work))
    word = f"exportfs::10.9.0.0/24::{work}/data::1::rw"
    agents.verdict(word, "stopped")
    agents.good(word, "start")
    agents.verdict(word, "running")
    agents.good(word, "stop")
    agents.verdict(word, "stopped")


EXPORTFS = """#!/bin/sh
last=$(eval echo \\${{$#}})
case "$*" in
*-u*) rm -f {work}/exported ;;
*-o*) echo "$last" > {work}/exported ;;
*) [ ! -e {work}/exported ] || sed 's%\\([^:]*\\):\\(.*\\)%\\2 \\t\\1%' {work}/exported ;;
esac
"""

DATABASE = ("mariadb-install-db", "mariadbd", "mariadb", "my_print_defaults")
main(drbddisk_verdicts, drbddisk_waits, drbddisk_refuses, mariadb_server, mariadb_hangs, mariadb_refuses, distribution_service,
     lvs_rules, ocf_services, nfs_export, programs=DATABASE)
