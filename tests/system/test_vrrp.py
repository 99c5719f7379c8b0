# SPDX-License-Identifier: Apache-2.0
"""VRRP with the real Keepalived of Debian on the other side: octet for octet, and who holds the address when."""
import os
import shutil
import signal
import tempfile

import pytest
import vrrp_pair
from tandemlab import net
from tandemlab.layout import ADDRESSES, Lab
from tandemlab.wait import stays
from vrrp_pair import ADDRESS6, DATA, Capture, Pair

VIP, VIP6 = "172.17.0.101", "fd17::101"


class Mode:
    """One way to speak VRRP, as options of both programs."""

    def __init__(self, name, six=False, version=3, unicast=False, password=None, interval_cs=30):
        self.name, self.six, self.version, self.unicast = name, six, version, unicast
        self.password, self.interval_cs = password, interval_cs
        self.vip = VIP6 if six else VIP

    def address(self, host):
        return ADDRESS6[host] if self.six else ADDRESSES[host]

    def keepalived(self, host, priority, more=""):
        other = "m2" if host == "m1" else "m1"
        lines = [f"priority {priority}", "state BACKUP", f"version {self.version}", f"advert_int {self.interval_cs / 100:g}", more]
        if self.unicast:
            lines.append(f"unicast_src_ip {self.address(host)}\nunicast_peer {{\n{self.address(other)}\n}}")
        elif not self.six:
            lines.append(f"mcast_src_ip {self.address(host)}")
        if self.password:
            lines.append(f"authentication {{\nauth_type PASS\nauth_pass {self.password}\n}}")
        vips = ["fe80::101", VIP6] if self.six else [VIP]
        lines.append("virtual_ipaddress {\n" + "\n".join(vips) + "\n}")
        body = "\n".join(lines)
        return f"global_defs {{\nrouter_id {host}\n}}\nvrrp_instance VI {{\ninterface eth0\nvirtual_router_id 100\n{body}\n}}\n"

    def tool(self, host, priority, *more):
        other = "m2" if host == "m1" else "m1"
        options = ["vrid=100", f"priority={priority}", f"interval_cs={self.interval_cs}", *more]
        options += [f"password={self.password}"] if self.password else []
        options += [f"router={6 if self.six else 4}", f"version={self.version}"]
        if self.unicast or not self.six:
            options.append(f"own={self.address(host)}")
        if self.unicast:
            options.append(f"peer={self.address(other)}")
        options += ["address=fe80::101/128", f"address={VIP6}/128"] if self.six else [f"address={VIP}/32"]
        return options


MODES = [
    Mode("v2-password", version=2, password="1111", interval_cs=100),
    Mode("v2-open-unicast", version=2, unicast=True, interval_cs=100),
    Mode("v3-ipv4"),
    Mode("v3-ipv4-unicast", unicast=True),
    Mode("v3-ipv6", six=True),
    Mode("v3-ipv6-unicast", six=True, unicast=True),
]


# Each word of a mode is in one of those; these are the rest of what can be combined.
MORE_MODES = [
    Mode("v2-open", version=2, interval_cs=100),
    Mode("v2-password-unicast", version=2, unicast=True, password="1111", interval_cs=100),
]


@pytest.fixture(params=[*MODES, *(pytest.param(m, marks=pytest.mark.thorough) for m in MORE_MODES)], ids=lambda mode: mode.name)
def mode(request):
    return request.param


@pytest.fixture
def pair(request):
    directory = tempfile.mkdtemp(prefix="tandem-vrrp-")
    made = Pair(Lab(directory, f"v{os.getpid() % 100000}-", "none", agents=False))
    request.node.failed = False
    yield made
    made.close()
    if not request.node.failed:
        shutil.rmtree(directory, ignore_errors=True)


def fields(layers, mode):
    """What has to be the same: all of VRRP, and of IP what is not a serial number."""
    ip = layers["ipv6" if mode.six else "ip"]
    if mode.six:
        names = ("ipv6.version", "ipv6.tclass", "ipv6.plen", "ipv6.nxt", "ipv6.src", "ipv6.dst")
        names += () if mode.unicast else ("ipv6.hlim",)
    else:
        names = ("ip.version", "ip.hdr_len", "ip.dsfield", "ip.len", "ip.ttl", "ip.proto", "ip.src", "ip.dst")
    vrrp = dict(layers["vrrp"])
    status = [value for key, value in vrrp.items() if key == "vrrp.checksum.status"]
    assert status in (["1"], []), f"tshark finds the checksum wrong: {vrrp}"
    return {name: ip[name] for name in names} | vrrp


def test_packets_are_alike(pair, mode):
    """The same host speaks as Keepalived and as Tandem: every advertisement, and the goodbye, field by field."""
    capture = Capture(pair.lab, "m1")
    keepalived = pair.keepalived("m1", mode.keepalived("m1", 100))
    keepalived.wait_state("master")
    vrrp_pair.wait(lambda: capture.count() >= 3, 10 + 4 * mode.interval_cs / 100, "three advertisements")
    keepalived.stop()
    keepalived.assert_content()
    theirs = capture.packets()
    capture = Capture(pair.lab, "m1")
    tool = pair.tool("m1", *mode.tool("m1", 100))
    tool.wait_state("master")
    vrrp_pair.wait(lambda: capture.count() >= 3, 10 + 4 * mode.interval_cs / 100, "three advertisements")
    tool.stop()
    tool.assert_content()
    ours = capture.packets()
    assert len(theirs) >= 3 and len(ours) >= 3
    for packet in ours[:-1]:
        assert fields(packet, mode) == fields(theirs[0], mode)
    assert fields(ours[-1], mode) == fields(theirs[-1], mode)
    assert fields(ours[-1], mode) != fields(ours[0], mode)


def goodbye_s(mode, priority):
    """Skew time, and what two busy cores need."""
    return (256 - priority) / 256 * (1 if mode.version == 2 else mode.interval_cs / 100) + 1.5


def down_s(mode):
    return 4 * mode.interval_cs / 100 + 2


def quiet_s(mode):
    """Longer than a backup waits."""
    return 8 * mode.interval_cs / 100


def take_turns(pair, mode, first, second):
    """m1 has the higher priority: first on m1, then m2 after its death, m1 again, m2 after its goodbye."""
    first.wait_state("master")
    pair.wait_holder(mode.vip, "m1")
    second.wait_state("backup")
    first.kill()
    second.wait_state("master", down_s(mode))
    pair.wait_holder(mode.vip, "m2")
    first.start()
    wait_states(first, second, "master", "backup", 2 * down_s(mode))
    pair.wait_holder(mode.vip, "m1")
    first.stop()
    second.wait_state("master", goodbye_s(mode, 50))
    pair.wait_holder(mode.vip, "m2")


def wait_states(first, second, one, two, timeout_s):
    vrrp_pair.wait(lambda: (first.state(), second.state()) == (one, two), timeout_s,
                   f"{one} and {two}, they are {first.state()} and {second.state()}")  # fmt: skip


def test_tandem_before_keepalived(pair, mode):
    tool = pair.tool("m1", *mode.tool("m1", 100))
    keepalived = pair.keepalived("m2", mode.keepalived("m2", 50))
    take_turns(pair, mode, tool, keepalived)
    keepalived.assert_content()
    tool.assert_content()


def test_keepalived_before_tandem(pair, mode):
    keepalived = pair.keepalived("m1", mode.keepalived("m1", 100))
    tool = pair.tool("m2", *mode.tool("m2", 50))
    take_turns(pair, mode, keepalived, tool)
    keepalived.assert_content()
    tool.assert_content()


V3 = MODES[2]


def test_tandem_that_does_not_preempt(pair):
    keepalived = pair.keepalived("m2", V3.keepalived("m2", 50))
    keepalived.wait_state("master")
    tool = pair.tool("m1", *V3.tool("m1", 100, "preempt=0"))
    tool.wait_state("backup")
    stays(lambda: tool.states() == ["backup"] and keepalived.state() == "master", quiet_s(V3), "tandem is the backup")
    tool.order("preempt 1")
    wait_states(tool, keepalived, "master", "backup", down_s(V3))
    keepalived.assert_content()


def test_keepalived_that_does_not_preempt(pair):
    tool = pair.tool("m2", *V3.tool("m2", 50))
    tool.wait_state("master")
    keepalived = pair.keepalived("m1", V3.keepalived("m1", 100, "nopreempt"))
    keepalived.wait_state("backup")
    stays(lambda: tool.states() == ["backup", "master"] and keepalived.state() == "backup", quiet_s(V3), "keepalived is the backup")
    tool.stop()
    keepalived.wait_state("master", goodbye_s(V3, 100))
    keepalived.assert_content()
    tool.assert_content()


def test_preemption_may_be_delayed(pair):
    keepalived = pair.keepalived("m2", V3.keepalived("m2", 50))
    keepalived.wait_state("master")
    tool = pair.tool("m1", *V3.tool("m1", 100, "preempt_delay_ms=4000"))
    tool.wait_state("backup")
    stays(lambda: tool.states() == ["backup"], 3.5, "tandem waits")
    wait_states(tool, keepalived, "master", "backup", 1 + 2 * down_s(V3))
    keepalived.assert_content()
    tool.assert_content()


def test_interval_of_the_master_counts(pair):
    """Version 3: a backup with a shorter one of its own waits for three of the Master's, once it has heard it (RFC 9568 6.4.2)."""
    slow, fast = Mode("slow", interval_cs=100), Mode("fast", interval_cs=10)
    keepalived = pair.keepalived("m1", slow.keepalived("m1", 100))
    keepalived.wait_state("master")
    tool = pair.tool("m2", *fast.tool("m2", 50))
    vrrp_pair.wait(lambda: tool.counters()["accepted"] >= 1 and tool.state() == "backup", 10, "tandem has heard Keepalived")
    before = tool.states()
    stays(lambda: tool.states() == before and keepalived.state() == "master", 2.5, "tandem waits for the interval of Keepalived")
    assert sum(tool.counters()["rejected"].values()) == 0
    keepalived.kill()
    tool.wait_state("master", down_s(slow))
    keepalived.assert_content()
    tool.stop()
    tool.assert_content()
    tool = pair.tool("m1", *slow.tool("m1", 100))
    tool.wait_state("master")
    keepalived = pair.keepalived("m2", fast.keepalived("m2", 50))
    heard = "interval updated from 100ms to 1000ms"
    vrrp_pair.wait(lambda: heard in keepalived.log() and keepalived.state() == "backup", 10, "Keepalived has heard tandem")
    entered = keepalived.log().count("Entering")
    stays(lambda: tool.state() == "master" and keepalived.log().count("Entering") == entered, 2.5, "Keepalived waits for tandem's interval")
    keepalived.assert_content()
    tool.assert_content()


def test_fault_and_weight_hand_over(pair):
    tool = pair.tool("m1", *V3.tool("m1", 100))
    keepalived = pair.keepalived("m2", V3.keepalived("m2", 50))
    wait_states(tool, keepalived, "master", "backup", 10)
    tool.order("faults 4")
    keepalived.wait_state("master", goodbye_s(V3, 50))
    assert tool.state() == "fault"
    tool.order("faults 0")
    wait_states(tool, keepalived, "master", "backup", 2 * down_s(V3))
    tool.order("weight -60")
    wait_states(tool, keepalived, "backup", "master", 2 * down_s(V3))
    tool.order("weight 0")
    wait_states(tool, keepalived, "master", "backup", 2 * down_s(V3))
    tool.order("preempt 0")
    tool.order("resign")
    wait_states(tool, keepalived, "backup", "master", goodbye_s(V3, 50))
    keepalived.assert_content()
    tool.assert_content()


def test_equal_priorities_by_address(pair):
    """m2 has the greater address."""
    tool = pair.tool("m1", *V3.tool("m1", 100))
    keepalived = pair.keepalived("m2", V3.keepalived("m2", 100))
    wait_states(tool, keepalived, "master", "backup", 10)
    net.cut_pairs(pair.lab, "m1", ["m2"])
    wait_states(tool, keepalived, "master", "master", 10)
    net.heal_all(pair.lab)
    wait_states(tool, keepalived, "backup", "master", 10)
    pair.wait_holder(VIP, "m2")
    keepalived.assert_content()
    tool.assert_content()


def test_cut_and_healed(pair):
    """Two masters while cut off from each other, one afterwards, and the neighbours are told again although Keepalived
    may yield without a word."""
    tool = pair.tool("m1", *V3.tool("m1", 100))
    keepalived = pair.keepalived("m2", V3.keepalived("m2", 50))
    wait_states(tool, keepalived, "master", "backup", 10)
    net.cut_pairs(pair.lab, "m1", ["m2"])
    keepalived.wait_state("master", down_s(V3))
    net.heal_all(pair.lab)
    told = len(announcements(tool))
    wait_states(tool, keepalived, "master", "backup", 10)
    pair.wait_holder(VIP, "m1")
    vrrp_pair.wait(lambda: len(announcements(tool)) > told, 11, "the neighbours told again")
    keepalived.assert_content()
    tool.assert_content()


def announcements(tool):
    return [e for e in tool.events if e["event"] == "announce"]


def test_standing_still_is_not_silence(pair):
    """A backup that did not run for longer than it waits first reads what the Master has said meanwhile."""
    keepalived = pair.keepalived("m1", V3.keepalived("m1", 100))
    tool = pair.tool("m2", *V3.tool("m2", 50))
    wait_states(keepalived, tool, "master", "backup", 10)
    before = tool.states()
    for _ in range(3):
        tool.process.send_signal(signal.SIGSTOP)
        stays(lambda: keepalived.state() == "master", quiet_s(V3), "keepalived is the master")
        tool.process.send_signal(signal.SIGCONT)
        stays(lambda: tool.states() == before, 0.5, "tandem has read what was said")
    assert tool.states() == before and tool.counters()["accepted"] > 20
    keepalived.assert_content()


def test_either_checksum_is_accepted(pair):
    """That of RFC 9568 and that of Keepalived, which accepts its own only."""
    first = pair.tool("m1", *V3.tool("m1", 100, "pseudo_header=0"))
    second = pair.tool("m2", *V3.tool("m2", 50))
    wait_states(first, second, "master", "backup", 10)
    first.stop()
    second.wait_state("master", goodbye_s(V3, 50))
    first.start()
    wait_states(first, second, "master", "backup", 2 * down_s(V3))
    for tool in (first, second):
        tool.assert_content()
        assert sum(tool.counters()["rejected"].values()) == 0
    second.stop()
    keepalived = pair.keepalived("m2", V3.keepalived("m2", 50))
    keepalived.wait_state("master", 10)
    assert "checksum" in keepalived.log().lower(), "Keepalived has learned RFC 9568: it may become the default"


def sync_group(host, priority):
    """Keepalived's of both families."""

    def instance(name, vips):
        body = f"interface eth0\nvirtual_router_id 100\npriority {priority}\nadvert_int 0.3\nversion 3"
        return f"vrrp_instance {name} {{\n{body}\nvirtual_ipaddress {{\n{vips}\n}}\n}}\n"

    text = f"global_defs {{\nrouter_id {host}\n}}\nvrrp_sync_group G {{\ngroup {{\nV4\nV6\n}}\n}}\n"
    return text + instance("V4", VIP) + instance("V6", f"fe80::101\n{VIP6}")


def both_families(host, priority):
    """Tandem's two virtual routers."""
    six = Mode("six", six=True).tool(host, priority)
    return [*V3.tool(host, priority), *six[six.index("router=6"):]]


def test_both_families_behind_a_sync_group(pair):
    keepalived = pair.keepalived("m1", sync_group("m1", 100))
    for vip in (VIP, VIP6):
        pair.wait_holder(vip, "m1")
    tool = pair.tool("m2", *both_families("m2", 50))
    tool.wait_state("backup")
    keepalived.kill()
    for vip in (VIP, VIP6):
        pair.wait_holder(vip, "m2", down_s(V3))
    keepalived.start()
    for vip in (VIP, VIP6):
        pair.wait_holder(vip, "m1", 2 * down_s(V3))
    assert tool.states() == ["backup", "master", "backup"]
    keepalived.assert_content()
    tool.assert_content()


def test_both_families_move_together(pair):
    """Two virtual routers here, a sync group there."""
    tool = pair.tool("m1", *both_families("m1", 100))
    keepalived = pair.keepalived("m2", sync_group("m2", 50))
    tool.wait_state("master")
    for vip in (VIP, VIP6):
        pair.wait_holder(vip, "m1")
    tool.stop()
    for vip in (VIP, VIP6):
        pair.wait_holder(vip, "m2", goodbye_s(V3, 50) + 1)
    keepalived.assert_content()


# --- the two configurations of the reference document -------------------------------------------------

CHECK = "#!/bin/sh\ntest ! -e {}/mysql-is-dead\n"
NOTIFY = "#!/bin/sh\necho $3 > {}/state\n"
REFERENCE = Mode("reference", version=2, password="1111", interval_cs=100)


def reference(pair, host):
    with open(os.path.join(DATA, f"{host}.keepalived"), encoding="utf-8") as f:
        text = f.read()
    scripts = {"chk_mysql.sh": CHECK.format(pair.lab.dir), "kpad_notify.sh": NOTIFY.format(pair.lab.dir)}
    return pair.keepalived(host, text, scripts)


def set_mysql(pair, alive):
    flag = os.path.join(pair.lab.dir, "mysql-is-dead")
    if alive:
        os.unlink(flag)
    else:
        with open(flag, "w", encoding="utf-8"):
            pass


def test_reference_m1_with_tandem_on_m2(pair):
    keepalived = reference(pair, "m1")
    tool = pair.tool("m2", *REFERENCE.tool("m2", 50, "preempt=0"))
    take_turns(pair, REFERENCE, keepalived, tool)
    keepalived.start()
    wait_states(keepalived, tool, "master", "backup", 12)
    set_mysql(pair, alive=False)
    tool.wait_state("master", 12)
    assert tool.cause() == "the master gave up its role"
    set_mysql(pair, alive=True)
    wait_states(keepalived, tool, "master", "backup", 16)
    keepalived.assert_content()
    tool.assert_content()


def test_reference_m2_with_tandem_on_m1(pair):
    tool = pair.tool("m1", *REFERENCE.tool("m1", 100))
    keepalived = reference(pair, "m2")
    take_turns(pair, REFERENCE, tool, keepalived)
    keepalived.assert_content()
    tool.assert_content()


# --- the virtual router's MAC --------------------------------------------------------------------------

VIRTUAL_MAC = {False: "00:00:5e:00:01:64", True: "00:00:5e:00:02:64"}
MAC_MODES = [V3, MODES[4], Mode("v2-password", version=2, password="1111", interval_cs=100)]


@pytest.fixture(params=MAC_MODES, ids=lambda mode: mode.name)
def mac_mode(request):
    return request.param


def check_macs(capture, mode):
    """Every word of either program, goodbyes included, has the MAC of the virtual router."""
    packets = capture.packets()
    sources = {p["ipv6" if mode.six else "ip"]["ipv6.src" if mode.six else "ip.src"] for p in packets}
    assert len(sources) == 2, f"both have spoken: {sources}"
    assert {p["eth"]["eth.src"] for p in packets} == {VIRTUAL_MAC[mode.six]}


def test_virtual_mac_before_keepalived(pair, mac_mode):
    capture = Capture(pair.lab, "br0")
    tool = pair.tool("m1", "own_mac=1", *mac_mode.tool("m1", 100))
    keepalived = pair.keepalived("m2", mac_mode.keepalived("m2", 50, "use_vmac"))
    take_turns(pair, mac_mode, tool, keepalived)
    keepalived.assert_content()
    tool.assert_content()
    assert net.macvlans(pair.lab, "m1") == [], "a device is left"
    check_macs(capture, mac_mode)


def test_virtual_mac_behind_keepalived(pair, mac_mode):
    capture = Capture(pair.lab, "br0")
    keepalived = pair.keepalived("m1", mac_mode.keepalived("m1", 100, "use_vmac"))
    tool = pair.tool("m2", "own_mac=1", *mac_mode.tool("m2", 50))
    take_turns(pair, mac_mode, keepalived, tool)
    keepalived.assert_content()
    tool.assert_content()
    check_macs(capture, mac_mode)


def test_virtual_mac_of_two_masters(pair):
    """Cut from each other both have the device up, and yet each hears the other one's word again, which has the same MAC."""
    tool = pair.tool("m1", "own_mac=1", *V3.tool("m1", 100))
    keepalived = pair.keepalived("m2", V3.keepalived("m2", 50, "use_vmac"))
    wait_states(tool, keepalived, "master", "backup", 10)
    net.cut_pairs(pair.lab, "m1", ["m2"])
    keepalived.wait_state("master", down_s(V3))
    net.heal_all(pair.lab)
    wait_states(tool, keepalived, "master", "backup", 10)
    tool.order("weight -60")
    wait_states(tool, keepalived, "backup", "master", 2 * down_s(V3))
    vrrp_pair.wait(lambda: net.macvlans(pair.lab, "m1") == [], 5, "a backup has no such device")
    pair.wait_holder(VIP, "m2")
    keepalived.assert_content()
    tool.assert_content()


# --- what is not meant for us --------------------------------------------------------------------------

def test_ten_thousand_wrong_datagrams(pair):
    """As Master and as backup: nothing but counters changes, and each reason is found as often as it was sent."""
    one = pair.tool("m1", *REFERENCE.tool("m1", 100))
    two = pair.tool("m2", *REFERENCE.tool("m2", 50))
    wait_states(one, two, "master", "backup", 10)
    sent = vrrp_pair.flood(pair.lab, "m3", 10000, "--vrid", "100", "--version", "2", "--password", "1111", "--vip", VIP)["ipv4"]
    for tool in (one, two):
        vrrp_pair.wait(lambda t=tool: sum(t.counters()["rejected"].values()) == 10000, 10, f"10000 counted: {tool.counters()}")
        rejected = tool.counters()["rejected"]
        vrrp_pair.assert_reasons(rejected, sent)
        logged = [e for e in tool.events if e["event"] == "log"]
        assert len(logged) <= len(rejected) and {e["id"] for e in logged} == {"vrrp-rejected"}
    assert one.states() == ["backup", "master"] and two.states() == ["backup"]
    assert one.counters()["accepted"] == 0 and two.counters()["accepted"] >= 2
    pair.wait_holder(VIP, "m1")
