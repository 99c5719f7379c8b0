# SPDX-License-Identifier: Apache-2.0
"""What an operator asks for, and restarts of everything."""
import os
import stat

import expect
import pytest
import stories
from conftest import MARIADB, MYSQL
from tandemlab import procs
from tandemlab.layout import NODES, now_us

both = pytest.mark.flavours(MARIADB, MYSQL)


@both
def test_switchover_and_back(cluster):
    report = stories.switch_there_and_back(cluster, "m4")
    assert max(cluster.outage_ms(report, n) for n in (0, 1)) < expect.STALL_MAX_MS


def test_switchover_to_a_node_that_may_not(cluster, servers):
    c = cluster
    with c.client(rate=100) as client:
        client.wait_acks(50)
        for target in ("m3", "m1", "nobody"):
            done = c.tandem("m1", "switchover", "--to", target, check=False)
            assert done.returncode != 0 and (done.stderr or done.stdout).strip()
        c.kill("m2")
        c.wait_status(lambda s: "m2" not in s.in_sync, 20, "m2 has left the set")
        assert c.tandem("m1", "switchover", "--to", "m2", check=False).returncode != 0
        client.wait_acks(50)
        c.start("m2")
        c.wait_whole(writer="m1")
    assert c.verify().writer_changes == 0


@pytest.mark.thorough  # test_agents_upgraded_one_after_another does it with two versions
@both
def test_every_agent_restarted_one_by_one(cluster):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        for node in ("m5", "m4", "m3", "m2", "m1"):
            c.mark(f"agent of {node} restarted")
            pids = c.term(node, "agent")
            assert not procs.wait_gone(pids, 20), f"the agent of {node} does not end"
            c.start(node, "agent")
            c.wait_whole()
            client.wait_ack_after(now_us())
    c.verify()


@both
@pytest.mark.parametrize("load", [True, False], ids=["load", "idle"])
def test_power_cut(cluster, load):
    c = cluster
    with c.client("before", writers=2, rate=200) as client:
        client.wait_acks(200)
        if not load:
            client.stop()
        c.mark("power cut")
        c.powercut()
    c.boot(*NODES)
    c.wait_whole(90, writer="m1")
    with c.client("after") as client:
        client.wait_acks(50)
    c.verify()
    expect.topology(c, "m1")


def test_pause_forbids_takeovers(cluster, servers):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.tandem("m3", "pause")
        c.wait_status(lambda s: s.data.get("paused"), 10, "the cluster is paused")
        c.kill("m1", "agent")
        paused = now_us()
        c.wait_until(lambda: now_us() > paused + 2_000_000, 4, "four election time-outs to pass", 0.1)
        client.wait_ack_after(now_us())  # no fence: m1 goes on
        c.start("m1", "agent")
        c.wait_until(lambda: c.agent_is_seen("m3", "m1"), 20, "m3 hears the agent of m1 again")
        seen = now_us()
        # a restarted voter is silent for T and the margin, and cannot be handed the leadership before
        c.wait_until(lambda: now_us() > seen + 1_500_000, 3, "three election time-outs to pass", 0.1)
        client.wait_ack_after(now_us())
        c.tandem("m3", "resume")
        c.wait_whole(writer="m1")
        c.mark("mysqld of m1 killed")
        c.kill("m1", "mysqld")
        c.wait_writer("m2")
        c.wait_whole(writer="m2")
    assert c.verify().writer_changes == 1


def test_maintenance_of_the_writer_hands_over(cluster, servers):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.mark("m1 into maintenance")
        c.tandem("m1", "maintenance", "m1", "on")
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        c.tandem("m2", "maintenance", "m1", "off")
        c.wait_whole(writer="m2")
    report = c.verify()
    assert c.outage_ms(report) < expect.STALL_MAX_MS


def test_history_and_status_from_every_node(cluster, servers):
    c = cluster
    with c.client(rate=100) as client:
        client.wait_acks(20)
        c.kill("m1", "mysqld")
        c.wait_whole(writer="m2")
    for node in NODES:
        assert c.status_of(node).writer == "m2"
        text = c.tandem(node, "history").stdout
        assert "m2" in text and "ms" in text
        assert "m2" in c.tandem(node, "status").stdout
        assert c.tandem(node, "explain").stdout.strip()


def test_notify_script_is_called(make_cluster, servers, tmp_path):
    script, log = tmp_path / "notify", tmp_path / "calls"
    script.write_text(f'#!/bin/sh\necho "$@" >>{log}\n', encoding="ascii")
    os.chmod(script, stat.S_IRWXU)
    c = make_cluster(servers, (f"hooks.notify={script}",))
    c.kill("m1", "mysqld")
    c.wait_whole(writer="m2")
    calls = [line.split() for line in log.read_text(encoding="ascii").splitlines()]
    assert all(len(call) == 4 and call[0] in ("INSTANCE", "GROUP") for call in calls)
    assert any(call[2] == "MASTER" for call in calls)
    assert any(call[2] in ("BACKUP", "FAULT") for call in calls)


def test_forced_failover_says_what_is_at_stake(cluster, servers):
    """m1 and the only copy of its last rows are gone: only an operator may give them up."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.kill("m2")
        c.wait_status(lambda s: "m2" not in s.in_sync, 20, "m2 has left the set")
        client.wait_acks(50)
        c.vanish("m1")
        c.start("m2")
        c.wait_until(lambda: c.answers("m2"), 40, "mysqld of m2 answers")
        c.wait_status(lambda s: not s.writable, 20, "nobody is the writer")
        refused = c.tandem("m2", "failover", "--to", "m2", check=False)
        assert refused.returncode != 0 and "accept-data-loss" in refused.stdout + refused.stderr
        c.tandem("m2", "failover", "--to", "m2", "--accept-data-loss")
        c.wait_writer("m2", 30)
        client.wait_ack_after(now_us(), 30)
    assert not c.sampler.violations
