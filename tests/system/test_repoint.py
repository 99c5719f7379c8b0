# SPDX-License-Identifier: Apache-2.0
"""`tandem repoint`: m1 is lost, m2 is the writer by the hand of another stack, m3 must be put under m2. Three servers of their own,
without agents: by file and position where they have no GTID (MySQL 5.6, and later ones with gtid_mode = OFF), by GTID on MariaDB.

m1-bin, m2-bin and the relay logs are rotated at moments of their own, so that no place of one server means anything to another."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pymysql
import pytest
from tandemlab import layout, servers as lab_servers
from tandemlab.wait import wait_until

from conftest import ASKED, base_directory

COMMON = lab_servers.ALONE + """innodb_buffer_pool_size = 8M
performance_schema = OFF
server_id = {number}
log_bin = {name}-bin
relay_log = {name}-relay
relay_log_purge = {purge}
{gtid}
log_slave_updates = ON
skip_slave_start = ON
slave_net_timeout = 10
{more}
"""
MORE = {
    "mariadb": "innodb_log_file_size = 16M\nbasedir = {root}usr\ngtid_strict_mode = ON\n",
    "mysql": "innodb_redo_log_capacity = 32M\nsecure_file_priv = NULL\nmysqlx = OFF\n",
    "legacy": "innodb_log_file_size = 5M\nbasedir = {root}usr\n",
}
TABLES = ("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE d.same (v INT)", "INSERT INTO d.t VALUES (0, 0)")


class Server:
    def __init__(self, base, flavour, number, purge, gtid):
        self.name, self.flavour = f"m{number}", flavour
        self.home = os.path.join(base, self.name)
        self.new = flavour.is_mysql and not flavour.is_legacy
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        lab_servers.copy_tree(lab_servers.template(flavour), os.path.join(self.home, "data"))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.home, "data/auto.cnf"))
        root = os.path.join(flavour.root, "")
        more = MORE["legacy" if flavour.is_legacy else "mysql" if flavour.is_mysql else "mariadb"].format(root=root)
        with open(os.path.join(self.home, "my.cnf"), "w", encoding="utf-8") as f:
            f.write(COMMON.format(home=self.home, port=self.port, number=number, name=self.name, purge=purge, gtid=gtid, more=more))
        with open(os.path.join(self.home, "out.log"), "ab") as out:
            self.process = subprocess.Popen([flavour.mysqld, f"--defaults-file={self.home}/my.cnf"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def socket(self):
        return os.path.join(self.home, "s.sock")

    def run(self, *statements):
        """In one session; the rows of the last as dictionaries. The words of MySQL 8.4 are put into those of older servers."""
        with contextlib.closing(lab_servers.connect(self.socket(), 60, cursorclass=pymysql.cursors.DictCursor)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement if self.new else re.sub(r"\bREPLICA\b", "SLAVE", statement.replace("BINARY LOG STATUS", "MASTER STATUS")))
            return list(cursor.fetchall())

    def status(self, *words):
        row = self.run("SHOW REPLICA STATUS")[0]
        return tuple(row.get(word, row.get(word.replace("Replica", "Slave").replace("Source", "Master"))) for word in words)

    def begin(self, source=None):
        """Accounts and tables without the binlog; then from the beginning of what the source writes."""
        lab_servers.wait_ready(self.socket(), 60, self.process)
        self.run("SET sql_log_bin = 0", "CREATE USER 'repl'@'%' IDENTIFIED BY 'repl'", "GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%'",
                 "CREATE USER 'admin'@'%' IDENTIFIED BY 'admin'", "GRANT ALL ON *.* TO 'admin'@'%'", *TABLES)  # fmt: skip
        if source is not None:
            at = source.run("SHOW BINARY LOG STATUS")[0]
            self.follow(source, at["File"], at["Position"])

    def follow(self, source, file, position):
        word, change, more = ("SOURCE", "REPLICATION SOURCE", ", GET_SOURCE_PUBLIC_KEY=1") if self.new else ("MASTER", "MASTER", "")
        more += "" if self.flavour.is_mysql else ", MASTER_USE_GTID=no"
        self.run(f"CHANGE {change} TO {word}_HOST='127.0.0.1', {word}_PORT={source.port}, {word}_USER='repl', {word}_PASSWORD='repl',"
                 f" {word}_LOG_FILE='{file}', {word}_LOG_POS={position}, {word}_CONNECT_RETRY=1{more}", "START REPLICA")  # fmt: skip

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def rows(self):
        tables = [next(iter(row.values())) for row in self.run("SHOW TABLES IN d")]
        return {table: sorted(map(str, self.run(f"SELECT * FROM d.{table}"))) for table in tables}


class Trio:
    def __init__(self, name, purge="OFF", gtid="OFF"):
        self.flavour = lab_servers.Flavour(name)
        self.base = tempfile.mkdtemp(prefix="tandem-repoint-", dir=base_directory())
        settings = f"gtid_mode = {gtid}\nenforce_gtid_consistency = {gtid}" if self.flavour.is_mysql else ""
        self.servers = [Server(self.base, self.flavour, number, purge, settings) for number in (1, 2, 3)]
        self.m1, self.m2, self.m3 = self.servers
        self.next, self.places = 1, None
        self.m1.begin()
        self.m2.begin(self.m1)
        self.m3.begin(self.m1)
        with open(os.path.join(self.base, "password"), "w", encoding="utf-8") as f:
            f.write("admin\n")

    def insert(self, server, count=1):
        """Rows with a key, and rows without one that all look the same."""
        for _ in range(count):
            server.run("INSERT INTO d.same VALUES (7)", f"UPDATE d.t SET v = v + 1 WHERE id < {self.next}", f"INSERT INTO d.t VALUES ({self.next}, 1)")
            self.next += 1

    def applied(self, server):
        return server.run("SELECT COUNT(*) AS n FROM d.t")[0]["n"]

    def wait_applied(self, server):
        wait_until(lambda: self.applied(server) == self.next, 30, f"{server.name} has {self.next} rows")

    def hold(self, server):
        """It receives nothing from here on."""
        server.run("STOP REPLICA IO_THREAD")

    def is_drained(self, server):
        state, io, *places = server.status("Replica_SQL_Running_State", "Replica_IO_Running", "Relay_Log_File", "Relay_Log_Pos", "Exec_Source_Log_Pos")
        drained = "has read all relay log" in state and io != "Yes" and self.places == places
        self.places = places
        return drained

    def lose_m1(self):
        """m1 is gone, perhaps within a transaction that it was sending; m2 has applied all it has."""
        self.m1.kill()
        wait_until(lambda: self.is_drained(self.m2), 30, "m2 has applied all", 0.5)
        self.next = self.applied(self.m2)

    def repoint(self, *options, to=None):
        argv = [layout.find_program("tandem"), "repoint", f"127.0.0.1:{self.m3.port}", "--to", f"127.0.0.1:{(to or self.m2).port}",
                "--user", "admin", "--password-file", os.path.join(self.base, "password"), *options]  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        print(done.stderr)
        return done

    def refused(self, rule, *options):
        """And m3 is as it was."""
        words = ("Source_Port", "Source_Log_File", "Read_Source_Log_Pos", "Replica_SQL_Running")
        before, io = self.m3.status(*words), self.m3.status("Replica_IO_Running")[0]
        done = self.repoint(*options)
        assert done.returncode == 1 and rule in done.stderr, done.stderr
        assert "CHANGE" not in done.stderr, done.stderr
        assert self.m3.status(*words) == before
        assert (self.m3.status("Replica_IO_Running")[0] == "No") == (io == "No")

    def close(self):
        for server in self.servers:
            if server.process.poll() is None:
                server.kill()
        shutil.rmtree(self.base, ignore_errors=True)


def by_position():
    """Servers that can be without GTID. MySQL 5.6 is taken where it is asked for, and fails there if it cannot be had."""
    return [name for name in ASKED if name.startswith("mysql")]


@pytest.fixture
def make_trio():
    made = []

    def make(name, **settings):
        made.append(Trio(name, **settings))
        return made[-1]

    yield make
    for trio in made:
        trio.close()


class Writes:
    """A client of one server while the block runs, or until that server is killed in it."""

    def __init__(self, trio, server):
        self.trio, self.server = trio, server
        self.stop, self.thread, self.errors, self.count = threading.Event(), None, [], 0

    def work(self):
        try:
            while not self.stop.is_set():
                self.trio.insert(self.server)
                self.count += 1
        except (pymysql.err.Error, OSError) as error:
            try:
                self.server.process.wait(5)
            except subprocess.TimeoutExpired:
                self.errors.append(error)

    def __enter__(self):
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
        return self

    def wait(self, more):
        wanted = self.count + more
        wait_until(lambda: self.count >= wanted or self.errors, 30, f"{more} more writes")

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()
        assert not self.errors, self.errors


def all_equal(trio):
    trio.wait_applied(trio.m3)
    assert trio.m3.rows() == trio.m2.rows()
    assert trio.m3.status("Replica_IO_Running", "Replica_SQL_Running", "Source_Port") == ("Yes", "Yes", trio.m2.port)


def lag_behind(trio):
    """m3 has some transactions less than m2, with everything among them that moves places; m1 dies at work."""
    m1, m2, m3 = trio.servers
    m2.run("FLUSH LOGS")
    trio.insert(m1, 3)
    trio.wait_applied(m3)
    trio.hold(m3)
    trio.insert(m1, 2)
    m1.run("FLUSH LOGS")
    m1.run("CREATE TABLE d.late (id INT PRIMARY KEY)")
    trio.insert(m1)
    trio.wait_applied(m2)
    m2.run("FLUSH LOGS")
    m1.run("BEGIN", "INSERT INTO d.late VALUES (1), (2)", "INSERT INTO d.same VALUES (7)", "DELETE FROM d.t WHERE id = 0", "INSERT INTO d.t VALUES (0, 9)",
           "COMMIT")
    m1.run("ALTER TABLE d.late ADD c INT", "UPDATE d.late SET c = 5")
    with Writes(trio, m1) as writes:
        writes.wait(3)
        m1.kill()
    trio.lose_m1()


@pytest.mark.parametrize("name", by_position())
def test_replica_goes_on_where_it_was(make_trio, name):
    trio = make_trio(name)
    lag_behind(trio)
    m2, m3 = trio.m2, trio.m3
    # promoted, and its channel stopped but not yet forgotten: it writes
    m2.run("STOP REPLICA")
    trio.insert(m2)
    with Writes(trio, m2) as writes:
        planned = trio.repoint("--dry-run")
        assert planned.returncode == 0 and "nothing was changed" in planned.stderr
        assert m3.status("Source_Port") == (trio.m1.port,)
        m2.run("FLUSH LOGS")
        writes.wait(1)
        done = trio.repoint()
        behind = re.search(r"replica: (\d+) transactions behind; (\d+) compared", done.stderr)
        assert done.returncode == 0 and int(behind[1]) >= 10 and int(behind[2]) == int(behind[1]) + 9, done.stderr
        writes.wait(1)
    all_equal(trio)
    again = trio.repoint()
    assert again.returncode == 0 and "repoint/50" in again.stderr
    # the way back to the start: m2 forgets its channel
    m2.run("RESET REPLICA ALL")
    trio.insert(m2)
    all_equal(trio)


@pytest.mark.thorough
@pytest.mark.parametrize("name", by_position())
def test_places_are_compared_on_a_closed_source(make_trio, name):
    """Before m2 is opened: both have applied the same, and m2 alone has seen the rotation behind it."""
    trio = make_trio(name)
    m1, m2, m3 = trio.servers
    trio.insert(m1, 3)
    trio.wait_applied(m3)
    trio.hold(m3)
    m1.run("FLUSH LOGS")
    wait_until(lambda: m2.status("Relay_Source_Log_File") == ("m1-bin.000002",), 30, "m2 has read the rotation")
    trio.lose_m1()
    m2.run("FLUSH LOGS", "SET GLOBAL read_only = 1")
    done = trio.repoint()
    assert done.returncode == 0 and "replica: 0 transactions behind; 9 compared" in done.stderr, done.stderr
    m2.run("SET GLOBAL read_only = 0")
    trio.insert(m2, 2)
    all_equal(trio)


@pytest.mark.thorough
@pytest.mark.parametrize("name", by_position())
def test_replica_that_is_ahead_is_refused(make_trio, name):
    trio = make_trio(name)
    m1, m2, m3 = trio.servers
    trio.insert(m1, 2)
    trio.wait_applied(m2)
    trio.hold(m2)
    m1.run("INSERT INTO d.same VALUES (8)")
    wait_until(lambda: len(m3.run("SELECT * FROM d.same WHERE v = 8")) == 1, 30, "m3 has more than m2")
    trio.lose_m1()
    trio.refused("match/30")
    # so is what m2 may still get, or has not applied
    m2.run("STOP REPLICA", "RESET REPLICA ALL")
    trio.refused("repoint/170", "--dry-run")
    trio.refused("repoint/170")


@pytest.mark.thorough
@pytest.mark.parametrize("name", by_position())
def test_purged_relay_logs_are_refused(make_trio, name):
    trio = make_trio(name, purge="ON")
    m1, m2, m3 = trio.servers
    trio.insert(m1, 2)
    trio.wait_applied(m3)
    trio.hold(m3)
    trio.insert(m1, 2)
    trio.wait_applied(m2)
    kept = m2.status("Relay_Log_File")[0]

    def is_purged():
        m2.run("FLUSH LOGS")
        trio.insert(m1)
        trio.wait_applied(m2)
        return m2.run("SHOW RELAYLOG EVENTS LIMIT 1")[0]["Log_name"] > kept

    wait_until(is_purged, 30, "m2 purges the relay log with what m3 lacks")
    trio.lose_m1()
    trio.refused("match/60")


@pytest.mark.thorough
@pytest.mark.parametrize("name", by_position())
def test_own_and_unapplied_transactions_are_refused(make_trio, name):
    trio = make_trio(name)
    m1, m2, m3 = trio.servers
    trio.insert(m1, 2)
    trio.wait_applied(m2)
    trio.wait_applied(m3)
    trio.refused("repoint/190")  # m1 still writes
    m2.run("STOP REPLICA SQL_THREAD")
    m1.run("INSERT INTO d.same VALUES (8)")
    wait_until(lambda: m2.status("Read_Source_Log_Pos") == (m1.run("SHOW BINARY LOG STATUS")[0]["Position"],), 30, "m2 has received it")
    m1.kill()
    m2.run("STOP REPLICA IO_THREAD")
    wait_until(lambda: m3.status("Replica_IO_Running") != ("Yes",), 30, "m3 has noticed")
    trio.refused("match/20", "--dry-run")
    # an open server that writes between is no copy of anybody
    m2.run("INSERT INTO d.same VALUES (9)", "START REPLICA SQL_THREAD")
    wait_until(lambda: len(m2.run("SELECT * FROM d.same WHERE v = 8")) == 1, 30, "m2 has applied it")
    trio.refused("match/50")


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in ASKED if name.startswith("mariadb")])
def test_mariadb_is_switched_to_gtid(make_trio, name):
    trio = make_trio(name)
    lag_behind(trio)
    m2, m3 = trio.m2, trio.m3
    m2.run("STOP REPLICA", "RESET REPLICA ALL")
    trio.insert(m2)
    with Writes(trio, m2) as writes:
        assert "MASTER_USE_GTID=slave_pos" in trio.repoint("--dry-run").stderr
        assert m3.status("Source_Port", "Using_Gtid") == (trio.m1.port, "No")
        done = trio.repoint()
        assert done.returncode == 0 and "repoint/120" in done.stderr, done.stderr
        writes.wait(1)
    all_equal(trio)
    assert m3.status("Using_Gtid") == ("Slave_Pos",)
    # a transaction of its own: not to be put anywhere
    m3.run("STOP REPLICA", f"CHANGE MASTER TO MASTER_PORT={trio.m1.port}, MASTER_USE_GTID=no", "INSERT INTO d.same VALUES (9)")
    trio.refused("repoint/100")


@pytest.mark.thorough
@pytest.mark.parametrize("name", by_position())
def test_mysql_with_gtid_is_switched_to_auto_position(make_trio, name):
    trio = make_trio(name, gtid="ON")
    lag_behind(trio)
    m2, m3 = trio.m2, trio.m3
    m2.run("STOP REPLICA", "RESET REPLICA ALL")
    trio.insert(m2)
    done = trio.repoint()
    assert done.returncode == 0 and "repoint/120" in done.stderr, done.stderr
    trio.insert(m2)
    all_equal(trio)
    assert str(m3.status("Auto_Position")[0]) == "1"
    word, change = ("SOURCE", "REPLICATION SOURCE") if m3.new else ("MASTER", "MASTER")
    m3.run("STOP REPLICA", f"CHANGE {change} TO {word}_PORT={trio.m1.port}", "INSERT INTO d.same VALUES (9)")
    trio.refused("repoint/100")
