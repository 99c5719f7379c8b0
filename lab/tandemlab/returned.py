# SPDX-License-Identifier: Apache-2.0
"""How long a killed writer needs, from the moment its server accepts connections, to be in sync again.

Nobody helps: the agent rewinds it, starts it, attaches it, lets it catch up. With `fill` there is data that a
copy would take long for."""
import contextlib

import pymysql

from .layout import NODES, LabError, now_us

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


def one_run(cluster, client):
    """(accepting connections to in sync, killed to in sync) in ms."""
    writer = cluster.wait_whole(120).writer
    other = "m2" if writer == "m1" else "m1"
    client.wait_acks(30)
    cluster.mark("mysqld-killed")
    killed_us = now_us()
    cluster.kill(writer, "mysqld")
    cluster.wait_writer(other, 60)
    cluster.wait_until(lambda: cluster.answers(writer), 120, f"the server of {writer} accepts connections", 0.01)
    accepts_us = now_us()
    cluster.wait_until(lambda: in_sync(cluster, other, writer), 120, f"{writer} is in sync again", 0.02)
    done_us = now_us()
    if cluster.status().quarantined(writer):
        raise LabError(f"{writer} needs a human")
    return (done_us - accepts_us) / 1000, (done_us - killed_us) / 1000
