# SPDX-License-Identifier: Apache-2.0
"""One lab with its servers and agents: what lab/up and lab/ctl do, and what the demo and the tests say.

Nothing here waits for a fixed time: wait_until() looks until a condition holds or its deadline has passed."""
import contextlib
import json
import os
import shutil
import signal
import subprocess

import pymysql

from . import config, disks, layout, net, procs, servers
from .layout import NODES, VIP, Lab, LabError, find_program, now_us
from .wait import wait_until

ROLES = ("mysqld", "agent")


class Cluster:
    def __init__(self, lab):
        self.lab = lab
        self.flavour = servers.Flavour(lab.servers)

    # --- bringing up and down -------------------------------------------------------------------

    @classmethod
    def up(cls, directory, prefix, flavour_name, agents=True, profile=None, settings=(), wait_s=60, bounded=False, pair=False,
           candidates=2):  # fmt: skip
        """A running lab. After a failure everything but the directory (logs) is gone again. bounded: data and state directory
        of each host are file systems of their own, which fill() fills; "image": the data on one that can be stalled and can fail."""
        lab = Lab(directory, prefix, flavour_name, agents, pair, candidates)
        if prefix in layout.prefixes():
            raise LabError(f"a lab with prefix '{prefix}' is up or was left behind: lab/down --prefix {prefix}")
        if os.path.isdir(lab.dir) and os.listdir(lab.dir):
            if not os.path.exists(os.path.join(lab.dir, "lab.json")) or layout.load(lab.dir).prefix in layout.prefixes():
                raise LabError(f"directory '{lab.dir}' is not empty")
            shutil.rmtree(lab.dir)  # what a lab that could not come up, or was kept, left there
        lab.save()
        try:
            cluster = cls(lab)
            cluster.build(profile, settings, bounded)
            cluster.start_all()
            if wait_s:
                cluster.wait_formed(wait_s)
            return cluster
        except BaseException:
            take_down(lab, keep_files=True)
            raise

    def build(self, profile, settings, bounded):
        lab = self.lab
        net.create(lab)
        for node in NODES:
            os.makedirs(lab.path(node, "state"))
            for name, room_mb in disks.ROOM_MB.items() if bounded else ():
                make = disks.mount_image if bounded == "image" and name == "data" else disks.mount
                make(lab.path(node, name), room_mb)
        config.write_cluster_file(lab, self.flavour, profile, settings)
        material = config.write_material(lab, self.flavour)
        golden = servers.prepare(lab, self.flavour, material.accounts)
        group = procs.cgroup(lab, create=True) or ""
        with open(os.path.join(lab.dir, "lab.env"), "w", encoding="utf-8") as f:
            f.write(f"prefix='{lab.prefix}'\nmysqld='{self.flavour.mysqld}'\ncgroup='{group}'\n")
        os.makedirs(lab.record_dir)
        for node in NODES:
            servers.copy_tree(golden, lab.path(node, "data"), sparse=not bounded)
            if bounded:
                disks.settle(lab.path(node, "data"))
            with open(lab.path(node, "my.cnf"), "w", encoding="utf-8") as f:
                f.write(self.flavour.my_cnf(lab, node, material.dropins[node]))
        shutil.rmtree(os.path.dirname(golden))

    def start_all(self):
        for node in NODES:
            self.start(node)

    def wait_formed(self, timeout_s):
        if self.lab.agents:
            self.wait_whole(timeout_s)
        else:
            for node in NODES:
                servers.wait_ready(self.lab.socket(node), timeout_s)

    def down(self, keep_files=False):
        take_down(self.lab, keep_files)

    # --- processes and faults -------------------------------------------------------------------

    def start_agent(self, node):
        if self.pids(node, "agent"):
            return
        argv = [find_program("tandem"), "agent", "--config", self.lab.config, "--node", node]
        procs.spawn(self.lab, node, argv, self.lab.path(node, "agent.pid"), self.lab.path(node, "agent.log"))

    def log_of(self, node):
        """What its agents have said so far."""
        with open(self.lab.path(node, "agent.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def start_mysqld(self, node, *options):
        argv = [os.path.join(layout.ROOT, "lab/mysqld-start"), self.lab.dir, node, *options]
        subprocess.run(argv, check=True, timeout=10, stdout=subprocess.DEVNULL)

    def start(self, node, *roles):
        for role in roles or (("agent",) if self.lab.has_agent(node) else ("mysqld",)):
            self.start_agent(node) if role == "agent" else self.start_mysqld(node)

    def pids(self, node, *roles):
        """Processes of these roles in the host; of every kind without roles."""
        found = procs.of_host(self.lab, node)
        return [pid for pid in found if not roles or procs.role_of(pid) in roles]

    def signal(self, node, number, *roles):
        pids = self.pids(node, *roles)
        if not pids:
            raise LabError(f"no {' or '.join(roles) or 'process'} runs on {node}")
        procs.send(pids, number)
        return pids

    def kill(self, node, *roles):
        """SIGKILL, mysqld and agent at the same moment; returns when they are gone."""
        pids = self.signal(node, signal.SIGKILL, *(roles or ROLES))
        left = procs.wait_gone(pids, 10)
        if left:
            raise LabError(f"{node}: {left} do not end")

    def term(self, node, *roles):
        """SIGTERM, as an operator or systemd sends it; does not wait."""
        return self.signal(node, signal.SIGTERM, *(roles or ("mysqld",)))

    def stop(self, node, *roles):
        self.signal(node, signal.SIGSTOP, *(roles or ("mysqld",)))

    def cont(self, node, *roles):
        self.signal(node, signal.SIGCONT, *(roles or ROLES))

    def cut(self, node, *others, oneway=False):
        """From everyone, or from some (`cl` is the client host)."""
        if others:
            net.cut_pairs(self.lab, node, others, oneway)
        else:
            net.isolate(self.lab, node)

    def heal(self, *nodes):
        if not nodes:
            net.heal_all(self.lab)
        for node in nodes:
            net.heal(self.lab, node)

    def vanish(self, *nodes):
        """The host loses its power: first silent (no RST or FIN may leave it), then everything in it is gone."""
        for node in nodes:
            net.isolate(self.lab, node)
        procs.kill_all(self.lab, nodes)
        for node in nodes:
            net.power_off(self.lab, node)

    def boot(self, *nodes):
        for node in nodes:
            net.heal(self.lab, node)
            self.start(node)

    def powercut(self):
        self.vanish(*NODES)

    def fill(self, node, name="data"):
        """Fills the disk of the data or state directory; empty() takes it back."""
        disks.fill(self.lab.path(node, name))

    def freeze(self, node):
        """Its data is on a disk that does not end a write; thaw() lets it go on. Processes that write cannot even be killed."""
        disks.freeze(self.lab.path(node, "data"))

    def thaw(self, node):
        disks.thaw(self.lab.path(node, "data"))

    def fail(self, node):
        disks.fail(self.lab.path(node, "data"))

    def repair(self, node):
        """The disk that failed is looked after while the host is off; boot() it afterwards."""
        disks.repair(self.lab.path(node, "data"))

    def empty(self, node, name="data"):
        disks.empty(self.lab.path(node, name))

    # --- looking --------------------------------------------------------------------------------

    def status_of(self, node, timeout_s=3):
        """`tandem status --json` as the agent of this node answers it, or None."""
        with contextlib.suppress(LabError, subprocess.TimeoutExpired, json.JSONDecodeError):
            return Status(json.loads(config.tandem(self.lab, node, "status", "--json", timeout_s=timeout_s).stdout))
        return None

    def status(self, timeout_s=3):
        """The status that knows most: of the newest term, asked at its leader if he answers; None if nobody does."""
        asked = [node for node in NODES if self.lab.has_agent(node)]
        answers = [status for node in asked if (status := self.status_of(node, timeout_s)) is not None]
        return max(answers, key=Status.authority, default=None)

    def agent_is_seen(self, asked, node):
        """Whether the agent of `asked` is in touch with the agent of `node`, and that with its server."""
        status = self.status_of(asked)
        return status is not None and status.nodes[node].get("agent") and status.nodes[node].get("health") == "ok"

    def sql(self, node, statement, arguments=None, timeout_s=5):
        return servers.query(self.lab.socket(node), statement, arguments, timeout_s)

    def value(self, node, expression, timeout_s=5):
        return list(self.sql(node, f"SELECT {expression} AS v", timeout_s=timeout_s)[0].values())[0]

    def answers(self, node):
        with contextlib.suppress(pymysql.err.Error, OSError):
            return self.value(node, "1", timeout_s=2) == 1
        return False

    def waiting(self, node):
        """Sessions that wait for an acknowledgement of a standby."""
        rows = self.sql(node, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_%_wait_sessions'")
        return sum(int(row["Value"]) for row in rows)

    def vip_holders(self):
        return [node for node in NODES if net.holds_vip(self.lab, node)]

    def wait_until(self, condition, timeout_s, what, interval_s=0.05):
        return wait_until(condition, timeout_s, what, interval_s)

    def wait_status(self, condition, timeout_s, what):
        """Waits for a status that some agent gives; the last one is part of the failure."""
        last = [None]

        def look():
            last[0] = self.status()
            return last[0] if last[0] is not None and condition(last[0]) else None

        try:
            return wait_until(look, timeout_s, what, 0.1)
        except LabError as error:
            raise LabError(f"{error}; last status: {last[0]}") from None

    def wait_writer(self, node, timeout_s=20):
        return self.wait_status(lambda s: s.writer == node and s.writable, timeout_s, f"{node} is the writer")

    def wait_whole(self, timeout_s=60, without=(), writer=None):
        """Writable, every other node (but those of `without`) replicating, every candidate in sync (MariaDB: the best)."""
        return self.wait_status(
            lambda s: s.is_whole(without, one_member=not self.flavour.is_mysql) and (writer is None or s.writer == writer),
            timeout_s,
            f"the cluster is whole{' with writer ' + writer if writer else ''}"
            + (f" without {', '.join(without)}" if without else ""),
        )

    def tandem(self, node, *arguments, timeout_s=60, check=True):
        return config.tandem(self.lab, node, *arguments, timeout_s=timeout_s, check=check)

    # --- clients and marks ----------------------------------------------------------------------

    def client(self, name="main", writers=1, rate=0, host=VIP, timeout_ms=100, source="cl", extra=()):
        return Client(self.lab, name, writers, rate, host, timeout_ms, source, extra)

    def mark(self, name):
        """Notes a moment (a fault, its end) for the verifier."""
        at = now_us()
        with open(self.lab.marks, "a", encoding="utf-8") as f:
            f.write(f"{at}\t{name}\n")
        return at


class Status:
    """What the rest of the lab reads out of `tandem status --json`; the one place that knows its names."""

    def __init__(self, data):
        self.data = data
        self.writer = data.get("writer")
        self.nodes = {node["name"]: node for node in data.get("nodes", [])}
        self.in_sync = data.get("in_sync", [])
        self.writable = bool(self.writer) and data.get("lease_ms", 0) > 0 and self.vip_holder == self.writer

    def authority(self):
        """Orders answers of several nodes: a node that is cut off knows nothing newer."""
        return self.data.get("term", 0), self.data.get("leader") == self.data.get("node"), self.data.get("leader") is not None

    @property
    def vip_holder(self):
        return next((name for name, node in self.nodes.items() if node.get("vip")), None)

    def replicating(self, name):
        return bool(self.nodes.get(name, {}).get("replicating"))

    def source(self, name):
        return self.nodes.get(name, {}).get("source")

    def quarantined(self, name):
        return bool(self.nodes.get(name, {}).get("quarantined"))

    def in_place(self, name):
        """Replicates from whom it should."""
        wanted = self.nodes[name].get("source_wanted") or self.writer
        return self.replicating(name) and self.source(name) == wanted

    def is_whole(self, without=(), one_member=False):
        """Writable; all others replicate (in place, unless that is under a node of `without`), candidates in sync. one_member: the
        set has room for one, the standby of the highest priority."""
        if not self.writable or self.writer in without:
            return False
        others = [name for name in self.nodes if name != self.writer and name not in without]
        standbys = [name for name in others if self.nodes[name].get("role") == "candidate"]
        if one_member:
            standbys = sorted(standbys, key=lambda name: -self.nodes[name].get("priority", 0))[:1]
        placed = all(self.replicating(name) if without else self.in_place(name) for name in others)
        return placed and all(name in self.in_sync for name in standbys)

    def __repr__(self):
        return json.dumps(self.data)


class Client:
    """lab-client in the client host (or another), as a context: it runs inside the `with`."""

    def __init__(self, lab, name, writers, rate, host, timeout_ms, source, extra):
        self.lab, self.name, self.source = lab, name, source
        self.file = os.path.join(lab.record_dir, f"{name}.tsv")
        first = 1 + 1000 * sum(entry.endswith(".tsv") for entry in os.listdir(lab.record_dir))
        self.argv = [find_program("lab-client"), "--out", self.file, "--writers", str(writers), "--rate", str(rate),
                     "--host", host, "--timeout", str(timeout_ms), "--first-writer", str(first), *extra]  # fmt: skip
        open(self.file, "ab").close()
        self.process = None

    def start(self):
        argv = [*net.enter(self.lab.namespace(self.source)), *self.argv]
        log = open(self.file.replace(".tsv", ".log"), "ab")
        with log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            if self.process.wait(10) != 0:
                raise LabError(f"client {self.name} ended with status {self.process.returncode}")
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    def acks(self):
        """Acknowledged so far."""
        with open(self.file, "rb") as f:
            return f.read().count(b"\tack\t")

    def last_ack(self):
        """(time, server id) of the newest acknowledgement, or None."""
        with open(self.file, "rb") as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - 65536))
            for line in reversed(f.read().split(b"\n")):
                fields = line.split(b"\t")
                if len(fields) == 7 and fields[4] == b"ack":
                    return int(fields[1]), int(fields[6])
        return None

    def wait_acks(self, count, timeout_s=20):
        """Waits for that many acknowledgements from now on."""
        goal = self.acks() + count
        wait_until(lambda: self.acks() >= goal, timeout_s, f"{count} commits of client {self.name}", 0.01)

    def wait_ack_after(self, at_us, timeout_s=20):
        """Waits until a commit was acknowledged after that moment; returns when it was."""
        def look():
            last = self.last_ack()
            return last[0] if last and last[0] > at_us else None

        return wait_until(look, timeout_s, f"a commit of client {self.name} after the fault", 0.01)


def take_down(lab, keep_files=False):
    """Ends everything of a lab, however far its bringing up came: not even to a prefix of its own, perhaps. Idempotent."""
    ours = lab.has_prefix()
    disks.thaw_all(lab.dir)
    if ours:
        procs.kill_all(lab, [*lab.hosts(), "sw"])
    kill_golden(lab)
    disks.unmount_all(lab.dir)
    if ours:
        net.destroy(lab)
        procs.remove_cgroup(lab)
        lab.forget()
    if not keep_files:
        shutil.rmtree(lab.dir, ignore_errors=True)


def kill_golden(lab):
    """The server that prepares the first data directory runs outside the hosts; its parent may have died."""
    marker = f"--defaults-file={lab.dir}/golden/my.cnf".encode()
    pids = [int(e) for e in os.listdir("/proc") if e.isdigit() and marker in procs.read(f"/proc/{e}/cmdline").split(b"\0")]
    procs.send(pids, signal.SIGKILL)
    procs.wait_gone(pids, 10)

