# SPDX-License-Identifier: Apache-2.0
"""Three candidates: two standbys, so that the in-sync set can be larger than one (MySQL), or its only place (MariaDB) has to go to
the better of them."""
import expect
import pytest
from conftest import MARIADB, MYSQL
from tandemlab.layout import now_us

pytestmark = [pytest.mark.flavours(MARIADB, MYSQL), pytest.mark.thorough]


@pytest.fixture
def three(make_cluster, servers):
    """m1 is the writer; m2 and m3 are in sync on MySQL, m2 on MariaDB."""
    c = make_cluster(servers, candidates=3, wait_s=180)
    wait_members(c, "m2", "m3")
    return c


def wait_members(c, *standbys):
    """In the order of their priorities; MariaDB's set has room for the first."""
    wanted = set(standbys if c.flavour.is_mysql else standbys[:1])
    return c.wait_status(lambda s: set(s.in_sync) - {s.writer} == wanted, 240, f"in sync: {wanted}")


def wait_count(c, node):
    """Acknowledgements that a commit waits for; None on MariaDB, which knows one only."""
    return int(c.value(node, "@@global.rpl_semi_sync_source_wait_for_replica_count")) if c.flavour.is_mysql else None


def sides(c):
    """Nodes that acknowledge."""
    name = "rpl_semi_sync_replica_enabled" if c.flavour.is_mysql else "rpl_semi_sync_slave_enabled"
    return {node for node in ("m1", "m2", "m3") if c.answers(node) and str(c.value(node, f"@@global.{name}")) in ("1", "ON")}


def test_standby_killed(three):
    """Writes go on with the one that is left, and the lost one comes back to its place."""
    c = three
    assert wait_count(c, "m1") in (2, None)
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(100, 60)
        c.mark("m2 killed")
        c.kill("m2")
        wait_members(c, "m3")
        client.wait_ack_after(now_us(), 60)
        assert wait_count(c, "m1") in (1, None)
        assert sides(c) == {"m3"}
        c.mark("m2 started")
        c.start("m2")
        wait_members(c, "m2", "m3")
        c.wait_until(lambda: sides(c) == ({"m2", "m3"} if c.flavour.is_mysql else {"m2"}), 20, "nobody else acknowledges")
        client.wait_acks(100, 60)
        assert wait_count(c, "m1") in (2, None)
    report = c.verify(wait_s=120)
    assert report.writer_changes == 0
    assert max(c.outage_ms(report, n) for n in (0, 1)) < expect.STALL_MAX_MS


def test_writer_killed(three):
    """The better member takes over; after the next loss the other one, and nothing is lost either time."""
    c = three
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(100, 60)
        c.mark("m1 killed")
        c.kill("m1")
        c.wait_writer("m2", 60)
        client.wait_ack_after(now_us(), 60)
        wait_members(c, "m3")
        client.wait_acks(100, 60)
        c.mark("m1 started")
        c.start("m1")
        wait_members(c, "m1", "m3")  # MariaDB: m3's place is taken
        client.wait_acks(100, 60)
        c.mark("m2 killed")
        c.kill("m2")
        c.wait_writer("m1", 60)
        client.wait_ack_after(now_us(), 60)
        c.start("m2")
        c.wait_whole(240, writer="m1")
        client.wait_acks(50)
    report = c.verify(wait_s=120)
    assert report.writer_changes == 2
    assert max(c.outage_ms(report, n) for n in (0, 2)) < expect.STALL_MAX_MS


def test_switchover_to_the_third(three):
    """MariaDB: it is no member before."""
    c = three
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(100, 60)
        c.mark("switchover to m3")
        c.tandem("m2", "switchover", "--to", "m3")
        c.wait_writer("m3", 60)
        client.wait_ack_after(now_us(), 60)
        c.wait_whole(240, writer="m3")
        wait_members(c, "m1", "m2")
        client.wait_acks(100, 60)
        expect.topology(c, "m3")
    report = c.verify(wait_s=120)
    assert report.writer_changes == 1
    assert c.outage_ms(report) < expect.STALL_MAX_MS
