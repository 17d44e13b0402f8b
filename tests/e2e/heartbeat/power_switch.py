"""A test device that switches nodes off, and the programs through which the daemon reaches it. It lives outside of the nodes:
the programs only tell it how they were called, and answer what it says."""

import json
import os
import socket
import threading
import time

from duo import Failed, SOON, until

PROGRAM = """#!/usr/bin/python3
import json, os, socket, sys
wire = socket.socket(socket.AF_UNIX)
wire.connect("{path}")
asked = {{"program": os.path.basename(sys.argv[0]), "argv": sys.argv[1:], "stdin": sys.stdin.read(), "environment": dict(os.environ)}}
wire.sendall((json.dumps(asked) + "\\n").encode())
answer = json.loads(wire.makefile().readline())
print(answer["says"])
sys.exit(answer["exit"])
"""


class PowerSwitch:
    """`understand(asked)`: the name of the node that is to be reset, or a text that is the answer to something else.
    `mode`: works, fails, hangs (until the mode is another one), lies."""

    def __init__(self, duo, understand):
        self.duo, self.understand = duo, understand
        self.mode = "works"
        self.resets = []  # what was asked, of those that were resets
        self.off_at = None
        self.path = f"{duo.work}/switch"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def program(self):
        return PROGRAM.format(path=self.path)

    def _serve(self):
        while True:
            wire, _ = self.listener.accept()
            threading.Thread(target=self._answer, args=(wire,), daemon=True).start()

    def _answer(self, wire):
        asked = json.loads(wire.makefile().readline())
        node, says = self.understand(asked)
        exit_code = 0
        if node:
            exit_code, says = self._reset(node, asked)
        try:
            wire.sendall((json.dumps({"exit": exit_code, "says": says}) + "\n").encode())
        except BrokenPipeError:
            pass  # its patience was at an end

    def _reset(self, name, asked):
        self.resets.append(asked)
        while (mode := self.mode) == "hangs":
            time.sleep(0.05)
        if mode == "works":
            node = next(node for node in self.duo.nodes if node.name == name)
            if node.alive():
                self.duo.power_off(node)
            self.off_at = time.time()
        return (1, "switch: no answer from the outlet") if mode == "fails" else (0, "switch: done")

    def until_asked(self, times, seconds=SOON):
        until(lambda: len(self.resets) >= times, seconds, lambda: f"the device was asked {len(self.resets)} times, not {times}")

    def last(self, **wanted):
        """The last reset was asked for like this."""
        asked = self.resets[-1]
        for name, value in wanted.items():
            found = asked[name]
            if isinstance(value, dict):
                found = {key: found.get(key) for key in value}
            if found != value:
                raise Failed(f"{asked['program']}: {name} {found}, wanted {value}")


def started_after(duo, node, moment):
    """The service was started there, and not before this moment."""
    started = [float(line.split()[0]) for line in duo.calls() if line.split()[1:] == [node.name, "start"]]
    if not started or started[-1] < moment:
        raise Failed(f"{node.name} started the service at {started[-1:]}, the other node was off at {moment}")
