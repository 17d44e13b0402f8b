"""A kernel guest `alpha` and our drbdd on node `bravo` with one drbd.conf between them."""

import os

import guest
from cluster import Bridge, Node, compare, configuration, data_bytes
from sandbox import Failed, choose, run

ADDRESSES = (("alpha", "10.88.0.1"), ("bravo", "10.88.0.2"))
MIB = 64
NET = "protocol C; connect-int 1; ping-int 2; timeout 30;"
DISK = "c-plan-ahead 0; resync-rate 100M;"


class Pair:
    """Booted, with metadata created by each side's own drbdmeta, and down."""

    current = None  # for report()

    def __init__(self, work, net=NET):
        Pair.current = self
        Bridge()
        self.ours = Node(work, *ADDRESSES[1]).boot()
        self.kernel_image = os.path.join(work, "alpha.img")
        self.our_image = os.path.join(self.ours.dir, "disk.img")
        for image in (self.kernel_image, self.our_image):
            with open(image, "wb") as file:
                file.truncate(MIB << 20)
        disks = {"alpha": ["/dev/vda"], "bravo": [self.our_image]}
        text = configuration(ADDRESSES, disks, net, DISK)
        with open(self.ours.config, "w") as file:
            file.write(text)
        self.kernel = guest.Guest(work, *ADDRESSES[0], self.kernel_image).boot()
        self.kernel.configure(text)
        self.kernel.drbdadm("create-md", "--force", "r0")
        self.ours.drbdadm("create-md", "--force", "r0")

    def up(self):
        self.kernel.drbdadm("up", "r0")
        self.ours.drbdadm("up", "r0")

    def settled(self, ro, seconds=120):
        """Connected, both UpToDate, and the roles as the kernel prints them (its own first)."""
        self.kernel.wait("Connected", ro, "UpToDate/UpToDate", seconds)
        self.ours.wait_in_sync(seconds=10)
        role, peer_role = reversed(ro.split("/"))
        self.ours.wait(role=role, seconds=10)
        status = self.ours.status()
        if status["connections"][0]["peer-role"] != peer_role:
            raise Failed(f"bravo sees its peer as {status['connections'][0]['peer-role']}, not {peer_role}")

    def expect_equal(self):
        """The data areas are the same, byte for byte, and the kernel found nothing to complain of."""
        length = min(data_bytes(self.kernel_image), data_bytes(self.our_image))
        if length == 0:
            raise Failed("no size was agreed on")
        compare(self.kernel_image, self.our_image, length)
        self.kernel.expect_clean_log()

    def kernel_writes(self, first_block, blocks, size=4096):
        self.kernel.run(f"dd if=/dev/urandom of=/dev/drbd0 bs={size} seek={first_block} count={blocks} oflag=direct")

    def we_write(self, first_block, blocks, size=4096):
        """Through our NBD export, with several requests on their way at once."""
        self.ours.write_random([(first_block + i) * size for i in range(blocks)], size)

    def promote_ours(self):
        self.kernel.drbdadm("secondary", "r0")
        self.ours.drbdadm("primary", "r0")
        self.settled("Secondary/Primary")

    def promote_kernel(self):
        self.ours.drbdadm("secondary", "r0")
        self.kernel.drbdadm("primary", "r0")
        self.settled("Primary/Secondary")

    def report(self):
        print("---- alpha (kernel): /proc/drbd and log\n" + self.kernel.run("cat /proc/drbd", check=False)[1])
        print("\n".join(self.kernel.drbd_log()[-60:]))
        self.ours.report()


def report():
    if Pair.current:
        Pair.current.report()


def main(*scenarios, net=NET):
    """Runs the scenario named on the command line."""
    scenario = choose(scenarios)
    if "DRBDD_RIG_WORK" not in os.environ:
        guest.prepare()

    def run_it(work):
        pair = Pair(work, net)
        scenario(pair)
        pair.ours.drbdadm("secondary", "r0")
        pair.ours.drbdadm("down", "r0")  # what it leaves behind after that is a failure

    run(run_it, programs=guest.PROGRAMS, seconds=400, on_failure=report)
