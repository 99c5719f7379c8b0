# SPDX-License-Identifier: Apache-2.0
"""What clients were told, and what can be computed from that alone: outages, two servers at a time.

All times are microseconds of one clock."""
import glob
import os
from collections import namedtuple

Attempt = namedtuple("Attempt", "sent done writer seq outcome error server")
Mark = namedtuple("Mark", "at name")

# Acknowledgements of one server that are farther apart do not show that it acknowledged in between.
PHASE_GAP_US = 250_000
# What a client reads late because the processor was busy elsewhere is not an acknowledgement at that time.
CLOCK_ERROR_US = 50_000


def parse_line(line):
    sent, done, writer, seq, outcome, error, server = line.split("\t")
    return Attempt(int(sent), int(done), int(writer), int(seq), outcome, int(error), int(server))


def read_attempts(directory):
    """All attempts of all clients, in the order of their outcome."""
    attempts = []
    for name in sorted(glob.glob(os.path.join(directory, "*.tsv"))):
        with open(name, encoding="ascii") as f:
            # the last line may be half of one, when the client is still writing
            attempts += [parse_line(line) for line in f if line.endswith("\n")]
    return sorted(attempts, key=lambda attempt: attempt.done)


def read_marks(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        fields = [line.rstrip("\n").split("\t", 1) for line in f]
    return sorted(Mark(int(at), name) for at, name in fields)


def phases(acks):
    """[(server, first, last)]: times during which each server surely acknowledged."""
    found = []
    open_phase = {}
    for ack in acks:
        phase = open_phase.get(ack.server)
        if phase is None or ack.done - phase[2] > PHASE_GAP_US:
            phase = [ack.server, ack.done, ack.done]
            open_phase[ack.server] = phase
            found.append(phase)
        phase[2] = ack.done
    return [tuple(phase) for phase in found]


def overlaps(acks):
    """[(server, other, from, until)]: times when two servers acknowledged, beyond the clock's error."""
    found = phases(acks)
    result = []
    for n, (server, first, last) in enumerate(found):
        for other, other_first, other_last in found[n + 1 :]:
            begin, end = max(first, other_first), min(last, other_last)
            if server != other and end - begin > CLOCK_ERROR_US:
                result.append((server, other, begin, end))
    return result


def longest_gap(times, begin, end):
    """(length, start, stop) of the longest time without an acknowledgement whose middle is in [begin, end). It starts
    a little before the fault that makes it, with the last acknowledgement, and must not count for the mark before."""
    best = (0, begin, begin)
    for before, after in zip(times, times[1:]):
        if begin <= (before + after) / 2 < end and after - before > best[0]:
            best = (after - before, before, after)
    return best


class Outage(namedtuple("Outage", "mark gap_us start stop worst_writer_us ended")):
    """Around one mark: gap_us without any acknowledgement; the longest gap of a single writer; whether
    writing went on at all."""


def outages(attempts, marks, only=None):
    """One per mark, looked for from the mark to the next one."""
    acks = [a for a in attempts if a.outcome == "ack" and (only is None or a.writer in only)]
    times = [a.done for a in acks]
    writers = sorted({a.writer for a in acks})
    by_writer = {w: [a.done for a in acks if a.writer == w] for w in writers}
    result = []
    for n, mark in enumerate(marks):
        end = marks[n + 1].at if n + 1 < len(marks) else float("inf")
        length, start, stop = longest_gap(times, mark.at, end)
        worst = max((longest_gap(by_writer[w], mark.at, end)[0] for w in writers), default=0)
        ended = any(t > mark.at for t in times)
        result.append(Outage(mark, length, start, stop, worst, ended))
    return result
