#!/usr/bin/python3
"""Debian's agents in a line of haresources, as they are: an iSCSI target, and what this kernel has no part for. services.py SCENARIO"""

import os
import subprocess

from duo import DEADTIME, Duo, SERVICE, SOON, Skip, expect, main, out_of, until

OCF = "/usr/lib/ocf/resource.d/heartbeat"
IQN = "iqn.2026-01.example:data"
URL = f"iscsi://{SERVICE}/{IQN}/1"
MIB = 16
SLOW = 30  # these agents run dozens of programs
LDIRECTORD = f"""checktimeout=1
checkinterval=1
quiescent=no
virtual={SERVICE}:80
    real=10.77.0.1:80 gate
    service=http
    scheduler=rr
    protocol=tcp
    checktype=connect
"""


def iscsi_target(work):
    """tgt, iSCSITarget and iSCSILogicalUnit: an initiator reads the same disk at the same address before and after a takeover"""
    needs("iSCSITarget", "iSCSILogicalUnit")
    disk = f"{work}/disk.img"
    with open(disk, "wb") as file:
        file.write(b"the data" + bytes((MIB << 20) - 8))
    # Without allowed_initiators this version of the agent lets nobody in.
    duo = Duo(work, resources=f"tgt iSCSITarget::iqn={IQN}::tid=1::implementation=tgt::allowed_initiators=ALL "
                              f"iSCSILogicalUnit::{IQN}::1::{disk}::tgt IPaddr::{SERVICE}/24/eth0 service")
    duo.up(SLOW)
    read_disk(duo.a)
    duo.power_off(duo.a)
    duo.holds(duo.b, DEADTIME + SLOW, "crash of node-a")
    read_disk(duo.b)
    duo.b.stop_heartbeat(30)
    expect(not duo.b.processes("tgtd"), "tgtd was not stopped")
    expect(duo.holder() is None, "the service was not stopped")
    duo.check()


def read_disk(node):
    """From outside, at the service address."""
    found = subprocess.run(["iscsi-ls", "-s", f"iscsi://{SERVICE}"], capture_output=True, text=True, timeout=20, check=False)
    expect(IQN in found.stdout and "Type:DIRECT_ACCESS" in found.stdout, f"{node.name}: {found.stdout}{found.stderr}")
    found = out_of("iscsi-readcapacity16", URL, timeout=20)
    expect(str(MIB << 20) in found.replace(",", ""), f"{node.name}: {found}")


def director(work):
    """ldirectord as it is started by its own script in resource.d: it runs where the address is, and moves with it"""
    duo = Duo(work, resources=f"IPaddr::{SERVICE}/24/eth0 ldirectord::ldirectord.cf service")
    for node in duo.nodes:
        node.install({"ldirectord.cf": LDIRECTORD})
        os.symlink("/usr/sbin/ldirectord", f"{node.ha_dir}/resource.d/ldirectord")
    duo.up(SLOW)
    expect(directors(duo) == ["node-a"], f"ldirectord runs on {directors(duo)}")
    duo.a.stop_heartbeat(30)
    duo.holds(duo.b, SLOW, "clean stop of node-a")
    expect(directors(duo) == ["node-b"], f"ldirectord runs on {directors(duo)}")
    duo.stop(duo.b)
    expect(not directors(duo), f"ldirectord runs on {directors(duo)}")


def directors(duo):
    """Where the daemon runs, which shows how it was called; a `status` that is under way is none."""
    return [node.name for node in duo.nodes if any("ldirectord.cf start" in line
                                                   for line in node.run("ps", "-eo", "args", quiet=True)[1].splitlines())]


def rules_without_ip_vs(work):
    """LVS with the real ipvsadm on a kernel without ip_vs: the failure is told in words, and the group is given up in order"""
    if os.path.exists("/proc/net/ip_vs"):
        raise Skip("this kernel has ip_vs")
    duo = Duo(work, resources=f"IPaddr::{SERVICE}/24/eth0 LVS::/etc/ha.d/lvs.rules service")
    for node in duo.nodes:
        node.install({"lvs.rules": f"-A -t {SERVICE}:80 -s rr\n-a -t {SERVICE}:80 -r 10.77.0.1:80 -g -w 1\n"})
    is_given_up(duo, "LVS::/etc/ha.d/lvs.rules", "ipvsadm refused")


def nfs_export(work):
    """exportfs with the real tool: the directory is exported where the address is, and nowhere else"""
    needs("exportfs")
    duo = Duo(work, resources=f"IPaddr::{SERVICE}/24/eth0 exportfs::10.77.0.0/24::/srv::1::rw service")
    for node in duo.nodes:
        node.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/nfs")
        node.run("touch", "/var/lib/nfs/etab", "/var/lib/nfs/rmtab")
    duo.up(SLOW)
    expect(exporters(duo) == ["node-a"], f"/srv is exported by {exporters(duo)}")
    duo.a.stop_heartbeat(30)
    duo.holds(duo.b, SLOW, "clean stop of node-a")
    expect(exporters(duo) == ["node-b"], f"/srv is exported by {exporters(duo)}")
    duo.stop(duo.b)
    expect(not exporters(duo), f"/srv is exported by {exporters(duo)}")


def exporters(duo):
    return [node.name for node in duo.nodes if node.run("exportfs", check=False)[1].startswith("/srv")]


def nfs_server_without_nfsd(work):
    """nfsserver on a kernel without nfsd: the failure is told in words, and the group is given up from right to left"""
    needs("nfsserver")
    with open("/proc/filesystems") as file:
        if "nfsd" in file.read():
            raise Skip("this kernel has nfsd")
    duo = Duo(work, resources=f"IPaddr::{SERVICE}/24/eth0 nfsserver::{work}/info service")
    for node in duo.nodes:
        node.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/nfs")
    is_given_up(duo, f"nfsserver::{work}/info", "Failed to start NFS server")


def is_given_up(duo, word, says):
    """What stands left of the agent that fails is stopped again, what stands right of it was never started."""
    duo.a.start_heartbeat()
    duo.until_alarm(duo.a, "resource", word, says, seconds=40)
    until(lambda: not duo.a.holds(SERVICE), SOON, "the address is still there")
    expect(duo.calls() and not [line for line in duo.calls() if line.endswith("start")], f"the service: {duo.calls()}")
    expect(says in duo.a.run(duo.a.tool("hb_status"))[1], "hb_status does not say why")
    duo.check()


def needs(*agents):
    missing = [agent for agent in agents if not os.path.exists(f"{OCF}/{agent}")]
    if missing:
        raise Skip(f"resource-agents has no {missing}")


main(iscsi_target, director, rules_without_ip_vs, nfs_export, nfs_server_without_nfsd, 
     programs=("tgtd", "iscsi-ls", "ldirectord", "ipvsadm", "exportfs"))
