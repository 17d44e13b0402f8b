#!/usr/bin/python3
"""What a new user does with our package on Debian 12. scenarios.py SCENARIO

Takes minutes: the machines are emulated. Not part of the plain scripts/test.
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from machine import PROGRAMS, Machine, Networks, prepare  # noqa: E402
from pair import BOOTS, MOVES, ROUTER, TAKES_OVER, Pair, settle_in, tell  # noqa: E402
from sandbox import Failed, choose, run  # noqa: E402
from services import services as run_services  # noqa: E402


def ten_minutes(work):
    """the README's chapter step by step; a death, a return, a crash and a restart of drbdd lose no acknowledged row"""
    pair = started.pair = Pair(work)
    pair.unpack()
    for step in (1, 2, 3):
        tell(f"step {step}")
        pair.follow(step)
    pair.expect(pair.alice, MOVES, "first start")
    pair.settled()
    belongs_to_the_machine(pair)
    pair.start_writer(pair.alice)
    tell("step 4")
    pair.follow(4)
    pair.expect(pair.bob, MOVES, "hb_standby")
    pair.settled()
    pair.nothing_lost()
    drbdd_crashes(pair)
    power_cut_and_return(pair)
    clean_shut_down(pair)
    tell(f"{pair.nothing_lost()} acknowledged rows, none is missing")
    pair.writer.stop()


def belongs_to_the_machine(pair):
    """Nothing that the pair needs lives in the session of the one who typed the commands."""
    for machine in pair.machines:
        for program in ("drbdd", "heartbeat"):
            group = machine.out(f"cat /proc/$(pgrep -xo {program})/cgroup")
            if f"{program}.service" not in group:
                raise Failed(f"{machine.name}: {program} runs in {group}")
        if machine.out("cl_status hbstatus") != "Heartbeat is running on this machine.":
            raise Failed(f"{machine.name}: cl_status hbstatus")
    told = [machine.out("cl_status rscstatus") for machine in pair.machines]
    if told != ["local", "local"]:
        raise Failed(f"cl_status rscstatus: {told}, and the README says local on both")


def drbdd_crashes(pair):
    """SIGKILL to drbdd where the database works: systemd starts it again, and the database never hears of it."""
    before, holder = time.monotonic(), pair.holder()
    boot = holder.out("systemctl show -p MainPID --value mariadb")
    holder.run("kill -KILL $(cat /run/drbdd/drbdd.pid)")
    holder.until("drbdadm role r0 | grep -q ^Primary", 120, "drbdd was killed and is not Primary again")
    pair.writer.first_after(time.monotonic(), 120)
    if pair.holder() is not holder or holder.out("systemctl show -p MainPID --value mariadb") != boot:
        raise Failed("a crash of drbdd reached the database")
    tell(f"drbdd killed on {holder.name}: the client waited {pair.writer.interruption(before, 60):.1f} s")
    pair.in_sync()


def power_cut_and_return(pair):
    dead = pair.holder()
    heir = next(machine for machine in pair.machines if machine is not dead)
    crash = time.monotonic()
    dead.power_cut()
    pair.expect(heir, TAKES_OVER, f"{dead.name} lost its power")
    tell(f"power cut on {dead.name}: the client waited {pair.writer.interruption(crash, 120):.1f} s")
    pair.nothing_lost()
    dead.boot()
    dead.until("cl_status rscstatus | grep -q none && drbdadm dstate r0 | grep -qx UpToDate/UpToDate", BOOTS, "does not rejoin by itself")
    pair.expect(heir, 10, f"{dead.name} is back")
    failed = dead.out("systemctl --failed --no-legend --plain")
    if failed:
        raise Failed(f"{dead.name}: failed units after the boot: {failed}")
    pair.settled()
    pair.nothing_lost()


def clean_shut_down(pair):
    """The holder is switched off in good order: it stops its database and gives everything away before it goes."""
    holder = pair.holder()
    heir = next(machine for machine in pair.machines if machine is not holder)
    asked = time.monotonic()
    holder.shut_down()
    pair.expect(heir, MOVES, f"{holder.name} was shut down")
    heir.until("hb_status --log | grep -q 'has stopped its resources and leaves'", 30, "was not told that the partner leaves")
    tell(f"shutdown of {holder.name}: the client waited {pair.writer.interruption(asked, 120):.1f} s")


def package(work):
    """installing beside Debian's drbd-utils and heartbeat: apt replaces them, their configuration stays; and back again"""
    Networks(ROUTER)
    machine = Machine(work, "alice", 64)
    machine.boot()
    settle_in(machine)
    debians = "apt-get install -y --no-install-recommends --no-download drbd-utils heartbeat"
    ours = "apt-get install -y /media/packages/drbdd_*.deb"
    machine.run(debians, seconds=900)
    machine.run("echo '# the administrator' >> /etc/ha.d/ha.cf; echo '# the administrator' >> /etc/drbd.conf")
    machine.run(ours, seconds=900)
    if machine.run("dpkg -V drbdd", check=False)[1].strip():
        raise Failed("files of the package are missing: " + machine.out("dpkg -V drbdd"))
    for name in ("drbd-utils", "heartbeat"):
        machine.run(f"! dpkg-query -W -f '${{db:Status-Status}}' {name} | grep -qx installed")
    for file in ("/etc/ha.d/ha.cf", "/etc/drbd.conf"):
        machine.run(f"grep -q administrator {file}")
    beside_the_stock_file(machine)
    machine.run("drbdsetup --version | grep -qi drbdd && heartbeat --version && cl_status --help && /usr/share/heartbeat/hb_standby --help")
    machine.run("systemctl cat drbdd heartbeat | grep -q /usr/sbin/drbdd && test ! -x /etc/init.d/drbd")
    machine.run("man -w drbdadm heartbeat haresources")
    # And back: nothing of ours is left that theirs would need.
    machine.run(debians, seconds=900)
    for name in ("drbd-utils", "heartbeat"):
        machine.run(f"dpkg -V {name} | grep -v ' c ' | grep . && exit 1; dpkg-query -W -f '${{db:Status-Status}}' {name} | grep -qx installed")
    machine.run("! dpkg-query -W -f '${db:Status-Status}' drbdd | grep -qx installed")


def beside_the_stock_file(machine):
    """Debian's own global_common.conf is in place, as on every machine that had DRBD before: it loads, and what it asks for is done."""
    machine.run("grep -q '^[^#]*udev-always-use-vnr' /etc/drbd.d/global_common.conf")
    machine.write("/etc/drbd.d/r0.res", "resource r0 { device /dev/drbd0; disk /dev/vdb; meta-disk internal;\n"
                                        "on alice { address 127.0.0.1:7788; } on bob { address 127.0.0.2:7788; } }\n")
    machine.run("drbdadm dump && drbdadm create-md --force r0 && drbdadm up r0 && drbdadm primary --force r0", seconds=120)
    machine.run("test -b /dev/drbd/by-res/r0/0 && drbdadm down r0 && rm /etc/drbd.d/r0.res && drbdadm sh-nop")


def services(work):
    """Debian's agents in haresources: an NFS export, a director of LVS; a heartbeat that stands still is reset by softdog"""
    run_services(work, started)


def started():
    """The pair that a report is about."""
    if getattr(started, "pair", None):
        started.pair.report()


if __name__ == "__main__":
    scenario = choose((ten_minutes, package, services))
    if "DRBDD_RIG_WORK" not in os.environ:
        prepare()
    run(scenario, PROGRAMS, 3000, started)
