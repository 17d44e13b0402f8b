#!/usr/bin/python3
"""respawn and failfast programs, and who may be a client. clients.py SCENARIO"""

import os

from duo import Duo, SOON, expect, main, until

CLIENT = """#!/bin/sh
# Usage: client NAME [EXIT-CODE]. Without a code it lives until it is told to end.
echo "$$ $(id -un) $1 start" >> /var/log/clients
[ -z "$2" ] || { sleep 0.2; exit "$2"; }
trap 'echo "$$ $1 TERM" >> /var/log/clients; exit 0' TERM
[ "$1" != deaf ] || trap '' TERM
while :; do sleep 0.05; done
"""
DIRECTIVES = ("respawn nobody /etc/ha.d/client lives", "respawn root /etc/ha.d/client deaf", "respawn root /etc/ha.d/client done 100",
              "respawn root /etc/ha.d/client fails 3", "respawn hacluster /usr/libexec/heartbeat/ipfail",
              "respawn noone /etc/ha.d/client orphan", "apiauth ipfail uid=hacluster", "apiauth client uid=root,nobody gid=haclient")


def entries(node):
    """[[pid, user, name, what]] of what the programs have written."""
    path = f"{node.log_dir}/clients"
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [line.split() for line in file]


def starts(node, name):
    return [entry for entry in entries(node) if entry[2:] == [name, "start"]]


def make(work, *directives):
    duo = Duo(work, lambda own, peer: [f"ucast eth1 10.77.1.{peer}", *(directives if own == 1 else [])])
    duo.script(duo.a, "ha.d/client", CLIENT)
    open(f"{duo.a.log_dir}/clients", "w").close()
    os.chmod(f"{duo.a.log_dir}/clients", 0o666)
    for folder in (work, duo.a.dir):
        os.chmod(folder, 0o755)  # for the client that is not root
    return duo


def respawned(work):
    """as their user; again when they end, not after exit code 100, given up after eleven quick ends; ended by TERM, or KILL, at the stop"""
    duo = make(work, *DIRECTIVES)
    a = duo.a
    duo.up()
    until(lambda: starts(a, "lives"), SOON, "the client is not started")
    first = starts(a, "lives")[0]
    expect(first[1] == "nobody", f"started as {first[1]}")
    duo.until_log(a, "there is no user 'noone'")
    duo.until_log(a, "client fails 3 is respawning too fast: given up")
    expect(len(starts(a, "fails")) == 11, f"started {len(starts(a, 'fails'))} times")
    expect(len(starts(a, "done")) == 1, "it is started again after exit code 100")
    a.run("kill", "-KILL", first[0])
    until(lambda: len(starts(a, "lives")) == 2, SOON, "it is not started again after SIGKILL")
    expect(starts(a, "lives")[1][1] == "nobody", "the second one is another user's")
    for asker in duo.nodes:
        status = [asker.run(asker.tool("cl_status"), "clientstatus", "node-a", name, "1000", check=False)[1].strip()
                  for name in ("client", "ipfail", "nothing")]
        expect(status == ["online", "online", "offline"], f"{asker.name} says of the clients of node-a: {status}")
    deaf = starts(a, "deaf")[0][0]
    a.stop_heartbeat(20)
    duo.holds(duo.b, SOON, "clean stop")
    expect([starts(a, "lives")[1][0], "lives", "TERM"] in entries(a), "it was not ended by SIGTERM")
    expect(a.run("kill", "-0", deaf, check=False)[0] != 0, "the one that ignores SIGTERM lives on")
    duo.check()


def end_with_the_daemon(work):
    """when the daemon is killed its clients end, too"""
    duo = make(work, "respawn nobody /etc/ha.d/client lives")
    duo.up()
    until(lambda: starts(duo.a, "lives"), SOON, "the client is not started")
    duo.a.kill_heartbeat()
    until(lambda: entries(duo.a)[-1][1:] == ["lives", "TERM"], SOON, lambda: f"the client lives on: {entries(duo.a)}")


def failfast(work):
    """a failfast program that fails takes the node with it, and the other one takes over"""
    duo = make(work, "failfast root /etc/ha.d/client watched")
    duo.up()
    until(lambda: starts(duo.a, "watched"), SOON, "it is not started")
    duo.stays(duo.a, 0.5, "it runs")
    duo.a.run("kill", "-KILL", starts(duo.a, "watched")[0][0])
    until(lambda: not duo.a.alive(), SOON, "node-a was not reset")
    os.remove(f"{duo.shared}/holder")
    duo.a.reap()
    duo.holds(duo.b, SOON, "node-a has reset itself")
    duo.check()


def wrong_directives(work):
    """what is wrong with respawn and apiauth is told with its line, and the daemon does not start"""
    duo = make(work, "respawn root client lives", "apiauth client who=root", "apiauth")
    code, _, err = duo.a.run(*duo.a.heartbeat(), check=False, seconds=10)
    expect(code == 6, f"exit {code}")
    for words in ("respawn needs a user and the absolute path of a program", "apiauth 'who=root' is neither uid=LIST nor gid=LIST",
                  "apiauth needs a value", "not started"):
        expect(words in err, f"nothing about {words} in: {err}")


main(respawned, end_with_the_daemon, failfast, wrong_directives)
