#!/usr/bin/python3
"""The story that scripts/demo tells, on two nodes in namespaces. Ends with 1 if an acknowledged row is missing."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../tests/e2e/lib"))

from cluster import Cluster, Node, until  # noqa: E402
from row_client import RowClient  # noqa: E402
from sandbox import Failed, run  # noqa: E402

SERVICE = "10.88.0.100"
MIB = 1024
HOT_AREAS = 67  # of 4 MiB each: what a crashed Primary compares with its peer; the usual 1237 would cover this small disk
DATABASE = ["--no-defaults", "--user=root", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
            "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--performance-schema=OFF", "--skip-name-resolve",
            "--innodb-buffer-pool-dump-at-shutdown=OFF", "--innodb-buffer-pool-load-at-startup=OFF", "--log-bin=bin"]
# Tells the neighbours who has the service address now, as heartbeat will.
ANNOUNCE = """
import fcntl, socket, struct, sys
address = socket.inet_aton(sys.argv[1])
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
packets.bind(("eth0", 0))
mac = fcntl.ioctl(packets, 0x8927, struct.pack("256s", b"eth0"))[18:24]
packets.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac + address + bytes(6) + address)
"""

started = time.monotonic()


def tell(text):
    print(f"[{time.monotonic() - started:5.1f} s] {text}")


def device(node):
    return os.path.join(node.dev_dir, "drbd0")


def sql(node, statement):
    return node.run("mariadb", "--no-defaults", "-uroot", "-S", f"{node.dir}/mysql.sock", "-N", "-e", statement)[1].strip()


def start_service(node):
    """File system, database and service address on a node that is Primary."""
    os.makedirs(f"{node.dir}/mnt", exist_ok=True)
    os.makedirs(f"{node.dir}/tmp", exist_ok=True)
    node.run("mount", "-t", "ext4", device(node), f"{node.dir}/mnt")
    tell(f"  {node.name}: the file system on /dev/drbd0 is mounted")
    data = f"{node.dir}/mnt/mysql"
    if not os.path.exists(f"/proc/{node.init}/root{data}"):
        node.run("mariadb-install-db", "--no-defaults", "--user=root", "--auth-root-authentication-method=normal",
                 "--skip-test-db", f"--datadir={data}", "--innodb-log-file-size=32M")
    with open(f"{node.dir}/mysql.log", "a") as log:
        server = node.start("mariadbd", *DATABASE, f"--datadir={data}", f"--socket={node.dir}/mysql.sock",
                            f"--tmpdir={node.dir}/tmp", f"--pid-file={node.dir}/mysql.pid", stdout=log, stderr=log)
    answers = ["mariadb", "--no-defaults", "-uroot", "-S", f"{node.dir}/mysql.sock", "-e", "select 1"]
    until(lambda: node.run(*answers, check=False)[0] == 0, 60, f"{node.name}: MariaDB does not answer")
    node.run("ip", "address", "add", f"{SERVICE}/24", "dev", "eth0")
    node.run(sys.executable, "-c", ANNOUNCE, SERVICE)
    tell(f"  {node.name}: MariaDB answers at the service address {SERVICE}")
    return server


def stop_service(node, server):
    node.run("ip", "address", "del", f"{SERVICE}/24", "dev", "eth0")
    node.signal("mariadbd", signal.SIGTERM)
    server.wait()
    node.run("umount", f"{node.dir}/mnt")
    node.drbdadm("secondary", "r0")


def story(work, cluster=None):
    tell("Two database servers, alpha and bravo, each with a disk of its own, and between them a link of 200 MB/s.")
    cluster = cluster or Cluster(work, mib=MIB, net="protocol C; timeout 30; ping-int 2; connect-int 1;",
                                 disk=f"al-extents {HOT_AREAS};")
    alpha, bravo = cluster.nodes
    story.cluster = cluster
    web = Node(work, "web", "10.88.0.3", daemon=False).boot()

    tell("drbdd mirrors what alpha writes to bravo. The first copy of the whole disk:")
    copying = time.monotonic()
    cluster.up(primary=alpha)
    seconds = time.monotonic() - copying
    tell(f"  {MIB} MiB are now on both disks ({seconds:.1f} s, {MIB / seconds:.0f} MiB/s)")

    tell("alpha becomes the database server: a file system on the mirrored disk, and MariaDB on it.")
    alpha.run("mke2fs", "-q", "-t", "ext4", device(alpha))
    start_service(alpha)
    sql(alpha, "create user web@'%' identified by 'w'; create database app; grant all on app.* to web@'%'; "
               "create table app.t(id int primary key, at double) engine=innodb")

    tell("A client commits numbered rows, one after the other, and writes down each one that the database acknowledged.")
    client = RowClient(web, SERVICE)
    client.start()
    until(lambda: client.acked, 10, "no row was committed")
    time.sleep(5)
    before = client.last
    tell(f"  {len(client.acked)} rows are acknowledged ({client.rate():.0f} per second)")

    tell("alpha loses power: all its processes are killed at once, in the middle of the work.")
    died = time.monotonic()
    alpha.kill()
    bravo.wait(connection="Connecting", seconds=30)
    tell("  bravo notices that its peer is gone")
    bravo.drbdadm("primary", "r0")
    tell("  bravo is promoted to Primary (by hand here; that is heartbeat's job)")
    server = start_service(bravo)
    until(lambda: client.last > before and client.last_time > died, 30, "the client commits no more rows")
    tell(f"  the client goes on: {client.first_after(died) - died:.1f} s without the database")
    time.sleep(3)

    tell("alpha comes back. Only what bravo wrote since, and the areas that alpha was just writing, are copied to it, while the "
         "database works on:")
    alpha.boot()
    alpha.drbdadm("up", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
    received = alpha.status()["connections"][0]["peer_devices"][0]["received"]
    tell(f"  alpha is UpToDate again after {received / 1024:.1f} of {MIB} MiB")

    tell("The count: every acknowledged row must be in the table.")
    time.sleep(1)
    client.stop()
    rows = {int(row) for row in sql(bravo, "select id from app.t").split()}
    missing = sorted(set(client.acked) - rows)
    tell(f"  {len(client.acked)} rows acknowledged, {len(missing)} of them missing")
    stop_service(bravo, server)
    cluster.compare()
    tell("  both disks are equal, byte for byte")
    cluster.down()
    if missing:
        raise Failed(f"acknowledged rows are missing, the first ones are {missing[:10]}")
    tell("Not one committed row was lost.")


story.cluster = None
if __name__ == "__main__":
    run(story, ("mariadbd", "mariadb", "mariadb-install-db", "mke2fs"), 400,
        lambda: story.cluster and story.cluster.report())
