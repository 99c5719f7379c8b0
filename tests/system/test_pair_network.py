# SPDX-License-Identifier: Apache-2.0
"""A pair (arbiter vrrp) and its network: what it hears that is not the other host's word, and a MAC of its own."""
import json
import os
import re
import sys

import expect
import pytest
import vrrp_pair
from conftest import ARBITRATION, MARIADB, MYSQL, PAIR_SETTINGS
from tandemlab import net
from tandemlab.layout import ADDRESSES, PAIR, VIP, LabError, now_us

VIP6 = "fd17::101"
BOTH = pytest.mark.flavours(MARIADB, MYSQL)
# What an agent hears of VRRP, and what devices its host has, is the same whatever server it manages.
MARIA = pytest.mark.flavours(MARIADB)
LEAK_MAX_KB = 512  # of ten thousand datagrams: not one may leave 52 bytes behind


def anonymous_kb(c, node):
    """Memory that the agent has asked for, without what it reads of its program's files."""
    with open(f"/proc/{c.pids(node, 'agent')[0]}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))


def dropped(c, node):
    """Datagrams of protocol 112 for which the kernel had no room, by address family."""
    counts = {}
    for family, table in (("ipv4", "raw"), ("ipv6", "raw6")):
        rows = net.run([*net.enter(c.lab.namespace(node)), "cat", f"/proc/net/{table}"]).stdout.splitlines()[1:]
        counts[family] = sum(int(row.split()[-1]) for row in rows if row.split()[1].endswith(":0070"))
    return counts


def routers(c, node):
    """What the agent has counted, by address family; None if it does not answer."""
    status = c.status_of(node)
    return {r["family"]: r for r in status.data["vrrp"]["routers"]} if status else None


def counts(c):
    """{(node, family): (counters by reason, datagrams the kernel had no room for)} of both agents."""
    found = {}
    for node in PAIR:
        lost, asked = dropped(c, node), routers(c, node)
        found |= {(node, family): (asked[family]["rejected"], lost[family]) for family in asked}
    return found


def wait_counted(c, before, sent):
    """Until every datagram is in one of the counters, or was never given to the agent; their increase by reason, and the others.
    `sent` by address family and reason to both nodes, or that by node."""
    to = sent if set(sent) == set(PAIR) else dict.fromkeys(PAIR, sent)
    seen = [None]

    def look():
        seen[0] = {key: ({r: n - before[key][0][r] for r, n in now[0].items()}, now[1] - before[key][1]) for key, now in counts(c).items()}
        return all(sum(rejected.values()) + lost == sum(to[node][family].values()) for (node, family), (rejected, lost) in seen[0].items())

    try:
        c.wait_until(look, 20, "each datagram in one counter", 0.2)
    except LabError as error:
        raise LabError(f"{error}: sent {sent}, counted {seen[0]}") from None
    return seen[0]


def assert_on_page(c):
    """Each reason is a counter for Prometheus, too; nothing is sent any more."""
    for node in PAIR:
        argv = [*net.enter(c.lab.namespace(node)), sys.executable, "-c",
                f"import urllib.request as u; print(u.urlopen('http://{ADDRESSES[node]}:7602/metrics', timeout=5).read().decode())"]  # fmt: skip
        page = dict(re.findall(r'tandem_vrrp_rejects_total\{reason="([a-z-]+)"\} (\d+)', net.run(argv).stdout))
        asked, sums = routers(c, node), {}
        for router in asked.values():
            for reason, number in router["rejected"].items():
                sums[reason] = sums.get(reason, 0) + number
        assert page == {reason: str(number) for reason, number in sums.items()}


def standing(c):
    """All that wrong datagrams must not change."""
    seen = {node: c.status_of(node).data for node in PAIR}
    facts = ("writer", "epoch", "term", "leader", "in_sync", "handover", "troubles")
    states = {node: (data["vrrp"]["state"], *(data[f] for f in facts)) for node, data in seen.items()}
    # what it reckons back from its uptime differs by a millisecond
    history = re.sub(r"\d\d:\d\d:\d\d\.\d+", "", c.tandem("m1", "history").stdout)
    return states, c.vip_holders(), history, net.holds_vip(c.lab, "m1", VIP6)


def bombard_counted(c, *options):
    """Ten thousand, each in the counter of its reason. Of those for which a busy kernel had no room nothing is known but their
    number: so many may be missing, and if they are more than a twentieth it is done again."""
    for _ in range(3):
        before = counts(c)
        sent = vrrp_pair.flood(c.lab, "m3", 10000, *options)
        seen = wait_counted(c, before, sent)
        for (_, family), (rejected, lost) in seen.items():
            vrrp_pair.assert_reasons(rejected, sent[family], lost)
        if all(20 * lost <= sum(sent[family].values()) for (_, family), (_, lost) in seen.items()):
            return
    pytest.fail(f"the kernel had no room for more than a twentieth, three times: {seen}")


def bombard(c, *options):
    """Ten thousand to both agents, while a client writes."""
    with c.client(writers=1, rate=50) as client:
        before = counts(c)
        wait_counted(c, before, vrrp_pair.flood(c.lab, "m3", 500, *options))  # what is read for the first time takes memory once
        client.wait_acks(20)
        # told when its last step is over
        c.wait_until(lambda: "takeover" in c.tandem("m1", "history").stdout, 20, "the first takeover in the history", 0.2)
        was, memory = standing(c), {node: anonymous_kb(c, node) for node in PAIR}
        bombard_counted(c, *options)
        assert_on_page(c)
        for node in PAIR:
            assert anonymous_kb(c, node) - memory[node] < LEAK_MAX_KB, f"{node} keeps what it was sent"
        for is_now, before_it in zip(standing(c), was):
            assert is_now == before_it, f"{is_now}\nwas\n{before_it}"
        client.wait_acks(20)
    told = c.log_of("m2").count("vrrp-rejected")
    assert 0 < told < 100, "each reason is told once a minute"


@MARIA
def test_wrong_datagrams_change_nothing_but_counters(make_cluster, servers):
    c = make_cluster(servers, (*PAIR_SETTINGS, ARBITRATION, f"virtual_ipaddress {VIP6}/128.device=eth0"), pair=True)
    bombard(c, "--vrid", "101", "--interval-cs", "30", "--vip", VIP, "--vip", VIP6)
    c.verify()


@pytest.mark.thorough
@MARIA
def test_wrong_datagrams_of_version_2(make_cluster, servers):
    settings = ("vrrp.version=2", "vrrp.password=1111", "vrrp.advert_interval=1000", "policy.shrink_after=8000", ARBITRATION)
    c = make_cluster(servers, settings, pair=True)
    bombard(c, "--vrid", "101", "--version", "2", "--password", "1111", "--interval-cs", "100", "--vip", VIP)
    c.verify()


@MARIA
def test_unicast_pair(make_cluster, servers):
    """Each other's word alone counts: a host is lost and returns, and what a third one sends to either is counted as what it is."""
    c = make_cluster(servers, (*PAIR_SETTINGS, ARBITRATION, "policy.preempt=false", "vrrp.unicast=true"), pair=True)
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        # told when its last step is over
        c.wait_until(lambda: "takeover" in c.tandem("m1", "history").stdout, 20, "the first takeover in the history", 0.2)
        was = standing(c)
        for node in PAIR:
            before = counts(c)
            sent = vrrp_pair.flood(c.lab, "m3", 1400, "--vrid", "101", "--interval-cs", "30", "--vip", VIP, "--to", ADDRESSES[node])
            nothing = {family: dict.fromkeys(reasons, 0) for family, reasons in sent.items()}
            for (one, family), (rejected, lost) in wait_counted(c, before, {p: sent if p == node else nothing for p in PAIR}).items():
                if one == node:
                    vrrp_pair.assert_reasons(rejected, sent[family], lost)
        assert standing(c) == was
        seen = vrrp_pair.Capture(c.lab, "br0")
        c.wait_until(lambda: seen.count() >= 2, 10, "m1 advertises")
        c.mark("host m1 lost")
        c.vanish("m1")
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        assert "rule=pair/110" in c.log_of("m2")
        c.mark("m1 boots")
        c.boot("m1")
        c.wait_whole(writer="m2")
        client.wait_acks(50)
    spoken = {(p["ip"]["ip.src"], p["ip"]["ip.dst"]) for p in seen.packets()}
    assert spoken == {(ADDRESSES["m1"], ADDRESSES["m2"]), (ADDRESSES["m2"], ADDRESSES["m1"])}, "nothing goes to the group"
    report = c.verify()
    expect.topology(c, "m2")
    assert c.outage_ms(report, 0) < expect.STALL_MAX_MS


@pytest.mark.thorough
@MARIA
def test_virtual_routers_move_together(make_cluster, servers):
    """Three of them, of both families: a silent one alone is no reason to take over, and the host that is lost loses all."""
    more = ("virtual_ipaddress 172.17.0.102/32.device=eth0", "virtual_ipaddress 172.17.0.102/32.router_id=102",
            f"virtual_ipaddress {VIP6}/128.device=eth0")  # fmt: skip
    c = make_cluster(servers, (*PAIR_SETTINGS, ARBITRATION, *more), pair=True)
    addresses = (VIP, "172.17.0.102", VIP6)

    def holders():
        return [[node for node in PAIR if net.holds_vip(c.lab, node, address)] for address in addresses]

    assert holders() == [["m1"]] * 3
    assert [(r["family"], r["router_id"]) for r in c.status_of("m1").data["vrrp"]["routers"]] == [("ipv4", 101), ("ipv4", 102), ("ipv6", 101)]
    name = c.lab.namespace("m2")
    net.run([*net.enter(name), "nft", "-f", "-"], "table ip6 deaf { chain in { type filter hook input priority 0; ip6 nexthdr 112 drop; }; }\n")
    before = routers(c, "m2")["ipv6"]["accepted"]
    began = now_us()
    c.wait_until(lambda: now_us() - began > 3_000_000, 10, "longer than a Master may be silent", 0.1)
    assert routers(c, "m2")["ipv6"]["accepted"] - before <= 1
    assert holders() == [["m1"]] * 3 and c.status_of("m2").data["vrrp"]["state"] == "backup"
    with c.client(writers=1, rate=50) as client:
        client.wait_acks(20)
        c.vanish("m1")
        c.wait_writer("m2")
        client.wait_acks(20)
        assert [h[-1:] for h in holders()] == [["m2"]] * 3


HELD, HELD6 = "172.17.0.102", "fd17::102"
WITH_HELD = (f"virtual_ipaddress {VIP6}/128.device=eth0",
             *(f"virtual_ipaddress {address}.{option}" for address in (f"{HELD}/32", f"{HELD6}/128")
               for option in ("device=eth0", "router_id=102", "accept=false")))  # fmt: skip


def reached(c):
    """{address: [it answers an echo, it answers on the server's port]}, asked from the client's host."""
    script = os.path.join(os.path.dirname(os.path.realpath(__file__)), "reach.py")
    argv = [*net.enter(c.lab.namespace("cl")), sys.executable, script, "3306", VIP, VIP6, HELD, HELD6]
    return json.loads(net.run(argv).stdout)


def join_ipv6(c):
    """The client's host gets an address of the VIPs' network, and both hosts a way to it."""
    net.run(["ip", "-n", c.lab.namespace("cl"), "addr", "add", "fd17::99/64", "dev", "eth0", "nodad"])
    for node in PAIR:
        net.run(["ip", "-n", c.lab.namespace(node), "-6", "route", "add", "fd17::/64", "dev", "eth0"])


@MARIA
def test_address_that_is_only_held(make_cluster, servers):
    """Without accept mode nothing that is sent to the address is answered, and neighbours find it; the others are not touched."""
    c = make_cluster(servers, (*PAIR_SETTINGS, ARBITRATION, "policy.preempt=false", *WITH_HELD), pair=True)
    join_ipv6(c)
    for writer in ("m1", "m2"):
        if writer == "m2":
            c.tandem("m1", "switchover", "--to", "m2", timeout_s=30)
            c.wait_whole(writer="m2")
        assert all(net.holds_vip(c.lab, writer, address) for address in (VIP, VIP6, HELD, HELD6))
        assert reached(c) == {VIP: [True, True], VIP6: [True, True], HELD: [False, False], HELD6: [False, False]}
        mac = net.run(["ip", "-n", c.lab.namespace(writer), "-j", "link", "show", "eth0"]).stdout
        assert [client_believes(c, address) for address in (HELD, HELD6)] == [[json.loads(mac)[0]["address"]]] * 2
    accepts = {(r["family"], r["router_id"]): r["accept"] for r in c.status_of("m2").data["vrrp"]["routers"]}
    assert accepts == {("ipv4", 101): True, ("ipv6", 101): True, ("ipv4", 102): False, ("ipv6", 102): False}


MAC = "00:00:5e:00:01:65"
WITH_MAC = (*PAIR_SETTINGS, ARBITRATION, "vrrp.virtual_mac=true", "virtual_ipaddress.label=")


def client_believes(c, address=VIP):
    """The MAC that the client's host has for the address."""
    shown = net.run(["ip", "-n", c.lab.namespace("cl"), "-j", "neigh", "show", address]).stdout
    return [entry.get("lladdr") for entry in json.loads(shown or "[]")]


@BOTH
def test_virtual_mac_moves_with_the_address(make_cluster, servers):
    """The client's host learns one MAC, once; the standby has no device with it, and after a crash the next agent removes it."""
    c = make_cluster(servers, WITH_MAC, pair=True)
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        assert client_believes(c) == [MAC]
        assert net.macvlans(c.lab, "m1") == [("vrrp4.101", MAC)] and net.macvlans(c.lab, "m2") == []
        c.mark("mysqld of m1 killed")
        c.kill("m1", "mysqld")
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        assert client_believes(c) == [MAC]
        c.wait_whole(writer="m2")
        assert net.macvlans(c.lab, "m1") == [] and net.macvlans(c.lab, "m2") == [("vrrp4.101", MAC)]
        c.mark("agent of m2 killed")
        c.kill("m2", "agent")
        assert net.macvlans(c.lab, "m2") == [("vrrp4.101", MAC)], "a crash leaves it"
        began = len(c.log_of("m2"))
        c.start("m2", "agent")
        c.wait_until(lambda: "agent-started" in c.log_of("m2")[began:], 20, "the next agent of m2")
        c.wait_whole()
        client.wait_ack_after(now_us())
    report = c.verify()
    expect.topology(c, c.status().writer)
    assert c.outage_ms(report, 0) < expect.STALL_MAX_MS
    c.term(c.status().writer, "agent")
    c.wait_until(lambda: all(net.macvlans(c.lab, node) == [] or c.pids(node, "agent") for node in PAIR), 20, "a clean end leaves none")


@pytest.mark.thorough
@MARIA
def test_virtual_mac_on_a_device_that_cannot(make_cluster, servers):
    """An agent says at its start that no address can have a MAC of its own there."""
    c = make_cluster(servers, WITH_MAC, pair=True)
    c.kill("m2", "agent")
    name = c.lab.namespace("m2")
    net.run(["ip", "-n", name, "link", "add", "link", "eth0", "name", "vrrp4.101", "type", "macvlan"])
    began = len(c.log_of("m2"))
    c.start("m2", "agent")
    c.wait_until(lambda: "agent-not-started" in c.log_of("m2")[began:], 20, "the agent of m2 refuses")
    assert "ip link del vrrp4.101" in c.log_of("m2")[began:]
    net.run(["ip", "-n", name, "link", "del", "vrrp4.101"])
    c.start("m2", "agent")
    c.wait_whole()

