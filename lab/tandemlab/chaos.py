# SPDX-License-Identifier: Apache-2.0
"""Faults for random sequences: what each does, how it ends, and sequences of them made from a seed.

A sequence is data: the seed alone decides it. Whom a fault strikes is said by role ("writer") and becomes a host at the moment
of the strike, because only then it is known who that is; "it" is the host that was struck before."""
import contextlib
import random
from collections import namedtuple

import pymysql

from . import layout, net, procs, servers
from .layout import NODES, LabError

SEQUENCE_MAX = 6
# Longest time that a fault lasts, or that lies between two of them.
LASTS_S = (0.3, 8.0)
BETWEEN_S = (0.1, 5.0)

CANDIDATES = ("m1", "m2")

# Share of the runs whose data are on disks that can stall and fail. Others have them in memory, which is quicker.
ON_DISKS = 0.3
# A busy host: its server runs 5 ms, and stands still for that long.
STARVED_S = (0.4, 0.005)

Step = namedtuple("Step", "at kind on other lasts")
Kind = namedtuple("Kind", "targets strike undo")


def mysqld_stop(run, step):
    run.c.stop(step.on, "mysqld")


def mysqld_cont(run, step):
    run.c.cont(step.on, "mysqld")


def agent_stop(run, step):
    run.c.stop(step.on, "agent")


def agent_cont(run, step):
    run.c.cont(step.on, "agent")


def agent_start(run, step):
    run.c.start(step.on, "agent")


def cut_direction(run, node, sends):
    """From or to everyone, the clients included, one way only."""
    others = [other for other in (*NODES, "cl") if other != node]
    if sends:
        run.c.cut(node, *others, oneway=True)
    for other in [] if sends else others:
        run.c.cut(other, node, oneway=True)


def heal(run, step):
    for node in {step.on, step.other} - {None}:
        net.heal(run.c.lab, node)


def power_cut(run, step):
    """A disk that stalls is without power as well: its writers could not even be killed."""
    nodes = step.on.split(",")
    for node in nodes:
        net.isolate(run.c.lab, node)
        with contextlib.suppress(LabError):
            run.c.thaw(node)
    run.c.vanish(*nodes)


def boot(run, step):
    run.c.boot(*step.on.split(","))


def disk_fails(run, step):
    run.c.fail(step.on)
    run.failed.add(step.on)


def disk_repaired(run, step):
    """As it is done in the field: power off, the file system is checked, power on."""
    power_cut(run, step)
    run.c.repair(step.on)
    run.failed.discard(step.on)
    run.c.boot(step.on)


def starve(run, step):
    pids = run.c.pids(step.on, "mysqld")
    if step.on in run.starved or not pids:
        raise LabError(f"no server that could be starved runs on {step.on}")
    run.starved[step.on] = procs.Starved(pids, *STARVED_S)


def starve_no_more(run, step):
    run.starved.pop(step.on).end()


def vip_removed(run, step):
    """As an operator would who cleans up by hand."""
    name = run.c.lab.namespace(step.on)
    if net.run(["ip", "-n", name, "addr", "del", f"{layout.VIP}/{layout.NETMASK}", "dev", "eth0"], check=False).returncode:
        raise LabError(f"{step.on} has no virtual address")


def by_hand(run, node, *statements):
    """Opens the server, past its agent, and goes on in the same session, before the agent closes or kills it."""
    flags = ("super_read_only", "read_only") if run.c.flavour.is_mysql else ("read_only",)
    connection = servers.connect(run.c.lab.socket(node), 2)
    with contextlib.closing(connection), connection.cursor() as cursor:
        for statement in (*(f"SET GLOBAL {flag} = OFF" for flag in flags), *statements):
            cursor.execute(statement)


def read_only_off(run, step):
    by_hand(run, step.on)


def read_only_on(run, step):
    """The writer is closed under its clients, and its agent did not do it. Commits that wait for their acknowledgement may hold that up."""
    connection = servers.connect(run.c.lab.socket(step.on), 2)
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SET SESSION lock_wait_timeout = 1")
        cursor.execute(f"SET GLOBAL {'super_read_only' if run.c.flavour.is_mysql else 'read_only'} = ON")


def foreign_row(run, step):
    """A row past the agents. It has a table of its own: the writers' table stays theirs."""
    run.foreign.add(step.on)  # before: a killed server may have taken it without saying so
    by_hand(run, step.on, f"INSERT INTO demo.foreign_rows (node) VALUES ('{step.on}')")


def term(run, step):
    pids = run.c.term(step.on, "mysqld")
    if step.on == run.writer:
        run.terminated[step.on] = set(pids)


def operator(*arguments):
    """A command given on the first host whose agent runs; nobody waits for it."""
    return lambda run, step: run.command(*(step.on if word == "NODE" else word for word in arguments))


# "writer" and "standby" are looked up at the strike; the others are names. A fault without undo heals by itself or is healed at the end.
ANY = ("writer", "writer", "standby", "m3", "m4", "m5")
# On the open writer read_only is off already, and a row is a row like any other.
NOT_WRITER = ("standby", "standby", "m3", "m4", "m5")
KINDS = {
    "mysqld-kill": Kind(ANY, lambda run, step: run.c.kill(step.on, "mysqld"), None),
    "mysqld-stop": Kind(ANY, mysqld_stop, mysqld_cont),
    "mysqld-slow": Kind(ANY, starve, starve_no_more),
    "mysqld-term": Kind(ANY, term, None),
    "agent-kill": Kind(ANY, lambda run, step: run.c.kill(step.on, "agent"), agent_start),
    "agent-stop": Kind(ANY, agent_stop, agent_cont),
    "agent-quit": Kind(ANY, lambda run, step: run.c.term(step.on, "agent"), agent_start),
    "both-kill": Kind(ANY, lambda run, step: run.c.kill(step.on), agent_start),
    "cut": Kind(ANY, lambda run, step: run.c.cut(step.on), heal),
    "cut-sends": Kind(ANY, lambda run, step: cut_direction(run, step.on, True), heal),
    "cut-receives": Kind(ANY, lambda run, step: cut_direction(run, step.on, False), heal),
    "cut-pair": Kind(ANY, lambda run, step: run.c.cut(step.on, step.other), heal),
    "cut-pair-oneway": Kind(ANY, lambda run, step: run.c.cut(step.on, step.other, oneway=True), heal),
    "vanish": Kind(ANY, power_cut, boot),
    "power-cut": Kind((), power_cut, boot),
    "disk-full-data": Kind(ANY, lambda run, step: run.c.fill(step.on, "data"), lambda run, step: run.c.empty(step.on, "data")),
    "disk-full-state": Kind(ANY, lambda run, step: run.c.fill(step.on, "state"), lambda run, step: run.c.empty(step.on, "state")),
    "vip-removed": Kind(("writer",), vip_removed, None),
    "read-only-off": Kind(NOT_WRITER, read_only_off, None),
    "read-only-on": Kind(("writer",), read_only_on, None),
    "foreign-row": Kind(NOT_WRITER, foreign_row, None),
    "switchover": Kind(("writer",), operator("switchover"), None),
    "pause": Kind(("writer",), operator("pause"), operator("resume")),
    "maintenance": Kind(ANY, operator("maintenance", "NODE", "on"), operator("maintenance", "NODE", "off")),
}
# Where the data are on disks that can.
OF_DISKS = {
    "disk-stall": Kind(ANY, lambda run, step: run.c.freeze(step.on), lambda run, step: run.c.thaw(step.on)),
    "disk-fails": Kind(ANY, disk_fails, disk_repaired),
}
EVERY = {**KINDS, **OF_DISKS}
# A row written by hand costs a node, so most sequences are to do without.
WEIGHTS = {"foreign-row": 0.3, "mysqld-kill": 2, "vanish": 2, "switchover": 2, "power-cut": 1.5, "mysqld-term": 3, "mysqld-stop": 2,
           "disk-stall": 4, "disk-fails": 3}  # fmt: skip
# What the same host is often struck with next, because two ends of a server are easily confused: it was shut down in order once, and
# dies of something else; it hangs, and its agent is new.
NEXT = {"mysqld-term": ("vanish", "both-kill", "mysqld-kill", "power-cut"), "mysqld-stop": ("agent-kill",)}
NEXT_SHARE = 0.7
# A server that was ended is up again and open after that.
UP_AGAIN_S = (3.0, 12.0)


def draw_kinds(rng, names):
    """[(kind, whether it strikes the host of the one before)]"""
    wanted, chosen = rng.randint(1, SEQUENCE_MAX), []
    while len(chosen) < wanted:
        kind = rng.choices(names, [WEIGHTS.get(name, 1) for name in names])[0]
        chosen.append((kind, False))
        if kind in NEXT and len(chosen) < SEQUENCE_MAX and rng.random() < NEXT_SHARE:
            chosen.append((rng.choice(NEXT[kind]), True))
    return chosen


def draw_targets(rng, kind, same):
    """Whom it strikes: (on, other)."""
    if kind == "power-cut":
        on = sorted(rng.sample(NODES, rng.randint(2, len(NODES))))
        return ",".join(["it", *on] if same else on), None
    other = rng.choice(("writer", "standby", *NODES[2:])) if kind.startswith("cut-pair") else None
    return "it" if same else rng.choice(EVERY[kind].targets), other


def plan(seed):
    """(on disks, singly, [Step]): the same for the same seed; a new kind or weight changes every plan."""
    rng = random.Random(f"tandem {seed}")
    on_disks, singly = rng.random() < ON_DISKS, rng.random() < 0.35
    steps, at = [], 0.5
    for kind, same in draw_kinds(rng, list(EVERY if on_disks else KINDS)):
        on, other = draw_targets(rng, kind, same)
        lasts = round(rng.uniform(*LASTS_S), 2) if EVERY[kind].undo else 0
        if same and kind == "agent-kill":  # the hung server goes on hanging under the new agent
            at = steps[-1].at + rng.uniform(0.1, 1.5)
            lasts = round(rng.uniform(0.3, 1.5), 2)
            steps[-1] = steps[-1]._replace(lasts=round(rng.uniform(6, 15), 2))
        elif same:
            at = steps[-1].at + rng.uniform(*UP_AGAIN_S)
        steps.append(Step(round(at, 2), kind, on, other, lasts))
        at += rng.uniform(*BETWEEN_S) if rng.random() < 0.7 else 0.02
    # one by one, the server would go on before its agent is killed
    return on_disks, singly and not any(step.kind == "agent-kill" and step.on == "it" for step in steps), steps


def resolve(step, writer, struck="m1"):
    """The step with hosts instead of roles; `struck` is the one before. `other` must be another host."""
    standby = next(node for node in CANDIDATES if node != writer)
    names = {"writer": writer, "standby": standby, "it": struck}
    hosts = sorted({names.get(name, name) for name in step.on.split(",")})
    on, other = ",".join(hosts), names.get(step.other, step.other)
    if other == on:
        other = next(node for node in NODES if node != on)
    return step._replace(on=on, other=other)


def describe(step):
    lasts = f" for {step.lasts} s" if step.lasts else ""
    return f"{step.at:5.2f} s  {step.kind} {step.on}{' ' + step.other if step.other else ''}{lasts}"


# What a fault may meet when it strikes in the middle of others: then it does not strike.
MISSED = (LabError, pymysql.err.Error, OSError)
