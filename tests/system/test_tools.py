# SPDX-License-Identifier: Apache-2.0
"""What `make test` says of the servers that it ran on, where one of them cannot be had."""
import importlib.machinery
import importlib.util
import os
import stat
import subprocess
import sys

import pytest
from tandemlab.layout import ROOT

TOOLS = os.path.join(ROOT, "tools")
sys.path.insert(0, TOOLS)
import servers_of_tests  # noqa: E402

WHY = "lab: mysql-9.7 cannot be had: the package lists cannot be read"


@pytest.fixture
def without_network(tmp_path, monkeypatch):
    """Nothing was fetched before, and apt reads nothing."""
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 100\n", encoding="ascii")
    program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TANDEM_SERVERS", str(tmp_path / "servers"))
    monkeypatch.delenv("TANDEM_TEST_SERVERS", raising=False)
    return monkeypatch


def test_server_that_cannot_be_had_is_left_out(without_network):
    assert servers_of_tests.choose() == (["mariadb-10.11"], {"mysql-9.7": WHY}, [])


def test_server_that_was_asked_for_must_be_there(without_network):
    without_network.setenv("TANDEM_TEST_SERVERS", "mysql-9.7,oracle")
    assert servers_of_tests.choose() == ([], {"mysql-9.7": WHY, "oracle": "no such file in lab/servers"}, ["mysql-9.7", "oracle"])


def run_tests():
    """tools/run-tests, whose name is none of a module's."""
    loader = importlib.machinery.SourceFileLoader("run_tests", os.path.join(TOOLS, "run-tests"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    loader.exec_module(module)
    return module


def test_run_goes_on_with_mariadb_and_says_so(without_network):
    tool = run_tests()
    kind = tool.Kind("system")
    assert tool.servers_to_run(kind) == (["mariadb-10.11"], {"TANDEM_TEST_SERVERS": "mariadb-10.11"})
    assert (kind.passed, kind.failures, kind.notes) == (0, [], [f"did NOT run on mysql-9.7: {WHY}"])


def test_run_fails_without_a_server_that_was_asked_for(without_network):
    without_network.setenv("TANDEM_TEST_SERVERS", "mysql-9.7")
    tool = run_tests()
    kind = tool.Kind("system")
    assert tool.servers_to_run(kind)[0] == []
    assert [title for title, _, _ in kind.failures] == ["no test runs on mysql-9.7"]


def test_tests_of_one_family_are_collected_without_the_other(without_network):
    without_network.setenv("TANDEM_TEST_SERVERS", "mariadb-10.11")
    without_network.delenv("TANDEM_TEST_FULL", raising=False)
    argv = ["/usr/bin/python3", "-m", "pytest", "tests/system", "-p", "no:cacheprovider", "-q", "--collect-only"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "[mariadb-10.11]" in done.stdout and "mysql-9.7" not in done.stdout and "NOTSET" not in done.stdout


def test_servers_are_counted_by_the_names_of_their_tests():
    names = ["test_a[mysql-9.7]@cluster", "test_b[mysql-9.7-load]", "test_b[mariadb-10.11-load]", "test_c[x-mysql-9.7]", "test_d[mysql-9.70]", "test_e"]
    counts = servers_of_tests.count(names, ("mariadb-10.11", "mysql-9.7"))
    assert counts == {"mariadb-10.11": 1, "mysql-9.7": 3}
    assert servers_of_tests.sentence(counts) == "ran on mariadb-10.11 (1 tests), mysql-9.7 (3 tests)"
