# SPDX-License-Identifier: Apache-2.0
"""What answers at addresses, as this host sees it: reach.py PORT ADDRESS...; a line of JSON, {ADDRESS: [echo, tcp]}.

echo: an answer to an ICMP echo. tcp: any answer of the port, a refusal as well."""
import json
import os
import select
import socket
import struct
import sys
import time

ANSWER_S = 1.5


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def echoes(address, six):
    """The kernel does the checksum of ICMPv6, and keeps the header of IPv6 to itself."""
    kind, answer, protocol = (128, 129, socket.IPPROTO_ICMPV6) if six else (8, 0, socket.IPPROTO_ICMP)
    mark = os.urandom(8)
    bare = struct.pack("!BBHHH", kind, 0, 0, 0, 1) + mark
    question = bare[:2] + struct.pack("!H", 0 if six else checksum(bare)) + bare[4:]
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, protocol) as s:
        s.sendto(question, (address, 0))
        end = time.monotonic() + ANSWER_S
        while select.select([s], [], [], max(0, end - time.monotonic()))[0]:
            message = s.recv(2048)[0 if six else 20 :]
            if message[0] == answer and message.endswith(mark):
                return True
    return False


def answers(address, port, six):
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(ANSWER_S)
        try:
            s.connect((address, port))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True


def main():
    port, found = int(sys.argv[1]), {}
    for address in sys.argv[2:]:
        six = ":" in address
        found[address] = [echoes(address, six), answers(address, port, six)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
