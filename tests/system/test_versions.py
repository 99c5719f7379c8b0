# SPDX-License-Identifier: Apache-2.0
"""Agents of other versions: a stranger with the certificate of m5 speaks to m1 in the frames of an older and of a newer agent; and a
cluster whose agents are of two versions, `tandem` and `tandem-older`, which neither sends nor reads what was appended to messages."""
import os
import socket
import ssl
import struct
import subprocess
import sys

import expect
from tandemlab import net, procs
from tandemlab.layout import ADDRESSES, NODES, find_program, now_us

PORT = 7600
MAGIC, LAYOUT, HELLO, REPORT = 0x6474, 1, 0, 5
OLDER = "0.0.1-older"  # lab/older.c


def text(value):
    return struct.pack("<H", len(value)) + value.encode()


def frame(kind, sequence, payload):
    return struct.pack("<HBBII", MAGIC, LAYOUT, kind, len(payload), sequence) + payload


def cluster_id(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) % (1 << 64)
    return value


def hello(protocol, tail):
    """As src/wire/frame.h describes it; `tail` is what was appended to it since, or may be one day."""
    return struct.pack("<HBQQQB", protocol, 0, cluster_id("demo"), 0, 4711, 4) + text("m5") + text("9.9.9") + tail


def read_exactly(stream, size):
    data = b""
    while len(data) < size:
        piece = stream.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def speak(tls, protocol, tail, then=b""):
    """(protocol, verdict) of m1's answer; then sends `then` and says whether m1 went on with the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(f"{tls}/ca.pem")
    context.load_cert_chain(f"{tls}/m5.pem", f"{tls}/m5.key")
    with socket.create_connection((ADDRESSES["m1"], PORT), 5) as plain, context.wrap_socket(plain) as stream:
        stream.settimeout(5)
        stream.sendall(frame(HELLO, 0, hello(protocol, tail)))
        length = struct.unpack("<HBBII", read_exactly(stream, 12))[3]
        answer = read_exactly(stream, length)
        goes_on = False
        if then:
            stream.sendall(then)
            try:
                goes_on = bool(stream.recv(1))  # a PING, if it is not closed
            except (OSError, EOFError):
                goes_on = False
        print(*struct.unpack("<HB", answer[:3]), int(goes_on))


def stranger(c, *arguments):
    """speak() in the host of m5, which has that address."""
    argv = [*net.enter(c.lab.namespace("m5")), sys.executable, os.path.abspath(__file__), os.path.join(c.lab.init_dir, "tls"), *arguments]
    done = subprocess.run(argv, text=True, capture_output=True, timeout=30, check=False,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_other_versions(cluster, servers):
    c = cluster
    with c.client(rate=100) as client:
        client.wait_acks(20)
        c.kill("m5", "agent")
        # another protocol: refused, named with both numbers, and shown to whoever asks
        own, verdict, _ = stranger(c, "2", "")
        assert (own, verdict) == (1, 1)
        c.wait_until(lambda: "different versions of the protocol (protocol 2 and 1 here" in c.tandem("m1", "status", check=False).stdout,
                     10, "status says why m5 is refused")  # fmt: skip
        assert "agent 9.9.9" in c.log_of("m1")
        # the HELLO of an older agent ends earlier, that of a newer one later: both are welcome
        assert stranger(c, "1", "")[1] == 0
        assert stranger(c, "1", "00000000" + "00" + "0102030405060708")[1] == 0
        # a generation that this quorum does not have
        assert stranger(c, "1", "00000000" + "00")[1] == 0
        # a message that cannot be read is named and left out; the connection goes on
        assert stranger(c, "1", "", frame(REPORT, 1, b"\xff\xff").hex())[1:] == [0, 1]
        c.wait_until(lambda: "frame-malformed" in c.log_of("m1"), 10, "m1 names the message")
        # a kind of frame that nobody knows ends that connection, and nothing else
        assert stranger(c, "1", "", struct.pack("<HBBII", MAGIC, LAYOUT, 99, 0, 1).hex())[1:] == [0, 0]
        assert "peer-stream-broken" in c.log_of("m1")
        client.wait_ack_after(now_us())
        c.start("m5", "agent")
        c.wait_whole(writer="m1")
        assert "refuse each other" not in c.tandem("m1", "status").stdout
    assert c.verify().writer_changes == 0


def exchange(c, node):
    """`systemctl restart` after the installation of the program that $TANDEM names."""
    pids = c.term(node, "agent")
    assert not procs.wait_gone(pids, 20), f"the agent of {node} does not end"
    c.start(node, "agent")


def versions(c, asked):
    """{node: version of its agent} as `tandem status` says it on the host of `asked`."""
    status = c.status_of(asked)
    return {node: status.nodes[node].get("agent_version") for node in NODES} if status else {}


def exchanged(c, node, version):
    """Agents of both versions name that version of that node's agent."""
    for asked in ("m1", "m5"):
        c.wait_until(lambda asked=asked: versions(c, asked).get(node) == version, 20, f"{asked} sees agent {version} on {node}")


def test_agents_upgraded_one_after_another(make_cluster, servers, monkeypatch):
    """And one of them goes back, while it is the writer's."""
    newer, older = find_program("tandem"), find_program("tandem-older")
    present = subprocess.run([newer, "version"], text=True, capture_output=True, check=True).stdout.split()[1]
    monkeypatch.setenv("TANDEM", older)
    c = make_cluster(servers)
    assert versions(c, "m1") == dict.fromkeys(NODES, OLDER)
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        monkeypatch.setenv("TANDEM", newer)
        for node in ("m5", "m4", "m3", "m2"):
            exchange(c, node)
            exchanged(c, node, present)
        c.wait_whole(writer="m1")
        client.wait_ack_after(now_us())
        for asked in ("m1", "m5"):
            text = c.tandem(asked, "status").stdout
            assert text.count(OLDER) >= 1 and text.count(f" {present} ") == 4, text
        assert f"it is {OLDER}, here it is {present}" in c.tandem("m5", "check", check=False).stdout
        c.mark("the writer's agent upgraded")
        exchange(c, "m1")
        exchanged(c, "m1", present)
        c.wait_whole(writer="m2")
        monkeypatch.setenv("TANDEM", older)
        c.mark("the writer's agent goes back")
        exchange(c, "m2")
        exchanged(c, "m2", OLDER)
        c.wait_whole(writer="m1")
        client.wait_acks(20)
    report = c.verify()
    assert report.writer_changes == 2
    assert max(c.outage_ms(report, n) for n in (0, 1)) < expect.STALL_MAX_MS


if __name__ == "__main__":
    speak(sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3]), bytes.fromhex(sys.argv[4]) if len(sys.argv) > 4 else b"")
