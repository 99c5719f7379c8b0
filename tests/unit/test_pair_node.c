/* SPDX-License-Identifier: Apache-2.0 */
/* The vrrp arbiter: who leads, what is recorded where, and when the lease ends. */
#include "pair_fixture.h"

static void test_better_one_leads(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    pair_run_safely(w, 20000);
    assert_true(w->host[0].leads && w->host[0].lease_us > w->now_us);
    pair_destroy(w);
}

/* m1's host is lost: m2 leads after three intervals and its skew, m1's lease has ended. */
static void test_host_lost(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    int64_t lost_us = w->now_us, lease_us = w->host[0].lease_us;
    (void)state;
    pair_power_off(w, 0);
    pair_run_world(w, 2600);
    assert_false(w->host[1].leads);
    pair_run_world(w, 1300);
    assert_true(w->host[1].leads);
    assert_int_equal(w->host[1].node->rule->id, 110);
    assert_true(lease_us < lost_us + 2700 * MS);
    pair_propose(&w->host[1], pair_promote(&w->host[1]), 9);
    pair_run_world(w, 5);
    assert_int_equal(w->host[1].done_err, 0);
    assert_int_equal(w->host[1].record.writer, 1);
    pair_destroy(w);
}

/* Cut off from everything m1's lease ends before m2's begins. */
static void test_isolated_writer(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    for (int64_t shift = 0; shift < 1000; shift += 83) {
        pair_run_safely(w, shift);
        w->adverts = w->host[0].arbitration = false;
        w->host[0].serves = false; /* not from m2 */
        pair_connect_agents(w, false);
        pair_drop_frames(w);
        pair_run_safely(w, 6000);
        assert_true(w->host[1].leads);
        assert_false(w->host[0].leads);
        w->adverts = w->host[0].arbitration = w->host[0].serves = true;
        pair_connect_agents(w, true);
        pair_run_safely(w, 3000);
        /* The record says m1 is the writer still: it goes back. */
        pair_node_transfer(w->host[1].node, 0);
        pair_run_safely(w, 3000);
        assert_true(w->host[0].leads);
    }
    pair_destroy(w);
}

static void test_nothing_from_a_silent_host_without_arbitration(void **state)
{
    struct world *w = pair_make_formed("");
    (void)state;
    pair_power_off(w, 0);
    pair_run_world(w, 60000);
    assert_false(w->host[1].leads);
    assert_int_equal(w->host[1].node->rule->id, 60);
    pair_node_by_hand(w->host[1].node);
    pair_run_world(w, 100);
    assert_true(w->host[1].leads && w->host[1].lease_us > w->now_us);
    pair_destroy(w);
}

/* The agent is dead, its server is not: it may be the writer. */
static void test_answering_server_is_not_taken_over(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    pair_power_off(w, 0);
    w->host[0].serves = true;
    pair_run_world(w, 30000);
    assert_false(w->host[1].leads);
    assert_int_equal(w->host[1].node->rule->id, 80);
    pair_destroy(w);
}

/* What the writer did after D nobody here knows: the member gives up being one before that. */
static void test_window(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    pair_check_window_is_over(w);
    pair_destroy(w);
}

static void test_writer_alone(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    unsigned done = h->done;
    (void)state;
    pair_power_off(w, 1);
    pair_run_world(w, 1500);
    pair_propose(h, pair_shrink(h, 1), 7);
    pair_run_world(w, 7500);
    assert_int_equal(h->done, done);
    assert_int_equal(h->disk.record.in_sync, 2);
    pair_run_world(w, 1500);
    assert_int_equal(h->done_id, 7);
    assert_int_equal(h->done_err, 0);
    assert_int_equal(h->disk.record.in_sync, 0);
    assert_true(h->leads && h->lease_us > w->now_us);
    pair_destroy(w);
}

/* Without a witness it neither goes on alone nor keeps its lease. */
static void test_writer_alone_without_a_witness(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    (void)state;
    pair_power_off(w, 1);
    h->arbitration = false;
    pair_propose(h, pair_shrink(h, 1), 7);
    pair_run_world(w, 15000);
    assert_false(h->leads);
    assert_int_equal(h->lease_us, 0);
    assert_int_equal(h->done_id, 7);
    assert_int_equal(h->done_err, ERR_CANCELED);
    assert_int_equal(h->disk.record.in_sync, 2);
    pair_destroy(w);
}

/* Two that both wrote meet: the later epoch wins on both disks, nothing is merged. */
static void test_split_brain(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *a = &w->host[0], *b = &w->host[1];
    (void)state;
    w->adverts = a->serves = b->serves = false;
    pair_connect_agents(w, false);
    pair_drop_frames(w);
    pair_run_world(w, 5000);
    assert_true(pair_both_hold(w)); /* what only a quorum prevents */
    pair_propose(b, pair_promote(b), 20);
    pair_propose(a, pair_shrink(a, 1), 21);
    pair_run_world(w, 8000);
    assert_int_equal(a->disk.record.in_sync, 0);
    assert_int_equal(a->disk.record.writer, 0);
    assert_int_equal(b->disk.record.writer, 1);
    for (unsigned i = 0; i < 5; i++) /* more changes are not a later epoch */
        pair_propose(a, (struct entry){.kind = ENTRY_FLAGS, .version = a->record.version, .set = 1},
                     30);
    pair_run_world(w, 100);
    w->adverts = a->serves = b->serves = true;
    pair_connect_agents(w, true);
    pair_run_world(w, 300);
    assert_memory_equal(&a->disk.record, &b->disk.record, sizeof a->disk.record);
    assert_int_equal(a->record.writer, 1);
    assert_true((a->record.flags[0] & NODE_FORMER) != 0);
    pair_node_rank(a->node, -1); /* as its core says of a former writer */
    pair_run_safely(w, 8000);
    assert_true(b->leads);
    assert_false(a->leads);
    pair_destroy(w);
}

/* It was away with a member in the set: that one may have been promoted, and be away now. */
static void test_returned_writer(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    pair_power_off(w, 0);
    pair_run_world(w, 5000);
    assert_true(w->host[1].leads);
    pair_power_off(w, 1);
    pair_start(w, 0);
    pair_run_world(w, 60000);
    assert_false(w->host[0].leads);
    assert_int_equal(w->host[0].node->rule->id, 95);
    w->host[0].disk.record.in_sync = 0; /* had it been alone */
    pair_start(w, 0);
    pair_run_world(w, 6000);
    assert_true(w->host[0].leads);
    pair_destroy(w);
}

/* Whoever leaves the set has it on its disk before anybody goes on without it. */
static void test_leaving_member_knows_first(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    w->host[1].disk_fails = true;
    pair_propose(&w->host[0], pair_shrink(&w->host[0], 1), 12);
    pair_run_world(w, 50);
    assert_int_not_equal(w->host[0].done_id, 12);
    assert_int_equal(w->host[0].disk.record.in_sync, 2);
    w->host[1].disk_fails = false;
    pair_run_world(w, 1500);
    assert_int_equal(w->host[0].done_id, 12);
    assert_int_equal(w->host[0].done_err, 0);
    assert_int_equal(w->host[1].disk.record.in_sync, 0);
    pair_destroy(w);
}

/* Its agent stands still until the lease has ended: whatever it finds then, it leads no more. */
static void test_lease_that_ended(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    uint64_t term = h->term;
    (void)state;
    h->off = true;
    pair_run_world(w, 2500);
    h->off = false;
    pair_run_world(w, 20);
    assert_true(!h->leads || h->term > term);
    pair_run_safely(w, 10000);
    assert_true(w->host[0].leads || w->host[1].leads);
    pair_destroy(w);
}

static void test_transfer(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    assert_int_equal(w->host[0].silences, 0);
    pair_node_transfer(w->host[0].node, 1);
    assert_false(w->host[0].leads);
    assert_false(w->host[0].speaks);
    assert_int_equal(w->host[0].silences, 1);
    pair_run_safely(w, 820); /* one skew time of priority 50 and the way */
    assert_true(w->host[1].leads);
    assert_true(w->host[1].speaks);
    pair_run_safely(w, 20000); /* the better one does not preempt */
    assert_true(w->host[1].leads);
    assert_int_equal(w->host[0].silences, 1);
    pair_node_stop(w->host[1].node);
    assert_int_equal(w->host[1].silences, 1);
    pair_destroy(w);
}

/* A returned node that is not fit neither waits nor speaks, whatever its priority. */
static void test_unfit_is_silent(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    pair_power_off(w, 0);
    pair_run_world(w, 5000);
    assert_true(w->host[1].leads);
    w->host[0].serves = true;
    pair_start(w, 0);
    pair_node_rank(w->host[0].node, -1);
    pair_connect_agents(w, true);
    pair_run_safely(w, 20000);
    assert_true(w->host[1].leads);
    assert_int_equal(w->host[0].node->vrrp.state, VRRP_FAULT);
    pair_destroy(w);
}

static void test_failing_disk(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    (void)state;
    h->disk_fails = true;
    pair_propose(h, pair_shrink(h, 1), 11);
    pair_run_world(w, 20);
    /* Not here; but the other one was told, and has it. */
    assert_int_equal(h->done_err, ERR_CANCELED);
    assert_int_equal(h->record.in_sync, 2);
    assert_int_equal(w->host[1].disk.record.in_sync, 0);
    pair_run_world(w, 5000);
    assert_false(h->leads);
    assert_true(w->host[1].leads);
    h->disk_fails = false;
    pair_run_safely(w, 2000);
    assert_int_equal(h->disk.term, w->host[1].term);
    pair_destroy(w);
}

/* Adverts are lost (a switch without multicast), the agents are in touch: one leads. */
static void test_lost_advertisements(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    w->adverts = false;
    pair_run_safely(w, 30000);
    assert_true(w->host[0].leads);
    assert_int_not_equal(w->host[0].lease_us, 0);
    pair_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_better_one_leads),
        cmocka_unit_test(test_host_lost),
        cmocka_unit_test(test_isolated_writer),
        cmocka_unit_test(test_nothing_from_a_silent_host_without_arbitration),
        cmocka_unit_test(test_answering_server_is_not_taken_over),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_writer_alone),
        cmocka_unit_test(test_writer_alone_without_a_witness),
        cmocka_unit_test(test_split_brain),
        cmocka_unit_test(test_returned_writer),
        cmocka_unit_test(test_leaving_member_knows_first),
        cmocka_unit_test(test_lease_that_ended),
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_unfit_is_silent),
        cmocka_unit_test(test_failing_disk),
        cmocka_unit_test(test_lost_advertisements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
