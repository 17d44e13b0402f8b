#!/usr/bin/python3
"""Every suspicion is told: by mail and by a command, to all who want to hear it. alarms.py SCENARIO"""

import json
import os
import signal
import time

from duo import DEADTIME, Duo, ROUTER, SERVICE, SOON, expect, main, until

# Records what it is given. One of the addresses makes it hang, as a mail system that is down does.
SENDMAIL = """#!/bin/sh
# Usage: sendmail -i -- ADDRESS
case "$*" in *hangs@*) sleep 1000 ;; esac
{ echo "argv: $*"; cat; echo; echo "end"; } > /var/log/mail.$$
mv /var/log/mail.$$ /var/log/mailbox.$$
"""
MAIL = """#!/bin/sh
# Usage: mail -s SUBJECT ADDRESS...
{ echo "mail $*"; cat; } >> /var/log/mailto
"""
POLICY = ("alarm mail dba@example.org\nalarm mail hangs@example.org\nquorum_ping 1\n"
          "monitor service agent interval 200ms timeout 2 restart 1 window 60\n")


def mails(node):
    """(kind, text) of each mail to the address that works."""
    found = []
    for name in os.listdir(node.log_dir):
        if name.startswith("mailbox."):
            with open(f"{node.log_dir}/{name}") as file:
                lines = file.read().splitlines()
            expect(lines[0] == "argv: -i -- dba@example.org" and lines[1] == "To: dba@example.org" and lines[3] == "", f"a mail: {lines}")
            before = f"Subject: heartbeat on {node.name}: "
            expect(lines[2].startswith(before), lines[2])
            found.append((lines[2][len(before):], lines[4]))
    return found


def every_suspicion(work):
    """link, last link, duplicate address, service, dual claim, node, partition, stall, resource, takeover: each by mail and command"""
    duo = Duo(work, lambda own, peer: [f"ucast eth1 10.77.1.{peer}", f"ucast eth0 10.77.0.{peer}", f"ping {ROUTER}"], policy=POLICY)
    a, b = duo.a, duo.b
    for node in duo.nodes:
        duo.program(node, "/usr/sbin/sendmail", SENDMAIL)
    a.start_heartbeat()
    duo.holds(a, SOON + 2 * DEADTIME, "the first node, alone")
    b.run("touch", "/run/service")  # as if the machine had started it by itself
    duo.join(b)
    duo.until_alarm(b, "dual-claim", "ran here at our start")
    until(lambda: not b.exists("/run/service"), SOON, "what ran twice is not stopped")
    duo.stays(a, 1, "the service was started by hand on node-b")
    links(duo)
    duplicate_address(duo)
    a.run("rm", "/run/service")
    duo.until_alarm(a, "service", "service")
    duo.holds(a, SOON, "the service had ended")
    isolation(duo)
    stall(duo)
    duo.note("refuses-node-b")
    duo.power_off(a)
    duo.until_alarm(b, "node-dead", "node-a", seconds=DEADTIME + SOON)
    duo.until_alarm(b, "takeover", "node-a")
    duo.until_alarm(b, "resource", "service", seconds=2 * DEADTIME + SOON)
    compare(b)
    duo.check()


def links(duo):
    duo.b.cable("eth1", False)
    for node, peer in ((duo.a, duo.b), (duo.b, duo.a)):
        duo.until_alarm(node, "link-down", f"{peer.name}:eth1")
        duo.until_alarm(node, "last-link", peer.name)
    duo.b.cable("eth1", True)
    until(lambda: duo.b.run(duo.b.tool("cl_status"), "hblinkstatus", "node-a", "eth1", check=False)[1].strip() == "up", SOON,
          "the link is not up again")


def duplicate_address(duo):
    duo.b.run("ip", "address", "add", f"{SERVICE}/32", "dev", "eth0")
    duo.b.run("arping", "-U", "-c", "1", "-I", "eth0", SERVICE, check=False)
    mac = json.loads(duo.b.run("ip", "-json", "link", "show", "eth0")[1])[0]["address"]
    duo.until_alarm(duo.a, "duplicate-address", SERVICE, mac)
    duo.b.run("ip", "address", "delete", f"{SERVICE}/32", "dev", "eth0")
    duo.stays(duo.a, 0.5, "a stranger has our address")


def isolation(duo):
    """node-b alone is cut off: it takes nothing, and both are told when it is back."""
    duo.b.cables(False)
    duo.until_alarm(duo.a, "node-dead", "node-b")
    duo.until_alarm(duo.b, "node-dead", ROUTER)
    duo.b.cables(True)
    duo.until_alarm(duo.a, "partition", "returns after a partition")
    until(lambda: duo.member(duo.a, duo.b) and duo.member(duo.b, duo.a), SOON, "they are no members again")
    duo.stays(duo.a, 3, "node-b was isolated")


def stall(duo):
    """node-b stands still: it says so itself when it goes on."""
    duo.b.signal("heartbeat", signal.SIGSTOP)
    time.sleep(DEADTIME + 0.5)
    duo.b.signal("heartbeat", signal.SIGCONT)
    duo.until_alarm(duo.b, "stall", "stood still")
    until(lambda: len(duo.b.log_lines("Restarting heartbeat")) > 0, SOON, "it does not start anew")
    until(lambda: duo.member(duo.a, duo.b) and duo.member(duo.b, duo.a), SOON, "they are no members again")


def compare(*nodes):
    """Both ways of telling have told the same."""
    for node in nodes:
        def told(node=node):
            return (sorted(tuple(line.split(" ", 2)[1:]) for line in Duo.alarms(node)), sorted(mails(node)))
        until(lambda: told()[0] == told()[1] and told()[0], SOON, lambda: f"{node.name}: by command and by mail: {told()}")


def mailto_resource(work):
    """the MailTo resource mails when its group comes and goes, and a mail system that fails keeps no service from starting"""
    duo = Duo(work, resources=f"MailTo::dba@example.org,ops@example.org::db IPaddr::{SERVICE}/24/eth0 service")
    duo.program(duo.a, "/usr/bin/mail", MAIL)
    duo.program(duo.b, "/usr/bin/mail", "#!/bin/sh\nexit 1\n")
    duo.up()

    def said():
        with open(f"{duo.a.log_dir}/mailto") as file:
            return file.read()
    until(lambda: os.path.exists(f"{duo.a.log_dir}/mailto") and "Takeover in progress" in said(), SOON, "no mail at the start")
    expect("dba@example.org ops@example.org" in said() and "db Takeover" in said() and "on node-a" in said(), said())
    duo.a.stop_heartbeat(20)
    duo.holds(duo.b, SOON, "clean stop")
    until(lambda: "Migrating resource away" in said(), SOON, "no mail at the stop")
    duo.check()


main(every_suspicion, mailto_resource, programs=("arping",))
