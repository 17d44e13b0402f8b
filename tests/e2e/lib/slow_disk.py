"""A backing disk whose speed the scenario sets: a file on FUSE."""

import os
import subprocess

from cluster import until

# Each operation takes 1.5 s while the file SLOW is there, and hangs while HANG is.
PLUGIN = """
w() { while [ -e "$HANG" ]; do sleep 0.2; done; [ ! -e "$SLOW" ] || sleep 1.5; }
case "$1" in
    get_size) stat -c %s "$RAW" ;;
    pread) w; dd if="$RAW" skip=$4 count=$3 iflag=count_bytes,skip_bytes,fullblock bs=1M 2>/dev/null ;;
    pwrite) w; dd of="$RAW" seek=$4 conv=notrunc oflag=seek_bytes bs=1M iflag=fullblock 2>/dev/null ;;
    flush) w ;;
    can_write|can_flush) exit 0 ;;
    can_zero|can_trim) exit 3 ;;
    can_fua) echo none ;;
    *) exit 2 ;;
esac
"""


class SlowDisk:
    """The backing disk of one node's volume becomes a file on FUSE whose speed the scenario sets."""

    def __init__(self, cluster, node, volume=0):
        raw = cluster.disks[node.name][volume]
        folder, mount_point = f"{raw}.d", f"{raw}.m"
        os.makedirs(folder)
        os.makedirs(mount_point)
        self.switches = {name: os.path.join(folder, name) for name in ("SLOW", "HANG")}
        self.path = os.path.join(mount_point, "disk")
        plugin = os.path.join(folder, "plugin")
        with open(plugin, "w") as file:
            file.write(PLUGIN)
        os.chmod(plugin, 0o755)
        self.process = subprocess.Popen(node.inside("nbdfuse", self.path, "--command", "nbdkit", "-s", "sh", plugin),
                                        env={**os.environ, "RAW": raw, "TMPDIR": folder, **self.switches}, stdin=subprocess.DEVNULL)
        until(lambda: node.run("test", "-e", self.path, check=False, quiet=True)[0] == 0, 10, "no disk on FUSE")
        with open(node.config) as file:
            text = file.read()
        with open(node.config, "w") as file:
            file.write(text.replace(f"disk {raw};", f"disk {self.path};"))

    def set(self, name, on):
        if on:
            open(self.switches[name], "w").close()
        else:
            os.unlink(self.switches[name])
