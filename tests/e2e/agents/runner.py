#!/usr/bin/python3
"""Agents that behave, hang, lie or shout, run as the daemon runs them."""

import os
import signal
import subprocess
import time

from rig import Agents, expect, main, processes_with, until


def environment_and_arguments(work):
    """an agent gets its words, the operation and the variables of the original, and no descriptor of ours"""
    agents = Agents(work)
    agents.script("probe", '#!/bin/sh\necho "$@"; env | sort; ls /proc/self/fd | wc -l; readlink /proc/self/fd/0\n')
    lines = agents.run("probe::one::two/x", "start")["output"].splitlines()
    expect(lines[0] == "one two/x start", lines)
    for wanted in ("HA_CURHOST=node", "HA_OSTATUS=active", f"HA_DIR={agents.ha_dir}", f"HA_FUNCS={agents.ha_dir}/shellfuncs",
                   "HA_NICEFAILBACK=yes", f"DRBDD_RUN_DIR={agents.run_dir}", "LC_ALL=C"):
        expect(wanted in lines, f"{wanted} is not in {lines}")
    expect(not any(line.startswith(("DRBDD_RIG", "PYTHON")) for line in lines), "our own environment leaks")
    expect(lines[-2] == "4", f"{lines[-2]} descriptors, wanted 0, 1, 2 and that of ls")
    expect(lines[-1] == "/dev/null", lines[-1])


def time_limit(work):
    """at its limit an agent gets SIGTERM, with all that it started; one that ends by itself is not touched"""
    agents = Agents(work)
    agents.script("hang", "#!/bin/sh\necho begun; sleep 987654 & sleep 987654\n")
    began = time.monotonic()
    result = agents.run("hang", "start", limit=300)
    expect(result["timed_out"] and result["signal"] == signal.SIGTERM and result["output"] == "begun\n", result)
    expect(time.monotonic() - began < 2, "SIGTERM did not end it")
    until(lambda: not processes_with("987654"), 2, "a process of the agent is left")
    agents.script("quick", "#!/bin/sh\nexit 3\n")
    result = agents.run("quick", "stop", limit=5000)
    expect(result["exit"] == 3 and not result["timed_out"] and result["took"] < 1000, result)


def deaf_to_sigterm(work):
    """an agent that ignores SIGTERM, or is stopped, is killed five seconds later"""
    agents = Agents(work)
    agents.script("deaf", "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n")
    result = agents.run("deaf", "start", limit=200)
    expect(result["timed_out"] and result["signal"] == signal.SIGKILL and 5000 < result["took"] < 7000, result)
    agents.script("stopped", "#!/bin/sh\nkill -STOP $$\n")
    result = agents.run("stopped", "start", limit=200)
    expect(result["timed_out"] and result["took"] < 2000, result)


def killed_on_request(work):
    """kill() ends an agent that has no limit, and its result still comes"""
    agents = Agents(work)
    agents.script("hang", "#!/bin/sh\nsleep 987655\n")
    result = agents.run("hang", "start", "--kill-after", "200", limit=0)
    expect(result["killed"] and not result["timed_out"] and result["signal"] == signal.SIGTERM, result)


def shouting(work):
    """output without end, without lines or without text neither blocks nor grows, and the log stays readable"""
    agents = Agents(work)
    agents.script("flood", "#!/bin/sh\nhead -c 50000000 /dev/zero | tr '\\0' x\necho; echo running\n")
    result = agents.run("flood", "status", limit=15000)
    expect(result["exit"] == 0 and len(result["output"]) == 65536, f"exit {result['exit']}, {len(result['output'])} bytes kept")
    expect(len(agents.log) < 400_000, f"{len(agents.log)} bytes logged")
    agents.script("garbage", "#!/bin/sh\nhead -c 3000 /dev/urandom; printf '\\033[31m\\001\\002'; exit 1\n")
    result = agents.run("garbage", "status")
    expect(result["exit"] == 1, result)
    expect(all(c == "\n" or ord(c) >= 32 and ord(c) != 127 for c in agents.log), f"control characters in the log: {agents.log!r}")


def background(work):
    """an agent that leaves a process with its output open has ended all the same; that process lives on"""
    agents = Agents(work)
    agents.script("leaves", "#!/bin/sh\nsleep 987656 &\necho done\n")
    result = agents.run("leaves", "start", limit=5000)
    expect(result["exit"] == 0 and result["took"] < 1000 and result["output"] == "done\n", result)
    until(lambda: processes_with("987656"), 2, "the background process was ended")


def missing_and_broken(work):
    """an agent that is not there, not executable or not a program is said to be so"""
    agents = Agents(work)
    result = agents.run("nothing::x", "start")
    expect(result["missing"] and "nothing::x" in result["text"] and "resource.d" in result["text"], result)
    agents.script("broken", "#!/no/such/interpreter\n")
    result = agents.run("broken", "start")
    expect(result["missing"] and "could not be started" in result["text"], result)
    agents.script("plain", "echo running $1\n")
    expect(agents.run("plain", "status")["output"] == "running status\n", "a script without #! was not run by the shell")


def init_script_and_unit(work):
    """an init script is judged by its exit code, a systemd unit by systemctl's word"""
    agents = Agents(work)
    agents.options = ["--init-dir", os.path.join(work, "init.d")]
    agents.script("mysqld", '#!/bin/sh\n[ "$1" = status ] && exit "$(cat %s/state)"\nexit 0\n' % work, os.path.join(work, "init.d"))
    for code, wanted in (("0", "running"), ("3", "stopped"), ("1", "stopped")):
        with open(f"{work}/state", "w") as file:
            file.write(code)
        expect(agents.verdict("mysqld", wanted)["kind"] == "lsb", "not taken for an init script")


def not_others_children(work):
    """a child that others have started in the same process is left to them"""
    agents = Agents(work)
    agents.script("quick", "#!/bin/sh\n:\n")
    # bash execs the driver: the sleeping process becomes the driver's child, and it must stay a zombie.
    shell = subprocess.Popen(["bash", "-c", 'sleep 0.1 & echo $!; exec "$@"', "bash",
                              *agents.command("probe", "agent", "quick", "--rounds", "8", "--pause", "100", limit=1000)],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    child = int(shell.stdout.readline())
    time.sleep(0.5)
    with open(f"/proc/{child}/stat") as file:
        expect(file.read().split()[2] == "Z", "somebody else's child was waited for")
    shell.communicate(timeout=20)


main(environment_and_arguments, time_limit, deaf_to_sigterm, killed_on_request, shouting, background, missing_and_broken,
     init_script_and_unit, not_others_children)
