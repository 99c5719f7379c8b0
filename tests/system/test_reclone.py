# SPDX-License-Identifier: Apache-2.0
"""A node's data is replaced by a copy of another's: on order, under load, through every failure on the way."""
import os
import re
import shutil
import subprocess
import time

import expect
import pytest
from conftest import MARIADB, MYSQL
from tandemlab import servers as lab_servers
from tandemlab.layout import NODES

both = pytest.mark.flavours(MARIADB, MYSQL)
MB = 1 << 20


def order(c, *arguments, node="m1", timeout_s=300, check=True):
    return c.tandem(node, *arguments, timeout_s=timeout_s, check=check)


def write_locally(c, node, number=1):
    """A row that nobody else has, as by somebody who switched read_only off."""
    off = "super_read_only = 0, GLOBAL read_only = 0" if c.flavour.is_mysql else "read_only = 0"
    c.sql(node, f"SET GLOBAL {off}")
    c.sql(node, "INSERT INTO demo.writes VALUES (4000000000, %s, 99, 0)", (number,))
    c.sql(node, "SET GLOBAL read_only = 1")
    if c.flavour.is_mysql:
        c.sql(node, "SET GLOBAL super_read_only = 1")


def fill_table(c, megabytes):
    """Data to copy, on all nodes."""
    c.sql("m1", "CREATE TABLE demo.bulk (id INT PRIMARY KEY, b LONGBLOB NOT NULL) ENGINE=InnoDB")
    for number in range(megabytes):
        c.sql("m1", "INSERT INTO demo.bulk VALUES (%s, REPEAT(CHAR(97 + %s %% 26), 1048576))", (number, number), timeout_s=30)
    for node in NODES:
        c.wait_until(lambda: bulk_rows(c, node) == megabytes, 60, f"{node} has the bulk", 0.2)  # noqa: B023


def bulk_rows(c, node):
    there = c.sql(node, "SELECT COUNT(*) AS n FROM information_schema.tables WHERE table_schema='demo' AND table_name='bulk'")
    return c.value(node, "(SELECT COUNT(*) FROM demo.bulk)") if there[0]["n"] else -1


def copy_of(c, node):
    status = c.status()
    return (status and status.nodes[node].get("copy")) or {}


def wait_copied(c, node, megabytes, timeout_s=60):
    return c.wait_until(lambda: copy_of(c, node).get("bytes", 0) >= megabytes * MB, timeout_s, f"{megabytes} MB copied to {node}")


def wait_done(c, node, timeout_s=120):
    c.wait_status(lambda s: not s.nodes[node]["reclone"] and s.in_place(node), timeout_s, f"{node} is recloned")


def leftovers(c, node):
    data = c.lab.path(node, "data")
    return [path for path in (data + ".tandem", os.path.join(data, ".tandem")) if os.path.exists(path)]


@both
def test_quarantined_replica_is_recloned(cluster):
    """What only it held is salvaged, everything else is the cluster's."""
    c = cluster
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(50)
        write_locally(c, "m4")
        c.wait_status(lambda s: s.quarantined("m4"), 60, "m4 is quarantined")
        done = order(c, "reclone", "m4")
        assert "done after" in done.stdout
        client.wait_acks(20)
        c.wait_whole(writer="m1")
    c.verify()
    expect.topology(c, "m1")
    assert not leftovers(c, "m4")
    assert os.listdir(c.lab.path("m4", "state/salvage"))
    kinds = order(c, "history").stdout
    assert "reclone" in kinds


@pytest.mark.thorough
@both
def test_standby_is_recloned_under_load(cluster):
    """A member leaves the in-sync set first, the writer goes on, and it comes back."""
    c = cluster
    with c.client(writers=4, rate=100) as client:
        client.wait_acks(100)
        pid = c.pids("m2", "mysqld")
        order(c, "reclone", "m2", "--from", "m3")
        assert c.pids("m2", "mysqld") != pid
        client.wait_acks(50)
        c.wait_whole(writer="m1")
    c.verify()
    expect.topology(c, "m1")
    assert c.value("m2", "@@global.server_id") == 2
    # it may be the writer
    order(c, "switchover", "--to", "m2")
    c.wait_whole(writer="m2")
    c.verify()


@both
def test_orders_that_are_refused(cluster):
    c = cluster
    for arguments, why in (
        (("reclone", "m1"), "m1 is the writer"),
        (("reclone", "m4", "--from", "m4"), "nobody is its own donor"),
        (("reclone", "m9"), "no node of cluster"),
        (("reclone",), "say which node"),
        (("reclone", "m4", "--cancel"), "no reclone of that node is ordered"),
    ):
        done = order(c, *arguments, check=False)
        assert done.returncode != 0
        assert why in done.stderr, done.stderr
    assert c.status().is_whole()


# After how long a lost donor is noticed, at the latest: MySQL's CLONE tries to reach it again for five minutes.
NOTICED_S = {False: 90, True: 480}


def donors(c, node):
    """Who was asked for that node's data so far, in order."""
    return re.findall(rf"reclone-donor.* node={node} donor=(\w+)", c.log_of("m1"))


@pytest.mark.thorough
@pytest.mark.settings("policy.reclone_rate=2")
def test_another_donor_is_taken(cluster):
    """The donor's host is lost half way, and nobody orders anything. Until a copy is whole the old server goes on."""
    c = cluster
    fill_table(c, 24)
    pid = c.pids("m4", "mysqld")
    order(c, "reclone", "m4", "--no-wait")
    wait_copied(c, "m4", 4)
    (lost,) = donors(c, "m4")
    assert lost not in ("m1", "m4")
    c.mark(f"host {lost} lost")
    c.vanish(lost)
    c.wait_until(lambda: len(donors(c, "m4")) > 1, NOTICED_S[c.flavour.is_mysql], "another donor is asked", 0.5)
    assert donors(c, "m4")[-1] != lost and c.pids("m4", "mysqld") == pid and c.value("m4", "1") == 1
    c.wait_status(lambda s: not s.nodes["m4"]["reclone"] and s.replicating("m4"), 180, "m4 is recloned")
    assert c.pids("m4", "mysqld") != pid
    c.boot(lost)
    c.wait_whole(120, writer="m1")
    c.verify()
    assert bulk_rows(c, "m4") == 24
    assert not leftovers(c, "m4")


@pytest.mark.thorough
@pytest.mark.flavours(MARIADB)  # on MySQL that takes six minutes more, and no other server's words or rules
@pytest.mark.settings("policy.reclone_rate=2")
def test_donor_that_was_named_dies_half_way(cluster):
    """Nobody else is asked in its place: the order is taken back, and given again without a name."""
    c = cluster
    fill_table(c, 24)
    pid = c.pids("m4", "mysqld")
    order(c, "reclone", "m4", "--from", "m3", "--no-wait")
    wait_copied(c, "m4", 4)
    c.mark("host m3 lost")
    c.vanish("m3")
    c.wait_status(lambda s: "failed" in str(s.nodes["m4"].get("repair")), NOTICED_S[c.flavour.is_mysql], "the copy has failed")
    assert donors(c, "m4") == ["m3"]
    assert c.pids("m4", "mysqld") == pid
    assert c.value("m4", "1") == 1
    order(c, "reclone", "m4", "--cancel")
    order(c, "reclone", "m4", timeout_s=180)
    c.boot("m3")
    c.wait_whole(writer="m1")
    c.verify()
    assert bulk_rows(c, "m4") == 24
    assert not leftovers(c, "m4")


@pytest.mark.thorough
@pytest.mark.settings("policy.reclone_rate=2")
@pytest.mark.flavours(MYSQL)  # MariaDB: the copying process itself is slow
def test_limit_of_the_server_comes_back(cluster):
    """The server that takes the copy is slow as long as that lasts; when it has failed, its own limit is back."""
    c = cluster
    limit = "@@global.clone_max_data_bandwidth"
    fill_table(c, 24)
    c.sql("m4", "SET GLOBAL clone_max_data_bandwidth = 77")
    order(c, "reclone", "m4", "--no-wait")
    begun = time.monotonic()
    wait_copied(c, "m4", 8)
    assert time.monotonic() - begun > 2  # at full speed it is one
    assert c.value("m4", limit) == 2
    copying = c.sql("m4", "SELECT id FROM information_schema.processlist WHERE info LIKE 'CLONE INSTANCE%'")
    assert len(copying) == 1, copying
    c.sql("m4", f"KILL QUERY {next(iter(copying[0].values()))}")
    c.wait_until(lambda: c.value("m4", limit) == 77, 30, "the server has its own limit again")
    wait_done(c, "m4", 240)
    c.wait_whole(writer="m1")
    c.verify()


@pytest.mark.thorough
@pytest.mark.settings("policy.reclone_rate=2")
def test_agent_of_the_recipient_dies_half_way(cluster):
    c = cluster
    fill_table(c, 16)
    order(c, "reclone", "m4", "--no-wait")
    wait_copied(c, "m4", 4)
    c.kill("m4", "agent")
    c.start_agent("m4")
    wait_done(c, "m4", 180)
    c.wait_whole(writer="m1")
    c.verify()
    assert not leftovers(c, "m4")


@pytest.mark.thorough
@pytest.mark.settings("policy.reclone_rate=2")
def test_leader_changes_half_way(cluster):
    """The order is in the record: whoever leads carries it on."""
    c = cluster
    fill_table(c, 16)
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(50)
        order(c, "reclone", "m4", "--no-wait")
        wait_copied(c, "m4", 4)
        c.mark("mysqld and agent of m1 killed")
        c.kill("m1")
        c.wait_writer("m2", 30)
        c.start("m1")
        wait_done(c, "m4", 180)
        c.wait_whole(writer="m2")
    c.verify()


@pytest.mark.thorough
@pytest.mark.settings("policy.reclone_keep=true")
def test_no_room_and_a_data_directory_of_its_own_disk(make_cluster, servers, request):
    """The disk is looked at first. A data directory that is a mount point is changed within itself."""
    c = make_cluster(servers, request.node.get_closest_marker("settings").args, bounded=True)
    data = c.lab.path("m4", "data")
    filler = os.path.join(data, ".lab-fill")
    room = os.statvfs(data)
    subprocess.run(["fallocate", "-l", str(room.f_bavail * room.f_frsize - 80 * MB), filler], check=True)
    pid = c.pids("m4", "mysqld")
    order(c, "reclone", "m4", "--no-wait")
    c.wait_status(lambda s: "no room: " in str(s.nodes["m4"].get("repair")), 60, "there is no room")
    assert c.pids("m4", "mysqld") == pid
    os.unlink(filler)
    wait_done(c, "m4")
    c.wait_whole(writer="m1")
    c.verify()
    assert os.path.isdir(os.path.join(data, ".tandem", "old", "mysql"))


@both
def test_empty_node_joins(cluster):
    """A host that was set up anew: nothing in its data directory."""
    c = cluster
    c.kill("m5")
    shutil.rmtree(c.lab.path("m5", "data"))
    os.makedirs(c.lab.path("m5", "data"))
    c.start_agent("m5")
    c.wait_status(lambda s: s.nodes["m5"].get("agent") and s.nodes["m5"].get("health") == "dead", 30, "the agent of m5 is there")
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(50)
        done = order(c, "join", "m5")
        assert "done after" in done.stdout
        c.wait_whole(writer="m1")
    c.verify()
    expect.topology(c, "m1")


@pytest.mark.thorough
@both
def test_foreign_server_joins(cluster):
    """A node whose server has another history: that is no reason to salvage it."""
    c = cluster
    write_locally(c, "m5")
    c.wait_status(lambda s: s.quarantined("m5"), 60, "m5 is quarantined")
    order(c, "join", "m5")
    c.wait_whole(writer="m1")
    c.verify()


def behind_purged_logs(c, client, *nodes):
    """m4 was away while these have thrown away what it needs."""
    order(c, "maintenance", "m4", "on")
    c.kill("m4", "mysqld")
    client.wait_acks(50)
    for node in nodes:
        purge(c, node)
    c.start_mysqld("m4")
    order(c, "maintenance", "m4", "off")


def purge(c, node):
    """A server keeps a log that another one is still reading: until only the newest is left."""
    c.sql(node, "FLUSH BINARY LOGS")

    def is_purged():
        logs = c.sql(node, "SHOW BINARY LOGS")
        c.sql(node, "PURGE BINARY LOGS TO %s", (logs[-1]["Log_name"],))
        return len(logs) == 1

    c.wait_until(is_purged, 20, f"only one binary log on {node}", 0.2)


@both
def test_purged_binlogs_are_fetched_from_another_source(cluster):
    """Error 1236 of the source that it should follow: it follows the writer until it has caught up, and comes home."""
    c = cluster
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(20)
        behind_purged_logs(c, client, "m3")
        c.wait_until(lambda: "rule=cure/40" in c.log_of("m1"), 60, "another source")
        expect.wait_follows(c, "m4", "m3", 60)
        c.wait_whole(writer="m1")
    c.verify()


@both
def test_purged_binlogs_of_all_need_no_human(cluster):
    """Error 1236 of every node: only a copy cures that, and nobody has to order it. The old data stays beside the new until that has
    caught up."""
    c = cluster
    old = os.path.join(c.lab.path("m4", "data") + ".tandem", "old", "mysql")
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(20)
        behind_purged_logs(c, client, "m1", "m2", "m3", "m5")
        c.wait_until(lambda: os.path.isdir(old), 90, "the old data lies beside the new", 0.02)
        wait_done(c, "m4")
        client.wait_acks(20)
        c.wait_whole(writer="m1")
    c.verify()
    assert not leftovers(c, "m4")
    told = order(c, "history").stdout
    assert "its data is replaced by a copy" in told and "no node has the binlogs that it needs" in told, told


@pytest.mark.thorough
@pytest.mark.settings("policy.rejoin=rewind")
@both
def test_purged_binlogs_are_named_and_cured(cluster):
    """The same where nothing but an order makes a node's data anew."""
    c = cluster
    with c.client(writers=2, rate=50) as client:
        client.wait_acks(20)
        behind_purged_logs(c, client, "m1", "m2", "m3", "m5")
        c.wait_status(lambda s: "binlogs purged" in str(s.nodes["m4"].get("repair")), 60, "the error is named")
        order(c, "reclone", "m4")
        c.wait_whole(writer="m1")
    c.verify()


def make_rows_differ(c, node):
    """A row is deleted past the binlog, as by somebody who switched read_only off, and then the writer changes it: error 1032."""
    off = "super_read_only = 0, GLOBAL read_only = 0" if c.flavour.is_mysql else "read_only = 0"
    c.sql("m1", "CREATE TABLE demo.one (id INT PRIMARY KEY, n INT)")
    c.sql("m1", "INSERT INTO demo.one VALUES (1, 1)")
    there = "(SELECT COUNT(*) FROM information_schema.tables WHERE table_name='one')"
    c.wait_until(lambda: c.value(node, there) == 1 and c.value(node, "(SELECT COUNT(*) FROM demo.one)") == 1, 30, "the row")
    connection = lab_servers.connect(c.lab.socket(node))
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SET GLOBAL {off}")
        cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute("DELETE FROM demo.one")
        cursor.execute("SET GLOBAL read_only = 1")
        if c.flavour.is_mysql:
            cursor.execute("SET GLOBAL super_read_only = 1")
    c.sql("m1", "UPDATE demo.one SET n = 2")


@pytest.mark.thorough
@both
def test_different_data_needs_no_human(cluster):
    """Error 1032/1062: its rows are not the writer's, and no GTID tells. What differed stays beside the new data."""
    c = cluster
    with c.client(writers=4, rate=100) as client:
        client.wait_acks(20)
        make_rows_differ(c, "m4")
        c.wait_until(lambda: "rule=cure/80" in c.log_of("m1"), 60, "the leader has its data replaced")
        c.wait_whole(writer="m1")
    c.verify()
    assert c.value("m4", "(SELECT n FROM demo.one)") == 2
    assert os.path.isdir(c.lab.path("m4", "data") + ".tandem/old/demo")
    told = order(c, "history").stdout
    assert "its data is replaced by a copy" in told and "its data differs" in told, told


@pytest.mark.thorough
@pytest.mark.settings("policy.rejoin=manual")
@both
def test_different_data_is_named_and_cured(cluster):
    """The same where nothing happens without an order, which discards what differed."""
    c = cluster
    make_rows_differ(c, "m4")
    c.wait_status(lambda s: "1032" in str(s.nodes["m4"].get("repair")), 60, "the error is named")
    assert "rule=cure/85" in c.log_of("m1")
    order(c, "reclone", "m4")
    c.wait_whole(writer="m1")
    c.verify()
    assert c.value("m4", "(SELECT n FROM demo.one)") == 2
    assert not leftovers(c, "m4")


def damage(c, node):
    """Its first pages are gone, as of a disk that has lost data. The server ends by itself whenever it is started."""
    c.kill(node)
    with open(os.path.join(c.lab.path(node, "data"), "ibdata1"), "r+b") as file:
        file.write(bytes(4 * 16384))
    c.start_agent(node)


@pytest.mark.thorough
@both
def test_damaged_data_needs_no_human(cluster):
    """A server that does not start is counted, named, and made anew; what could not be looked at stays beside the new data."""
    c = cluster
    with c.client(writers=1, rate=20) as client:
        client.wait_acks(20)
        damage(c, "m4")
        c.wait_until(lambda: "rule=cure/160" in c.log_of("m1"), 120, "the leader has its data replaced")
        wait_done(c, "m4", 300)
    c.wait_whole(writer="m1")
    c.verify()
    assert "server-does-not-start" in c.log_of("m4")
    assert os.path.isfile(c.lab.path("m4", "data") + ".tandem/old/ibdata1")
    told = order(c, "history").stdout
    assert "its data is replaced by a copy" in told and "its data is damaged" in told, told


@pytest.mark.thorough
@pytest.mark.settings("policy.rejoin=manual")
@both
def test_damaged_data_is_named_and_cured(cluster):
    """The same where nothing happens without an order."""
    c = cluster
    words = "Header page consists of zero bytes" if c.flavour.is_mysql else "has the wrong space ID"
    damage(c, "m4")
    told = c.wait_status(lambda s: "tandem reclone m4" in str(s.data["troubles"]), 120, "status says what helps").data["troubles"]
    assert "ended by itself" in str(told) and words in str(told), told
    c.wait_until(lambda: "rule=cure/170" in c.log_of("m1"), 60, "the leader names it")
    order(c, "reclone", "m4")
    c.wait_whole(writer="m1")
    c.verify()


@pytest.mark.thorough
@both
def test_what_is_no_damage_costs_no_data(cluster):
    """A wrong setting keeps it from starting: nothing is replaced, and it starts when that is mended."""
    c = cluster
    path = c.lab.path("m4", "my.cnf")
    with open(path, encoding="utf-8") as file:
        was = file.read()
    c.kill("m4")
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n[mysqld]\nno_such_setting = 1\n")
    c.start_agent("m4")
    c.wait_status(lambda s: "its host or its settings keep it from starting" in str(s.data["troubles"]), 120, "status says why")
    c.wait_until(lambda: "rule=cure/100" in c.log_of("m1"), 60, "the leader names it")
    with open(path, "w", encoding="utf-8") as file:
        file.write(was)
    c.wait_whole(writer="m1", timeout_s=120)
    assert not leftovers(c, "m4")
