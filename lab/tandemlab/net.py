# SPDX-License-Identifier: Apache-2.0
"""Hosts as network namespaces on a bridge that has a namespace of its own.

Cuts are made in the switch (nftables, bridge family), so that the hosts cannot see or undo them: a cut host
keeps its carrier, as behind a dead switch elsewhere. `unplug` takes the carrier away instead."""
import json
import os
import subprocess

from . import layout
from .layout import LabError

RULES = """
table bridge lab {
    set isolated { type ifname; }
    set pairs { type ifname . ifname; }
    chain forward {
        type filter hook forward priority 0; policy accept;
        iifname @isolated drop
        oifname @isolated drop
        iifname . oifname @pairs drop
    }
}
"""


def run(argv, text=None, check=True):
    done = subprocess.run(argv, input=text, text=True, capture_output=True, timeout=30, check=False)
    if check and done.returncode != 0:
        raise LabError(f"`{' '.join(argv)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done


def exists(namespace):
    return os.path.exists(f"/run/netns/{namespace}")


def enter(namespace):
    """Command prefix: like `ip netns exec`, but without its own /sys, which would hide the cgroups."""
    return ["nsenter", f"--net=/run/netns/{namespace}", "--"]


def address_of(host):
    return layout.CLIENT_ADDRESS if host == "cl" else layout.ADDRESSES[host]


def create(lab):
    switch = lab.namespace("sw")
    spaces = [switch] + [lab.namespace(host) for host in lab.hosts()]
    taken = [name for name in spaces if exists(name)]
    if taken:
        raise LabError(f"namespace '{taken[0]}' exists: lab/down --prefix {lab.prefix}, or choose another --prefix")
    run(["ip", "-batch", "-"], "".join(f"netns add {name}\n" for name in spaces))
    lines = ["link add br0 type bridge stp_state 0 forward_delay 0", "link set br0 up"]
    for host in lab.hosts():
        lines.append(f"link add {host} type veth peer name eth0 netns {lab.namespace(host)}")
        lines.append(f"link set {host} master br0 up")
    run(["ip", "-n", switch, "-batch", "-"], "\n".join(lines) + "\n")
    for host in lab.hosts():
        run(
            ["ip", "-n", lab.namespace(host), "-batch", "-"],
            f"link set lo up\naddr add {address_of(host)}/{layout.NETMASK} brd + dev eth0\nlink set eth0 up\n",
        )
    run([*enter(switch), "nft", "-f", "-"], RULES)


def destroy(lab):
    """Deletes the namespaces; their processes must be gone, else the kernel keeps them nameless."""
    for host in (*lab.hosts(), "sw"):
        if exists(lab.namespace(host)):
            run(["ip", "netns", "del", lab.namespace(host)])


def edit(lab, commands):
    run([*enter(lab.namespace("sw")), "nft", "-f", "-"], commands)


def isolate(lab, host):
    edit(lab, f'add element bridge lab isolated {{ "{host}" }}\n')


def cut_pairs(lab, one, others, oneway=False):
    """Drops what `one` sends to each of the others, and the other way unless oneway; all at the same moment."""
    pairs = [f'"{one}" . "{other}"' for other in others]
    pairs += [] if oneway else [f'"{other}" . "{one}"' for other in others]
    edit(lab, f"add element bridge lab pairs {{ {', '.join(pairs)} }}\n")


def cut_pair(lab, one, other, oneway=False):
    cut_pairs(lab, one, (other,), oneway)


def heal_all(lab):
    edit(lab, "flush set bridge lab isolated\nflush set bridge lab pairs\n")


def heal(lab, host):
    """Undoes every cut that concerns the host. Adding before deleting makes the deletion never fail."""
    others = [other for other in lab.hosts() if other != host]
    pairs = [f'"{host}" . "{o}"' for o in others] + [f'"{o}" . "{host}"' for o in others]
    edit(
        lab,
        "".join(
            f"{verb} element bridge lab isolated {{ \"{host}\" }}\n{verb} element bridge lab pairs {{ {', '.join(pairs)} }}\n"
            for verb in ("add", "delete")
        ),
    )
    plug(lab, host)


def unplug(lab, host):
    run(["ip", "-n", lab.namespace("sw"), "link", "set", host, "down"])


def plug(lab, host):
    run(["ip", "-n", lab.namespace("sw"), "link", "set", host, "up"])


def macvlans(lab, host):
    """(name, MAC) of the devices that a program made for a MAC of its own."""
    shown = run(["ip", "-n", lab.namespace(host), "-j", "link", "show", "type", "macvlan"]).stdout
    return [(link["ifname"], link["address"]) for link in json.loads(shown or "[]")]


def forget_devices(lab, host):
    for device, _ in macvlans(lab, host):
        run(["ip", "-n", lab.namespace(host), "link", "del", device])


def power_off(lab, host):
    """What a host forgets without power: its additional addresses and devices, and then its packet filter, with the lease, so that it
    answers for no address meanwhile."""
    name = lab.namespace(host)
    forget_devices(lab, host)
    run(["ip", "-n", name, "addr", "flush", "dev", "eth0"])
    run([*enter(name), "nft", "flush", "ruleset"])
    run(["ip", "-n", name, "neigh", "flush", "all"], check=False)
    run(["ip", "-n", name, "addr", "add", f"{address_of(host)}/{layout.NETMASK}", "brd", "+", "dev", "eth0"])


def holds_vip(lab, host, vip=layout.VIP):
    """On whichever device."""
    shown = run(["ip", "-n", lab.namespace(host), "-o", "addr", "show"], check=False).stdout
    return f" {vip}/" in shown
