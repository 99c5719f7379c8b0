# SPDX-License-Identifier: Apache-2.0
"""Debian's Keepalived in a host of the lab: as the other side of a virtual router, and to compare with."""
import os
import re
import signal
import subprocess
import tempfile

from . import net
from .layout import LabError
from .wait import wait_until

# What Keepalived 2.2 says of its own configuration, not of what it hears.
HARMLESS = (
    "default user 'keepalived_script' for script execution does not exist",
    "SECURITY VIOLATION - scripts are being executed but script_security not enabled",
    "VRRP_Script",
)
TROUBLE = re.compile(
    r"warning|violation|invalid|bogus|mismatch|incorrect|incompatible|wrong|error|fail|dropp|unknown|unexpected"
    r"|expected \d|truncat|differ",
    re.IGNORECASE,
)


def kill_both(keepalived):
    """Parent and VRRP process: the latter is in a process group of its own, and would say goodbye without the former."""
    pids = [keepalived.process.pid] if keepalived.process.poll() is None else []
    for name in ("pid", "vrrp.pid"):
        try:
            with open(os.path.join(keepalived.dir, name), encoding="utf-8") as f:
                pids.append(int(f.read()))
        except (FileNotFoundError, ValueError):
            continue
    for sign in (signal.SIGSTOP, signal.SIGKILL):
        for pid in reversed(pids):
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                pass
    keepalived.process.wait(10)
    for name in ("pid", "vrrp.pid"):
        if os.path.exists(os.path.join(keepalived.dir, name)):
            os.unlink(os.path.join(keepalived.dir, name))


class Keepalived:
    """One Keepalived in the host's namespace; /etc/keepalived is a directory of its own."""

    def __init__(self, lab, host, text, scripts=None, restore=None):
        """restore(lab, host) makes the host forget what a killed one has left."""
        self.lab, self.host, self.restore = lab, host, restore
        self.dir = tempfile.mkdtemp(prefix=f"keepalived-{host}-", dir=lab.dir)
        self.etc = os.path.join(self.dir, "etc")
        os.mkdir(self.etc)
        for name, script in (scripts or {}).items():
            path = os.path.join(self.etc, name)
            with open(path, "w", encoding="utf-8") as f:
                f.write(script)
            os.chmod(path, 0o755)
        self.conf = os.path.join(self.etc, "keepalived.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text)
        self.log_path = os.path.join(self.dir, "log")
        self.process, self.log_at_start = None, 0
        self.start()

    def start(self):
        self.log_at_start = len(self.log())
        command = (
            f"mount --bind {self.etc} /etc/keepalived && exec keepalived -n -l -D -P"
            f" -p {self.dir}/pid -r {self.dir}/vrrp.pid -c {self.dir}/check.pid"
        )
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [*net.enter(self.lab.namespace(self.host)), "unshare", "-m", "sh", "-c", command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # fmt: skip

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def state(self):
        """The last state that it entered since its start, lower case; None if none yet."""
        entered = re.findall(r"Entering (\w+) STATE", self.log()[self.log_at_start:])
        return entered[-1].lower() if entered else None

    def wait_state(self, state, timeout_s=10):
        try:
            wait_until(lambda: self.state() == state, timeout_s, f"{state} of Keepalived on {self.host}")
        except LabError as error:
            raise LabError(f"{error}\n{self.log()}") from None

    def assert_content(self):
        """It found nothing wrong with what it heard."""
        lines = [line for line in self.log().splitlines() if TROUBLE.search(line) and not any(h in line for h in HARMLESS)]
        assert not lines, "\n".join(lines)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)

    def kill(self):
        """As a power cut: not a word more, and the host has forgotten the addresses."""
        kill_both(self)
        if self.restore is not None:
            self.restore(self.lab, self.host)
