#!/usr/bin/python3
"""ResourceManager: groups of haresources by hand."""

import os
import shutil
import subprocess

from rig import BIN, Agents, expect, main

# Keeps its state in a file; `fail-start` and `fail-stop` beside it make it refuse.
SCRIPT = """#!/bin/sh
name=$1
echo "$2 $name" >> {work}/calls
case "$2" in
start) [ -e {work}/fail-start-$name ] && exit 1; touch {work}/up-$name ;;
stop) [ -e {work}/fail-stop-$name ] && rm {work}/fail-stop-$name && exit 1; rm -f {work}/up-$name ;;
status) [ -e {work}/up-$name ] && echo running || echo stopped ;;
esac
"""


class Manager:
    def __init__(self, work):
        self.work = work
        self.agents = Agents(work)
        self.agents.script("fake", SCRIPT.format(work=work))
        with open(f"{self.agents.ha_dir}/haresources", "w") as file:
            file.write("Alpha fake::a fake::b fake::c\nbravo fake::d\nalpha 10.9.0.17/24/eth0 # comment\n")

    def run(self, *words, code=0):
        done = subprocess.run([f"{BIN}/ResourceManager", "--ha-dir", self.agents.ha_dir, "--node", "alpha", *words],
                              capture_output=True, text=True, timeout=60)
        expect(done.returncode == code, f"{words}: exit {done.returncode}, wanted {code}\n{done.stdout}{done.stderr}")
        return done.stdout.split(), done.stderr

    def calls(self):
        with open(f"{self.work}/calls") as file:
            calls = [line.strip() for line in file if not line.startswith("status")]
        os.remove(f"{self.work}/calls")
        return calls

    def mark(self, name):
        with open(f"{self.work}/{name}", "w"):
            pass


def keys(work):
    """the keys of groups, by node, all, ours and others'"""
    manager = Manager(work)
    expect(manager.run("allkeys")[0] == ["fake::a", "fake::d", "10.9.0.17/24/eth0"], "allkeys")
    expect(manager.run("ourkeys")[0] == ["fake::a", "10.9.0.17/24/eth0"], "ourkeys")
    expect(manager.run("otherkeys")[0] == ["fake::d"], "otherkeys")
    expect(manager.run("listkeys", "BRAVO")[0] == ["fake::d"], "listkeys")
    expect(manager.run("listkeys", "b.*o")[0] == ["fake::d"], "listkeys with an expression")
    expect("regular expression" in manager.run("listkeys", "a\\(", code=1)[1], "a broken expression")
    expect("usage" in manager.run("nonsense", code=1)[1], "usage")
    expect("fake::b" in manager.run("takegroup", "fake::b", code=1)[1], "a word that is no key")
    shutil.rmtree(f"{manager.agents.ha_dir}/resource.d")
    manager.run("status", "10.9.0.17/24/eth0", code=3)
    expect("no agent" not in manager.run("status", "IPaddr::10.9.0.17", code=3)[1], "our own agents were not found")


def take_and_give(work):
    """a group is started left to right and stopped right to left; a failed start releases it, a failed stop is repeated"""
    manager = Manager(work)
    manager.mark("up-b")
    manager.run("status", "fake::b")
    manager.run("status", "fake::a", code=3)
    expect(manager.run("statgroup", "fake::a")[0] == ["SOME"], "statgroup")
    manager.run("takegroup", "fake::a")
    expect(manager.calls() == ["start a", "start c"], "takegroup")
    expect(manager.run("statgroup", "fake::a")[0] == ["ALL"], "statgroup")
    manager.run("verifyallidle", code=1)
    manager.mark("fail-stop-b")
    manager.run("givegroup", "fake::a")
    expect(manager.calls() == ["stop c", "stop b", "stop b", "stop a"], "givegroup")
    expect(manager.run("statgroup", "fake::a")[0] == ["NONE"], "statgroup")
    manager.run("verifyallidle")
    manager.mark("fail-start-b")
    expect("fake::b" in manager.run("takegroup", "fake::a", code=1)[1], "the failure is not named")
    expect(manager.calls() == ["start a", "start b", "stop c", "stop b", "stop a"], "not released")


main(keys, take_and_give)
