# SPDX-License-Identifier: Apache-2.0
"""Scenario files of the simulator that are marked `also in the lab`, on real servers and agents.

The files are read by `tandem-sim --json`, so that there is one parser. What a file says is done here by the words of
tandemlab; a word that is missing below fails the test that uses it. docs/design/simulation.md describes the language."""
import contextlib
import json
import os
import subprocess

import expect
import pytest
from tandemlab.layout import ADDRESSES, NODES, ROOT, VIP, find_program, now_us

FOLDER = os.path.join(ROOT, "tests/scenarios")
# The lab's topology, as tandem-sim writes it.
CLUSTER = "m1 candidate 100, m2 candidate 50, m3 replica of writer, m4 replica of m3, m5 replica of m3"
# Two busy cores under five servers: what must come true may take this much longer than in simulated time.
SLACK_S = 25


def marked():
    """Names of the files with the mark; read as text, so that collecting needs no build."""
    found = []
    for name in sorted(os.listdir(FOLDER)):
        with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
            if any(line.strip() == "also in the lab" for line in f):
                found.append(name)
    return found


def load(name):
    done = subprocess.run([find_program("tandem-sim"), "--json", os.path.join(FOLDER, name)], check=True, capture_output=True,
                          text=True, timeout=20)  # fmt: skip
    return json.loads(done.stdout)


class Play:
    """One scenario on one lab."""

    def __init__(self, cluster, clients):
        self.c = cluster
        self.clients = clients  # ExitStack: they end with the test
        self.client = None
        self.started_us = now_us()
        self.it = None
        self.epoch = cluster.status().data["epoch"]

    # --- words ----------------------------------------------------------------------------------

    def writer(self):
        status = self.c.status()
        return status.writer if status else None

    def nodes(self, word):
        status = self.c.status() if word in ("writer", "standby", "leader") else None
        if word == "everyone":
            return list(NODES)
        if word == "it":
            return [self.it]
        if word == "writer":
            return [status.writer]
        if word == "leader":
            return [status.data["leader"]]
        if word == "standby":
            return [next(n for n in ("m1", "m2") if n != status.writer)]
        assert word in NODES, f"'{word}' is no node of the lab"
        return [word]

    def order(self, s, *arguments):
        self.c.tandem(s["asked_at"] or self.writer() or "m3", *arguments)

    def write(self, name, host):
        client = self.clients.enter_context(self.c.client(name, writers=2, rate=100, host=host))
        client.wait_acks(50)
        return client

    def write_through_vip(self):
        self.client = self.write("main", VIP)

    def write_to_every_node(self):
        for node in ("m1", "m2"):
            self.clients.enter_context(self.c.client(f"direct-{node}", rate=50, host=ADDRESSES[node]))

    # --- actions --------------------------------------------------------------------------------

    def act(self, s):
        c, name = self.c, s["name"]
        whole = {
            "WRITE_VIP": self.write_through_vip,
            "WRITE_DIRECT": self.write_to_every_node,
            "CUT_PAIR": lambda: c.cut(self.nodes(s["a"])[0], self.nodes(s["b"])[0]),
            "CUT_WAY": lambda: c.cut(self.nodes(s["a"])[0], self.nodes(s["b"])[0], oneway=True),
            "HEAL_PAIR": lambda: c.heal(self.nodes(s["a"])[0], self.nodes(s["b"])[0]),
            "HEAL_NETWORK": c.heal,
            "SWITCH_OVER": lambda: self.order(s, "switchover"),
            "PAUSE": lambda: self.order(s, "pause"),
            "RESUME": lambda: self.order(s, "resume"),
        }
        each = {
            "KILL_MYSQLD": lambda node: c.kill(node, "mysqld"),
            "KILL_AGENT": lambda node: c.kill(node, "agent"),
            "KILL_BOTH": c.kill,
            "SHUT_DOWN_MYSQLD": lambda node: c.term(node, "mysqld"),
            "HANG_MYSQLD": lambda node: c.stop(node, "mysqld"),
            "CONTINUE_MYSQLD": lambda node: c.cont(node, "mysqld"),
            "HANG_AGENT": lambda node: c.stop(node, "agent"),
            "CONTINUE_AGENT": lambda node: c.cont(node, "agent"),
            "STOP_AGENT": lambda node: c.term(node, "agent"),
            "START_AGENT": lambda node: c.start(node, "agent"),
            "CUT_POWER": c.vanish,
            "BOOT": c.boot,
            "CUT_ALL": c.cut,
            "HEAL_NODE": c.heal,
            "SWITCH_OVER_TO": lambda node: self.order(s, "switchover", "--to", node),
            "MAINTENANCE_ON": lambda node: self.order(s, "maintenance", "on", node),
            "MAINTENANCE_OFF": lambda node: self.order(s, "maintenance", "off", node),
        }
        if name in whole:
            whole[name]()
            return
        assert name in each, f"line {s['line']}: the lab has no word for {name}"
        nodes = self.nodes(s["a"])
        c.mark(f"{name.lower()} {' '.join(nodes)}")
        for node in nodes:
            each[name](node)
        self.it = nodes[0]

    # --- expectations ---------------------------------------------------------------------------

    def acknowledged_now(self):
        last = self.client.last_ack() if self.client else None
        return last is not None and now_us() - last[0] < 500_000

    def writes_at(self, node):
        status = self.c.status()
        return status is not None and status.writable and status.writer == node and (self.client is None or self.acknowledged_now())

    def holds(self, s):
        c, status = self.c, self.c.status()
        checks = {
            "WRITER_IS": lambda: self.writes_at(self.nodes(s["a"])[0]),
            "WRITER_IS_NOT": lambda: not self.writes_at(self.nodes(s["a"])[0]),
            "WRITES": self.acknowledged_now,
            "NO_WRITES": lambda: not self.acknowledged_now(),
            "WHOLE": lambda: status is not None and status.is_whole(),
            "IN_SYNC": lambda: status is not None and self.nodes(s["a"])[0] in status.in_sync,
            "NOT_IN_SYNC": lambda: status is not None and self.nodes(s["a"])[0] not in status.in_sync,
            "FOLLOWS": lambda: c.answers(self.nodes(s["a"])[0]) and expect.follows(c, self.nodes(s["a"])[0], self.nodes(s["b"])[0]),
            "PROMOTIONS": lambda: status is not None and (status.data["epoch"] == self.epoch) == (s["number"] == 1),
            # By the verifier, when the clients have ended; an outage on a busy machine is a figure, not a verdict.
            "NOTHING_LOST": lambda: True,
            "OUTAGE": lambda: True,
        }
        assert s["name"] in checks, f"line {s['line']}: the lab has no word for {s['name']}"
        return checks[s["name"]]()

    def expect(self, s):
        what = f"line {s['line']}: {s['name']} {s['a']} {s['b']}"
        if s["how"] == "for":
            end_us = now_us() + s["how_ms"] * 1000
            while now_us() < end_us:
                assert self.holds(s), what
            return
        self.c.wait_until(lambda: self.holds(s), s["how_ms"] / 1000 + SLACK_S, what, 0.1)

    # --- time -----------------------------------------------------------------------------------

    def wait(self, s):
        assert s["when"] != "effect", f"line {s['line']}: real agents do not stop between two effects"
        if s["when"] == "now":
            return
        until_us = (self.started_us if s["when"] == "at" else now_us()) + s["when_ms"] * 1000
        self.c.wait_until(lambda: now_us() >= until_us, s["when_ms"] / 1000 + 5, "the time to pass", 0.005)

    def run(self, statements):
        for s in statements:
            self.wait(s)
            self.act(s) if s["kind"] == "action" else self.expect(s)


@pytest.mark.parametrize("name", marked())
def test_scenario(make_cluster, servers, name):
    scenario = load(name)
    assert scenario["cluster"] == CLUSTER, "the lab has one topology"
    # what a file does not set is as in the cluster file; the tests' own settings are for the machine
    c = make_cluster(servers, ("policy.preempt=true", *scenario["settings"]))
    with contextlib.ExitStack() as clients:
        Play(c, clients).run(scenario["statements"])
    c.verify()


def test_some_are_marked():
    assert len(marked()) >= 4
