# SPDX-License-Identifier: Apache-2.0
"""Two hosts with agents and no quorum (arbiter vrrp); m3, m4 and m5 have servers only and are managed over SQL.

The client's host is the arbitration address where there is one: both hosts reach it unless they are cut off."""
import glob
import json
import os
import re
import stat
import subprocess

import expect
import pytest
import stories
from conftest import ARBITRATION, MARIADB, MYSQL, PAIR_SETTINGS
from tandemlab import layout, record, verify
from tandemlab.keepalived import Keepalived
from tandemlab.layout import now_us

BOTH = pytest.mark.flavours(MARIADB, MYSQL)


@pytest.fixture
def pair(make_cluster, servers, request):
    """A whole pair with an arbitration address; the mark `settings` adds options or replaces that one."""
    marker = request.node.get_closest_marker("settings")
    return make_cluster(servers, (*PAIR_SETTINGS, *(marker.args if marker else (ARBITRATION,))), pair=True)


@BOTH
def test_dead_mysqld_gives_the_address_away_at_once(pair):
    c = pair
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("mysqld of m1 killed")
        c.kill("m1", "mysqld")
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        c.wait_whole(writer="m2")
        client.wait_acks(50)
    report = c.verify()
    expect.topology(c, "m2")
    # A goodbye and one skew time, not three advertisements and one.
    assert "cause='the master gave up its role'" in c.log_of("m2")
    assert "cause='the master fell silent'" not in c.log_of("m2").split("cause='the master gave up its role'")[0].split("attached")[-1]
    assert c.outage_ms(report) < expect.STALL_MAX_MS


@BOTH
def test_host_lost_and_back(pair):
    c = pair
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("host m1 lost")
        c.vanish("m1")
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        assert "rule=pair/110" in c.log_of("m2")
        c.wait_status(lambda s: s.in_place("m3") and s.in_place("m4") and s.in_place("m5"), 30, "the cascade follows m2")
        c.mark("m1 boots")
        c.boot("m1")
        c.wait_whole(writer="m2")
        client.wait_acks(50)
    report = c.verify()
    expect.topology(c, "m2")
    assert c.outage_ms(report, 0) < expect.STALL_MAX_MS
    assert c.outage_ms(report, 1) < 3000, "a host that returns is no fault"


@pytest.mark.thorough
@BOTH
def test_switchover_and_back(pair):
    stories.switch_there_and_back(pair, "m2")


@BOTH
def test_writer_that_reaches_nobody_is_no_writer(pair):
    """m1 has neither m2 nor the arbitration address: it closes before m2 opens."""
    report = stories.cut_writer_off(pair)
    assert "pair-deposed" in pair.log_of("m1")
    assert pair.outage_ms(report, 0) < expect.STALL_MAX_MS


@pytest.mark.thorough
@BOTH
def test_writer_goes_on_alone_after_a_stated_time(pair):
    """m2 is lost: commits wait for it until the writer takes it out of the set, which is alarmed and recorded."""
    c = pair
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("host m2 lost")
        c.vanish("m2")
        c.wait_status(lambda s: s.writable and not s.in_sync, 20, "the set is empty")
        client.wait_ack_after(now_us())
        client.wait_acks(100)
        assert "pair-alone" in c.log_of("m1")
        status = c.status_of("m1").data
        assert not status["safe"] and any("writes go on without" in text for text in status["troubles"]), status["troubles"]
        assert "shrink" in c.tandem("m1", "history").stdout
        c.mark("m2 boots")
        c.boot("m2")
        c.wait_whole(writer="m1")
        client.wait_acks(50)
    report = c.verify()
    assert report.writer_changes == 0
    assert 2500 < c.outage_ms(report, 0) < expect.STALL_MAX_MS, "as long as shrink_after says"


@pytest.mark.thorough
@BOTH
@pytest.mark.settings(ARBITRATION, "policy.durability=strict")
def test_strict_writer_acknowledges_nothing_alone(pair):
    c = pair
    # patient ones: each that gives up leaves a session behind that waits, until the server has no connection left for m2
    with c.client(writers=2, rate=100, timeout_ms=4000) as client:
        client.wait_acks(100)
        c.vanish("m2")
        c.wait_until(lambda: c.waiting("m1") > 0, 10, "commits wait")
        acks, began = client.acks(), now_us()
        c.wait_until(lambda: now_us() > began + 6_000_000, 10, "longer than shrink_after", 0.1)
        assert client.acks() <= acks + 2
    assert c.status_of("m1").in_sync == ["m2"], "a lost member stays one, since nobody takes its place"
    assert c.sampler.violations == []


@pytest.mark.thorough
@BOTH
@pytest.mark.settings("policy.preempt=false")
def test_without_arbitration_a_silent_host_is_taken_over_by_hand(pair):
    c = pair
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("host m1 lost")
        c.vanish("m1")
        c.wait_until(lambda: "rule=pair/60" in c.log_of("m2"), 20, "m2 says why it does not take over")
        status = c.status_of("m2")
        assert status.nodes["m2"]["trouble"] and not status.writable
        lost = now_us()
        c.wait_until(lambda: now_us() > lost + 5_000_000, 20, "longer than shrink_after: m1 may have gone on alone", 0.2)
        refused = c.tandem("m2", "failover", "--to", "m2", check=False)
        assert refused.returncode != 0 and "cannot be proven" in refused.stdout + refused.stderr
        assert c.status_of("m2").writer == "m1"
        c.tandem("m2", "failover", "--to", "m2", "--accept-data-loss", check=False)
        c.wait_writer("m2", 40)
        client.wait_ack_after(now_us())
        c.boot("m1")
        c.wait_status(lambda s: s.replicating("m1") or s.quarantined("m1"), 60, "m1 is cured, or kept apart")
        client.wait_acks(50)
    assert c.sampler.violations == []


def rows_of(text):
    """(writer, seq) of each row that the server's own program prints as written to demo.writes."""
    return {(int(w), int(s)) for w, s in re.findall(r"^### INSERT INTO `demo`\.`writes`\n### SET\n###   @1=(\d+).*\n###   @2=(\d+)", text, re.MULTILINE)}


def assert_salvaged(c, loser, winner):
    """No client writes any more: whatever the loser acknowledged and the winner lacks is in the loser's salvages, to be read
    and raw; and nothing of it came into anybody's table."""
    number = 1 + layout.NODES.index(loser)
    acked = {(a.writer, a.seq) for a in record.read_attempts(c.lab.record_dir) if a.outcome == "ack" and a.server == number}
    lost = acked - verify.read_rows(c.lab.socket(winner)).keys()
    assert len(lost) > 20, "it acknowledged alone"
    program = os.path.join(c.flavour.root, "usr/bin", "mysqlbinlog" if c.flavour.is_mysql else "mariadb-binlog")
    readable, raw, transactions = set(), set(), 0
    for one in json.loads(c.tandem(loser, "salvage", "list", "--json").stdout):
        readable |= rows_of(c.tandem(loser, "salvage", "show", one["name"], "--sql", "--binlog-program", program).stdout)
        for file in glob.glob(os.path.join(one["path"], "events*")):
            events = subprocess.run([program, "--no-defaults", "-v", "--verify-binlog-checksum", file], text=True, capture_output=True, timeout=60, check=False)
            assert events.returncode == 0, events.stderr
            raw |= rows_of(events.stdout)
        transactions += one["transactions"]
        assert one["complete"] and one["manifest"]["transactions"][0]["gtid"] in c.tandem(loser, "salvage", "show", one["name"]).stdout
    assert not lost - readable, f"{len(lost - readable)} of {len(lost)} are not in what can be read"
    assert not lost - raw and transactions >= len(lost)
    for node in ("m3", "m4", "m5"):
        c.wait_status(lambda s, node=node: s.replicating(node), 30, f"{node} follows {winner}")
        assert not lost & verify.read_rows(c.lab.socket(node)).keys(), f"{node} has rows of both"


@BOTH
def test_split_brain_is_healed_by_the_later_epoch(pair):
    """Cut from each other, both reach the arbitration address: both write. What only a quorum could have prevented is
    at least not merged: the loser is fenced, and every row that it alone acknowledged is in a file."""
    c = pair
    with c.client(writers=2, rate=100) as client, c.client("direct", rate=50, host="172.17.0.10") as direct:
        client.wait_acks(100)
        direct.wait_acks(20)
        c.cut("m1", "m2", "m3", "m4", "m5")
        c.wait_until(lambda: (c.status_of("m2") or c.status_of("m1")).writer == "m2", 30, "m2 was promoted")
        c.wait_until(lambda: "pair-alone" in c.log_of("m1"), 30, "m1 goes on alone")
        direct.wait_acks(20)
        c.heal()
        c.wait_status(lambda s: s.writer == "m2" and s.writable and s.quarantined("m1"), 60, "m2 is the writer, m1 is kept apart")
        c.wait_until(lambda: c.status_of("m2").nodes["m1"].get("salvaged"), 60, "what m1 holds alone is in a file")
        client.wait_ack_after(now_us())
        assert expect.is_closed(c, "m1")
        assert expect.channel(c, "m1") is None or expect.channel(c, "m1")[1] == "No"
        salvage = c.lab.path("m1", "state/salvage")
        assert os.listdir(salvage)
        assert c.status_of("m2").data["epoch"] > 1
    assert_salvaged(c, "m1", "m2")


@BOTH
@pytest.mark.settings(ARBITRATION, "policy.preempt=true", "policy.preempt_delay=1000")
def test_preferred_host_gets_the_address_back_by_a_switchover(pair):
    c = pair
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("mysqld of m1 killed")
        c.kill("m1", "mysqld")
        c.wait_writer("m2")
        c.wait_whole(writer="m1")
        client.wait_ack_after(now_us())
    c.verify()
    expect.topology(c, "m1")
    assert "rule=writer/140" in c.log_of("m2")


@pytest.mark.thorough
@BOTH
def test_notify_script_gets_its_arguments(make_cluster, servers, tmp_path):
    """TYPE NAME STATE PRIORITY after its own arguments, the others as they are written: as Keepalived calls them."""
    script, calls = tmp_path / "notify", tmp_path / "calls"
    script.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    hooks = (f"hooks.notify={script} -x", f"hooks.notify_master={script} up 'to eth0' %n", f"hooks.notify_stop={script} stopped %n",
             "hooks.notify_name=VI_1")  # fmt: skip
    c = make_cluster(servers, (*PAIR_SETTINGS, ARBITRATION, *hooks), pair=True)

    def told(*lines):
        return set(lines) <= set(calls.read_text().splitlines())

    c.wait_until(lambda: told("up to eth0 m1", "-x INSTANCE VI_1 MASTER 100", "-x INSTANCE VI_1 BACKUP 50"), 10, "the first roles were told")
    c.kill("m1", "mysqld")
    c.wait_whole(writer="m2")
    c.wait_until(lambda: told("-x INSTANCE VI_1 FAULT 100", "up to eth0 m2", "-x INSTANCE VI_1 MASTER 50"), 10, "the change was told")
    c.term("m1", "agent")
    c.wait_until(lambda: told("stopped m1", "-x INSTANCE VI_1 STOP 100"), 10, "the end was told")


# Of a host only its own addresses are in that table.
# Keepalived runs the scripts of one change side by side: a line is one write.
NOTIFY = """#!/bin/sh
while read -r branch address rest; do
    case $address in {m1}) host=m1 ;; {m2}) host=m2 ;; esac
done < /proc/net/fib_trie
for argument; do host="$host|$argument"; done
echo "$host" >> {calls}
env >> {calls}.env
"""
CHECK = """#!/bin/sh
while read -r branch address rest; do
    case $address in {m1}) test ! -e {fault} || exit 1 ;; esac
done < /proc/net/fib_trie
"""
NOTIFYING = """global_defs {{
    router_id {node}
    script_user root
}}
vrrp_script chk {{
    script {check}
    interval 1
    fall 1
    rise 1
}}
vrrp_instance VI_1 {{
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 101
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        {vip}/{mask} dev eth0
    }}
    track_script {{
        chk
    }}
    notify "{script} all -x"
    notify_master "{script} master up eth0"
    notify_backup "{script} backup"
    notify_fault "{script} fault"
    notify_stop "{script} stop"
}}
"""


class Notified:
    """What a script was called with, by host (m1, m2) and kind (its first argument), in order."""

    def __init__(self, directory):
        self.calls = directory / "calls"
        self.script = directory / "notify"
        self.script.write_text(NOTIFY.format(m1=layout.ADDRESSES["m1"], m2=layout.ADDRESSES["m2"], calls=self.calls))
        self.check, self.fault = directory / "check", directory / "fault"
        self.check.write_text(CHECK.format(m1=layout.ADDRESSES["m1"], fault=self.fault))
        for script in (self.script, self.check):
            script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def of(self, node, kind):
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        found = [line.split("|")[1:] for line in lines]
        hosts = [line.split("|")[0] for line in lines]
        return [args for host, args in zip(hosts, found) if host == node and args[0] == kind]

    def last(self, node):
        return (self.of(node, "all") or [[""] * 6])[-1][4]

    def take(self):
        """Everything since the last time, with the names of the variables."""
        kinds = ("all", "master", "backup", "fault", "stop")
        seen = {(node, kind): self.of(node, kind) for node in layout.PAIR for kind in kinds}
        names = {line.split("=")[0] for line in open(f"{self.calls}.env", encoding="utf-8") if re.match(r"\w+=", line)}
        os.unlink(self.calls)
        os.unlink(f"{self.calls}.env")
        return seen, names


def settled(calls):
    """Without what comes before the first Master of m1 and the first BACKUP of m2: how a start is told is each program's own."""
    first = {"m1": "MASTER", "m2": "BACKUP"}
    result = {}
    for (node, kind), lines in calls.items():
        states = [args[4] for args in lines] if kind == "all" else []
        result[node, kind] = lines[states.index(first[node]) :] if kind == "all" else lines
    return result


@pytest.mark.thorough
def test_notify_scripts_are_called_as_keepalived_calls_them(make_cluster, servers, tmp_path):
    """The same two keepalived.conf under Keepalived, and under agents after `tandem import`: the same arguments, line by line."""
    n = Notified(tmp_path)
    confs = {}
    for node, priority in (("m1", 100), ("m2", 50)):
        confs[node] = NOTIFYING.format(node=node, priority=priority, check=n.check, script=n.script, vip=layout.VIP, mask=layout.NETMASK)
        (tmp_path / f"{node}.conf").write_text(confs[node])
    out = tmp_path / "imported.conf"
    names = [word for node in layout.PAIR for word in ("--name", f"{node}={layout.ADDRESSES[node]}")]
    subprocess.run([layout.find_program("tandem"), "import", *(str(tmp_path / f"{node}.conf") for node in layout.PAIR), *names, "--out", str(out)],
                   check=True, capture_output=True, timeout=30)  # fmt: skip
    hooks = re.findall(r'^    (notify\w*) = "?(.*?)"?$', out.read_text(), re.MULTILINE)
    assert len(hooks) == 6, hooks
    c = make_cluster(servers, (*PAIR_SETTINGS, ARBITRATION, "policy.preempt=false", *(f"hooks.{name}={value}" for name, value in hooks)), pair=True)
    c.wait_until(lambda: n.last("m1") == "MASTER" and n.last("m2") == "BACKUP", 20, "the first roles were told")
    c.kill("m1", "mysqld")
    c.wait_until(lambda: n.last("m2") == "MASTER", 20, "m2 is the writer")
    c.wait_until(lambda: n.last("m1") == "BACKUP", 60, "m1 is a standby again")
    c.term("m1", "agent")
    c.wait_until(lambda: n.last("m1") == "STOP", 30, "the end of m1 was told")
    c.term("m2", "agent")
    c.wait_until(lambda: n.last("m2") == "STOP", 30, "the end of m2 was told")
    tandem, variables = n.take()
    c.wait_until(lambda: not c.vip_holders(), 20, "nobody has the address")

    keepalived = {}
    try:
        # Without preemption the Master is whose check has passed first.
        for node, state in (("m1", "MASTER"), ("m2", "BACKUP")):
            keepalived[node] = Keepalived(c.lab, node, confs[node])
            c.wait_until(lambda node=node, state=state: n.last(node) == state, 30, f"the first state of Keepalived on {node}")
        n.fault.touch()
        c.wait_until(lambda: n.last("m1") == "FAULT" and n.last("m2") == "MASTER", 30, "m2 is Keepalived's Master")
        n.fault.unlink()
        c.wait_until(lambda: n.last("m1") == "BACKUP", 30, "m1 is a backup again")
        keepalived["m1"].stop()
        keepalived["m2"].stop()
        c.wait_until(lambda: n.last("m1") == "STOP" and n.last("m2") == "STOP", 30, "the ends were told")
    finally:
        for one in keepalived.values():
            one.kill()
    real, real_variables = n.take()
    print(f"environment: only Keepalived's {sorted(real_variables - variables)}, only the agent's {sorted(variables - real_variables)}")
    assert settled(tandem)["m1", "all"] == settled(real)["m1", "all"]
    assert settled(tandem)["m2", "all"] == settled(real)["m2", "all"]
    for (node, kind), lines in real.items():
        # An agent begins in FAULT where its server is not up yet.
        if kind != "all" and lines:
            assert {tuple(args) for args in tandem[node, kind]} == {tuple(args) for args in lines}, (node, kind)
    assert not real_variables - variables, "what a script finds in its environment"
