# SPDX-License-Identifier: Apache-2.0
"""The lab's cluster file, certificates, secrets, accounts and my.cnf drop-ins."""
import os
import shutil
import subprocess

from . import layout, net
from .layout import LabError, find_program


def default_tree(lab, flavour):
    """The cluster file as nested dictionaries; a key with a space is a block with a title."""
    home = lab.dir
    tree = {
        "cluster": "demo",
        "state_dir": f"{home}/%n/state",
        "run_dir": f"{home}/%n",
        "arbiter raft": {"profile": "lan"},
        "tls": {"ca": f"{home}/init/tls/ca.pem", "cert": f"{home}/init/tls/%n.pem", "key": f"{home}/init/tls/%n.key"},
        "mysql": {
            "socket": f"{home}/%n/mysqld.sock",
            "data_dir": f"{home}/%n/data",
            "pid_file": f"{home}/%n/mysqld.pid",
            "error_log": f"{home}/%n/mysqld.log",
            "start_command": f"{layout.ROOT}/lab/mysqld-start {home} %n",
            "agent_password_file": f"{home}/init/secrets/agent",
            "replication_password_file": f"{home}/init/secrets/replication",
        },
        "policy": {},
        f"virtual_ipaddress {layout.VIP}/{layout.NETMASK}": {"device": "eth0", "label": "eth0:vip"},
    }
    if flavour.is_mysql:
        # As the lab's own servers: no waits for the disk, few of the host's asynchronous requests.
        tree["mysql"]["copy_command"] = f"{flavour.mysqld} --no-defaults --innodb-use-native-aio=OFF --innodb-flush-method=nosync"
    if lab.pair:
        del tree["arbiter raft"]
        tree["arbiter vrrp"] = {}
        tree["vrrp"] = {"router_id": 101}
    candidates = list(layout.PRIORITIES)[:lab.candidates]
    for node, source in (("m1", None), ("m2", None), ("m3", "writer"), ("m4", "m3"), ("m5", "m3")):
        block = {"address": layout.ADDRESSES[node]}
        if node in candidates:
            block |= {"role": "candidate", "priority": layout.PRIORITIES[node]}
        else:
            block |= {"role": "replica", "source": source}
        tree[f"node {node}"] = block
    return tree


def find_block(tree, name):
    """A block by its first word, or by word and title: arbiter, policy, node.m1."""
    for key, value in tree.items():
        if isinstance(value, dict) and (key == name or key.replace(" ", ".", 1) == name or key.split()[0] == name):
            return value
    return None


def apply(tree, setting):
    """--set path=value, such as policy.preempt=false, node.m1.priority=10, cluster=other."""
    path, equals, value = setting.partition("=")
    block_name, _, option = path.strip().rpartition(".")
    if not equals or not option:
        raise LabError(f"--set '{setting}': expected path=value, such as policy.preempt=false")
    block = tree if not block_name else find_block(tree, block_name)
    if block is None:
        if "." in block_name and " " not in block_name:  # a title that is new may have dots
            raise LabError(f"--set '{setting}': no block '{block_name}' in the cluster file")
        block = tree.setdefault(block_name, {})
    block[option] = value.strip()


def render_value(value):
    text = str(value)
    if isinstance(value, int) or text in ("true", "false") or text.lstrip("-").isdigit() or text.startswith("{"):
        return text
    bare = text.replace("_", "").replace("-", "")
    return text if bare.isalnum() else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def render(tree, indent=""):
    lines = []
    for key, value in tree.items():
        if not isinstance(value, dict):
            lines.append(f"{indent}{key} = {render_value(value)}")
            continue
        word, _, title = key.partition(" ")
        shown = f'{word} "{title}"' if "/" in title else key
        lines += [f"{indent}{shown} {{", render(value, indent + "    "), f"{indent}}}"]
    return "\n".join(line for line in lines if line)


def write_cluster_file(lab, flavour, profile, settings):
    tree = default_tree(lab, flavour)
    if profile:
        tree["arbiter raft"]["profile"] = profile
    for setting in settings:
        apply(tree, setting)
    if not tree["policy"]:
        del tree["policy"]
    with open(lab.config, "w", encoding="utf-8") as f:
        f.write("# The cluster of this lab, identical for all its hosts.\n" + render(tree) + "\n")


class Material:
    """What a lab's servers are made with: SQL for the accounts and a drop-in per node."""

    def __init__(self, accounts, dropins):
        self.accounts = accounts
        self.dropins = dropins


def write_material(lab, flavour):
    """What `tandem init` makes of the lab's cluster file; each node may begin an empty raft directory once."""
    argv = [find_program("tandem"), "init", "--from", lab.config, "--dir", lab.init_dir,
            "--flavour", "mysql" if flavour.is_mysql else "mariadb"]  # fmt: skip
    done = subprocess.run(argv, text=True, capture_output=True, timeout=30, check=False)
    if done.returncode != 0:
        raise LabError(f"tandem init: {done.stderr.strip() or done.stdout.strip()}")
    for node in layout.NODES if not lab.pair else ():
        shutil.copy(os.path.join(lab.init_dir, node, "raft.bootstrap"), lab.path(node, "state"))
    with open(os.path.join(lab.init_dir, "accounts.sql"), encoding="utf-8") as f:
        return Material(f.read(), {node: os.path.join(lab.init_dir, node, "tandem.cnf") for node in layout.NODES})


def password(lab, name):
    with open(os.path.join(lab.init_dir, "secrets", name), encoding="utf-8") as f:
        return f.read().strip()


def tandem(lab, node, *arguments, timeout_s=10, check=True):
    """One command of the operator on a node's host."""
    argv = [*net.enter(lab.namespace(node)), find_program("tandem"), *arguments, "--config", lab.config, "--node", node]
    done = subprocess.run(argv, text=True, capture_output=True, timeout=timeout_s, check=False)
    if check and done.returncode != 0:
        raise LabError(f"tandem {' '.join(arguments)} on {node}: {done.stderr.strip() or done.stdout.strip()}")
    return done
