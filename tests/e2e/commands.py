#!/usr/bin/python3
"""Commands in the states of a resource: exit code and first line, as 8.4's kernel and tools answered. commands.py SCENARIO"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from cluster import main  # noqa: E402
from sandbox import Failed  # noqa: E402

MINOR = "0: Failure: (127) Device minor not allocated"
UNKNOWN = "r0: Failure: (158) Unknown resource"
NO_DISK = "0: Failure: (138) Device does not have a disk-config"
NO_DATA = "0: State change failed: (-2) Need access to UpToDate data"
CLEARED = "0: Failure: (135) Sync-pause flag is already cleared"
ALONE = "0: State change failed: (-15) Need a connection to start verify or resync"
IN_USE = "r0: Failure: (102) Local address(port) already in use."
ATTACHED = "Device '0' is configured!"
NO_SUCH_CONNECTION = "??: Failure: (162) Invalid configuration request"
LOW_LEVEL = "10.88.0.1:7788 10.88.0.2:7788"

# In whatever state. Where the answer is not the original's the reason stands behind it.
ALWAYS = (
    ("drbdadm", "frobnicate r0", 1, "drbdadm: Unknown command 'frobnicate'"),
    ("drbdadm", "primary nosuch", 1, "'nosuch' not defined in your config (for this host)."),
    ("drbdadm", "primary r0/7", 1, "'r0/7' not defined in your config (for this host)."),
    ("drbdadm", "secondary 0", 1, "'0' not defined in your config (for this host)."),
    ("drbdadm", "role --force r0", 1, "drbdadm: unrecognized option '--force'"),  # 8.4 ignores it
    ("drbdadm", "sh-dev r0", 0, "/dev/drbd0"),
    ("drbdadm", "sh-minor r0", 0, "0"),
    ("drbdadm", "sh-md-idx r0", 0, "internal"),
    ("drbdadm", "sh-ip r0", 0, "10.88.0.1"),
    ("drbdadm", "sh-mod-parms", 0, "minor_count=32"),
    ("drbdadm", "sh-resources", 0, "r0"),
    ("drbdadm", "sh-nop", 0, ""),
    ("drbdadm", "sh-status r0", 0, "This command will ignore resource names!"),
    ("drbdsetup", "primary 9", 10, "9: Failure: (127) Device minor not allocated"),
    ("drbdsetup", "secondary 9", 10, "9: Failure: (127) Device minor not allocated"),
    ("drbdsetup", "cstate 77", 10, "77: Failure: (127) Device minor not allocated"),
    ("drbdsetup", "role nosuch", 20, "Cannot determine minor device number of device 'nosuch'"),
    ("drbdsetup", "down nosuch", 0, "Resource unknown"),
    ("drbdsetup", "status nosuch", 10, "nosuch: No such resource"),
    ("drbdsetup", "show nosuch", 10, "nosuch: Failure: (158) Unknown resource"),  # 20, and words about netlink, which is not there
    ("drbdsetup", "new-minor nosuch 3 0", 10, "??: Failure: (158) Unknown resource"),
    ("drbdsetup", "disconnect 10.88.0.1:1 10.88.0.2:2", 10, NO_SUCH_CONNECTION),
    ("drbdsetup", "role 0 --json", 20, "role: unrecognized option '--json'"),
)
DOWN = (
    *(("drbdadm", f"{command} r0", 10, MINOR) for command in
      ("role", "cstate", "attach", "primary", "secondary", "detach", "pause-sync", "resume-sync", "invalidate-remote", "suspend-io",
       "resume-io", "wait-connect")),
    *(("drbdsetup", f"{command} 0", 10, MINOR) for command in
      ("role", "cstate", "dstate", "get-gi", "show-gi", "primary", "secondary", "outdate", "invalidate", "del-minor", "pause-sync",
       "suspend-io", "new-current-uuid", "wait-connect", "disk-options")),
    ("drbdadm", "new-current-uuid r0/0", 10, MINOR),
    ("drbdadm", "status r0", 10, "r0: No such resource"),
    ("drbdadm", "connect r0", 10, UNKNOWN),
    ("drbdadm", "down r0", 0, "Resource unknown"),
    ("drbdadm", "dstate r0", 0, "Inconsistent"),
    ("drbdadm", "outdate r0", 5, "Device is inconsistent."),
    ("drbdsetup", "del-resource r0", 10, UNKNOWN),
    ("drbdsetup", "events2 --now r0", 0, "exists -"),
    ("drbdsetup", f"connect r0 {LOW_LEVEL}", 10, UNKNOWN),
    ("drbdsetup", f"net-options {LOW_LEVEL}", 10, NO_SUCH_CONNECTION),
)
IDLE = (  # connected, Secondary, UpToDate on both
    ("drbdadm", "role r0", 0, "Secondary/Secondary"),
    ("drbdadm", "cstate r0", 0, "Connected"),
    ("drbdadm", "dstate r0", 0, "UpToDate/UpToDate"),
    ("drbdadm", "attach r0", 20, ATTACHED),
    ("drbdadm", "up r0", 1, ATTACHED),
    ("drbdadm", "connect r0", 10, IN_USE),
    ("drbdadm", "adjust r0", 0, ""),
    ("drbdadm", "-d adjust r0", 0, ""),
    ("drbdadm", "secondary r0", 0, ""),
    ("drbdadm", "outdate r0", 0, ""),
    ("drbdadm", "new-current-uuid r0/0", 10, "0: Failure: (151) Need to be StandAlone"),
    ("drbdadm", "check-resize r0", 20, ATTACHED),
    ("drbdsetup", "resize 0", 10, "0: Failure: (131) Need one Primary node to resize."),
    ("drbdsetup", "resume-sync 0", 10, CLEARED),
    ("drbdsetup", "new-resource r0", 0, ""),
    ("drbdsetup", "new-minor r0 0 0", 0, ""),
    ("drbdsetup", "new-minor r0 1 0", 10, "1: Failure: (161) Minor or volume exists already (delete it first)"),
    ("drbdsetup", "del-minor 0", 10, "0: Failure: (160) Minor still configured (down it first)"),
    ("drbdsetup", "del-resource r0", 10, "r0: Failure: (125) Device has a net-config (use disconnect first)"),
    ("drbdsetup", "attach 0 /x /x internal", 10, "0: Failure: (124) Device is attached to a disk (use detach first)"),
    ("drbdsetup", f"connect r0 {LOW_LEVEL}", 10, IN_USE),
    ("drbdsetup", "disk-options 0 --c-plan-ahead=0", 0, ""),
    ("drbdsetup", f"net-options {LOW_LEVEL} --timeout=50", 0, ""),
    ("drbdsetup", "resource-options r0 --cpu-mask=x", 10, "r0: Failure: (143) Invalid cpu-mask."),
    ("drbdsetup", "wait-connect 0", 0, ""),
    ("drbdsetup", "wait-sync 0", 0, ""),
    ("drbdadm", "adjust r0", 0, ""),  # takes back what these have changed
)
PRIMARY = (
    ("drbdadm", "role r0", 0, "Primary/Secondary"),
    ("drbdadm", "primary r0", 0, ""),
    ("drbdadm", "primary minor-0", 0, ""),
    ("drbdadm", "detach r0", 0, ""),
    ("drbdadm", "dstate r0", 0, "Diskless/UpToDate"),
    ("drbdadm", "attach r0", 0, ""),
)
DISKLESS = (
    ("drbdsetup", "resize 0", 10, NO_DISK),
    ("drbdadm", "dstate r0", 0, "Diskless/UpToDate"),
    ("drbdadm", "detach r0", 0, ""),
    ("drbdsetup", "get-gi 0", 1, "Device has no disk"),
    ("drbdsetup", "show-gi 0", 1, "Device has no disk"),
    ("drbdsetup", "invalidate 0", 10, NO_DISK),
    ("drbdsetup", "invalidate-remote 0", 10, NO_DISK),
    ("drbdsetup", "new-current-uuid 0", 10, NO_DISK),
    ("drbdsetup", "outdate 0", 5, "0: State change failed: (-16) Disk state is lower than outdated"),
)
STANDALONE = (
    ("drbdadm", "cstate r0", 0, "StandAlone"),
    ("drbdadm", "role r0", 0, "Secondary/Unknown"),
    ("drbdadm", "disconnect r0", 0, ""),
    ("drbdadm", "invalidate-remote r0", 11, ALONE),
    ("drbdadm", "wait-connect r0", 0, ""),
    ("drbdadm", "invalidate r0", 0, ""),  # alone and Secondary it needs nobody's word
    ("drbdadm", "dstate r0", 0, "Inconsistent/DUnknown"),
    ("drbdadm", "primary r0", 17, NO_DATA),
)


def ask(node, state, table):
    """All rows are looked at, so that one run tells of every difference."""
    wrong = []
    for program, words, code, first in table:
        config = ["-c", node.config] if program == "drbdadm" else []
        got, out, err = node.run(program, *config, *words.split(), check=False, seconds=10)
        line = ((err or out).splitlines() or [""])[0]
        if (got, line) != (code, first):
            wrong.append(f"{state}: {program} {words}: {got} {line!r}, wanted {code} {first!r}")
    return wrong


def table(cluster):
    """each of them in each state: down, connected, Primary, without a disk, StandAlone"""
    alpha = cluster.alpha
    for node in cluster.nodes:
        node.drbdadm("create-md", "--force", "r0")
    wrong = ask(alpha, "down", ALWAYS + DOWN)
    for node in cluster.nodes:
        node.drbdadm("up", "r0")
    alpha.wait(connection="Connected")
    alpha.drbdadm("new-current-uuid", "--clear-bitmap", "r0/0")
    for node in cluster.nodes:
        node.wait_in_sync()
    wrong += ask(alpha, "connected", ALWAYS + IDLE)
    alpha.drbdadm("primary", "r0")
    wrong += ask(alpha, "Primary", ALWAYS + PRIMARY)
    alpha.wait_in_sync()
    alpha.drbdadm("secondary", "r0")
    alpha.drbdadm("detach", "r0")
    wrong += ask(alpha, "Diskless", ALWAYS + DISKLESS)
    alpha.drbdadm("attach", "r0")
    alpha.wait_in_sync()
    alpha.drbdadm("disconnect", "r0")
    wrong += ask(alpha, "StandAlone", ALWAYS + STANDALONE)
    if wrong:
        raise Failed("\n".join(wrong))


main(table, mib=16)
