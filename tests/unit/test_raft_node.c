/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arbiter/raft_codec.h"
#include "raft_cluster.h"

#define NONE ARBITER_RANK_NONE
#define TYPE_TIMEOUT_NOW 6

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

static bool transfer_ended(struct raft_cluster *c, void *data)
{
    return c->m[*(unsigned *)data].transfers > 0;
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

/* --- who wins --- */

/* Every leader, every order of the two that remain, though both are candidates. */
static void test_the_best_candidate_wins_though_all_may(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    unsigned leader, best;
    raft_cluster_start_all(c, rank);
    leader = elect(c);
    for (unsigned round = 0; round < 6; round++) {
        uint64_t count = round + 1;
        best = (leader + 1 + round / 3) % 3;
        for (unsigned i = 0; i < 3; i++)
            c->m[i].rank = i == best ? 0 : 1;
        raft_cluster_rank(c);
        assert_int_equal(commit(c, leader, round), 0);
        until(c, raft_cluster_all_have, &count, "the entry on all nodes");
        raft_cluster_stop(c, leader);
        assert_int_equal(elect(c), best);
        raft_cluster_start(c, leader);
        leader = best;
    }
}

static void test_a_non_candidate_does_not_win_while_a_candidate_can(void **state)
{
    const unsigned rank[] = {NONE, NONE, NONE, 1, 0};
    struct raft_cluster *c = setup(state, 5, 31);
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 4);
    raft_cluster_stop(c, 4);
    assert_int_equal(elect(c), 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(c->m[i].elections, 0);
}

static void test_without_candidates_somebody_wins_after_3t(void **state)
{
    const unsigned rank[] = {NONE, NONE, NONE};
    struct raft_cluster *c = setup(state, 3, 7);
    unsigned leader;
    int64_t started_us;
    raft_cluster_start_all(c, rank);
    started_us = c->m[0].start_us;
    leader = elect(c);
    assert_true(c->m[leader].elected_us - started_us >= 3 * c->timing.election_timeout_us);
}

/* What node 1 sends when it asks for votes in earnest: nothing, and from then on it is cut off. */
static bool cut_off_at_its_vote(struct raft_cluster *c, unsigned from, unsigned to, int type,
                                const uint8_t *payload, size_t len)
{
    struct raft_frame f;
    struct raft_message m;
    bool in_earnest;
    (void)to;
    if (from != 1 || type != RAFT_REQUEST_VOTE || raft_codec_decode(payload, len, &f, &m) != 0)
        return false;
    in_earnest = !m.request_vote.pre_vote;
    raft_codec_release(&m);
    if (in_earnest) {
        raft_cluster_isolate(c, 0, false);
        raft_cluster_isolate(c, 1, true);
    }
    return in_earnest;
}

static void test_a_candidate_that_lost_a_vote_does_not_raise_its_term(void **state)
{
    const unsigned rank[] = {0, 1, NONE};
    struct raft_cluster *c = setup(state, 3, 7);
    struct raft_node_status s;
    uint64_t term;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    raft_cluster_run(c, c->timing.election_timeout_us);
    term = c->m[0].leads;
    c->filter = cut_off_at_its_vote;
    raft_cluster_isolate(c, 0, true);
    raft_cluster_run(c, 8 * c->timing.election_timeout_us);
    assert_true(c->cut[1][0]); /* it came to that */
    raft_node_status(c->m[1].node, &s);
    assert_int_equal(s.state, ARBITER_CANDIDATE);
    assert_int_equal(s.term, term + 1);
}

static void inject(struct raft_cluster *c, unsigned from, unsigned to, const struct raft_message *m)
{
    struct raft_frame f = {.entry_format = 1};
    uint8_t buf[512];
    size_t len = 0;
    assert_int_equal(raft_codec_encode(&f, m, buf, sizeof buf, &len), 0);
    raft_node_receive(c->m[to].node, from, buf, len);
}

/* libraft only asserts that these do not come (and not even that, as distributed), or deposes a
 * healthy leader when it gets them. */
static void test_frames_that_libraft_must_not_see(void **state)
{
    const unsigned rank[] = {0, 1, NONE};
    struct raft_cluster *c = setup(state, 3, 7);
    struct raft_node_status s;
    uint64_t term, match;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    term = c->m[0].leads;
    assert_int_equal(raft_cluster_commit(c, 0, 1), 0);

    /* Another leader of the same term. */
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES, .append_entries = {.term = term}};
    inject(c, 1, 0, &m);
    /* The late result of a pre-vote, which carries the voter's next term. */
    m = (struct raft_message){.type = RAFT_REQUEST_VOTE_RESULT,
                              .request_vote_result = {2, term + 1, false, true, 1, 0}};
    inject(c, 1, 0, &m);
    inject(c, 0, 1, &m);
    /* A candidate that asks in the name of another. */
    m = (struct raft_message){.type = RAFT_REQUEST_VOTE,
                              .request_vote = {2, term + 1, 2, 100, term, true, false}};
    inject(c, 2, 0, &m);
    /* TimeoutNow of somebody who is not followed. */
    m = (struct raft_message){.type = RAFT_TIMEOUT_NOW,
                              .timeout_now = {0, term, c->m[0].index, term}};
    inject(c, 2, 1, &m);
    /* A node that has lost what it had acknowledged, once it is probed again. */
    raft_cluster_run(c, 2 * c->timing.election_timeout_us);
    raft_cluster_stop(c, 2);
    raft_cluster_run(c, 2 * c->timing.election_timeout_us);
    raft_node_status(c->m[0].node, &s);
    match = s.peer[2].match;
    assert_true(match > 1);
    m = (struct raft_message){.type = RAFT_APPEND_ENTRIES_RESULT,
                              .append_entries_result = {2, term, match, 0, 1, 0}};
    inject(c, 2, 0, &m);
    inject(c, 2, 0, &m);
    assert_int_equal(c->m[0].lost_logged, 1);

    assert_int_equal(raft_cluster_commit(c, 0, 2), 0);
    assert_int_equal(c->m[0].leads, term);
    raft_node_status(c->m[1].node, &s);
    assert_int_equal(s.term, term);
}

/* --- lease --- */

static void test_the_lease_of_a_leader_that_is_cut_off_ends_before_the_next_one_leads(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    unsigned zero = 0;
    int64_t cut_us;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    raft_cluster_run(c, 100000);
    assert_true(c->m[0].lease_us > raft_cluster_now_us());
    /* The answer to a frame echoes that frame, not the one before it. */
    assert_true(c->m[0].lease_best_us >
                c->timing.election_timeout_us - c->timing.margin_us - c->timing.heartbeat_us / 2);
    raft_cluster_isolate(c, 0, true);
    cut_us = raft_cluster_now_us();
    until(c, raft_cluster_has_no_lease, &zero, "the lease's end");
    assert_true(c->m[0].lease_max_us <=
                cut_us + c->timing.election_timeout_us - c->timing.margin_us);
    until(c, raft_cluster_another_leads, &zero, "another leader");
    assert_int_equal(raft_cluster_leader(c), 1);
    assert_true(c->m[0].lease_max_us < c->m[1].elected_us);
    raft_cluster_isolate(c, 0, false);
    until(c, raft_cluster_is_deposed, &zero, "the old leader deposed");
}

static void test_two_of_five_are_no_majority_for_a_lease(void **state)
{
    const unsigned rank[] = {0, NONE, NONE, NONE, NONE};
    struct raft_cluster *c = setup(state, 5, 31);
    unsigned zero = 0;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    raft_cluster_isolate(c, 1, true);
    raft_cluster_isolate(c, 2, true);
    raft_cluster_run(c, 2 * c->timing.election_timeout_us);
    assert_true(c->m[0].lease_us > raft_cluster_now_us()); /* three of five */
    raft_cluster_cut(c, 3, 0, true);
    until(c, raft_cluster_has_no_lease, &zero, "the lease's end");
}

static void test_a_deaf_leader_stops_sending(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    struct raft_node_status s;
    unsigned zero = 0, sent;
    int64_t cut_us;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    raft_cluster_cut(c, 1, 0, true);
    raft_cluster_cut(c, 2, 0, true); /* it is heard, and holds the others off */
    cut_us = raft_cluster_now_us();
    until(c, raft_cluster_has_no_lease, &zero, "the lease's end");
    raft_cluster_run(c, c->timing.election_timeout_us / 2 + 2 * c->timing.tick_us);
    if (c->m[0].leads != 0) {
        raft_node_status(c->m[0].node, &s);
        assert_true(s.is_deaf);
    }
    sent = c->m[0].sent_of_leader;
    until(c, raft_cluster_another_leads, &zero, "another leader");
    /* libraft goes on for a while, but nothing leaves. */
    assert_true(c->m[0].sent_of_leader <= sent);
    /* T until the lease is gone, T / 2 deaf, T of the voters, and the election. Without the rule it
     * would be longer by up to T: libraft looks at its quorum once in T. */
    assert_true(c->m[1].elected_us - cut_us < 3 * c->timing.election_timeout_us);
}

static void test_stepping_down(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    unsigned zero = 0;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    raft_node_step_down(c->m[0].node);
    assert_int_equal(c->m[0].lease_us, 0); /* at once */
    raft_node_set_rank(c->m[0].node, NONE);
    until(c, raft_cluster_another_leads, &zero, "another leader");
    assert_int_equal(raft_cluster_leader(c), 1);
}

/* --- silence --- */

static void test_a_restarted_voter_is_silent(void **state)
{
    const unsigned rank[] = {0, 1, NONE};
    struct raft_cluster *c = setup(state, 3, 7);
    struct raft_node_status s;
    unsigned zero = 0;
    int64_t t_us = c->timing.election_timeout_us;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    raft_cluster_stop(c, 2);
    until(c, raft_cluster_has_lease, &zero, "the lease");
    raft_cluster_isolate(c, 0, true);
    raft_cluster_run(c, t_us * 9 / 10);
    /* Node 1 asks at T + 2 delta after it has heard the leader, and needs this vote. */
    raft_cluster_start(c, 2);
    raft_cluster_run(c, t_us / 10);
    raft_node_status(c->m[2].node, &s);
    assert_true(s.is_silent);
    until(c, raft_cluster_another_leads, &zero, "another leader");
    assert_true(c->m[1].elected_us >= c->m[2].start_us + t_us + c->timing.margin_us);
}

static void test_a_loop_that_stood_still_makes_all_its_voters_silent(void **state)
{
    const unsigned rank[] = {0, 1, NONE};
    struct raft_cluster *c = setup(state, 3, 7);
    struct raft_node_status s;
    int64_t until_us;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    raft_cluster_run(c, 2 * c->timing.election_timeout_us);
    raft_node_status(c->m[2].node, &s);
    assert_false(s.is_silent);
    until_us = raft_cluster_now_us() + c->timing.election_timeout_us * 6 / 10;
    while (raft_cluster_now_us() < until_us)
        ; /* the loop stands still */
    raft_cluster_run(c, 2 * c->timing.tick_us);
    for (unsigned i = 0; i < 3; i++) {
        raft_node_status(c->m[i].node, &s);
        assert_true(s.is_silent);
    }
    /* It costs nothing but votes. */
    assert_int_equal(raft_cluster_commit(c, elect(c), 1), 0);
}

/* --- transfer --- */

static void prepare(struct raft_cluster *c, unsigned from, unsigned to)
{
    struct errmsg msg = ERRMSG_INIT;
    c->m[from].transfers = 0;
    assert_int_equal(raft_node_transfer_prepare(c->m[from].node, to, &msg), 0);
    assert_int_equal(c->m[from].lease_us, 0); /* inside the call */
}

static void test_a_transfer_goes_to_its_target(void **state)
{
    const unsigned rank[] = {0, 1, 2, NONE};
    struct raft_cluster *c = setup(state, 4, 7);
    struct errmsg msg = ERRMSG_INIT;
    unsigned zero = 0;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    assert_int_equal(raft_node_transfer(c->m[0].node, &msg), ERR_STATE); /* not prepared */
    assert_int_equal(raft_node_transfer_prepare(c->m[0].node, 3, &msg), ERR_STATE); /* no voter */
    assert_int_equal(raft_node_transfer_prepare(c->m[0].node, 0, &msg), ERR_STATE);
    assert_int_equal(raft_node_transfer_prepare(c->m[1].node, 2, &msg), ERR_STATE); /* follower */

    prepare(c, 0, 2);
    assert_int_equal(commit(c, 0, 1), ERR_STATE);
    assert_int_equal(raft_node_transfer_prepare(c->m[0].node, 1, &msg), ERR_STATE);
    assert_int_equal(raft_node_transfer_abort(c->m[0].node), 0);
    assert_true(c->m[0].lease_us != 0);
    assert_int_equal(commit(c, 0, 1), 0);

    /* A proposal that is open is an obstacle. */
    (void)raft_cluster_propose(c, 0, 2);
    prepare(c, 0, 2);
    assert_int_equal(raft_node_transfer(c->m[0].node, &msg), ERR_STATE);
    raft_cluster_run(c, 100000);
    assert_int_equal(raft_node_transfer(c->m[0].node, &msg), 0);
    until(c, transfer_ended, &zero, "the transfer's end");
    assert_int_equal(c->m[0].outcome, ARBITER_TRANSFER_DONE);
    assert_int_equal(c->m[0].transfers, 1);
    assert_int_equal(raft_cluster_leader(c), 2);
    assert_int_equal(raft_node_transfer_abort(c->m[0].node), ERR_STATE);
    assert_int_equal(elect(c), 2);
}

static bool drop_timeout_now(struct raft_cluster *c, unsigned from, unsigned to, int type,
                             const uint8_t *payload, size_t len)
{
    (void)c;
    (void)from;
    (void)to;
    (void)payload;
    (void)len;
    return type == TYPE_TIMEOUT_NOW;
}

static void test_a_dropped_transfer_is_proven_by_a_later_echo(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    struct errmsg msg = ERRMSG_INIT;
    unsigned zero = 0;
    uint64_t term;
    int64_t called_us;
    c->filter = drop_timeout_now;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    term = c->m[0].leads;
    prepare(c, 0, 1);
    raft_cluster_run(c, 1000);
    assert_int_equal(raft_node_transfer(c->m[0].node, &msg), 0);
    called_us = raft_cluster_now_us();
    until(c, transfer_ended, &zero, "the transfer's end");
    assert_int_equal(c->m[0].outcome, ARBITER_TRANSFER_DROPPED);
    /* Long before libraft gives up, and open again at once. */
    assert_true(raft_cluster_now_us() - called_us < c->timing.election_timeout_us);
    assert_true(c->m[0].lease_us != 0);
    assert_int_equal(commit(c, 0, 1), 0);
    assert_int_equal(c->m[0].leads, term);
}

static void test_a_late_timeout_now_is_not_obeyed(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    struct errmsg msg = ERRMSG_INIT;
    unsigned zero = 0;
    uint64_t term;
    c->hold_type = TYPE_TIMEOUT_NOW;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    term = c->m[0].leads;
    prepare(c, 0, 1);
    raft_cluster_run(c, 1000);
    assert_int_equal(raft_node_transfer(c->m[0].node, &msg), 0);
    until(c, transfer_ended, &zero, "the transfer's end");
    assert_non_null(c->held);
    raft_cluster_release(c);
    raft_cluster_run(c, 2 * c->timing.election_timeout_us);
    assert_int_equal(c->m[0].leads, term);
    assert_int_equal(c->m[1].elections, 0);
    assert_int_equal(commit(c, 0, 1), 0);
}

static void test_a_transfer_to_a_node_that_vanished_ends_the_term(void **state)
{
    const unsigned rank[] = {0, 1, 2};
    struct raft_cluster *c = setup(state, 3, 7);
    struct errmsg msg = ERRMSG_INIT;
    unsigned zero = 0;
    uint64_t term;
    int64_t called_us;
    raft_cluster_start_all(c, rank);
    assert_int_equal(elect(c), 0);
    term = c->m[0].leads;
    raft_cluster_isolate(c, 1, true);
    prepare(c, 0, 1);
    assert_int_equal(raft_node_transfer(c->m[0].node, &msg), 0);
    called_us = raft_cluster_now_us();
    until(c, transfer_ended, &zero, "the transfer's end");
    assert_int_equal(c->m[0].outcome, ARBITER_TRANSFER_LOST);
    /* Closed all the time: no lease until another term is won. */
    assert_true(c->m[0].lease_zero_us <= called_us);
    until(c, raft_cluster_someone_leads, NULL, "a leader");
    assert_true(c->m[raft_cluster_leader(c)].leads > term);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_the_best_candidate_wins_though_all_may, teardown),
        cmocka_unit_test_teardown(test_a_non_candidate_does_not_win_while_a_candidate_can,
                                  teardown),
        cmocka_unit_test_teardown(test_without_candidates_somebody_wins_after_3t, teardown),
        cmocka_unit_test_teardown(test_a_candidate_that_lost_a_vote_does_not_raise_its_term,
                                  teardown),
        cmocka_unit_test_teardown(test_frames_that_libraft_must_not_see, teardown),
        cmocka_unit_test_teardown(
            test_the_lease_of_a_leader_that_is_cut_off_ends_before_the_next_one_leads, teardown),
        cmocka_unit_test_teardown(test_two_of_five_are_no_majority_for_a_lease, teardown),
        cmocka_unit_test_teardown(test_a_deaf_leader_stops_sending, teardown),
        cmocka_unit_test_teardown(test_stepping_down, teardown),
        cmocka_unit_test_teardown(test_a_restarted_voter_is_silent, teardown),
        cmocka_unit_test_teardown(test_a_loop_that_stood_still_makes_all_its_voters_silent,
                                  teardown),
        cmocka_unit_test_teardown(test_a_transfer_goes_to_its_target, teardown),
        cmocka_unit_test_teardown(test_a_dropped_transfer_is_proven_by_a_later_echo, teardown),
        cmocka_unit_test_teardown(test_a_late_timeout_now_is_not_obeyed, teardown),
        cmocka_unit_test_teardown(test_a_transfer_to_a_node_that_vanished_ends_the_term, teardown),
    };
    if (getenv("TANDEM_RAFT_TEST") != NULL)
        cmocka_set_test_filter(getenv("TANDEM_RAFT_TEST"));
    return cmocka_run_group_tests_name("raft_node", tests, NULL, NULL);
}
