# SPDX-License-Identifier: Apache-2.0
"""Replication set up by hand, for labs without agents: m1 writable with the VIP, m2 and m3 under it, m4 and m5
under m3. For trying adapters and for tests of the lab itself; nothing fails over here."""
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
