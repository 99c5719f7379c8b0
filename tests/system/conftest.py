# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests: each test has a lab of its own, with a prefix of its own.

A test that has `servers` runs once per flavour: on MariaDB, and on MySQL where ALWAYS_ON_MYSQL names it or TANDEM_TEST_FULL=1. A mark
`flavours` says that a family makes no sense there, and a comment beside it why. TANDEM_TEST_SERVERS (comma separated) limits them; mysql-5.6, which no agent manages, is taken only by tests that name it, and only if it is asked for there.
TANDEM_TEST_DIR says where their files go (default: /dev/shm if there is room). After a failure the end of
every log, status and history are printed, and the lab's files are kept.

Under `--dist loadgroup --numprocesses 2` one worker runs what has a whole cluster, one test at a time, and the other what has a
single server or none: two clusters at once would be more than two cores carry."""
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../lab"))

from tandemlab import config, procs, sampler, verify  # noqa: E402
from tandemlab.cluster import Cluster, take_down  # noqa: E402
from tandemlab.layout import CLIENT_ADDRESS, NODES, Lab, LabError  # noqa: E402

MARIADB, MYSQL, MYSQL_56 = "mariadb-10.11", "mysql-9.7", "mysql-5.6"
ASKED = os.environ.get("TANDEM_TEST_SERVERS", f"{MARIADB},{MYSQL}").split(",")
CHOSEN = [name for name in ASKED if name != MYSQL_56]  # what agents manage

# What runs on MySQL as well in every run; the others do with TANDEM_TEST_FULL=1. Five MySQL servers on two cores take twice as
# long as MariaDB's, and the whole test must stay below 40 minutes. For the same reason a test that is marked `thorough`, because
# another one has most of what it looks at, runs with TANDEM_TEST_FULL=1 only, as `make matrix` does.
ALWAYS_ON_MYSQL = {
    "test_rows_reach_every_node_and_verify_agrees",
    "test_mysqld_killed",
    "test_mysqld_terminated_by_hand",
    "test_phantoms_are_salvaged_and_cut",
    "test_writer_cut_off_from_everyone",
    "test_switchover_and_back",
    "test_host_lost_and_back",
    "test_foreign_transaction_is_not_hidden",
    "test_source_vanishes_within_a_transaction",
    "test_quarantined_replica_is_recloned",
    "test_empty_node_joins",
    "test_changes_of_every_kind_are_taken_back",
    "test_rows_that_differ_refuse",
}
FULL = bool(os.environ.get("TANDEM_TEST_FULL"))

# Two cores stall for tens of milliseconds under five servers: T = 500 ms keeps false takeovers out.
SETTINGS = (
    "arbiter.election_timeout=500",
    "policy.probe_interval=200",
    "policy.probe_timeout=500",
    "policy.preempt=false",
    "policy.preempt_delay=1000",
    # a replica that answers late on a busy machine must not be given up as `extra`
    "policy.level_timeout=3000",
)

# Five servers that start at once on a machine that has other work: MySQL's may take a minute.
WHOLE_S = 150

# A pair without a quorum. A third of the default interval: the tests wait for several of them; taken over after 4 of them at the
# latest. The client's host is the arbitration address: both hosts reach it unless they are cut off.
ADVERT_MS = 300
PAIR_SETTINGS = (f"vrrp.advert_interval={ADVERT_MS}", "policy.shrink_after=4000")
ARBITRATION = f"vrrp.arbitration={CLIENT_ADDRESS}"


def pytest_configure(config):  # noqa: F811 (pytest's own name)
    config.addinivalue_line("markers", "settings(*settings): options of the cluster file, as for lab/up --set")
    config.addinivalue_line("markers", "thorough: only with TANDEM_TEST_FULL=1")
    config.addinivalue_line("markers", "flavours(*names): families of servers of the test; default: both")
    if os.geteuid() != 0:
        pytest.exit("the system tests make network namespaces: run them as root", returncode=2)


def pytest_generate_tests(metafunc):
    if "servers" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("flavours")
        names = marker.args if marker else (MARIADB, MYSQL)
        mysql = FULL or metafunc.function.__name__ in ALWAYS_ON_MYSQL
        metafunc.parametrize("servers", [name for name in CHOSEN if family(name) in names and (family(name) != MYSQL or mysql)])


def family(name):
    """The server that a mark names stands for every version of its family."""
    return MYSQL if name.startswith("mysql") else MARIADB


def is_again_on_mysql(item):
    """Of the tests of the undo, which have one server each."""
    server = getattr(item, "callspec", None) and item.callspec.params.get("source")
    if not isinstance(server, str):  # of no server that was chosen
        return False
    return item.path.name == "test_undo.py" and family(server) == MYSQL and item.originalname not in ALWAYS_ON_MYSQL


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(config, items):  # noqa: F811
    """A test of the other family is no skipped test of the servers that were chosen."""
    thorough = [item for item in items if not FULL and (item.get_closest_marker("thorough") or is_again_on_mysql(item))]
    config.hook.pytest_deselected(items=thorough)
    items[:] = [item for item in items if item not in thorough]
    for item in items:
        if item.get_closest_marker("xdist_group") is None:  # one that brings its cluster up by other means says so itself
            item.add_marker(pytest.mark.xdist_group("cluster" if "make_cluster" in item.fixturenames else "alone"))
    if "TANDEM_TEST_SERVERS" not in os.environ:
        return
    foreign = [item for item in items
               if any("empty parameter set" in mark.kwargs.get("reason", "") for mark in item.iter_markers("skip"))
               or (not CHOSEN and MYSQL_56 not in getattr(getattr(item, "callspec", None), "params", {}).values())]  # fmt: skip
    config.hook.pytest_deselected(items=foreign)
    items[:] = [item for item in items if item not in foreign]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" or report.failed:
        item.failed = report.failed


def base_directory():
    """Five servers that sync every commit are one disk's load, not the program's: in memory where there is room."""
    if "TANDEM_TEST_DIR" in os.environ:
        return os.environ["TANDEM_TEST_DIR"]
    try:
        there = os.statvfs("/dev/shm")
    except OSError:
        return "/tmp"
    return "/dev/shm" if there.f_bavail * there.f_frsize > 6 << 30 else "/tmp"


def tail(path, lines):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except FileNotFoundError:
        return "(no such file)\n"


def describe(lab):
    """Everything that explains a failure, on stdout (pytest shows it with the test)."""
    print(f"==== lab '{lab.prefix}', files kept in {lab.dir}")
    print(subprocess.run([sys.executable, os.path.join(os.path.dirname(config.__file__), "../status"), "--dir", lab.dir],
                         text=True, capture_output=True, timeout=60, check=False).stdout)  # fmt: skip
    if lab.agents:
        for command in ("status", "history"):
            for node in filter(lab.has_agent, NODES):
                try:
                    done = config.tandem(lab, node, command, timeout_s=5, check=False)
                except (LabError, subprocess.TimeoutExpired, OSError) as error:
                    print(f"==== tandem {command} on {node}: {error}")
                    continue
                print(f"==== tandem {command} on {node}: status {done.returncode}\n{done.stdout}{done.stderr}")
                if done.returncode == 0 and command == "status":
                    break
    print(f"==== marks\n{tail(lab.marks, 30)}")
    for node in NODES:
        if lab.has_agent(node):
            print(f"==== {lab.path(node, 'agent.log')}\n{tail(lab.path(node, 'agent.log'), 60)}")
        print(f"==== {lab.path(node, 'mysqld-start.log')}\n{tail(lab.path(node, 'mysqld-start.log'), 10)}")
        print(f"==== {lab.path(node, 'mysqld.log')}\n{tail(lab.path(node, 'mysqld.log'), 15)}")
        print(f"==== processes of {node}\n{procs.listing(lab, node)}")


class System(Cluster):
    """A cluster with a background sampler and assertions."""

    sampler = None

    def open_sampler(self):
        self.sampler = sampler.Sampler(self.lab).__enter__()

    def close_sampler(self):
        if self.sampler is not None:
            self.sampler.__exit__()

    def verify(self, nodes=NODES, wait_s=60):
        """No acknowledged row missing, all identical, one acknowledging server and one VIP at any time."""
        report = verify.verify(self, nodes, wait_s)
        print(report.text())
        assert report.ok, report.text()
        assert not self.sampler.violations, f"two hosts answered for the VIP: {self.sampler.violations[:3]}"
        return report

    def outage_ms(self, report, number=0):
        """Write outage around the n-th mark."""
        return report.outages[number].gap_us / 1000


@pytest.fixture
def make_cluster(request):
    """make_cluster(servers, settings=(), kind=System, **options of Cluster.up): a lab that is gone after the test."""
    made = []

    def make(servers, settings=(), kind=System, **options):
        number = f"{os.getpid() % 100000}{'abcdefgh'[len(made)]}"
        directory = tempfile.mkdtemp(prefix="tandem-test-", dir=base_directory())
        lab = Lab(directory, f"t{number}-", servers, options.get("agents", True), options.get("pair", False), options.get("candidates", 2))
        made.append([lab, None])
        options.setdefault("wait_s", WHOLE_S)
        common = [s for s in SETTINGS if not (lab.pair and s.startswith("arbiter."))]
        cluster = kind.up(directory, lab.prefix, servers, settings=(*common, *settings), **options)
        made[-1][1] = cluster
        cluster.open_sampler()
        return cluster

    request.node.failed = False
    yield make
    for lab, cluster in made:
        try:
            if request.node.failed:
                describe(lab if cluster is None else cluster.lab)
        finally:
            if cluster is not None:
                cluster.close_sampler()
            take_down(lab, keep_files=request.node.failed)
            if not request.node.failed:
                shutil.rmtree(lab.dir, ignore_errors=True)


@pytest.fixture
def cluster(make_cluster, servers, request):
    """A whole cluster with agents; the mark `settings` adds options of the cluster file."""
    marker = request.node.get_closest_marker("settings")
    return make_cluster(servers, marker.args if marker else ())
