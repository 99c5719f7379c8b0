# SPDX-License-Identifier: Apache-2.0
"""Processes of a host. What runs in a host is found in /proc by its network namespace, never by name alone;
pid files are written for people and for the agent."""
import contextlib
import os
import select
import signal
import subprocess
import threading
import time

from . import net
from .layout import LabError
from .wait import wait_until

# Own session, own cgroup where there is one, pid file before exec (same pid), then into the host. It must
# not inherit the caller's real-time priority: an agent starts mysqld through this.
SPAWN = """
echo $$ >"$1.tmp" && mv "$1.tmp" "$1"
[ -z "$2" ] || echo $$ >"$2/cgroup.procs"
ns=$3
shift 3
exec chrt --other 0 nsenter --net="$ns" -- "$@"
"""


def cgroup_root():
    """Mount point of cgroup v2, or None."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        for line in f:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    return None


def cgroup(lab, host=None, create=False):
    """The lab's cgroup (or that of one host); None where cgroup v2 is not ours to write."""
    root = cgroup_root()
    if root is None:
        return None
    path = os.path.join(root, "tandem-lab-" + lab.prefix, host or "")
    if create:
        try:
            os.makedirs(path, exist_ok=True)
        except OSError:
            return None
    return path if os.path.isdir(path) else None


def namespace_inode(namespace):
    try:
        return os.stat(f"/run/netns/{namespace}").st_ino
    except FileNotFoundError:
        return None


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def role_of(pid):
    comm = read(f"/proc/{pid}/comm").strip()
    if comm in (b"mysqld", b"mariadbd"):
        return "mysqld"
    arguments = read(f"/proc/{pid}/cmdline").split(b"\0")
    if comm in (b"tandem", b"tandem-older") and arguments[1:2] == [b"agent"]:
        return "agent"
    return "other"


def state_of(pid):
    """The kernel's letter: R, S, D, T (stopped), Z; '' when it is gone."""
    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return fields[0].decode() if fields else ""


class Starved:
    """Processes that run for a moment at a time, as on a host that is far too busy, until end()."""

    def __init__(self, pids, stopped_s, runs_s):
        self.over = threading.Event()
        self.handles = [os.pidfd_open(pid) for pid in pids]  # another process may get the pid of one that ends
        self.thread = threading.Thread(target=self.work, args=(stopped_s, runs_s))
        self.thread.start()

    def send(self, number):
        for handle in self.handles:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)

    def work(self, stopped_s, runs_s):
        while not self.over.is_set():
            self.send(signal.SIGSTOP)
            self.over.wait(stopped_s)
            self.send(signal.SIGCONT)
            self.over.wait(runs_s)

    def end(self):
        """Idempotent. They run afterwards."""
        self.over.set()
        self.thread.join()
        while self.handles:
            os.close(self.handles.pop())


def in_namespaces(namespaces):
    """{namespace: [pid, ...]} of living processes."""
    inodes = {namespace_inode(name): name for name in namespaces}
    inodes.pop(None, None)
    found = {name: [] for name in namespaces}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            inode = os.stat(f"/proc/{entry}/ns/net").st_ino
        except OSError:
            continue
        if inode in inodes and state_of(entry) not in ("Z", ""):
            found[inodes[inode]].append(int(entry))
    return found


def of_host(lab, host, role=None):
    pids = in_namespaces([lab.namespace(host)])[lab.namespace(host)]
    return [pid for pid in pids if role is None or role_of(pid) == role]


def listing(lab, host):
    """What runs in the host, with what each process waits for in the kernel: part of a failure's description."""
    lines = []
    for pid in of_host(lab, host):
        parent = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1:2]
        command = read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace")
        waits = read(f"/proc/{pid}/wchan").decode()
        lines.append(f"{pid} parent {b''.join(parent).decode()} {state_of(pid)} {waits} {command[:150]}\n")
    return "".join(lines)


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def wait_gone(pids, timeout_s):
    """Waits until all have ended (zombies have); returns those that have not."""
    deadline = time.monotonic() + timeout_s
    left = []
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                left.append(pid)
        finally:
            os.close(fd)
    return left


def kill_all(lab, hosts):
    """SIGKILL to everything in the hosts, again until nothing is left (a shell may have forked meanwhile)."""
    deadline = time.monotonic() + 20
    while True:
        pids = [pid for found in in_namespaces([lab.namespace(h) for h in hosts]).values() for pid in found]
        if not pids:
            return
        if time.monotonic() > deadline:
            raise LabError(f"processes that do not end: {pids}")
        send(pids, signal.SIGKILL)
        wait_gone(pids, 5)


@contextlib.contextmanager
def held_signals():
    """What would end this command comes through afterwards: a daemon that is not in its host yet is found by nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    before = {n: signal.signal(n, lambda number, frame: came.append(number)) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            os.kill(os.getpid(), came[0])


def is_inside(pid, namespace):
    """Or has ended."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino == namespace_inode(namespace) or state_of(pid) in ("Z", "")
    except OSError:
        return True


def spawn(lab, host, argv, pid_file, log_file):
    """Starts a daemon in the host; it belongs to nobody afterwards. Returns its pid."""
    group = cgroup(lab, host, create=True) or ""
    try:
        os.unlink(pid_file)
    except FileNotFoundError:
        pass
    with open(log_file, "ab") as log, held_signals():
        subprocess.run(
            ["setsid", "--fork", "sh", "-c", SPAWN, "sh", pid_file, group, f"/run/netns/{lab.namespace(host)}", *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
            timeout=10,
        )
        pid = read_pid(pid_file, 5)
        wait_until(lambda: is_inside(pid, lab.namespace(host)), 5, f"process {pid} is in {host}", 0.005)
    return pid


def read_pid(pid_file, timeout_s):
    return int(wait_until(lambda: read(pid_file).strip(), timeout_s, f"a pid in {pid_file}", 0.005))


def remove_cgroup(lab):
    path = cgroup(lab)
    if path is None:
        return
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            pass


def enter(lab, host):
    return net.enter(lab.namespace(host))
