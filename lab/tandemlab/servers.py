# SPDX-License-Identifier: Apache-2.0
"""Server flavours: where the binaries are, how a data directory is made, what my.cnf says.

Making a data directory from nothing takes seconds, so it is done once per version and kept as a template
under $TANDEM_CACHE (default ~/.cache/tandem). A lab makes one copy of it, runs the accounts' SQL there with
the binary log off, and copies that for each host: all begin with the same rows and an empty GTID history."""
import fcntl
import hashlib
import os
import shutil
import subprocess

import pymysql

from . import layout
from .layout import LabError
from .wait import wait_until

FLAVOURS = ("mariadb-10.11", "mysql-9.7", "mariadb-11.8")
# What no agent manages: for tests with servers of their own, no lab is made of it.
LEGACY = ("mysql-5.6",)

SCHEMA = """
CREATE DATABASE IF NOT EXISTS demo;
CREATE TABLE IF NOT EXISTS demo.writes (
    writer INT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL, server_id INT UNSIGNED NOT NULL,
    sent_us BIGINT NOT NULL, PRIMARY KEY (writer, seq)) ENGINE=InnoDB;
CREATE USER IF NOT EXISTS 'app'@'%' IDENTIFIED BY 'app';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX ON demo.* TO 'app'@'%';
"""

# Sizes for many servers on one machine; nothing here changes what replication or recovery do.
COMMON = """[mysqld]
user = root
datadir = {home}/data
# MariaDB removes other servers' temporary tables from a directory that it shares with them.
tmpdir = {home}
socket = {home}/mysqld.sock
pid_file = {home}/mysqld.pid
log_error = {home}/mysqld.log
port = 3306
skip_name_resolve = ON
innodb_buffer_pool_size = 32M
innodb_log_buffer_size = 4M
key_buffer_size = 64K
table_open_cache = 200
max_connections = 150
innodb_use_native_aio = OFF
"""
# One server by itself on loopback, in a directory of its own.
ALONE = """[mysqld]
user = root
datadir = {home}/data
tmpdir = {home}
socket = {home}/s.sock
pid_file = {home}/p.pid
log_error = {home}/err.log
port = {port}
bind_address = 127.0.0.1
skip_name_resolve = ON
innodb_use_native_aio = OFF
binlog_format = ROW
"""
MARIADB = """innodb_log_file_size = 16M
aria_pagecache_buffer_size = 1M
query_cache_size = 0
performance_schema = OFF
basedir = {root}usr
"""
# With 32M a recovery may wait for ever for free pages, once a large transaction was at work ("Difficult to find free blocks").
MYSQL = """innodb_buffer_pool_size = 128M
innodb_redo_log_capacity = 32M
secure_file_priv = NULL
mysqlx = OFF
innodb_read_io_threads = 2
innodb_write_io_threads = 2
temptable_max_ram = 4M
report_host = {address}
"""

class Flavour:
    """One kind of server; `root` is its sysroot, '/' for Debian's own."""

    def __init__(self, name):
        if name not in FLAVOURS + LEGACY:
            raise LabError(f"servers '{name}': one of {', '.join(FLAVOURS)}")
        self.name = name
        self.is_mysql = name.startswith("mysql")
        self.is_legacy = name in LEGACY
        self.root = self._obtain()
        program = "mysqld" if self.is_mysql else "mariadbd"
        self.mysqld = os.path.join(self.root, "usr/sbin", program)

    def _obtain(self):
        script = os.path.join(layout.ROOT, "lab/servers", self.name)
        done = subprocess.run([script], text=True, capture_output=True, timeout=600, check=False)
        if done.returncode != 0:
            raise LabError(done.stderr.strip() or f"{script} failed")
        return done.stdout.strip()

    def version(self):
        done = subprocess.run([self.mysqld, "--no-defaults", "--version"], text=True, capture_output=True, check=True)
        return done.stdout.strip()

    def my_cnf(self, lab, node, dropin):
        """my.cnf of a node: the lab's sizes and paths, then the drop-in with what the cluster needs."""
        values = {"home": lab.node_dir(node), "root": os.path.join(self.root, ""), "address": layout.ADDRESSES[node]}
        text = (COMMON + (MYSQL if self.is_mysql else MARIADB)).format(**values)
        # Every server of the lab is on the same file system with the same load: no real use for a warm pool.
        return text + f"innodb_buffer_pool_dump_at_shutdown = OFF\n!include {dropin}\n"

    def install(self, data, log):
        """A data directory from nothing; root@localhost without password, no other account."""
        common = ["--no-defaults", "--user=root", f"--datadir={data}", f"--tmpdir={os.path.dirname(data)}"]
        if self.is_legacy:
            argv = [os.path.join(self.root, "usr/bin/mysql_install_db"), data, "--user=root", "--innodb-log-file-size=5M", common[-1]]
        elif self.is_mysql:
            argv = [self.mysqld, *common, "--initialize-insecure",
                    "--innodb-redo-log-capacity=32M", "--innodb-flush-method=nosync", "--skip-log-bin"]  # fmt: skip
        else:
            argv = [os.path.join(self.root, "usr/bin/mariadb-install-db"), *common,
                    f"--basedir={os.path.join(self.root, 'usr')}", "--skip-test-db",
                    "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M"]  # fmt: skip
        with open(log, "ab") as out:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=180, check=False)
        if done.returncode != 0:
            raise LabError(f"{self.name}: no data directory, see {log}")


def connect(socket, timeout_s=5, **options):
    """A session of root over the node's socket (reachable from outside the host)."""
    return pymysql.connect(
        unix_socket=socket,
        user="root",
        connect_timeout=timeout_s,
        read_timeout=timeout_s,
        write_timeout=timeout_s,
        autocommit=True,
        charset="utf8mb4",
        **options,
    )


def query(socket, sql, arguments=None, timeout_s=5):
    """Rows of one statement as dictionaries."""
    connection = connect(socket, timeout_s, cursorclass=pymysql.cursors.DictCursor)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            return list(cursor.fetchall())
    finally:
        connection.close()


def run_script(socket, sql, timeout_s=30):
    """Statements one after another. They end with ';' at a line's end; '--' comments are whole lines."""
    connection = connect(socket, timeout_s)
    try:
        with connection.cursor() as cursor:
            lines = [line for line in sql.splitlines() if line.strip() and not line.lstrip().startswith("--")]
            for statement in "\n".join(lines).split(";\n"):
                statement = statement.strip().rstrip(";").strip()
                if statement:
                    cursor.execute(statement)
    finally:
        connection.close()


def wait_ready(socket, timeout_s, process=None):
    """Waits until the server answers on its socket."""
    said = []

    def answers():
        try:
            connect(socket, 2).close()
            return True
        except pymysql.err.Error as error:
            said[:] = [error]
        if process is not None and process.poll() is not None:
            raise LabError(f"mysqld ended with status {process.returncode} instead of answering")
        return False

    try:
        wait_until(answers, timeout_s, f"an answer on {socket}", 0.02)
    except LabError as error:
        raise LabError(f"{error}; last: {said[0]}") from error


def cache_dir():
    return os.environ.get("TANDEM_CACHE") or os.path.join(os.path.expanduser("~"), ".cache/tandem")


def copy_tree(source, target, sparse=True):
    """The target may exist: it is the mount point of a disk. Without holes, a file that the server has allocated (its redo log)
    stays writable on a full disk, as it does in the field."""
    os.makedirs(target, exist_ok=True)
    how = ["--sparse=always", "--reflink=auto"] if sparse else ["--sparse=never"]
    subprocess.run(["cp", "-a", *how, source + "/.", target], check=True, timeout=120)


def template(flavour):
    """Directory with a fresh data directory of this very version, made where it is missing."""
    key = hashlib.sha256(f"1 {flavour.version()}".encode()).hexdigest()[:12]
    base = os.path.join(cache_dir(), "templates")
    made = os.path.join(base, f"{flavour.name}-{key}")
    os.makedirs(base, exist_ok=True)
    with open(os.path.join(base, "lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(made):
            work = made + ".new"
            shutil.rmtree(work, ignore_errors=True)
            os.makedirs(work)
            flavour.install(os.path.join(work, "data"), os.path.join(work, "install.log"))
            os.rename(work, made)
    return os.path.join(made, "data")


def prepare(lab, flavour, sql):
    """The lab's own first data directory: template, schema, accounts; DIR/golden."""
    golden = os.path.join(lab.dir, "golden")
    os.makedirs(golden)
    copy_tree(template(flavour), golden + "/data")
    socket, log = golden + "/s", golden + "/log"
    base = COMMON + (MYSQL if flavour.is_mysql else MARIADB)
    with open(golden + "/my.cnf", "w", encoding="utf-8") as f:
        f.write(base.format(home=golden, root=os.path.join(flavour.root, ""), address="127.0.0.1"))
    argv = [flavour.mysqld, f"--defaults-file={golden}/my.cnf", f"--socket={socket}", "--skip-networking",
            "--skip-log-bin", f"--log-error={log}"]  # fmt: skip
    with open(log, "ab") as out, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as process:
        try:
            wait_ready(socket, 180, process)
            run_script(socket, SCHEMA)
            run_script(socket, sql)
            run_script(socket, "SHUTDOWN")
            process.wait(180)
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode != 0:
        raise LabError(f"the first server of the lab ended with status {process.returncode}, see {log}")
    for name in ("auto.cnf", "mysqld-auto.cnf"):
        if os.path.exists(f"{golden}/data/{name}"):
            os.unlink(f"{golden}/data/{name}")
    return golden + "/data"
