# SPDX-License-Identifier: Apache-2.0
"""Files of results: a line of JSON each, appended when it is there, so that what is interrupted loses nothing."""
import datetime
import json
import os
import subprocess

from . import layout


def git(*arguments):
    return subprocess.run(["git", "-C", layout.ROOT, *arguments], text=True, capture_output=True, check=False)


def commit():
    """What was measured; with `-dirty` if the tree held more than that and results."""
    is_dirty = git("diff", "--quiet", "HEAD", "--", ".", ":(exclude)bench/*.jsonl").returncode == 1
    return git("describe", "--always").stdout.strip() + ("-dirty" if is_dirty else "")


def today():
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def read(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.endswith("\n")]


def append(path, row):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "a", encoding="utf-8") as f:
        f.write(json.dumps(row) + "\n")
