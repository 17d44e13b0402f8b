"""Two Debian machines that become a MySQL pair as the README says, and a client in their network."""

import concurrent.futures
import os
import sys
import types

from chapter import drbd_conf, steps
from machine import Machine, Networks, until
from sandbox import Failed

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../e2e/lib"))

from sql_writer import SqlWriter  # noqa: E402

ROUTER, SERVICE = "192.0.2.1", "192.0.2.10"
ADDRESSES = {"alice": ("192.0.2.11", "10.0.0.1"), "bob": ("192.0.2.12", "10.0.0.2")}
DISK_MIB = 400
# An emulated machine that shares a processor with the rest of the tests is slow by a factor of twenty and more.
SLOWLY = ("sed -i 's/interval [0-9]* timeout [0-9]*/interval 20 timeout 90/' /etc/ha.d/ha_policy.cf\n"
          "sed -i 's/^initdead .*/initdead 120/; s/^deadtime .*/deadtime 15/' /etc/ha.d/ha.cf\n"
          "sed -i 's/wfc-timeout [0-9]*/wfc-timeout 240/g' /etc/drbd.conf")
KEY = "sed -i 's/replace-this-key-by-one-of-your-own/4711081547110815/' /etc/ha.d/authkeys"
MOVES, TAKES_OVER, BOOTS = 300, 300, 400  # seconds
INTERFACES = """auto lo
iface lo inet loopback
auto eth0
iface eth0 inet static
    address {0}/24
    gateway {2}
auto eth1
iface eth1 inet static
    address {1}/24
"""
HOSTS = "127.0.0.1 localhost\n10.0.0.1 alice\n10.0.0.2 bob"


def tell(text):
    print(text, flush=True)


class Pair:
    def __init__(self, work):
        Networks(ROUTER)
        self.alice, self.bob = self.machines = [Machine(work, name, DISK_MIB) for name in ADDRESSES]
        self.writer = None

    def both(self, action):
        """action(machine) on both at once."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(action, self.machines))

    # ---- from two empty machines to the pair ----
    def unpack(self):
        """What a person finds who starts with the chapter: two machines in their networks, with the package."""
        self.both(lambda machine: machine.boot())
        tell(f"booted in {max(machine.boot_seconds for machine in self.machines):.0f} s")
        self.both(self._settle_in)

    def _settle_in(self, machine):
        settle_in(machine)
        machine.run("vgcreate vg /dev/vdb && lvcreate -y -l 100%FREE -n mysql vg")
        machine.run("apt-get install -y /media/packages/drbdd_*.deb", seconds=600)
        machine.write("/etc/drbd.conf", drbd_conf())

    def follow(self, number):
        """One step of the chapter."""
        for step, where, commands in steps():
            if step != number:
                continue
            tell(f"  on {where}: {'; '.join(commands)}")
            if where == "both":
                self.both(lambda machine, commands=commands: type_in(machine, commands))
            else:
                type_in(getattr(self, where), commands)
            if any("examples/ha.d" in command for command in commands):
                self.both(lambda machine: machine.run(f"{KEY}\n{SLOWLY}"))

    # ---- what is seen ----
    def holder(self):
        found = [machine for machine in self.machines if machine.alive() and holds(machine)]
        if len(found) > 1:
            raise Failed("both machines hold the service")
        return found[0] if found else None

    def expect(self, machine, seconds, why):
        until(lambda: self.holder() is machine, seconds, f"{why}: {machine.name} does not hold the service")

    def in_sync(self, seconds=300):
        for machine in self.machines:
            machine.until("[ \"$(drbdadm dstate r0)\" = UpToDate/UpToDate ]", seconds, "not in sync")

    def settled(self, seconds=200):
        for machine in self.machines:
            machine.until("cl_status rscstatus | grep -qE 'none|local|foreign|all'", seconds, "still in transition")

    # ---- the client ----
    def start_writer(self, holder):
        holder.run("mariadb -e \"create database app; create table app.t(id int primary key, at double) engine=innodb; "
                   "create user web@'192.0.2.%' identified by 'w'; grant all on app.* to web@'192.0.2.%'\"")
        self.writer = SqlWriter(types.SimpleNamespace(name="client", init=os.getpid()), SERVICE, answer_s=20.0, connect_s=10.0)
        self.writer.start()
        self.writer.first_after(0, 60)

    def nothing_lost(self):
        """Every acknowledged row is there. Returns how many there are."""
        acked = set(self.writer.acked)
        rows = {int(word) for word in self.holder().out("mariadb -N -e 'select id from app.t'").split()}
        if acked - rows:
            raise Failed(f"{len(acked - rows)} of {len(acked)} acknowledged rows are missing: {sorted(acked - rows)[:10]}")
        return len(acked)

    def report(self):
        for machine in self.machines:
            machine.report()


def settle_in(machine):
    """A name, addresses, and the packages' disk, as a system has them after its installation."""
    outside, cable = ADDRESSES[machine.name]
    machine.write("/etc/hosts", HOSTS)
    machine.write("/etc/network/interfaces", INTERFACES.format(outside, cable, ROUTER))
    machine.run("systemctl is-system-running --wait", check=False, seconds=400)  # the boot may still be at the network
    machine.run(f"set -e; echo {machine.name} > /etc/hostname; hostname {machine.name}; systemctl restart networking\n"
                "ip -br -4 address show eth0 | grep -q UP; ip -br -4 address show eth1 | grep -q UP\n"
                "mkdir /media/packages; mount -r /dev/vdc /media/packages")


def type_in(machine, commands):
    for command in commands:
        code, said = machine.run(command, check=False, seconds=600)
        # Answered in time, but not done in time: the machine is that slow. What was asked goes on.
        if code == 11 and "What was asked may still happen" in said:
            machine.until(command, 60, "still not done")
        elif code:
            raise Failed(f"{machine.name}: `{command}`: exit {code}\n{said}")


def holds(machine):
    """Mount, address and server, all of them. A machine that is busy answers late, and that is no reason to fail."""
    return machine.run(f"grep -q ' /var/lib/mysql ext4 ' /proc/mounts && ip -br -4 address show eth0 | grep -q ' {SERVICE}/24' && "
                       "systemctl --quiet is-active mariadb", check=False)[0] == 0
