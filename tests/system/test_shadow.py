# SPDX-License-Identifier: Apache-2.0
"""`tandem shadow` beside the classic stack: it tells what Tandem would have done, and nothing of the stack changes by it."""
import json
import os
import signal
import subprocess
import tempfile

import classic
import pytest
from tandemlab import layout, net
from tandemlab.layout import NODES, VIP, Lab
from tandemlab.wait import wait_until
from vrrp_pair import Pair

LOOKER = (
    "CREATE USER tandem_shadow@'%' IDENTIFIED BY 'looks'",
    "GRANT REPLICATION CLIENT, REPLICATION SLAVE, PROCESS ON *.* TO tandem_shadow@'%'",
)
MORE = {False: "GRANT SLAVE MONITOR ON *.* TO tandem_shadow@'%'", True: "GRANT XA_RECOVER_ADMIN ON *.* TO tandem_shadow@'%'"}
SETTINGS = ("policy.probe_interval=200", "policy.probe_timeout=500", "policy.shrink_after=8000", "vrrp.version=2", "vrrp.password=1111")


def allow_looking(c):
    """An account that may look and no more, on the writer: it replicates."""
    c.run("m1", *LOOKER, MORE[c.flavour.is_mysql])
    path = os.path.join(c.lab.dir, "looks")
    with open(path, "w", encoding="utf-8") as f:
        f.write("looks\n")
    return ["--user", "tandem_shadow", "--password-file", path]


class Shadow:
    """tandem shadow in a host; what it recorded."""

    def __init__(self, c, host, account):
        self.c, self.host, self.account = c, host, account
        self.path = os.path.join(c.lab.dir, "shadow.jsonl")

    def __enter__(self):
        self.process = self.c.spawn(self.host, "shadow", "--config", self.c.lab.config, "--record", self.path, *self.account, log="shadow.log")
        return self

    def __exit__(self, *exception):
        self.process.terminate()
        assert self.process.wait(10) == 0

    def told(self, event):
        try:
            with open(self.path, encoding="utf-8") as f:
                lines = [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [line for line in lines if line["event"] == event]

    def wait(self, event, timeout_s=30):
        self.c.wait_until(lambda: self.told(event), timeout_s, f"{event} of the shadow: {self.path}")
        return self.told(event)[-1]

    def shown(self, *options):
        done = subprocess.run([layout.find_program("tandem"), "shadow", "--show", self.path, *options], capture_output=True, text=True, check=True)
        return done.stdout


def state_of(c, node):
    """All that the stack consists of on a host: variables, accounts, binlogs, position, addresses, rules of the kernel."""
    replica = c.sql(node, "SHOW REPLICA STATUS" if c.flavour.is_mysql else "SHOW SLAVE STATUS")[0]
    accounts = "SELECT user, host, plugin, authentication_string FROM mysql.user" if c.flavour.is_mysql else "SELECT * FROM mysql.global_priv"
    return {
        "variables": c.sql(node, "SHOW GLOBAL VARIABLES"),
        "accounts": c.sql(node, accounts + " ORDER BY user, host"),
        "schemas": c.sql(node, "SHOW DATABASES"),
        "binlogs": c.sql(node, "SHOW BINARY LOGS"),
        "replica": {name: replica[name] for name in replica if "Log_Pos" in name or "File" in name or "Host" in name or "Running" in name},
        "addresses": net.run(["ip", "-n", c.lab.namespace(node), "-o", "addr"]).stdout,
        "rules": net.run([*net.enter(c.lab.namespace(node)), "nft", "list", "ruleset"]).stdout,
        "files": sorted(os.listdir(c.lab.path(node, "state"))),
    }


def settled(c):
    """The state of all hosts, when nothing of it moves any more: positions are noted a while after the rows are there."""
    seen = [None]

    def same():
        was, seen[0] = seen[0], {node: state_of(c, node) for node in NODES}
        return was == seen[0]

    c.wait_until(same, 30, "nothing moves", 0.3)
    return seen[0]


class Wire:
    """What a host sends besides TCP, as the switch sees it: VRRP, group membership, ARP that nobody asked for."""

    FILTER = "ip proto 112 or igmp or (arp and arp[14:4] == arp[24:4])"

    def __init__(self, c, host):
        self.path = os.path.join(c.lab.dir, f"wire-{host}.pcap")
        self.address = layout.ADDRESSES[host]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*net.enter(c.lab.namespace("sw")), "tcpdump", "-i", host, "-Q", "in", "--immediate-mode", "-U", "-w", self.path, self.FILTER],
            stderr=subprocess.PIPE, text=True)  # fmt: skip
        assert any("listening on" in line for line in iter(self.process.stderr.readline, ""))

    def sent(self):
        self.process.terminate()
        self.process.wait(10)
        return subprocess.run(["tcpdump", "-n", "-r", self.path], capture_output=True, text=True, check=True).stdout


def test_shadow_tells_and_touches_nothing(make_cluster, servers):
    c = make_cluster(servers, SETTINGS, kind=classic.Classic, agents=False, pair=True)
    c.begin()
    account = allow_looking(c)
    with c.client(writers=1, rate=50) as client:
        client.wait_acks(20)
    classic.wait_caught_up(c)
    before = settled(c)
    wire = Wire(c, "m2")
    with Shadow(c, "m2", account) as shadow:
        assert f"m1 is the writer: it answers at {VIP}; in sync: m2" in shadow.wait("shadow-writer")["text"]
        assert "m1 is the Master by VRRP, with priority 100" in shadow.wait("shadow-vrrp")["text"]
        assert {node: state_of(c, node) for node in NODES} == before
        assert wire.sent() == ""
        with c.client(writers=1, rate=50) as client:
            client.wait_acks(50)
            c.kill("m1", "mysqld")
            promoted = shadow.wait("shadow-promotes")
            assert (promoted["node"], promoted["rule"]) == ("m2", "lead/130")
            assert shadow.wait("shadow-hands-over")["rule"] == "writer/30"
            assert 0 < shadow.wait("shadow-writable")["after_ms"] < 5000
            c.wait_until(lambda: c.vip_holders() == ["m2"], 20, "Keepalived moved the address")
            compared = shadow.wait("shadow-compared")["text"]
            assert "the other stack made m2 the writer" in compared and "Tandem would have promoted it too" in compared
        c.wait_notified("m2")
        assert not c.value("m2", "@@global.read_only"), "as the classic stack left it"
        assert classic.channel_of(c, "m3")[0] == layout.ADDRESSES["m2"], "repointed by the script, not by the shadow"
    assert "would have promoted m2" in shadow.shown()
    assert [line["event"] for line in json.loads(shadow.shown("--json"))][-1] != "shadow-lost"


VIP6 = "fd17::101"
BOTH = """
global_defs {{
    router_id {host}
    vrrp_version 3
}}
vrrp_instance V4 {{
    interface eth0
    virtual_router_id 100
    priority {priority}
    virtual_ipaddress {{ {vip} }}
}}
vrrp_instance V6 {{
    interface eth0
    virtual_router_id 100
    priority {priority}
    virtual_ipaddress {{
        fe80::101
        {vip6}
    }}
}}
"""
SEEN = """
cluster = demo
arbiter vrrp {{ }}
vrrp {{ router_id = 100  arbitration = "{arbitration}" }}
virtual_ipaddress "{vip}/32" {{ device = eth0 }}
virtual_ipaddress "fe80::101/64" {{ device = eth0 }}
virtual_ipaddress "{vip6}/128" {{ device = eth0 }}
node m1 {{ address = {m1}  role = candidate  priority = 100 }}
node m2 {{ address = {m2}  role = candidate  priority = 50 }}
"""


@pytest.fixture
def bare_pair():
    """Two hosts of the lab's network, and no server."""
    with tempfile.TemporaryDirectory(prefix="tandem-shadow-") as directory:
        made = Pair(Lab(directory, f"w{os.getpid() % 100000}-", "none", agents=False))
        try:
            yield made
        finally:
            made.close()


def test_shadow_hears_both_families(bare_pair, tmp_path):
    """Beside a Keepalived of IPv6 as well: its advertisements come from an address that is of no node."""
    config, looks, record = tmp_path / "pair.conf", tmp_path / "looks", tmp_path / "record.jsonl"
    config.write_text(SEEN.format(vip=VIP, vip6=VIP6, arbitration=layout.CLIENT_ADDRESS, **{n: layout.ADDRESSES[n] for n in layout.PAIR}))
    looks.write_text("none\n")
    looks.chmod(0o600)
    first, second = (bare_pair.keepalived(host, BOTH.format(host=host, priority=priority, vip=VIP, vip6=VIP6))
                     for host, priority in (("m1", 100), ("m2", 50)))  # fmt: skip
    for vip in (VIP, VIP6):
        bare_pair.wait_holder(vip, "m1", 20)

    def told():
        return [json.loads(line)["text"] for line in record.read_text().splitlines() if '"shadow-vrrp"' in line] if record.exists() else []

    argv = [*net.enter(bare_pair.lab.namespace("m2")), layout.find_program("tandem"), "shadow", "--config", str(config),
            "--user", "nobody", "--password-file", str(looks), "--record", str(record)]  # fmt: skip
    with open(tmp_path / "log", "w", encoding="utf-8") as log, subprocess.Popen(argv, stderr=log) as shadow:
        try:
            wait_until(lambda: len(told()) == 2, 20, f"both families of m1: {told()}, {tmp_path}/log")
            assert "m1 is the Master by VRRP, with priority 100" in told()
            assert any(text.startswith("fe80:") and "an address of no node, is the Master by VRRP, with priority 100" in text for text in told())
            first.stop()
            wait_until(lambda: sum("gives up being the Master" in text for text in told()) == 2, 20, f"goodbyes of m1: {told()}")
        finally:
            shadow.send_signal(signal.SIGTERM)
            assert shadow.wait(10) == 0
    assert "shadow-deaf" not in (tmp_path / "log").read_text()
    second.assert_content()
