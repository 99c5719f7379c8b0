# SPDX-License-Identifier: Apache-2.0
"""`tandem import` on every sample that Debian's keepalived package brings."""
import glob
import os
import re
import shutil
import subprocess

from tandemlab.layout import find_program

SAMPLES = "/usr/share/doc/keepalived/samples/keepalived.conf.*"


def run(*argv):
    return subprocess.run([find_program("tandem"), "import", *argv], capture_output=True, text=True, timeout=30, check=False)


def statements(path):
    """Keywords by a reader of its own: comments off, braces as words, one statement per line or brace."""
    words = 0
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            line = re.sub(r"[#!].*", "", line).replace("{", "\n").replace("}", "\n")
            words += sum(1 for part in line.split("\n") if part.strip() not in ("", '"'))
    return words


def test_samples_of_keepalived(tmp_path):
    samples = sorted(glob.glob(SAMPLES))
    assert len(samples) >= 20, f"no samples in {SAMPLES}: packaging/deps.sh test installs keepalived"
    looked_at = 0
    for sample in samples:
        path = os.path.join(tmp_path, os.path.basename(sample))
        shutil.copy(sample, path)
        done = run(path)
        assert done.returncode == 1 and "nothing was written" in done.stderr, f"{sample}: {done.stderr}"
        sums = re.search(r"(\d+) statements: (\d+) carried over, (\d+) replaced, (\d+) left out", done.stderr)
        assert sums, f"{sample}: {done.stderr}"
        total, *parts = (int(number) for number in sums.groups())
        assert total == sum(parts) == statements(path), f"{sample}: {sums.group(0)}, by another reader {statements(path)}"
        looked_at += total
    assert looked_at > 300


def test_samples_become_cluster_files(tmp_path):
    """Each sample with an instance, as the file of both nodes: the cluster file is good, and has that instance's router,
    addresses and scripts."""
    files = 0
    for sample in sorted(glob.glob(SAMPLES)):
        with open(sample, encoding="utf-8", errors="replace") as f:
            text = re.sub(r"[#!].*", "", f.read())
        instances = re.findall(r"^vrrp_instance\s+(\w+)\s*{(.*?)^}", text, re.MULTILINE | re.DOTALL)
        for name, body in instances:
            out = os.path.join(tmp_path, f"{os.path.basename(sample)}.{name}")
            names = ("--name", "a=192.0.2.1", "--name", "b=192.0.2.2")
            done = run(sample, sample, *names, "--instance", name, "--out", out)
            assert done.returncode == 0, f"{sample} {name}: {done.stderr}"
            check = subprocess.run([find_program("tandem"), "config", "check", out], capture_output=True, text=True, timeout=30, check=False)
            assert check.returncode == 0, f"{out}: {check.stderr}"
            with open(out, encoding="utf-8") as f:
                written = re.sub(r"^\s*#.*", "", f.read(), flags=re.MULTILINE)
            router = re.search(r"virtual_router_id\s+(\d+)", body).group(1)
            assert re.search(rf"\brouter_id = {router}\b", written), f"{name} has router {router}: {written}"
            block = re.search(r"virtual_ipaddress\s*{(.*?)}", body, re.DOTALL)
            for address in re.findall(r"^\s*([\d.]+)", block.group(1) if block else "", re.MULTILINE):
                assert f"{address}/" in written, f"{name} has {address}: {written}"
            for option, script in re.findall(r"(notify_\w+)\s+\"([^\"]*)\"", body):
                assert f'{option} = "{script}"' in written, f"{name} has {option} {script}: {written}"
            files += 1
    assert files > 20
