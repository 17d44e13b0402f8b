"""The MySQL pair with all that belongs to it, each host a network namespace.

db-a, db-b   links of their own for service, heartbeat, replication (200 MB/s) and management; drbdd, heartbeat, and MariaDB
             on ext4 on /dev/drbd0 behind the service address
replica-1/2  MariaDB, replicating from the service address by GTID
client       commits numbered rows at the service address
"""

import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))

from cluster import RATE_BYTES, ROOT, compare, configuration, until  # noqa: E402
from ha_node import HaNode, ORIGINAL, OURS, Wires  # noqa: E402
from sandbox import Failed, out_of  # noqa: E402
from sql_writer import SqlWriter  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
SERVICE = "10.88.0.100"
ROUTER = "10.88.0.254"  # the ping node
MIB = 384
NETWORKS = ("service", "heartbeat", "replication", "management")
# A node that lost all its links, and with them its clients, gives up what it wrote since: nobody was told of it.
NET = ("protocol C; timeout 20; ping-int 1; ping-timeout 10; connect-int 1; "
       "after-sb-0pri discard-zero-changes; after-sb-1pri discard-secondary;")
HOT_AREAS = 67  # of 4 MiB: what a crashed Primary compares when it returns
DATABASE = {"user": "root", "innodb-buffer-pool-size": "32M", "innodb-log-file-size": "16M", "innodb-flush-log-at-trx-commit": 1,
            "sync-binlog": 1, "performance-schema": "OFF", "skip-name-resolve": 1, "innodb-buffer-pool-dump-at-shutdown": "OFF",
            "innodb-buffer-pool-load-at-startup": "OFF", "log-bin": "bin", "binlog-format": "ROW", "gtid-strict-mode": 1,
            "socket": "/run/mysqld.sock", "pid-file": "/run/mysqld.pid", "log-error": "/var/log/mysql.log", "tmpdir": "/run"}
PROGRAMS = ("mariadbd", "mariadb", "mariadb-install-db", "mke2fs")


class Timing:
    """keepalive and deadtime of ha.cf, in milliseconds."""

    def __init__(self, keepalive, deadtime):
        self.keepalive, self.deadtime = keepalive, deadtime


def ha_cf(timing, failback, peer):
    return "\n".join(["logfile /var/log/ha-log", "logfacility none", f"keepalive {timing.keepalive}ms",
                      f"deadtime {timing.deadtime}ms", f"initdead {max(4000, 2 * timing.deadtime)}ms",
                      f"ucast eth1 10.88.1.{peer}", f"ucast eth3 10.88.3.{peer}", f"auto_failback {failback}",
                      "node db-a db-b", f"ping {ROUTER}", ""])


RESOURCES = f"db-a drbddisk::r0 Filesystem::/dev/drbd0::/srv::ext4 IPaddr::{SERVICE}/24/eth0 "
OUR_AGENTS, DEBIANS_AGENTS = os.path.join(ROOT, "packaging/ha.d"), "/etc/ha.d"
OUR_MYSQLD, DEBIANS_MYSQLD = "mariadb::/etc/ha.d/my.cnf::stop-timeout=4", "mysqld"
# What the original does not have: it needs nothing of this file and never opens it.
POLICY = """agent_timeout start 30
agent_timeout stop 20
monitor mariadb sql /run/mysqld.sock root interval 500ms timeout 2 restart 1 window 60
"""
# The node that takes over waits for as long as the isolated one may take to stop; mysqld is killed after four seconds.
TIE_BREAK = POLICY.replace("stop 20", "stop 8") + "quorum_ping 1\n"


def my_cnf(options):
    return "[mysqld]\n" + "".join(f"{name} = {value}\n" for name, value in {**DATABASE, **options}.items())


class Topology:
    """`replicas`: how many. The parts that another cluster manager does in another way are methods: start_ha, stop_ha, settled."""

    def __init__(self, work, kind=OURS, failback="off", timing=Timing(200, 1500), policy=POLICY, agents=None, replicas=2):
        self.work, self.kind = work, kind
        self.agents = agents or (OUR_AGENTS if kind == OURS else DEBIANS_AGENTS)
        Wires(*NETWORKS)
        out_of("ip", "address", "add", f"{ROUTER}/24", "dev", "service")
        self.db = [HaNode(work, f"db-{x}", {f"eth{i}": (network, f"10.88.{i}.{n}") for i, network in enumerate(NETWORKS)}, kind)
                   for x, n in (("a", 1), ("b", 2))]
        self.a, self.b = self.db
        self.replicas = [HaNode(work, f"replica-{n}", {"eth0": ("service", f"10.88.0.1{n}")}) for n in range(1, replicas + 1)]
        self.client = HaNode(work, "client", {"eth0": ("service", "10.88.0.20")})
        self.images = {node.name: f"{node.dir}/disk.img" for node in self.db}
        self._configure(failback, timing, policy)
        for node in (*self.db, *self.replicas, self.client):
            node.boot()
        self.writer = None
        self.guard = None

    def _configure(self, failback, timing, policy):
        names = [(node.name, node.links["eth2"][1]) for node in self.db]
        mysqld = DEBIANS_MYSQLD if self.agents == DEBIANS_AGENTS else OUR_MYSQLD
        with open(self.a.config, "w") as file:
            file.write(configuration(names, {name: [image] for name, image in self.images.items()}, NET,
                                     f"al-extents {HOT_AREAS};"))
        for node, peer in zip(self.db, (2, 1)):
            shutil.copytree(self.agents, node.ha_dir, dirs_exist_ok=True, symlinks=True)
            node.install({"ha.cf": ha_cf(timing, failback, peer), "haresources": RESOURCES + mysqld + "\n",
                          "authkeys": "auth 1\n1 sha1 0123456789abcdef\n", "my.cnf": my_cnf({"datadir": "/srv/mysql", "server-id": 1})})
            if policy and self.kind == OURS:
                node.install({"ha_policy.cf": policy})
            shutil.copy2(f"{HERE}/agent-mysqld", f"{node.ha_dir}/resource.d/mysqld")
            with open(self.images[node.name], "wb") as file:
                file.truncate(MIB << 20)

    # ---- bringing it up ----
    def up(self):
        """A mirrored, empty database that runs on db-a, two replicas of it, and the client at work."""
        self._mirror()
        self._make_database()
        for node in self.db:
            self.start_ha(node)
        self.expect(self.a, 60, "first start")
        self._make_users()
        for replica in self.replicas:
            self._replicate(replica)
        self.guard = Guard(self)
        self.guard.start()
        self.start_writer()
        return self

    def start_storage(self, node):
        """What systemd does at boot, before heartbeat."""
        node.start_daemon()
        node.drbdadm("up", "r0")

    def _mirror(self):
        for node in self.db:
            node.shape_link("eth2", RATE_BYTES)
            node.drbdadm("create-md", "--force", "r0")
            self.start_storage(node)
        for node in self.db:
            node.wait(connection="Connected")
        self.a.drbdadm("primary", "--force", "r0")
        for node in self.db:
            node.wait_in_sync()

    def _make_database(self):
        template = f"{self.work}/template"
        out_of("mariadb-install-db", "--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db",
               f"--datadir={template}", "--innodb-log-file-size=16M", "--skip-log-bin")
        self.a.run("mke2fs", "-q", "-t", "ext4", "/dev/drbd0")
        self.a.run("mount", "/dev/drbd0", "/srv")
        self.a.run("cp", "-a", template, "/srv/mysql")
        self.a.run("umount", "/srv")
        self.a.drbdadm("secondary", "r0")
        for number, replica in enumerate(self.replicas, 2):
            replica.run("cp", "-a", template, f"{replica.dir}/mysql")
            self._start_replica(replica, number)

    @staticmethod
    def _start_replica(replica, number):
        replica.install({"my.cnf": my_cnf({"datadir": f"{replica.dir}/mysql", "server-id": number, "read-only": 1,
                                           "slave-net-timeout": 2, "innodb-flush-log-at-trx-commit": 2, "sync-binlog": 0})})
        replica.start("mariadbd", "--defaults-file=/etc/ha.d/my.cnf", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: sql(replica, "select 1", check=False) == "1", 60, f"{replica.name}: MariaDB does not answer")

    def _make_users(self):
        sql(self.a, "create user web@'%' identified by 'w'; create user repl@'%' identified by 'r'; create database app; "
                    "grant all on app.* to web@'%'; grant replication slave on *.* to repl@'%'; "
                    "create table app.t(id int primary key, at double) engine=innodb")

    @staticmethod
    def _replicate(replica):
        sql(replica, f"change master to master_host='{SERVICE}', master_user='repl', master_password='r', "
                     "master_use_gtid=slave_pos, master_connect_retry=1, master_heartbeat_period=0.5; start slave")

    def start_writer(self):
        self.writer = SqlWriter(self.client, SERVICE)
        self.writer.start()
        self.writer.first_after(0, 20)

    # ---- what is seen from outside ----
    def holder(self):
        """The node that has it all."""
        found = [node for node in self.db if node.alive() and all(holdings(node).values())]
        return found[0] if len(found) == 1 else None

    def expect(self, node, seconds, why):
        until(lambda: self.holder() is node, seconds,
              lambda: f"{why}: {node.name} should hold the service: {[(n.name, holdings(n)) for n in self.db]}")

    def other(self, node):
        return self.b if node is self.a else self.a

    def in_sync(self, seconds=60):
        for node in self.db:
            node.wait_in_sync(seconds=seconds)

    # ---- faults and returns ----
    def bring_back(self, node):
        """Power is back; nobody does more than to let it boot."""
        node.boot()
        node.shape_link("eth2", RATE_BYTES)
        self.start_storage(node)
        # As the original's init script does before the cluster manager starts: the disk of a crashed Primary calls itself
        # UpToDate until it hears its peer, and must not be promoted before.
        node.drbdadm("wait-connect", "r0", seconds=60)
        self.start_ha(node)

    def start_ha(self, node):
        node.start_heartbeat()

    def stop_ha(self, node):
        node.stop_heartbeat(60)

    def settled(self):
        """Both are members and neither is in the middle of something."""
        return all(is_active(node, self.other(node)) and node.resource_status() in ("none", "local", "foreign", "all")
                   for node in self.db)

    def settle(self):
        until(self.settled, 60, lambda: f"not settled: {[(node.name, node.resource_status()) for node in self.db]}")

    def check(self, seconds=60):
        """Every acknowledged row is in the database, and the replicas have the same rows without anybody's help."""
        until(self.answers, seconds, lambda: f"nobody answers for the service: {[(n.name, holdings(n)) for n in self.db]}")
        acked = set(self.writer.acked)
        holder = self.holder()
        missing = acked - rows(holder)
        if missing:
            raise Failed(f"{len(missing)} of {len(acked)} acknowledged rows are missing on {holder.name}: {sorted(missing)[:10]}")
        for replica in self.replicas:
            until(lambda replica=replica: not acked - rows(replica), seconds, lambda replica=replica: (
                f"{replica.name} lacks {len(acked - rows(replica))} acknowledged rows: {slave_status(replica)}"))
        self.guard.check()

    def answers(self):
        """A row that was under way may be the first one after a fault that is still to come to light: the database of the holder
        answers when it is over. Who does not answer has lost nothing."""
        holder = self.holder()
        return holder is not None and sql(holder, "select 1", check=False) == "1"

    def finish(self):
        """The client stops, all three databases hold the same rows, and both disks the same bytes."""
        self.writer.stop()
        self.check()
        holder = self.holder()
        wanted = rows(holder)
        for replica in self.replicas:
            until(lambda replica=replica: rows(replica) == wanted, 30, f"{replica.name} has other rows than {holder.name}")
        self.guard.stop()
        for node in (self.other(holder), holder):
            self.stop_ha(node)
        self.in_sync()
        compare(*self.images.values())
        for node in self.db:
            node.drbdadm("down", "r0")

    def report(self):
        for node in self.db:
            node.report()
            for name in ("drbdd.log", "varlog/mysql.log"):
                path = f"{node.dir}/{name}"
                if os.path.exists(path):
                    print(f"---- {node.name}: {name}\n{out_of('tail', '-n', '25', path)}")


class Guard(threading.Thread):
    """Looks all the time whether two nodes have the service address and a mounted file system."""

    def __init__(self, topology):
        super().__init__(daemon=True)
        self.topology = topology
        self.seen = []
        self.allowed = False
        self._stopping = threading.Event()

    def run(self):
        while not self._stopping.wait(0.02):
            both = [holdings(node) for node in self.topology.db]
            if all(found["mounted"] and found["address"] for found in both):
                self.seen.append((time.time(), both))

    def check(self):
        if self.seen:
            raise Failed(f"two nodes held the service {len(self.seen)} times, first at {self.seen[0]}")

    def stop(self):
        self._stopping.set()
        self.join()


def holdings(node):
    """What a node has of the service, read from its /proc without running anything there."""
    found = {"mounted": False, "address": False, "mysqld": False}
    try:
        with open(f"/proc/{node.init}/mounts") as file:
            found["mounted"] = any(line.split()[1] == "/srv" and line.split()[2] == "ext4" for line in file)
        with open(f"/proc/{node.init}/net/fib_trie") as file:
            found["address"] = f" {SERVICE}\n" in file.read()
        found["mysqld"] = node.exists("/run/mysqld.sock") and node.exists("/run/mysqld.pid")
    except OSError:
        pass  # it is dead
    return found


def is_active(node, peer):
    return node.run(node.tool("cl_status"), "nodestatus", peer.name, check=False, quiet=True)[1].strip() == "active"


def sql(node, statement, check=True):
    return node.run("mariadb", "--no-defaults", "-uroot", "-S", "/run/mysqld.sock", "--connect-timeout=2", "-N", "-e", statement,
                    check=check, quiet=True)[1].strip()


def rows(node):
    return {int(row) for row in sql(node, "select id from app.t", check=False).split()}


def slave_status(replica):
    text = replica.run("mariadb", "--no-defaults", "-uroot", "-S", "/run/mysqld.sock", "-e", "show slave status\\G", quiet=True)[1]
    wanted = ("Slave_IO_Running:", "Slave_SQL_Running:", "Last_IO_Error:", "Last_SQL_Error:", "Gtid_IO_Pos:")
    return "; ".join(line.strip() for line in text.splitlines() if line.strip().startswith(wanted))
