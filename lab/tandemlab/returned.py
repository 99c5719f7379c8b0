# SPDX-License-Identifier: Apache-2.0
"""How long a killed writer needs, from the moment its server accepts connections, to be in sync again.

Nobody helps: the agent rewinds it, starts it, attaches it, lets it catch up. With `fill` there is data that a
copy would take long for.

A kill tells something of the rewind only if there was a tail: transactions in its binlog that no standby had received. Whether a kill
leaves one is decided within a fraction of a millisecond; so it is looked up each time what was cut, and `with_tail` makes sure of one."""
import contextlib
import json
import statistics
from collections import namedtuple

import pymysql

from .layout import NODES, LabError, now_us

# Times in ms: from accepting connections, and from the kill, until it is in sync. cut: transactions that were cut off its binlog before it
# started; undone: those that were taken back out of its data, because its server had committed them.
Return = namedtuple("Return", "in_sync_ms killed_ms cut undone")

# An acknowledgement takes a millisecond or a few.
STUCK_US = 60_000

ROW_BYTES = 8192
BATCH_ROWS = 512
PURGE_BATCHES = 32


def fill(cluster, megabytes):
    """A table of that size, on every node."""
    writer = cluster.wait_whole(60).writer
    cluster.sql(writer, "CREATE DATABASE IF NOT EXISTS ballast")
    cluster.sql(writer, f"CREATE TABLE ballast.rows (id INT AUTO_INCREMENT PRIMARY KEY, v VARBINARY({ROW_BYTES})) ENGINE=InnoDB")
    # Random bytes, made by the server: nothing compresses them.
    piece = "CONCAT(" + ",".join(["RANDOM_BYTES(1024)"] * (ROW_BYTES // 1024)) + ")"
    numbers = "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7)"
    for batch in range(megabytes * (1 << 20) // (ROW_BYTES * BATCH_ROWS)):
        cluster.sql(writer, f"INSERT INTO ballast.rows (v) SELECT {piece} FROM {numbers} a, {numbers} b, {numbers} c", timeout_s=60)
        if (batch + 1) % PURGE_BATCHES == 0:
            purge(cluster)
    cluster.wait_whole(300)
    purge(cluster)


def purge(cluster):
    """The binlogs of five servers would take more room than their data."""
    level(cluster, 300)
    for node in NODES:
        cluster.sql(node, "FLUSH BINARY LOGS", timeout_s=60)
        cluster.sql(node, "PURGE BINARY LOGS BEFORE NOW()", timeout_s=60)


def level(cluster, timeout_s):
    """Every node has every row of it."""

    def same():
        with contextlib.suppress(pymysql.err.Error, OSError):
            return len({cluster.value(node, "(SELECT COUNT(*) FROM ballast.rows)", timeout_s=30) for node in NODES}) == 1
        return False

    cluster.wait_until(same, timeout_s, "the ballast is on every node", 0.5)


def in_sync(cluster, asked, node):
    status = cluster.status_of(asked)
    return status is not None and node in status.in_sync


def salvages(cluster, node):
    """{name: what was cut off or taken back there}; nothing is discarded without one."""
    return {s["name"]: s for s in json.loads(cluster.tandem(node, "salvage", "list", "--json").stdout)}


def discarded(new, kind):
    """Transactions of these salvages that are gone from the node."""
    return sum(s["transactions"] for s in new if s["kind"] == kind and (kind != "rewind" or s["manifest"]["verdict"] == "cut"))


def hold_back(cluster, client, writer):
    """From here on its commits wait for an acknowledgement, and nobody receives them. What was on the way is acknowledged still; the clients'
    way is not touched."""
    cluster.cut(writer, *(node for node in NODES if node != writer), oneway=True)

    def stuck():
        return cluster.waiting(writer) > 0 and now_us() - client.last_ack()[0] > STUCK_US

    cluster.wait_until(stuck, 5, f"a commit on {writer} that nobody receives", 0.005)


def one_run(cluster, client, tail=False):
    """tail: what is held back is there when it dies, and stays away until another one is the writer: the kernel sends what a killed server
    has left to it."""
    writer = cluster.wait_whole(120).writer
    other = "m2" if writer == "m1" else "m1"
    client.wait_acks(30)
    before = salvages(cluster, writer)
    cluster.mark("mysqld-killed")
    if tail:
        hold_back(cluster, client, writer)
    killed_us = now_us()
    cluster.kill(writer, "mysqld")
    cluster.wait_writer(other, 60)
    if tail:
        cluster.heal(writer)
    cluster.wait_until(lambda: cluster.answers(writer), 120, f"the server of {writer} accepts connections", 0.01)
    accepts_us = now_us()
    cluster.wait_until(lambda: in_sync(cluster, other, writer), 120, f"{writer} is in sync again", 0.02)
    done_us = now_us()
    if cluster.status().quarantined(writer):
        raise LabError(f"{writer} needs a human")
    new = [s for name, s in salvages(cluster, writer).items() if name not in before]
    return Return((done_us - accepts_us) / 1000, (done_us - killed_us) / 1000, discarded(new, "rewind"), discarded(new, "extract"))


# --- results ----------------------------------------------------------------------------------------


def spread(values):
    return f"{statistics.median(values):.0f} [{min(values):.0f} - {max(values):.0f}]" if values else "-"


def summary(rows):
    """A table of what measurements have left in their file."""
    lines = ["| kills of | date | commit | servers | profile | writers | other data, MB | kills | in sync after, ms | after the kill, ms "
             "| kills with a tail | of them in sync after, ms | acknowledged rows missing | verified |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for row in rows:
        runs = [Return(**run) for run in row["runs"]]
        tails = [run for run in runs if run.cut or run.undone]
        lines.append(f"| {row['scenario']} | {row['date']} | {row['commit']} | {row['servers']} ({row['version'].partition('-')[0]}) | {row['profile']} | {row['writers']}, {row['rate']:g}/s each | "
                     f"{row['data_mb']} | {len(runs)} | {spread([r.in_sync_ms for r in runs])} | {spread([r.killed_ms for r in runs])} | {len(tails)} | "
                     f"{spread([r.in_sync_ms for r in tails])} | {row['missing']} | {'yes' if row['verified'] else 'NO: ' + row.get('problem', 'see its log')} |")  # fmt: skip
    return "\n".join(lines)
