#!/usr/bin/python3
"""The MySQL pair under every fault that its users know. failures.py SCENARIO

HB_KIND=original runs what the original can do with two originals.
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from topology import OURS, POLICY, PROGRAMS, TIE_BREAK, Topology, is_active  # noqa: E402
from sandbox import Failed, choose, run  # noqa: E402

RESUME = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../../packaging/systemd/resume.in")
RECOVERS_S = 40  # from a fault to the next committed row; what it really takes is told by bench/failover
KIND = os.environ.get("HB_KIND", OURS)


def node_faults(work):
    """auto_failback off: kill -9, power cut, clean stop and return, each of either node"""
    topology = make(work, "off").up()
    for fault in (killed, power_cut, stopped):
        for _ in range(2):
            tell(fault.__doc__, fault(topology))
            topology.check()
    topology.finish()


def home_node_returns(work):
    """auto_failback on: the home node dies, or is stopped, and gets its service back when it returns"""
    topology = make(work, "on").up()
    for fault in (power_cut, stopped):
        moment = fault(topology, back_home=True)
        tell(fault.__doc__ + ", auto_failback on", moment)
        topology.expect(topology.a, 60, "auto_failback on")
        topology.check()
    topology.finish()


def cables(work):
    """pulled cables: heartbeat, replication, all of the holder, all of the other node"""
    topology = make(work, "off", TIE_BREAK).up()
    for fault in (heartbeat_cable, replication_cable, other_isolated, holder_isolated):
        tell(fault.__doc__, fault(topology))
        topology.check()
    topology.finish()


def hung_and_killed_mysqld(work):
    """service monitoring: mysqld is killed, hangs, and cannot be kept alive"""
    topology = make(work, "off").up()
    for fault in (mysqld_killed, mysqld_hung):
        tell(fault.__doc__, fault(topology))
        topology.check()
    topology.finish()


def drbdd_crashes(work):
    """SIGKILL to drbdd alone: the service's own script brings it back under the running database, which sees a pause and no error"""
    topology = make(work, "off").up()
    for _ in range(3):
        tell(daemon_killed.__doc__, daemon_killed(topology))
        topology.check()
    topology.finish()


# ---- faults: each leaves the pair whole again and returns how long the client waited for a row ----
def killed(topology):
    """kill -9 of every process of the holder"""
    return lose(topology, lambda node: node.kill())


def power_cut(topology, back_home=False):
    """power cut of the holder"""
    return lose(topology, lambda node: node.power_cut(), back_home)


def lose(topology, fault, back_home=False, seconds=3):
    holder = topology.holder()
    heir = topology.other(holder)
    moment = time.monotonic()
    fault(holder)
    waited = topology.writer.interruption(moment, RECOVERS_S)
    topology.expect(heir, RECOVERS_S, "the holder is gone")
    topology.bring_back(holder)
    topology.in_sync()
    topology.settle()
    if not back_home:
        stays(topology, heir, seconds)
    return waited


def stopped(topology, back_home=False):
    """clean stop of the holder, and its return"""
    holder = topology.holder()
    heir = topology.other(holder)
    moment = time.monotonic()
    topology.stop_ha(holder)
    waited = topology.writer.interruption(moment, RECOVERS_S)
    topology.expect(heir, RECOVERS_S, "the holder was stopped")
    topology.start_ha(holder)
    topology.settle()
    if not back_home:
        stays(topology, heir, 3)
    return waited


def daemon_killed(topology):
    """SIGKILL to the holder's drbdd, started again a second later"""
    holder = topology.holder()
    server = holder.processes("mariadbd")
    moment = time.monotonic()
    holder.signal("drbdd", signal.SIGKILL)
    time.sleep(1)  # RestartSec
    holder.start_daemon()
    holder.run("sh", RESUME, seconds=60)
    waited = topology.writer.interruption(moment, RECOVERS_S)
    stays(topology, holder, 3)
    if holder.processes("mariadbd") != server:
        raise Failed("the crash of drbdd reached the database")
    topology.in_sync()
    return waited


def heartbeat_cable(topology):
    """heartbeat cable pulled: the management link carries on"""
    holder = topology.holder()
    moment = time.monotonic()
    holder.cable("eth1", False)
    stays(topology, holder, 5)
    holder.cable("eth1", True)
    stays(topology, holder, 3)
    return topology.writer.interruption(moment, 10)


def replication_cable(topology):
    """replication cable pulled: the holder goes on alone, and the other node catches up afterwards"""
    holder = topology.holder()
    moment = time.monotonic()
    holder.cable("eth2", False)
    holder.wait(connection="Connecting", seconds=30)
    waited = topology.writer.interruption(moment, 20)
    stays(topology, holder, 5)
    holder.cable("eth2", True)
    topology.in_sync()
    return waited


def holder_isolated(topology):
    """all cables of the holder pulled: it gives up, the node that reaches the ping node takes over"""
    holder = topology.holder()
    heir = topology.other(holder)
    moment = time.monotonic()
    holder.cables(False)
    waited = topology.writer.interruption(moment, RECOVERS_S)
    topology.expect(heir, RECOVERS_S, "the holder is isolated")
    holder.cables(True)
    rejoin(topology, holder, heir)
    return waited


def other_isolated(topology):
    """all cables of the node without the service pulled: it reaches no ping node and takes nothing"""
    holder = topology.holder()
    other = topology.other(holder)
    moment = time.monotonic()
    other.cables(False)
    holder.wait(connection="Connecting", seconds=30)
    waited = topology.writer.interruption(moment, 20)
    stays(topology, holder, 5)
    other.cables(True)
    rejoin(topology, other, holder)
    return waited


def rejoin(topology, node, holder):
    """The one that was away is a member again and in sync. It may have rebooted to get rid of what it could not stop."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not node.alive():
            node.reap()
            topology.bring_back(node)
        if is_active(holder, node) and is_active(node, holder) and topology.holder() is holder:
            topology.in_sync()
            return
        time.sleep(0.2)
    raise Failed(f"{node.name} did not rejoin {holder.name}; holder now: {topology.holder()}")


def mysqld_killed(topology):
    """mysqld killed: it is started again where it was; killed once more it is handed over"""
    holder = topology.holder()
    moment = time.monotonic()
    holder.signal("mariadbd", signal.SIGKILL)
    waited = topology.writer.interruption(moment, RECOVERS_S)
    topology.expect(holder, 5, "mysqld was killed once")
    holder.signal("mariadbd", signal.SIGKILL)
    topology.expect(topology.other(holder), RECOVERS_S, "mysqld was killed again")
    topology.writer.first_after(time.monotonic(), 10)
    return waited


def mysqld_hung(topology):
    """mysqld hangs (SIGSTOP): it is ended and started again"""
    holder = topology.holder()
    moment = time.monotonic()
    holder.signal("mariadbd", signal.SIGSTOP)
    waited = topology.writer.interruption(moment, RECOVERS_S)
    topology.expect(holder, 10, "mysqld hung once")
    return waited


# ---- what must hold ----
def stays(topology, holder, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if topology.holder() is not holder:
            raise Failed(f"{holder.name} lost the service")
        time.sleep(0.1)


def tell(what, waited):
    print(f"{what}: {waited:.2f} s without the database", flush=True)


def make(work, failback, policy=POLICY):
    make.topology = Topology(work, KIND, failback, policy=policy)
    return make.topology


make.topology = None
if __name__ == "__main__":
    scenario = choose((node_faults, home_node_returns, cables, hung_and_killed_mysqld, drbdd_crashes))
    run(scenario, PROGRAMS, 400, lambda: make.topology and make.topology.report())
