/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/raft/raft_dir.h"
#include "io/raft/raft_host.h"
#include "raft_cluster.h"

#define NONE ARBITER_RANK_NONE

static struct arbiter_timing timing(void)
{
    struct arbiter_timing t = arbiter_timing_scaled(ARBITER_PROFILE_LAN, 300000);
    struct errmsg msg = ERRMSG_INIT;
    assert_int_equal(arbiter_timing_check(&t, 5, &msg), 0);
    return t;
}

static struct raft_cluster *setup(void **state, unsigned n, uint32_t voters)
{
    struct raft_cluster *c = calloc(1, sizeof *c);
    struct arbiter_timing t = timing();
    assert_non_null(c);
    raft_cluster_open(c, n, voters, &t);
    *state = c;
    return c;
}

/* Also after a failure. */
static int teardown(void **state)
{
    if (*state != NULL)
        raft_cluster_close(*state);
    free(*state);
    *state = NULL;
    return 0;
}

/* --- conditions --- */

struct trouble_wait {
    unsigned node;
    enum raft_trouble trouble;
};

static bool has_trouble(struct raft_cluster *c, void *data)
{
    struct trouble_wait *w = data;
    return c->m[w->node].trouble == w->trouble;
}

static bool had_trouble(struct raft_cluster *c, void *data)
{
    struct trouble_wait *w = data;
    return c->m[w->node].troubles[w->trouble] > 0;
}

static void until(struct raft_cluster *c, bool (*cond)(struct raft_cluster *c, void *data),
                  void *data, const char *what)
{
    if (!raft_cluster_until(c, cond, data, CLUSTER_WAIT_MS))
        fail_msg("waited too long: %s", what);
}

static unsigned elect(struct raft_cluster *c)
{
    unsigned leader = raft_cluster_elect(c);
    assert_int_not_equal(leader, NODE_NONE);
    return leader;
}

static int commit(struct raft_cluster *c, unsigned node, uint64_t value)
{
    return raft_cluster_commit(c, node, value);
}

static void commit_many(struct raft_cluster *c, unsigned node, unsigned n)
{
    uint64_t id = 0;
    for (unsigned i = 0; i < n; i++)
        id = raft_cluster_propose(c, node, i);
    assert_int_equal(raft_cluster_answer(c, node, id), 0);
}

static void same_state(struct raft_cluster *c, uint64_t count)
{
    until(c, raft_cluster_all_have, &count, "all entries on all nodes");
    for (unsigned i = 0; i < c->n; i++)
        if (c->m[i].node != NULL)
            assert_true(c->m[i].hash == c->m[raft_cluster_leader(c)].hash);
}

/* --- log --- */

static void test_entries_reach_all_nodes_and_each_proposal_is_answered_once(void **state)
{
    const unsigned rank[] = {0, 1, NONE, NONE, NONE};
    struct raft_cluster *c = setup(state, 5, 7);
    struct raft_node_status s;
    uint64_t id, ids[50];
    uint8_t big[RAFT_NODE_ENTRY_MAX + 1] = {0};
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    for (unsigned i = 0; i < 50; i++)
        ids[i] = raft_cluster_propose(c, 0, 1000 + i);
    assert_int_equal(raft_cluster_answer(c, 0, raft_cluster_barrier(c, 0)), 0);
    /* The barrier is behind them: all are applied on the leader. */
    assert_int_equal(c->m[0].count, 50);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(c->m[0].answers[ids[i]], 1);
        assert_int_equal(c->m[0].result[ids[i]], 0);
    }
    same_state(c, 50); /* the two non-voters too */
    assert_int_equal(commit(c, 1, 1), ERR_STATE);
    assert_int_equal(commit(c, 4, 1), ERR_STATE);
    id = c->next_id++;
    c->m[0].result[id] = 1;
    raft_node_propose(c->m[0].node, id, 1, big, sizeof big);
    assert_int_equal(c->m[0].result[id], 1); /* never inside the call */
    assert_int_equal(raft_cluster_answer(c, 0, id), ERR_RANGE);

    raft_node_status(c->m[0].node, &s);
    assert_int_equal(s.state, ARBITER_LEADER);
    assert_int_equal(s.leader, 0);
    assert_int_equal(s.voters, 7);
    assert_true(s.is_voter && !s.is_silent && !s.is_closed && !s.is_deaf);
    assert_int_equal(s.trouble, RAFT_TROUBLE_NONE);
    assert_true(s.lease_until_us > 0 && s.commit == s.last_index && s.applied == s.commit);
    for (unsigned i = 1; i < 5; i++) {
        assert_true(s.peer[i].heard_us > 0 && s.peer[i].confirmed_us > 0);
        assert_int_equal(s.peer[i].match, s.last_index);
        assert_int_equal(s.peer[i].is_voter, i < 3);
    }
    raft_node_status(c->m[4].node, &s);
    assert_int_equal(s.state, ARBITER_FOLLOWER);
    assert_false(s.is_voter);
    assert_int_equal(s.leader, 0);
}

static void test_a_proposal_of_a_deposed_leader_has_an_unknown_outcome(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    unsigned zero = 0;
    uint64_t id;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    raft_cluster_isolate(c, 0, true);
    id = raft_cluster_propose(c, 0, 5);
    until(c, raft_cluster_is_deposed, &zero, "the isolated leader deposed");
    assert_int_equal(raft_cluster_answer(c, 0, id), ERR_CANCELED);
    /* The others go on, and its entry is gone when it is back. */
    until(c, raft_cluster_someone_leads, NULL, "another leader");
    assert_int_equal(commit(c, raft_cluster_leader(c), 6), 0);
    raft_cluster_isolate(c, 0, false);
    same_state(c, 1);
}

static void test_everything_is_there_after_all_were_stopped(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    uint64_t term;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    commit_many(c, 0, 20);
    term = c->m[0].leads;
    for (unsigned i = 0; i < 3; i++)
        raft_cluster_stop(c, i);
    for (unsigned i = 0; i < 3; i++)
        raft_cluster_start(c, i);
    assert_true(c->m[elect(c)].leads > term);
    same_state(c, 20);
}

static void test_a_node_that_is_far_behind_gets_a_snapshot(void **state)
{
    const unsigned rank[] = {0, 1, NONE, NONE};
    struct raft_cluster *c = setup(state, 4, 7);
    c->snapshot_threshold = 16;
    c->snapshot_trailing = 4;
    for (unsigned i = 0; i < 3; i++) {
        c->m[i].rank = rank[i];
        raft_cluster_start(c, i);
    }
    raft_node_set_rank(c->m[0].node, 0);
    assert_int_equal(elect(c), 0);
    for (unsigned i = 0; i < 10; i++)
        commit_many(c, 0, 10);
    raft_cluster_start(c, 3); /* has only the first configuration */
    same_state(c, 100);
    /* At least: what is not answered in time is sent once more. */
    assert_true(c->m[3].restores >= 1);
    /* From the own snapshot after a restart, and the log goes on. */
    raft_cluster_stop(c, 1);
    raft_cluster_start(c, 1);
    commit_many(c, 0, 10);
    same_state(c, 110);
    assert_true(c->m[1].restores >= 1);
}

/* --- directory and disk --- */

static void test_a_directory_is_bootstrapped_once(void **state)
{
    struct raft_cluster *c = setup(state, 3, 7);
    struct errmsg msg = ERRMSG_INIT;
    struct raft_dir_seed seed = {
        .dir = c->m[0].dir, .cluster = "test", .self = 0, .n_nodes = 3, .voters = 7};
    struct raft_host_config host = {.loop = &c->loop, .dir = c->m[0].dir, .cluster = "other"};
    struct raft_node_config config = {.n_nodes = 3, .timing = c->timing};
    struct raft_node *node = NULL;
    char path[2 * PATH_TEXT_MAX];
    assert_int_equal(raft_dir_bootstrap(&seed, &msg), ERR_EXISTS);
    seed.cluster = "other";
    assert_int_equal(raft_dir_bootstrap(&seed, &msg), ERR_EXISTS);
    /* A log without an identity gets none: it may be anybody's. */
    (void)snprintf(path, sizeof path, "%s/identity", c->m[1].dir);
    assert_int_equal(unlink(path), 0);
    seed.dir = c->m[1].dir;
    seed.self = 1;
    assert_int_equal(raft_dir_bootstrap(&seed, &msg), ERR_EXISTS);
    assert_int_not_equal(access(path, F_OK), 0);

    config.callbacks.send = (int (*)(void *, unsigned, const void *, size_t))(uintptr_t)1;
    config.callbacks.on_apply =
        (int (*)(void *, uint64_t, uint64_t, const void *, size_t))(uintptr_t)1;
    config.callbacks.on_snapshot_take = (int (*)(void *, void *, size_t, size_t *))(uintptr_t)1;
    config.callbacks.on_snapshot_restore =
        (int (*)(void *, uint64_t, const void *, size_t))(uintptr_t)1;
    assert_int_equal(raft_host_start(&host, &config, &node, &msg), ERR_STATE);
    assert_non_null(strstr(msg.text, "cluster 'test'"));
    host.cluster = "test";
    config.self = 2; /* a copied directory */
    assert_int_equal(raft_host_start(&host, &config, &node, &msg), ERR_STATE);
    assert_non_null(strstr(msg.text, "node 0"));
    config.self = 3;
    assert_int_equal(raft_host_start(&host, &config, &node, &msg), ERR_INVAL);
    config.self = 0;
    config.timing.margin_us = 1000;
    assert_int_equal(raft_host_start(&host, &config, &node, &msg), ERR_INVAL);
    assert_null(node);
}

static void test_an_empty_directory_does_not_vote(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    struct trouble_wait w = {2, RAFT_TROUBLE_EMPTY};
    struct raft_dir_seed seed = {
        .dir = c->m[2].dir, .cluster = "test", .self = 2, .n_nodes = 3, .voters = 7};
    struct errmsg msg = ERRMSG_INIT;
    char moved[2 * PATH_TEXT_MAX];
    (void)snprintf(moved, sizeof moved, "%s.moved", c->m[2].dir);
    assert_int_equal(rename(c->m[2].dir, moved), 0);
    for (unsigned i = 1; i < 3; i++) {
        c->m[i].rank = rank[i];
        raft_cluster_start(c, i);
    }
    raft_cluster_rank(c);
    until(c, has_trouble, &w, "the empty directory reported");
    /* Node 1 alone is no majority, though node 2 is running. */
    raft_cluster_run(c, 4 * c->timing.election_timeout_us);
    assert_int_equal(raft_cluster_leader(c), NODE_NONE);
    assert_int_equal(c->m[2].sent_of_leader, 0);
    /* Made by hand while it runs: it joins. */
    assert_int_equal(raft_dir_bootstrap(&seed, &msg), 0);
    assert_int_equal(elect(c), 1);
}

static void test_a_failing_disk_is_reported_and_the_node_comes_back(void **state)
{
    const unsigned rank[] = {0, 1, NONE};
    struct raft_cluster *c = setup(state, 3, 7);
    struct trouble_wait io = {2, RAFT_TROUBLE_IO}, none = {2, RAFT_TROUBLE_NONE};
    unsigned zero = 0;
    char moved[2 * PATH_TEXT_MAX];
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    commit_many(c, 0, 5);
    same_state(c, 5);
    /* The term of the next election cannot be written. */
    (void)snprintf(moved, sizeof moved, "%s.moved", c->m[2].dir);
    assert_int_equal(rename(c->m[2].dir, moved), 0);
    raft_node_step_down(c->m[0].node);
    until(c, had_trouble, &io, "the failure reported");
    assert_int_equal(c->m[2].lease_us, 0);
    until(c, raft_cluster_is_deposed, &zero, "the leader deposed");
    /* The two others elect one of them; then the disk is back. */
    until(c, raft_cluster_someone_leads, NULL, "a leader");
    commit_many(c, raft_cluster_leader(c), 5);
    assert_int_equal(rename(moved, c->m[2].dir), 0);
    until(c, has_trouble, &none, "recovery");
    same_state(c, 10);
}

static void test_a_leader_whose_disk_stalls_gives_up_its_lease(void **state)
{
    const unsigned rank[] = {0, 1, NONE};
    struct raft_cluster *c = setup(state, 3, 7);
    struct trouble_wait stalled = {0, RAFT_TROUBLE_STALLED}, none = {0, RAFT_TROUBLE_NONE};
    unsigned zero = 0;
    char moved[2 * PATH_TEXT_MAX];
    c->snapshot_threshold = 8;
    c->snapshot_trailing = 2;
    c->stalled_disk_us = 200000;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    /* The log's file is open and takes entries; the snapshot that they cause cannot be made.
     * libraft says nothing, but its write does not end. */
    (void)snprintf(moved, sizeof moved, "%s.moved", c->m[0].dir);
    assert_int_equal(rename(c->m[0].dir, moved), 0);
    commit_many(c, 0, 10);
    until(c, had_trouble, &stalled, "the stalled write reported");
    assert_int_equal(c->m[0].lease_us, 0);
    assert_int_equal(c->m[0].leads, 0);
    until(c, raft_cluster_another_leads, &zero, "another leader");
    assert_int_equal(rename(moved, c->m[0].dir), 0);
    until(c, has_trouble, &none, "recovery");
    commit_many(c, raft_cluster_leader(c), 10);
    same_state(c, 20);
}

/* A node whose directory is a file system of 4 MiB, which somebody fills. */
static void test_a_full_disk_is_reported_and_the_node_comes_back(void **state)
{
    const unsigned rank[] = {0, 1, NONE};
    struct raft_cluster *c = setup(state, 3, 7);
    struct trouble_wait full = {2, RAFT_TROUBLE_FULL}, none = {2, RAFT_TROUBLE_NONE};
    const char *dir = c->m[2].dir;
    struct raft_dir_seed seed = {
        .dir = dir, .cluster = "test", .self = 2, .n_nodes = 3, .voters = 7};
    struct errmsg msg = ERRMSG_INIT;
    char filler[2 * PATH_TEXT_MAX];
    static const char zeros[65536];
    FILE *f;
    assert_int_equal(mount("none", dir, "tmpfs", 0, "size=4m"), 0);
    assert_int_equal(raft_dir_bootstrap(&seed, &msg), 0);
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    commit_many(c, 0, 5);
    same_state(c, 5);
    raft_cluster_stop(c, 2);
    (void)snprintf(filler, sizeof filler, "%s/filler", dir);
    f = fopen(filler, "we");
    assert_non_null(f);
    while (fwrite(zeros, 1, sizeof zeros, f) == sizeof zeros && fflush(f) == 0)
        ;
    (void)fclose(f);
    assert_int_equal(truncate(filler, 4 * 1024 * 1024 - 1024 * 1024), 0);
    /* Small files can be made, the log's next one cannot: libraft would say nothing. */
    raft_cluster_start(c, 2);
    if (!raft_cluster_until(c, had_trouble, &full, 5000))
        fail_msg("the full disk was not reported at once");
    commit_many(c, 0, 5); /* the others go on */
    assert_int_equal(unlink(filler), 0);
    until(c, has_trouble, &none, "recovery");
    same_state(c, 10);
    raft_cluster_stop(c, 2);
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

static void test_a_slow_disk_is_reported_and_the_lease_goes_on(void **state)
{
    const unsigned rank[] = {0, 1, NONE};
    struct raft_cluster *c = setup(state, 3, 7);
    struct trouble_wait slow = {0, RAFT_TROUBLE_SLOW};
    struct raft_node_status s;
    c->slow_disk_us = 1;
    raft_cluster_start_all(c, rank);
    until(c, has_trouble, &slow, "the slow disk reported");
    assert_int_equal(elect(c), 0);
    assert_int_equal(commit(c, 0, 1), 0);
    raft_node_status(c->m[0].node, &s);
    assert_true(s.disk_last_us > 0 && s.disk_max_us >= s.disk_last_us);
    assert_string_equal(raft_trouble_text(s.trouble), "slow-raft-disk");
}

static void test_an_unknown_entry_stops_apply_and_is_named(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    struct trouble_wait unknown = {2, RAFT_TROUBLE_UNKNOWN_ENTRY};
    uint64_t value = 9;
    uint64_t id;
    c->m[0].entry_format = 2;
    c->m[1].entry_format = 2;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    assert_int_equal(commit(c, 0, 1), 0);
    raft_cluster_run(c, 100000);
    assert_int_equal(raft_node_entry_format(c->m[0].node), 1); /* as node 2 says */
    assert_int_equal(raft_node_entry_format(c->m[2].node), 1);
    /* Written all the same: node 2 stops, the others go on. */
    id = c->next_id++;
    c->m[0].result[id] = 1;
    raft_node_propose(c->m[0].node, id, 2, &value, sizeof value);
    assert_int_equal(raft_cluster_answer(c, 0, id), 0);
    until(c, has_trouble, &unknown, "the entry reported");
    assert_int_equal(commit(c, 0, 3), 0);
    raft_cluster_run(c, 200000);
    assert_int_equal(c->m[0].count, 3);
    assert_int_equal(c->m[2].count, 1);
    /* It does not become the leader. */
    raft_cluster_stop(c, 0);
    assert_int_equal(elect(c), 1);
}

static void test_garbage_frames_are_harmless(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    uint8_t garbage[200];
    uint64_t term;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    term = c->m[0].leads;
    srand(1);
    for (unsigned i = 0; i < 2000; i++) {
        for (size_t j = 0; j < sizeof garbage; j++)
            garbage[j] = (uint8_t)rand();
        garbage[0] = 1;
        raft_node_receive(c->m[0].node, 1, garbage, (size_t)rand() % sizeof garbage);
    }
    assert_int_equal(commit(c, 0, 1), 0);
    assert_int_equal(c->m[0].leads, term);
}

/* Mounts of this process only, before libuv makes threads. */
static void own_mounts(void)
{
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        perror("# no mount namespace of its own");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_entries_reach_all_nodes_and_each_proposal_is_answered_once,
                                  teardown),
        cmocka_unit_test_teardown(test_a_proposal_of_a_deposed_leader_has_an_unknown_outcome,
                                  teardown),
        cmocka_unit_test_teardown(test_everything_is_there_after_all_were_stopped, teardown),
        cmocka_unit_test_teardown(test_a_node_that_is_far_behind_gets_a_snapshot, teardown),
        cmocka_unit_test_teardown(test_a_directory_is_bootstrapped_once, teardown),
        cmocka_unit_test_teardown(test_an_empty_directory_does_not_vote, teardown),
        cmocka_unit_test_teardown(test_a_failing_disk_is_reported_and_the_node_comes_back,
                                  teardown),
        cmocka_unit_test_teardown(test_a_leader_whose_disk_stalls_gives_up_its_lease, teardown),
        cmocka_unit_test_teardown(test_a_full_disk_is_reported_and_the_node_comes_back, teardown),
        cmocka_unit_test_teardown(test_a_slow_disk_is_reported_and_the_lease_goes_on, teardown),
        cmocka_unit_test_teardown(test_an_unknown_entry_stops_apply_and_is_named, teardown),
        cmocka_unit_test_teardown(test_garbage_frames_are_harmless, teardown),
    };
    own_mounts();
    if (getenv("TANDEM_RAFT_TEST") != NULL)
        cmocka_set_test_filter(getenv("TANDEM_RAFT_TEST"));
    return cmocka_run_group_tests_name("raft_log", tests, NULL, NULL);
}
