# SPDX-License-Identifier: Apache-2.0
"""Who belongs to the quorum: a node replaced, one taken away and added again with its line of the cluster file, and a
quorum begun anew from what is left of it."""
import os
import shutil
import subprocess

import expect
import pytest
from conftest import MARIADB, MYSQL, System
from tandemlab import procs
from tandemlab.layout import NODES, find_program, now_us
from test_writer_lost import stalled_commits


def refused(c, node, *arguments):
    done = c.tandem(node, *arguments, check=False)
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


def state(c, node, *names):
    return os.path.join(c.lab.path(node, "state"), *names)


def voters(c, asked):
    status = c.status_of(asked)
    return status.data["voters"] if status else None


def wait_voters(c, asked, names):
    c.wait_until(lambda: voters(c, asked) == list(names), 20, f"{asked}: the voters are {', '.join(names)}")


def wipe(c, node):
    """The host is another one: nothing of the arbiter's is left."""
    shutil.rmtree(state(c, node, "raft"))


def may_join(c, node):
    with open(state(c, node, "raft.join"), "w", encoding="ascii"):
        pass


def wait_ended(c, node, timeout_s=60):
    c.wait_until(lambda: not c.pids(node, "agent"), timeout_s, f"the agent of {node} ends")


def restart(c, node):
    assert not procs.wait_gone(c.term(node, "agent"), 30), f"the agent of {node} does not end"
    c.start(node, "agent")


def test_a_voter_is_replaced(cluster, servers):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        assert "is the writer" in refused(c, "m4", "node", "remove", "m1")
        assert "maintenance m2 on" in refused(c, "m4", "node", "remove", "m2")
        assert "no node of cluster" in refused(c, "m4", "node", "add", "m9")
        c.kill("m3")
        # two voters are left, both needed: none of them may go
        c.wait_until(lambda: not c.status_of("m1").nodes["m3"]["agent"], 20, "m3 is missed")
        c.tandem("m1", "maintenance", "m2", "on")
        c.wait_status(lambda s: "m2" not in s.in_sync, 20, "m2 has left the set")
        assert "only 1 can be reached" in refused(c, "m1", "node", "remove", "m2")
        c.tandem("m1", "maintenance", "m2", "off")
        c.wait_status(lambda s: "m2" in s.in_sync, 30, "m2 is in the set again")
        said = c.tandem("m5", "node", "remove", "m3").stdout
        assert "2 voters, 2 must be up" in said and "install.sh --join" in said
        for node in ("m1", "m2", "m4"):
            wait_voters(c, node, ("m1", "m2"))
        wipe(c, "m3")
        c.start("m3")
        c.wait_until(lambda: "empty-raft-directory" in c.tandem("m3", "status", check=False).stdout, 20, "m3 says that it has no log")
        restart_as_joining(c, "m3")
        assert "3 voters, 2 must be up" in c.tandem("m1", "node", "add", "m3", timeout_s=60).stdout
        for node in NODES:
            wait_voters(c, node, ("m1", "m2", "m3"))
        assert "raft-joined" in c.log_of("m3") and not os.path.exists(state(c, "m3", "raft", "joins"))
        c.tandem("m1", "maintenance", "m3", "off")
        c.wait_whole(writer="m1")
        kinds = c.tandem("m2", "history", "10").stdout
        assert "node-remove" in kinds and "node-add" in kinds
        # its vote counts: without it nobody could follow m1
        c.mark("m1 killed")
        c.kill("m1")
        c.wait_writer("m2", 30)
        client.wait_ack_after(now_us())
        c.start("m1")
        c.wait_whole()
    c.verify()


def restart_as_joining(c, node):
    assert not procs.wait_gone(c.term(node, "agent"), 20)
    shutil.rmtree(state(c, node, "raft"), ignore_errors=True)
    may_join(c, node)
    c.start(node, "agent")
    c.wait_until(lambda: "raft-joins" in c.log_of(node) and c.status_of(node) is not None, 20, f"{node} joins")
    c.wait_until(lambda: c.status_of("m1").nodes[node]["agent"], 30, f"m1 hears the agent of {node}")


@pytest.mark.thorough
def test_a_log_that_was_lost_is_not_sent_again(cluster, servers):
    """It voted, and has forgotten what; so it must not count under its old name."""
    c = cluster
    with c.client(rate=100) as client:
        client.wait_acks(20)
        c.kill("m3", "agent")
        wipe(c, "m3")
        may_join(c, "m3")
        c.start("m3", "agent")
        c.wait_until(lambda: "raft-stranger" in c.log_of("m1"), 20, "m1 notices it")
        assert "node remove m3" in refused(c, "m1", "node", "add", "m3")
        assert "raft-joined" not in c.log_of("m3")
        # m3 does not help to a majority: m2 cannot be elected with it alone
        c.tandem("m1", "node", "remove", "m3")
        c.tandem("m1", "node", "add", "m3", timeout_s=60)
        wait_voters(c, "m3", ("m1", "m2", "m3"))
        c.tandem("m1", "maintenance", "m3", "off")
        c.wait_whole(writer="m1")
    c.verify()


@pytest.mark.thorough
def test_the_cluster_file_shrinks_and_grows(cluster, servers):
    """A node is taken away for good, its lines too; later there is one more. Agents are restarted one by one."""
    c = cluster
    with open(c.lab.config, encoding="utf-8") as f:
        whole = f.read()
    small = whole[: whole.index("node m5 {")]
    assert "node m4 {" in small and small.rstrip().endswith("}")
    rest = ("m4", "m3", "m2", "m1")
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        c.tandem("m1", "node", "remove", "m5")
        c.kill("m5")
        for text in (small, whole):
            with open(c.lab.config, "w", encoding="utf-8") as f:
                f.write(text)
            for node in rest:
                c.mark(f"agent of {node} restarted")
                restart(c, node)
                c.wait_whole(without=("m5",))
            client.wait_ack_after(now_us())
            known = [node for node in c.status_of("m2").nodes]
            assert ("m5" in known) == (text == whole)
        wipe(c, "m5")
        may_join(c, "m5")
        c.start("m5")
        leader = c.status().data["leader"]
        c.wait_until(lambda: c.status_of(leader).nodes["m5"]["agent"], 30, f"{leader} hears the agent of m5")
        assert "does not vote" in c.tandem(leader, "node", "add", "m5", timeout_s=60).stdout
        c.tandem(leader, "maintenance", "m5", "off")
        c.wait_whole()
        assert not c.status().data["config_differs"]
    c.verify()


class WithoutM5(System):
    """Its cluster file ends with m4. There is a host for one more, with nothing on it."""

    def build(self, *arguments):
        super().build(*arguments)
        with open(self.lab.config, encoding="utf-8") as f:
            self.whole = f.read()
        self.write_file(self.whole[: self.whole.index("node m5 {")])
        shutil.rmtree(os.path.join(self.lab.init_dir, "m5"))
        for name in ("m5.pem", "m5.key"):
            os.unlink(os.path.join(self.lab.init_dir, "tls", name))
        shutil.rmtree(self.lab.node_dir("m5"))
        os.makedirs(self.lab.path("m5", "data"))

    def start_all(self):
        for node in NODES[:-1]:
            self.start(node)

    def write_file(self, text):
        with open(self.lab.config, "w", encoding="utf-8") as f:
            f.write(text)

    def make_bundles(self):
        argv = [find_program("tandem"), "init", "--from", self.lab.config, "--dir", self.lab.init_dir, "--force",
                "--flavour", "mysql" if self.flavour.is_mysql else "mariadb"]  # fmt: skip
        done = subprocess.run(argv, text=True, capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr

    def install_bundle(self, node, how):
        """Below a directory of its own, and what belongs below the lab's from there: each path of the cluster file is. The drop-in is its
        server's."""
        root = self.lab.path(node, "root")
        os.makedirs(os.path.join(root, "etc/mysql/conf.d"))
        subprocess.run(["sh", os.path.join(self.lab.init_dir, node, "install.sh"), how], env={**os.environ, "ROOT": root}, check=True, timeout=30)
        subprocess.run(["cp", "-a", f"{root}{self.lab.dir}/.", self.lab.dir], check=True, timeout=30)
        with open(self.lab.path(node, "my.cnf"), "w", encoding="utf-8") as f:
            f.write(self.flavour.my_cnf(self.lab, node, os.path.join(root, "etc/mysql/conf.d/zz-tandem.cnf")))


@pytest.mark.flavours(MARIADB, MYSQL)
def test_a_node_is_added_whose_data_directory_is_empty(make_cluster, servers):
    """As operations.md has it under "Adding a node": its block, bundles, the agents one by one and the writer last, its agent, its membership,
    and its data by one command."""
    c = make_cluster(servers, kind=WithoutM5)
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        assert "m5" not in c.status().nodes
        c.write_file(c.whole)
        c.make_bundles()
        for node in ("m4", "m3", "m2", "m1"):
            restart(c, node)
            c.wait_whole(without=("m5",))
        c.install_bundle("m5", "--join")
        assert not os.listdir(c.lab.path("m5", "data"))
        c.start_agent("m5")
        leader = c.status().data["leader"]
        c.wait_until(lambda: c.status_of(leader).nodes["m5"]["agent"], 30, f"{leader} hears the agent of m5")
        assert "does not vote" in c.tandem(leader, "node", "add", "m5", timeout_s=60).stdout
        assert "done after" in c.tandem("m4", "join", "m5", timeout_s=300).stdout
        c.wait_whole()
        client.wait_acks(50)
        assert not c.status().data["config_differs"]
    c.verify()
    expect.topology(c, c.status().writer)
    assert c.value("m5", "@@server_id") == 5


def bring_back(c, leader, node):
    """A node of the quorum before: its agent has ended, or ends, when it hears of the new one."""
    c.wait_until(lambda: "raft-superseded" in c.log_of(node), 30, f"{node} hears that the quorum was rebuilt")
    wait_ended(c, node)
    c.start(node, "agent")
    c.wait_until(lambda: c.status_of(leader).nodes[node]["agent"], 30, f"{leader} hears the agent of {node}")
    c.tandem(leader, "node", "add", node, timeout_s=60)
    assert os.path.isdir(state(c, node, "raft.before-1"))


def test_rebuild_on_the_writer(cluster, servers):
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
        assert "nothing to rebuild" in refused(c, "m1", "quorum", "rebuild", "--accept-data-loss")
        c.mark("m2 and m3 are lost")
        c.vanish("m2", "m3")
        c.wait_until(lambda: "do not answer" in refused(c, "m1", "quorum", "rebuild"), 30, "m1 says what it would cost")
        c.tandem("m1", "quorum", "rebuild", "--accept-data-loss")
        wait_ended(c, "m1")
        c.start("m1", "agent")
        c.wait_writer("m1", 30)
        client.wait_ack_after(now_us(), 30)
        for node in ("m4", "m5"):
            bring_back(c, "m1", node)
        c.boot("m2", "m3")
        for node in ("m2", "m3"):
            bring_back(c, "m1", node)
        wait_voters(c, "m4", ("m1", "m2", "m3"))
        c.wait_whole(90)
    report = c.verify()
    assert report.writer_changes == 0


@pytest.mark.thorough
def test_rebuild_on_the_standby(cluster, servers):
    """The writer is lost with the majority. The standby was in sync as far as it knows, which proves nothing now; and the
    old majority, when it comes back, has no say any more."""
    c = cluster
    with c.client(writers=2, rate=100) as client:
        client.wait_acks(50)
    c.mark("m1 and m3 are lost")
    c.vanish("m3")
    c.cut("m1")
    with c.client("late", writers=2, host="127.0.0.1", source="m1") as late:
        c.wait_until(stalled_commits(late, 1), 20, "a commit that m1 holds alone", 0.005)
        c.kill("m1")
    c.vanish("m1")
    c.wait_until(lambda: "do not answer" in refused(c, "m2", "quorum", "rebuild"), 30, "m2 says what it would cost")
    c.tandem("m2", "quorum", "rebuild", "--accept-data-loss")
    wait_ended(c, "m2")
    c.start("m2", "agent")
    c.wait_status(lambda s: s.data["leader"] == "m2" and not s.in_sync, 30, "m2 leads, and nobody is in sync")
    assert not c.vip_holders()
    c.wait_until(lambda: "accept-data-loss" in refused(c, "m2", "failover", "--to", "m2"), 10, "m2 is not proven to hold everything")
    c.tandem("m2", "failover", "--to", "m2", "--accept-data-loss")
    c.wait_writer("m2", 30)
    with c.client("after", writers=2, rate=100) as client:
        client.wait_ack_after(now_us(), 30)
        c.boot("m1", "m3")
        for node in ("m1", "m3", "m4", "m5"):
            bring_back(c, "m2", node)
        assert c.vip_holders() == ["m2"]
        wait_voters(c, "m4", ("m1", "m2", "m3"))
        # what m1 holds alone may have been acknowledged: it is kept, and a human has to look at it
        c.wait_status(lambda s: s.quarantined("m1") and s.nodes["m1"]["salvaged"], 60, "m1 is quarantined")
        c.wait_whole(90, without=("m1",), writer="m2")
    c.verify([node for node in NODES if node != "m1"])
