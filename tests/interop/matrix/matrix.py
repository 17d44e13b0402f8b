#!/usr/bin/python3
"""Our drbdd and the unmodified in-kernel DRBD 8.4: {we Primary, kernel Primary} x {A, B, C} x {full, bitmap and checksum resync, verify,
resize, swap of roles, split brain, reconnect storm} x {digests and authentication on, off}. Each of the 96 cells ends with equal
disks and no complaint in the guest's kernel log.

  matrix.py [--primary us,kernel] [--protocol A,B,C] [--case full,...] [--digests on,off] [--logs FOLDER]
      these cells, all if nothing is named; prints the table. One boot of the guest serves all, unless a cell fails.
  matrix.py everyday
      the handful of every day's tests

Faults of the kernel that are steered round, by drbdd itself: with data-integrity-alg a flush without data crashes it (6.1), so a
flush goes with a block; it stalls at zeroes, so they go as data. A write in flight at suspend-io hangs there: never done."""

import argparse
import itertools
import os
import sys
import time

from rig import Rig, kernel_pair
from cells import ALLOWED, CASES, Cell
import guest  # noqa: E402
from sandbox import Failed, run

AXES = {"protocol": ("A", "B", "C"), "digests": ("off", "on"), "primary": ("us", "kernel"), "case": tuple(CASES)}
# Both roles, both settings and each case but the storm, which takes its time; two configurations.
EVERYDAY = [("C", "on", "us", "full"), ("C", "on", "us", "checksum"), ("C", "on", "kernel", "split"),
            ("A", "off", "kernel", "bitmap"), ("A", "off", "kernel", "resize"), ("A", "off", "us", "swap"), ("A", "off", "us", "verify")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for axis, values in AXES.items():
        parser.add_argument(f"--{axis}", default=",".join(values), type=lambda text: text.split(","))
    parser.add_argument("--logs", help="where what failed is told at length")
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("what", nargs="?", choices=["everyday"])
    options = parser.parse_args()
    for axis, values in AXES.items():
        wrong = set(getattr(options, axis)) - set(values)
        if wrong:
            parser.error(f"--{axis}: {' '.join(wrong)}; known: {' '.join(values)}")
    return options


def run_cell(rig, protocol, digests, primary, case):
    cell = Cell(rig, primary, protocol, digests)
    rig.forget_log()
    CASES[case](cell)
    rig.equal(protocol)
    rig.no_complaint(ALLOWED.get(case))


def tell(logs, name, rig, error):
    """The failure at length, to a file if there is a folder for it."""
    print(f"FAILED {name}: {error}", flush=True)
    out = sys.stdout
    try:
        if logs:
            os.makedirs(logs, exist_ok=True)
            sys.stdout = open(os.path.join(logs, name.replace(" ", "-")), "w")
            print(error)
        rig.pair.report()
    except Exception as second:  # the rig is broken: what failed first is what counts
        print(f"no report: {second}")
    finally:
        if sys.stdout is not out:
            sys.stdout.close()
            sys.stdout = out


def run_cells(rig, cells, logs):
    results = {}
    for cell in cells:
        started = time.monotonic()
        name = "protocol {} digests {} {} Primary {}".format(*cell)
        if rig.pair is None:
            rig.boot()  # without it there is nothing to be tried
        try:
            rig.prepare(cell[0], cell[1])
            run_cell(rig, *cell)
            results[cell] = f"{time.monotonic() - started:.0f}s"
        except Failed as error:
            results[cell] = "FAILED"
            tell(logs, name, rig, error)
            rig.power_off()
        print(f"{name}: {results[cell]} ({time.monotonic() - started:.0f} s)", flush=True)
    return results


def table(results):
    """Rows: who is Primary, protocol, digests. Columns: the cases."""
    print(f"\n{'Primary':8}{'protocol':9}{'digests':8}" + "".join(f"{case:>10}" for case in CASES))
    for primary, protocol, digests in itertools.product(AXES["primary"], AXES["protocol"], AXES["digests"]):
        row = [results.get((protocol, digests, primary, case), "-") for case in CASES]
        if set(row) != {"-"}:
            print(f"{primary:8}{protocol:9}{digests:8}" + "".join(f"{cell:>10}" for cell in row))
    failed = sum(result == "FAILED" for result in results.values())
    print(f"{len(results)} cells, {failed} failed")
    return failed


def main():
    options = arguments()
    if options.list:
        print("everyday")
        return
    cells = EVERYDAY if options.what else list(itertools.product(*(getattr(options, axis) for axis in AXES)))
    if "DRBDD_RIG_WORK" not in os.environ:
        guest.prepare()

    def all_of(work):
        rig = Rig(work)
        failed = table(run_cells(rig, cells, options.logs))
        if failed:
            raise Failed(f"{failed} of {len(cells)} cells")
        rig.us.drbdadm("secondary", "r0")
        rig.us.drbdadm("down", "r0")  # what it leaves behind after that is a failure

    run(all_of, programs=guest.PROGRAMS, seconds=400 if options.what else 3600)


main()
