# SPDX-License-Identifier: Apache-2.0
"""The rewind before recovery and its salvage on real servers (docs/design/rewind.md), without agents.

A source without any replica: after `seal()` its commits hang in AFTER_SYNC, as they do when the standby has
just been sealed for a takeover. It is killed, rewound by rewind-tool (the job the agent runs), started again
and asked what is left."""
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading

import pymysql
import pytest
from tandemlab import layout, servers as lab_servers
from tandemlab.layout import LabError
from tandemlab.wait import wait_until

from conftest import CHOSEN

COMMON = lab_servers.ALONE + """innodb_buffer_pool_size = 16M
innodb_flush_log_at_trx_commit = 1
server_id = 1
log_bin = m1-bin
relay_log = m1-relay
sync_binlog = 1
{more}
"""
MORE = {
    "mariadb": """innodb_log_file_size = 16M
basedir = {root}usr
gtid_strict_mode = ON
log_slave_updates = ON
rpl_semi_sync_master_wait_point = AFTER_SYNC
rpl_semi_sync_master_timeout = 1000000000
skip_slave_start""",
    "mysql": """innodb_redo_log_capacity = 32M
secure_file_priv = NULL
mysqlx = OFF
gtid_mode = ON
enforce_gtid_consistency = ON
plugin_load_add = semisync_source.so
loose_rpl_semi_sync_source_timeout = 1000000000
log_error_verbosity = 3
performance_schema = OFF
skip_replica_start""",
}


CLUSTER = """cluster = demo
state_dir = "{home}"
run_dir = "{home}/run"
mysql {{ data_dir = "{home}/data" socket = "{home}/s.sock" pid_file = "{home}/p.pid" error_log = "{home}/err.log" }}
node m1 {{ address = "10.0.0.1" role = candidate priority = 100 }}
node m2 {{ address = "10.0.0.2" role = candidate priority = 50 }}
node m3 {{ address = "10.0.0.3" role = witness }}
"""


def only(family):
    return pytest.mark.parametrize("source", [n for n in CHOSEN if n.startswith(family)], indirect=True)


class Source:
    """One server of its own, started and killed by the test."""

    def __init__(self, home, name):
        self.home, self.name = str(home), name
        self.flavour = lab_servers.Flavour(name)
        self.mysql = self.flavour.is_mysql
        self.family = "mysql" if self.mysql else "mariadb"
        self.process, self.clients, self.seal = None, [], None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        lab_servers.copy_tree(lab_servers.template(self.flavour), os.path.join(self.home, "data"))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.home, "data/auto.cnf"))
        more = MORE[self.family].format(root=os.path.join(self.flavour.root, ""))
        with open(os.path.join(self.home, "my.cnf"), "w", encoding="utf-8") as f:
            f.write(COMMON.format(home=self.home, port=self.port, more=more))

    def path(self, name):
        return os.path.join(self.home, name)

    def start(self, *options):
        with open(self.path("out.log"), "ab") as out:
            self.process = subprocess.Popen(
                [self.flavour.mysqld, f"--defaults-file={self.path('my.cnf')}", *options],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)  # fmt: skip
        lab_servers.wait_ready(self.path("s.sock"), 60, self.process)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait(60)
        for client in self.clients:
            client.join(30)
        self.clients = []

    def connect(self, timeout_s=60):
        return lab_servers.connect(self.path("s.sock"), timeout_s)

    def run(self, *statements):
        """Statements in one session; the rows of the last."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def value(self, expression):
        return self.run(f"SELECT {expression}")[0][0]

    def executed(self):
        return self.value("@@global.gtid_executed" if self.mysql else "@@global.gtid_binlog_pos").replace("\n", "")

    def state(self):
        return self.executed() if self.mysql else self.value("@@global.gtid_binlog_state")

    def semisync(self, on):
        self.run(f"SET GLOBAL rpl_semi_sync_{'source' if self.mysql else 'master'}_enabled = {on:d}")

    def close_off(self):
        """From here on nobody gets an answer: what is there now is the seal set."""
        self.semisync(True)
        self.seal, self.writer = self.executed(), self.state()

    def hang(self, *statements):
        """A client whose last statement will not return."""
        def work():
            with contextlib.suppress(pymysql.err.Error, OSError), contextlib.closing(self.connect()) as c:
                with c.cursor() as cursor:
                    for statement in statements:
                        cursor.execute(statement)
        before = self.active(statements[-1])
        self.clients.append(threading.Thread(target=work))
        self.clients[-1].start()
        wait_until(lambda: self.active(statements[-1]) > before, 20, f"{statements[-1]} to hang")

    def active(self, statement):
        """Sessions at that statement; not others, for the one before may just be ending."""
        return sum(1 for row in self.run("SHOW PROCESSLIST") if row[4] in ("Query", "Execute") and str(row[7]).startswith(statement[:60]))

    def tail_reached(self, n):
        """Waits until the binlog holds n groups after the seal."""
        wait_until(lambda: self.tool("plan")["plan"]["groups"] >= n, 20, f"{n} groups in the tail")

    def tool(self, kind, expect=0, **options):
        given = {"data_dir": self.path("data"), "flavour": self.family, "node": "m1", "epoch": 7,
                 "salvage_dir": self.path("salvage"), "error_log": self.path("err.log"),
                 "seal": self.seal or "", "writer": self.writer if self.seal else ""}  # fmt: skip
        given.update(options)
        program = os.path.join(layout.find_build(), "tests/system/rewind-tool")
        if not os.path.exists(program):
            raise LabError(f"{program} is missing: run `make build`")
        done = subprocess.run([program, kind, *(f"{k}={v}" for k, v in given.items())], text=True,
                              capture_output=True, timeout=60, check=False)  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        return json.loads(done.stdout)

    def rewind(self):
        """Cuts, starts, and returns (result of the cut, what recovery said)."""
        cut = self.tool("cut")
        assert cut["cut_done"], cut
        return cut, self.start_and_judge(cut)

    def start_and_judge(self, cut):
        self.start()
        return wait_until(lambda: self.recovery(cut), 20, "the log to say that it is ready")

    def recovery(self, cut):
        r = self.tool("recovery", offset=cut["error_log_size"], file=cut["binlog_file"], cut=cut["plan"]["cut"],
                      expected=cut["plan"]["expected_rollbacks"])["recovery"]  # fmt: skip
        return r if r["ready"] else None

    def dump(self, file):
        """What the server's own program makes of a binlog file."""
        program = os.path.join(self.flavour.root, "usr/bin", "mysqlbinlog" if self.mysql else "mariadb-binlog")
        done = subprocess.run([program, "--no-defaults", "-v", "--verify-binlog-checksum", file], text=True,
                              capture_output=True, timeout=30, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def salvage(self, *words, expect=0):
        """`tandem salvage` as this server's node: what it says, and why if it refuses."""
        cluster = self.path("tandem.conf")
        with open(cluster, "w", encoding="utf-8") as f:
            f.write(CLUSTER.format(home=self.home))
        done = subprocess.run([layout.find_program("tandem"), "salvage", *words, "--config", cluster, "--node", "m1"], text=True,
                              capture_output=True, timeout=60, check=False)  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()


@pytest.fixture(params=CHOSEN)
def source(request, tmp_path):
    # A socket's path must be short: pytest's own directory is not.
    s = Source(tmp_path, request.param)
    try:
        s.start()
        s.run("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)",
              "INSERT INTO d.t VALUES (1, 1), (2, 2)", "CREATE TABLE d.a (id INT PRIMARY KEY)",
              "CREATE TABLE d.m (id INT) ENGINE = MyISAM")  # fmt: skip
        yield s
    finally:
        s.close()


def ids(s):
    return [r[0] for r in s.run("SELECT id FROM d.t ORDER BY id")]


def check_salvage(s, result, groups):
    """The directory is complete, its sums are right, the server's own tool reads it."""
    path = result["salvage_path"]
    assert os.stat(path).st_mode & 0o777 == 0o700
    with open(os.path.join(path, "manifest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    assert manifest["format"] == "tandem-salvage-1" and manifest["node"] == "m1" and manifest["epoch"] == 7
    assert manifest["groups"] == groups == len(manifest["transactions"])
    for entry in manifest["files"]:
        with open(os.path.join(path, entry["name"]), "rb") as f:
            content = f.read()
        assert len(content) == entry["bytes"] and hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert not any(name.endswith(".partial") for name in os.listdir(os.path.dirname(path)))
    return manifest


def test_eight_clients_are_rewound(source):
    s = source
    s.close_off()
    for i in range(8):
        s.hang(f"INSERT INTO d.t VALUES ({100 + i}, 1)")
    s.hang("UPDATE d.t SET v = 99 WHERE id = 1")
    s.hang("BEGIN", "INSERT INTO d.t VALUES (500, 1)", "SELECT SLEEP(1000)")
    s.tail_reached(9 if s.mysql else 1)
    assert s.tool("cut")["plan"]["reason"] == "server-running"
    s.kill()

    size = os.path.getsize(s.tool("plan")["binlog_file"])
    cut, recovery = s.rewind()
    plan = cut["plan"]
    assert plan["verdict"] == "cut" and plan["groups"] >= (9 if s.mysql else 1)
    assert cut["file_size"] == size and os.path.getsize(cut["binlog_file"]) == plan["cut"]
    assert recovery["verdict"] == "agrees" and recovery["crash"], recovery
    # At least as many as were cut: what was prepared and not yet in the binlog is rolled back as well.
    assert (recovery["rolled_back"] if s.mysql else recovery["prepared"]) >= plan["expected_rollbacks"]
    assert recovery["committed"] == 0
    assert ids(s) == [1, 2] and s.run("SELECT v FROM d.t WHERE id = 1")[0][0] == 1
    assert s.executed() == s.seal and s.state() == s.writer
    assert s.run("XA RECOVER") == ()

    manifest = check_salvage(s, cut, plan["groups"])
    assert manifest["kind"] == "rewind" and manifest["cut"] == plan["cut"] and manifest["seal"] == s.seal
    text = s.dump(os.path.join(cut["salvage_path"], "events.binlog"))
    assert text.count("### INSERT INTO `d`.`t`") + text.count("### UPDATE `d`.`t`") == plan["groups"]
    assert "in use" not in text
    # It works on: the numbers are free again and a second crash finds nothing to cut.
    s.semisync(False)
    s.run("INSERT INTO d.t VALUES (3, 3)")
    assert ids(s) == [1, 2, 3]


def cut_one(s):
    """A tail of one row is cut; (result of the cut, the binlog before)."""
    s.close_off()
    s.hang("INSERT INTO d.t VALUES (100, 1)")
    s.tail_reached(1)
    s.kill()
    with open(s.tool("plan")["binlog_file"], "rb") as f:
        content = f.read()
    cut = s.tool("cut")
    assert cut["cut_done"], cut
    return cut, content


def test_salvage_is_read_and_the_rewind_undone(source):
    s = source
    cut, content = cut_one(s)
    name = os.path.basename(cut["salvage_path"])
    listed = json.loads(s.salvage("list", "--json"))
    assert [(one["name"], one["transactions"], one["restorable"]) for one in listed] == [(name, 1, True)]
    assert listed[0]["manifest"]["transactions"][0]["gtid"] in s.salvage("show", name)
    program = os.path.join(s.flavour.root, "usr/bin", "mysqlbinlog" if s.mysql else "mariadb-binlog")
    assert "### INSERT INTO `d`.`t`" in s.salvage("show", name, "--sql", "--binlog-program", program)
    s.salvage("restore", name)
    with open(cut["binlog_file"], "rb") as f:
        assert f.read() == content
    s.start()
    assert ids(s) == [1, 2, 100] and s.executed() != s.seal  # as without the cut
    assert "open" in s.salvage("restore", name, expect=1)


def test_rewind_is_not_undone_after_a_start(source):
    s = source
    cut, _ = cut_one(s)
    name = os.path.basename(cut["salvage_path"])
    s.start()
    assert "open" in s.salvage("restore", name, expect=1)
    s.kill()
    assert "started since the cut" in s.salvage("restore", name, expect=1)
    assert os.path.getsize(cut["binlog_file"]) == cut["plan"]["cut"]
    s.start()
    assert ids(s) == [1, 2] and s.executed() == s.seal


def test_rewind_is_not_undone_after_a_start_without_binlog(source):
    """Such a start leaves no trace in the binlog files, only in InnoDB's."""
    s = source
    cut, _ = cut_one(s)
    with contextlib.suppress(LabError):  # MariaDB ends by itself when it has found what only a binlog can decide
        s.start("--skip-log-bin")
    s.close()
    assert "written later" in s.salvage("restore", os.path.basename(cut["salvage_path"]), expect=1)
    assert os.path.getsize(cut["binlog_file"]) == cut["plan"]["cut"]


def test_nothing_to_cut(source):
    s = source
    s.close_off()
    s.kill()
    result = s.tool("cut")
    assert result["plan"]["verdict"] == "none" and not result["cut_done"] and result["salvage_path"] == ""
    s.start()
    assert ids(s) == [1, 2] and s.executed() == s.seal


def test_control_without_the_cut(source):
    """What this is for: the default start commits what nobody acknowledged."""
    s = source
    s.close_off()
    s.hang("INSERT INTO d.t VALUES (100, 1)")
    s.tail_reached(1)
    s.kill()
    s.start()
    assert ids(s) == [1, 2, 100] and s.executed() != s.seal


@only("mysql")
def test_ddl_of_mysql_is_rewound(source):
    s = source
    s.close_off()
    s.hang("INSERT INTO d.t VALUES (100, 1)")
    s.hang("CREATE TABLE d.u (id INT PRIMARY KEY)")
    s.hang("ALTER TABLE d.a ADD COLUMN w INT")
    s.hang("CREATE TABLE d.s SELECT 1 AS id")
    s.tail_reached(4)
    s.kill()
    cut, recovery = s.rewind()
    assert cut["plan"]["ddl_groups"] == 3 and cut["plan"]["expected_rollbacks"] == 4
    assert recovery["verdict"] == "agrees" and recovery["rolled_back"] == 4
    assert [r[0] for r in s.run("SHOW TABLES IN d")] == ["a", "m", "t"]
    assert len(s.run("DESC d.a")) == 1 and s.executed() == s.seal
    check_salvage(s, cut, 4)


@only("mysql")
def test_compressed_and_tagged_transactions_of_mysql(source):
    s = source
    s.run("SET gtid_next = 'automatic:seven'", "INSERT INTO d.t VALUES (3, 3)")
    s.close_off()
    assert ":seven:1" in s.seal
    s.run("SET GLOBAL binlog_transaction_compression = ON")
    s.hang("INSERT INTO d.t VALUES (100, 1)")
    s.hang("SET gtid_next = 'automatic:seven'", "INSERT INTO d.t VALUES (101, 1)")
    s.tail_reached(2)
    s.kill()
    cut, recovery = s.rewind()
    assert ":seven:2" in cut["plan"]["gtids"] and recovery["verdict"] == "agrees"
    assert ids(s) == [1, 2, 3] and s.executed() == s.seal
    assert "### INSERT INTO `d`.`t`" in s.dump(os.path.join(cut["salvage_path"], "events.binlog"))




def check_refused(s, reason, groups=None):
    size = os.path.getsize(s.tool("plan")["binlog_file"])
    result = s.tool("cut")
    assert result["plan"]["verdict"] == "refuse" and result["plan"]["reason"] == reason, result["plan"]
    assert not result["cut_done"] and os.path.getsize(result["binlog_file"]) == size
    if groups is not None:
        manifest = check_salvage(s, result, groups)
        assert manifest["kind"] == "refused" and manifest["reason"]["id"] == reason
        s.dump(os.path.join(result["salvage_path"], "events.binlog"))
    return result


@pytest.mark.parametrize("fact, reason", [
    ("promotions_clean", "promotion-forced"), ("in_sync_non_empty", "in-sync-empty"),
    ("ended_by_crash", "not-crashed"), ("not_started_since", "started-since"),
    ("no_local_release", "local-release"), ("xa_is_told", "xa-unseen")])  # fmt: skip
@pytest.mark.parametrize("source", CHOSEN[:1], indirect=True)
def test_each_missing_fact_refuses(source, fact, reason):
    s = source
    s.close_off()
    s.hang("INSERT INTO d.t VALUES (100, 1)")
    s.tail_reached(1)
    s.kill()
    result = s.tool("cut", without=fact)
    assert result["plan"]["reason"] == reason and not result["cut_done"]
    check_salvage(s, result, 1)


def test_content_that_cannot_be_rolled_back_refuses(source):
    s = source
    s.close_off()
    if s.mysql:
        s.hang("INSERT INTO d.t VALUES (100, 1)")
        s.hang("INSERT INTO d.m VALUES (1)")
        s.tail_reached(2)
        reason, groups = "tail-not-transactional", 2
    else:
        # MariaDB lets one group commit at a time into the binlog: the statement itself is the first.
        s.hang("INSERT INTO d.m VALUES (1)")
        s.tail_reached(1)
        reason, groups = "tail-not-transactional", 1
    s.kill()
    check_refused(s, reason, groups)


def test_ddl_that_is_not_atomic_refuses(source):
    s = source
    s.close_off()
    s.hang("CREATE TABLE d.n (id INT) ENGINE = MyISAM" if s.mysql else "CREATE TABLE d.n (id INT)")
    s.tail_reached(1)
    s.kill()
    check_refused(s, "tail-ddl", 1)


def test_statement_form_refuses(source):
    s = source
    s.close_off()
    s.hang("SET SESSION binlog_format = STATEMENT", "INSERT INTO d.t VALUES (100, 1)")
    s.tail_reached(1)
    s.kill()
    check_refused(s, "tail-statement", 1)


def test_xa_refuses(source):
    s = source
    s.close_off()
    s.hang("XA START 'x'", "INSERT INTO d.t VALUES (100, 1)", "XA END 'x'", "XA PREPARE 'x'")
    s.tail_reached(1)
    s.kill()
    check_refused(s, "tail-xa", 1)


@only("mysql")
def test_xa_inside_a_compressed_transaction(source):
    """Not to be told from rows while it is compressed, so it is cut; recovery rolls it back as well."""
    s = source
    s.run("SET GLOBAL binlog_transaction_compression = ON")
    s.close_off()
    s.hang("XA START 'x'", "INSERT INTO d.t VALUES (100, 1)", "XA END 'x'", "XA PREPARE 'x'")
    s.tail_reached(1)
    s.kill()
    _, recovery = s.rewind()
    assert recovery["verdict"] == "agrees" and recovery["rolled_back"] == 1
    assert s.run("XA RECOVER") == () and ids(s) == [1, 2] and s.executed() == s.seal


def test_shut_down_in_order_refuses(source):
    s = source
    s.seal, s.writer = s.executed(), s.state()
    s.run("INSERT INTO d.t VALUES (100, 1)")
    s.kill(signal.SIGTERM)
    check_refused(s, "closed-in-order", 1)


def test_tail_that_spans_a_rotation_refuses(source):
    s = source
    s.seal, s.writer = s.executed(), s.state()
    s.run("INSERT INTO d.t VALUES (100, 1)", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (101, 1)")
    s.kill()
    check_refused(s, "tail-spans-rotation", 1)


def test_hole_and_foreign_writer_refuse(source):
    s = source
    s.run("INSERT INTO d.t VALUES (3, 1)", "INSERT INTO d.t VALUES (4, 1)")
    s.close_off()
    full, state = s.seal, s.writer
    s.kill()
    if s.mysql:
        uuid, last = full.rsplit(":1-", 1)
        s.seal = s.writer = f"{uuid}:1-{int(last) - 2}:{last}"
        assert s.tool("plan")["plan"]["reason"] == "tail-hole"
        s.seal = f"{uuid}:1-{int(last) - 1}"
    else:
        s.seal = f"0-1-{int(full.split('-')[2]) - 1}"
    s.writer = state
    check_refused(s, "tail-on-writer", 1)


def test_torn_end_is_cut_and_kept(source):
    s = source
    s.close_off()
    s.hang("INSERT INTO d.t VALUES (100, 1)")
    s.tail_reached(1)
    s.kill()
    file = s.tool("plan")["binlog_file"]
    with open(file, "rb") as f:
        content = f.read()
    cut_at = s.tool("plan")["plan"]["cut"]
    half = content[cut_at:cut_at + 60]
    with open(file, "ab") as f:
        f.write(half)
    cut, recovery = s.rewind()
    assert cut["plan"]["torn"] and recovery["verdict"] == "agrees"
    with open(os.path.join(cut["salvage_path"], "torn.bin"), "rb") as f:
        assert f.read() == half
    # Undo, as the manifest promises it: what was cut is all there, byte for byte.
    manifest = check_salvage(s, cut, 1)
    with open(os.path.join(cut["salvage_path"], "events.binlog"), "rb") as f:
        events = f.read()[manifest["files"][0]["events_offset"]:]
    assert content[:cut_at] + events + half == content + half
    assert ids(s) == [1, 2]


def test_cut_of_committed_transactions_is_noticed(source):
    """Wrong facts (semi-sync had been off): the engine had committed what is cut. The start shows it."""
    s = source
    s.seal, s.writer = s.executed(), s.state()
    s.run(*(f"INSERT INTO d.t VALUES ({100 + i}, 1)" for i in range(5)))
    s.kill()
    cut, recovery = s.rewind()
    assert cut["plan"]["groups"] == 5
    assert recovery["verdict"] in ("recovery-too-few", "recovery-beyond-cut")
    # The last one's commit record may not have left InnoDB's log buffer: that one is rolled back.
    assert set(ids(s)) >= {1, 2, 100, 101, 102, 103}
    if s.mysql:
        assert s.executed() != s.seal  # InnoDB keeps the GTIDs of what it has committed
    else:
        assert recovery["position"] > cut["plan"]["cut"]


@only("mariadb")
def test_mariadb_finishes_ddl_that_waited_behind_the_tail(source):
    """MariaDB's own log finishes an ALTER TABLE which never reached the binlog: a new transaction, after the
    start, that only a check against the writer's state can see."""
    s = source
    s.close_off()
    for i in range(3):
        s.hang(f"INSERT INTO d.t VALUES ({100 + i}, 1)")
    s.tail_reached(2)  # one waits for its acknowledgement, one for that one, the rest before the binlog
    s.hang("ALTER TABLE d.a ADD COLUMN w INT")
    wait_until(lambda: any(r[6] == "Writing to binlog" for r in s.run("SHOW PROCESSLIST")), 20, "the ALTER to wait")
    s.kill()
    cut, recovery = s.rewind()
    assert recovery["verdict"] == "agrees" and ids(s) == [1, 2]
    assert recovery["ddl_entries"] > 0 and len(s.run("DESC d.a")) == 2
    assert s.state() != s.writer
    extract = s.tool("extract", extra=s.state(), since=s.writer)
    assert extract["salvaged_groups"] == 1
    manifest = check_salvage(s, extract, 1)
    assert manifest["transactions"][0]["kind"] == "ddl" and "ALTER" in manifest["transactions"][0]["what"].upper()


def test_extract_from_several_files(source):
    s = source
    s.run("FLUSH BINARY LOGS")
    before, state = s.executed(), s.state()
    s.run("INSERT INTO d.t VALUES (100, 1)", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (101, 1)",
          "CREATE TABLE d.z (id INT)", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (102, 1)")  # fmt: skip
    if s.mysql:
        extra = s.run(f"SELECT GTID_SUBTRACT(@@global.gtid_executed, '{before}')")[0][0].replace("\n", "")
        result = s.tool("extract", extra=extra + ",3e11fa47-71ca-11e1-9e33-c80aa9429562:9")
        assert result["missing"] == "3e11fa47-71ca-11e1-9e33-c80aa9429562:9"
    else:
        result = s.tool("extract", extra=s.state(), since=state)
    assert result["salvaged_groups"] == 4
    manifest = check_salvage(s, result, 4)
    assert [f["groups"] for f in manifest["files"]] == [1, 2, 1] and manifest["kind"] == "extract"
    text = "".join(s.dump(os.path.join(result["salvage_path"], f["name"])) for f in manifest["files"])
    assert text.count("### INSERT INTO `d`.`t`") == 3 and "d.z" in text
    assert s.tool("extract", extra="", since=state)["salvage_path"] == ""


def test_limits_and_failures(source):
    s = source
    s.close_off()
    s.hang("INSERT INTO d.t VALUES (100, 1)")
    s.tail_reached(1)
    s.kill()
    size = os.path.getsize(s.tool("plan")["binlog_file"])
    too_large = s.tool("cut", bytes_max=100)
    assert too_large["plan"]["reason"] == "binlog-too-large" and not too_large["cut_done"] and not too_large["salvage_path"]
    assert s.tool("cut", expect=1, salvage_dir=s.path("missing/salvage"))["err"] != "ok"
    assert s.tool("cut", expect=1, seal="nonsense")["err"] == "malformed data"
    assert s.tool("cut", seal="")["plan"]["reason"] == "seal-unknown"
    assert s.tool("cut", writer="")["plan"]["reason"] == "writer-unknown"
    assert s.tool("plan", data_dir=s.home)["plan"]["reason"] == "binlog-missing"
    assert os.path.getsize(s.tool("plan")["binlog_file"]) == size
