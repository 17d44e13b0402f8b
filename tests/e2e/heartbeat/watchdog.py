#!/usr/bin/python3
"""The watchdog device of ha.cf. A FIFO stands for it: the scenario sees each byte that the daemon writes. watchdog.py SCENARIO"""

import os
import select
import signal
import time

from duo import DEADTIME, Duo, KEEPALIVE_MS, SOON, expect, main

DEVICE = "/dev/watchdog"


class Device:
    def __init__(self, node):
        node.run("mkfifo", DEVICE)
        # Open for writing, too: the daemon's close is then no end of file.
        self.fd = os.open(f"/proc/{node.init}/root{DEVICE}", os.O_RDWR | os.O_NONBLOCK)
        self.last = None  # when it was fed

    def read(self, seconds):
        """All that is written within this time."""
        got, end = b"", time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                got += os.read(self.fd, 4096)
                self.last = time.monotonic()
        return got


def start(work):
    """node-b's device takes nothing."""
    duo = Duo(work, lambda own, peer: [f"ucast eth1 10.77.1.{peer}", f"watchdog {DEVICE}"])
    device, full = (Device(node) for node in duo.nodes)
    os.write(full.fd, b"x" * 65536)
    return duo.up(), device


def fed_and_closed(work):
    """it is fed with each heartbeat, closed with V at the orderly end and opened again by the next life; one that takes nothing is
    told, and not waited for"""
    duo, device = start(work)
    device.read(0.05)  # of the time before
    fed = device.read(2)
    wanted = 2000 // KEEPALIVE_MS
    expect(set(fed) == {0} and wanted - 4 <= len(fed) <= wanted + 3, f"in two seconds: {fed!r}")
    duo.until_log(duo.b, "watchdog: cannot write", DEVICE)
    expect(duo.member(duo.a, duo.b), "node-b waits for its watchdog")
    duo.b.stop_heartbeat(20)
    duo.a.run(*duo.a.heartbeat("-k"), seconds=20)
    last = device.read(0.2)
    expect(last.endswith(b"V") and last.count(b"V") == 1, f"at the end: {last!r}")
    duo.a.start_heartbeat()
    duo.holds(duo.a, SOON, "a second life")
    expect(device.read(1).count(b"\0") > 2, "it is not fed in the second life")
    duo.a.kill_heartbeat()
    expect(b"V" not in device.read(0.5), "a killed daemon has closed it")


def starves(work):
    """a daemon that hangs does not feed it, nor one that is killed: the machine is reset, and the other node takes over"""
    duo, device = start(work)
    device.read(0.5)
    duo.a.signal("heartbeat", signal.SIGSTOP)
    device.read(0.05)
    expect(device.read(1) == b"", "it is fed although the daemon hangs")
    # As the device does it, ceil(deadtime) after the last byte: before the partner takes over, or a moment later.
    left = device.last + 2 - time.monotonic()
    time.sleep(max(0, left))
    duo.power_off(duo.a)
    duo.holds(duo.b, DEADTIME + SOON, "node-a was reset by its watchdog")
    duo.check()


main(fed_and_closed, starves)
