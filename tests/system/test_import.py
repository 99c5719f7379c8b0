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
