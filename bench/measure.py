"""Runs fio, streams and resyncs, and gives plain numbers."""

import dataclasses
import json
import statistics
import subprocess
import sys
import time

from sandbox import Failed

GB = 1e9


@dataclasses.dataclass(frozen=True)
class Workload:
    rw: str
    block: str
    depth: int
    flush: bool = False

    @property
    def name(self):
        return f"{self.block} {self.rw} QD{self.depth}{' flush' if self.flush else ''}"

    def fio(self, mib, seconds):
        options = [f"--rw={self.rw}", f"--bs={self.block}", f"--iodepth={self.depth}", f"--size={mib}m", "--time_based",
                   f"--runtime={seconds}", "--randrepeat=0", "--norandommap", "--lat_percentiles=1"]
        return options


FULL = [Workload(rw, block, depth, flush) for block in ("4k", "128k") for rw in ("randwrite", "write") for depth in (1, 16, 32)
        for flush in (False, True)] + [Workload("randread", "4k", 32), Workload("read", "128k", 16)]
QUICK = [Workload("randwrite", "4k", 1), Workload("randwrite", "4k", 32), Workload("randwrite", "4k", 1, True),
         Workload("write", "128k", 16), Workload("randread", "4k", 32)]


def run_fio(target, workload, mib, seconds):
    """IOPS, bytes per second, latencies in microseconds and CPU seconds per GB of one run."""
    sides = list(target.servers)
    before = {side: target.cpu_seconds(side) for side in sides}
    done = subprocess.run(["fio", "--name=bench", "--output-format=json", *target.fio, *workload.fio(mib, seconds),
                           *([target.flush] if workload.flush else [])],
                          capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{target.name}, {workload.name}: fio: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
    job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    result = job["read" if "read" in workload.rw else "write"]
    percentile = (job["sync"] if workload.flush else result)["lat_ns"]["percentile"]
    numbers = {"iops": result["iops"], "bytes_per_second": result["bw_bytes"], "p50_us": percentile["50.000000"] / 1e3,
               "p99_us": percentile["99.000000"] / 1e3, "p999_us": percentile["99.900000"] / 1e3}
    for side in sides:
        numbers[f"cpu_{side}_s_per_gb"] = (target.cpu_seconds(side) - before[side]) / (result["io_bytes"] / GB)
    return numbers


def matrix(targets, workloads, mib, seconds, rounds, progress):
    """{workload: {target: medians}}. Every round goes through all targets, so that drift meets all alike."""
    runs = {workload.name: {target.name: [] for target in targets} for workload in workloads}
    for number in range(rounds):
        for workload in workloads:
            turn = number % len(targets)
            for target in targets[turn:] + targets[:turn]:
                runs[workload.name][target.name].append(run_fio(target, workload, mib, seconds))
            progress(f"round {number + 1}/{rounds}: {workload.name}")
    return {workload: {target: medians(list_of_runs) for target, list_of_runs in by_target.items()}
            for workload, by_target in runs.items()}


def medians(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


SENDER = """
import socket, sys, time
stream = socket.create_connection((sys.argv[1], int(sys.argv[2])))
block, end = bytes(1 << 20), time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    stream.sendall(block)
"""
RECEIVER = """
import socket, sys, time
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
stream, _ = listener.accept()
buffer, total, started = bytearray(1 << 20), 0, time.monotonic()
while got := stream.recv_into(buffer):
    total += got
print(total / (time.monotonic() - started), flush=True)
"""


def tcp_stream(sender, receiver, seconds, port=5001):
    """Bytes per second of one bare TCP stream between two nodes."""
    sink = receiver.start(sys.executable, "-c", RECEIVER, receiver.address, str(port), stdout=subprocess.PIPE, text=True)
    if sink.stdout.readline().strip() != "listening":
        raise Failed("the TCP receiver does not listen")
    sender.run(sys.executable, "-c", SENDER, receiver.address, str(port), str(seconds), seconds=seconds + 30)
    rate = float(sink.stdout.readline())
    sink.wait()
    return rate


def resync(source, target, resource):
    """Bytes per second of a full resync: the target's disk is invalidated, its size is copied."""
    size = source.status(resource)["devices"][0]["size"] * 1024
    started = time.monotonic()
    target.drbdadm("invalidate", resource)
    target.wait(resource, replication="SyncTarget", seconds=10)
    target.wait_in_sync(resource, seconds=300)
    return size / (time.monotonic() - started)
