# SPDX-License-Identifier: Apache-2.0
"""A returned writer whose phantoms are committed, because somebody else has started its server."""
import json
import os
import shutil

import expect
import pytest
from conftest import MARIADB, MYSQL
from test_writer_lost import stalled_commits

both = pytest.mark.flavours(MARIADB, MYSQL)

ROWS = "SELECT writer, seq, server_id FROM demo.writes"


def own_rows(c, node, other):
    """Rows that only `node` has."""
    def key(row):
        return tuple(row.values()) if isinstance(row, dict) else tuple(row)

    return {key(r) for r in c.sql(node, ROWS)} - {key(r) for r in c.sql(other, ROWS)}


def lose_with_phantoms(c):
    """m1 dies with commits that wait for an acknowledgement; m2 takes over; m1's server is started by hand. Nobody
    writes at the cut: what had reached m2 by then would be no phantom."""
    with c.client("before", writers=4, rate=100) as client:
        client.wait_acks(100)
    c.mark("m1 cut off, then lost")
    c.cut("m1", "m2", "m3", "m4", "m5")
    with c.client("late", writers=4, host="127.0.0.1", source="m1") as late:
        c.wait_until(stalled_commits(late, 1), 20, "a commit that waits for an acknowledgement", 0.005)
        c.kill("m1")
    c.wait_writer("m2")
    c.start_mysqld("m1")
    c.wait_until(lambda: c.answers("m1"), 60, "the server of m1 answers")
    c.wait_until(lambda: own_rows(c, "m1", "m2"), 20, "its recovery has committed what nobody was promised")


def salvages(c, node):
    return json.loads(c.tandem(node, "salvage", "list", "--json").stdout)


def by_hand(c, node, statement):
    """On a closed server, as somebody with all privileges does."""
    flag = "super_read_only" if c.flavour.is_mysql else "read_only"
    c.sql(node, f"SET GLOBAL {flag} = 0")
    c.sql(node, statement)
    c.sql(node, f"SET GLOBAL {flag} = 1")


@both
def test_committed_phantoms_are_taken_back(cluster):
    c = cluster
    lose_with_phantoms(c)
    with c.client(writers=4, rate=100) as client:
        c.heal()
        c.start_agent("m1")
        c.wait_whole(writer="m2")
        client.wait_acks(50)
    c.verify()
    expect.topology(c, "m2")
    assert [(s["kind"], s["class"]) for s in salvages(c, "m1")] == [("extract", "never-acknowledged")]
    assert "taken back out of the data" in c.tandem("m2", "history").stdout


def may_not_ask(c):
    """The agent of m1 is not told of prepared transactions."""
    c.sql("m1", "REVOKE XA_RECOVER_ADMIN ON *.* FROM 'tandem'@'localhost'")
    c.wait_until(lambda: "XA_RECOVER_ADMIN" not in str(c.sql("m2", "SHOW GRANTS FOR 'tandem'@'localhost'")), 20, "m2 has it")
    c.kill("m1", "agent")  # the next connection has not got it
    c.start_agent("m1")
    c.wait_whole(writer="m1")


def lose_with_a_tail(c, *roles):
    """m1 dies with commits that wait for an acknowledgement, m2 takes over, m1 comes back."""
    with c.client("before", writers=4, rate=100) as client:
        client.wait_acks(100)
    c.cut("m1", "m2", "m3", "m4", "m5")
    with c.client("late", writers=4, host="127.0.0.1", source="m1") as late:
        c.wait_until(stalled_commits(late, 1), 20, "a commit that waits for an acknowledgement", 0.005)
        c.kill("m1", *roles)
    c.wait_writer("m2")
    c.heal()
    c.start_agent("m1")


@pytest.mark.thorough
@pytest.mark.flavours(MYSQL)
@pytest.mark.parametrize("agent", ["stays", "restarts"])
def test_prepared_transactions_that_are_not_told_prove_nothing(cluster, agent):
    """The agent's account may not ask for them. Where that is known nothing is cut; where the agent learns it after the start,
    its cut is not proven. Either way the reason is named, and m1 is made anew."""
    c = cluster
    may_not_ask(c)
    assert "XA_RECOVER_ADMIN" in c.tandem("m1", "check", check=False).stdout
    lose_with_a_tail(c, *(("mysqld",) if agent == "stays" else ()))
    reason = "xa-unseen" if agent == "stays" else "recovery-xa"
    c.wait_until(lambda: reason in c.log_of("m2"), 60, "m1 is quarantined for that")
    c.wait_status(lambda s: not s.nodes["m1"]["quarantined"], 120, "m1 is made whole by a copy")
    c.wait_whole(120, writer="m2")
    c.verify()
    assert salvages(c, "m1")


def copy_by_hand(c, node, source):
    """As docs/operations.md says it: the data directory of a server that was shut down."""
    c.tandem(source, "mysqld", "stop", timeout_s=90)
    old, new = (c.lab.path(node, "data"), c.lab.path(source, "data"))
    shutil.rmtree(old)
    left = shutil.ignore_patterns("auto.cnf", "*-bin.*", "*-relay*")
    shutil.copytree(new, old, ignore=left)
    c.tandem(source, "maintenance", source, "off")


@pytest.mark.thorough
@pytest.mark.flavours(MYSQL)
@pytest.mark.settings("policy.rejoin=rewind")
def test_copy_by_hand_ends_what_was_not_proven(cluster):
    """The flag, and the note that its agent keeps of the cut, go by an operator's word alone."""
    c = cluster

    def refused(text):
        said = c.tandem("m2", "maintenance", "m1", "off", "--data-replaced", check=False)
        assert said.returncode != 0 and text in said.stdout + said.stderr, said

    may_not_ask(c)
    lose_with_a_tail(c)
    c.wait_status(lambda s: s.nodes["m1"]["unproven"], 60, "the cut of m1 is not proven")
    refused("not in maintenance")
    c.tandem("m1", "mysqld", "stop", timeout_s=90)
    c.tandem("m2", "maintenance", "m1", "off")
    assert c.status().nodes["m1"]["unproven"]
    c.tandem("m2", "maintenance", "m1", "on")
    refused("must run")
    assert os.path.exists(c.lab.path("m1", "state/rewind.json"))
    copy_by_hand(c, "m1", "m4")
    c.start_mysqld("m1")
    c.wait_until(lambda: c.answers("m1"), 60, "the server of m1 answers")
    c.wait_until(lambda: c.tandem("m2", "maintenance", "m1", "off", "--data-replaced", check=False).returncode == 0, 20, "taken")
    c.wait_whole(60, writer="m2")
    assert not os.path.exists(c.lab.path("m1", "state/rewind.json"))
    c.verify()


@both
@pytest.mark.settings("policy.rejoin=manual")
def test_row_written_by_hand_waits_for_a_human(cluster):
    """What was written after the restart was promised to whoever wrote it."""
    c = cluster
    lose_with_phantoms(c)
    with c.client(writers=4, rate=100) as client:
        by_hand(c, "m1", "INSERT INTO demo.writes VALUES (900, 1, 1, 1)")
        c.heal()
        c.start_agent("m1")
        c.wait_status(lambda s: s.nodes["m1"]["extra_class"] == "possibly-acknowledged", 60, "m1 is judged")
        assert (900, 1, 1) in own_rows(c, "m1", "m2")
        refused = c.tandem("m2", "rejoin", "m1", check=False)
        assert refused.returncode != 0 and "--discard" in refused.stdout + refused.stderr
        c.tandem("m2", "rejoin", "m1", "--discard", "--yes")
        c.wait_whole(writer="m2")
        client.wait_acks(50)
    c.verify()
    expect.topology(c, "m2")
    assert [(s["kind"], s["class"]) for s in salvages(c, "m1")] == [("extract", "possibly-acknowledged")]


@both
@pytest.mark.parametrize("started", ["by its agent", pytest.param("by hand", marks=pytest.mark.thorough)])
def test_commits_released_by_hand_wait_for_a_human(cluster, started):
    """m1 is cut off, and somebody turns semi-sync off there: its clients are told OK. What it then holds alone is no phantom, though
    its server died by SIGKILL, m2 was promoted clean, and the agent that saw it is another one."""
    c = cluster
    with c.client("before", writers=4, rate=100) as client:
        client.wait_acks(100)
    c.cut("m1", "m2", "m3", "m4", "m5")
    with c.client("late", writers=4, host="127.0.0.1", source="m1") as late:
        c.wait_until(stalled_commits(late, 1), 20, "a commit that waits for an acknowledgement", 0.005)
        c.sql("m1", f"SET GLOBAL rpl_semi_sync_{'source' if c.flavour.is_mysql else 'master'}_enabled = 0")
        c.wait_until(lambda: "commits-released" in c.log_of("m1"), 20, "the agent of m1 has seen it", 0.02)
        c.wait_until(lambda: os.path.exists(c.lab.path("m1", "state/released")), 20, "and keeps it", 0.02)
        c.kill("m1")
    c.wait_writer("m2")
    if started == "by hand":
        c.start_mysqld("m1")
        c.wait_until(lambda: c.answers("m1"), 60, "the server of m1 answers")
    c.heal()
    c.start_agent("m1")
    c.wait_status(lambda s: s.nodes["m1"]["extra_class"] == "possibly-acknowledged", 60, "m1 is judged")
    assert [s["class"] for s in salvages(c, "m1")] == ["possibly-acknowledged"]
    assert ("rejoin/75" if started == "by hand" else "local-release") in c.log_of("m2")
