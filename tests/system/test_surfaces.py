# SPDX-License-Identifier: Apache-2.0
"""The operator's commands on a live cluster: stopping a server, JSON, exit codes, refusals."""
import json

import expect
from tandemlab import procs
from tandemlab.layout import now_us


def test_mysqld_stop_of_the_writer_hands_over(cluster, servers):
    c = cluster
    with c.client(writers=4, rate=100) as client:
        client.wait_acks(100)
        pids = c.pids("m1", "mysqld")
        c.mark("mysqld stop on m1")
        said = c.tandem("m1", "mysqld", "stop", timeout_s=90).stdout
        assert "tandem maintenance m1 off" in said and "SIGTERM" in said
        assert not procs.wait_gone(pids, 5)
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        assert not c.pids("m1", "mysqld"), "a server in maintenance was started again"
        c.tandem("m2", "maintenance", "m1", "off")
        c.wait_whole()
    report = c.verify()
    assert c.outage_ms(report) < expect.STALL_MAX_MS


def test_mysqld_stop_without_agent_never_asks_an_open_writer(cluster, servers):
    """Nobody can close it first: it ends as in a crash, and m2 takes over without loss."""
    c = cluster
    with c.client(writers=4, rate=100) as client:
        client.wait_acks(100)
        c.mark("agent and mysqld of m1 stopped")
        c.kill("m1", "agent")
        said = c.tandem("m1", "mysqld", "stop", timeout_s=90)
        assert "SIGKILL" in said.stdout
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        c.start("m1", "agent")
        c.wait_whole()
    c.verify()


def test_answers_and_exit_codes(cluster, servers):
    c = cluster
    c.wait_whole(writer="m1")
    assert c.tandem("m4", "status", "--check", check=False).returncode == 0
    for command in ("status", "history", "explain"):
        assert json.loads(c.tandem("m5", command, "--json").stdout)["cluster"] == "demo"
    assert c.tandem("m1", "status", "--wrong", check=False).returncode == 2
    c.kill("m5", "agent")
    refused = c.tandem("m5", "status", check=False)
    assert refused.returncode == 3 and "systemctl start tandem" in refused.stderr
    c.kill("m2")
    c.wait_status(lambda s: "m2" not in s.in_sync, 20, "m2 has left the set")
    assert c.tandem("m1", "status", "--check", check=False).returncode == 1
    explained = c.tandem("m1", "explain", "m2").stdout
    assert "cannot be made the writer" in explained
