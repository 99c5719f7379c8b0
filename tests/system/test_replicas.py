# SPDX-License-Identifier: Apache-2.0
"""The nodes that can never be the writer: nothing they do may lose a row, or stop another."""
import contextlib
import os
import shutil
import threading

import expect
import pymysql
import pytest
from conftest import MARIADB, MYSQL
from tandemlab import servers as lab_servers
from tandemlab.layout import NODES, LabError, now_us

both = pytest.mark.flavours(MARIADB, MYSQL)


@both
def test_middle_node_dies_and_returns(cluster):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("host m3 lost")
        c.vanish("m3")
        expect.wait_follows(c, "m4", "m1", 40)
        expect.wait_follows(c, "m5", "m1", 40)
        client.wait_acks(50)
        c.boot("m3")
        expect.wait_follows(c, "m4", "m3", 60)
        expect.wait_follows(c, "m5", "m3", 60)
        c.wait_whole(writer="m1")
    report = c.verify()
    expect.topology(c, "m1")
    assert report.writer_changes == 0
    assert c.outage_ms(report) < 1500


@contextlib.contextmanager
def applier_held(c, node):
    """The node receives (and acknowledges) but applies nothing."""
    connection = lab_servers.connect(c.lab.socket(node), 60)
    try:
        with connection.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
            yield
            cursor.execute("UNLOCK TABLES")
    finally:
        connection.close()


@both
@pytest.mark.parametrize("late", ["m2", "m3"])
def test_takeover_keeps_what_was_received_but_not_applied(cluster, late):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        with applier_held(c, late):
            client.wait_acks(300)
            behind = expect.rows(c, "m1") - expect.rows(c, late)
            assert behind >= 100
            c.mark("mysqld and agent of m1 killed")
            c.kill("m1")
            killed = now_us()
            c.wait_until(lambda: now_us() > killed + 1_500_000, 3, "three election time-outs to pass", 0.1)
        c.wait_writer("m2", 30)
        client.wait_ack_after(now_us())
        c.start("m1")
        c.wait_whole(writer="m2")
    c.verify()
    expect.topology(c, "m2")


def run_ahead(c, client):
    """Cuts m2 off from m1 so that m3 holds a transaction that m2 has not: an asynchronous replica gets it before the
    standby's acknowledgement. The cut may fall just behind the last commit that m1 lets through: then once more."""
    for _ in range(10):
        c.cut("m1", "m2")
        with contextlib.suppress(LabError):
            return c.wait_until(lambda: expect.has_more(c, "m3", "m2"), 2, "m3 has what m2 has not")
        c.heal("m2")
        client.wait_acks(20)
    raise LabError("m3 did not run ahead of m2 in ten attempts")


@both
@pytest.mark.settings("policy.shrink_after=20000", "policy.stall_after=20000")
def test_takeover_fetches_what_a_replica_has_ahead(cluster):
    """m3 has rows of m1 that nobody was promised: the new writer takes them over, and nobody is left behind."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        run_ahead(c, client)
        c.mark("m1 lost")
        c.vanish("m1")
        c.wait_writer("m2", 30)
        client.wait_ack_after(now_us())
        c.wait_whole(without=("m1",), writer="m2")
        c.boot("m1")
        c.wait_whole(writer="m2")
    c.verify()
    expect.topology(c, "m2")


@both
@pytest.mark.settings("arbiter.voters={m1, m2, m3, m4, m5}", "policy.shrink_after=20000", "policy.stall_after=20000")
def test_replica_ahead_and_cut_off_at_takeover(cluster):
    """m3 has rows that the new writer cannot have: it is not attached, whatever its server would accept."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.cut("m3", "m4", "m5")  # what m3 has ahead must not reach them
        run_ahead(c, client)
        c.mark("m1 lost, m3 cut off")
        c.cut("m3")
        c.vanish("m1")
        c.wait_writer("m2", 30)
        client.wait_ack_after(now_us())
        expect.wait_follows(c, "m4", "m2", 40)
        expect.wait_follows(c, "m5", "m2", 40)
        c.heal("m3")
        c.wait_status(lambda s: s.quarantined("m3"), 40, "m3 is quarantined")
        c.boot("m1")
        c.wait_whole(without=("m3",), writer="m2")
    c.verify(("m1", "m2", "m4", "m5"))
    assert expect.channel(c, "m3") is None or "Yes" not in expect.channel(c, "m3")[1:]


def write_past_the_agent(c, node):
    """The agent closes the server again and ends the session, at once: who is slow has to try again."""
    flag = "super_read_only" if c.flavour.is_mysql else "read_only"

    def written():
        with contextlib.suppress(pymysql.Error):
            lab_servers.run_script(c.lab.socket(node), f"SET GLOBAL {flag} = OFF;\nINSERT IGNORE INTO demo.writes VALUES (4000000, 1, 0, 0);\n")
        with contextlib.suppress(pymysql.Error):
            return c.value(node, "(SELECT COUNT(*) FROM demo.writes WHERE writer = 4000000)") == 1
        return False

    c.wait_until(written, 20, f"a row of its own on {node}")


@both
@pytest.mark.parametrize("node", ["m2", "m5"])
def test_foreign_transaction_is_not_hidden(cluster, node):
    """A row written past the agents: the node is quarantined, is never promoted, the others go on. Told to, it gives the row up and goes on
    as well, although its applier has met the writer's own row of that key, or of that GTID, and stopped."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        write_past_the_agent(c, node)
        if node == "m5":
            c.sql("m1", "INSERT INTO demo.writes VALUES (4000000, 1, 1, 1)")
        c.wait_status(lambda s: s.quarantined(node), 30, f"{node} is quarantined")
        client.wait_acks(100)
        if node == "m2":
            c.kill("m1", "mysqld")
            client.wait_ack_after(now_us(), 40)
            assert c.status_of("m1").writer == "m1"
        else:
            c.wait_status(lambda s: "m5" in s.nodes and s.nodes["m5"]["salvaged"], 30, "what m5 holds alone is saved")
            c.tandem("m1", "rejoin", "m5", "--discard", "--yes")
            c.wait_whole(180)
            c.sql("m1", "DELETE FROM demo.writes WHERE writer = 4000000")  # no client of ours can explain it
    c.verify([other for other in ("m1", "m2", "m3", "m4", "m5") if node == "m5" or other != node])


def write_large(c, node):
    """One transaction of tens of megabytes of row events; it does not end before its source does."""
    with contextlib.suppress(pymysql.Error), lab_servers.connect(c.lab.socket(node), 60) as connection:
        connection.cursor().execute("UPDATE demo.large SET t = CONCAT(t, 'y')")


def relay_bytes(c, node):
    directory = c.lab.path(node, "data")
    return sum(os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory) if "relay" in name)


@both
def test_source_vanishes_within_a_transaction(cluster):
    """The replicas hold a part of a transaction whose rest never comes. MySQL's applier would wait a minute for it, and
    with it whoever wants to stop it."""
    c = cluster
    c.sql("m1", "CREATE TABLE demo.large (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(2000))")
    c.sql("m1", "INSERT INTO demo.large (t) VALUES (REPEAT('x', 1900))")
    for _ in range(14):
        c.sql("m1", "INSERT INTO demo.large (t) SELECT t FROM demo.large LIMIT 8192")
    c.wait_whole(writer="m1")
    before = relay_bytes(c, "m2")
    writing = threading.Thread(target=write_large, args=(c, "m1"))
    writing.start()
    c.wait_until(lambda: relay_bytes(c, "m2") > before + 1_000_000, 30, "m2 has a part of it", 0.0005)
    c.mark("m1 lost")
    c.vanish("m1")
    lost = now_us()
    writing.join()
    c.wait_writer("m2", 30)
    c.wait_whole(without=("m1",), writer="m2")
    assert now_us() - lost < 30_000_000
    c.boot("m1")
    c.wait_whole(writer="m2")
    for node in NODES:
        assert c.value(node, "(SELECT COUNT(*) FROM demo.large WHERE t LIKE '%y')") == 0


def replica_status(c, node):
    return c.sql(node, "SHOW REPLICA STATUS" if c.flavour.is_mysql else "SHOW SLAVE STATUS")[0]


def damage_relay_log(c, node):
    """What the applier reads next is overwritten: the place it has come to, up to half a kilobyte."""
    s = replica_status(c, node)
    name, position = s["Relay_Log_File"], int(s["Relay_Log_Pos"])
    with open(os.path.join(c.lab.path(node, "data"), name), "r+b") as log:
        log.seek(0, os.SEEK_END)
        end = log.tell()
        assert end > position, "there is something left to apply"
        log.seek(position)
        log.write(b"\xff" * min(512, end - position))


@pytest.mark.thorough
@both
def test_damaged_relay_log_is_fetched_again(cluster):
    """Errors 1594 and 13121: what a replica has received cannot be read any more. Its source has it still, so nobody is needed."""
    c = cluster
    applier = "REPLICA SQL_THREAD" if c.flavour.is_mysql else "SLAVE SQL_THREAD"
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.tandem("m1", "maintenance", "m4", "on")  # or the applier would be started again at once
        c.sql("m4", f"STOP {applier}")
        held = expect.rows(c, "m4")
        c.wait_until(lambda: expect.rows(c, "m1") > held + 50, 30, "the writer goes on")
        received = relay_bytes(c, "m4")
        c.wait_until(lambda: relay_bytes(c, "m4") > received, 30, "m4 receives what it does not apply")
        damage_relay_log(c, "m4")
        c.sql("m4", f"START {applier}")
        c.wait_until(lambda: int(replica_status(c, "m4")["Last_SQL_Errno"]) in (1594, 1595, 13121, 13122), 30, "its applier cannot read it")
        c.tandem("m1", "maintenance", "m4", "off")
        c.wait_until(lambda: "rule=cure/30" in c.log_of("m1"), 60, "it is fetched again")
        expect.wait_follows(c, "m4", "m3", 60)
        client.wait_acks(50)
        c.wait_whole(writer="m1")
    c.verify()


@pytest.mark.thorough
@pytest.mark.flavours(MARIADB)
def test_channel_that_a_crash_has_emptied(cluster):
    """Error 1201: the files in which MariaDB notes its channel are synced now and then only, and a disk has lost what was in them."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        for node in ("m2", "m4"):
            c.kill(node)
            for name in ("master.info", "relay-log.info"):
                os.truncate(os.path.join(c.lab.path(node, "data"), name), 0)
            c.start_agent(node)
        c.wait_whole(writer="m1")
        client.wait_acks(50)
    for node in ("m2", "m4"):
        assert "channel-renewed" in c.log_of(node)
    c.verify()


@contextlib.contextmanager
def rows_held(c, node):
    """A forgotten transaction on the node: no new row can be applied there, and its applier gives up soon."""
    c.sql(node, "SET GLOBAL innodb_lock_wait_timeout = 1")
    c.sql(node, "SET GLOBAL replica_transaction_retries = 1" if c.flavour.is_mysql else "SET GLOBAL slave_transaction_retries = 1")
    c.sql(node, "STOP REPLICA SQL_THREAD")  # its session takes these settings when it is started again, by the leader
    expect.wait_follows(c, node, "m1")
    connection = lab_servers.connect(c.lab.socket(node), 60)
    try:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT COUNT(*) FROM demo.writes LOCK IN SHARE MODE")  # MySQL refuses FOR UPDATE on a closed server
            yield
    finally:
        connection.close()


@pytest.mark.thorough
@both
def test_applier_that_gave_up_at_a_lock(cluster):
    """It is started again, and what follows the node does not go stale with it meanwhile."""
    c = cluster
    with c.client(rate=100) as client:
        client.wait_acks(50)
        with rows_held(c, "m3"):
            c.wait_until(lambda: "rule=cure/60" in c.log_of("m1"), 60, "the leader starts the applier again")
            expect.wait_follows(c, "m4", "m1", 30)
            expect.wait_follows(c, "m5", "m1", 30)
            client.wait_acks(50)
            c.wait_until(lambda: expect.rows(c, "m4") > expect.rows(c, "m3"), 10, "m4 goes on without m3")
        expect.wait_follows(c, "m4", "m3", 90)
        expect.wait_follows(c, "m5", "m3", 30)
        c.wait_whole(writer="m1")
    assert "sql_errno=1205" in c.log_of("m1") and "rule=parent/20" in c.log_of("m1")
    report = c.verify()
    assert report.writer_changes == 0
    expect.topology(c, "m1")


def with_uuid_of(c, node, other):
    """A server that was made from a copy of the other one's data directory, its auto.cnf included; None: one with its own."""
    c.tandem("m1", "maintenance", node, "on")
    c.kill(node, "mysqld")
    mine = c.lab.path(node, "data/auto.cnf")
    os.unlink(mine)
    if other is not None:
        shutil.copy(c.lab.path(other, "data/auto.cnf"), mine)
        shutil.chown(mine, *(os.stat(c.lab.path(node, "data"))[4:6]))
    c.tandem("m1", "maintenance", node, "off")


@pytest.mark.thorough
@pytest.mark.flavours(MYSQL)
def test_doubled_server_uuid_is_named(cluster):
    """m5 with the auto.cnf of m4: they push each other out. Both are named, nobody's data is touched, and with a uuid of its own m5
    and m4 go on by themselves."""
    c = cluster
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(20)
        with_uuid_of(c, "m5", "m4")
        c.wait_status(
            lambda s: "server_uuid of m4" in str(s.nodes["m5"].get("repair")) or "server_uuid of m5" in str(s.nodes["m4"].get("repair")),
            90, "the twins are named")
        client.wait_acks(50)
        assert "rule=cure/4" not in c.log_of("m1"), "its source was not the reason"
        with_uuid_of(c, "m5", None)
        c.wait_whole(writer="m1")
    c.verify(wait_s=90)  # m5 was away for a while


def with_settings(c, node, text):
    """Its server is started again with this in place of its my.cnf."""
    c.tandem("m1", "maintenance", node, "on")
    c.kill(node, "mysqld")
    with open(c.lab.path(node, "my.cnf"), "w", encoding="utf-8") as f:
        f.write(text)
    c.tandem("m1", "maintenance", node, "off")


@pytest.mark.thorough
@both
def test_doubled_server_id_is_named(cluster):
    """m5's my.cnf has a line behind the drop-in, with the server_id of m4: the two push each other out at m3. The pair is named in the words that
    operations.md explains, nobody's data is touched, and with the file mended both go on by themselves."""
    c = cluster
    with open(c.lab.path("m5", "my.cnf"), encoding="utf-8") as f:
        was = f.read()
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(20)
        with_settings(c, "m5", was + f"\n[mysqld]\nserver_id = {c.value('m4', '@@server_id')}\n")
        words = "has the server_id of {}: give it its own in my.cnf, restart it"
        c.wait_status(
            lambda s: words.format("m4") in str(s.nodes["m5"].get("repair")) or words.format("m5") in str(s.nodes["m4"].get("repair")),
            90, "the twins are named")
        client.wait_acks(50)
        said = c.log_of("m1")
        assert "rule=cure/10" in said and "rule=cure/4" not in said and "rule=cure/80" not in said, "its source was not the reason"
        with_settings(c, "m5", was)
        c.wait_whole(writer="m1")
    c.verify(wait_s=90)  # m5 was away for a while
