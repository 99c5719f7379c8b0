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


def mount_image(path, size_mb):
    """A disk that can be stalled and can fail: ext4 in a file of the lab's, through a loop device."""
    image = f"{path}.img"
    os.makedirs(path, exist_ok=True)
    with open(image, "wb") as f:
        f.truncate(size_mb << 20)
    run(["mkfs.ext4", "-q", "-O", "^has_journal", image])
    run(["mount", "-o", "loop,errors=remount-ro", image, path])
    os.rmdir(os.path.join(path, "lost+found"))


def settle(path):
    """What was copied there is on the disk, as what was installed long ago is: fail() takes what was never written."""
    run(["sync", "--file-system", path])


def freeze(path):
    """Writes do not end, whoever makes them, until thaw(); what was read before still can be."""
    run(["fsfreeze", "-f", path])


def thaw(path):
    run(["fsfreeze", "-u", path])


def thaw_all(directory):
    for point in mounted(directory):
        subprocess.run(["fsfreeze", "-u", point], capture_output=True, timeout=30, check=False)


def fail(path):
    """The kernel meets an error and makes the file system read-only; for good."""
    device = os.stat(path).st_dev
    name = os.path.basename(os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"))
    with open(f"/sys/fs/ext4/{name}/trigger_fs_error", "w", encoding="ascii") as f:
        f.write("1\n")


def repair(path):
    """The disk of fail() is checked and mounted again: what was on it then is there, as after a power loss. Nobody may use it."""
    run(["umount", path])
    done = subprocess.run(["e2fsck", "-f", "-y", f"{path}.img"], text=True, capture_output=True, timeout=60, check=False)
    if done.returncode > 1:  # 1: errors, all of them corrected
        raise LabError(f"the disk of '{path}' cannot be repaired: {done.stdout.strip()[-300:]}")
    # A device of its own: another mount namespace may keep the old one alive, and `mount -o loop` would take that again, failed as it is.
    device = subprocess.run(["losetup", "--find", "--show", f"{path}.img"], text=True, capture_output=True, timeout=30, check=True).stdout.strip()
    run(["mount", "-o", "errors=remount-ro", device, path])
    run(["losetup", "--detach", device])  # when it is unmounted


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
