/* SPDX-License-Identifier: Apache-2.0 */
/* The vrrp arbiter: what is no proof. Orders, old records, one silent channel, third speakers. */
#include "pair_fixture.h"

/* An order bridges what cannot be proven until the first proof, not for the rest of the term. */
static void test_order_ends_with_a_proof(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    (void)state;
    pair_power_off(w, 0);
    pair_power_off(w, 1);
    pair_start(w, 0);
    h->serves = true;
    h->arbitration = false;
    pair_run_world(w, 6000);
    assert_false(h->leads);
    pair_node_by_hand(h->node);
    pair_run_world(w, 6000);
    assert_true(h->leads && h->lease_us > w->now_us); /* nobody answers, and it leads */
    pair_start(w, 1);
    w->host[1].serves = true;
    h->arbitration = true;
    pair_connect_agents(w, true);
    pair_run_safely(w, 60000);
    assert_true(h->leads);
    w->adverts = h->arbitration = h->serves = false;
    pair_connect_agents(w, false);
    pair_drop_frames(w);
    pair_run_safely(w, 30000);
    assert_false(h->leads);
    assert_true(w->host[1].leads);
    pair_destroy(w);
}

/* Beyond the window the record of a member proves nothing, whoever orders it to lead. */
static void test_order_beyond_the_window(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[1];
    (void)state;
    pair_power_off(w, 0);
    w->host[0].serves = true;
    pair_run_world(w, 6000);
    assert_int_equal(h->node->rule->id, 80);
    pair_node_by_hand(h->node);
    pair_run_world(w, 10);
    assert_true(h->leads && !h->doubt); /* within it the record does */
    pair_destroy(w);
    w = pair_make_formed("192.0.2.1");
    h = &w->host[1];
    h->arbitration = false;
    pair_power_off(w, 0);
    pair_run_world(w, 12000);
    pair_node_by_hand(h->node);
    pair_run_world(w, 5000);
    assert_true(h->leads && h->doubt);
    h->arbitration = true;
    pair_run_world(w, 20000);
    assert_true(h->leads && h->doubt);
    /* The other one comes back, and has no better record. */
    pair_start(w, 0);
    pair_connect_agents(w, true);
    pair_run_world(w, 1000);
    assert_true(h->leads && !h->doubt);
    pair_destroy(w);
}

/* By its own record it is the last writer. A member may have been promoted since; who was no member
 * cannot have been. */
static void test_order_to_a_last_writer(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    uint64_t term = w->host[1].disk.term;
    (void)state;
    pair_power_off(w, 0);
    pair_power_off(w, 1);
    pair_start(w, 0);
    pair_run_world(w, 6000);
    assert_int_equal(h->node->rule->id, 95);
    pair_node_by_hand(h->node);
    pair_run_world(w, 10);
    assert_true(h->leads && h->doubt);
    /* Terms that the other one may have led unseen are behind it. */
    assert_true(h->term > term + 1000);
    pair_start(w, 1);
    pair_connect_agents(w, true);
    pair_run_world(w, 1000);
    assert_true(h->leads && !h->doubt);
    pair_destroy(w);
    w = pair_make_formed("192.0.2.1");
    h = &w->host[0];
    pair_power_off(w, 1);
    pair_run_world(w, 12000);
    pair_propose(h, pair_shrink(h, 1), 7);
    pair_run_world(w, 10);
    pair_power_off(w, 0);
    pair_start(w, 0);
    h->arbitration = false;
    pair_node_by_hand(h->node);
    pair_run_world(w, 6000);
    assert_true(h->leads && !h->doubt);
    pair_destroy(w);
}

/* What follows from a write waits for its end; what keeps the lease does not. */
static void test_write_that_takes_its_time(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *a = &w->host[0], *b = &w->host[1];
    uint64_t version = a->disk.record.version;
    (void)state;
    a->disk_waits = true;
    pair_propose(a, pair_shrink(a, 1), 7);
    pair_run_safely(w, 200); /* m2, which leaves, has it first */
    assert_non_null(a->written);
    assert_int_equal(b->disk.record.in_sync, 0);
    pair_run_safely(w, 8000);
    assert_true(a->leads && a->lease_us > w->now_us);
    assert_int_equal(a->record.version, version);
    assert_int_not_equal(a->done_id, 7);
    pair_end_write(a, 0);
    pair_run_safely(w, 10);
    assert_int_equal(a->record.version, version + 1);
    assert_true(a->done_id == 7 && a->done_err == 0);
    /* The end of the term in the middle of a write: the outcome is not known, and is told as a
     * whole if it came true. */
    pair_propose(a, (struct entry){.kind = ENTRY_FLAGS, .version = version + 1, .set = 1}, 8);
    assert_non_null(a->written);
    pair_node_transfer(a->node, 1);
    assert_true(!a->leads && a->done_id == 8 && a->done_err == ERR_CANCELED);
    assert_int_equal(a->record.version, version + 1);
    pair_end_write(a, 0);
    assert_int_equal(a->record.version, version + 2);
    pair_destroy(w);
}

/* Nobody leads in a term that is not on the disk yet, and a Master that does not lead is silent. */
static void test_election_waits_for_the_disk(void **state)
{
    struct world *w = pair_make_electing();
    struct host *h = &w->host[1];
    (void)state;
    assert_int_equal(h->node->vrrp.state, VRRP_MASTER);
    assert_true(!h->leads && !h->speaks && h->lease_us == 0);
    pair_end_write(h, 0);
    assert_true(h->leads && h->speaks && h->lease_us > w->now_us);
    pair_destroy(w);
}

/* A higher term ends the own one before it is durable; the message counts when it is. A disk that
 * ends no write at all has failed. */
static void test_higher_term_is_being_written(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *a = &w->host[0];
    struct pair_message *m = calloc(1, sizeof *m);
    (void)state;
    a->disk_waits = true;
    *m = (struct pair_message){
        .term = a->term + 1, .stamp = a->node->peer.stamp, .nonce = a->node->peer.nonce + 1};
    pair_node_message(a->node, m);
    assert_non_null(a->written);
    assert_true(!a->leads && a->lease_us == 0);
    assert_int_not_equal(a->node->peer.nonce, m->nonce);
    pair_end_write(a, 0);
    assert_true(a->node->peer.nonce >= m->nonce);
    pair_end_write(a, 0); /* the term in which it leads next */
    pair_run_safely(w, 10);
    assert_true(a->leads);
    m->term = a->term + 1;
    m->nonce = w->now_us * 2;
    pair_node_message(a->node, m);
    pair_run_safely(w, 11000);
    assert_string_equal(a->trouble, "the record cannot be written to the disk");
    free(m);
    pair_destroy(w);
}

/* A change of durability is rolled out: the writer is less patient than the member's file says. */
static void test_least_patience_counts(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    w->cluster.policy.durability = CONFIG_DURABILITY_STRICT;
    pair_start(w, 1);
    pair_connect_agents(w, true);
    pair_run_safely(w, 3000);
    assert_int_equal(w->host[1].node->patience_us, INT64_MAX);
    assert_int_equal(w->host[1].node->said_patience_us, 10000 * MS);
    assert_int_equal(w->host[0].node->said_patience_us, INT64_MAX);
    pair_check_window_is_over(w);
    pair_destroy(w);
}

/* No advertisement is heard, so m2 has been a Master that waits for long: m1's lease still ends
 * first. */
static void test_isolated_writer_that_is_not_heard(void **state)
{
    (void)state;
    for (int64_t shift = 0; shift < 4000; shift += 173) {
        struct world *w = pair_make_formed("192.0.2.1");
        w->adverts = false;
        pair_run_safely(w, 8000 + shift);
        assert_non_null(strstr(w->host[1].trouble, "its advertisements are not heard"));
        w->host[0].arbitration = false;
        pair_connect_agents(w, false);
        pair_drop_frames(w);
        w->host[0].serves = false;
        pair_run_safely(w, 9000);
        assert_true(w->host[1].leads);
        pair_destroy(w);
    }
}

/* Its advertisements do not leave: it gives the other one way, and says why. */
static void test_mute_leader_gives_up(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    w->host[0].mute = true;
    pair_run_safely(w, 9000);
    assert_true(w->host[1].leads);
    assert_non_null(strstr(w->host[0].trouble, "cannot advertise: not permitted"));
    pair_destroy(w);
    w = pair_make("192.0.2.1");
    w->host[0].mute = true;
    pair_connect_agents(w, true);
    pair_run_safely(w, 15000);
    assert_true(w->host[1].leads && w->host[1].lease_us > w->now_us);
    w->host[0].mute = false;
    pair_run_safely(w, 40000);
    assert_string_equal(w->host[0].trouble, "");
    pair_destroy(w);
}

/* While the agents are in touch a third one neither deposes nor wakes anybody. */
static void test_third_speaker(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    const struct vrrp_address third = {{192, 0, 2, 99}};
    uint64_t term = w->host[0].term;
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        pair_run_safely(w, 100);
        for (unsigned k = 0; k < NODES; k++)
            pair_node_advert(w->host[k].node, 0, i % 2 == 0 ? 254 : VRRP_PRIORITY_RELEASE, 100,
                             &third);
    }
    assert_true(w->host[0].leads && w->host[0].term == term);
    for (unsigned k = 0; k < NODES; k++)
        assert_non_null(strstr(w->host[k].trouble, "192.0.2.99 advertises with priority"));
    pair_run_safely(w, 31000);
    assert_string_equal(w->host[0].trouble, "");
    /* Alone with it a node gives way: it may be the other one, of which nothing is known. */
    pair_connect_agents(w, false);
    w->adverts = false;
    pair_drop_frames(w);
    pair_node_advert(w->host[0].node, 0, 254, 100, &third);
    assert_false(w->host[0].leads);
    pair_destroy(w);
}

/* m1 went on alone; m2, which knows nothing of it, led in a later term and changed a flag. */
static void test_dropped_member_stays_dropped(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *a = &w->host[0], *b = &w->host[1];
    (void)state;
    pair_power_off(w, 1);
    pair_run_world(w, 12000);
    pair_propose(a, pair_shrink(a, 1), 7);
    pair_run_world(w, 10);
    assert_int_equal(a->disk.record.in_sync, 0);
    pair_power_off(w, 0);
    pair_start(w, 1);
    b->record = b->disk.record;
    pair_run_world(w, 6000);
    pair_node_by_hand(b->node);
    pair_run_world(w, 10);
    assert_true(b->leads && b->doubt);
    for (unsigned i = 0; i < 5; i++)
        pair_propose(b, (struct entry){.kind = ENTRY_FLAGS, .version = b->record.version, .set = 1},
                     30);
    pair_run_world(w, 10);
    assert_true(pair_stamp_compare(&b->disk.stamp, &a->disk.stamp) > 0);
    pair_start(w, 0);
    pair_connect_agents(w, true);
    pair_run_safely(w, 300);
    assert_int_equal(a->disk.record.in_sync, 0);
    assert_memory_equal(&a->disk.record, &b->disk.record, sizeof a->disk.record);
    assert_int_equal(pair_stamp_compare(&a->disk.stamp, &b->disk.stamp), 0);
    assert_true(b->disk.record.flags[0] != 0 ||
                b->disk.record.version > 5); /* nothing else is lost */
    pair_destroy(w);
}

/* That a server greets is an error of this host there: it is tried only when it matters. */
static void test_server_is_tried_when_it_matters(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    (void)state;
    pair_run_world(w, 5000);
    pair_connect_agents(w, false); /* advertisements arrive */
    for (unsigned i = 0; i < 5000; i++) {
        pair_run_world(w, 1);
        assert_false(pair_node_wants_server(w->host[1].node));
    }
    w->adverts = false;
    pair_run_world(w, 2200);
    assert_true(pair_node_wants_server(w->host[1].node));
    pair_node_rank(w->host[1].node, -1);
    pair_run_world(w, 20);
    assert_int_equal(w->host[1].node->vrrp.state, VRRP_FAULT);
    assert_false(pair_node_wants_server(w->host[1].node));
    pair_destroy(w);
}

/* m2 is out of reach for a while, and m1, which an arbitration address has answered all the time,
 * is lost when m2 is back: m2 waits for the end of m1's lease, not only for advertisements. */
static void test_out_of_reach_is_no_silence(void **state)
{
    (void)state;
    for (int64_t shift = 0; shift < 1000; shift += 83) {
        struct world *w = pair_make_formed("192.0.2.1");
        int64_t lease_us;
        pair_run_safely(w, shift);
        w->adverts = w->host[1].arbitration = w->host[0].serves = false;
        pair_connect_agents(w, false);
        pair_drop_frames(w);
        pair_run_safely(w, 1500);
        w->host[1].arbitration = true;
        lease_us = w->host[0].lease_us;
        assert_true(w->host[0].leads && lease_us > w->now_us);
        pair_power_off(w, 0);
        while (!w->host[1].leads && w->now_us < lease_us + 3000 * MS)
            pair_run_world(w, 1);
        assert_true(w->host[1].leads);
        assert_true(w->now_us > lease_us);
        assert_true(w->now_us < lease_us + 3000 * MS);
        pair_destroy(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_ends_with_a_proof),
        cmocka_unit_test(test_order_beyond_the_window),
        cmocka_unit_test(test_order_to_a_last_writer),
        cmocka_unit_test(test_write_that_takes_its_time),
        cmocka_unit_test(test_election_waits_for_the_disk),
        cmocka_unit_test(test_higher_term_is_being_written),
        cmocka_unit_test(test_least_patience_counts),
        cmocka_unit_test(test_isolated_writer_that_is_not_heard),
        cmocka_unit_test(test_mute_leader_gives_up),
        cmocka_unit_test(test_third_speaker),
        cmocka_unit_test(test_dropped_member_stays_dropped),
        cmocka_unit_test(test_server_is_tried_when_it_matters),
        cmocka_unit_test(test_out_of_reach_is_no_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
