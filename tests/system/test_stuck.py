# SPDX-License-Identifier: Apache-2.0
"""A writer that does not let itself be closed: locks, transactions, waiting commits, processes that ignore everything; and
disks that are full, read-only, or do not end a write."""
import contextlib
import datetime
import itertools
import socket
import threading
import time

import expect
import pymysql
import pytest
from conftest import MARIADB, MYSQL
from tandemlab import procs, servers
from tandemlab.layout import NODES, now_us
from tandemlab.wait import stays

both = pytest.mark.flavours(MARIADB, MYSQL)
QUICK_KILL = ("policy.fence_kill_after=4000",)

# What somebody does on the writer and leaves so. `bar`: a switchover cannot close the server behind it and is given up.
BLOCKERS = {
    "transaction": (("START TRANSACTION", "INSERT INTO demo.stuck VALUES (NULL)"), False),
    "table-lock": (("LOCK TABLES demo.stuck WRITE",), True),
    "read-lock": (("FLUSH TABLES WITH READ LOCK",), False),
    # an ALTER of the application's waits behind it, and whoever comes waits behind that (WAITING)
    "metadata-lock": (("START TRANSACTION", "SELECT COUNT(*) FROM demo.stuck"), False),
    "xa": (("XA START 'left'", "INSERT INTO demo.stuck VALUES (NULL)", "XA END 'left'"), False),
}
OF_MARIADB = {"backup": (("BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT"), True)}
OF_MYSQL = {"backup": (("LOCK INSTANCE FOR BACKUP",), False)}
WAITING = {"metadata-lock": "ALTER TABLE demo.stuck ADD COLUMN n INT"}


def blockers(c):
    return {**BLOCKERS, **(OF_MYSQL if c.flavour.is_mysql else OF_MARIADB)}


@contextlib.contextmanager
def left_open(c, node, statements):
    """A session of an administrator's that has said this and does nothing more."""
    connection = servers.connect(c.lab.socket(node), 60)
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        yield connection
    finally:
        with contextlib.suppress(pymysql.err.Error, OSError):
            connection.close()


@contextlib.contextmanager
def waits_behind(c, node, statement):
    """A session of the application's has said this and gets no answer; nothing without a statement."""
    if statement is None:
        yield
        return
    connection = pymysql.connect(unix_socket=c.lab.socket(node), user="app", password="app", read_timeout=120)

    def work():
        with contextlib.suppress(pymysql.err.Error, OSError), connection.cursor() as cursor:
            cursor.execute(statement)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        c.wait_until(lambda: any("metadata lock" in (row["State"] or "") for row in c.sql(node, "SHOW PROCESSLIST")), 20, "it waits")
        yield
    finally:
        with contextlib.suppress(OSError, AttributeError):  # it has lost the connection already
            connection._sock.shutdown(socket.SHUT_RDWR)
        thread.join()


def closed_or_gone(c, node):
    if not c.pids(node, "mysqld"):
        return True
    with contextlib.suppress(pymysql.err.Error, OSError):  # it may be killed while it is asked
        return expect.is_closed(c, node)
    return False


def make_table(c):
    c.sql("m1", "CREATE TABLE demo.stuck (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB")


@both
@pytest.mark.parametrize("name", ["transaction", *(pytest.param(n, marks=pytest.mark.thorough) for n in (*BLOCKERS, "backup") if n != "transaction")])
def test_fenced_whatever_holds_it(make_cluster, servers, name):
    """The writer is cut off while something keeps it from being closed: another one takes over, and when it is back the old one
    is closed or killed, and follows."""
    c = make_cluster(servers, QUICK_KILL)
    make_table(c)
    statements, _ = blockers(c)[name]
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        with left_open(c, "m1", statements), waits_behind(c, "m1", WAITING.get(name)):
            c.mark(f"m1 cut off, {name}")
            c.cut("m1")
            c.wait_writer("m2", 30)
            client.wait_ack_after(now_us(), 30)
            c.heal("m1")
            c.wait_until(lambda: closed_or_gone(c, "m1"), 30, "m1 is closed or gone")
        c.wait_whole(90, writer="m2")
        client.wait_ack_after(now_us())
    c.verify()


@pytest.mark.thorough
@both
@pytest.mark.parametrize("name", [*BLOCKERS, "backup"])
def test_switchover_behind_it_is_done_or_given_up(make_cluster, servers, name):
    """Never a cluster that neither writes here nor there for longer than close_timeout."""
    c = make_cluster(servers, ("policy.close_timeout=1500",))
    make_table(c)
    statements, _ = blockers(c)[name]
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        with left_open(c, "m1", statements) as connection, waits_behind(c, "m1", WAITING.get(name)):
            c.mark(f"switchover, {name}")
            done = c.tandem("m1", "switchover", "--to", "m2", check=False, timeout_s=90)
            writer = "m2" if done.returncode == 0 else "m1"
            assert done.returncode == 0 or (done.stdout + done.stderr).strip()
            with contextlib.suppress(pymysql.err.Error, OSError):
                connection.close()
        c.wait_writer(writer, 30)
        client.wait_ack_after(now_us(), 30)
        # what stood in its way is gone, so the next one works
        if writer == "m1":
            c.wait_whole(60, writer="m1")
            c.tandem("m1", "switchover", "--to", "m2", timeout_s=90)
        c.wait_whole(90, writer="m2")
    c.verify()


class Insistent:
    """A session of an administrator's, by the server's own socket, that writes row after row whatever becomes of the server: no lease stops
    it, on MariaDB no read_only either, and it never reads that anything has changed. Until end()."""

    def __init__(self, c, node):
        self.connection = servers.connect(c.lab.socket(node), 120)
        self.told, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        first = self.connection.thread_id() * 1_000_000
        with contextlib.suppress(pymysql.err.Error, OSError), self.connection.cursor() as cursor:
            for number in itertools.count(first):
                if self.over.wait(0.001):
                    return
                try:
                    cursor.execute("INSERT INTO demo.stuck VALUES (%s)", (number,))
                    self.told.append(number)
                except pymysql.err.OperationalError as error:
                    if error.args[0] not in READ_ONLY:
                        raise

    def end(self):
        self.over.set()
        self.thread.join()
        with contextlib.suppress(pymysql.err.Error, OSError):
            self.connection.close()


READ_ONLY = (1290, 1836)


@contextlib.contextmanager
def goes_on_writing(c, node):
    session = Insistent(c, node)
    try:
        c.wait_until(lambda: len(session.told) > 20, 20, "it writes")
        yield session
    finally:
        session.end()


def stuck_rows(c, node):
    return {row["id"] for row in c.sql(node, "SELECT id FROM demo.stuck", timeout_s=30)}


def same_everywhere(c, told):
    """What it was told is there, and no node has a row of it that another one lacks."""
    c.wait_until(lambda: len({frozenset(stuck_rows(c, node)) for node in NODES}) == 1, 60, "every node has the same rows of it", 0.2)
    missing = set(told) - stuck_rows(c, NODES[0])
    assert not missing, f"{len(missing)} rows that it was told are gone, such as {sorted(missing)[:5]}"


@both
def test_administrator_writes_through_a_switchover(cluster):
    """There and back: each time the old writer is attached as it is, so it holds nothing alone."""
    c = cluster
    make_table(c)
    told = []
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        for writer, target in (("m1", "m2"), ("m2", "m1"), ("m1", "m2")):
            with goes_on_writing(c, writer) as session:
                c.mark(f"switchover to {target}")
                c.tandem(writer, "switchover", "--to", target, timeout_s=90)
                client.wait_ack_after(now_us(), 30)
                before = len(session.told)
                c.wait_whole(90, writer=target)
                assert len(session.told) == before, f"{writer} takes its rows although {target} is the writer"
            told += session.told
    report = c.verify()
    assert report.writer_changes == 3
    same_everywhere(c, told)
    assert not [node for node in NODES if c.status().quarantined(node)]


@both
def test_administrator_writes_through_a_fence(make_cluster, servers):
    """The writer is cut off, and its socket is not. What it takes from then on nobody is told, and it is in no table afterwards."""
    c = make_cluster(servers, QUICK_KILL)
    make_table(c)
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        with goes_on_writing(c, "m1") as session:
            c.mark("m1 cut off, an administrator writes there")
            c.cut("m1")
            c.wait_until(lambda: c.waiting("m1") > 0, 10, "its commits wait")
            c.wait_writer("m2", 30)
            client.wait_ack_after(now_us(), 30)
            told = len(session.told)
            c.heal("m1")
            c.wait_whole(120, writer="m2")
            assert len(session.told) == told, "it was told of a row after another one was the writer"
    c.verify()
    same_everywhere(c, session.told)
    assert "kind" in c.tandem("m1", "salvage", "list", "--json").stdout, "what waited was saved"


@both
def test_fenced_behind_commits_that_wait(make_cluster, servers):
    """read_only waits for commits that wait for the standby; the standby was promoted."""
    c = make_cluster(servers, QUICK_KILL)
    with c.client(writers=4, rate=200) as client:
        client.wait_acks(50)
        c.mark("m1 cut off with commits on their way")
        c.cut("m1")
        with c.client("local", writers=4, host="127.0.0.1", source="m1", timeout_ms=30000):
            c.wait_writer("m2", 30)
            c.wait_until(lambda: c.waiting("m1") > 0, 10, "commits wait on m1")
            c.heal("m1")
            c.wait_until(lambda: closed_or_gone(c, "m1"), 30, "m1 is closed or gone")
        c.wait_whole(90, writer="m2")
    c.verify()


@pytest.mark.thorough
def test_prepared_transaction_is_named(cluster, servers):
    """XA in doubt on the writer: the trouble says what to do."""
    c = cluster
    make_table(c)
    with c.client(rate=50) as client:
        client.wait_acks(20)
        with left_open(c, "m1", ("XA START 'doubt'", "INSERT INTO demo.stuck VALUES (NULL)", "XA END 'doubt'", "XA PREPARE 'doubt'")):
            c.wait_until(lambda: "XA RECOVER" in c.tandem("m2", "status", check=False).stdout, 20, "the transaction in doubt is named")
        c.sql("m1", "XA ROLLBACK 'doubt'")
        c.wait_until(lambda: "XA RECOVER" not in c.tandem("m2", "status", check=False).stdout, 20, "it is over")
    c.verify()


@pytest.mark.thorough
def test_prepared_transaction_survives_the_writer(cluster, servers):
    """The server with the transaction in doubt is killed. Its successor has it as well, since it was prepared there too, and says so;
    whoever decides it there decides it everywhere. Of the old writer, which has it prepared too, nothing is proven if something had to be
    cut: it is kept apart with that reason then, and made anew."""
    c = cluster
    make_table(c)
    with c.client("before", rate=50) as client:
        client.wait_acks(20)
    with left_open(c, "m1", ("XA START 'doubt'", "INSERT INTO demo.stuck VALUES (7)", "XA END 'doubt'", "XA PREPARE 'doubt'")):
        c.wait_until(lambda: c.sql("m2", "XA RECOVER"), 20, "m2 has prepared it")
        c.mark("mysqld of m1 killed")
        c.kill("m1", "mysqld")
    c.wait_writer("m2", 30)
    c.wait_until(lambda: "m2: 1 prepared XA" in c.tandem("m3", "status", check=False).stdout, 20, "the transaction in doubt is named")
    assert len(c.sql("m2", "XA RECOVER")) == 1
    c.sql("m2", "XA COMMIT 'doubt'")
    with c.client("after", rate=50) as client:
        client.wait_acks(20)
        status = c.wait_status(lambda s: s.quarantined("m1") or s.is_whole(), 90, "m1 is back, or kept apart")
        if status.quarantined("m1"):
            assert "prepared XA transactions are left" in status.nodes["m1"]["why"]
        c.wait_whole(240, writer="m2")
        c.wait_until(lambda: "XA RECOVER" not in c.tandem("m3", "status", check=False).stdout, 30, "it is over")
    c.verify()
    for node in NODES:
        c.wait_until(lambda node=node: c.value(node, "(SELECT COUNT(*) FROM demo.stuck WHERE id = 7)") == 1, 20, f"{node} has the row")
        assert not c.sql(node, "XA RECOVER")


@pytest.mark.thorough
def test_events_run_on_the_writer_only(cluster, servers):
    """A trigger and an event write with the rights of an administrator; a closed server runs no event of its own. Nor does a new writer
    one that came to it by replication, until somebody enables it there: the status says so and how."""
    c = cluster
    c.sql("m1", "CREATE TABLE demo.ticks (id INT AUTO_INCREMENT PRIMARY KEY, server INT) ENGINE = InnoDB")
    c.sql("m1", "CREATE TABLE demo.echo (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB")
    c.sql("m1", "CREATE TRIGGER demo.said AFTER INSERT ON demo.ticks FOR EACH ROW INSERT INTO demo.echo VALUES (NULL)")
    c.sql("m1", "CREATE EVENT demo.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO demo.ticks (server) VALUES (@@server_id)")
    c.sql("m1", "CREATE EVENT demo.stopped ON SCHEDULE EVERY 1 SECOND DISABLE DO DELETE FROM demo.ticks")

    def ticks(node, server):
        return c.value(node, f"(SELECT COUNT(*) FROM demo.ticks WHERE server = {c.value(server, '@@server_id')})")

    def event(node, name="tick"):
        return c.value(node, f"(SELECT status FROM information_schema.events WHERE event_name = '{name}')")

    def told():
        return "m2: events that came to it by replication do not run there" in c.tandem("m3", "status", check=False).stdout

    for node in NODES[1:]:
        c.wait_until(lambda node=node: len(c.sql(node, "SHOW EVENTS FROM demo")) == 2, 20, f"{node} has the events")
        assert c.value(node, "@@global.event_scheduler") != "ON" and event(node).endswith("SIDE_DISABLED")
        # nobody can tell there which of them is to run
        assert event(node, "stopped") == event(node) and event("m1", "stopped") == "DISABLED"
    with c.client(rate=50) as client:
        client.wait_acks(20)
        c.wait_until(lambda: ticks("m1", "m1") > 1, 20, "it runs on m1")
        assert "events that came to it" not in c.tandem("m3", "status", check=False).stdout
        c.mark("m1 killed")
        c.kill("m1", "mysqld")
        c.wait_writer("m2")
        c.wait_whole(writer="m2")
        c.wait_until(told, 30, "the events that do not run are told")
        assert c.value("m2", "@@global.event_scheduler") == "ON" and event("m2").endswith("SIDE_DISABLED")
        stays(lambda: ticks("m2", "m2") == 0, 3, "it runs nowhere")
        c.sql("m2", "ALTER EVENT demo.tick ENABLE")
        c.wait_until(lambda: ticks("m2", "m2") > 1, 20, "it runs on m2")
        c.sql("m2", "ALTER EVENT demo.stopped DISABLE")
        c.wait_until(lambda: not told(), 30, "nothing is told any more")
        for node in NODES:  # the statement has come to them; it runs on none
            if node != "m2":
                c.wait_until(lambda node=node: ticks(node, "m2") > 1, 20, f"{node} follows")
                assert event(node).endswith("SIDE_DISABLED"), f"{node}: {event(node)}"
        c.sql("m2", "ALTER EVENT demo.tick DISABLE")
    report = c.verify()
    assert report.ok
    for node in NODES:
        c.wait_until(lambda node=node: ticks(node, "m2") == ticks("m2", "m2"), 20, f"{node} has the ticks of m2")
        assert ticks(node, "m1") == ticks("m2", "m1") and ticks(node, node) == (ticks("m2", node) if node in ("m1", "m2") else 0)


@pytest.fixture
def on_images(make_cluster, servers):
    return make_cluster(servers, QUICK_KILL, bounded="image")


# The agent asks a disk as often as the server, and gives it as long as a server that can be asked no more: probe_timeout times
# probe_fall. The rest is the machine's.
KNOWN_MS = 250 + 500 * 2
MARGIN_MS = 750


def known_within(c, node, began_us, at_us):
    """By its agent's own log: from the fault (it began to be made at began_us and was there at at_us) until it knew of it."""
    wall_us = time.time_ns() // 1000 - now_us()  # a log has the time of day

    def told():
        for line in c.log_of(node).splitlines():
            stamp, _, event, *_ = line.split(" ", 3)
            if event == "disk-state" or (event == "health" and "to=ok" not in line):
                when = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() * 1e6 - wall_us
                if when > began_us:
                    return when
        return None

    took_ms = (c.wait_until(told, 20, f"{node} knows of its disk") - at_us) / 1000
    assert took_ms < KNOWN_MS + MARGIN_MS, f"known after {took_ms:.0f} ms"


def resigned(c, client, fault, limit_s=12):
    """m2 is the writer within the limit, and clients go on."""
    at = c.mark(fault)
    c.wait_writer("m2", limit_s + 20)
    client.wait_ack_after(at + 1, 20)
    return at


def test_disk_that_does_not_end_a_write(on_images):
    c = on_images
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        began = now_us()
        c.freeze("m1")
        stalled = now_us()
        try:
            resigned(c, client, "disk of m1 stalls")
            known_within(c, "m1", began, stalled)
            assert "silent" in c.tandem("m2", "status", check=False).stdout
            client.wait_acks(50)
        finally:
            c.thaw("m1")
        c.wait_whole(90, writer="m2")
    report = c.verify()
    assert c.outage_ms(report) < expect.STALL_MAX_MS


@pytest.mark.thorough
def test_stalled_disk_of_the_standby(on_images):
    c = on_images
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.mark("disk of m2 stalls")
        c.freeze("m2")
        try:
            c.wait_status(lambda s: "m2" not in s.in_sync, 20, "m2 has left the set")
            client.wait_ack_after(now_us())
        finally:
            c.thaw("m2")
        c.wait_whole(90, writer="m1")
    report = c.verify()
    assert report.writer_changes == 0 and c.outage_ms(report) < expect.STALL_MAX_MS


@contextlib.contextmanager
def starved(c, node, stopped_s, runs_s):
    """Its server runs for a moment at a time, as on a host that is far too busy."""
    starving = procs.Starved(c.pids(node, "mysqld"), stopped_s, runs_s)
    try:
        yield
    finally:
        starving.end()


# No probe fails and no member counts as silent: it is slow and nothing else.
NOT_SILENT = ("policy.probe_timeout=5000", "policy.probe_fall=10", "policy.shrink_after=10000", "policy.stall_after=5000")
SLOW = ("policy.slow_ack=400", "policy.slow_after=1000", "policy.probe_interval=100", "policy.beat_interval=100", *NOT_SILENT)
SLOW_LEAVES_MS = 1000 + 3000  # slow_ack and slow_after where the cluster file says nothing of them


@both
def test_slow_standby_is_spared(make_cluster, servers):
    """It answers, and acknowledges, but far too late: the writer goes on without it, says so, and takes it back when it keeps up."""
    c = make_cluster(servers, SLOW)
    with c.client(writers=2, rate=100, timeout_ms=5000) as client:
        client.wait_acks(50)
        with starved(c, "m2", 0.8, 0.002):
            c.wait_status(lambda s: not s.in_sync, 30, "m2 has left the set")
            client.wait_acks(100, 10)
            said = c.tandem("m1", "status").stdout
            assert "would lose up to" in said and "m2: commits waited too long for it" in said, said
            stays(lambda: not c.status_of("m1").in_sync, 2, "m2 stays out while it is slow")
        c.wait_whole(writer="m1")
        client.wait_acks(50)
    told = c.tandem("m1", "history").stdout
    assert "commits wait too long for a member of the in-sync set" in told, told
    assert "rule=writer/115" in c.log_of("m1")
    report = c.verify()
    assert report.writer_changes == 0


@pytest.mark.thorough
@both
def test_slow_standby_leaves_in_time_by_default(make_cluster, servers):
    """What clients wait for it is bounded without anybody having set a limit. What the machine takes comes on top: the row that is
    acknowledged late tells so at its end, and reports and the shrink itself take a while when servers are starved."""
    c = make_cluster(servers, NOT_SILENT)
    with c.client(writers=2, rate=100, timeout_ms=20000) as client:
        client.wait_acks(50)
        with starved(c, "m2", 1.8, 0.002):
            began = now_us()
            c.wait_status(lambda s: not s.in_sync, 30, "m2 has left the set")
            took_ms = (now_us() - began) / 1000
            client.wait_acks(100, 10)
        c.wait_whole(writer="m1")
    assert "rule=writer/115" in c.log_of("m1")
    assert took_ms < SLOW_LEAVES_MS + 4000, f"it left after {took_ms:.0f} ms"
    report = c.verify()
    assert report.writer_changes == 0


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["seen", "shut down"])
def test_disk_that_became_read_only(on_images, how):
    """InnoDB gives up at once, and the server may write of a shutdown while it crashes. Whichever the agent finds first: the standby
    has everything, so it takes over, and nobody is asked."""
    c = on_images
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        at = c.mark("disk of m1 is read-only")
        if how == "shut down":
            with open(c.lab.path("m1", "mysqld.log"), "a", encoding="utf-8") as log:
                log.write("2026-01-01  0:00:00 0 [Note] /usr/sbin/mariadbd (initiated by: unknown): Normal shutdown\n")
        c.fail("m1")
        if how == "shut down":
            c.kill("m1", "mysqld")
        else:
            known_within(c, "m1", at, now_us())
        c.wait_until(lambda: "read-only" in c.tandem("m2", "status", check=False).stdout, 30, "the disk is named")
        c.wait_writer("m2", 40)
        client.wait_ack_after(at + 1, 30)
    said = c.log_of("m1")
    assert "rule=writer/60" in said or "rule=writer/30" in said or "covered=yes" in said, said
    c.verify([node for node in NODES if node != "m1"])


@pytest.mark.thorough
def test_full_disk_of_the_writer(make_cluster, servers):
    c = make_cluster(servers, (*QUICK_KILL, "policy.disk_free_min=16"), bounded=True)
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        began = now_us()
        c.fill("m1")
        filled = now_us()
        resigned(c, client, "disk of m1 is full")
        known_within(c, "m1", began, filled)
        assert "full" in c.tandem("m2", "status", check=False).stdout
        c.empty("m1")
        c.wait_whole(240, writer="m2")
    c.verify()


def test_server_that_ignores_everything_is_killed(make_cluster, servers):
    """Stopped by somebody, and cut off with it: another one takes over, and the old process does not live on when it is back."""
    c = make_cluster(servers, QUICK_KILL)
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        pids = c.pids("m1", "mysqld")
        c.mark("mysqld of m1 stopped, m1 cut off")
        c.stop("m1", "mysqld")
        c.cut("m1")
        c.wait_writer("m2", 30)
        client.wait_ack_after(now_us(), 30)
        c.heal("m1")
        assert not procs.wait_gone(pids, 40), "a server that does not answer lives on beside another writer"
        c.wait_whole(90, writer="m2")
    c.verify()
