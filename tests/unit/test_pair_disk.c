/* SPDX-License-Identifier: Apache-2.0 */
/* A pair's node whose disk fails or takes its time (arbiter/pair_store.c): what the other node's
 * commits and promotions wait for, and for how long. */
#include "pair_fixture.h"

/* The next message of the other node, which has that record and that term. */
static void say(struct host *h, uint64_t term, uint64_t more, bool leads)
{
    struct pair_message *m = calloc(1, sizeof *m);
    m->term = term;
    m->leads = leads;
    m->leads_term = leads ? term : 0;
    m->nonce = h->node->peer.nonce + 1;
    m->stamp = h->node->state.stamp;
    m->stamp.seq += more;
    m->has_record = more != 0;
    m->record = h->disk.record;
    pair_node_message(h->node, m);
    free(m);
}

/* What was held back for a write that failed does not begin the next one. */
static void test_failed_write_is_tried_with_the_tick(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[1];
    (void)state;
    h->disk_waits = true;
    say(h, h->disk.term + 2, 0, false);
    assert_non_null(h->written);
    pair_end_write(h, ERR_IO);
    assert_null(h->written);
    pair_node_tick(h->node);
    assert_non_null(h->written);
    pair_end_write(h, 0);
    pair_destroy(w);
}

/* A member that cannot note that it leaves would hold the writer up for as long as its disk fails:
 * it is gone without after the time for a silent one, and does not take over afterwards. */
static void test_member_is_gone_without(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *a = &w->host[0], *b = &w->host[1];
    (void)state;
    b->disk_fails = true;
    pair_run_safely(w, 12000);
    assert_true(a->node->peer.in_touch); /* nothing waits for it */
    pair_propose(a, pair_shrink(a, 1), 7);
    pair_run_safely(w, 9000);
    assert_int_not_equal(a->done_id, 7);
    pair_run_safely(w, 3000);
    assert_true(a->done_id == 7 && a->done_err == 0 && a->leads);
    assert_int_equal(a->disk.record.in_sync, 0);
    assert_int_equal(b->disk.record.in_sync, 2);
    pair_power_off(w, 0);
    b->disk_fails = false;
    pair_run_world(w, 6000);
    assert_false(b->leads);
    assert_int_equal(b->node->rule->id, 100);
    pair_destroy(w);
}

/* The writer's host loses its disk, not its agent: who takes over need not wait for it. */
static void test_takeover_from_a_host_whose_disk_fails(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *a = &w->host[0], *b = &w->host[1];
    (void)state;
    a->disk_fails = true;
    pair_propose(a, (struct entry){.kind = ENTRY_FLAGS, .version = a->record.version, .set = 1}, 6);
    pair_run_safely(w, 5000);
    assert_true(!a->leads && b->leads);
    pair_node_barrier(b->node, 7);
    pair_run_safely(w, 3000);
    assert_true(b->done_id == 7 && b->done_err == 0);
    pair_propose(b, pair_promote(b), 8);
    pair_run_safely(w, 100);
    assert_true(b->done_id == 8 && b->done_err == 0);
    a->disk_fails = false;
    pair_run_safely(w, 2000);
    assert_int_equal(a->disk.record.writer, 1);
    assert_true(b->node->peer.in_touch && b->leads);
    pair_destroy(w);
}

/* Nobody leads in a term that is known to be over when it is written. */
static void test_election_in_an_old_term(void **state)
{
    struct world *w = pair_make_electing();
    struct host *h = &w->host[1];
    (void)state;
    say(h, h->written->term + 2, 0, false);
    pair_end_write(h, 0);
    assert_true(h->written != NULL && !h->leads && !h->speaks);
    pair_destroy(w);
}

/* A record that was held counts when its turn comes; what its message said besides is out of date
 * by then. */
static void test_held_record_is_no_news(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[1];
    uint64_t term = h->disk.term, seq = h->disk.stamp.seq;
    (void)state;
    h->disk_waits = true;
    say(h, term, 1, true);
    say(h, term, 2, true);
    say(h, term, 0, false);
    pair_end_write(h, 0);
    assert_int_equal(h->disk.stamp.seq, seq + 1);
    assert_false(h->node->peer.leads);
    pair_end_write(h, 0);
    assert_int_equal(h->disk.stamp.seq, seq + 2);
    pair_destroy(w);
}

/* The other host was started again meanwhile, and its numbers begin anew. */
static void test_held_message_of_another_connection(void **state)
{
    struct world *w = pair_make_formed("192.0.2.1");
    struct host *h = &w->host[1];
    (void)state;
    h->disk_waits = true;
    say(h, h->disk.term + 2, 0, false);
    pair_node_peer(h->node, true);
    pair_end_write(h, 0);
    assert_int_equal(h->node->peer.nonce, 0);
    assert_false(h->node->peer.known);
    pair_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_write_is_tried_with_the_tick),
        cmocka_unit_test(test_member_is_gone_without),
        cmocka_unit_test(test_takeover_from_a_host_whose_disk_fails),
        cmocka_unit_test(test_election_in_an_old_term),
        cmocka_unit_test(test_held_record_is_no_news),
        cmocka_unit_test(test_held_message_of_another_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
