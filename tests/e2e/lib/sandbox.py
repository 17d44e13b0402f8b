"""A scenario in namespaces of its own, from which nothing can escape.

run(scenario) starts the calling script a second time inside new PID, mount, network, UTS and IPC namespaces and
calls scenario(work) there. However that ends (also by SIGKILL), the kernel ends every process and takes away every
mount and network device of it; the outer half removes the work directory and the loop devices that were made for it.

Exit codes: 0 passed, 1 failed, 77 skipped with the reason on stdout.
"""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

SKIPPED = 77
PREFIX = "drbdd-rig-"


class Failed(Exception):
    """The scenario saw something that must not be. Its text says what, on which node."""


class Skip(Exception):
    """This machine cannot run the scenario. The text is the reason that is shown."""


def run(scenario, programs=(), seconds=300, on_failure=None):
    """Never returns. `programs` must be in PATH or executable; `on_failure()` may print more to look at."""
    if "DRBDD_RIG_WORK" in os.environ:
        sys.exit(_inside(scenario, seconds, on_failure))
    sys.exit(_outside(programs))


def choose(scenarios):
    """The scenario that the command line names. --list prints the names, as the build asks for them."""
    names = {scenario.__name__: scenario for scenario in scenarios}
    if sys.argv[1:] == ["--list"]:
        print("\n".join(names))
        sys.exit(0)
    if len(sys.argv) != 2 or sys.argv[1] not in names:
        sys.exit("usage: --list or a scenario\n" + "\n".join(f"  {name}: {s.__doc__}" for name, s in names.items()))
    return names[sys.argv[1]]


def out_of(*argv, **options):
    """stdout of a command that must succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    if done.returncode:
        raise Failed(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def child_of(pid):
    """The only child of a process, or None before there is one."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        pids = children.read().split()
    return int(pids[0]) if pids else None


def namespaces(*kinds):
    """Command prefix for new namespaces whose first process ends with the one that started it."""
    return ["setpriv", "--pdeathsig", "KILL", "unshare", *[f"--{kind}" for kind in kinds],
            "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]


def _outside(programs):
    reason = _why_not(programs)
    if reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    _sweep()
    work = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
    child = subprocess.Popen([*namespaces("mount", "net", "uts", "ipc"), sys.executable, *sys.argv],
                             env={**os.environ, "DRBDD_RIG_WORK": work, "PYTHONUNBUFFERED": "1"})
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    code = 1
    try:
        code = child.wait()
    finally:
        if child.poll() is None:
            inner = child_of(child.pid)
            os.kill(inner or child.pid, signal.SIGTERM)  # it ends all that it started
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                os.kill(inner or child.pid, signal.SIGKILL)
                child.wait()
        left = _detach_loops(work)
        shutil.rmtree(work, ignore_errors=True)
    if left and code == 0:
        print(f"FAILED: loop devices were left behind: {' '.join(left)}")
        return 1
    return code


def _why_not(programs):
    if os.geteuid() != 0:
        return "needs root, for namespaces and loop devices"
    missing = [program for program in ("unshare", "nsenter", "setpriv", "ip", "tc", *programs)
               if not shutil.which(program)]
    if missing:
        return f"not installed: {' '.join(missing)} (scripts/install-deps installs everything)"
    attempt = subprocess.run([*namespaces("mount", "net"), "true"], capture_output=True, text=True)
    return f"cannot make namespaces: {attempt.stderr.strip()}" if attempt.returncode else None


def _sweep():
    """Removes what runs left that were killed together with their outer half."""
    for work in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*")):
        owner = os.path.basename(work)[len(PREFIX):].split("-")[0]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            _detach_loops(work)
            shutil.rmtree(work, ignore_errors=True)


def _detach_loops(work):
    """Loop devices below the device nodes and on the files of this run that are still there."""
    left = []
    for backing in glob.glob("/sys/block/loop*/loop/backing_file"):
        loop = "/dev/" + backing.split("/")[3]
        try:
            with open(backing) as text:
                ours = text.read().startswith(work + "/") or _is_node_of(work, loop)
        except OSError:
            continue  # detached while we looked
        if ours and not _goes_by_itself(loop):
            subprocess.run(["losetup", "-d", loop], check=False)
            left.append(loop)
    return left


def _goes_by_itself(loop):
    """It was detached while somebody else looked at it, another test that looks for a free one: the kernel does it then."""
    base = f"/sys/block/{os.path.basename(loop)}/loop"
    try:
        with open(f"{base}/autoclear") as text:
            if text.read().strip() != "1":
                return False
        for _ in range(50):
            if not os.path.exists(f"{base}/backing_file"):
                return True
            time.sleep(0.1)
    except OSError:
        return True
    return False


def _is_node_of(work, loop):
    """A node in one of the device directories carries the number of this loop device, whose file is gone."""
    number = os.stat(loop).st_rdev
    with open(f"/sys/block/{os.path.basename(loop)}/loop/backing_file") as text:
        if os.path.exists(text.read().strip()):
            return False
    nodes = glob.glob(f"{work}/*/dev/drbd[0-9]*")
    return any(os.stat(node).st_rdev == number for node in nodes)


def _inside(scenario, seconds, on_failure):
    work = os.environ["DRBDD_RIG_WORK"]
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    def too_long(number, frame):
        raise Failed(f"not finished after {seconds} s")

    def ended(number, frame):
        raise Failed("ended from outside")

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        scenario(work)
        return 0
    except Skip as reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    except BaseException as error:
        signal.alarm(0)
        print(f"FAILED: {error}")
        if not isinstance(error, Failed):
            traceback.print_exc()
        if on_failure:
            on_failure()
        return 1
    finally:
        signal.alarm(0)
        _end_all()


def _end_all():
    """Ends every process of the scenario, of which this is the first. Their file systems are held meanwhile: the process that
    serves a replicated device would wait for itself for ever if it were the one that has to unmount what lies on it."""
    held = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            held.append(open(f"/proc/{pid}/ns/mnt"))  # closed below, all at once
        except OSError:
            continue  # ended while we looked, or has no namespace any more
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.wait()
    except (ProcessLookupError, ChildProcessError):
        pass  # nobody is left
    for space in held:
        space.close()
