# SPDX-License-Identifier: Apache-2.0
"""Failover by lost advertisements, a pair of Tandem beside a pair of Keepalived: two labs, the same client, in turns.

Keepalived moves an address and knows nothing of the data: its two servers are independent of each other and both writable, so
that nothing but VRRP takes its time. Tandem's standby holds every acknowledged row before it opens. Both hear and say version 3
at the same interval, and the host with the address is cut off before it is killed, so that no goodbye leaves it."""
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile

from . import keepalived, net, record, verify
from .cluster import Cluster, take_down, wait_until
from .layout import CLIENT_ADDRESS, NETMASK, NODES, PAIR, VIP, Lab
from .servers import run_script, wait_ready

PRIORITIES = {"m1": 100, "m2": 50}
CONF = """global_defs {{
    router_id {host}
}}
vrrp_instance VI {{
    interface eth0
    virtual_router_id 102
    version 3
    advert_int {interval_s}
    state BACKUP
    nopreempt
    priority {priority}
    virtual_ipaddress {{
        {vip}/{netmask}
    }}
}}
"""


class TandemPair:
    name = "Tandem"

    def __init__(self, directory, options):
        a = options.interval_ms
        # A server that does not greet for so long counts as gone; the writer goes on alone much later than it is taken over.
        settings = [f"vrrp.advert_interval={a}", f"vrrp.arbitration={CLIENT_ADDRESS}", f"policy.shrink_after={4 * a + 1600}",
                    f"policy.probe_interval={max(a // 2, 10)}", f"policy.probe_timeout={a}", "policy.preempt=false", *options.set]  # fmt: skip
        self.c = Cluster.up(directory, "beside-t-", options.servers, True, None, settings, 60, pair=True)

    def holder(self):
        return self.c.wait_whole(90).writer

    def lose(self, host):
        self.c.vanish(host)

    def back(self, host):
        self.c.boot(host)

    def check(self):
        report = verify.verify(self.c, NODES, 30)
        return f"{sum(len(rows) for rows in report.missing.values())} rows missing{'' if report.ok else ', NOT VERIFIED'}"


class KeepalivedPair:
    name = "Keepalived"

    def __init__(self, directory, options):
        self.interval_s = options.interval_ms / 1000
        lab = Lab(directory, "beside-k-", options.servers, agents=False)
        lab.save()
        self.c, self.daemons = Cluster(lab), {}
        self.c.build(None, [], False)
        for host in PAIR:
            self.back(host)

    def back(self, host):
        net.heal(self.c.lab, host)
        self.c.start_mysqld(host)
        wait_ready(self.c.lab.socket(host), 60)
        run_script(self.c.lab.socket(host), "SET GLOBAL read_only = OFF;\n")
        text = CONF.format(host=host, interval_s=self.interval_s, priority=PRIORITIES[host], vip=VIP, netmask=NETMASK)
        self.daemons[host] = keepalived.Keepalived(self.c.lab, host, text)

    def holder(self):
        def look():
            states = {host: daemon.state() for host, daemon in self.daemons.items()}
            holders = self.c.vip_holders()
            return sorted(map(str, states.values())) == ["backup", "master"] and len(holders) == 1 and states[holders[0]] == "master" and holders[0]

        return wait_until(look, 60, "one Keepalived is the Master")

    def lose(self, host):
        self.c.vanish(host)

    def check(self):
        return "-"


def one_run(pair, client):
    """Outage in ms."""
    host = pair.holder()
    client.wait_acks(30)
    server = client.last_ack()[1]
    at = pair.c.mark("host-lost")
    pair.lose(host)
    # The client's own word: whoever else were asked takes processor time from what is measured.
    wait_until(lambda: client.last_ack()[1] != server, 30, "a commit on the other host", 0.02)
    client.wait_acks(30)
    pair.back(host)
    pair.holder()
    outage = record.outages(record.read_attempts(pair.c.lab.record_dir), [record.Mark(at, "host-lost")])[0]
    return outage.gap_us / 1000


def load():
    return f"{os.getloadavg()[0]:.1f}"


def measure(options):
    pairs, runs, began = [], {}, load()
    with contextlib.ExitStack() as labs:
        for prefix, kind in (("beside-t-", TandemPair), ("beside-k-", KeepalivedPair)):
            directory = tempfile.mkdtemp(prefix=f"tandem-{prefix}", dir=options.dir)
            labs.callback(take_down, Lab(directory, prefix, options.servers, kind is TandemPair, kind is TandemPair))
            pairs.append(kind(directory, options))
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(p.c.client("main", 1, options.rate, timeout_ms=options.timeout)) for p in pairs]
            for pair, client in list(zip(pairs, clients)) * options.runs:
                runs.setdefault(pair.name, []).append(one_run(pair, client))
                print(f"  {pair.name}: {runs[pair.name][-1]:.0f} ms (load {load()})", file=sys.stderr, flush=True)
        report(options, pairs, runs, began)


def report(options, pairs, runs, began):
    print("| | interval, ms | servers | runs | outage, ms: median [least - greatest] | data |\n|---|---|---|---|---|---|")
    for pair in pairs:
        values = runs[pair.name]
        print(f"| {pair.name} | {options.interval_ms} | {options.servers} | {len(values)} | {statistics.median(values):.0f}"
              f" [{min(values):.0f} - {max(values):.0f}] | {pair.check()} |")  # fmt: skip
    ratio = statistics.median(runs["Tandem"]) / statistics.median(runs["Keepalived"])
    kernel = subprocess.run(["uname", "-r"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"ratio of the medians {ratio:.2f}; load {began} at the start, {load()} at the end; Linux {kernel}", flush=True)
