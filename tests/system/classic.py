# SPDX-License-Identifier: Apache-2.0
"""The classic stack in the lab: m1 and m2 follow each other by file and position with semi-sync, m3 follows m1, m4 and m5 follow
m3; a real Keepalived on m1 and m2 holds the address, and its notify script repoints m3. Nothing of Tandem runs."""
import os
import subprocess

import vrrp_pair
from conftest import System
from tandemlab import layout, net, servers
from tandemlab.layout import ADDRESSES, NODES, VIP

SOURCES = {"m1": "m2", "m2": "m1", "m3": "m1", "m4": "m3", "m5": "m3"}
ROUTER, PASSWORD = 101, "1111"

# What such a stack says of its servers, and no more.
MY_CNF = """server_id = {number}
log_bin = {home}/data/{node}-bin
relay_log = {node}-relay
{updates} = ON
binlog_format = ROW
read_only = {read_only}
{plugins}"""
PLUGINS = "plugin_load_add = semisync_source.so\nplugin_load_add = semisync_replica.so\ngtid_mode = OFF\n"

CHECK = """#!/bin/sh
# mysqld of this host runs
kill -0 "$(cat {home}/mysqld.pid)" 2>/dev/null
"""
NOTIFY = """#!/usr/bin/python3
import sys
sys.path[:0] = {path!r}
import classic
if sys.argv[3] == "MASTER":
    classic.repoint({directory!r}, {node!r})
    open({done!r}, "w").close()
"""
KEEPALIVED = """
global_defs {{
    router_id {node}
    script_user root
}}
vrrp_script chk_mysql {{
    script /etc/keepalived/chk_mysql.sh
    interval 1
    fall 2
    rise 2
}}
vrrp_instance VI_MYSQL {{
    state {state}
    interface eth0
    virtual_router_id {router}
    priority {priority}
    advert_int 1
    mcast_src_ip {address}
    authentication {{
        auth_type PASS
        auth_pass {password}
    }}
    virtual_ipaddress {{
        {vip}/{mask} dev eth0 label eth0:vip
    }}
    notify /etc/keepalived/notify.py
    track_script {{
        chk_mysql
    }}
}}
"""


def keepalived_conf(node):
    return KEEPALIVED.format(node=node, state="MASTER" if node == "m1" else "BACKUP", router=ROUTER, address=ADDRESSES[node],
                             priority=100 if node == "m1" else 50, password=PASSWORD, vip=VIP, mask=layout.NETMASK)  # fmt: skip


def imported(directory):
    """What `tandem import` makes of the two files: options of the blocks that a lab does not have from elsewhere, for --set."""
    argv, out = [layout.find_program("tandem"), "import"], os.path.join(directory, "imported.conf")
    for node in layout.PAIR:
        argv += ["--name", f"{node}={ADDRESSES[node]}", os.path.join(directory, f"{node}.conf")]
        with open(argv[-1], "w", encoding="utf-8") as f:
            f.write(keepalived_conf(node))
    subprocess.run([*argv, "--out", out], check=True, capture_output=True, timeout=30)
    block, options = "", []
    with open(out, encoding="utf-8") as f:
        for words in (line.split() for line in f):
            if words[-1:] == ["{"]:
                block = words[0]
            elif words[1:2] == ["="] and block in ("vrrp", "policy"):
                options.append(f"{block}.{words[0]}={words[2]}")
    return tuple(options)


class Classic(System):
    """Brought up with agents=False, pair=True: its cluster file is that of the pair it becomes."""

    def build(self, profile, settings, bounded):
        super().build(profile, settings, bounded)
        for node in NODES:
            path = self.lab.path(node, "my.cnf")
            os.rename(path, path + ".tandem")
            self.use_own(node)

    def use_own(self, node):
        """my.cnf of the classic stack, without a drop-in; the server takes it at its next start."""
        path, number = self.lab.path(node, "my.cnf"), 1 + NODES.index(node)
        values = {"home": self.lab.node_dir(node), "root": os.path.join(self.flavour.root, ""), "address": ADDRESSES[node],
                  "node": node, "number": number, "read_only": "OFF" if node in layout.PAIR else "ON",
                  "plugins": PLUGINS if self.flavour.is_mysql else "",
                  "updates": "log_replica_updates" if self.flavour.is_mysql else "log_slave_updates"}  # fmt: skip
        text = servers.COMMON + (servers.MYSQL if self.flavour.is_mysql else servers.MARIADB) + MY_CNF
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.format(**values))

    def use_drop_in(self, node):
        """my.cnf with what `tandem init` wrote for the node; the server takes it at its next start."""
        path = self.lab.path(node, "my.cnf")
        os.replace(path + ".tandem", path)

    def run(self, node, *statements):
        servers.run_script(self.lab.socket(node), ";\n".join(statements) + ";\n")

    def begin(self):
        """Accounts, replication, semi-sync, Keepalived; returns when m1 has the address, and before anything was written."""
        for node in NODES:
            self.run(node, "SET SESSION sql_log_bin = 0", "CREATE USER repl@'%' IDENTIFIED BY 'repl'", "GRANT REPLICATION SLAVE ON *.* TO repl@'%'")
        for node, source in SOURCES.items():
            follow(self, node, source)
        for node in layout.PAIR:
            self.semi_sync(node, source=True, replica=True)
        self.keepalived = {node: vrrp_pair.Keepalived(self.lab, node, keepalived_conf(node), self.scripts(node), vrrp_pair.restore_addresses) for node in layout.PAIR}
        self.wait_until(lambda: self.vip_holders() == ["m1"], 20, "the address is on m1")
        self.wait_notified("m1")
        for node in NODES:
            self.wait_until(lambda node=node: channel_runs(self, node), 20, f"{node} replicates")

    def wait_notified(self, node):
        """Its script has repointed m3, which loses what is written meanwhile."""
        self.wait_until(lambda: os.path.exists(self.lab.path(node, "notified")), 30, f"the notify script of {node}")

    def semi_sync(self, node, source=None, replica=None):
        words = ("source", "replica") if self.flavour.is_mysql else ("master", "slave")
        for word, on in zip(words, (source, replica)):
            if on is not None:
                self.run(node, f"SET GLOBAL rpl_semi_sync_{word}_enabled = {'ON' if on else 'OFF'}")
        if replica is not None:
            replica_word = "REPLICA" if self.flavour.is_mysql else "SLAVE"
            self.run(node, f"STOP {replica_word} IO_THREAD", f"START {replica_word} IO_THREAD")

    def scripts(self, node):
        path = [os.path.dirname(os.path.realpath(__file__)), os.path.join(layout.ROOT, "lab")]
        return {"chk_mysql.sh": CHECK.format(home=self.lab.node_dir(node)),
                "notify.py": NOTIFY.format(path=path, directory=self.lab.dir, node=node, done=self.lab.path(node, "notified"))}  # fmt: skip

    def spawn(self, host, *argv, log):
        """A command of Tandem in a host, with its output in a file of the lab."""
        with open(os.path.join(self.lab.dir, log), "ab") as out:
            return subprocess.Popen(  # pylint: disable=consider-using-with
                [*net.enter(self.lab.namespace(host)), layout.find_program("tandem"), *argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)  # fmt: skip


def master_status(cluster, node):
    word = "BINARY LOG" if cluster.flavour.is_mysql else "MASTER"
    row = cluster.sql(node, f"SHOW {word} STATUS")[0]
    return row["File"], row["Position"]


def follow(cluster, node, source):
    """By file and position of now, as such scripts do it."""
    name, position = master_status(cluster, source)
    host = ADDRESSES[source]
    if cluster.flavour.is_mysql:
        cluster.run(node, "STOP REPLICA", "RESET REPLICA ALL",
                    f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='{host}', SOURCE_USER='repl', SOURCE_PASSWORD='repl', SOURCE_LOG_FILE='{name}',"
                    f" SOURCE_LOG_POS={position}, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1", "START REPLICA")  # fmt: skip
    else:
        cluster.run(node, "STOP SLAVE", "RESET SLAVE ALL",
                    f"CHANGE MASTER TO MASTER_HOST='{host}', MASTER_USER='repl', MASTER_PASSWORD='repl', MASTER_LOG_FILE='{name}',"
                    f" MASTER_LOG_POS={position}, MASTER_USE_GTID=no, MASTER_CONNECT_RETRY=1", "START SLAVE")  # fmt: skip


def channel_of(cluster, node):
    """(source host, both threads run), or None."""
    rows = cluster.sql(node, "SHOW REPLICA STATUS" if cluster.flavour.is_mysql else "SHOW SLAVE STATUS")
    if not rows:
        return None
    words = ("Source_Host", "Replica_IO_Running", "Replica_SQL_Running")
    old = ("Master_Host", "Slave_IO_Running", "Slave_SQL_Running")
    host, io, sql = (rows[0].get(word, rows[0].get(other)) for word, other in zip(words, old))
    return host, io == sql == "Yes"


def channel_runs(cluster, node):
    seen = channel_of(cluster, node)
    return seen is not None and seen[1]


def repoint(directory, node):
    """What the notify script does: m3 goes on from where this node's binlog is now."""
    cluster = Classic(layout.load(directory))
    follow(cluster, "m3", node)


def wait_caught_up(cluster, timeout_s=20):
    """Everyone has the rows that m1 has now."""
    rows = "(SELECT COUNT(*) FROM demo.writes)"
    count = cluster.value("m1", rows)
    for node in NODES:
        cluster.wait_until(lambda node=node: cluster.value(node, rows) >= count, timeout_s, f"{node} has the rows of m1")
