"""The cluster managers that bench/failover compares, each on the same pair, with the same agents."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from cluster import until
from ha_node import ORIGINAL, OURS
from sandbox import out_of
from topology import DEBIANS_AGENTS, OUR_AGENTS, SERVICE, Topology, holdings

BEFORE = "before"
NO_POLICY = None  # a defence costs time; all are measured without one
ADVERT_S_MIN = 0.01


class Keepalived(Topology):
    """It has no command for a planned handover. VRRP on the heartbeat link; its notify script starts and stops what stands in haresources beside the address."""

    CONFIG = """global_defs {{
    script_user root
    vrrp_garp_master_delay 1
}}
vrrp_instance service {{
    version 3
    state BACKUP
    nopreempt
    interface eth1
    virtual_router_id 51
    priority {priority}
    advert_int {advert}
    virtual_ipaddress {{
        {service}/24 dev eth0
    }}
    notify_master "/etc/ha.d/notify start"
    notify_backup "/etc/ha.d/notify stop"
}}
"""
    NOTIFY = """#!/bin/bash
# The same agents as haresources names, in the same order. One call at a time.
exec 9> /run/notify.lock
flock 9
cd /etc/ha.d/resource.d
export HA_CURHOST=$(uname -n)
case $1 in
    start) ./drbddisk r0 start && ./Filesystem /dev/drbd0 /srv ext4 start && ./mysqld start ;;
    stop) ./mysqld stop; ./Filesystem /dev/drbd0 /srv ext4 stop; ./drbddisk r0 stop ;;
esac >> /var/log/notify.log 2>&1 9>&-
"""

    def __init__(self, work, timing):
        super().__init__(work, ORIGINAL, timing=timing, policy=NO_POLICY, replicas=0)
        # A backup waits for three advertisements and a skew of less than one.
        advert = max(ADVERT_S_MIN, timing.deadtime / 4000)
        for node, priority in zip(self.db, (101, 100)):
            node._write("ha.d/keepalived.conf", self.CONFIG.format(priority=priority, advert=f"{advert:.2f}", service=SERVICE), 0o644)
            node._write("ha.d/notify", self.NOTIFY)

    def end_of_takeover(self, heir):
        pass

    def start_ha(self, node):
        with open(f"{node.log_dir}/keepalived.log", "a") as log:
            node.start("keepalived", "--dont-fork", "--log-console", "--vrrp", "-f", "/etc/ha.d/keepalived.conf",
                       "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid", stdout=log, stderr=log)
        until(lambda: node.processes("keepalived"), 5, f"{node.name}: keepalived did not start")

    def stop_ha(self, node):
        os.kill(min(node.processes("keepalived")), signal.SIGTERM)
        until(lambda: not node.processes("keepalived"), 30, f"{node.name}: keepalived does not end")
        node.run("/etc/ha.d/notify", "stop")  # as its notify_stop, which it would kill after 2 s

    def settled(self):
        holder = self.holder()
        return holder is not None and not any(holdings(self.other(holder)).values())

    def report(self):
        super().report()
        for node in self.db:
            for name in ("notify.log", "keepalived.log"):
                if os.path.exists(f"{node.log_dir}/{name}"):
                    print(f"---- {node.name}: {name}\n" + out_of("tail", "-n", "40", f"{node.log_dir}/{name}"))


class Heartbeat(Topology):
    def __init__(self, work, kind, timing, agents):
        super().__init__(work, kind, timing=timing, policy=NO_POLICY, agents=agents, replicas=0)

    def end_of_takeover(self, heir):
        """Heartbeat 3.0.6 stays in transition for ever if its partner returns before it has noticed that its agents have ended."""
        until(lambda: heir.resource_status() != "transition", 60, f"{heir.name} stays in transition")

    def hand_over(self, holder):
        holder.start(holder.tool("hb_standby"), "all")


@dataclass(frozen=True)
class Rival:
    text: str
    make: Callable
    hands_over: bool = True  # as planned, by a command


RIVALS = {
    "ours": Rival("our heartbeat, our agents", lambda work, timing: Heartbeat(work, OURS, timing, OUR_AGENTS)),
    "same": Rival("our heartbeat, same agents", lambda work, timing: Heartbeat(work, OURS, timing, DEBIANS_AGENTS)),
    "original": Rival("Heartbeat 3.0.6", lambda work, timing: Heartbeat(work, ORIGINAL, timing, DEBIANS_AGENTS)),
    "keepalived": Rival("keepalived", Keepalived, hands_over=False),
}


def before(tree):
    """Ours, as another checkout has it."""
    agents = os.path.join(tree, "packaging/ha.d")
    return Rival("our heartbeat before", lambda work, timing: Heartbeat(work, OURS, timing, agents))
