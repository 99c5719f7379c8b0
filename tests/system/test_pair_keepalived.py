# SPDX-License-Identifier: Apache-2.0
"""A whole agent with its server opposite a real Keepalived: as its backup, as its better, and what remains of it.

The agent of m2 is dead in all of these, so m1 knows nobody but the host that advertises."""
import pytest
import vrrp_pair
from conftest import ADVERT_MS, ARBITRATION, MARIADB, PAIR_SETTINGS
from tandemlab.keepalived import Keepalived
from tandemlab.layout import ADDRESSES, VIP, now_us
from tandemlab.wait import stays

# Who leads does not depend on which server is managed.
MARIA = pytest.mark.flavours(MARIADB)
QUIET_S = 8 * ADVERT_MS / 1000  # longer than a backup waits

CONF = """global_defs {{
    router_id m2
}}
vrrp_instance VI {{
    interface eth0
    state BACKUP
    version 3
    virtual_router_id 101
    priority {priority}
    advert_int {interval:g}
    mcast_src_ip {address}
    virtual_ipaddress {{
        {vip}/32 dev eth0
    }}
}}
"""


@pytest.fixture
def pair(make_cluster, servers):
    return make_cluster(servers, (*PAIR_SETTINGS, ARBITRATION, "policy.preempt=false"), pair=True)


def keepalived_on_m2(c, priority):
    text = CONF.format(priority=priority, interval=ADVERT_MS / 1000, address=ADDRESSES["m2"], vip=VIP)
    return Keepalived(c.lab, "m2", text, restore=vrrp_pair.restore_addresses)


def vrrp_state(c):
    """Of the agent of m1; None if it does not answer."""
    status = c.status_of("m1")
    return status.data["vrrp"]["state"] if status else None


def wait_address(c, node, timeout_s=10):
    c.wait_until(lambda: c.vip_holders() == ([node] if node else []), timeout_s, f"the address is at {node}, it is at {c.vip_holders()}")


def end(keepalived, how):
    keepalived.stop() if how == "goodbye" else keepalived.kill()


@MARIA
def test_keepalived_behind_the_agent(pair):
    """It takes the address when the agent dies and when that says goodbye, and no sooner; the agent takes it back when Keepalived
    says goodbye, since no server is left there and m1 has gone on without it before (pair/90)."""
    c = pair
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.kill("m2")
        keepalived = keepalived_on_m2(c, 50)
        keepalived.wait_state("backup")
        c.wait_status(lambda s: s.writable and not s.in_sync, 20, "m1 goes on alone")
        client.wait_acks(50)
        assert c.vip_holders() == ["m1"] and keepalived.state() == "backup"

        c.kill("m1", "agent")
        keepalived.wait_state("master")
        wait_address(c, "m2")  # what a dead agent leaves behind ends with its lifetime
        c.start("m1", "agent")
        c.wait_until(lambda: vrrp_state(c) == "backup", 20, "the agent hears the Master")
        acks = client.acks()
        stays(lambda: c.vip_holders() == ["m2"] and vrrp_state(c) == "backup", QUIET_S, "m1 stays the backup")
        assert client.acks() == acks, "nobody acknowledges"

        keepalived.stop()
        c.wait_writer("m1")
        assert "rule=pair/90" in c.log_of("m1")
        client.wait_ack_after(now_us())
        wait_address(c, "m1")

        keepalived.start()
        keepalived.wait_state("backup")
        client.wait_acks(20)
        c.term("m1", "agent")
        keepalived.wait_state("master")
        wait_address(c, "m2")
        assert "received priority 0" in keepalived.log(), "a goodbye, and not silence"
    keepalived.assert_content()


@pytest.mark.thorough
@pytest.mark.parametrize("how", ("goodbye", "killed"))
@MARIA
def test_better_keepalived_before_a_server_that_greets(pair, how):
    """The writer's agent yields to the higher priority. When that Keepalived is gone the server beside it still greets (pair/80), and
    when that is gone as well it was a member to the end (pair/95): nobody takes the address before an agent answers there."""
    c = pair
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.kill("m2", "agent")
        keepalived = keepalived_on_m2(c, 150)
        keepalived.wait_state("master")
        wait_address(c, "m2")
        acks = client.acks()
        stays(lambda: c.vip_holders() == ["m2"] and vrrp_state(c) == "backup", QUIET_S, "m1 stays the backup")
        keepalived.assert_content()
        end(keepalived, how)
        c.wait_until(lambda: "rule=pair/80" in c.log_of("m1"), 20, "m1 says that the other server answers")
        assert c.answers("m2")
        stays(lambda: c.vip_holders() == [], QUIET_S, "nobody has the address")
        assert "its server answers" in c.status_of("m1").nodes["m1"]["trouble"]
        c.kill("m2", "mysqld")
        c.wait_until(lambda: "rule=pair/95" in c.log_of("m1"), 60, "m1 says that m2 was in sync")
        stays(lambda: c.vip_holders() == [], QUIET_S, "nobody has the address")
        assert client.acks() == acks, "nobody acknowledges"
        c.start("m2", "agent")
        c.wait_whole(writer="m1")
        client.wait_ack_after(now_us())
    c.verify()


@pytest.mark.thorough
@pytest.mark.parametrize("how", ("goodbye", "killed"))
@MARIA
def test_standby_behind_keepalived(pair, how):
    """m2 was the writer, and all that is left of it is a Keepalived. m1, a member, hears it for longer than the writer would have
    waited, so it does not take over when that is gone (pair/100): m2 may have gone on without it."""
    c = pair
    c.tandem("m1", "switchover", "--to", "m2", timeout_s=30)
    c.wait_whole(writer="m2")
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.kill("m2", "agent")
        wait_address(c, None)  # Keepalived says goodbye when an address that it holds is taken from under it, as by the end of its lifetime
        keepalived = keepalived_on_m2(c, 50)
        keepalived.wait_state("master")
        c.kill("m2", "mysqld")
        wait_address(c, "m2")
        acks = client.acks()
        stays(lambda: c.vip_holders() == ["m2"] and vrrp_state(c) == "backup", 5, "m1 stays the backup for longer than shrink_after")
        keepalived.assert_content()
        end(keepalived, how)
        c.wait_until(lambda: "rule=pair/100" in c.log_of("m1"), 20, "m1 says why it does not take over")
        stays(lambda: c.vip_holders() == [], QUIET_S, "nobody has the address")
        assert client.acks() == acks, "nobody acknowledges"
        c.start("m2", "agent")
        c.wait_whole()
        client.wait_ack_after(now_us())
    c.verify()
