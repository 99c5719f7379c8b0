# SPDX-License-Identifier: Apache-2.0
"""The step from a pair to three voters, with one agent forgotten: it leads as a pair while the others form a quorum."""
import pytest
from conftest import ARBITRATION, PAIR_SETTINGS
from tandemlab import layout
from test_migration import start_voter, stop_agents, write_quorum

REFUSED = "the cluster files differ in the arbiter: {} at '{}', {} here at '{}'"


def begin_quorum(c, nodes):
    """The new file, and agents of it on these nodes; the others run on with what they have read."""
    write_quorum(c)
    for node in nodes:
        start_voter(c, node)


def says(c, node, text):
    status = c.status_of(node)
    return status is not None and any(text in trouble for trouble in status.data["troubles"])


@pytest.mark.thorough
def test_forgotten_agent_of_the_pair(make_cluster, servers):
    c = make_cluster(servers, (*PAIR_SETTINGS, ARBITRATION), pair=True)
    others = [node for node in layout.NODES if node != "m1"]
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        stop_agents(c, ["m2"])
        begin_quorum(c, others)
        for node, text in (("m2", REFUSED.format("vrrp", "m1", "raft", "m2")), ("m1", REFUSED.format("raft", "m2", "vrrp", "m1"))):
            c.wait_until(lambda node=node, text=text: says(c, node, text), 30, f"{node} says: {text}")
        c.wait_until(lambda: all(c.status_of(node) and c.status_of(node).data["leader"] for node in ("m2", "m3")), 30, "the voters have a leader")
        # Neither side lets itself be ordered over what the other one may do.
        for node in ("m2", "m3", "m1"):
            target = "m1" if node == "m1" else "m2"
            done = c.tandem(node, "failover", "--to", target, "--accept-data-loss", "--yes", check=False)
            assert done.returncode != 0 and "runs with another arbiter" in done.stdout + done.stderr, (node, done)
        client.wait_acks(50)
        assert c.vip_holders() == ["m1"] and c.status_of("m2").writer is None
        # As the message says.
        c.tandem("m1", "pause")
        stop_agents(c, ["m1"])
        start_voter(c, "m1")
        c.wait_whole(90, writer="m1")
        client.wait_acks(50)
    c.verify()
    assert c.sampler.violations == []
