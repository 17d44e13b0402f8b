#!/usr/bin/python3
"""The service address: set, announced, taken away, and claimed by somebody else."""

import json
import time

from rig import Agents, Cable, Sniffer, arp_fields, arp_frame, expect, main, out_of, processes_with, until

VIP, FOREIGN = "10.9.0.17", "02:00:00:00:00:99"


def alias_with_label(work):
    """IPaddr sets the label that is asked for, else the first free one; stop takes the address away, twice if need be"""
    cable, agents = Cable(), Agents(work)
    word = f"{VIP}/24/eth0:7"
    agents.verdict(word, "stopped")
    agents.good(word, "start", "start")
    expect(cable.addresses()[VIP] == (24, "eth0:7"), cable.addresses())
    agents.verdict(word, "running")
    agents.good("IPaddr::10.9.0.18/255.255.255.0/eth0", "start")
    expect(cable.addresses()["10.9.0.18"] == (24, "eth0:0"), cable.addresses())
    shown = json.loads(out_of("ip", "-json", "address", "show", "eth0"))[0]["addr_info"]
    expect(next(one["broadcast"] for one in shown if one["local"] == VIP) == "10.9.0.255", shown)
    agents.good(word, "stop", "stop")
    agents.verdict(word, "stopped")
    agents.verdict("10.9.0.18", "running")
    agents.good("10.9.0.18", "stop")
    expect(set(a for a in cable.addresses() if "." in a) == {"10.9.0.1"}, cable.addresses())


def fixed_address_stays(work):
    """what the machine had before a start, or without any, no stop takes away; what start has set is gone after any stop"""
    cable, agents = Cable(), Agents(work)
    out_of("ip", "address", "add", "fd00::9/64", "dev", "eth0", "nodad")
    fixed = {"10.9.0.1": ("IPaddr::10.9.0.1/24/eth0", "IPaddr2::10.9.0.1/24/eth0"),
             "fd00::9": ("IPv6addr::fd00:0:0:0:0:0:0:9/64/eth0",)}
    for ip, words in fixed.items():
        for word in words:
            before = cable.addresses()[ip]
            for operations in (("stop",), ("start", "stop"), ("start", "start", "stop", "stop")):
                agents.good(word, *operations)
                expect(cable.addresses().get(ip) == before, f"{word} {operations}: {cable.addresses()}")
            agents.verdict(word, "running")
    for word, ip in ((f"IPaddr::{VIP}/24/eth0", VIP), (f"IPaddr2::{VIP}/24/eth0", VIP), ("IPv6addr::fd00:0:0:0:0:0:0:5/64/eth0", "fd00::5")):
        agents.good(word, "start", "start", "stop")
        expect(ip not in cable.addresses(), cable.addresses())
    # Set by hand after a stop of ours: that is no address of ours any more.
    out_of("ip", "address", "add", f"{VIP}/24", "dev", "eth0")
    agents.good(f"IPaddr2::{VIP}/24/eth0", "stop")
    expect(VIP in cable.addresses(), cable.addresses())


def parts_from_the_route(work):
    """mask and interface that are not written come from the most specific route"""
    cable, agents = Cable(), Agents(work)
    agents.good(f"IPaddr2::{VIP}", "start")
    expect(cable.addresses()[VIP] == (24, "eth0"), cable.addresses())
    agents.good(f"IPaddr2::{VIP}", "stop")
    agents.refused("IPaddr2::192.0.2.1", "start", "no route leads to 192.0.2.1")
    agents.refused(f"IPaddr2::{VIP}/24/eth9", "start", "eth9")


def gratuitous_arp(work):
    """the first packet leaves with the address, then requests and replies in turn every 250 ms, until a stop"""
    cable, agents = Cable(), Agents(work)
    with Sniffer("peer", Sniffer.ARP) as seen:
        began = time.monotonic()
        result = agents.good(f"IPaddr::{VIP}/24/eth0", "start")
        frames = [(at - began, arp_fields(frame)) for at, frame in seen.listen(1.4)]
        ours = [(at, fields) for at, fields in frames if fields[2] == VIP]
        expect(len(ours) >= 5 and ours[0][0] < 0.5, frames)
        for number, (_, fields) in enumerate(ours):
            wanted = (1, cable.mac, VIP, "00:00:00:00:00:00", VIP) if number % 2 == 0 else (2, cable.mac, VIP, cable.mac, VIP)
            expect(fields == wanted, f"packet {number}: {fields}, wanted {wanted}")
        gaps = [after - before for (before, _), (after, _) in zip(ours, ours[1:])]
        expect(all(0.2 < gap < 0.45 for gap in gaps), f"gaps {gaps}")
        agents.good(f"IPaddr::{VIP}/24/eth0", "stop")
        seen.frames.clear()
        expect(not [f for _, f in seen.listen(0.6) if arp_fields(f)[2] == VIP], "announced after the stop")
    expect(not processes_with("IPaddr"), "the announcer lives")
    expect(result["took"] < 300, f"start took {result['took']} ms")


def only_announced(work):
    """SendArp announces and sets nothing"""
    cable, agents = Cable(), Agents(work)
    with Sniffer("peer", Sniffer.ARP) as seen:
        agents.good("SendArp::10.9.0.50/eth0", "start")
        expect([f for _, f in seen.listen(0.4) if arp_fields(f)[2] == "10.9.0.50"], "nothing was announced")
    expect("10.9.0.50" not in cable.addresses(), cable.addresses())
    agents.good("SendArp::10.9.0.50/eth0", "stop")


def ipv6(work):
    """an IPv6 address is usable at once and advertised to all nodes"""
    cable, agents = Cable(), Agents(work)
    # The word is cut at each "::", so that such an address is written in full.
    word = "IPv6addr::fd00:0:0:0:0:0:0:5/64/eth0"
    with Sniffer("peer", Sniffer.IPV6) as seen:
        agents.good(word, "start")
        advertised = [f for _, f in seen.listen(0.7) if f[20] == 58 and f[54] == 136 and f[62:78].hex().endswith("0005")]
    expect(len(advertised) >= 2 and advertised[0][:6].hex() == "333300000001", f"{len(advertised)} advertisements")
    expect(advertised[0][80:86].hex(":") == cable.mac, advertised[0].hex())
    expect("tentative" not in out_of("ip", "address", "show", "to", "fd00::5"), "not usable yet")
    agents.verdict(word, "running")
    agents.good(word, "stop", "stop")
    agents.verdict(word, "stopped")


def second_owner():
    """A namespace at the other end of the cable that has the service address."""
    out_of("ip", "netns", "add", "other")
    out_of("ip", "link", "set", "peer", "netns", "other")
    for argv in (("link", "set", "peer", "address", FOREIGN), ("link", "set", "peer", "up"),
                 ("address", "add", f"{VIP}/24", "dev", "peer"), ("address", "add", "fd00::5/64", "dev", "peer", "nodad")):
        out_of("ip", "netns", "exec", "other", "ip", *argv)
    # Until IPv6 is ready at both ends.
    until(lambda: "tentative" not in out_of("ip", "netns", "exec", "other", "ip", "address"), 5, "still tentative")
    until(lambda: "tentative" not in out_of("ip", "address"), 5, "still tentative")


def refuses_a_duplicate(work):
    """with `refuse` an address that another machine has is not set, and its MAC is named; else it is set"""
    cable, agents = Cable(), Agents(work)
    second_owner()
    agents.refused(f"IPaddr2::{VIP}/24/eth0::refuse", "start", VIP, FOREIGN, "in use")
    expect(VIP not in cable.addresses(), cable.addresses())
    agents.refused("IPv6addr::fd00:0:0:0:0:0:0:5/64/eth0::refuse", "start", "fd00::5", FOREIGN)
    for word in (f"IPaddr2::{VIP}/24/eth0::force", f"IPaddr2::{VIP}/24/eth0"):
        agents.good(word, "start")
        expect(VIP in cable.addresses(), cable.addresses())
        agents.good(word, "stop")
    out_of("ip", "netns", "exec", "other", "ip", "address", "del", f"{VIP}/24", "dev", "peer")
    agents.good(f"IPaddr2::{VIP}/24/eth0::refuse", "start")
    expect(VIP in cable.addresses(), cable.addresses())


def finish(guard):
    out, log = guard.communicate(timeout=30)
    expect(guard.returncode == 0, log)
    return [json.loads(line) for line in out.splitlines()]


def guard_hears_a_claim(work):
    """another MAC that claims an address we hold is told once; our own packets and other addresses are not"""
    cable, agents = Cable(), Agents(work)
    agents.good(f"IPaddr2::{VIP}/24/eth0", "start")
    guard = agents.drive("guard", f"IPaddr2::{VIP}/24/eth0", limit=900, start=True)
    with Sniffer("peer", Sniffer.ARP) as other:
        time.sleep(0.3)
        for ip, mac in (("10.9.0.77", FOREIGN), (VIP, cable.mac), (VIP, FOREIGN), (VIP, FOREIGN)):
            other.send(arp_frame(2, mac, ip))
            other.send(arp_frame(1, mac, ip)[:30])
    lines = finish(guard)
    expect(lines == [{"held": [VIP]}, {"conflict": VIP, "mac": FOREIGN}, {"held": [VIP]}], lines)


def guard_asks(work):
    """a second owner that keeps silent is found by asking, for IPv4 and IPv6"""
    _, agents = Cable(), Agents(work)
    second_owner()
    words = f"IPaddr2::{VIP}/24/eth0", "IPv6addr::fd00:0:0:0:0:0:0:5/64/eth0"
    for word in words:
        agents.good(word, "start")
    lines = finish(agents.drive("guard", " ".join(words), limit=1400, start=True))
    for ip in (VIP, "fd00::5"):
        expect({"conflict": ip, "mac": FOREIGN} in lines, lines)


def guard_follows_and_announces(work):
    """the guard notices what is set and taken away, repeats announcements on request, and brings no link up"""
    cable, agents = Cable(), Agents(work)
    word = f"IPaddr2::{VIP}/24/eth0"
    guard = agents.drive("guard", word, "--announce-after", "700", limit=1500, start=True)
    with Sniffer("peer", Sniffer.ARP) as seen:
        time.sleep(0.2)
        out_of("ip", "address", "add", f"{VIP}/24", "dev", "eth0")
        frames = [arp_fields(frame) for _, frame in seen.listen(1.0)]
    announced = [fields for fields in frames if fields[2] == VIP]
    expect([fields[0] for fields in announced] == [1, 2, 1, 2], announced)
    expect(finish(guard)[-1] == {"held": [VIP]}, "the address was not noticed")
    out_of("ip", "link", "set", "eth0", "down")
    finish(agents.drive("guard", word, "--announce-after", "100", limit=400, start=True))
    expect("state DOWN" in out_of("ip", "link", "show", "eth0"), "the guard brought the link up")
    expect(cable.mac == Cable.mac_of("eth0"), "the interface changed")


main(alias_with_label, fixed_address_stays, parts_from_the_route, gratuitous_arp, only_announced, ipv6, refuses_a_duplicate, guard_hears_a_claim,
     guard_asks, guard_follows_and_announces)
