#!/usr/bin/python3
"""What is asked for twice, at the wrong moment or anew: words, numbers and exit codes of the original. administration.py SCENARIO"""

import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import main, until  # noqa: E402
from nbd_client import NumberedWriter  # noqa: E402
from sandbox import Failed  # noqa: E402


def expect(node, *words, code=0, out="", err=(), program="drbdadm"):
    """The exit code, exactly this on stdout, and these lines on stderr among others; none wanted: none there."""
    config = ["-c", node.config] if program == "drbdadm" else []
    got, stdout, stderr = node.run(program, *config, *words, check=False, seconds=5)
    lines = stderr.splitlines()
    if got != code or stdout != out or (not err and stderr) or any(line not in lines for line in err):
        raise Failed(f"{node.name}: {program} {' '.join(words)}: exit {got}, wanted {code}, {out!r} and {err}\n{stdout}{stderr}")


def twice(cluster):
    """what is done already is refused with the original's words, or is no news"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    path = cluster.disks["alpha"][0]
    attached = ["Device '0' is configured!", f"Command 'drbdmeta 0 v08 {path} internal apply-al' terminated with exit code 20"]
    expect(alpha, "attach", "r0", code=20, err=attached)
    expect(alpha, "up", "r0", code=1, err=attached)
    taken = ["r0: Failure: (102) Local address(port) already in use.",
             "Command 'drbdsetup connect r0 ipv4:10.88.0.1:7788 ipv4:10.88.0.2:7788' terminated with exit code 10"]
    expect(alpha, "connect", "r0", code=10, err=taken)
    expect(alpha, "primary", "r0")
    expect(bravo, "secondary", "r0")
    expect(bravo, "detach", "r0")
    expect(bravo, "detach", "r0")
    expect(bravo, "attach", "r0")
    bravo.wait_in_sync()
    expect(bravo, "disconnect", "r0")
    expect(bravo, "disconnect", "r0")
    alpha.wait(connection="Connecting")
    expect(alpha, "connect", "r0", code=10, err=taken)
    expect(bravo, "connect", "r0")
    alpha.wait_in_sync()
    for node in cluster.nodes:
        expect(node, "down", "r0")
        expect(node, "down", "r0", err=["Resource unknown"])
    expect(alpha, "down", "nosuch", err=["Resource unknown"], program="drbdsetup")


def wrong_moment(cluster):
    """what the state of things forbids is refused with the original's number and exit code, and changes nothing"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    expect(bravo, "primary", "r0", code=11, err=["0: State change failed: (-1) Multiple primaries not allowed by config",
                                                 "Command 'drbdsetup primary 0' terminated with exit code 11"])
    expect(bravo, "disconnect", "r0")
    alpha.wait(connection="Connecting")
    expect(bravo, "wait-connect", "--wfc-timeout=1", "--degr-wfc-timeout=1", "--outdated-wfc-timeout=1", "r0")  # StandAlone
    expect(alpha, "wait-connect", "--wfc-timeout=1", "--degr-wfc-timeout=1", "--outdated-wfc-timeout=1", "r0", code=5)
    expect(alpha, "detach", "r0", code=17, err=["0: State change failed: (-2) Need access to UpToDate data",
                                                "Command 'drbdsetup detach 0' terminated with exit code 17"])
    expect(alpha, "--", "--discard-my-data", "connect", "r0", code=10, err=["r0: Failure: (102) Local address(port) already in use."])
    expect(alpha, "dstate", "r0", out="UpToDate/DUnknown\n" if alpha.state()[4] == "DUnknown" else "UpToDate/Outdated\n")
    expect(alpha, "invalidate", "r0", code=11, err=["0: State change failed: (-15) Need a connection to start verify or resync"])
    for node in cluster.nodes:
        expect(node, "down", "r0")
        unknown = ["0: Failure: (127) Device minor not allocated", "additional info from kernel:", "unknown minor"]
        for query in ("role", "cstate"):
            expect(node, query, "r0", code=10, err=[*unknown, f"Command 'drbdsetup {query} 0' terminated with exit code 10"])
        expect(node, "primary", "r0", code=10, err=unknown)
        expect(node, "role", "0", code=10, err=unknown, program="drbdsetup")
        on_disk = node.drbdadm("dstate", "r0")[1].strip()
        if on_disk not in ("UpToDate", "Consistent"):
            raise Failed(f"{node.name}: dstate of a resource that is down: {on_disk}")
        expect(node, "status", "r0", code=10, err=["r0: No such resource"])
        expect(node, "primary", "nosuch", code=1, err=["'nosuch' not defined in your config (for this host)."])


def skipped(cluster):
    """two disks that were just created are taken for equal: both UpToDate, and not a byte of them is copied"""
    alpha, bravo = cluster.alpha, cluster.bravo
    alpha.drbdadm("create-md", "--force", "r0")
    alpha.drbdadm("up", "r0")
    expect(alpha, "new-current-uuid", "--clear-bitmap", "r0/0", code=10, err=["0: Failure: (151) Need to be StandAlone"])
    bravo.drbdadm("create-md", "--force", "r0")
    bravo.drbdadm("up", "r0")
    for node in cluster.nodes:
        node.wait(connection="Connected")
    expect(alpha, "new-current-uuid", "--clear-bitmap", "r0/0")
    for node in cluster.nodes:
        node.wait_in_sync()
    for node in cluster.nodes:
        peer = node.status()["connections"][0]["peer_devices"][0]
        if peer["received"] or peer["sent"] or peer["out-of-sync"]:
            raise Failed(f"{node.name}: {peer}")
    expect(bravo, "new-current-uuid", "--clear-bitmap", "r0/0", code=10, err=["0: Failure: (151) Need to be StandAlone"])
    expect(alpha, "primary", "r0")
    alpha.write_random(range(0, 40960, 4096))
    alpha.wait_in_sync()
    bravo.wait_in_sync()


def suspended(cluster):
    """writes under way are not answered while the node's I/O is suspended, and all go on afterwards; the peer may come and go"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    writer = NumberedWriter(alpha.nbd(), 4096, seed=7)
    writer.start()
    until(lambda: len(writer.acked) > 200, 20, "writes")
    expect(alpha, "suspend-io", "r0")
    expect(alpha, "suspend-io", "0", program="drbdsetup")
    time.sleep(0.3)  # answers that had left the daemon
    answered = writer.last_ack
    status = alpha.status()
    if not status["suspended"] or not status["suspended-user"]:
        raise Failed(f"{status}")
    late = NumberedWriter(alpha.nbd(), 4096, seed=8)
    late.start()
    until(lambda: len(late.busy) > 8, 10, "more writes")
    time.sleep(0.3)
    _, verbose, _ = alpha.run("drbdsetup", "status", "--verbose", "--statistics")
    if "suspended:user" not in verbose or "held-back-by:suspended" not in verbose:
        raise Failed(verbose)
    expect(bravo, "disconnect", "r0")
    expect(bravo, "connect", "r0")
    alpha.wait_in_sync()
    if writer.last_ack != answered or late.acked:
        raise Failed("a write was answered while I/O was suspended")
    expect(alpha, "resume-io", "r0")
    until(lambda: writer.last_ack > answered + 1 and late.acked, 20, "writes after resume-io")
    late.stop()
    writer.stop()
    if alpha.status()["suspended"]:
        raise Failed(f"{alpha.status()}")
    alpha.wait_in_sync()
    cluster.compare()


def grow(cluster, nodes, mib):
    for node in nodes:
        path = cluster.disks[node.name][0]
        os.truncate(path, os.path.getsize(path) + (mib << 20))


def sectors(node):
    return node.status()["devices"][0]["size"] * 2


def resized(cluster):
    """grows under load when both disks have grown, and not when one has; what is added is copied; a disk that grew meanwhile comes up"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    before = sectors(alpha)
    writer = NumberedWriter(alpha.nbd(), 4096, seed=7)
    writer.start()
    until(lambda: len(writer.acked) > 200, 20, "writes")
    grow(cluster, [alpha], 16)
    expect(alpha, "resize", "r0")
    if sectors(alpha) != before or sectors(bravo) != before:
        raise Failed(f"the device grew although bravo's disk has not: {sectors(alpha)}")
    grow(cluster, [bravo], 16)
    expect(alpha, "-d", "resize", "r0", out="drbdsetup resize 0\ndrbdsetup check-resize 0\n")
    expect(alpha, "resize", "r0")
    until(lambda: sectors(alpha) == sectors(bravo) > before + (15 << 11), 20, "the new size")
    alpha.wait_in_sync()
    writer.stop()
    end = sectors(alpha) * 512
    alpha.write_random([before * 512 - 4096, before * 512, end - 4096])
    cluster.compare()
    cluster.down()
    grow(cluster, [alpha, bravo], 8)
    for node in cluster.nodes:
        node.drbdadm("up", "r0")
    alpha.wait_in_sync()
    if sectors(alpha) * 512 != end:
        raise Failed(f"{sectors(alpha)} sectors after a restart, {end} bytes before")
    expect(alpha, "resize", "r0", code=10, err=["0: Failure: (131) Need one Primary node to resize."])
    expect(bravo, "primary", "r0")
    expect(bravo, "resize", "0", program="drbdsetup")
    until(lambda: sectors(alpha) * 512 > end, 20, "the new size")
    bravo.wait_in_sync()
    bravo.write_random([end - 4096, end, sectors(bravo) * 512 - 4096])
    cluster.compare()


def adjusted(cluster):
    """adjust does what differs from the file, and only that; `up` of a running resource takes no harm from a changed file"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    expect(alpha, "adjust", "r0")
    expect(alpha, "-d", "adjust", "r0")
    bravo.drbdadm("detach", "r0")
    bravo.drbdadm("disconnect", "r0")
    expect(bravo, "adjust", "r0")
    bravo.wait_in_sync()
    edit(cluster, "protocol C;", "protocol C; timeout 50;")
    expect(bravo, "-d", "adjust", "r0",
           out="drbdsetup net-options ipv4:10.88.0.2:7788 ipv4:10.88.0.1:7788 --set-defaults --protocol=C --timeout=50\n")
    expect(bravo, "adjust", "r0")
    expect(bravo, "-d", "adjust", "r0")
    bravo.wait_in_sync()
    expect_port(cluster, 7788)
    edit(cluster, ":7788", ":7790")
    for node in cluster.nodes:
        expect(node, "adjust", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
    expect_port(cluster, 7790)
    alpha.wait(role="Primary")
    another_on_the_old_port(cluster)
    edit(cluster, "volume 0 {", "volume 7 {")
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "adjust", "r0", code=10, says=["volume 0", "secondary"])
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "up", "r0", code=1)
    alpha.wait_in_sync()
    edit(cluster, "volume 7 {", "volume 0 {")
    alpha.write_random(range(0, 4 << 20, 65536))
    cluster.compare()
    alpha.drbdadm("down", "r0")
    expect(alpha, "adjust", "r0")
    alpha.wait_in_sync()


def one_after_the_other(cluster):
    """two adjusts at any distance: what can be changed online disconnects nobody and outdates nobody; for the rest both find together"""
    alpha, bravo = cluster.alpha, cluster.bravo
    edit(cluster, "protocol C;", "protocol C; fencing resource-only;")
    edit(cluster, "resource r0 {", "resource r0 { handlers { fence-peer \"exit 4\"; }")
    cluster.up(primary=alpha)
    was = "protocol C;"
    for delay, now in ((0, "protocol C; after-sb-0pri discard-zero-changes;"), (3, "protocol B; after-sb-1pri discard-secondary;"),
                       (12, "protocol C; ping-int 5; sndbuf-size 1M;")):
        edit(cluster, was, now)
        was = now
        expect(bravo, "adjust", "r0")
        in_force(alpha, now)
        time.sleep(delay)
        expect(alpha, "adjust", "r0")
        in_force(bravo, now)
        for node in cluster.nodes:
            expect(node, "-d", "adjust", "r0")
            if node.state() != (node.state()[0], "Connected", "Established", "UpToDate", "UpToDate"):
                raise Failed(f"{node.name}: {node.state()} after '{now}'")
    for node in cluster.nodes:
        if "Connection closed" in (text := open(node.daemon_log).read()) or "Outdated" in text:
            raise Failed(f"{node.name} was disconnected or outdated:\n{text}")
    port = 7788
    for delay in (0, 2, 30):
        edit(cluster, f":{port}", f":{port + 1}")
        edit(cluster, "protocol C;" if delay != 2 else "protocol A;", "protocol A;" if delay != 2 else "protocol C;")
        port += 1
        for node in cluster.nodes:
            expect(node, "adjust", "r0")
            time.sleep(delay)
        for node in cluster.nodes:
            node.wait_in_sync()
    alpha.wait(role="Primary")


def paused(cluster):
    """the peer's data are declared bad from here, and the resync waits while either node pauses it"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    expect(alpha, "resume-sync", "r0", code=10, err=["0: Failure: (135) Sync-pause flag is already cleared",
                                                     "Command 'drbdsetup resume-sync 0' terminated with exit code 10"])
    expect(bravo, "pause-sync", "r0")
    expect(bravo, "pause-sync", "r0/0", code=10, err=["0: Failure: (134) Sync-pause flag is already set"])
    expect(alpha, "invalidate-remote", "r0")
    alpha.wait(replication="PausedSyncS", seconds=10)
    bravo.wait(replication="PausedSyncT", seconds=10)
    expect(alpha, "pause-sync", "0", program="drbdsetup")
    expect(bravo, "resume-sync", "r0")
    time.sleep(1)
    bravo.wait(replication="PausedSyncT", seconds=1)
    if alpha.status()["connections"][0]["peer_devices"][0]["resync-suspended"] != "user":
        raise Failed(f"{alpha.status()}")
    expect(alpha, "resume-sync", "r0")
    bravo.wait_in_sync()
    cluster.compare()
    expect(alpha, "disconnect", "r0")
    expect(alpha, "invalidate-remote", "r0", code=11, err=["0: State change failed: (-15) Need a connection to start verify or resync"])


def in_force(node, options):
    """What both must have alike is changed on the peer, too, at once."""
    protocol = options.split(";")[0].split()[1]
    until(lambda: show(node)["net"]["protocol"] == protocol, 5, lambda: f"{node.name}: {show(node)['net']}")


def show(node):
    """The settings that are in force, as the daemon tells them."""
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.settimeout(5)
        daemon.connect(os.path.join(node.run_dir, "drbdd.sock"))
        daemon.sendall(b'{"id":1,"command":"show","resource":"r0"}\n')
        return json.loads(daemon.makefile().readline())["data"]


def no_device(cluster):
    """a Primary without /dev/drbd0 is none: the reason, exit 10, and Secondary as before"""
    alpha = cluster.alpha
    cluster.up(primary=alpha)
    expect(alpha, "secondary", "r0")
    alpha.run("mount", "--bind", "/dev/null", "/dev/fuse")
    alpha.expect_refusal("drbdadm", "-c", alpha.config, "primary", "r0", code=10, says=["0: Failure: (162)"])
    alpha.wait(role="Secondary", seconds=5)
    cluster.bravo.drbdadm("primary", "r0")
    cluster.bravo.drbdadm("secondary", "r0")
    alpha.run("umount", "/dev/fuse")
    expect(alpha, "primary", "r0")
    alpha.write_random(range(0, 1 << 20, 65536))


def own_address(cluster):
    """an own address that is not there is told; what the boot brings up waits for it"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up()
    alpha.drbdadm("down", "r0")
    alpha.run("ip", "address", "del", f"{alpha.address}/24", "dev", "eth0")
    for word in ("up", "adjust"):
        alpha.expect_refusal("drbdadm", "-c", alpha.config, word, "r0", code=10, says=[f"IP {alpha.address} not found on this host."])
    if alpha.status() is not None:
        raise Failed("r0 was brought up nevertheless")
    alpha.drbdadm("--address-later", "adjust", "r0")
    time.sleep(3)
    alpha.run("ip", "address", "add", f"{alpha.address}/24", "dev", "eth0")
    for node in (alpha, bravo):
        node.wait(connection="Connected")


def edit(cluster, old, new):
    with open(cluster.alpha.config) as file:
        text = file.read()
    with open(cluster.alpha.config, "w") as file:
        file.write(text.replace(old, new))


def expect_port(cluster, port):
    sockets = cluster.alpha.run("cat", "/proc/net/tcp")[1]
    if f":{port:04X} " not in sockets:
        raise Failed(f"nothing uses port {port}:\n{sockets}")


def another_on_the_old_port(cluster):
    """The address that r0 has left is free for others."""
    node = cluster.alpha
    disk = os.path.join(node.dir, "other.img")
    with open(disk, "wb") as file:
        file.truncate(16 << 20)
    with open(node.config) as file:
        text = file.read()
    other = os.path.join(node.dir, "other.conf")
    with open(other, "w") as file:
        file.write(text.replace("resource r0", "resource r1").replace(":7790", ":7788").replace("drbd0 minor 0", "drbd5 minor 5")
                   .replace(cluster.disks["alpha"][0], disk))
    node.run("drbdadm", "-c", other, "create-md", "--force", "r1")
    node.run("drbdadm", "-c", other, "up", "r1")
    node.run("drbdadm", "-c", other, "down", "r1")


def generations(cluster):
    """get-gi and show-gi of a disk in use are the daemon's to tell, and once it is down the disk says the same"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    alpha.wait_in_sync()
    told = {}
    for node, primary in ((alpha, "1"), (bravo, "0")):
        told[node] = node.drbdadm("get-gi", "r0")[1].strip()
        fields = told[node].split(":")
        if len(fields) != 11 or fields[4:8] != ["1", "1", primary, "1"]:
            raise Failed(f"{node.name}: {told[node]}, wanted consistent, up to date, primary {primary}, connected")
        expect(node, "get-gi", "0", out=told[node] + "\n", program="drbdsetup")
        shown = node.drbdadm("show-gi", "r0")[1]
        if told[node] not in shown.splitlines() or "last agreed size: " not in shown:
            raise Failed(f"{node.name}: {shown}")
    # The lowest bit of the current identifier says Primary.
    if told[alpha][:15] != told[bravo][:15]:
        raise Failed(f"the nodes are in sync: {told}")
    expect(bravo, "detach", "r0")
    expect(bravo, "get-gi", "0", code=1, err=["Device has no disk"], program="drbdsetup")
    expect(bravo, "down", "r0")
    if bravo.drbdadm("get-gi", "r0")[1][:67] != told[bravo][:67]:
        raise Failed(f"on disk: {bravo.drbdadm('get-gi', 'r0')[1]}, told: {told[bravo]}")


def shell_status(cluster):
    """sh-status is for eval by the scripts of others"""
    cluster.up(primary=cluster.alpha)
    script = ('_sh_status_process() { echo "$_minor $_res_name $_known $_cstate $_role/$_peer $_disk/$_pdsk '
              '${_flags_susp:-0}"; }; eval "$(%s sh-status)"')
    for program in (f"drbdadm -c {cluster.alpha.config}", "drbdsetup"):
        answer = cluster.alpha.run("sh", "-c", script % program)[1].strip()
        if answer != "0 r0 Configured Connected Primary/Secondary UpToDate/UpToDate 0":
            raise Failed(f"{program} sh-status: {answer}")
    cluster.down()
    until(lambda: cluster.alpha.status() is None, 5, "r0 is still configured")
    answer = cluster.alpha.run("sh", "-c", script % f"drbdadm -c {cluster.alpha.config}")[1].strip()
    if answer != "0  NA Unconfigured / / 0":
        raise Failed(f"sh-status of a resource that is down: {answer}")


def degraded(cluster):
    """a Primary that was alone when it died waits for its peer no longer than degr-wfc-timeout"""
    alpha, bravo = cluster.alpha, cluster.bravo
    cluster.up(primary=alpha)
    expect(alpha, "wait-connect", "--wfc-timeout=9", "--degr-wfc-timeout=1", "r0")
    bravo.drbdadm("down", "r0")
    alpha.write_random(range(0, 1 << 20, 65536))
    alpha.kill()
    alpha.boot()
    alpha.drbdadm("up", "r0")
    started = time.monotonic()
    expect(alpha, "wait-connect", "--wfc-timeout=9", "--degr-wfc-timeout=1", "r0", code=5)
    if time.monotonic() - started > 4:
        raise Failed("the wait was not the short one of a degraded node")
    bravo.drbdadm("up", "r0")
    bravo.wait_in_sync()


def without_a_file(cluster):
    """the calls that a dry run prints, made one by one: drbdsetup brings a pair up, shows it, and takes it down"""
    cluster.up(primary=cluster.alpha)
    cluster.down()
    for node in cluster.nodes:
        calls = node.drbdadm("-d", "--show-secrets", "up", "r0")[1].splitlines()
        for call in calls:
            node.run("sh", "-c", call.replace("drbdmeta ", "drbdmeta --force "))  # the disks are plain files
        for call in [line for line in calls if line.startswith("drbdsetup new-")]:
            node.run("sh", "-c", call)  # is no news
    for node in cluster.nodes:
        node.wait_in_sync()
    alpha = cluster.alpha
    alpha.run("drbdsetup", "primary", "r0")
    if alpha.run("drbdsetup", "role", "r0")[1] != "Primary/Secondary\n":
        raise Failed("alpha is not Primary")
    local, peer = "ipv4:10.88.0.1:7788", "ipv4:10.88.0.2:7788"
    alpha.run("drbdsetup", "net-options", local, peer, "--timeout=50")
    shown = alpha.run("drbdsetup", "show", "r0")[1]
    if "        timeout         \t50; # 1/10 seconds\n" not in shown:
        raise Failed(f"drbdsetup show: {shown}")
    for _ in range(2):
        expect(alpha, "new-minor", "r0", "7", "3", program="drbdsetup")
    expect(alpha, "new-minor", "r0", "7", "4", code=10, program="drbdsetup",
           err=["7: Failure: (161) Minor or volume exists already (delete it first)"])
    expect(alpha, "del-minor", "0", code=10, program="drbdsetup", err=["0: Failure: (160) Minor still configured (down it first)"])
    expect(alpha, "del-resource", "r0", code=10, program="drbdsetup",
           err=["r0: Failure: (125) Device has a net-config (use disconnect first)"])
    for words in (["secondary", "0"], ["disconnect", local, peer]):
        alpha.run("drbdsetup", *words)
    expect(alpha, "del-resource", "r0", code=10, program="drbdsetup",
           err=["r0: Failure: (159) Resource still in use (delete all minors first)"])
    for words in (["detach", "0"], ["new-minor", "r0", "7", "3"], ["del-minor", "7"],
                  ["del-minor", "0"], ["del-resource", "r0"]):
        alpha.run("drbdsetup", *words)
    if alpha.status() is not None:
        raise Failed("r0 is still there")


def as_an_agent_does(cluster):
    """new-resource and new-minor make the device, then attach and adjust, as ocf:linbit:drbd calls them; each twice"""
    cluster.up(primary=cluster.alpha)
    cluster.down()
    for node in cluster.nodes:
        for command in ("new-resource", "new-minor", "sh-new-minor", "new-resource"):
            expect(node, command, "r0")
        if node.status()["devices"][0]["disk-state"] != "Diskless":
            raise Failed(f"{node.name}: a disk is attached already")
        expect(node, "attach", "r0")
        expect(node, "--peer", "bravo" if node is cluster.alpha else "alpha", "adjust", "r0")
        node.run("drbdsetup", "sh-status", "r0")
    for node in cluster.nodes:
        node.wait_in_sync()
    expect(cluster.alpha, "disk-options", "--resync-rate=5M", "r0")
    expect(cluster.alpha, "net-options", "--timeout=50", "r0")
    shown = cluster.alpha.run("drbdsetup", "show", "r0")[1]
    if "5120k; # bytes/second" not in shown or "50; # 1/10 seconds" not in shown:
        raise Failed(f"drbdsetup show: {shown}")
    expect(cluster.alpha, "adjust", "r0")
    if "5120k" in cluster.alpha.run("drbdsetup", "show", "r0")[1]:
        raise Failed("adjust did not bring back what the file says")


main(without_a_file, as_an_agent_does, twice, wrong_moment, paused, skipped, suspended, resized, adjusted, one_after_the_other, no_device, own_address, generations, shell_status, degraded, mib=32)
