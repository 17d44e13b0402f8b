#!/usr/bin/python3
"""Probes of services that work, refuse, hang, or are not there."""

import os
import socket
import time

from resources import Disk
from rig import Agents, Cable, expect, main, out_of


def one(agents, *argv, limit=1000):
    return agents.drive("probe", *argv, limit=limit)[0]


def tcp(work):
    """a listener is reached; a closed port, a name that is none and a host that keeps silent are not"""
    agents = Agents(work)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        expect(one(agents, "tcp", f"127.0.0.1:{port}")["ok"], "not reached")
        expect(one(agents, "tcp", f"localhost:{port}")["ok"], "not reached by name")
    result = one(agents, "tcp", f"127.0.0.1:{port}")
    expect(not result["ok"] and "refused" in result["text"], result)
    Cable()
    result = one(agents, "tcp", "10.9.0.200:80", limit=300)
    expect(not result["ok"] and 300 <= result["took"] < 600 and "300 ms" in result["text"], result)


def agent_status(work):
    """the agent's own status decides, for all the resources that are meant, within the deadline"""
    agents = Agents(work)
    agents.script("good", "#!/bin/sh\necho running\n")
    agents.script("bad", "#!/bin/sh\necho 'is not running'\n")
    agents.script("slow", "#!/bin/sh\necho running; sleep 5\n")
    expect(one(agents, "agent", "good")["ok"], "refused")
    expect(one(agents, "agent", "good good::x")["ok"], "refused")
    result = one(agents, "agent", "good bad")
    expect(not result["ok"] and "not running" in result["text"], result)
    result = one(agents, "agent", "good slow", limit=300)
    expect(not result["ok"] and result["took"] < 600, result)
    result = one(agents, "agent", "nothing")
    expect(not result["ok"] and "no agent" in result["text"], result)


def write(work):
    """a mounted file system is written to; one that is full, read-only or not mounted fails in words"""
    agents, disk = Agents(work), Disk(work)
    os.makedirs(disk.directory)
    result = one(agents, "write", disk.directory)
    expect(not result["ok"] and "root file system" in result["text"], result)
    agents.good(disk.word, "start")
    expect(one(agents, "write", disk.directory)["ok"], "not written")
    expect(os.listdir(disk.directory) == ["lost+found"], os.listdir(disk.directory))
    out_of("mount", "-o", "remount,ro", disk.directory)
    result = one(agents, "write", disk.directory)
    expect(not result["ok"] and "Read-only" in result["text"], result)
    agents.good(disk.word, "stop")
    disk.detach()


def write_that_hangs(work):
    """a write in the D state is told at the deadline, not tried a second time, and tried again once it is free"""
    agents, disk = Agents(work), Disk(work)
    agents.good(disk.word, "start")
    out_of("fsfreeze", "--freeze", disk.directory)
    process = agents.drive("probe", "write", disk.directory, "--rounds", "4", "--pause", "400", limit=400, start=True)
    time.sleep(1.4)
    out_of("fsfreeze", "--unfreeze", disk.directory)
    out, log = process.communicate(timeout=30)
    results = [line for line in out.splitlines()]
    expect(len(results) == 4 and "no answer within 400 ms" in results[0], out + log)
    expect("is stuck" in results[1] and '"ok":true' in results[3], out + log)
    agents.good(disk.word, "stop")
    disk.detach()


def sql(work):
    """a query that succeeds is good; a server that refuses the user lives; one that is not there, or fails, does not"""
    agents = Agents(work)
    for said, code, ok in (("1", 0, True), ("2", 0, False),
                           ("ERROR 1698 (28000): Access denied for user 'heartbeat'@'localhost'", 1, True),
                           ("ERROR 1045 (28000): Access denied for user 'heartbeat'@'localhost' (using password: NO)", 1, True),
                           ("ERROR 1040 (08004): Too many connections", 1, False),
                           ("ERROR 2002 (HY000): Can't connect to local server through socket '/s' (2)", 1, False)):
        client = f"{work}/mariadb"
        with open(client, "w") as file:
            file.write(f"#!/bin/sh\ncat <<'END' >&{1 + bool(code)}\n{said}\nEND\nexit {code}\n")
        os.chmod(client, 0o755)
        out_of("mount", "--bind", client, "/usr/bin/mariadb")
        result = one(agents, "sql", "/s")
        expect(result["ok"] == ok, (said, result))
        expect(code == 0 or said.split(":")[0] in result["text"], (said, result))
        out_of("umount", "/usr/bin/mariadb")


main(tcp, agent_status, sql, write, write_that_hangs, programs=("mke2fs", "losetup", "fsfreeze"))
