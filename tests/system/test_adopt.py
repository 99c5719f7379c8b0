# SPDX-License-Identifier: Apache-2.0
"""`tandem adopt` in a topology that replicates by file and position, as it is found in the field."""
import re
import subprocess

import pytest
from tandemlab import net, plain, servers as lab_servers
from tandemlab.cluster import wait_until
from tandemlab.layout import ADDRESSES, NODES, find_program

import expect
from conftest import MARIADB, MYSQL

REPLICAS = [node for node in NODES if node != "m1"]
ACCOUNT = "CREATE USER 'adopter'@'%' IDENTIFIED BY 'adopter';\nGRANT ALL ON *.* TO 'adopter'@'%';\n"


@pytest.fixture
def classic(make_cluster, servers):
    c = make_cluster(servers, agents=False)
    for node in NODES:
        if c.flavour.is_mysql:
            lab_servers.run_script(c.lab.socket(node), "SET GLOBAL super_read_only = OFF;\n")
        lab_servers.run_script(c.lab.socket(node), "SET sql_log_bin = 0;\n" + ACCOUNT)
    plain.classic(c)
    with open(c.lab.path("m1", "adopter"), "w", encoding="utf-8") as f:
        f.write("adopter\n")
    return c


def adopt(c, *arguments, start="m5", host="cl"):
    """From the client host, which knows the address of one server."""
    argv = [*net.enter(c.lab.namespace(host)), find_program("tandem"), "adopt", ADDRESSES[start], "--user", "adopter",
            "--password-file", c.lab.path("m1", "adopter"), *arguments]  # fmt: skip
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def follows_by_gtid(c, node):
    row = c.sql(node, "SHOW REPLICA STATUS")[0]
    return row.get("Using_Gtid") == "Slave_Pos" or row.get("Auto_Position") in (1, "1")


def outcomes(client):
    with open(client.file, encoding="utf-8") as f:
        return {line.split("\t")[4] for line in f}


def draw(c, path):
    """The cluster file: checked as a whole, and what it says of each node."""
    names = [argument for node in NODES for argument in ("--name", f"{ADDRESSES[node]}={node}")]
    done = adopt(c, "-o", path, "--cluster", "demo", "--vip", "172.17.0.101/24@eth0", *names)
    assert done.returncode == 0, done.stderr
    checked = subprocess.run([find_program("tandem"), "config", "check", path], capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"(?m)^\s*#.*$", "", f.read())
    nodes = {name: dict(re.findall(r"(\w+) = (\S+)", body)) for name, body in re.findall(r"node (m\d) \{(.*?)\}", text, re.DOTALL)}
    return nodes, done.stderr


def hand_over_to_agents(c):
    """With rows in it, and nobody who writes meanwhile."""
    with c.client() as client:
        client.wait_acks(20)
    c.lab.agents = True
    for node in NODES:
        c.start_agent(node)


@pytest.mark.flavours(MARIADB, MYSQL)
def test_running_topology_is_adopted(classic, tmp_path):
    c = classic
    # a slow machine is no error of the servers
    with c.client(writers=2, rate=50, timeout_ms=3000) as client:
        client.wait_acks(20)
        nodes, said = draw(c, str(tmp_path / "tandem.conf"))
        assert {name: (n["role"], n.get("priority"), n.get("source")) for name, n in nodes.items()} == {
            "m1": ("candidate", "100", None),
            "m2": ("candidate", "50", None),
            "m3": ("replica", None, None),
            "m4": ("replica", None, "m3"),
            "m5": ("replica", None, "m3"),
        }
        assert all(nodes[node]["address"] == ADDRESSES[node] for node in NODES)
        assert all(nodes[node]["socket"].strip('"') == c.lab.socket(node) for node in NODES)
        for node in REPLICAS:
            assert f"must: {node}: position-replica" in said, said
        assert "left to you: arbiter" in said and "left to you: virtual_ipaddress" not in said

        planned = adopt(c, "--gtid", "--dry-run")
        assert planned.returncode == 0 and "nothing was changed" in planned.stderr, planned.stderr
        assert not any(follows_by_gtid(c, node) for node in REPLICAS)

        done = adopt(c, "--gtid", "--watch", "1")
        assert done.returncode == 0, done.stderr
        assert all(follows_by_gtid(c, node) for node in REPLICAS)
        again = adopt(c, "--gtid", "--watch", "1")
        assert again.returncode == 0 and "CHANGE" not in again.stderr, again.stderr
        client.wait_acks(20)
    if c.flavour.is_mysql:
        assert [c.value(node, "@@global.gtid_mode") for node in NODES] == ["ON"] * 5
    assert outcomes(client) == {"ack"}, "turning GTID on was seen by a client"
    c.verify()


@pytest.mark.flavours(MARIADB)  # MySQL without GTID has no names by which a transaction could be found to be extra
def test_extra_transaction_is_refused(classic):
    c = classic
    wait_until(lambda: expect.channel(c, "m4")[1:] == ("Yes", "Yes"), 20, "m4 replicates")
    lab_servers.run_script(c.lab.socket("m1"), "INSERT INTO demo.writes VALUES (1, 1, 1, 1);\n")
    wait_until(lambda: expect.rows(c, "m4") == 1, 20, "the row on m4")
    lab_servers.run_script(c.lab.socket("m4"), "INSERT INTO demo.writes VALUES (9, 9, 9, 9);\n")
    done = adopt(c, "--gtid")
    assert done.returncode == 1 and "gtid/80" in done.stderr and "CHANGE" not in done.stderr, done.stderr
    assert not any(follows_by_gtid(c, node) for node in REPLICAS)


@pytest.mark.thorough
@pytest.mark.flavours(MARIADB)  # MySQL without GTID: the next test
def test_agents_take_over_a_topology_by_position(classic):
    """Their leader compares each replica and lets it follow by GTID."""
    c = classic
    hand_over_to_agents(c)
    c.wait_whole(60, writer="m1")
    wait_until(lambda: all(follows_by_gtid(c, node) for node in REPLICAS), 30, "all follow by GTID")
    with c.client("after") as client:
        client.wait_acks(20)
    c.verify()


@pytest.mark.thorough
@pytest.mark.flavours(MYSQL)
def test_agents_open_nothing_without_gtid(classic):
    """Two servers without GTID hold the same as far as sets tell: no writer is chosen, nobody is attached, until it is on."""
    c = classic
    hand_over_to_agents(c)
    wait_until(lambda: "tandem adopt --gtid" in c.tandem("m1", "status", check=False).stdout, 30, "the remedy in the status")
    wait_until(lambda: expect.is_closed(c, "m1"), 30, "m1 is closed")
    assert not any(follows_by_gtid(c, node) for node in REPLICAS)
    # the agents keep everybody else away from the servers that are closed
    done = adopt(c, "--gtid", "--watch", "1", "--writer", ADDRESSES["m1"], host="m2")
    assert done.returncode == 0, done.stderr
    c.wait_whole(60)
    with c.client("after") as client:
        client.wait_acks(20)
    c.verify()
