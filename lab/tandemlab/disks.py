# SPDX-License-Identifier: Apache-2.0
"""Disks of a bounded size, so that they can be filled: data and state directory of a host as file systems of their own.

They are kept in memory (tmpfs) and belong to the lab's directory: whatever is mounted below it is its own. A power loss does not
empty them."""
import os
import subprocess

from .layout import LabError

FILLER = ".lab-fill"
ROOM_MB = {"data": 512, "state": 64}


def run(argv):
    done = subprocess.run(argv, text=True, capture_output=True, timeout=30, check=False)
    if done.returncode != 0:
        raise LabError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")


def mount(path, size_mb):
    os.makedirs(path, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0755", "tandem-lab", path])


def mounted(directory):
    """Mount points below the directory, the deepest first."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        points = [line.split()[1].replace("\\040", " ") for line in f]
    return sorted((point for point in points if point.startswith(directory + "/")), reverse=True)


def unmount_all(directory):
    """The processes that had files there must be gone."""
    for point in mounted(directory):
        run(["umount", point])


def fill(path):
    """Leaves not a byte. Only a file system of the lab's own is filled."""
    if not os.path.ismount(path):
        raise LabError(f"'{path}' has no disk of its own: bring the lab up with --disks")
    fd = os.open(os.path.join(path, FILLER), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(fd).st_size
        step = 64 << 20
        while step >= 4096:
            try:
                os.posix_fallocate(fd, size, step)
                size += step
            except OSError:
                step //= 2
    finally:
        os.close(fd)


def empty(path):
    try:
        os.unlink(os.path.join(path, FILLER))
    except FileNotFoundError:
        pass
