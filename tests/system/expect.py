# SPDX-License-Identifier: Apache-2.0
"""What the servers themselves must show, asked over their sockets, whatever the agents say."""
from tandemlab import layout
from tandemlab.cluster import wait_until
from tandemlab.layout import NODES

# Longest write outage that a test lets pass. No figure (those are measured by lab/measure on a quiet machine): it tells the
# 10 s of a semi-sync that gives up by itself from everything that ends by a decision, on two busy cores.
STALL_MAX_MS = 8000

SOURCES = {"m3": None, "m4": "m3", "m5": "m3"}  # None: the writer


def is_closed(c, node):
    """Refuses writes of everybody but replication."""
    names = ("read_only", "super_read_only") if c.flavour.is_mysql else ("read_only",)
    return all(str(c.value(node, f"@@global.{name}")) in ("1", "ON") for name in names)


def channel(c, node):
    """(source host, IO thread, SQL thread) or None."""
    rows = c.sql(node, "SHOW REPLICA STATUS")
    if not rows:
        return None
    row = {name.replace("Master", "Source").replace("Slave", "Replica"): value for name, value in rows[0].items()}
    return row["Source_Host"], row["Replica_IO_Running"], row["Replica_SQL_Running"]


def follows(c, node, source):
    return channel(c, node) == (layout.ADDRESSES[source], "Yes", "Yes")


def topology(c, writer, without=(), sources=None):
    """The writer open and following nobody, all others closed and following whom they should."""
    assert not is_closed(c, writer), f"{writer} is closed"
    assert channel(c, writer) is None, f"the writer {writer} has a channel: {channel(c, writer)}"
    assert c.vip_holders() == [writer]
    wanted = {**SOURCES, **(sources or {})}
    for node in NODES:
        if node == writer or node in without:
            continue
        source = wanted.get(node) or writer
        assert is_closed(c, node), f"{node} is writable"
        assert follows(c, node, source), f"{node}: {channel(c, node)}, expected to follow {source}"


def wait_follows(c, node, source, timeout_s=20):
    def look():
        return c.answers(node) and follows(c, node, source)

    wait_until(look, timeout_s, f"{node} follows {source}")


def rows(c, node):
    return c.value(node, "(SELECT COUNT(*) FROM demo.writes)")


def has_more(c, node, other):
    """Whether `node` has a transaction that `other` has not."""
    if c.flavour.is_mysql:
        executed = c.value(node, "@@global.gtid_executed")
        return bool(c.sql(other, "SELECT GTID_SUBTRACT(%s, @@global.gtid_executed) AS extra", (executed,))[0]["extra"])
    newest = [int(c.value(name, "@@global.gtid_slave_pos").rsplit("-", 1)[-1]) for name in (node, other)]
    return newest[0] > newest[1]
