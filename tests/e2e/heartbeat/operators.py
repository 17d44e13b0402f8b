#!/usr/bin/python3
"""What people decide: a takeover that waits for them, hand-overs whose end is waited for, the old protocol. operators.py SCENARIO"""

import time

from duo import DEADTIME, Duo, SOON, expect, main, until

DELAY = 3
STARTING = 1.5  # how long the service takes to start, where it matters


def delayed_takeover(work):
    """takeover_delay: off when the node is back; carried out when the delay has passed; at once when a person says so"""
    duo = Duo(work, policy=f"takeover_delay {DELAY}\n")
    duo.a.start_heartbeat()
    duo.holds(duo.a, DELAY + SOON, "the first node, alone")
    duo.join(duo.b)
    duo.a.cables(False)
    duo.until_alarm(duo.b, "takeover", f"takeover in {DELAY}000 ms", seconds=DEADTIME + SOON)
    duo.a.cables(True)
    duo.until_log(duo.b, "The takeover is off", "is back")
    duo.stays(duo.a, 1, "node-a is back")
    duo.power_off(duo.a)
    until(lambda: len(duo.alarms(duo.b, "takeover")) == 2, DEADTIME + SOON, "no second alarm")
    duo.stays(None, DELAY - 0.5, "the delay")
    duo.holds(duo.b, SOON, "the delay has passed")
    duo.a.boot()
    duo.join(duo.a)
    duo.power_off(duo.b)
    until(lambda: "takeover delay" in duo.a.run(duo.a.tool("hb_status"))[1], DEADTIME + SOON, "node-a does not wait")
    duo.note("slow", str(STARTING))
    expect(waits_for(duo, duo.a, "hb_takeover", "--wait")[0] == 0, "hb_takeover failed")
    duo.check()


def confirmed_takeover(work):
    """takeover manual: nothing without a person's word; off when the node is back; hb_takeover confirms, once"""
    duo = Duo(work)
    for node in (duo.b,):  # node-a starts alone
        with open(f"{node.ha_dir}/ha_policy.cf", "a") as policy:
            policy.write("takeover manual\n")
    duo.up()
    duo.a.cables(False)
    duo.until_alarm(duo.b, "takeover", "run hb_takeover", seconds=DEADTIME + SOON)
    duo.a.cables(True)
    duo.until_log(duo.b, "The takeover is off", "is back")
    duo.power_off(duo.a)
    until(lambda: len(duo.alarms(duo.b, "takeover")) == 2, DEADTIME + SOON, "nobody is asked a second time")
    duo.stays(None, 2, "nobody has confirmed")
    duo.b.run(duo.b.tool("hb_takeover"))
    duo.holds(duo.b, SOON, "confirmed")
    duo.b.expect_refusal(duo.b.tool("hb_takeover"), code=1, says=("no other node",))
    duo.check()


def handover_is_waited_for(work):
    """hb_standby and hb_takeover with --wait return when the service runs on the other side, or has failed there"""
    duo = Duo(work).start_together()
    duo.note("slow", str(STARTING))
    code, out, err = waits_for(duo, duo.b, "hb_standby", "--wait", on=duo.a)
    expect(code == 0 and "Going standby [all]." in out, f"hb_standby --wait: exit {code}: {out}{err}")
    duo.stable()
    expect(waits_for(duo, duo.a, "hb_takeover", "--wait")[0] == 0, "hb_takeover --wait failed")
    duo.stable()
    duo.note("refuses-node-b")
    refused = duo.a.expect_refusal(duo.a.tool("hb_standby"), "--wait", code=1, says=("node-b", "could not start"), seconds=SOON)
    expect("Going standby" not in refused and duo.holder() is None, f"hb_standby --wait to a node that refuses: {refused}")
    duo.stable()
    expect(waits_for(duo, duo.a, "hb_takeover", "--wait")[0] == 0, "hb_takeover --wait of what failed on node-b")
    duo.stable()
    began = time.monotonic()
    duo.a.run(duo.a.tool("hb_standby"), "foreign")
    expect(time.monotonic() - began < 1, "hb_standby without --wait waits")
    duo.power_off(duo.b)
    until(lambda: not duo.member(duo.a, duo.b), DEADTIME + SOON, "node-b is not dead")
    duo.a.expect_refusal(duo.a.tool("hb_standby"), "--wait", code=1, says=("no other node",))
    duo.check()


def waits_for(duo, holder, tool, *words, on=None):
    """Runs the tool, and at the moment when it is back the service runs there."""
    node = on or holder
    began = time.monotonic()
    result = node.run(node.tool(tool), *words, check=False, seconds=30)
    expect(result[0] != 0 or (duo.holder() == holder.name and holder.exists("/run/service")),
           f"{tool} {words} is back, and {duo.holder()} has the service")
    expect(result[0] != 0 or time.monotonic() - began > STARTING, f"{tool} {words} is back after {time.monotonic() - began} s")
    return result


def legacy_failback(work):
    """auto_failback legacy: the home node asks for its group when it returns, and gets it; no standby; a clean stop hands over"""
    duo = Duo(work, failback="legacy").up()
    duo.a.expect_refusal(duo.a.tool("hb_standby"), code=1, says=("legacy",))
    duo.b.expect_refusal(duo.b.tool("hb_takeover"), code=1, says=("legacy",))
    duo.power_off(duo.a)
    duo.holds(duo.b, DEADTIME + SOON, "crash of node-a")
    duo.a.boot()
    duo.a.start_heartbeat()
    duo.holds(duo.a, SOON, "node-a is back, and asks for its group")
    duo.stays(duo.a, 1, "node-a is back")
    duo.a.stop_heartbeat(20)
    duo.holds(duo.b, SOON, "clean stop of node-a")
    duo.a.start_heartbeat()
    duo.holds(duo.a, SOON, "node-a is back after a clean stop")
    duo.check()


main(delayed_takeover, confirmed_takeover, handover_is_waited_for, legacy_failback)
