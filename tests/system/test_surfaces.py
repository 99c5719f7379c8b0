# SPDX-License-Identifier: Apache-2.0
"""The operator's commands on a live cluster: stopping a server, JSON, exit codes, refusals."""
import json
import sys

import expect
import pytest
from conftest import MARIADB, MYSQL
from tandemlab import layout, net, procs
from tandemlab.layout import now_us

# What is no fault of the cluster here: a kernel that gives no privileges, a full disk below the tests, namespaces' own defaults; and
# the client programs of a MySQL that is not installed but lies in a directory of its own.
CHECKS_OF_THE_PLACE = {"salvage-program", "realtime", "memlock", "oom", "data-space", "state-space", "promote-secondaries"}
ASK = """
import sys, urllib.error, urllib.request
try:
    with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


def web(c, node, path):
    """Status and body of what the agent answers to a client elsewhere on the network."""
    url = f"http://{layout.ADDRESSES[node]}:7602{path}"
    status, body = net.run([*procs.enter(c.lab, "cl"), sys.executable, "-c", ASK, url]).stdout.split(" ", 1)
    return int(status), body


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


def checked(c, node, *arguments):
    """Exit status, and {(node, id): level} of tandem check on that node's host."""
    done = c.tandem(node, "check", "--json", *arguments, check=False)
    report = json.loads(done.stdout)
    assert done.returncode == report["worst"]
    return done.returncode, report["agent"], {(n["name"], k["id"]): k["level"] for n in report["nodes"] for k in n["checks"]}


@pytest.mark.flavours(MARIADB, MYSQL)
def test_answers_and_exit_codes(cluster, servers):
    c = cluster
    c.wait_whole(writer="m1")
    assert c.tandem("m4", "status", "--check", check=False).returncode == 0
    for command in ("status", "history", "explain"):
        assert json.loads(c.tandem("m5", command, "--json").stdout)["cluster"] == "demo"
    assert c.tandem("m1", "status", "--wrong", check=False).returncode == 2
    found = {node: [path for path in ("/health", "/primary", "/standby", "/replica") if web(c, node, path)[0] == 200]
             for node in ("m1", "m2", "m4")}
    assert found == {"m1": ["/health", "/primary"], "m2": ["/health", "/standby", "/replica"], "m4": ["/health", "/replica"]}
    assert json.loads(web(c, "m4", "/cluster")[1])["writer"] == "m1"
    assert 'tandem_writer{node="m1"} 1\n' in web(c, "m2", "/metrics")[1]
    # What agents tell of their hosts comes after their start; nothing of it is wrong, nor what only this host can tell.
    c.wait_until(lambda: checked(c, "m4")[2]["m1", "address"] == "ok", 20, "the agents have looked at their hosts")
    status, asked, levels = checked(c, "m4")
    wrong = {what: level for what, level in levels.items() if level in ("warning", "fault")}
    assert asked and {what[1] for what in wrong} <= CHECKS_OF_THE_PLACE, wrong
    assert levels["m4", "privileges"] == levels["m4", "server-paths"] == levels["m4", "engines"] == levels["m2", "semi-sync"] == "ok"
    assert levels["m1", "privileges"] == "unknown" and ("m4", "semi-sync") not in levels
    assert levels["m4", "account-powers"] == levels["m4", "connect-errors"] == "ok"
    c.sql("m1", "CREATE USER 'batch'@'%'")
    c.sql("m1", "GRANT SUPER ON *.* TO 'batch'@'%'")
    c.wait_until(lambda: checked(c, "m4")[2]["m4", "account-powers"] == "warning", 10, "the account has reached m4")
    assert "REVOKE SUPER ON *.* FROM 'batch'@'%'" in c.tandem("m4", "check", check=False).stdout
    c.kill("m5", "agent")
    c.sql("m5", "SET GLOBAL sync_binlog = 0")
    status, asked, levels = checked(c, "m5")
    assert (status, asked, levels["m5", "sync-binlog"], levels["m5", "nftables"], levels["m5", "ports"]) == (2, False, "fault", "ok", "ok")
    c.wait_until(lambda: checked(c, "m1")[2]["m5", "agent"] == "fault", 10, "m1 misses the agent of m5")
    refused = c.tandem("m5", "status", check=False)
    assert refused.returncode == 3 and "systemctl start tandem" in refused.stderr
    c.kill("m2")
    c.wait_status(lambda s: "m2" not in s.in_sync, 20, "m2 has left the set")
    assert c.tandem("m1", "status", "--check", check=False).returncode == 1
    explained = c.tandem("m1", "explain", "m2").stdout
    assert "cannot be made the writer" in explained


def test_what_is_at_stake(cluster, servers):
    """Nothing while a standby is in sync; without one the transactions that no other server has, since when, and why."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        stake = c.status().data["at_stake"]
        assert (stake["transactions"], stake["since_wall_ms"]) == (0, None) and stake["text"] == "nothing"
        began = c.status().data["wall_ms"]
        c.kill("m2")
        c.wait_status(lambda s: "m2" not in s.in_sync, 20, "m2 has left the set")
        for node in ("m3", "m4", "m5"):  # nobody else receives anything either
            c.stop(node, "mysqld")
        client.wait_acks(100)
        for asked in ("m1", "m4"):
            stake = c.wait_status(lambda s: (s.data["at_stake"]["transactions"] or 0) > 20, 20, "some are at stake") and \
                c.status_of(asked).data["at_stake"]  # fmt: skip
            assert began - 1000 <= stake["since_wall_ms"] <= c.status().data["wall_ms"] + 1000
            assert "m2: its agent does not answer" in stake["why"] and " UTC, because no standby is in sync" in stake["text"]
        said = c.tandem("m1", "status").stdout
        assert "at stake: the loss of m1 would lose up to" in said
        for node in ("m3", "m4", "m5"):
            c.cont(node, "mysqld")
        c.start("m2")
        c.wait_whole(writer="m1")
        assert c.status().data["at_stake"]["transactions"] == 0
        assert "at stake" not in c.tandem("m1", "status").stdout
    c.verify()
