# SPDX-License-Identifier: Apache-2.0
"""Advertisements that are wrong in one way each, and noise: none of them may be taken for the Master's word.

Runs inside a host (`python3 vrrp_flood.py 10000 --vrid 100 ...`), sends to the groups, or with --to to routers that have each
other as unicast peers, and prints, per address family, how many it sent for each reason that the receiver must find; "any" are those that are wrong in several ways or at random. Same seed,
same datagrams."""
import argparse
import json
import os
import random
import socket
import struct
import subprocess
import time
from collections import Counter

PROTOCOL = 112
GROUP = {4: "224.0.0.18", 6: "ff02::12"}
PAYLOAD_MAX = {4: 1480, 6: 1460}  # an Ethernet frame holds no more
CORPUS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../fuzz/corpus")
# The rate of the flood, and no wait for anything: a batch is what a receiver's buffer holds while it is not running, and a packet
# that the kernel drops there is counted by nobody.
BATCH, PAUSE_S = 50, 0.004


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def folded(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Router:
    """What this virtual router would accept, of one address family."""

    def __init__(self, options, family, source, vip):
        self.family, self.version, self.vrid = family, options.version, options.vrid
        self.interval_cs, self.password = options.interval_cs, options.password.encode()
        self.vips, self.source = [packed(vip)], packed(source)

    def message(self, destination=None, resum=True, **wrong):
        """A whole advertisement of a better Master, but for what is `wrong`."""
        version = wrong.get("version", self.version)
        vips = wrong.get("vips", self.vips)
        count = wrong.get("count", len(vips))
        interval = wrong.get("interval_cs", self.interval_cs)
        head = [version << 4 | wrong.get("type", 1), wrong.get("vrid", self.vrid), 254, count]
        if version == 2:
            auth = wrong.get("auth", 1 if self.password else 0)
            body = bytes([*head, auth, (interval + 99) // 100 & 0xFF, 0, 0]) + b"".join(vips)
            body += wrong.get("password", self.password).ljust(8, b"\0")
        else:
            body = bytes(head) + struct.pack("!HH", interval, 0) + b"".join(vips)
        return self.summed(body, version, destination) if resum else body

    def summed(self, body, version, destination=None):
        pseudo = b""
        if version != 2 or self.family == 6:
            to = packed(destination or GROUP[self.family])
            pseudo = self.source + to + struct.pack("!II", len(body), PROTOCOL) if self.family == 6 else (
                self.source + to + struct.pack("!BBH", 0, PROTOCOL, len(body)))  # fmt: skip
        return body[:6] + struct.pack("!H", folded(pseudo + body)) + body[8:]


def corpus(family):
    """Messages of the fuzz targets' seeds, without their IP headers."""
    for folder in ("vrrp_v2", "vrrp_v3"):
        for name in sorted(os.listdir(os.path.join(CORPUS, folder))):
            with open(os.path.join(CORPUS, folder, name), "rb") as f:
                datagram = f.read()
            six = datagram[:1] and datagram[0] >> 4 == 6
            if six == (family == 6) and len(datagram) > 48:
                yield datagram[40:] if six else datagram[(datagram[0] & 15) * 4:]


def flipped(message, r):
    """One bit is other: whatever the message was, its checksum is wrong."""
    at = r.randrange(8 * len(message))
    changed = bytearray(message)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def kinds_of(router, r):
    """(reason, hop limit, message) of each kind, made anew at every call."""
    whole = router.message()
    seeds = list(corpus(router.family))
    other = bytes(router.vips[0][:-1]) + bytes([router.vips[0][-1] ^ 1])
    least = 1 if router.family == 6 else 0  # Linux sends no IPv6 datagram without payload
    room = PAYLOAD_MAX[router.family] - len(whole)
    foreign_version = 2 if router.version == 3 else 3
    kinds = [
        lambda: ("ttl", r.randrange(1, 255), whole),
        lambda: ("checksum", 255, whole[:6] + bytes([whole[6] ^ 1 << r.randrange(8)]) + whole[7:]),
        lambda: ("short", 255, whole[: r.randrange(least, 8)]),
        lambda: ("length", 255, whole[: r.randrange(8, len(whole))]),
        lambda: ("length", 255, whole + r.randbytes(r.randrange(1, room + 1))),
        lambda: ("length", 255, router.message(count=r.choice((2, 7, 255)))),
        lambda: ("no-address", 255, router.message(count=0)),
        lambda: ("vrid", 255, router.message(vrid=router.vrid ^ r.randrange(1, 256))),
        lambda: ("version", 255, router.message(version=r.choice((0, 1, 4, 9, 15)))),
        lambda: ("version", 255, router.message(version=foreign_version)),
        lambda: ("type", 255, router.message(type=r.choice((0, 2, 8, 15)))),
        lambda: ("addresses", 255, router.message(vips=[other])),
        lambda: ("interval", 255, router.message(interval_cs=0)),
        lambda: ("any", 255, r.randbytes(r.randrange(least, PAYLOAD_MAX[router.family]))),
        lambda: ("any", 255, flipped(whole, r)),
        lambda: ("any", 255, flipped(r.choice(seeds), r)),
    ]
    if router.version == 2:
        kinds += [
            lambda: ("interval", 255, router.message(interval_cs=router.interval_cs + 100 * r.randrange(1, 9))),
            lambda: ("password", 255, router.message(password=r.randbytes(8))),
            lambda: ("auth-type", 255, router.message(auth=r.choice((0, 2, 3)))),
        ]
    return kinds


def foreign_kinds_of(router, r, to):
    """The same of what is sent to a router alone, by a host that is not its peer: the best of advertisements, and wrong ones."""
    whole = router.message(to)
    return [
        lambda: ("peer", 255, whole),
        lambda: ("peer", r.randrange(1, 255), router.message(to, vrid=r.randrange(1, 256))),
        lambda: ("checksum", 255, whole[:6] + bytes([whole[6] ^ 1 << r.randrange(8)]) + whole[7:]),
        lambda: ("short", 255, whole[: r.randrange(0, 8)]),
        lambda: ("length", 255, whole[: r.randrange(8, len(whole))]),
        lambda: ("type", 255, router.message(to, type=r.choice((0, 2, 8, 15)))),
        lambda: ("no-address", 255, router.message(to, count=0)),
    ]


def open_socket(family, device, source):
    s = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_RAW, PROTOCOL)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    if family == 6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        s.bind((source, 0, 0, socket.if_nametoindex(device)))
    else:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, packed(source))
    return s


def send(s, family, ttl, message, device, to):
    if family == 6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
        s.sendto(message, (to, 0, 0, socket.if_nametoindex(device)))
    else:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        s.sendto(message, (to, 0))


def address_of(device, family):
    scope = ["scope", "link"] if family == 6 else []
    shown = subprocess.run(["ip", f"-{family}", "-o", "addr", "show", "dev", device, *scope], capture_output=True, text=True, check=True)
    return shown.stdout.split()[3].split("/")[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=112)
    parser.add_argument("--device", default="eth0")
    parser.add_argument("--vrid", type=int, required=True)
    parser.add_argument("--version", type=int, choices=(2, 3), default=3)
    parser.add_argument("--interval-cs", type=int, default=100)
    parser.add_argument("--password", default="")
    parser.add_argument("--vip", action="append", required=True, help="one of each address family")
    parser.add_argument("--to", metavar="ADDRESS", help="a unicast peer of somebody else, of IPv4, instead of the groups")
    options = parser.parse_args()
    r = random.Random(options.seed)
    lanes, sent = [], {}
    for vip in options.vip:
        family = 6 if ":" in vip else 4
        source = address_of(options.device, family)
        router = Router(options, family, source, vip)
        kinds = foreign_kinds_of(router, r, options.to) if options.to else kinds_of(router, r)
        lanes.append((family, open_socket(family, options.device, source), kinds))
        sent[f"ipv{family}"] = Counter()
    for i in range(options.count):
        family, s, kinds = lanes[i % len(lanes)]
        reason, ttl, message = kinds[i // len(lanes) % len(kinds)]()
        send(s, family, ttl, message, options.device, options.to or GROUP[family])
        sent[f"ipv{family}"][reason] += 1
        if i % BATCH == 0:
            time.sleep(PAUSE_S)
    print(json.dumps(sent))


main()
