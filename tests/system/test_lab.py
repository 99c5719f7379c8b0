# SPDX-License-Identifier: Apache-2.0
"""The lab itself, without agents: what the other tests rely on must be able to fail."""
import os
import shutil
import signal
import subprocess

import pytest
from tandemlab import chaos, disks, layout, net, plain, procs, record, servers as lab_servers, verify
from tandemlab.cluster import Cluster, take_down, wait_until
from tandemlab.layout import NODES, VIP, LabError

from conftest import MARIADB, MYSQL

# The lab's own namespaces, processes and files are the same whatever server runs in them; where that matters a test says so.
pytestmark = pytest.mark.flavours(MARIADB)


@pytest.fixture
def replicating(make_cluster, servers):
    cluster = make_cluster(servers, agents=False)
    plain.replicate(cluster)
    return cluster


@pytest.mark.flavours(MARIADB, MYSQL)
def test_rows_reach_every_node_and_verify_agrees(replicating):
    c = replicating
    with c.client(writers=3, rate=100) as client:
        client.wait_acks(150)
        c.mark("mysqld of m1 stopped")
        c.stop("m1")
        stopped = layout.now_us()
        wait_until(lambda: layout.now_us() > stopped + 400_000, 2, "0.4 s to pass", 0.01)
        c.cont("m1")
        client.wait_ack_after(layout.now_us())
    report = c.verify()
    assert report.counts["ack"] >= 150
    assert sum(report.rows.values()) == 5 * report.rows["m1"] >= 5 * 150
    assert 400 <= c.outage_ms(report) < 3000
    assert c.sampler.holder() == "m1"


@pytest.mark.flavours(MARIADB, MYSQL)
def test_verify_finds_what_is_missing(replicating):
    c = replicating
    with c.client(writers=2, rate=200) as client:
        client.wait_acks(100)
    assert verify.verify(c).ok
    read_only = "super_read_only" if c.flavour.is_mysql else "read_only"
    lab_servers.run_script(
        c.lab.socket("m4"),
        f"SET sql_log_bin = 0;\nSET GLOBAL {read_only} = OFF;\nDELETE FROM demo.writes WHERE seq = 7;\n"
        "INSERT INTO demo.writes VALUES (99, 1, 4, 0);\n",
    )
    report = verify.verify(c, wait_s=1)
    assert [len(report.missing[node]) for node in NODES] == [0, 0, 0, 2, 0]
    assert report.unexplained["m4"] == [(99, 1)]
    assert report.divergent == ["m4"]
    assert not report.ok


def test_two_acknowledging_servers_are_seen(replicating, servers):
    c = replicating
    lab_servers.run_script(c.lab.socket("m2"), "STOP SLAVE;\nSET GLOBAL read_only = OFF;\n")
    with c.client("vip", writers=1, rate=100) as one, c.client("direct", host=layout.ADDRESSES["m2"], rate=100) as two:
        one.wait_acks(50)
        two.wait_acks(50)
    report = verify.verify(c, wait_s=0)
    assert report.overlap_ms > 100
    assert not report.ok


def test_two_holders_of_the_address_are_seen(replicating, servers):
    c = replicating
    net.run(["ip", "-n", c.lab.namespace("m2"), "addr", "add", f"{VIP}/16", "dev", "eth0"])
    wait_until(lambda: c.sampler.violations, 3, "the sampler sees both holders")
    assert c.sampler.violations[0].holders == ("m1", "m2")


def talks(c, one, other):
    """Whether a new session from `one` reaches the server of `other`."""
    argv = [*net.enter(c.lab.namespace(one)), "mariadb", "--no-defaults", "-h", layout.ADDRESSES[other], "-uapp", "-papp",
            "--connect-timeout=1", "-e", "SELECT 1"]  # fmt: skip
    return subprocess.run(argv, capture_output=True, timeout=20, check=False).returncode == 0


def test_cuts_are_what_they_say(replicating, servers):
    c = replicating
    assert talks(c, "m1", "m2") and talks(c, "m2", "m1")
    c.cut("m1", "m2")
    assert not talks(c, "m1", "m2") and not talks(c, "m2", "m1")
    assert talks(c, "m3", "m1") and talks(c, "m3", "m2")
    c.heal("m2")
    assert talks(c, "m1", "m2")
    c.cut("m3")
    assert not talks(c, "m3", "m1") and not talks(c, "m1", "m3") and not talks(c, "m4", "m3")
    c.heal()
    assert talks(c, "m3", "m1")
    sent = [*net.enter(c.lab.namespace("m4")), "ip", "neigh", "flush", "all"]
    subprocess.run(sent, check=True)
    c.cut("m4", "m5", oneway=True)
    assert not talks(c, "m4", "m5")


def test_a_vanished_host_is_silent_and_boots_again(replicating, servers):
    c = replicating
    with c.client(rate=100, writers=1) as client:
        client.wait_acks(50)
        c.vanish("m1")
        assert not c.pids("m1") and "m1" not in c.vip_holders()
        count = client.acks()
        # no RST or FIN left the host: the open session ends by its own time-out
        wait_until(lambda: "\tconnect\t" in open(client.file, encoding="ascii").read(), 3, "a time-out of the connection", 0.02)
        attempts = record.read_attempts(c.lab.record_dir)
        assert next(a for a in attempts if a.outcome == "unknown").error == 2013
        assert client.acks() == count
    c.boot("m1")
    lab_servers.wait_ready(c.lab.socket("m1"), 30)
    assert c.value("m1", "@@global.read_only") == 1
    wait_until(lambda: c.sql("m2", "SHOW SLAVE STATUS")[0]["Slave_IO_Running"] == "Yes", 20, "m2 replicates again")
    c.verify()


def test_everything_is_gone_after_down(make_cluster):
    c = make_cluster(MARIADB, agents=False, wait_s=0)
    hosts = {node: c.pids(node) for node in NODES}
    pids = [pid for found in hosts.values() for pid in found]
    group = procs.cgroup(c.lab)
    assert all(hosts.values()), hosts
    take_down(layout.Lab(c.lab.dir + ".2", c.lab.prefix, MARIADB))  # one that was refused, since its prefix is taken
    left = {node: c.pids(node) for node in NODES}
    assert all(left.values()) and c.lab.prefix in layout.prefixes(), left
    take_down(c.lab, keep_files=True)
    take_down(c.lab, keep_files=True)  # twice is no error
    assert not any(os.path.exists(f"/run/netns/{c.lab.namespace(host)}") for host in (*c.lab.hosts(), "sw"))
    assert not any(procs.state_of(pid) not in ("", "Z") for pid in pids)
    assert group is None or not os.path.exists(group)
    assert c.lab.prefix not in layout.prefixes()


def nothing_of(prefix):
    """Condition: no namespace of that lab is left, and nobody can find it any more."""
    hosts = (*NODES, "cl", "sw")
    return prefix not in layout.prefixes() and not any(os.path.exists(f"/run/netns/{prefix}{host}") for host in hosts)


def test_a_lab_without_its_directory_is_taken_down(make_cluster):
    c = make_cluster(MARIADB, agents=False, wait_s=0)
    pids = [pid for node in NODES for pid in c.pids(node)]
    assert pids
    gone = c.lab.dir + ".gone"  # moved: servers that run go on making files in it
    os.rename(c.lab.dir, gone)
    refused = subprocess.run([os.path.join(layout.ROOT, "lab", "status"), "--prefix", c.lab.prefix], text=True, capture_output=True, timeout=20, check=False)
    assert refused.returncode != 0 and f"lab/down --prefix {c.lab.prefix}" in refused.stderr
    subprocess.run([os.path.join(layout.ROOT, "lab", "down"), "--prefix", c.lab.prefix], timeout=60, check=True)
    shutil.rmtree(gone)
    assert nothing_of(c.lab.prefix)
    assert not any(procs.state_of(pid) not in ("", "Z") for pid in pids)


@pytest.mark.xdist_group("cluster")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demo_that_is_ended_leaves_nothing_running(tmp_path, number):
    directory = os.path.realpath(tmp_path / "lab")
    with subprocess.Popen([os.path.join(layout.ROOT, "lab", "demo"), "--dir", directory], stdout=subprocess.DEVNULL, text=True) as demo:
        try:
            prefix = wait_until(lambda: next((p for p in layout.prefixes() if layout.registered(p).dir == directory), None), 20, "the demo's lab")
            wait_until(lambda: procs.in_namespaces([prefix + "m1"])[prefix + "m1"], 40, "a process in m1")
            demo.send_signal(number)
            assert demo.wait(60) == 128 + number
        finally:
            demo.kill()
    assert nothing_of(prefix)


def test_a_failed_up_leaves_nothing_running(make_cluster, monkeypatch, tmp_path):
    started = []
    start_mysqld = Cluster.start_mysqld

    def start_two(self, node, *options):
        if len(started) == 2:
            raise LabError("the third server does not start")
        start_mysqld(self, node, *options)
        started.append(wait_until(lambda: self.pids(node, "mysqld"), 5, f"mysqld of {node} runs")[0])

    monkeypatch.setattr(Cluster, "start_mysqld", start_two)
    prefix = f"t{os.getpid() % 100000}f-"
    with pytest.raises(LabError, match="third server"):
        Cluster.up(str(tmp_path / "lab"), prefix, MARIADB, agents=False)
    assert len(started) == 2
    assert not any(procs.state_of(pid) not in ("", "Z") for pid in started)
    assert not os.path.exists(f"/run/netns/{prefix}m1")
    assert prefix not in layout.prefixes()


def test_two_labs_side_by_side(make_cluster):
    one, two = make_cluster(MARIADB, agents=False), make_cluster(MARIADB, agents=False)
    plain.replicate(one)
    plain.replicate(two)
    two.kill("m1", "mysqld")
    with one.client(rate=50) as client:
        client.wait_acks(20)
    one.verify()
    assert two.answers("m2") and not two.answers("m1")


def test_full_disk_is_full_and_emptied(make_cluster):
    c = make_cluster(MARIADB, agents=False, bounded=True)
    probe = c.lab.path("m2", "state/probe")
    c.fill("m2", "state")
    with pytest.raises(OSError, match="No space left"), open(probe, "wb", buffering=0) as f:
        f.write(b"x" * 4096)
    assert c.answers("m2")
    c.empty("m2", "state")
    with open(probe, "wb", buffering=0) as f:
        assert f.write(b"x" * 4096) == 4096
    assert len(disks.mounted(c.lab.dir)) == 2 * len(NODES)
    c.down()
    assert not disks.mounted(c.lab.dir)


def test_disk_that_failed_is_repaired(tmp_path):
    """What was written to it before is there, nothing could be written meanwhile, and it takes writes again."""
    disk = str(tmp_path / "data")
    file = os.path.join(disk, "file")
    disks.mount_image(disk, 32)
    try:
        with open(file, "w", encoding="ascii") as f:
            f.write("kept")
            f.flush()
            os.fsync(f.fileno())
        disks.fail(disk)
        with pytest.raises(OSError, match="Read-only"):
            os.open(os.path.join(disk, "more"), os.O_WRONLY | os.O_CREAT)
        disks.repair(disk)
        with open(file, "r+", encoding="ascii") as f:
            assert f.read() == "kept"
            f.write(" and more")
    finally:
        disks.unmount_all(str(tmp_path))


def test_starved_process_runs_again_afterwards():
    process = subprocess.Popen(["sleep", "60"])
    try:
        starved = procs.Starved([process.pid], 0.2, 0.001)
        wait_until(lambda: procs.state_of(process.pid) == "T", 10, "it stands still")
        starved.end()
        starved.end()
        assert procs.state_of(process.pid) != "T"
    finally:
        process.kill()
        process.wait()


def test_disk_of_the_machine_is_not_filled(replicating, servers):
    with pytest.raises(LabError, match="--disks"):
        replicating.fill("m1")


def test_sequence_of_faults_is_decided_by_its_seed():
    plans = {seed: chaos.plan(seed) for seed in range(300)}
    assert plans == {seed: chaos.plan(seed) for seed in range(300)}
    assert {len(steps) for _, _, steps in plans.values()} == set(range(1, chaos.SEQUENCE_MAX + 1))
    drawn = [step for _, _, steps in plans.values() for step in steps]
    assert {step.kind for step in drawn} == set(chaos.EVERY)
    assert not any(step.kind in chaos.OF_DISKS for on_disks, _, steps in plans.values() for step in steps if not on_disks)
    for step in drawn:
        hosts = chaos.resolve(step, "m2", "m4")
        assert set(hosts.on.split(",")) <= set(NODES) and hosts.other != hosts.on
        assert (step.lasts > 0) == (chaos.EVERY[step.kind].undo is not None)
    assert {chaos.resolve(step, "m2").on for step in drawn if step.kind == "disk-full-state"} == set(NODES)
    assert {step.kind for step in drawn if step.on == "writer"} == set(chaos.EVERY) - {"power-cut", "read-only-off", "foreign-row"}


def test_sequences_strike_the_same_host_twice():
    """Often enough that an orderly end before a crash, and a new agent over a server that hangs, are met in a series of thirty runs."""
    pairs = {}
    for seed in range(300):
        _, singly, steps = chaos.plan(seed)
        assert [step.at for step in steps] == sorted(step.at for step in steps)
        for one, two in zip(steps, steps[1:]):
            if "it" in two.on.split(","):
                pairs.setdefault(one.kind, set()).add((seed, two.kind))
                if two.kind == "agent-kill":
                    assert not singly and one.at + one.lasts > two.at + two.lasts + 1, "it hangs on under the new agent"
    assert {kind for _, kind in pairs["mysqld-term"]} == set(chaos.NEXT["mysqld-term"])
    assert len(pairs["mysqld-term"]) >= 50 and len(pairs["mysqld-stop"]) >= 30


def test_mysqld_outlives_who_started_it_and_starts_once(replicating, servers):
    c = replicating
    pid = c.pids("m5", "mysqld")[0]
    c.start_mysqld("m5")
    assert c.pids("m5", "mysqld") == [pid]
    with open(c.lab.path("m5", "mysqld.pid"), encoding="ascii") as f:
        assert int(f.read()) == pid
    assert os.getsid(pid) == pid
    c.signal("m5", signal.SIGKILL, "mysqld")
    wait_until(lambda: not c.pids("m5", "mysqld"), 5, "mysqld of m5 is gone")
    with open(c.lab.path("m5", "mysqld.pid"), "w", encoding="ascii") as f:
        f.write(f"{c.pids('m4', 'mysqld')[0]}\n")  # another server may have its number by now
    c.start_mysqld("m5")
    lab_servers.wait_ready(c.lab.socket("m5"), 30)


def lab(name, *arguments, check=True):
    argv = [os.path.join(layout.ROOT, "lab", name), *arguments]
    done = subprocess.run(argv, text=True, capture_output=True, timeout=120, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.xdist_group("cluster")
def test_commands_as_a_user_runs_them(tmp_path):
    prefix = f"t{os.getpid() % 100000}u-"
    here = ("--prefix", prefix)
    try:
        lab("up", *here, "--dir", str(tmp_path / "lab"), "--no-agents", "--replicate", "--set", "policy.preempt=false")
        again = lab("up", *here, "--no-agents", check=False)
        assert again.returncode == 1 and "lab/down" in again.stderr
        assert "preempt = false" in (tmp_path / "lab/cluster.conf").read_text(encoding="utf-8")
        lab("mark", *here, "before anything")
        lab("client", *here, "--name", "one", "--writers", "2", "--rate", "100", "--duration", "1")
        lab("ctl", *here, "m5", "stop", "mysqld")
        assert " T " in lab("status", *here).stdout
        lab("ctl", *here, "m5", "cont")
        report = lab("verify", *here)
        assert "verdict: nothing lost" in report.stdout and "before anything" in report.stdout
        lab("ctl", *here, "m4,m5", "kill", "mysqld")
        assert lab("verify", *here, "--wait", "0", check=False).returncode == 1
        assert "mysqld" in lab("ctl", *here, "m4", "kill", check=False).stderr
        assert "no host" in lab("ctl", *here, "m9", "kill", check=False).stderr
    finally:
        lab("down", *here)
    assert prefix not in layout.prefixes() and not (tmp_path / "lab").exists()
    assert lab("ctl", *here, "m1", "kill", check=False).returncode == 1


def test_an_outage_belongs_to_one_mark():
    def acks(*times):
        return [record.Attempt(at - 1, at, 1, n, "ack", 0, 1) for n, at in enumerate(times)]

    marks = [record.Mark(1000, "one"), record.Mark(5000, "two")]
    one, two = record.outages(acks(0, 990, 3000, 4000, 4900, 9900, 10000), marks)
    assert (one.gap_us, two.gap_us) == (2010, 5000)
    (last,) = record.outages(acks(0, 990), [record.Mark(1000, "for good")])
    assert not last.ended


def test_overlap_is_found_whatever_the_order():
    def acks(server, first, last, step=20_000):
        return [record.Attempt(at, at, server, at, "ack", 0, server) for at in range(first, last, step)]

    handover = sorted(acks(1, 0, 1_000_000) + acks(2, 1_000_000, 2_000_000), key=lambda a: a.done)
    assert record.overlaps(handover) == []
    both = sorted(acks(1, 0, 1_000_000) + acks(2, 500_000, 2_000_000), key=lambda a: a.done)
    ((server, other, begin, end),) = record.overlaps(both)
    assert {server, other} == {1, 2} and end - begin == 480_000
    again = sorted(acks(1, 0, 3_000_000) + acks(2, 1_000_000, 1_300_000), key=lambda a: a.done)
    assert len(record.overlaps(again)) == 1
