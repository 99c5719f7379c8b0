# SPDX-License-Identifier: Apache-2.0
"""Two hosts of the lab's network, on each a real Keepalived or a vrrp-tool, and what tshark sees between them."""
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time

from tandemlab import layout, net
from tandemlab.keepalived import Keepalived
from tandemlab.wait import wait_until as wait

DATA = os.path.join(layout.ROOT, "tests/unit/data/keepalived")
ADDRESS6 = {"m1": "fd17::10", "m2": "fd17::11"}


def flood(lab, host, count, *options):
    """Wrong advertisements from a third host; how many were sent, by address family and reason."""
    script = os.path.join(os.path.dirname(os.path.realpath(__file__)), "vrrp_flood.py")
    argv = [*net.enter(lab.namespace(host)), sys.executable, script, str(count), *options]
    return json.loads(subprocess.run(argv, check=True, timeout=120, capture_output=True, text=True).stdout)


def assert_reasons(rejected, sent, lost=0):
    """Each one in one counter, and in the right one: those without a reason of their own are in whichever. `lost` of them, of
    whatever reason, never reached the program."""
    named = {reason: number for reason, number in sent.items() if reason != "any"}
    short = {reason: number - rejected[reason] for reason, number in named.items() if rejected[reason] < number}
    assert sum(short.values()) <= lost, f"{short} are missing and {lost} were lost: {sent} sent, counted are {rejected}"
    assert all(rejected[reason] > 0 for reason in named), f"a reason was never seen: {named} sent, counted are {rejected}"


def addresses(lab, host):
    """Also on a device with the virtual router's MAC."""
    shown = net.run(["ip", "-n", lab.namespace(host), "-o", "addr", "show"]).stdout
    return re.findall(r"inet6? (\S+)/", shown)


class Tool:
    """vrrp-tool in the host's namespace; its JSON lines are kept in `events`."""

    def __init__(self, lab, host, *options):
        self.lab, self.host, self.options = lab, host, options
        self.program = os.path.join(layout.find_build(), "tests/system/vrrp-tool")
        self.events, self.process, self.events_at_start = [], None, 0
        self.start()

    def start(self):
        self.events_at_start = len(self.events)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*net.enter(self.lab.namespace(self.host)), self.program, "device=eth0", *self.options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
        threading.Thread(target=self.read, args=(self.process.stdout,), daemon=True).start()

    def read(self, stream):
        for line in stream:
            self.events.append(json.loads(line))

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def states(self):
        """Since its start."""
        return [e["to"] for e in self.events[self.events_at_start:] if e["event"] == "state"]

    def cause(self):
        return [e["cause"] for e in list(self.events) if e["event"] == "state"][-1]

    def state(self):
        return (self.states() or [None])[-1]

    def wait_state(self, state, timeout_s=10):
        wait(lambda: self.state() == state, timeout_s, f"{state} of the tool on {self.host}: {self.events}")

    def counters(self):
        """Of its first router."""
        before = len(self.events)
        self.order("counters")
        wait(lambda: any(e["event"] == "counters" for e in self.events[before:]), 5, "counters")
        return [e for e in self.events[before:] if e["event"] == "counters"][-1]["routers"][0]

    def assert_content(self):
        bad = [e for e in self.events if e["event"] not in ("state", "counters", "announce")]
        assert not bad, bad

    def stop(self):
        if self.process.poll() is None:
            self.order("stop")
            assert self.process.wait(10) == 0, "the tool did not end cleanly"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        restore_addresses(self.lab, self.host)


def restore_addresses(lab, host):
    """Takes off whatever is not the host's own."""
    net.forget_devices(lab, host)
    own = (layout.ADDRESSES[host], ADDRESS6[host])
    for address in addresses(lab, host):
        if address not in own and not (address.startswith("fe80:") and "::101" not in address):
            net.run(["ip", "-n", lab.namespace(host), "addr", "del", f"{address}/{128 if ':' in address else 32}", "dev", "eth0"],
                    check=False)  # fmt: skip


class Capture:
    """Every VRRP datagram as the switch sees it at one host's port, or, at br0, whoever sends."""

    FILTER = "proto 112 or ip6 proto 112 or udp port 9"
    MARK = b"what was sent before is in the file"

    def __init__(self, lab, host):
        self.lab, self.host = lab, "m1" if host == "br0" else host
        self.path = os.path.join(lab.dir, f"capture-{time.monotonic_ns()}.pcap")
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*net.enter(lab.namespace("sw")), "tcpdump", "-i", host, "--immediate-mode", "-U", "-w", self.path, self.FILTER],
            stderr=subprocess.PIPE, text=True)  # fmt: skip
        self.lines = queue.Queue()
        threading.Thread(target=lambda: [self.lines.put(line) for line in self.process.stderr], daemon=True).start()
        while "listening on" not in self.lines.get(timeout=10):
            pass

    def count(self):
        """Datagrams in the file so far: a header of 24 bytes, then 16 bytes before each, of which 9 to 12 are its length."""
        with open(self.path, "rb") as f:
            data = f.read()
        at, found = 24, 0
        while at + 16 <= len(data):
            at += 16 + int.from_bytes(data[at + 8 : at + 12], sys.byteorder)
            found += at <= len(data)
        return found

    def packets(self):
        """Ends it; the dissected layers of each packet."""
        script = f"import socket; s = socket.socket(2, 2); s.setsockopt(1, 6, 1); s.sendto({self.MARK!r}, ('172.17.255.255', 9))"
        net.run([*net.enter(self.lab.namespace(self.host)), sys.executable, "-c", script])
        wait(self.is_marked, 10, "the mark in the capture")
        self.process.terminate()
        self.process.wait(10)
        done = subprocess.run(["tshark", "-r", self.path, "-T", "json", "-o", "ip.check_checksum:TRUE"], capture_output=True, check=True)
        packets = [p["_source"]["layers"] for p in json.loads(done.stdout)]
        return [p for p in packets if "udp" not in p]

    def is_marked(self):
        with open(self.path, "rb") as f:
            return self.MARK in f.read()


class Pair:
    """The lab's network without servers."""

    def __init__(self, lab):
        self.lab, self.made = lab, []
        net.create(lab)
        for host, address in ADDRESS6.items():
            net.run(["ip", "-n", lab.namespace(host), "addr", "add", f"{address}/64", "dev", "eth0", "nodad"])
        wait(lambda: all(self.has_link_local(host) for host in ADDRESS6), 10, "link-local addresses")

    def has_link_local(self, host):
        shown = net.run(["ip", "-n", self.lab.namespace(host), "-o", "-6", "addr", "show", "dev", "eth0"]).stdout
        return "fe80:" in shown and "tentative" not in shown

    def keepalived(self, host, text, scripts=None):
        self.made.append(Keepalived(self.lab, host, text, scripts, restore_addresses))
        return self.made[-1]

    def tool(self, host, *options):
        self.made.append(Tool(self.lab, host, *options))
        return self.made[-1]

    def holders(self, vip):
        return [host for host in ADDRESS6 if vip in addresses(self.lab, host)]

    def wait_holder(self, vip, host, timeout_s=10):
        wait(lambda: self.holders(vip) == [host], timeout_s, f"{vip} on {host} alone, it is on {self.holders(vip)}")

    def close(self):
        for made in self.made:
            if made.process.poll() is None:
                made.kill()
        net.destroy(self.lab)
