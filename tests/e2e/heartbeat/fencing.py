#!/usr/bin/python3
"""Fencing: a takeover only after the device has confirmed that the other node is off. fencing.py SCENARIO"""

import time

from duo import DEADTIME, Duo, SOON, expect, main, until
from power_switch import PowerSwitch, started_after

PLUGINS = "/usr/lib/stonith/plugins/external"
LINKS = "ucast eth1 10.77.1.{peer}"
RETRY = 5  # from a failure to the next attempt


# Only node-b has a device: a node that starts alone resets one that it has never heard, too, and node-a starts alone.
def lines(*stonith):
    return lambda own, peer: [LINKS.format(peer=peer), f"ucast eth0 10.77.0.{peer}", *stonith]


def plugin(asked):
    """An external plugin that names its parameters as external/ssh does."""
    verb, node = asked["argv"][0], (asked["argv"] + [""])[1]
    return (node, "") if verb == "reset" else (None, "hostlist\nlivedangerously" if verb == "getconfignames" else "")


def plugin_that_fails_and_hangs(work):
    """an external plugin: while others may write it, it fails or hangs nothing is taken over, it is told and tried again; then it works"""
    duo = Duo(work, lines("stonith_host node-b external/testswitch node-a yes"), policy="fence_timeout 2\n")
    switch = PowerSwitch(duo, plugin)
    for node in duo.nodes:
        duo.program(node, f"{PLUGINS}/testswitch", switch.program())
    duo.b.run("chmod", "0777", f"{PLUGINS}/testswitch")
    duo.up()
    switch.mode = "fails"
    duo.a.cables(False)  # it lives, and holds the service
    duo.until_alarm(duo.b, "fencing", "STONITH of node-a failed", "only its owner may write", seconds=DEADTIME + SOON)
    expect(not switch.resets, "a plugin that others may write was run")
    duo.b.run("chmod", "0755", f"{PLUGINS}/testswitch")
    switch.until_asked(1, RETRY + SOON)
    switch.last(program="testswitch", argv=["reset", "node-a"], environment={"hostlist": "node-a", "livedangerously": "yes"})
    duo.until_alarm(duo.b, "fencing", "STONITH of node-a failed", "no answer from the outlet")
    switch.mode = "hangs"
    switch.until_asked(2, RETRY + SOON)
    duo.until_alarm(duo.b, "fencing", "STONITH of node-a failed", "time")
    duo.stays(duo.a, 1, "the device hangs")
    switch.mode = "works"
    duo.holds(duo.b, RETRY + SOON, "the device works")
    started_after(duo, duo.b, switch.off_at)
    duo.check()


def ipmitool(asked):
    power = asked["argv"][-2:]
    return ("node-a", "") if power == ["power", "reset"] else (None, "Chassis Power is on" if power == ["power", "status"] else "")


def ipmi_plugin_that_lies(work):
    """external/ipmi as it is in Debian, with a test program for ipmitool: a lie is found out when the node is heard; then it works"""
    duo = Duo(work, lines("stonith_host node-b external/ipmi node-a 10.9.9.9 admin secret lanplus"))
    switch = PowerSwitch(duo, ipmitool)
    for node in duo.nodes:
        duo.program(node, "/usr/bin/ipmitool", switch.program())
    duo.up()
    switch.mode = "hangs"
    duo.a.cables(False)
    switch.until_asked(1, DEADTIME + SOON)
    switch.last(program="ipmitool", argv=["-I", "lanplus", "-H", "10.9.9.9", "-U", "admin", "-P", "secret", "power", "reset"], stdin="")
    duo.a.cables(True)
    until(lambda: duo.member(duo.b, duo.a), SOON, "node-a is not heard again")
    switch.mode = "lies"
    duo.until_alarm(duo.b, "fencing", "node-a", "does not do what it says")
    duo.stays(duo.a, 1, "the device has lied")
    switch.mode = "works"
    duo.power_off(duo.a)
    duo.holds(duo.b, DEADTIME + SOON, "crash of node-a")
    started_after(duo, duo.b, switch.off_at)
    expect(not duo.b.log_lines("ha_log.sh"), "the plugin does not find the program with which it logs")
    duo.check()


def fence_agent_by_command(work):
    """fence_command calls a program of fence-agents with its options and the node; the takeover waits for its exit code"""
    duo = Duo(work)
    with open(f"{duo.b.ha_dir}/ha_policy.cf", "a") as policy:
        policy.write("fence_command /usr/sbin/fence_ipmilan --ip=10.9.9.9 --username=admin --action=reboot\n")
    switch = PowerSwitch(duo, lambda asked: (asked["argv"][-1], ""))
    for node in duo.nodes:
        duo.program(node, "/usr/sbin/fence_ipmilan", switch.program())
    duo.up()
    switch.mode = "hangs"
    duo.a.cables(False)
    switch.until_asked(1, DEADTIME + SOON)
    switch.last(program="fence_ipmilan", argv=["--ip=10.9.9.9", "--username=admin", "--action=reboot", "node-a"], stdin="",
                environment={"HB_FENCE_NODE": "node-a"})
    duo.stays(duo.a, 1, "the agent is at work")
    switch.mode = "works"
    duo.holds(duo.b, SOON, "the agent has reset node-a")
    started_after(duo, duo.b, switch.off_at)
    duo.check()


def meatware_by_meatclient(work):
    """meatware: nothing happens until a person has said by meatclient that the node is off"""
    duo = Duo(work, lines("stonith_host node-b meatware node-a")).up()
    duo.power_off(duo.a)
    duo.until_log(duo.b, "OPERATOR INTERVENTION REQUIRED", "node-a", seconds=DEADTIME + SOON)
    duo.stays(None, 2, "nobody has confirmed")
    duo.b.run("meatclient", "-c", "node-a", input="y\n")
    duo.holds(duo.b, SOON, "meatclient -c node-a")
    duo.check()


def meatware_by_hb_takeover(work):
    """meatware: a node that is back asks nobody any more; hb_takeover --wait confirms, and returns when the service runs"""
    duo = Duo(work, lines("stonith_host node-b meatware node-a")).up()
    duo.a.cables(False)
    duo.until_log(duo.b, "OPERATOR INTERVENTION REQUIRED", seconds=DEADTIME + SOON)
    duo.a.cables(True)
    duo.until_log(duo.b, "Nobody need reset node-a any more")
    until(lambda: not duo.b.processes("stonith"), SOON, "stonith still waits for a person")
    duo.stays(duo.a, 1, "node-a is back")
    duo.power_off(duo.a)
    until(lambda: len(duo.b.log_lines("OPERATOR INTERVENTION REQUIRED")) == 2, DEADTIME + SOON, "nobody is asked")
    duo.note("slow", "1.5")
    began = time.monotonic()
    duo.b.run(duo.b.tool("hb_takeover"), "--wait")
    expect(duo.holder() == "node-b" and time.monotonic() - began > 1.4, "hb_takeover --wait returned too early")
    duo.check()


main(plugin_that_fails_and_hangs, ipmi_plugin_that_lies, fence_agent_by_command, meatware_by_meatclient,
     meatware_by_hb_takeover, programs=("stonith", "meatclient"))
