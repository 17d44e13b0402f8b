#!/usr/bin/python3
"""The NBD server is killed under load, again and again: no application may see an error, no write may be lost."""

import subprocess
import sys
import threading
import time

import chain
from chain import MIB, Chain, expect
from sandbox import out_of, run

FIO = ["fio", "--name=load", "--ioengine=io_uring", "--direct=1", "--rw=randwrite", "--bs=4k", "--iodepth=16",
       "--size=48M", "--rate_iops=2500", "--fsync=50", "--verify=crc32c", "--verify_fatal=1", "--randseed=7", "--verify_state_save=0"]


def kill_again_and_again(volume, load):
    kills = 0
    while load.poll() is None:
        volume.kill_server()
        kills += 1
        time.sleep(0.1 * (kills % 4))  # also long enough for several attempts to connect
        volume.start_server()
        time.sleep(0.4)
    return kills


def check_raw_device(volume):
    """fio writes, and reads back through the device; then the server's own file is read the same way."""
    load = subprocess.Popen([*FIO, f"--filename={volume.node}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = []
    reader = threading.Thread(target=lambda: output.append(load.stdout.read()))
    reader.start()
    kills = kill_again_and_again(volume, load)
    reader.join()
    expect(load.returncode == 0, f"fio saw an error after {kills} kills:\n{output[0]}")
    expect(kills >= 5, f"only {kills} kills")
    out_of(*FIO, f"--filename={volume.disk}", "--verify_only")
    print(f"{kills} kills, no error")


def check_file_system(volume):
    """Buffered writes, journal commits and discards, with the server gone at every fsync."""
    out_of("mkfs.ext4", "-q", volume.node)
    volume.mount()
    kept = []
    for number in range(6):
        writer = threading.Thread(
            target=lambda: kept.append(chain.write_file(f"{volume.mount_point}/{len(kept)}", 8)))
        writer.start()
        volume.kill_server()
        time.sleep(0.15)
        volume.start_server()
        writer.join()
        expect(len(kept) == number + 1, "a write failed")
        out_of("fstrim", volume.mount_point)
    volume.umount()
    out_of("e2fsck", "-fn", volume.disk)
    volume.mount()
    for number, data in enumerate(kept):
        expect(chain.read_file(f"{volume.mount_point}/{number}") == data, f"file {number} differs")
    volume.umount()


def check_refusal_is_waited_out(volume):
    """A server that may not serve yet (Secondary: here, read-only) holds the request up and fails nothing."""
    volume.kill_server()
    volume.start_server("-r")
    write = subprocess.Popen(["dd", "if=/dev/urandom", f"of={volume.node}", "bs=1M", "count=4", "oflag=direct"],
                             stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    expect(write.poll() is None, "a write was answered though the export is refused")
    volume.kill_server()
    volume.start_server()
    _, text = write.communicate(timeout=10)
    expect(write.returncode == 0, f"dd: {text}")


def check_adoption(volume):
    """The daemon's successor finds the chain and goes on with the same process."""
    process = volume.fuse_pid()
    expect(volume.must("sweep") == f"living {volume.minor}", "the sweep touched a living chain")
    expect(volume.must("adopt") == "adopted", "not adopted")
    volume.must("attach")
    expect(volume.fuse_pid() == process, "attach started a second process")


def scenario(work):
    volume = Chain(work)
    volume.start_server()
    volume.must("attach")
    check_raw_device(volume)
    check_adoption(volume)
    check_refusal_is_waited_out(volume)
    check_file_system(volume)
    volume.must("detach")
    volume.expect_nothing_left()


if __name__ == "__main__":
    sys.exit(run(scenario, chain.PROGRAMS, seconds=180))
