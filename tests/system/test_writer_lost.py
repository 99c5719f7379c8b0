# SPDX-License-Identifier: Apache-2.0
"""The writer is lost in every way a host, a server or an agent can be lost, under load, and returns."""
import contextlib
import json
import os

import expect
import pytest
from conftest import MARIADB, MYSQL
from tandemlab import returned
from tandemlab.layout import ADDRESSES, now_us
from tandemlab.wait import stays

both = pytest.mark.flavours(MARIADB, MYSQL)


def takeover(c, fault, restore, name):
    """Load, fault, m2 takes over; then restore, and m1 is a standby in sync again."""
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark(name)
        fault()
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        restore()
        c.wait_whole(writer="m2")
        client.wait_acks(50)
    report = c.verify()
    expect.topology(c, "m2")
    assert c.outage_ms(report) < expect.STALL_MAX_MS
    return report


@both
def test_mysqld_killed(cluster):
    # its agent starts it again, fenced, and it rejoins: nothing to restore
    takeover(cluster, lambda: cluster.kill("m1", "mysqld"), lambda: None, "mysqld of m1 killed")


@both
def test_mysqld_and_agent_killed(cluster):
    takeover(cluster, lambda: cluster.kill("m1"), lambda: cluster.start("m1"), "mysqld and agent of m1 killed")


@both
@pytest.mark.settings("policy.preempt=true")
def test_preferred_writer_gets_the_address_back(cluster):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("mysqld and agent of m1 killed")
        c.kill("m1")
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        c.mark("m1 started again")
        c.start("m1")
        c.wait_whole(writer="m1")
        client.wait_ack_after(now_us())
    report = c.verify()
    expect.topology(c, "m1")
    assert c.outage_ms(report, 0) < expect.STALL_MAX_MS
    assert c.outage_ms(report, 1) < expect.STALL_MAX_MS, "giving the address back is planned"


@both
@pytest.mark.settings("policy.durability=strict")
def test_strict_goes_on_with_the_first_standby(cluster):
    """After a takeover commits wait, as many as there are sessions, until the old writer is a standby in sync: by itself, whatever it
    had received before. What was acknowledged earlier is at stake until then, and the status says so."""
    c = cluster
    with c.client(writers=8, rate=400, timeout_ms=60000) as client:
        client.wait_acks(100)
        c.mark("mysqld and agent of m1 killed")
        c.kill("m1")
        c.wait_writer("m2")
        c.wait_until(lambda: c.waiting("m2") > 0, 20, "commits wait on m2")
        said = c.tandem("m2", "status", check=False).stdout
        assert "at stake: the loss of m2 would lose up to" in said and "nothing is added under strict, commits wait" in said, said
        acks = client.acks()
        stays(lambda: client.acks() == acks, 1, "nothing is acknowledged")
        c.start("m1")
        c.wait_whole(writer="m2")
        client.wait_acks(200)
        assert "at stake" not in c.tandem("m2", "status").stdout
    c.verify()
    assert c.flavour.is_mysql or "commits-held-up" in c.log_of("m2")


@both
def test_mysqld_hung(cluster):
    # continued only after the takeover: a zombie writer returns, and must not acknowledge anything
    takeover(cluster, lambda: cluster.stop("m1", "mysqld"), lambda: cluster.cont("m1", "mysqld") if cluster.pids("m1", "mysqld") else None,
             "mysqld of m1 stopped")  # fmt: skip


@both
def test_agent_killed_alone(cluster):
    c = cluster
    # a client that goes round the virtual address must not be acknowledged by m1 after m2 opened either
    with c.client("direct", rate=50, host=ADDRESSES["m1"]):
        takeover(c, lambda: c.kill("m1", "agent"), lambda: c.start("m1", "agent"), "agent of m1 killed")


@both
def test_agent_hung(cluster):
    c = cluster
    with c.client("direct", rate=50, host=ADDRESSES["m1"]):
        takeover(c, lambda: c.stop("m1", "agent"), lambda: c.cont("m1", "agent"), "agent of m1 stopped")


@both
def test_host_vanishes(cluster):
    takeover(cluster, lambda: cluster.vanish("m1"), lambda: cluster.boot("m1"), "host m1 lost")


def test_hiccup_of_the_agent_is_no_takeover(cluster, servers):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        before = c.wait_whole(writer="m1").data["epoch"]
        c.mark("agent of m1 stopped for 150 ms")
        c.stop("m1", "agent")
        stopped = now_us()
        c.wait_until(lambda: now_us() > stopped + 150_000, 2, "150 ms to pass", 0.002)
        c.cont("m1", "agent")
        client.wait_acks(400)
        status = c.wait_whole(writer="m1")
    assert status.data["epoch"] == before
    report = c.verify()
    assert report.writer_changes == 0


def test_second_failover_follows_the_first(cluster, servers):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        for lost, next_writer in (("m1", "m2"), ("m2", "m1"), ("m1", "m2")):
            client.wait_acks(50)
            c.mark(f"mysqld of {lost} killed")
            c.kill(lost, "mysqld")
            c.wait_whole(writer=next_writer)
            client.wait_ack_after(now_us())
    report = c.verify()
    assert report.writer_changes == 3


def test_last_candidate_is_started_in_place(cluster, servers):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.kill("m2")
        c.wait_status(lambda s: s.in_sync == [] and s.writable, 20, "the set is empty and writing goes on")
        client.wait_acks(50)
        c.mark("mysqld of m1, the only candidate, killed")
        c.kill("m1", "mysqld")
        client.wait_ack_after(now_us(), 40)
        c.start("m2")
        c.wait_whole(writer="m1")
    c.verify()


@both
def test_standby_that_restarted_is_not_promoted(cluster):
    """Its relay log may have held acknowledged rows that are gone: only m1 may be the writer."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.kill("m1")
        c.kill("m2", "mysqld")
        c.wait_until(lambda: c.answers("m2"), 40, "mysqld of m2 was started again by its agent")
        status = c.wait_status(lambda s: not s.writable, 10, "nobody is the writer")
        assert status.data["safe"] is False and status.data["safe_text"]
        acks = client.acks()
        lost = now_us()
        c.wait_until(lambda: now_us() > lost + 3_000_000, 5, "six election time-outs to pass", 0.1)
        assert client.acks() == acks
        c.start("m1")
        c.wait_whole(writer="m1")
        client.wait_acks(50)
    c.verify()


def stalled_commits(client, count):
    """Condition: that many attempts have run into their time-out."""

    def look():
        with open(client.file, encoding="ascii") as f:
            return f.read().count("\tunknown\t") >= count

    return look


@both
def test_phantoms_are_salvaged_and_cut(cluster):
    """What only m1 had, and nobody was promised, is in a file afterwards and in no table. An older shutdown in its error
    log is not how it ended."""
    c = cluster
    with c.client(writers=4, rate=100, timeout_ms=3000) as client:
        client.wait_acks(100)
        pids = c.term("m1", "mysqld")
        c.wait_until(lambda: not set(pids) & set(c.pids("m1", "mysqld")), 30, "the old mysqld of m1 has ended")
        client.wait_ack_after(now_us(), 60)
        c.wait_whole(60, writer="m1")
    # Nothing but a heartbeat is under way, so that what is written from here on is surely younger than the cut. A
    # server writes two groups of commits at most while the first one waits: had both reached m2 before the cut,
    # nothing younger would come into the log. Inside the host no lease stops the attempts.
    c.cut("m1", "m2", "m3", "m4", "m5")
    with c.client("late", writers=4, host="127.0.0.1", source="m1") as late:
        c.wait_until(stalled_commits(late, 1), 5, "a commit that waits for an acknowledgement", 0.005)
        c.kill("m1")
    with c.client("after", writers=4, rate=100) as client:
        c.wait_writer("m2")
        client.wait_acks(50)
        c.heal()
        c.start("m1")
        c.wait_whole(writer="m2")
    c.verify()
    salvaged = json.loads(c.tandem("m1", "salvage", "list", "--json").stdout)
    assert [(s["kind"], s["class"]) for s in salvaged] == [("rewind", "never-acknowledged")], salvaged


@both
@pytest.mark.parametrize("standby", ["healthy", "stopped"])
@pytest.mark.settings("policy.shrink_after=20000", "policy.stall_after=20000")
def test_mysqld_terminated_by_hand(cluster, standby):
    """A server that is shut down may say OK to commits nobody else has: such a writer is not simply replaced."""
    c = cluster
    with c.client(writers=2, rate=100, timeout_ms=3000) as client:
        client.wait_acks(100)
        if standby == "stopped":
            c.stop("m2", "mysqld")
            c.wait_until(lambda: c.waiting("m1") >= 1, 5, "a commit waits for its acknowledgement")
        c.mark("mysqld of m1 terminated")
        pids = c.term("m1", "mysqld")
        c.wait_until(lambda: not set(pids) & set(c.pids("m1", "mysqld")), 30, "the old mysqld of m1 has ended")
        if standby == "stopped" and c.pids("m2", "mysqld"):
            c.cont("m2", "mysqld")
        client.wait_ack_after(now_us(), 60)
        c.wait_whole(60)
        client.wait_acks(50)
    c.verify()


# What is promised (docs/figures.md has what was measured).
RETURNED_MS = 5000


@pytest.mark.thorough
@both
def test_killed_writer_is_in_sync_within_five_seconds(cluster):
    """Of its server accepting connections, under 32 clients, and nobody helps. A kill that leaves no tail proves nothing of the rewind; most
    leave none, so two are made to."""
    c = cluster
    with c.client(writers=32, rate=10) as client:
        runs = [returned.one_run(c, client, tail) for tail in (False, True, True)]
    print(runs)
    c.verify()
    assert max(run.in_sync_ms for run in runs) < RETURNED_MS, runs
    assert any(run.cut for run in runs), f"nothing had to be cut after any of the kills: {runs}"


def starts_that_died(c, node):
    return c.log_of(node).count("mysqld ended while it was starting")


def start_command_said(c, node, word):
    with contextlib.suppress(FileNotFoundError), open(c.lab.path(node, "start.log"), encoding="utf-8") as f:
        return word in f.read()
    return False


def test_start_that_dies_is_tried_again_at_once(cluster):
    """Nobody else can take over, and the first starts fail (the start command lacks a file of its own, then InnoDB finds a directory in
    the place of its temporary file): writes go on soon after the obstacle is gone, not when the time limit of a start is over."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.vanish("m2")
        c.wait_status(lambda s: "m2" not in s.in_sync, 20, "m2 has left the set")
        obstacle = c.lab.path("m1", "data/ibtmp1")
        os.unlink(obstacle)
        os.mkdir(obstacle)
        env = os.path.join(c.lab.dir, "lab.env")
        os.rename(env, env + ".away")
        c.mark("mysqld of m1 killed")
        c.kill("m1", "mysqld")
        c.wait_until(lambda: start_command_said(c, "m1", "lab.env"), 20, "the start command's own words")
        os.rename(env + ".away", env)
        c.wait_until(lambda: starts_that_died(c, "m1"), 20, "a start to fail")
        os.rmdir(obstacle)
        client.wait_ack_after(now_us(), 30)
        c.boot("m2")
        c.wait_whole(writer="m1")
    c.verify()
