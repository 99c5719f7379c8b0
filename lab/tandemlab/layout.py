# SPDX-License-Identifier: Apache-2.0
"""Where everything of one lab is. A lab is known by its prefix (the names of its namespaces) and has one
directory; /run/tandem-lab/PREFIX is a link to it, so that it is found again after any failure."""
import json
import os
import re
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
REGISTRY = "/run/tandem-lab"

ADDRESSES = {
    "m1": "172.17.0.10",
    "m2": "172.17.0.11",
    "m3": "172.17.0.15",
    "m4": "172.17.0.16",
    "m5": "172.17.0.17",
}
NODES = tuple(ADDRESSES)
PAIR = ("m1", "m2")
PRIORITIES = {"m1": 100, "m2": 50, "m3": 25}  # of the candidates: the first two, or all three
NETMASK = 16
VIP = "172.17.0.101"
CLIENT_ADDRESS = "172.17.0.200"


class LabError(Exception):
    """Something that the user of the lab can understand and mend: printed without a traceback."""


def now_us():
    """The one clock of client, marks and sampler; namespaces share it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def find_build():
    """The meson build directory: $TANDEM_BUILD, else build/."""
    named = os.environ.get("TANDEM_BUILD")
    if named:
        return os.path.realpath(named)
    return os.path.join(ROOT, "build")


def find_program(name):
    """A program that the build makes (`tandem`, `lab-client`); $TANDEM names another tandem."""
    if name == "tandem" and os.environ.get("TANDEM"):
        return os.path.realpath(os.environ["TANDEM"])
    build = find_build()
    for folder in ("", "lab"):
        path = os.path.join(build, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise LabError(f"no program '{name}' in {build}: run `make build`, or name the build directory in TANDEM_BUILD")


class Lab:
    """Paths and names of one lab; knows nothing of its state but what lab.json says."""

    def __init__(self, directory, prefix, servers, agents=True, pair=False, candidates=2):
        self.dir = os.path.realpath(directory)
        self.prefix = prefix
        self.servers = servers
        self.agents = agents
        self.pair = pair  # arbiter vrrp: agents on the two candidates only
        self.candidates = candidates  # 3: m3 is one as well
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", prefix):
            raise LabError(f"prefix '{prefix}': 1 to 32 letters, digits, '-', '_' or '.'")
        # sun_path holds 108 bytes, and the longest socket is DIR/m1/mysqld.sock
        if len(self.dir) > 85:
            raise LabError(f"directory '{self.dir}' is too long for the sockets in it (at most 85 characters)")

    def namespace(self, host):
        """host: a node, 'cl' (the client host) or 'sw' (the switch)."""
        return self.prefix + host

    def has_agent(self, node):
        return self.agents and (not self.pair or node in PAIR)

    def hosts(self):
        return (*NODES, "cl")

    def node_dir(self, node):
        return os.path.join(self.dir, node)

    def path(self, node, name):
        return os.path.join(self.dir, node, name)

    def socket(self, node):
        return self.path(node, "mysqld.sock")

    @property
    def config(self):
        return os.path.join(self.dir, "cluster.conf")

    @property
    def init_dir(self):
        """Secrets, certificates, drop-ins: what `tandem init` writes."""
        return os.path.join(self.dir, "init")

    @property
    def marks(self):
        return os.path.join(self.dir, "marks.tsv")

    @property
    def record_dir(self):
        return os.path.join(self.dir, "client")

    def save(self):
        os.makedirs(REGISTRY, exist_ok=True)
        os.makedirs(self.dir, exist_ok=True)
        with open(os.path.join(self.dir, "lab.json"), "w", encoding="utf-8") as f:
            state = {"prefix": self.prefix, "servers": self.servers, "agents": self.agents, "pair": self.pair,
                     "candidates": self.candidates}  # fmt: skip
            json.dump(state, f)
        link = os.path.join(REGISTRY, self.prefix)
        if os.path.islink(link):
            os.unlink(link)
        os.symlink(self.dir, link)

    def has_prefix(self):
        """Or nobody has it. What is found by the prefix of another lab is that one's."""
        link = os.path.join(REGISTRY, self.prefix)
        return not os.path.islink(link) or os.path.realpath(link) == self.dir

    def forget(self):
        try:
            os.unlink(os.path.join(REGISTRY, self.prefix))
        except FileNotFoundError:
            pass


def load(directory):
    with open(os.path.join(directory, "lab.json"), encoding="utf-8") as f:
        state = json.load(f)
    return Lab(directory, state["prefix"], state["servers"], state["agents"], state.get("pair", False), state.get("candidates", 2))


def prefixes():
    """Labs that were brought up and not yet down, also those whose bringing up failed."""
    return sorted(os.listdir(REGISTRY)) if os.path.isdir(REGISTRY) else []


def registered(prefix):
    """Also of a lab whose directory somebody has removed: what it runs is still found by the prefix, and can be taken down."""
    directory = os.path.realpath(os.path.join(REGISTRY, prefix))
    if os.path.exists(os.path.join(directory, "lab.json")):
        return load(directory)
    return Lab(directory, prefix, servers=None)


def find(directory=None, prefix=None):
    """The lab that is meant: by directory, by prefix, else the only one there is."""
    if directory is None and prefix is None:
        directory, prefix = os.environ.get("TANDEM_LAB"), None
    if directory is not None:
        if not os.path.exists(os.path.join(directory, "lab.json")):
            raise LabError(f"no lab in '{directory}': bring one up with lab/up --dir {directory}")
        return load(directory)
    known = prefixes()
    if prefix is not None:
        if prefix not in known:
            raise LabError(f"no lab with prefix '{prefix}' (there are: {', '.join(known) or 'none'})")
        return registered(prefix)
    if len(known) != 1:
        raise LabError("which lab? give --prefix or --dir" if known else "no lab is up: bring one up with lab/up")
    return registered(known[0])
