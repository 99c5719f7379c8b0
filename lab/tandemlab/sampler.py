# SPDX-License-Identifier: Apache-2.0
"""Who answers for the virtual address, asked at every host's own port of the switch.

An ARP request goes out of each port at the same moment; a host whose kernel answers both has the address and a
living lease (without one the kernel is to answer nothing). The frames do not cross the bridge, so cuts do not hide a
second holder, and nothing of the agent takes part: a stopped agent's kernel still answers."""
import ctypes
import os
import select
import socket
import struct
import threading
import time
from collections import namedtuple

from . import layout, net
from .layout import NODES

ETH_P_ALL, ETH_P_ARP = 0x0003, 0x0806
SO_ATTACH_FILTER = 26
ASKER = "172.17.0.254"  # an address that nobody has
PERIOD_S = 0.05
ANSWER_S = 0.02
# Two answers prove two leases only if both were given at about the same time: on a busy machine a host may get the question
# when its neighbour has answered it, and lost the address to it, a while ago.
SKEW_US = 3000
SO_TIMESTAMPNS = 35

# at: when it was asked, on the lab's clock; skew_us: between the first answer and the last, by the kernel's clock.
Sample = namedtuple("Sample", "at holders skew_us")


def in_namespace(namespace, work):
    """Result of work() run by a thread that lives in the namespace; sockets it makes stay there."""
    result = []

    def run():
        fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), f"setns {namespace}")
            result.append(work())
        finally:
            os.close(fd)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if not result:
        raise layout.LabError(f"cannot work in namespace {namespace}")
    return result[0]


def open_port(port):
    """Sees ARP answers that arrive at a port of the bridge. A socket for ARP alone would not: the bridge takes the
    frame first; so all are taken and the filter (load 16 bits at k, or jump if unequal) drops the rest in the kernel."""
    load, unequal, end = 0x28, 0x15, 0x06
    program = [(load, 0, 0, 12), (unequal, 0, 3, ETH_P_ARP), (load, 0, 0, 20), (unequal, 0, 1, 2), (end, 0, 0, 128), (end, 0, 0, 0)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    s.bind((port, ETH_P_ALL))
    return s


def arrived_us(ancillary):
    """When the kernel took the frame from the host, which is when that host had made it."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("@qq", data[:16])
            return seconds * 1000000 + nanoseconds // 1000
    raise layout.LabError("the kernel does not say when a frame has come")


def request(mac, address):
    """ARP request of ASKER for the address, from the bridge's own MAC so that answers are not flooded."""
    head = b"\xff" * 6 + mac + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1)
    return head + mac + socket.inet_aton(ASKER) + b"\0" * 6 + socket.inet_aton(address)


def is_answer(frame, address):
    return frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(address) and frame[38:42] == socket.inet_aton(ASKER)


class Sampler:
    """A background thread; samples are in .samples, two living leases at once in .violations."""

    def __init__(self, lab, vip=layout.VIP):
        self.lab, self.vip = lab, vip
        self.samples, self.violations = [], []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        switch = self.lab.namespace("sw")
        self.ports = in_namespace(switch, lambda: {node: open_port(node) for node in NODES})
        shown = net.run(["ip", "-n", switch, "-o", "link", "show", "br0"]).stdout
        self.frame = request(bytes.fromhex(shown.split("link/ether ")[1].split()[0].replace(":", "")), self.vip)
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.stopping.set()
        self.thread.join()
        for port in self.ports.values():
            port.close()

    def run(self):
        while not self.stopping.wait(PERIOD_S):
            sample = self.look()
            self.samples.append(sample)
            if len(sample.holders) > 1 and sample.skew_us < SKEW_US:
                self.violations.append(sample)

    def look(self):
        for port in self.ports.values():
            self.answered_us(port)  # late ones of the round before
        begin = layout.now_us()
        for port in self.ports.values():
            try:
                port.send(self.frame)
            except OSError:
                pass  # unplugged
        given = {}
        deadline = time.monotonic() + ANSWER_S
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select(list(self.ports.values()), [], [], left)
            for node, port in self.ports.items():
                if port in ready and (at := self.answered_us(port)) is not None:
                    given.setdefault(node, at)
        skew = max(given.values()) - min(given.values()) if given else 0
        return Sample(begin, tuple(sorted(given)), skew)

    def answered_us(self, port):
        """When the first answer of those that wait there was given; None if none does."""
        first = None
        while True:
            try:
                frame, ancillary, _, _ = port.recvmsg(128, 64)
            except OSError:
                return first
            if first is None and is_answer(frame, self.vip):
                first = arrived_us(ancillary)

    def holder(self):
        """Who answered last; None if nobody did."""
        last = self.samples[-1].holders if self.samples else ()
        return last[0] if last else None

    def changes(self):
        """[(time, holders)] whenever it changed."""
        result = []
        for sample in self.samples:
            if not result or result[-1][1] != sample.holders:
                result.append((sample.at, sample.holders))
        return result
