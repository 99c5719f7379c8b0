# SPDX-License-Identifier: Apache-2.0
"""The network between the hosts is cut and healed; every host stays up."""
import expect
import pytest
import stories
from conftest import MARIADB, MYSQL
from tandemlab import net
from tandemlab.layout import ADDRESSES, now_us

both = pytest.mark.flavours(MARIADB, MYSQL)


@both
def test_writer_cut_off_from_everyone(cluster):
    report = stories.cut_writer_off(cluster)
    assert cluster.outage_ms(report, 0) < 4000


@both
def test_writer_cut_off_with_clients_beside_it(cluster):
    """m1 keeps its clients but no other host: it must not acknowledge anything alone."""
    c = cluster
    with c.client(writers=2, rate=100) as client, c.client("direct", rate=100, host=ADDRESSES["m1"]) as direct:
        client.wait_acks(100)
        direct.wait_acks(50)
        c.mark("m1 cut off from the other hosts")
        c.cut("m1", "m2", "m3", "m4", "m5")
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        c.heal()
        c.wait_whole(writer="m2")
    report = c.verify()
    assert report.writer_changes >= 1


@both
def test_candidates_cut_from_each_other(cluster):
    """m3 sees both: m1 stays the writer, m2 leaves the set, and comes back when it is healed."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("m1 and m2 cut from each other")
        c.cut("m1", "m2")
        c.wait_status(lambda s: "m2" not in s.in_sync and s.writable, 20, "m2 has left the set")
        client.wait_ack_after(now_us())
        client.wait_acks(100)
        assert c.status_of("m1").writer == "m1"
        c.mark("healed")
        c.heal()
        c.wait_whole(writer="m1")
        client.wait_acks(50)
    report = c.verify()
    expect.topology(c, "m1")
    assert report.writer_changes == 0
    assert c.outage_ms(report, 0) < 3000, "the stall is the detection, not 10 s"


def test_one_way_cut(cluster, servers):
    """m1 is heard by nobody but hears all: somebody else must become the writer, and only one."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("what m1 sends is lost")
        c.cut("m1", "m2", "m3", "m4", "m5", oneway=True)
        c.wait_writer("m2", 30)
        client.wait_ack_after(now_us())
        c.heal()
        c.wait_whole(writer="m2")
    c.verify()


def test_no_quorum_no_writes(cluster, servers):
    """With two of three voters gone the writer closes, and opens again when they return."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("m2 and m3 cut off")
        c.cut("m2")
        c.cut("m3")
        c.wait_until(lambda: not c.sampler.holder(), 10, "nobody answers for the address")
        closed = now_us()
        c.wait_until(lambda: now_us() > closed + 2_000_000, 4, "four election time-outs to pass", 0.1)
        last = client.last_ack()
        assert last is None or last[0] < closed
        c.heal()
        c.wait_whole()
        client.wait_acks(50)
    c.verify()


def test_address_removed_by_hand_is_put_back(cluster, servers):
    c = cluster
    c.wait_until(lambda: c.sampler.holder() == "m1", 5, "m1 answers for the address")
    net.run(["ip", "-n", c.lab.namespace("m1"), "addr", "del", "172.17.0.101/16", "dev", "eth0"])
    with c.client(rate=100) as client:
        client.wait_acks(20, 5)
    assert c.vip_holders() == ["m1"]
