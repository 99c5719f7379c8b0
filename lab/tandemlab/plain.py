# SPDX-License-Identifier: Apache-2.0
"""Replication set up by hand, for labs without agents: m1 writable with the VIP, m2 and m3 under it, m4 and m5
under m3. For trying adapters and for tests of the lab itself; nothing fails over here.

classic() is the same by file and position, m1 and m2 replicating from each other, on MySQL without GTID: what
`tandem adopt` finds in the field."""
from . import config, layout, net, servers

SOURCES = {"m2": "m1", "m3": "m1", "m4": "m3", "m5": "m3"}


def attach(cluster, node, source):
    password = config.password(cluster.lab, "replication")
    host = layout.ADDRESSES[source]
    if cluster.flavour.is_mysql:
        sql = (
            f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='{host}', SOURCE_USER='tandem_repl', SOURCE_PASSWORD='{password}',"
            " SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1;\nSTART REPLICA;\n"
        )
    else:
        sql = (
            f"CHANGE MASTER TO MASTER_HOST='{host}', MASTER_USER='tandem_repl', MASTER_PASSWORD='{password}',"
            " MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1;\nSTART SLAVE;\n"
        )
    servers.run_script(cluster.lab.socket(node), "STOP REPLICA;\n" + sql)


def open_writer(cluster, node):
    servers.run_script(cluster.lab.socket(node), "SET GLOBAL read_only = OFF;\n")
    address = f"{layout.VIP}/{layout.NETMASK}"
    net.run(["ip", "-n", cluster.lab.namespace(node), "addr", "add", address, "dev", "eth0", "label", "eth0:vip"])


def replicate(cluster):
    for node, source in SOURCES.items():
        attach(cluster, node, source)
    open_writer(cluster, "m1")


# gtid_mode is walked down step by step as it is walked up; then the servers begin again with an empty history.
NO_GTID = (
    "SET GLOBAL super_read_only = OFF;\n"
    "SET GLOBAL gtid_mode = ON_PERMISSIVE;\nSET GLOBAL gtid_mode = OFF_PERMISSIVE;\nSET GLOBAL gtid_mode = OFF;\n"
    "SET GLOBAL enforce_gtid_consistency = OFF;\nRESET BINARY LOGS AND GTIDS;\n"
)


def attach_by_position(cluster, node, source):
    """Where its source's binlog ends now: nobody may have written yet."""
    mysql = cluster.flavour.is_mysql
    end = cluster.sql(source, "SHOW BINARY LOG STATUS" if mysql else "SHOW MASTER STATUS")[0]
    word, change = ("SOURCE", "REPLICATION SOURCE") if mysql else ("MASTER", "MASTER")
    last = ", SOURCE_AUTO_POSITION=0, GET_SOURCE_PUBLIC_KEY=1" if mysql else ", MASTER_USE_GTID=no"
    servers.run_script(
        cluster.lab.socket(node),
        f"CHANGE {change} TO {word}_HOST='{layout.ADDRESSES[source]}', {word}_USER='tandem_repl',"
        f" {word}_PASSWORD='{config.password(cluster.lab, 'replication')}', {word}_LOG_FILE='{end['File']}',"
        f" {word}_LOG_POS={end['Position']}, {word}_CONNECT_RETRY=1{last};\nSTART {'REPLICA' if mysql else 'SLAVE'};\n",
    )


def classic(cluster):
    for node in layout.NODES if cluster.flavour.is_mysql else ():
        servers.run_script(cluster.lab.socket(node), NO_GTID)
    for node, source in (*SOURCES.items(), ("m1", "m2")):
        attach_by_position(cluster, node, source)
    open_writer(cluster, "m1")
