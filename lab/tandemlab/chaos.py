# SPDX-License-Identifier: Apache-2.0
"""Faults for random sequences: what each does, how it ends, and sequences of them made from a seed.

A sequence is data: the seed alone decides it. Whom a fault strikes is said by role ("writer") and becomes a host at the moment
of the strike, because only then it is known who that is."""
import contextlib
import random
from collections import namedtuple

import pymysql

from . import layout, net, servers
from .layout import NODES, LabError

SEQUENCE_MAX = 6
# Longest time that a fault lasts, or that lies between two of them.
LASTS_S = (0.3, 8.0)
BETWEEN_S = (0.1, 5.0)

CANDIDATES = ("m1", "m2")

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
    run.c.vanish(*step.on.split(","))


def boot(run, step):
    run.c.boot(*step.on.split(","))


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


def foreign_row(run, step):
    """A row past the agents. It has a table of its own: the writers' table stays theirs."""
    run.foreign.add(step.on)  # before: a killed server may have taken it without saying so
    by_hand(run, step.on, f"INSERT INTO demo.foreign_rows (node) VALUES ('{step.on}')")


def term(run, step):
    run.c.term(step.on, "mysqld")


def operator(*arguments):
    """A command given on the first host whose agent runs; nobody waits for it."""
    return lambda run, step: run.command(*(step.on if word == "NODE" else word for word in arguments))


# "writer" and "standby" are looked up at the strike; the others are names. A fault without undo heals by itself or is healed at the end.
ANY = ("writer", "writer", "standby", "m3", "m4", "m5")
SOME = ("writer", "standby", "m3")
KINDS = {
    "mysqld-kill": Kind(ANY, lambda run, step: run.c.kill(step.on, "mysqld"), None),
    "mysqld-stop": Kind(ANY, mysqld_stop, mysqld_cont),
    "mysqld-term": Kind(ANY, term, None),
    "agent-kill": Kind(ANY, lambda run, step: run.c.kill(step.on, "agent"), agent_start),
    "agent-stop": Kind(SOME, agent_stop, agent_cont),
    "agent-quit": Kind(ANY, lambda run, step: run.c.term(step.on, "agent"), agent_start),
    "both-kill": Kind(SOME, lambda run, step: run.c.kill(step.on), agent_start),
    "cut": Kind(ANY, lambda run, step: run.c.cut(step.on), heal),
    "cut-sends": Kind(SOME, lambda run, step: cut_direction(run, step.on, True), heal),
    "cut-receives": Kind(SOME, lambda run, step: cut_direction(run, step.on, False), heal),
    "cut-pair": Kind(ANY, lambda run, step: run.c.cut(step.on, step.other), heal),
    "cut-pair-oneway": Kind(ANY, lambda run, step: run.c.cut(step.on, step.other, oneway=True), heal),
    "vanish": Kind(ANY, lambda run, step: run.c.vanish(step.on), boot),
    "power-cut": Kind((), power_cut, boot),
    "disk-full-data": Kind(("writer", "standby", "m3", "m5"), lambda run, step: run.c.fill(step.on, "data"),
                           lambda run, step: run.c.empty(step.on, "data")),  # fmt: skip
    "disk-full-state": Kind(SOME, lambda run, step: run.c.fill(step.on, "state"),
                            lambda run, step: run.c.empty(step.on, "state")),  # fmt: skip
    "vip-removed": Kind(("writer",), vip_removed, None),
    "read-only-off": Kind(("standby", "m3", "m5"), read_only_off, None),
    "foreign-row": Kind(("standby", "m3", "m4"), foreign_row, None),
    "switchover": Kind(("writer",), operator("switchover"), None),
    "pause": Kind(("writer",), operator("pause"), operator("resume")),
    "maintenance": Kind(ANY, operator("maintenance", "NODE", "on"), operator("maintenance", "NODE", "off")),
}
# A row written by hand costs a node, so most sequences are to do without.
WEIGHTS = {"foreign-row": 0.3, "mysqld-kill": 2, "vanish": 2, "switchover": 2, "power-cut": 1.5}


def plan(seed):
    """(singly, [Step]): the same for the same seed, for ever; a new kind changes every plan."""
    rng = random.Random(f"tandem {seed}")
    singly = rng.random() < 0.35
    names = list(KINDS)
    chosen = rng.choices(names, [WEIGHTS.get(name, 1) for name in names], k=rng.randint(1, SEQUENCE_MAX))
    steps, at = [], 0.5
    for kind in chosen:
        if kind == "power-cut":
            on = ",".join(sorted(rng.sample(NODES, rng.randint(2, len(NODES)))))
        else:
            on = rng.choice(KINDS[kind].targets)
        other = rng.choice(("writer", "standby", *NODES[2:])) if kind.startswith("cut-pair") else None
        lasts = round(rng.uniform(*LASTS_S), 2) if KINDS[kind].undo else 0
        steps.append(Step(round(at, 2), kind, on, other, lasts))
        at += rng.uniform(*BETWEEN_S) if rng.random() < 0.7 else 0.02
    return singly, steps


def resolve(step, writer):
    """The step with hosts instead of roles. `other` must be another host."""
    standby = next(node for node in CANDIDATES if node != writer)
    names = {"writer": writer, "standby": standby}
    on, other = names.get(step.on, step.on), names.get(step.other, step.other)
    if other == on:
        other = next(node for node in NODES if node != on)
    return step._replace(on=on, other=other)


def describe(step):
    lasts = f" for {step.lasts} s" if step.lasts else ""
    return f"{step.at:5.2f} s  {step.kind} {step.on}{' ' + step.other if step.other else ''}{lasts}"


# What a fault may meet when it strikes in the middle of others: then it does not strike.
MISSED = (LabError, pymysql.err.Error, OSError)
