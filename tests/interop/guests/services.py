"""What haresources may start besides a database, with Debian's agents and kernel: an NFS export, the director of a virtual
server, and the watchdog behind heartbeat."""

from machine import until
from pair import KEY, MOVES, SERVICE, SLOWLY, TAKES_OVER, Pair, tell
from sandbox import Failed
from web_server import WebServer, who_answers

VIRTUAL = "192.0.2.20"
HARESOURCES = f"""alice drbddisk::r0 Filesystem::/dev/drbd0::/srv::ext4 exportfs::192.0.2.0/24::/srv::1::rw IPaddr2::{SERVICE}/24/eth0
alice IPaddr2::{VIRTUAL}/24/eth0 LVS::/etc/ha.d/lvs.rules"""
WEB = {"web-1": "192.0.2.101", "web-2": "192.0.2.102"}
RULES = "\n".join([f"-A -t {VIRTUAL}:80 -s rr", *[f"-a -t {VIRTUAL}:80 -r {address}:80 -g -w 1" for address in WEB.values()]])
ALL_THERE = (f"exportfs | grep -q '^/srv' && ip -br -4 address show eth0 | grep {SERVICE}/24 | grep -q {VIRTUAL}/24 && "
             f"ipvsadm -L -n | grep -q 'TCP  {VIRTUAL}:80'")
NONE_THERE = (f"! exportfs | grep -q '^/srv' && ! ip -br -4 address show eth0 | grep -qE '{SERVICE}/24|{VIRTUAL}/24' && "
              f"! ipvsadm -L -n | grep -q {VIRTUAL} && ! grep -q ' /srv ' /proc/mounts")


def services(work, started):
    pair = started.pair = Pair(work)
    pair.unpack()
    pair.both(prepare_node)
    alice, bob = pair.alice, pair.bob
    alice.until("drbdadm primary --force r0", 60, "not primary")
    alice.run("mkfs.ext4 -q /dev/drbd0 && mount /dev/drbd0 /srv && echo replicated > /srv/file && umount /srv && drbdadm secondary r0")
    pair.both(lambda machine: machine.run("systemctl enable --now drbdd heartbeat", seconds=600))
    alice.until(ALL_THERE, MOVES, "first start")
    tell("alice exports the file system and directs the virtual server")
    read_over_nfs(bob)
    for name, address in WEB.items():
        WebServer(name, address, VIRTUAL, "clients")
    served_by_turns()
    pair.settled()
    alice.run("hb_standby")
    bob.until(ALL_THERE, MOVES, "hb_standby")
    alice.run(NONE_THERE)
    read_over_nfs(alice)
    served_by_turns()
    tell("hb_standby moved both groups")
    pair.settled()
    # A heartbeat that stands still answers nobody, and its node still has the addresses: the hardware has to end it.
    bob.run("kill -STOP $(pgrep -xo heartbeat)")
    until(lambda: not bob.alive(), 120, "bob's heartbeat stands still, and the watchdog does not reset the machine")
    alice.until(ALL_THERE, TAKES_OVER, "bob was reset by its watchdog")
    served_by_turns()
    tell("the watchdog reset bob, and alice took over")


def served_by_turns():
    """A client's connections to the virtual server reach the real ones through the director, one after the other."""
    reached = [who_answers(VIRTUAL) for _ in range(4)]
    if sorted(reached) != sorted([*WEB, *WEB]):
        raise Failed(f"connections to {VIRTUAL} reached {reached}")


def prepare_node(machine):
    machine.run("echo softdog > /etc/modules-load.d/softdog.conf; modprobe softdog; ls /dev/watchdog")
    machine.run("systemctl disable --now mariadb; systemctl enable --now nfs-server", seconds=600)
    machine.run("drbdadm create-md r0 && drbdadm up r0 && cp -r /usr/share/doc/drbdd/examples/ha.d /etc/ && chmod 600 /etc/ha.d/authkeys")
    machine.run(f"{KEY}\n{SLOWLY}\nrm /etc/ha.d/ha_policy.cf; echo 'watchdog /dev/watchdog' >> /etc/ha.d/ha.cf")
    machine.write("/etc/ha.d/haresources", HARESOURCES)
    machine.write("/etc/ha.d/lvs.rules", RULES)


def read_over_nfs(client):
    client.run(f"mount -t nfs -o vers=4,soft,timeo=300 {SERVICE}:/srv /mnt", seconds=300)
    if client.out("cat /mnt/file; umount /mnt") != "replicated":
        raise Failed(f"{client.name}: the export does not show the file")
