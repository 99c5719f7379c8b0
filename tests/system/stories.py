# SPDX-License-Identifier: Apache-2.0
"""What a cluster has to go through under either arbiter; each gives the verifier's report."""
import expect
from tandemlab.layout import now_us


def is_near(transactions_behind):
    return transactions_behind is not None and transactions_behind < 200


def switch_there_and_back(c, asked):
    """Ordered at `asked`; four clients write."""
    with c.client(writers=4, rate=100) as client:
        for target in ("m2", "m1"):
            client.wait_acks(100)
            # Refused while the target has much to apply, as where ten servers share two cores.
            c.wait_status(lambda s, to=target: is_near(s.nodes[to]["gtid_behind"]), 60, f"{target} has little to apply")
            c.mark(f"switchover to {target}")
            c.tandem(asked, "switchover", "--to", target)
            client.wait_ack_after(now_us())
            c.wait_whole(writer=target)
            expect.topology(c, target)
    report = c.verify()
    assert report.writer_changes == 2
    return report


def cut_writer_off(c):
    """m1 reaches nobody any more, m2 takes over, the cut heals."""
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(100)
        c.mark("m1 cut off")
        c.cut("m1")
        c.wait_writer("m2")
        client.wait_ack_after(now_us())
        c.mark("healed")
        c.heal()
        c.wait_whole(writer="m2")
        client.wait_acks(50)
    report = c.verify()
    expect.topology(c, "m2")
    assert c.outage_ms(report, 1) < 3000, "healing is no fault"
    return report
