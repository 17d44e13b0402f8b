#!/usr/bin/python3
"""One life of the daemon and the next: killed, replaced, ended while something is at work. lives.py SCENARIO"""

import os
import signal
import struct
import subprocess
import time

from duo import DEADTIME, Duo, ROUTER, SOON, expect, main, until
from power_switch import PowerSwitch, started_after

SUCCESSOR_AFTER = 0.3  # as systemd does it: RestartSec and the start itself
GUARD_WAITS = 5
LISTS_ITS_FILES = """#!/bin/sh
[ "$1" = start ] && {{ ls -l /proc/self/fd > {shared}/new; mv {shared}/new {shared}/descriptors; }}
[ "$1" = status ] && echo stopped
exit 0
"""


def reload(node, *words):
    """`heartbeat -r`, and then a line of the log with these words."""
    seen = len(node.log_lines(words[0])) if words else 0
    node.run(*node.heartbeat("-r"))
    if words:
        until(lambda: len(node.log_lines(words[0])) > seen, SOON, f"{node.name}: the log does not say {words} once more")


def append(node, file, line):
    with open(f"{node.ha_dir}/{file}", "a") as out:
        out.write(line + "\n")


def pid_of(node):
    pids = node.processes("heartbeat")
    expect(len(pids) == 1, f"{node.name}: {len(pids)} daemons")
    return pids[0]


def starts_of(duo, node):
    return [call for call in duo.calls() if call.endswith(f"{node.name} start")]


def killed_and_succeeded(work):
    """kill -9 of the daemon: its successor goes on with what runs; nothing stops or starts, there or on the partner"""
    duo = Duo(work).up()
    for _ in range(2):
        calls = duo.calls()
        duo.a.kill_heartbeat()
        time.sleep(SUCCESSOR_AFTER)
        duo.a.start_heartbeat()
        duo.stays(duo.a, DEADTIME + GUARD_WAITS + 1, "the successor's life")
        expect(duo.calls() == calls, duo.calls())
        expect(not duo.b.log_lines("declared dead"), "node-b has declared node-a dead")
        until(lambda: duo.a.resource_status() == "all" or duo.a.resource_status() == "local", SOON,
              lambda: f"the successor says that it holds {duo.a.resource_status()}")
    expect(len(duo.a.processes("hb_guard")) == 1, f"{len(duo.a.processes('hb_guard'))} guards")
    duo.stop(duo.a)
    duo.holds(duo.b, SOON, "clean stop")
    until(lambda: not duo.a.processes("hb_guard"), SOON, "the guard outlives a clean end")
    duo.check()


def killed_and_succeeded_in_legacy_mode(work):
    """the same with auto_failback legacy, the default"""
    duo = Duo(work, failback="legacy").up()
    calls = duo.calls()
    duo.a.kill_heartbeat()
    time.sleep(SUCCESSOR_AFTER)
    duo.a.start_heartbeat()
    duo.stays(duo.a, DEADTIME + GUARD_WAITS + 1, "the successor's life")
    expect(duo.calls() == calls, duo.calls())
    duo.check()


def killed_during_a_slow_start(work):
    """kill -9 while a service starts: the start goes on, its successor waits for it, and nobody starts the service twice"""
    duo = Duo(work).up()
    duo.note("slow", "6")
    duo.power_off(duo.a)
    until(lambda: starts_of(duo, duo.b), DEADTIME + SOON, "no takeover")
    for _ in range(2):
        duo.b.kill_heartbeat()
        time.sleep(SUCCESSOR_AFTER)
        duo.b.start_heartbeat()
        time.sleep(1)
    expect(not duo.b.exists("/run/service"), "the start was not at work any more")
    expect(duo.b.log_lines("is still at work"), "the successor does not know the start")
    duo.holds(duo.b, 6 + SOON, "the start has ended")
    time.sleep(2)
    expect(len(starts_of(duo, duo.b)) == 1, lambda: f"started again: {duo.calls()}")
    until(lambda: duo.b.resource_status() == "all", SOON, lambda: f"the successor says that it holds {duo.b.resource_status()}")
    duo.check()


def killed_during_a_slow_start_and_nobody_comes(work):
    """the same without a successor: the guard ends the start before it stops the service"""
    duo = Duo(work).up()
    duo.note("slow", "60")
    duo.power_off(duo.a)
    until(lambda: starts_of(duo, duo.b), DEADTIME + SOON, "no takeover")
    duo.b.kill_heartbeat()
    until(lambda: not duo.b.processes("hb_guard"), GUARD_WAITS + SOON + SOON, "the guard is still there")
    expect(not duo.b.processes("service"), "the start is still at work")
    expect(duo.calls()[-1].endswith("stop"), lambda: duo.calls())


def killed_and_nobody_comes(work):
    """kill -9 of the daemon, and no new one: the guard has the partner wait, stops the resources, and only then they start there"""
    duo = Duo(work).up()
    duo.a.kill_heartbeat()
    duo.stays(duo.a, DEADTIME + 1, "the guard waits for a new daemon")
    duo.holds(duo.b, GUARD_WAITS + SOON, "nobody has come")
    expect(not duo.a.exists("/run/service") and not duo.a.holds("10.77.0.100"), "they run on node-a as well")
    until(lambda: not duo.a.processes("hb_guard"), SOON, "the guard is still there")
    duo.join(duo.a)
    duo.stop()


def reload_that_would_end_it(work):
    """a stonith file that is missing: the reload is refused and the daemon lives on; then a good one replaces it, and nothing stops"""
    duo = Duo(work).up()
    with open(f"{duo.a.ha_dir}/ha.cf") as file:
        good = file.read()
    daemon, calls = pid_of(duo.a), duo.calls()
    append(duo.a, "ha.cf", "stonith external/ssh /etc/ha.d/not-there")
    reload(duo.a, "The configuration is wrong")
    duo.until_log(duo.a, "cannot read /etc/ha.d/not-there")
    duo.stays(duo.a, DEADTIME + 1, "a reload that was refused")
    with open(f"{duo.a.ha_dir}/ha.cf", "w") as file:
        file.write(good + "warntime 900ms\n")
    reload(duo.a, "Restarting heartbeat")
    until(lambda: duo.a.resource_status() is not None, SOON, "the new one does not answer")
    duo.stays(duo.a, DEADTIME + 1, "the daemon was replaced")
    expect(pid_of(duo.a) == daemon and duo.calls() == calls, f"{pid_of(duo.a)} instead of {daemon}; {duo.calls()}")
    expect(not duo.b.log_lines("declared dead"), "node-b has declared node-a dead")
    duo.stop(duo.b, duo.a)


def restart_that_cannot_succeed(work):
    """what would keep the new process from starting is found before it takes the old one's place"""
    duo = Duo(work).up()
    append(duo.a, "ha.cf", "warntime 900ms")
    duo.a.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/var/lib/heartbeat")  # it cannot write its generation there
    reload(duo.a, "a new daemon would not come up")
    duo.a.run("umount", "/var/lib/heartbeat")
    duo.stays(duo.a, DEADTIME + 1, "the restart was called off")
    duo.stop(duo.b, duo.a)


def restart_is_put_off(work):
    """a SIGHUP while a service starts: the restart is kept, shown, and done when the start has ended"""
    duo = Duo(work).up()
    duo.note("slow", "4")
    duo.power_off(duo.a)
    until(lambda: duo.b.log_lines("Acquiring resource group"), DEADTIME + SOON, "no takeover")
    append(duo.b, "ha.cf", "warntime 900ms")
    reload(duo.b, "as soon as nothing is under way")
    until(lambda: "restart" in duo.b.run(duo.b.tool("hb_status"))[1], SOON, "hb_status does not show it")
    duo.holds(duo.b, SOON, "the slow start")
    duo.until_log(duo.b, "Restarting heartbeat", seconds=SOON)
    until(lambda: duo.b.resource_status() is not None, SOON, "the new one does not answer")
    duo.stays(duo.b, 2, "the daemon was replaced")
    duo.check()


def fencing_by_a_reload(work):
    """fence_command comes with a reload: from then on the device is asked, by engine and runtime alike"""
    duo = Duo(work).up()
    switch = PowerSwitch(duo, lambda asked: (asked["argv"][-1], ""))
    for node in duo.nodes:
        duo.program(node, "/usr/sbin/fence_ipmilan", switch.program())
    append(duo.b, "ha_policy.cf", "fence_command /usr/sbin/fence_ipmilan --action=reboot")
    reload(duo.b, "ha_policy.cf read anew")
    switch.mode = "works"
    duo.power_off(duo.a)
    duo.holds(duo.b, DEADTIME + SOON, "the device has reset node-a")
    expect(switch.resets, "the device was not asked")
    started_after(duo, duo.b, switch.off_at)
    duo.check()


def reset_at_work_outlives(work):
    """the daemon is stopped while a device is at work: it says off, and then on"""
    duo = Duo(work)
    duo.script(duo.b, "ha.d/switch", f"#!/bin/sh\necho off >> {duo.shared}/power\nsleep 3\necho on\necho on >> {duo.shared}/power\n")
    append(duo.b, "ha_policy.cf", "fence_command /etc/ha.d/switch")
    duo.up()
    duo.power_off(duo.a)
    until(lambda: duo._lines("power") == ["off"], DEADTIME + SOON, "the device was not asked")
    duo.b.stop_heartbeat(20)
    until(lambda: duo._lines("power") == ["off", "on"], SOON, lambda: f"the device has said {duo._lines('power')}")


def reset_command_fails(work):
    """a service that cannot be stopped, and a reset command that fails: the kernel resets the machine"""
    duo = Duo(work)
    duo.script(duo.a, "ha.d/resource.d/service", "#!/bin/sh\n[ $1 = start ] && exit 0\necho running\n[ $1 = status ]\n")
    duo.a.run(*duo.a.heartbeat("--reboot-command", "exit 1"), seconds=20)
    until(lambda: duo.a.resource_status() not in (None, "none", "transition"), SOON + SOON, "node-a holds nothing")
    duo.a.run(*duo.a.heartbeat("-k"), check=False, seconds=40)
    until(lambda: not duo.a.alive(), SOON, "node-a is still there, with its service running")
    duo.a.reap()


def waiting_command_is_answered(work):
    """a command that waits while the daemon ends gets an answer"""
    duo = Duo(work).up()
    duo.note("slow", "5")
    duo.power_off(duo.a)
    until(lambda: duo.b.log_lines("Acquiring resource group"), DEADTIME + SOON, "no takeover")
    waiting = duo.b.start(duo.b.tool("hb_takeover"), "--wait", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    duo.b.signal("heartbeat", signal.SIGTERM)
    until(lambda: waiting.poll() is not None, 30, "hb_takeover --wait has no answer")
    until(lambda: not duo.b.processes("heartbeat"), 30, "the daemon does not end")


def suspended(work):
    """a machine that was suspended for longer than it announced, and comes back without a link: it stops what it holds at once,
    before its partner's grace is over, although its monotonic clock says that no time has passed"""
    keepalive, deadtime, away = 500, 4000, 7
    duo = Duo(work, lambda own, peer: [f"ucast eth1 10.77.1.{peer}", f"ucast eth0 10.77.0.{peer}", f"ping {ROUTER}"],
              policy="quorum_ping 1\n", keepalive=keepalive, deadtime=deadtime)
    clock = f"{duo.shared}/suspended_ms"
    with open(clock, "wb") as file:
        file.write(struct.pack("=q", 0))
    duo.a.run("env", f"LD_PRELOAD={os.path.dirname(duo.a.tool('cl_status'))}/stopped_clock.so", f"HB_SUSPENDED_MS={clock}", *duo.a.heartbeat(), seconds=20)
    duo.holds(duo.a, SOON + deadtime / 1000, "the first node, alone")
    duo.join(duo.b)
    time.sleep(2 * keepalive / 1000)
    began = time.monotonic()
    duo.a.cables(False)
    duo.a.signal("heartbeat", signal.SIGSTOP)
    time.sleep(away)
    with open(clock, "r+b") as file:
        file.write(struct.pack("=q", int((time.monotonic() - began) * 1000)))
    duo.a.signal("heartbeat", signal.SIGCONT)
    until(lambda: not duo.a.exists("/run/service"), SOON, "node-a goes on as if nothing had been")
    duo.until_alarm(duo.a, "stall", "stood still")
    duo.holds(duo.b, SOON + SOON, "node-b takes over when the grace is over")
    duo.check()


def children_get_nothing(work):
    """an agent has no descriptor of the daemon's, and no process of it keeps a socket when it is killed"""
    duo = Duo(work)
    for node in duo.nodes:
        duo.script(node, "ha.d/resource.d/service", LISTS_ITS_FILES.format(shared=duo.shared))
    duo.a.start_heartbeat()
    until(lambda: os.path.exists(f"{duo.shared}/descriptors"), SOON + SOON, "the agent was not started")
    with open(f"{duo.shared}/descriptors") as file:
        descriptors = [line.split()[-3] for line in file if "->" in line]
    expect(descriptors == ["0", "1", "2", "3"], f"an agent has {descriptors}")
    for guard in duo.a.processes("hb_guard"):
        held = [os.readlink(f"/proc/{guard}/fd/{fd}") for fd in os.listdir(f"/proc/{guard}/fd")]
        expect(not any("socket" in each or "heartbeat" in each for each in held), f"the guard has {held}")
    duo.a.stop_heartbeat(20)


main(killed_and_succeeded, killed_and_succeeded_in_legacy_mode, killed_during_a_slow_start,
     killed_during_a_slow_start_and_nobody_comes, killed_and_nobody_comes, reload_that_would_end_it,
     restart_that_cannot_succeed, restart_is_put_off, fencing_by_a_reload, reset_at_work_outlives, reset_command_fails,
     waiting_command_is_answered, suspended, children_get_nothing)
