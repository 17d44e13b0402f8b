"""Our own programs in a QEMU guest with Debian's kernel, whose modules this machine may lack, for use inside sandbox.run().

The guest is node alpha; bravo is a node of the sandbox. Between them is one drbd.conf.
"""

import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "../../e2e/lib"), os.path.join(HERE, "../kernel")]

import guest  # noqa: E402
from cluster import BIN, Bridge, Node, configuration, until  # noqa: E402
from sandbox import Failed, choose, out_of, run  # noqa: E402

# What is loaded at boot. Debian 12's own kernel has no ublk; the newer one that it offers besides has.
KERNELS = {
    "linux-image-amd64": (guest.CACHE + "-frontends", ("ext4", "loop", "fuse", "nbd")),
    "linux-image-6.12-amd64": (guest.CACHE + "-6.12", ("ext4", "loop", "fuse", "nbd", "ublk_drv")),
}
OURS = ("drbdd", "drbdd-fuse", "drbdd-ublk", "drbdadm", "drbdsetup", "drbdmeta")
PROGRAMS = (*guest.PROGRAMS, "ldd", "strip", "mke2fs", "nbdkit", "nbd-client", "xz")
ADDRESSES = (("alpha", "10.88.0.1"), ("bravo", "10.88.0.2"))
MIB = 32
NET = "protocol C; ping-int 2; timeout 30;"
KERNEL_TROUBLE = re.compile(r"\bBUG\b|Oops|WARNING:|I/O error|EXT4-fs error|blocked for more")


def build_initrd(work, cache):
    """The guest's file system with our programs, their libraries and those of others that the scenarios use, on top."""
    root = os.path.join(work, "initrd")

    def put(source, target, stripped=False):
        os.makedirs(os.path.dirname(root + target), exist_ok=True)
        shutil.copy(source, root + target)
        if stripped:
            out_of("strip", root + target)
        # Statically linked programs have none, and ldd says so by its exit code.
        listed = subprocess.run(["ldd", source], capture_output=True, text=True).stdout
        for library in re.findall(r"(?:=> )?(/\S+)", listed):
            if not os.path.exists(root + library):
                os.makedirs(os.path.dirname(root + library), exist_ok=True)
                shutil.copy(library, root + library)

    for program in OURS:
        put(os.path.join(BIN, program), f"/usr/sbin/{program}", stripped=True)
    for program in ("mke2fs", "e2fsck", "blkdiscard"):
        put(shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin"), f"/usr/sbin/{program}")
    put(shutil.which("nbdkit"), "/usr/sbin/nbdkit")
    put(shutil.which("nbd-client", path="/usr/sbin:/sbin"), "/usr/sbin/nbd-client")
    put("/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-memory-plugin.so",
        "/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-memory-plugin.so")
    image = os.path.join(work, "initrd.cpio")
    shutil.copy(f"{cache}/initrd.cpio", image)
    names = "\n".join(sorted(os.path.relpath(os.path.join(folder, name), root)
                             for folder, folders, files in os.walk(root) for name in (*folders, *files)))
    with open(image, "ab") as archive:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), stdout=archive, cwd=root, check=True)
    return image


class Pair:
    """Booted, with metadata, and down."""

    current = None  # for report()

    def __init__(self, work, cache):
        Pair.current = self
        Bridge()
        self.bravo = Node(work, *ADDRESSES[1]).boot()
        self.images = [os.path.join(work, "alpha.img"), os.path.join(self.bravo.dir, "disk.img")]
        for image in self.images:
            with open(image, "wb") as file:
                file.truncate(MIB << 20)
        text = configuration(ADDRESSES, {"alpha": ["/dev/vda"], "bravo": [self.images[1]]}, NET)
        with open(self.bravo.config, "w") as file:
            file.write(text)
        with open(os.path.join(work, "drbdd.conf"), "w") as file:
            file.write("frontend none;\n")
        self.alpha = guest.Guest(work, *ADDRESSES[0], self.images[0], 512, cache, build_initrd(work, cache)).boot(seconds=240)
        self.alpha.configure(text)
        self.alpha.run("mkdir -p /mnt /run/drbdd; syslogd -O /tmp/messages")
        self.run("drbdadm create-md --force r0")
        self.bravo.drbdadm("create-md", "--force", "r0")

    # ---- drbdd in the guest ----
    def run(self, script, **options):
        return self.alpha.run("export PATH=/usr/sbin:/sbin:/bin\n" + script, **options)

    def out(self, script, **options):
        return self.run(script, **options)[1].strip()

    def start_daemon(self, frontend=None):
        if frontend:
            self.run(f"echo 'frontend {frontend};' > /etc/drbdd.conf")
        self.run("drbdd --foreground --log stderr >> /tmp/drbdd.log 2>&1 < /dev/null &")
        self.until("drbdsetup status", 20, "drbdd does not start")

    def kill_daemon(self):
        self.run("kill -9 $(pidof drbdd)")

    def stop_daemon(self):
        self.run("kill $(pidof drbdd)")
        self.until("! pidof drbdd", 20, "drbdd does not end")

    def until(self, script, seconds, why):
        last = ""

        def reached():
            nonlocal last
            code, last = self.run(script, check=False)
            return code == 0

        until(reached, seconds, lambda: f"alpha (guest): {why}: `{script}`: {last.strip()}")

    def adm(self, *words, seconds=60):
        """A command that may still go on when it is answered is asked for again."""
        self.until("drbdadm " + " ".join(words), seconds, " ".join(words))

    def discard(self, device):
        """What is discarded reaches us as such, and what is zeroed reads as zeroes."""
        discards = f"awk '{{print $12}}' /sys/block/{device}/stat"
        before = int(self.out(discards))
        self.run("dd if=/dev/urandom of=/dev/drbd0 bs=1M count=4 conv=fsync 2> /dev/null && "
                 "/usr/sbin/blkdiscard -o 0 -l 1048576 /dev/drbd0 && /usr/sbin/blkdiscard -z -o 2097152 -l 1048576 /dev/drbd0 && "
                 "sync && echo 3 > /proc/sys/vm/drop_caches")
        self.run("dd if=/dev/drbd0 bs=1M skip=2 count=1 2> /dev/null | cmp -n 1048576 - /dev/zero")
        if int(self.out(discards)) == before:
            raise Failed(f"{device} has sent no discard")

    def refuse_promotion(self, reason):
        """No device can be made: `primary` fails, the log has the reason, and the role goes back."""
        code, words = self.run("drbdadm primary r0", check=False)
        if code == 0:
            raise Failed(f"promoted without a device: {words}")
        # On a slow machine the command may have been answered before the daemon had come to it.
        self.until(f"grep 'drbd0: {reason}' /tmp/drbdd.log", 20, "no reason was given")
        self.until("drbdadm role r0 | grep -q ^Secondary", 20, "the role did not go back")

    def expect_not_carried(self):
        """A Secondary's volume: no device, no process and no record of one, and at its name what nobody can open."""
        self.expect_nothing("ls /dev | grep 'ublk[bc]'")
        if self.out("stat -c '%F %t:%T' /dev/drbd0") != "block special file 0:0":
            raise Failed("the placeholder is not there: " + self.out("ls -l /dev/drbd0", check=False))
        if self.run("dd if=/dev/drbd0 of=/dev/null count=1", check=False)[0] == 0:
            raise Failed("the placeholder can be read")

    def expect_gone(self):
        """A volume that is down."""
        self.expect_nothing("ls /dev | grep 'drbd\\|ublk[bc]'; ls /run/drbdd | grep placeholder")

    def expect_nothing(self, also):
        left = self.out("ls /run/drbdd | grep 'ublk\\|drbd0.nbd-\\|fuse\\|loop'; pidof drbdd-ublk drbdd-fuse; "
                        f"cat /sys/block/nbd*/pid 2> /dev/null; {also}", check=False)
        if left:
            raise Failed(f"left behind: {left}")

    def status(self):
        return json.loads(self.out("drbdsetup status r0 --json"))[0]

    def frontend(self):
        device = self.status()["devices"][0]
        return device["frontend"], device["frontend-note"]

    def expect_frontend(self, name, note=""):
        have, why = self.frontend()
        if have != name or note not in why or (not note and why):
            raise Failed(f"the front end is {have} ({why}), wanted {name} ({note})")

    def up(self):
        """Both up, alpha Primary with the only data, and in sync."""
        self.adm("adjust", "r0")
        self.bravo.drbdadm("up", "r0")
        self.until("drbdadm cstate r0 | grep -q Connected", 30, "no connection")
        self.adm("primary", "--force", "r0")
        self.until("drbdadm dstate r0 | grep -q UpToDate/UpToDate", 150, "not in sync")

    def expect_clean_log(self):
        bad = [line for line in self.alpha.dmesg().splitlines() if KERNEL_TROUBLE.search(line)]
        if bad:
            raise Failed("the guest's kernel log complains:\n" + "\n".join(bad))

    def report(self):
        for what in ("tail -n 40 /tmp/drbdd.log", "tail -n 40 /tmp/messages", "dmesg | tail -n 30", "drbdadm status --verbose",
                     "ls -l /dev/drbd* /dev/ublk* /run/drbdd; grep . /sys/block/nbd*/pid /sys/block/nbd*/backend; ps"):
            try:
                print(f"---- alpha (guest): {what}\n{self.run(what, check=False, seconds=20)[1]}")
            except Failed as failure:
                print(f"---- alpha (guest): {what}: {failure}")
        self.bravo.report()


def main(*scenarios, kernel="linux-image-amd64"):
    """Runs the scenario named on the command line."""
    scenario = choose(scenarios)
    cache, modules = KERNELS[kernel]
    if "DRBDD_RIG_WORK" not in os.environ:
        guest.prepare(cache, *modules, kernel=kernel)

    def run_it(work):
        pair = Pair(work, cache)
        scenario(pair)
        pair.bravo.drbdadm("down", "r0")

    run(run_it, programs=PROGRAMS, seconds=540, on_failure=lambda: Pair.current and Pair.current.report())
