# SPDX-License-Identifier: Apache-2.0
"""Which database servers the system tests can run on, and which they ran on: for tools/run-tests and tools/matrix."""
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The first is Debian's own and always runs. The second is another suite's: it runs whenever it can be had.
OF_CI = ("mariadb-10.11", "mysql-9.7")
OBTAIN_LIMIT_S = 300


def is_server(name):
    return bool(re.fullmatch(r"[\w.-]+", name)) and (ROOT / "lab/servers" / name).is_file()


def obtain(name, limit_s=None):
    """Fetches it where it is missing. None, or in one line why it cannot be had."""
    argv = [ROOT / "lab/servers" / name]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return f"lab/servers/{name} was not done within {limit_s} s"
    return None if done.returncode == 0 else (done.stderr.strip() or f"lab/servers/{name} failed").splitlines()[0]


def choose(limit_s=OBTAIN_LIMIT_S):
    """([servers to run on], {what cannot be had: why}, [those of them whose absence is a failure]). TANDEM_TEST_SERVERS asks for servers
    by name; what was asked for must be there."""
    asked = os.environ.get("TANDEM_TEST_SERVERS")
    wanted = asked.split(",") if asked else OF_CI
    missing = {name: obtain(name, limit_s) if is_server(name) else "no such file in lab/servers" for name in wanted}
    missing = {name: why for name, why in missing.items() if why is not None}
    return [name for name in wanted if name not in missing], missing, [name for name in missing if asked or name == OF_CI[0]]


def count(names, servers):
    """{server: tests that have it among their parameters}, of names such as test_x[mysql-9.7-load]@cluster."""
    return {server: sum(bool(re.search(rf"[\[-]{re.escape(server)}[\]-]", name)) for name in names) for server in servers}


def sentence(counts):
    ran = ", ".join(f"{server} ({number} tests)" for server, number in counts.items() if number)
    return f"ran on {ran}" if ran else "ran on no server"
