# SPDX-License-Identifier: Apache-2.0
"""One run of `make torture`: a lab of its own, writers, a sequence of faults, healing, a verdict.

What must hold at the end of every run, whatever was done to the cluster:
  * no acknowledged row is missing, no node differs, never two servers acknowledged, never two hosts answered for the address;
  * everything healed, the cluster becomes whole by itself, but for nodes that must be quarantined: they hold alone what was written
    past the agents, or what an orderly end of the writer may have acknowledged. That is looked up in the servers;
  * those are cured by the commands that an operator is told to give, and then all five are whole and hold the same."""
import contextlib
import glob
import heapq
import json
import os
import shutil
import statistics
import subprocess
import time

from . import chaos, procs, record, verify
from .cluster import ROLES, Cluster, take_down, wait_until
from .layout import NODES, Lab, LabError, find_program, now_us
from .net import enter
from .sampler import Sampler
from .wait import stays

# Half a second of election time-out, and patience with servers that share two cores: what is looked for is lost rows, not
# false alarms of a busy machine.
SETTINGS = (
    "arbiter.election_timeout=500",
    "policy.probe_interval=200",
    "policy.probe_timeout=500",
    "policy.preempt=false",
    "policy.level_timeout=3000",
)
WRITERS, RATE, TIMEOUT_MS = 4, 50, 300
FORMED_S = 300
WHOLE_S = 240
BETWEEN_WHOLE_S = 120
# When a fault strikes and how long it lasts is what the seed draws, the time of the last one being AFTERMATH_S: that is passed with a look at the client.
# What comes of a fault is waited for by condition.
AFTERMATH_S = 1.5
TAKES_EFFECT_S = 1.0
# A MariaDB server whose disk was full looks again only once a minute.
SETTLE_S = 90
# No agent hangs any more when it is asked; the command itself may have to wait for its turn on a busy machine.
STATUS_S = 15
# A fault that has ended goes on working for that long.
AFTER_FAULT_S = 4
# A whole copy of a node's data: seconds, but minutes on a machine that has ten times as much to do as it has processors.
CURED_S = 600
# Kinds that end a server otherwise than in order.
CRASHES = ("mysqld-kill", "both-kill", "vanish", "power-cut", "disk-fails")
# From the last acknowledgement to the fault that ends them, at the most.
LAST_ACK_US = 200_000
KEPT_FILE_MAX = 64 << 20
OF_THE_WRITER = " of the writer"


class Run:
    def __init__(self, servers, seed, directory, log):
        self.servers, self.seed, self.log = servers, seed, log
        self.on_disks, self.singly, self.steps = chaos.plan(seed)
        self.lab = Lab(directory, f"tort{os.getpid() % 100000}-", servers)
        self.c, self.sampler, self.client, self.report, self.status = None, None, None, None, None
        self.events = []  # (seconds, what really happened)
        self.marks = []  # (mark, how long the fault lasts), in their order
        self.foreign, self.terminated = set(), {}  # hosts; {host: the server that was ended by SIGTERM while it was the writer's}
        self.failed, self.starved = set(), {}  # what is to be undone: disks, {host: its server}
        self.quarantined, self.excused, self.cured = {}, {}, {}
        self.commands = []
        self.writer = self.struck = "m1"
        self.began, self.clock = time.monotonic(), now_us() / 1e6

    # --- the sequence ----------------------------------------------------------------------------

    def say(self, text):
        self.events.append((round(time.monotonic() - self.began, 2), text))
        self.log(f"  {self.events[-1][0]:6.2f} s  {text}")

    def who_writes(self):
        """Who has the address, else who had it last: a kernel's answer takes no time, an agent's may."""
        holders = self.c.vip_holders()
        self.writer = holders[0] if holders and holders[0] in chaos.CANDIDATES else self.writer
        return self.writer

    def command(self, *arguments):
        """An operator's command on the first host whose agent runs, in the background."""
        node = next((n for n in NODES if any(procs.state_of(p) not in "Tt" for p in self.c.pids(n, "agent"))), None)
        if node is None:
            raise LabError("no agent runs")
        argv = [*enter(self.lab.namespace(node)), find_program("tandem"), *arguments, "--config", self.lab.config, "--node", node]
        done = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.commands.append((" ".join(arguments), done))

    def end_commands(self, limit_s=20):
        for name, process in self.commands:
            try:
                said, _ = process.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                process.kill()
                said, _ = process.communicate()
                said = "(ended by the test) " + said
            self.say(f"`tandem {name}`: {process.returncode}, {' '.join(said.split())[:160]}")
        self.commands = []

    def strike(self, step):
        step = chaos.resolve(step, self.who_writes(), self.struck)
        was_writer = self.writer in step.on.split(",")
        self.struck = step.on.split(",")[0]
        if step.kind in CRASHES and was_writer:
            self.forget_orderly_end(self.writer)
        at = now_us()
        try:
            chaos.EVERY[step.kind].strike(self, step)
        except chaos.MISSED as error:
            self.say(f"{step.kind} {step.on}: missed: {error}")
            return None
        self.marks.append((record.Mark(at, step.kind + (OF_THE_WRITER if was_writer else "")), step.lasts))
        self.say(f"{step.kind} {step.on}{' ' + step.other if step.other else ''}{' (the writer)' if was_writer else ''}")
        return step

    def forget_orderly_end(self, node):
        """A server that was opened again after its orderly end and now crashes: what it holds alone then was promised to nobody."""
        if node not in self.terminated or self.terminated[node] & set(self.c.pids(node, "mysqld")):
            return
        with contextlib.suppress(*chaos.MISSED):
            if str(self.c.value(node, "@@global.read_only", timeout_s=1)) in ("0", "OFF"):
                del self.terminated[node]

    def undo(self, step):
        try:
            chaos.EVERY[step.kind].undo(self, step)
        except chaos.MISSED as error:
            self.say(f"end of {step.kind} {step.on}: missed: {error}")
            return
        self.say(f"end of {step.kind} {step.on}")

    def pass_time(self, seconds):
        """How long a fault lasts, or when it strikes, is drawn; without the client nothing would be measured meanwhile."""
        stays(lambda: self.client.process.poll() is None, seconds, "the client is at work")

    def overlapping(self):
        base, number = time.monotonic(), 0
        queue = [(step.at, n, self.strike, step) for n, step in enumerate(self.steps)]
        heapq.heapify(queue)
        while queue:
            at, _, act, step = heapq.heappop(queue)
            self.pass_time(base + at - time.monotonic())
            struck = act(step)
            if struck is not None and chaos.EVERY[struck.kind].undo:
                number += 1
                heapq.heappush(queue, (time.monotonic() - base + struck.lasts, 100 + number, self.undo, struck))

    def one_by_one(self):
        for step in self.steps:
            struck = self.strike(step)
            if struck is None:
                continue
            self.pass_time(max(struck.lasts, TAKES_EFFECT_S))
            if chaos.EVERY[struck.kind].undo:
                self.undo(struck)
            self.end_commands()
            self.heal(BETWEEN_WHOLE_S)
            # a server that is on its way down may have looked whole
            self.client.wait_acks(20, BETWEEN_WHOLE_S)
            self.heal(BETWEEN_WHOLE_S)

    # --- afterwards ------------------------------------------------------------------------------

    def mend(self):
        """Everything that a careful operator would undo; agents that end slowly are started when they are gone."""
        for node in NODES:
            if node in self.starved:
                self.starved.pop(node).end()
            if self.on_disks:
                self.mend_disk(node)
            for name in ("data", "state"):
                self.c.empty(node, name)
            stopped = [pid for pid in self.c.pids(node, *ROLES) if procs.state_of(pid) in "Tt"]
            procs.send(stopped, 18)
            if not self.c.pids(node, "agent"):
                self.c.start(node, "agent")

    def mend_disk(self, node):
        """Before anything else is done there: whoever writes to a disk that stalls waits for ever."""
        with contextlib.suppress(LabError):
            self.c.thaw(node)
        if node in self.failed:
            chaos.disk_repaired(self, chaos.Step(0, "disk-fails", node, None, 0))

    def order(self, status):
        """Ends a pause and maintenance, as often as it takes."""
        orders = [("resume",)] if status.data.get("paused") else []
        orders += [("maintenance", name, "off") for name, node in status.nodes.items() if node.get("maintenance")]
        for arguments in orders:
            with contextlib.suppress(LabError, subprocess.TimeoutExpired):
                self.c.tandem(status.data["node"], *arguments, timeout_s=20)

    def foreign_hidden(self, without):
        """Nodes, not in quarantine, that hold a row written past the agents which the writer does not have."""
        count = "(SELECT COUNT(*) FROM demo.foreign_rows)"
        at_writer = self.c.value(self.status.writer, count) if self.foreign else 0
        return {node for node in self.foreign - without if self.c.value(node, count) > at_writer}

    def look(self):
        self.mend()
        status = self.c.status(STATUS_S)
        if status is None:
            return False
        self.status = status
        self.order(status)
        without = {name for name in status.nodes if status.quarantined(name)}
        try:
            return status.is_whole(without) and not self.foreign_hidden(without)
        except chaos.MISSED:
            return False

    def heal(self, limit_s):
        self.c.heal()
        wait_until(self.look, limit_s, "the cluster is whole, but for nodes that are quarantined", 0.3)
        # what is attached was compared with the writer and holds nothing alone
        self.terminated = {node: pids for node, pids in self.terminated.items() if node in self.kept_apart()}
        self.say(f"whole, writer {self.status.writer}{self.quarantine_text()}")

    def excuse(self, node):
        """Why this node may be quarantined, or None: it must hold alone what a human has to decide about."""
        below = node in ("m4", "m5") and "m3" in self.foreign
        if not (below or node in self.foreign or node in self.terminated):
            return None
        if below and "relay log" in self.quarantined[node]:
            return "a row written on m3 by hand is in its relay log"
        if self.c.answers(node) and not self.holds_alone(node):
            return None
        if node in self.foreign or below:
            return "a row was written by hand" + (" on m3, which it follows" if node not in self.foreign else "")
        return "it was ended in order as the writer"

    def holds_alone(self, node):
        """Whether its binlog has a transaction that the writer's has not."""
        if self.c.flavour.is_mysql:
            there = self.c.value(node, "@@global.gtid_executed")
            return bool(self.c.sql(self.status.writer, "SELECT GTID_SUBTRACT(%s, @@global.gtid_executed) AS extra", (there,))[0]["extra"])
        there, writer = (binlog_state(self.c.value(name, "@@global.gtid_binlog_state")) for name in (node, self.status.writer))
        return any(number > writer.get(origin, 0) for origin, number in there.items())

    def judge_quarantine(self):
        """Whom the cluster keeps apart, and whether it must."""
        self.quarantined = self.kept_apart()
        self.excused = {node: why for node in self.quarantined if (why := self.excuse(node))}
        for node, why in self.excused.items():
            self.say(f"{node} is rightly quarantined: {why}")
        return [f"{node} quarantined: {why}" for node, why in self.quarantined.items() if node not in self.excused]

    def cure(self):
        """As operations.md says: what only the node holds may go, or its data is made anew. m3 first, the others follow it."""
        for number, node in enumerate(sorted(self.quarantined)):
            undo = (self.seed + number) % 2 == 0 and "relay log" not in self.quarantined[node]
            arguments = ("rejoin", node, "--discard", "--yes") if undo else ("reclone", node)
            self.cured[node] = " ".join(arguments)
            done = self.c.tandem(self.status.data["node"], *arguments, timeout_s=CURED_S, check=False)
            self.say(f"`tandem {self.cured[node]}`: {done.returncode}, {' '.join((done.stdout + done.stderr).split())[-160:]}")
            if done.returncode != 0:
                raise LabError(f"{node} is not cured by `tandem {self.cured[node]}`")
        if self.quarantined:
            wait_until(lambda: self.look() and not self.kept_apart(), CURED_S, "every node is cured, and the cluster is whole", 0.3)
            self.say(f"whole, writer {self.status.writer}, after its cure")

    def kept_apart(self):
        return {} if self.status is None else {n: d.get("why") or "?" for n, d in self.status.nodes.items() if d.get("quarantined")}

    def quarantine_text(self):
        return "".join(f", {node} quarantined: {why}" for node, why in self.kept_apart().items())

    # --- the whole run ---------------------------------------------------------------------------

    def bring_up(self):
        self.c = Cluster.up(self.lab.dir, self.lab.prefix, self.servers, settings=SETTINGS, wait_s=0, bounded="image" if self.on_disks else True)
        self.wait_formed()
        self.c.sql("m1", "CREATE TABLE demo.foreign_rows (id INT AUTO_INCREMENT PRIMARY KEY, node VARCHAR(8)) ENGINE = InnoDB", timeout_s=20)
        self.wait_formed()
        self.began, self.clock = time.monotonic(), now_us() / 1e6

    def wait_formed(self):
        def look():
            status = self.c.status(STATUS_S)
            return status is not None and status.is_whole()

        wait_until(look, FORMED_S, "the cluster is whole", 0.3)

    def torture(self):
        """Problems found, as sentences."""
        problems = []
        with Sampler(self.lab) as sampler, self.c.client("main", WRITERS, RATE, timeout_ms=TIMEOUT_MS) as client:
            self.sampler, self.client = sampler, client
            client.wait_acks(50)
            try:
                (self.one_by_one if self.singly else self.overlapping)()
                self.pass_time(AFTERMATH_S)
                self.end_commands()
                self.heal(WHOLE_S)
                client.wait_acks(50, 30)
                problems += self.judge_quarantine()
                self.cure()
                client.wait_acks(50, 30)
            except LabError as error:
                problems.append(f"not whole: {str(error)[:200]}")
                self.say(problems[-1])
        self.end_commands()
        return problems + self.judge()

    def judge(self):
        self.report = r = verify.verify(self.c, NODES, SETTLE_S)
        lost = {row for rows in r.missing.values() for row in rows}
        problems = [f"{len(lost)} acknowledged rows missing"] if lost else []
        problems += [f"{node} differs" for node in r.divergent]
        problems += [f"{node} not read: {why}" for node, why in r.unread.items()]
        problems += [f"two servers acknowledging for {r.overlap_ms:.0f} ms"] if r.overlaps else []
        problems += ["refused or unexplained rows"] if any([*r.refused.values(), *r.unexplained.values()]) else []
        problems += [f"two hosts answered for the address {len(self.sampler.violations)} times: {self.two_holders()}"] if self.sampler.violations else []
        return problems

    def outages(self):
        """The longest time without an acknowledgement around each fault. Faults that overlap share it: it is counted at each."""
        times = [a.done for a in record.read_attempts(self.lab.record_dir) if a.outcome == "ack"]
        found = []
        for n, (mark, lasts) in enumerate(self.marks):
            end = mark.at + int((lasts + AFTER_FAULT_S) * 1e6)
            if self.singly:  # up to the next one, which makes the gap that begins just before it
                end = self.marks[n + 1][0].at - LAST_ACK_US if n + 1 < len(self.marks) else float("inf")
            gaps = [(stop - start, start, stop) for start, stop in zip(times, times[1:]) if start < end and stop > mark.at]
            length, start, stop = max(gaps, default=(0, mark.at, mark.at))
            found.append({"fault": mark.name, "alone": self.singly or len(self.marks) == 1, "outage_ms": round(length / 1000),
                          "from_s": round((start - mark.at) / 1e6, 2), "until_s": round((stop - mark.at) / 1e6, 2)})  # fmt: skip
        return found

    def two_holders(self):
        """The first times that two hosts answered, as seconds of the run."""
        return "; ".join(f"{v.at / 1e6 - self.clock:.2f} s {' and '.join(v.holders)}, {v.skew_us} us apart" for v in self.sampler.violations[:5])

    def result(self, problems, took_s):
        r = self.report
        return {
            "servers": self.servers, "seed": self.seed, "ok": not problems, "problems": problems, "singly": self.singly, "on_disks": self.on_disks,
            "plan": [chaos.describe(step) for step in self.steps], "events": self.events,
            "outages": [] if r is None else self.outages(),
            "lost": None if r is None else len({row for rows in r.missing.values() for row in rows}),
            "overlap_ms": None if r is None else round(r.overlap_ms), "acknowledged": None if r is None else r.counts["ack"],
            "quarantined": self.quarantined or self.kept_apart(), "expected_quarantine": sorted(self.excused), "cured": self.cured,
            "took_s": round(took_s, 1),
        }  # fmt: skip

    def keep(self, target):
        """Logs, records and binlogs; the data themselves go with the lab's disks."""
        wanted = ["cluster.conf", "marks.tsv", "client/*", "m?/*.log", "m?/my.cnf", "m?/data/*bin*", "m?/data/*.index", "m?/state/salvage/*/*"]
        for path in (path for pattern in wanted for path in glob.glob(os.path.join(self.lab.dir, pattern))):
            if os.path.isfile(path) and os.path.getsize(path) < KEPT_FILE_MAX:
                copy = os.path.join(target, os.path.relpath(path, self.lab.dir))
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                shutil.copy(path, copy)
        for node in NODES if self.c is not None else ():
            with contextlib.suppress(LabError, subprocess.TimeoutExpired):
                for command in ("status", "history", "explain"):
                    done = self.c.tandem(node, command, timeout_s=5, check=False)
                    with open(os.path.join(target, node, f"{command}.txt"), "w", encoding="utf-8") as f:
                        f.write(done.stdout + done.stderr)

    def go(self, keep_dir, keep_always=False):
        """The result; everything is gone afterwards, but for keep_dir after a failure."""
        started = time.monotonic()
        problems = ["the run did not end"]
        try:
            self.bring_up()
            problems = self.torture()
        except (*chaos.MISSED, subprocess.SubprocessError) as error:
            problems = [f"lab: {str(error)[:300]}"]
        finally:
            for _, process in self.commands:
                process.kill()
                process.wait()
            for server in self.starved.values():
                server.end()
            result = self.result(problems, time.monotonic() - started)
            if problems or keep_always:
                os.makedirs(keep_dir, exist_ok=True)
                self.keep(keep_dir)
                with open(os.path.join(keep_dir, "result.json"), "w", encoding="utf-8") as f:
                    json.dump(result, f, indent=1)
            take_down(self.lab)
            shutil.rmtree(self.lab.dir, ignore_errors=True)
        return result


def binlog_state(text):
    """{(domain, server): number} of MariaDB's gtid_binlog_state."""
    parts = [gtid.strip().split("-") for gtid in text.split(",") if gtid.strip()]
    return {(domain, server): int(number) for domain, server, number in parts}


# --- results ----------------------------------------------------------------------------------------


def spread(values):
    return f"{statistics.median(values):.0f} / {max(values)}" if values else "-"


def servers_of(results):
    return sorted({r["servers"] for r in results})


def missed(result):
    """Strikes that met nothing that they could strike: the process had ended already, the server was down."""
    return sum(": missed: " in what and not what.startswith("end of ") for _, what in result["events"])


def totals_table(results):
    lines = ["| servers | runs | faults | strikes that missed | acknowledged rows | of them lost | ms with two acknowledging writers | "
             "nodes that needed a human (expected) | runs with another problem |", "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for name in servers_of(results):
        mine = [r for r in results if r["servers"] == name]
        humans = sum(len(r["quarantined"]) for r in mine)
        expected = sum(len(set(r["quarantined"]) & set(r["expected_quarantine"])) for r in mine)
        other = sum(not r["ok"] for r in mine)
        lines.append(f"| {name} | {len(mine)} | {sum(len(r['outages']) for r in mine)} | {sum(missed(r) for r in mine)} | "
                     f"{sum(r['acknowledged'] or 0 for r in mine)} | {sum(r['lost'] or 0 for r in mine)} | {sum(r['overlap_ms'] or 0 for r in mine)} | "
                     f"{humans} ({expected}) | {other} |")  # fmt: skip
    return lines


def strikes_table(results):
    """How often each kind of fault struck which servers: what was never tried is seen."""
    names = servers_of(results)
    lines = ["| fault: times (of them the writer) | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    struck = {name: [o["fault"] for r in results if r["servers"] == name for o in r["outages"]] for name in names}
    for kind in chaos.EVERY:
        counts = [(struck[name].count(kind), struck[name].count(kind + OF_THE_WRITER)) for name in names]
        lines.append(f"| {kind} | " + " | ".join(f"{one + writer} ({writer})" if one + writer else "never" for one, writer in counts) + " |")
    return lines


def outage_table(results):
    lines = ["| fault | alone: times | outage, ms: median / longest | among others: times | outage, ms: median / longest |", "|---|---|---|---|---|"]
    found = [o for r in results for o in r["outages"]]
    for name in sorted({o["fault"] for o in found}):
        alone = [o["outage_ms"] for o in found if o["fault"] == name and o["alone"]]
        mixed = [o["outage_ms"] for o in found if o["fault"] == name and not o["alone"]]
        lines.append(f"| {name} | {len(alone)} | {spread(alone)} | {len(mixed)} | {spread(mixed)} |")
    return lines


def summary(results):
    return "\n".join([*totals_table(results), "", *strikes_table(results), "", *outage_table(results)])
