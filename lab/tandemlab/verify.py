# SPDX-License-Identifier: Apache-2.0
"""Compares what clients were told with what the servers have.

missing     acknowledged rows that a node lacks: the loss that must never be
refused     rows that a server said it had refused, and that are there all the same
unexplained rows that no client ever tried, or twice in one table
divergent   nodes whose table differs from the first one's
overlap     time during which two servers acknowledged"""
import contextlib

import pymysql

from . import layout, record, servers
from .layout import LabError
from .wait import wait_until

SAMPLE = 5


class Table:
    """demo.writes of one node."""

    def __init__(self, rows, checksum):
        self.rows = rows
        self.checksum = checksum


def read_rows(socket):
    connection = servers.connect(socket, 60, cursorclass=pymysql.cursors.SSCursor)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT writer, seq, server_id FROM demo.writes")
            return {(writer, seq): server for writer, seq, server in cursor}
    finally:
        connection.close()


def summary(socket):
    """What must be equal on two nodes: count, checksum of the whole table."""
    checksum = servers.query(socket, "CHECKSUM TABLE demo.writes", timeout_s=60)[0]["Checksum"]
    count = servers.query(socket, "SELECT COUNT(*) AS n FROM demo.writes", timeout_s=60)[0]["n"]
    return count, checksum


def summaries(cluster, nodes):
    result = {}
    for node in nodes:
        try:
            result[node] = summary(cluster.lab.socket(node))
        except (pymysql.err.Error, OSError) as error:
            result[node] = ("no answer", str(error))
    return result


def settle(cluster, nodes, wait_s):
    """Looks until all nodes have the same table, or the time is over; returns the last look."""
    seen = {}

    def same():
        seen.update(summaries(cluster, nodes))
        return len(set(seen.values())) == 1

    with contextlib.suppress(LabError):  # what differs is reported by whoever asks
        wait_until(same, wait_s, "the same table everywhere", 0.1)
    return seen


class Report:
    def __init__(self, nodes, attempts, marks):
        acks = [a for a in attempts if a.outcome == "ack"]
        self.nodes = nodes
        self.counts = {o: sum(a.outcome == o for a in attempts) for o in ("ack", "error", "unknown", "connect")}
        self.outages = record.outages(attempts, marks)
        self.overlaps = record.overlaps(acks)
        self.writer_changes = sum(a.server != b.server for a, b in zip(acks, acks[1:]))
        self.rows = {}  # node -> count
        self.missing = {}  # node -> [(writer, seq)]
        self.refused = {}
        self.unexplained = {}
        self.divergent = []
        self.unread = {}  # node -> why

    def add_table(self, node, rows, attempts):
        acked = {(a.writer, a.seq) for a in attempts if a.outcome == "ack"}
        refused = {(a.writer, a.seq) for a in attempts if a.outcome == "error"}
        # an attempt that was under way when the client died has no line, so only earlier ones are unexplained
        highest = {}
        for a in attempts:
            highest[a.writer] = max(highest.get(a.writer, 0), a.seq)
        tried = acked | refused | {(a.writer, a.seq) for a in attempts if a.outcome == "unknown"}
        self.rows[node] = len(rows)
        self.missing[node] = sorted(acked - rows.keys())
        self.refused[node] = sorted(refused & rows.keys())
        self.unexplained[node] = sorted(r for r in rows.keys() - tried if r[1] <= highest.get(r[0], -1) or r[0] not in highest)

    @property
    def overlap_ms(self):
        return sum(end - begin for _, _, begin, end in self.overlaps) / 1000

    @property
    def ok(self):
        bad = [*self.missing.values(), *self.refused.values(), *self.unexplained.values()]
        return not (any(bad) or self.divergent or self.overlaps or self.unread)

    def as_dict(self):
        return {
            "ok": self.ok,
            "attempts": self.counts,
            "rows": self.rows,
            "missing": {node: len(rows) for node, rows in self.missing.items()},
            "missing_rows": {node: rows[:SAMPLE] for node, rows in self.missing.items() if rows},
            "refused_but_there": {node: rows[:SAMPLE] for node, rows in self.refused.items() if rows},
            "unexplained": {node: rows[:SAMPLE] for node, rows in self.unexplained.items() if rows},
            "divergent": self.divergent,
            "not_read": self.unread,
            "two_acknowledging_ms": self.overlap_ms,
            "writer_changes": self.writer_changes,
            "outages": [
                {
                    "mark": o.mark.name,
                    "outage_ms": round(o.gap_us / 1000, 1),
                    "from_fault_ms": round((o.stop - o.mark.at) / 1000, 1),
                    "worst_writer_ms": round(o.worst_writer_us / 1000, 1),
                    "writes_again": o.ended,
                }
                for o in self.outages
            ],
        }

    def text(self):
        c = self.counts
        lines = [f"attempts: {c['ack']} acknowledged, {c['error']} refused, {c['unknown']} unknown, {c['connect']} without a session"]
        for node in self.nodes:
            if node in self.unread:
                lines.append(f"{node}: not read: {self.unread[node]}")
                continue
            parts = [f"{self.rows[node]} rows", f"{len(self.missing[node])} acknowledged rows missing"]
            for name in ("missing", "refused", "unexplained"):
                rows = getattr(self, name)[node]
                if rows:
                    parts.append(f"{len(rows)} {name} such as " + ", ".join(f"{w}/{s}" for w, s in rows[:SAMPLE]))
            lines.append(f"{node}: " + ", ".join(parts) + (", DIFFERS" if node in self.divergent else ""))
        lines.append(f"two servers acknowledging: {self.overlap_ms:.0f} ms; changes of the writer seen: {self.writer_changes}")
        for o in self.outages:
            lines.append(
                f"outage at '{o.mark.name}': {o.gap_us / 1000:.0f} ms (worst writer {o.worst_writer_us / 1000:.0f} ms)"
                + ("" if o.ended else ", NO WRITE SINCE")
            )
        lines.append("verdict: " + ("nothing lost, all identical, one writer at a time" if self.ok else "FAILED"))
        return "\n".join(lines)


def verify(cluster, nodes=None, wait_s=10):
    """Reads everything and compares; no client may be writing. nodes: those that must be whole."""
    nodes = list(nodes or layout.NODES)
    attempts = record.read_attempts(cluster.lab.record_dir)
    report = Report(nodes, attempts, record.read_marks(cluster.lab.marks))
    seen = settle(cluster, nodes, wait_s)
    tables = {}  # equal summaries are equal tables: read once
    for node, key in seen.items():
        if key[0] == "no answer":
            report.unread[node] = key[1]
            continue
        if key not in tables:
            tables[key] = read_rows(cluster.lab.socket(node))
        report.add_table(node, tables[key], attempts)
    read = [node for node in nodes if node not in report.unread]
    report.divergent = [node for node in read if seen[node] != seen[read[0]]]
    return report
