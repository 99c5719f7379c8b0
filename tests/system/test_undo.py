# SPDX-License-Identifier: Apache-2.0
"""Committed transactions taken back out of the data on real servers (io/store/undo_plan.h), without agents.

A server commits what is to go, as one does whose phantoms somebody else's restart has committed. The script is
made by rewind-tool (the job the agent runs) and carried out here as the action session does it."""
import contextlib
import struct

import pymysql
import pytest
from pymysql.constants import COMMAND
from tandemlab.wait import wait_until

from conftest import CHOSEN
from test_rewind import Source, check_salvage, only, source  # noqa: F401

TABLES = (
    "CREATE TABLE d.w (id INT PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, e BIGINT, f FLOAT, g DOUBLE,"
    " h DECIMAL(20,7), i DATE, j TIME(3), k DATETIME(6), l TIMESTAMP(2) NULL, m YEAR, n CHAR(10), o CHAR(200) CHARACTER SET"
    " utf8mb4, p VARCHAR(20), q VARCHAR(300), r VARBINARY(10), s TINYBLOB, t TEXT, u MEDIUMTEXT, v LONGBLOB, w BIT(11),"
    " x ENUM('p','q'), y SET('a','b','c'), z INT GENERATED ALWAYS AS (a + 1) STORED, UNIQUE KEY (p))",
    "CREATE TABLE d.two (x INT, y VARCHAR(9), v INT, PRIMARY KEY (y, x))",
    "CREATE TABLE d.nokey (id INT)",
    "CREATE TABLE d.child (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES d.a (id) ON DELETE CASCADE)",
)
WIDE = ("INSERT INTO d.w (id, a, b, c, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y) VALUES ({id}, -5, 65000,"
        " -70000, 1234567890123, 0.1, 1e100, -12345.6789, '2026-02-03', '-12:34:56.789', '2026-02-03 04:05:06.123456',"
        " '2026-02-03 04:05:06.12', 2026, 'ab', 'c d', '{p}', REPEAT('x', 280), x'00ff', 'tiny', REPEAT('t', 1000), NULL,"
        " REPEAT('l', 70000), b'10101010101', 'q', 'a,c')")  # fmt: skip


class Refused(Exception):
    pass


def carry_out(s, undo, without=None):
    """As the action session: the first failure ends the work, the rest is run in any case. `without`: a step of the work that
    the server takes and that has no effect."""
    with contextlib.closing(s.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(undo["steps"][0]["sql"])  # takes the binlog off the session; if that fails, nothing else is run
        try:
            for step in undo["steps"][1:undo["work"]]:
                if step is without:
                    continue
                try:
                    cursor.execute(step["sql"])
                except pymysql.err.Error as why:
                    raise Refused(f"undo-server: {why} in {step['sql'][:300]}") from why
                if step["reason"] != "ok" and int(cursor.fetchone()[0]) != step["expect"]:
                    raise Refused(step["reason"] + ": " + step["sql"][:300])
        finally:
            for step in undo["steps"][undo["work"]:]:
                with contextlib.suppress(pymysql.err.Error):
                    cursor.execute(step["sql"])


class Undo:
    """A server closed for the undo: what it holds beyond `mark` is to go."""

    def __init__(self, s):
        self.s = s
        s.run("CREATE DATABASE tandem", *TABLES, "INSERT INTO d.two VALUES (1, 'a', 1), (2, 'b', 2)", WIDE.format(id=1, p="p1"))
        self.before, self.state = s.executed(), s.state()
        self.rows = self.all_rows()

    def all_rows(self):
        return {t: sorted(self.s.run(f"SELECT * FROM d.{t}"), key=str) for t in ("t", "a", "w", "two", "nokey", "child")}

    def extra(self):
        if self.s.mysql:
            text = f"SELECT GTID_SUBTRACT(@@global.gtid_executed, '{self.before}')"
            return {"extra": self.s.run(text)[0][0].replace("\n", ""), "since": self.before}
        return {"extra": self.s.state(), "since": self.state}

    def close(self):
        self.s.run("SET GLOBAL read_only = 1")
        if self.s.mysql:
            self.s.run("SET GLOBAL super_read_only = 1")

    def plan(self):
        return self.s.tool("undo", **self.extra())["undo"]

    def refuses(self, reason, where="plan", without=None):
        """without(steps): the step that has no effect."""
        self.close()
        plan = self.plan()
        if where == "plan":
            assert plan["reason"] == reason, plan["detail"]
            return
        assert plan["reason"] == "ok", plan
        rows, state = self.all_rows(), self.s.state()
        with pytest.raises(Refused, match=reason):
            carry_out(self.s, plan, without(plan["steps"]) if without else None)
        # Nothing has changed, and the server is closed as before.
        assert self.all_rows() == rows and self.s.state() == state
        assert self.s.run("SHOW TABLES IN tandem") == ()
        assert self.s.value("@@global.read_only") == 1


@pytest.fixture
def undo(source):  # noqa: F811
    return Undo(source)


def test_changes_of_every_kind_are_taken_back(undo):
    s = undo.s
    s.run("INSERT INTO d.t VALUES (10, 1), (11, 2), (12, 3)")
    s.run("UPDATE d.t SET v = v + 1", "UPDATE d.t SET id = id + 100 ORDER BY id DESC", "DELETE FROM d.t WHERE id = 110")
    s.run("BEGIN", "INSERT INTO d.two VALUES (3, 'c', 3)", "UPDATE d.two SET x = 9, y = 'z' WHERE x = 1", "DELETE FROM d.two WHERE x = 2",
          WIDE.format(id=2, p="p2"), "UPDATE d.w SET p = 'p0', f = 7.25, k = NULL, v = NULL, o = 'other' WHERE id = 1", "COMMIT")
    s.run("FLUSH BINARY LOGS", "DELETE FROM d.w WHERE id = 1", "REPLACE INTO d.t VALUES (1, 77)")
    undo.close()
    plan = undo.plan()
    assert plan["reason"] == "ok" and plan["groups"] == 7, (plan["reason"], plan["detail"], plan["groups"])
    carry_out(s, plan)
    assert undo.all_rows() == undo.rows
    assert s.executed() == undo.before
    if not s.mysql:
        assert s.value("@@global.gtid_slave_pos") == undo.before
    assert s.run("SHOW TABLES IN tandem") == () and s.value("@@global.read_only") == 1
    if s.mysql:
        assert s.value("@@global.super_read_only") == 1
    # It works on, under the next numbers, and survives a crash.
    s.kill()
    s.start()
    assert undo.all_rows() == undo.rows and s.executed() == undo.before


# ---- each refusal of the plan ----

def test_other_transactions_behind_refuse(undo):
    s = undo.s
    s.run("INSERT INTO d.t VALUES (10, 1)")
    extra = undo.extra()
    s.run("INSERT INTO d.t VALUES (11, 1)")
    assert s.tool("undo", **extra)["undo"]["reason"] == "undo-hole"


@pytest.mark.parametrize("statement", [
    "CREATE TABLE d.new (id INT)", "INSERT INTO d.m VALUES (1)", "SET SESSION binlog_format = STATEMENT; INSERT INTO d.t VALUES (10, 1)"])
def test_more_than_rows_refuses(undo, statement):
    undo.s.run("INSERT INTO d.t VALUES (9, 1)", *statement.split("; "))
    undo.refuses("undo-not-rows")


@only("mysql")
def test_compressed_transaction_refuses(undo):
    undo.s.run("SET SESSION binlog_transaction_compression = ON", "INSERT INTO d.t VALUES (10, 1)")
    undo.refuses("undo-compressed")


@pytest.mark.parametrize("change", [
    "SET SESSION binlog_row_image = MINIMAL; UPDATE d.t SET v = 9 WHERE id = 1", "INSERT INTO d.g VALUES (1, POINT(1, 2))"])
def test_what_cannot_be_reversed_with_certainty_refuses(undo, change):
    s = undo.s
    s.run("CREATE TABLE d.g (id INT PRIMARY KEY, p POINT)")
    undo.before, undo.state = s.executed(), s.state()
    s.run(*change.split("; "))
    undo.refuses("undo-unsupported")


def test_other_names_refuse(undo):
    s = undo.s
    s.run("CREATE TABLE d.`a-b` (id INT PRIMARY KEY)")
    undo.before, undo.state = s.executed(), s.state()
    s.run("INSERT INTO d.`a-b` VALUES (1)")
    undo.refuses("undo-name")


def test_too_much_refuses(undo):
    undo.s.run(*(f"INSERT INTO d.w (id, v) VALUES ({i}, REPEAT('l', 6000000))" for i in (5, 6, 7)))
    undo.refuses("undo-too-large")


def test_missing_binlogs_refuse(undo):
    s = undo.s
    s.run("INSERT INTO d.t VALUES (10, 1)", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (11, 1)")
    file = s.run("SHOW BINARY LOGS")[-1][0]
    s.run(f"PURGE BINARY LOGS TO '{file}'")
    undo.refuses("undo-missing")


def test_damaged_binlog_refuses(undo):
    s = undo.s
    s.run("INSERT INTO d.t VALUES (10, 1)")
    file = s.path("data/" + s.run("SHOW BINARY LOGS")[-1][0])
    s.run("FLUSH BINARY LOGS")
    with open(file, "r+b") as f:
        content = f.read()
        f.seek(len(content) - 60)
        f.write(bytes([content[-60] ^ 1]))
    undo.refuses("undo-damaged")


@only("mariadb")
def test_two_domains_refuse(undo):
    s = undo.s
    s.run("SET SESSION gtid_domain_id = 5", "INSERT INTO d.t VALUES (9, 1)")
    undo.before, undo.state = s.executed(), s.state()
    s.run("INSERT INTO d.t VALUES (10, 1)")
    undo.refuses("undo-domains")


# ---- each refusal of the server's state ----

@pytest.mark.parametrize("change, by_hand", [
    ("INSERT INTO d.t VALUES (10, 1)", "UPDATE d.t SET v = 2 WHERE id = 10"),
    ("UPDATE d.t SET v = 5 WHERE id = 1", "UPDATE d.t SET v = 6 WHERE id = 1"),
    ("INSERT INTO d.two VALUES (5, 'q', 1)", "UPDATE d.two SET v = NULL WHERE x = 5"),
    ("UPDATE d.w SET n = 'ab' WHERE id = 1; UPDATE d.w SET n = 'xy'", "UPDATE d.w SET n = 'XY'"),  # equal to the collation
    ("UPDATE d.w SET v = NULL", "UPDATE d.w SET v = ''"),
    ("INSERT INTO d.t VALUES (10, 1)", "DELETE FROM d.t WHERE id = 10"),
])
def test_rows_that_differ_refuse(undo, change, by_hand):
    undo.s.run(*change.split("; "))
    undo.s.run("SET SESSION sql_log_bin = 0", by_hand)
    undo.refuses("undo-rows-differ", where="server")


def test_key_that_is_in_use_again_refuses(undo):
    undo.s.run("DELETE FROM d.t WHERE id = 1")
    undo.s.run("SET SESSION sql_log_bin = 0", "INSERT INTO d.t VALUES (1, 5)")
    undo.refuses("undo-server", where="server")


def test_table_without_key_refuses(undo):
    undo.s.run("INSERT INTO d.nokey VALUES (1)")
    undo.refuses("undo-no-key", where="server")


def test_other_columns_refuse(undo):
    undo.s.run("INSERT INTO d.t VALUES (10, 1)")
    undo.s.run("SET SESSION sql_log_bin = 0", "ALTER TABLE d.t ADD COLUMN more INT")
    undo.refuses("undo-table", where="server")


def test_parent_of_a_cascade_refuses(undo):
    s = undo.s
    s.run("INSERT INTO d.a VALUES (1)", "INSERT INTO d.child VALUES (1, 1)")
    undo.before, undo.state = s.executed(), s.state()
    s.run("DELETE FROM d.a WHERE id = 1")
    undo.refuses("undo-cascade", where="server")


@only("mariadb")
def test_triggers_of_the_applier_refuse(undo):
    undo.s.run("SET GLOBAL slave_run_triggers_for_rbr = 'YES'", "INSERT INTO d.t VALUES (10, 1)")
    undo.refuses("undo-triggers", where="server")


@contextlib.contextmanager
def follower(s):
    """A session that takes the server's binary log, as a replica does."""
    with contextlib.closing(s.connect()) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET @master_binlog_checksum = @@global.binlog_checksum")
            cursor.execute("SHOW BINARY LOGS")
            name = cursor.fetchall()[-1][0]
        connection._execute_command(COMMAND.COM_BINLOG_DUMP, struct.pack("<IHI", 4, 0, 4711) + name.encode())
        dumps = "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"
        wait_until(lambda: s.run(dumps)[0][0] == 1, 20, "the server to send its binary log")
        yield
        assert s.run(dumps)[0][0] == 1  # all the time


def test_followed_server_refuses(undo):
    """What is taken back here would stay with whoever has it from here."""
    undo.s.run("INSERT INTO d.t VALUES (10, 1)")
    with follower(undo.s):
        undo.refuses("undo-followed", where="server")


def reverse(steps):
    """The event that takes the first change back: behind the check of what it must find."""
    checked = next(i for i, step in enumerate(steps) if step["reason"] == "undo-rows-differ")
    return next(step for step in steps[checked + 1:] if step["sql"].startswith("BINLOG"))


@pytest.mark.parametrize("change", ["INSERT INTO d.t VALUES (10, 1)", "UPDATE d.two SET v = 7 WHERE x = 1", "UPDATE d.w SET v = 'other'"])
def test_reversed_change_without_effect_refuses(undo, change):
    """A server that takes the event and does not do what it says: seen afterwards, before anything is committed."""
    undo.s.run(change)
    undo.refuses("undo-not-undone", where="server", without=reverse)


@only("mariadb")
def test_transaction_that_came_after_the_plan_refuses(undo):
    s = undo.s
    s.run("INSERT INTO d.t VALUES (10, 1)")
    plan = undo.plan()
    s.run("INSERT INTO d.t VALUES (11, 1)")
    rows = undo.all_rows()
    with pytest.raises(Refused, match="undo-set"):
        carry_out(s, plan)
    assert undo.all_rows() == rows


# ---- what the binlogs tell ----

def test_evidence_of_a_crash_and_of_a_shutdown(undo):
    """The file of a killed run has no end; that of one that was shut down has."""
    s = undo.s
    s.run("INSERT INTO d.t VALUES (10, 1)")
    assert s.tool("inspect", **undo.extra())["evidence"] == ["complete", "suffix", "rows"]  # it goes on with them
    s.kill()
    s.start()
    assert s.tool("inspect", **undo.extra())["evidence"] == ["complete", "suffix", "crashed", "rows"]
    s.run("CREATE TABLE d.new (id INT)")
    s.kill(15)
    s.start()
    assert s.tool("inspect", **undo.extra())["evidence"] == ["complete", "suffix"]


def test_salvage_says_the_class(undo):
    s = undo.s
    s.run("INSERT INTO d.t VALUES (10, 1)")
    result = s.tool("extract", **undo.extra(), tail_class="2", judged_by="rejoin/90", judged_why="somebody was told")
    assert check_salvage(s, result, 1)["class"] == {"id": "possibly-acknowledged", "rule": "rejoin/90", "text": "somebody was told"}
    listed = s.salvage("list")
    assert "possibly-acknowledged" in listed and "CLASS" in listed
