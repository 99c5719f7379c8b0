# SPDX-License-Identifier: Apache-2.0
"""Certificates of the agents: renewed while everything runs, near their end, and past it."""
import os
import signal
import subprocess

from tandemlab.layout import NODES, now_us

DAY = 86400


def tls_file(c, name):
    return os.path.join(c.lab.init_dir, "tls", name)


def replace(path, text, mode):
    """Whole or not at all, as `install` does it."""
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)


def certtool(*arguments):
    done = subprocess.run(["certtool", *arguments], text=True, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def issue(c, node, days, tmp_path, name=None):
    """A new key and a certificate of that node that ends in so many days."""
    key, template = tmp_path / "key", tmp_path / "template"
    key.write_text(certtool("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--no-text"), encoding="ascii")
    begin, end = (subprocess.run(["date", "-u", "-d", f"now {shift:+d} seconds", "+%F %T"], text=True, capture_output=True,
                                 check=True).stdout.strip() for shift in (-30 * DAY, days * DAY - 600))  # fmt: skip
    template.write_text(f'organization = "demo"\ncn = "{name or node}"\ndns_name = "{name or node}"\nsigning_key\n'
                        f'tls_www_server\ntls_www_client\nactivation_date = "{begin} UTC"\nexpiration_date = "{end} UTC"\n',
                        encoding="ascii")  # fmt: skip
    return key.read_text(encoding="ascii"), certtool(
        "--generate-certificate", "--load-privkey", str(key), "--load-ca-certificate", tls_file(c, "ca.pem"),
        "--load-ca-privkey", tls_file(c, "ca.key"), "--template", str(template), "--no-text")  # fmt: skip


def install(c, node, days, tmp_path, name=None):
    key, cert = issue(c, node, days, tmp_path, name)
    replace(tls_file(c, f"{node}.key"), key, 0o600)
    replace(tls_file(c, f"{node}.pem"), cert, 0o644)


def certificate(c, node):
    status = c.status_of(node)
    return (status.data.get("certificate") if status else None) or {}


def test_renewed_under_load(cluster, servers, tmp_path):
    """Every node gets another key and certificate; nobody is restarted, no write is missed."""
    c = cluster
    with c.client(writers=4, rate=100) as client:
        client.wait_acks(100)
        before = {node: c.pids(node, "agent") for node in NODES}
        for node in NODES:
            install(c, node, 100, tmp_path)
            c.signal(node, signal.SIGHUP, "agent")
            c.wait_until(lambda node=node: certificate(c, node).get("days") == 99, 15, f"{node} uses its new certificate")
        client.wait_acks(100)
        assert before == {node: c.pids(node, "agent") for node in NODES}
        # new connections are made with the new certificates
        c.cut("m2")
        c.wait_status(lambda s: "m2" not in s.in_sync, 20, "m2 has left the set")
        c.heal("m2")
        c.wait_whole(writer="m1")
        client.wait_ack_after(now_us())
    assert c.verify().writer_changes == 0


def test_near_its_end_and_past_it(cluster, servers, tmp_path):
    c = cluster
    with c.client(rate=100) as client:
        client.wait_acks(20)
        install(c, "m2", 12, tmp_path)
        for asked in ("m2", "m4"):  # of a node, whichever agent is asked
            c.wait_until(lambda asked=asked: "certificate expires in 11 days" in c.tandem(asked, "status", check=False).stdout, 15,
                         f"{asked} warns of the end")  # fmt: skip
        assert certificate(c, "m2")["days"] == 11 and "renew it" in certificate(c, "m2")["trouble"]
        assert "peer-certificate-expires" in c.log_of("m2")
        # files that cannot be used are named, and the ones in use stay
        for days, name, words in ((-3, None, "expired 4 days ago"), (50, "m3", "does not name node 'm2'")):
            install(c, "m2", days, tmp_path, name)
            c.wait_until(lambda words=words: words in (certificate(c, "m2").get("trouble") or ""), 20, f"m2 says: {words}")
        assert "peer-certificate-not-used" in c.log_of("m2")
        client.wait_ack_after(now_us())
        assert "m2" in c.status().in_sync
        # an agent that starts with an expired one says so, and runs when it has been renewed
        install(c, "m2", -3, tmp_path)
        c.kill("m2", "agent")
        c.start("m2", "agent")
        c.wait_until(lambda: "expired 4 days ago" in c.log_of("m2").partition("agent-not-started")[2] and not c.pids("m2", "agent"),
                     15, "the agent of m2 refuses to start")  # fmt: skip
        install(c, "m2", 200, tmp_path)
        c.start("m2", "agent")
        c.wait_whole(writer="m1")
    c.verify()
