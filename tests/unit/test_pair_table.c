/* SPDX-License-Identifier: Apache-2.0 */
/* The vrrp arbiter's table over every set of facts, its times, stamps and terms, and its bytes. */
#include "pair_fixture.h"

/* ---- the table ---- */

static int verdict_of(uint32_t facts)
{
    return rules_decide(&pair_table, facts)->verdict;
}

static void test_table_is_safe(void **state)
{
    (void)state;
    for (uint32_t f = 0; f < 1u << pair_table.n_facts; f++) {
        int v = verdict_of(f);
        bool up = (f & PAIR_F_PEER_UP) != 0;
        bool hand = (f & PAIR_F_BY_HAND) != 0;
        bool writer = (f & PAIR_F_SELF_WRITER) != 0;
        if ((f & PAIR_F_MASTER) == 0)
            assert_int_equal(v, PAIR_FOLLOW);
        if (v != PAIR_LEAD)
            continue;
        assert_false(up && (f & PAIR_F_PEER_LEADS) != 0);
        assert_true(!up || (f & PAIR_F_CONFIRMED) != 0);
        assert_true(up || (f & PAIR_F_OTHER_LEASE) == 0);
        if (up || hand)
            continue;
        /* Nobody bears witness against an answering server, and nobody but an arbitration address
         * for a silent host. */
        assert_true((f & PAIR_F_PEER_ASKED) != 0 && (f & PAIR_F_PEER_SERVES) == 0);
        assert_true((f & PAIR_F_ARBITRATED) == 0 || (f & PAIR_F_REACHABLE) != 0);
        assert_true(writer || (f & PAIR_F_ARBITRATED) != 0);
        assert_true(writer || (f & PAIR_F_WINDOW) != 0);
        assert_true(!writer || (f & PAIR_F_SOLE) != 0);
    }
}

static void test_table_form(void **state)
{
    (void)state;
    for (unsigned i = 0; i < pair_table.n_rules; i++) {
        const struct rule *r = &pair_table.rules[i];
        bool used = false;
        assert_true(r->id % 5 == 0 && (i == 0 || r->id > pair_table.rules[i - 1].id));
        assert_true(strlen(r->text) > 0 && strlen(r->text) < HISTORY_NOTE_MAX);
        for (uint32_t f = 0; f < 1u << pair_table.n_facts && !used; f++)
            used = rules_decide(&pair_table, f) == r;
        assert_true(used);
    }
    for (unsigned i = 0; i < pair_table.n_facts; i++)
        assert_non_null(pair_table.fact_names[i]);
}

/* ---- values ---- */

static void test_stamps(void **state)
{
    const struct pair_stamp ordered[] = {{0, 0, 0}, {1, 1, 4}, {1, 1, 5}, {1, 4, 1},
                                         {2, 2, 1}, {2, 3, 0}, {5, 1, 0}};
    unsigned n = sizeof ordered / sizeof ordered[0];
    (void)state;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < n; k++) {
            int c = pair_stamp_compare(&ordered[i], &ordered[k]);
            assert_int_equal(c < 0 ? -1 : c > 0, i < k ? -1 : i > k);
        }
    }
}

static void test_terms_are_never_shared(void **state)
{
    (void)state;
    for (uint64_t seen = 0; seen < 9; seen++) {
        uint64_t first = pair_next_term(seen, false), second = pair_next_term(seen, true);
        assert_true(first > seen && second > seen && first != second);
        assert_int_equal(first % 2, 1);
        assert_int_equal(second % 2, 0);
    }
}

static void test_times(void **state)
{
    struct cluster_config *c = calloc(1, sizeof *c);
    struct pair_timing t;
    struct errmsg m = ERRMSG_INIT;
    (void)state;
    pair_make_cluster(c);
    t = pair_timing_of(c);
    /* A cut at `proof`: the last advertisement that arrived was sent up to one interval before. */
    assert_true(pair_lease_end(&t, 5000 * MS, 5000 * MS) <
                5000 * MS - t.advert_us + 3 * t.advert_us);
    assert_true(pair_lease_end(&t, 5000 * MS, INT64_MAX) < 5000 * MS + 3 * t.advert_us);
    assert_int_equal(pair_lease_end(&t, 0, INT64_MAX), 0);
    assert_int_equal(pair_lease_end(&t, 1, 0), 0);
    assert_int_equal(pair_window_end(&t, t.degrade_us, 0), 0);
    assert_true(pair_window_end(&t, t.degrade_us, 7000 * MS) < 7000 * MS + t.degrade_us);
    assert_int_equal(pair_window_end(&t, INT64_MAX, 7000 * MS), INT64_MAX);
    /* The other one's proof is at most as late as its last word. */
    assert_true(pair_lease_end(&t, 8000 * MS, 7000 * MS) <
                pair_other_lease_end(&t, true, 7000 * MS));
    assert_true(pair_lease_end(&t, 7000 * MS, INT64_MAX) <
                pair_other_lease_end(&t, false, 7000 * MS));
    assert_int_equal(pair_patience_us(c), 10000 * MS);
    assert_int_equal(pair_timing_check(c, &m), 0);
    c->policy.shrink_after_ms = 5000;
    assert_int_equal(pair_timing_check(c, &m), ERR_INVAL);
    assert_non_null(strstr(m.text, "shrink_after is 5000 ms"));
    c->policy.durability = CONFIG_DURABILITY_STRICT;
    assert_int_equal(pair_timing_check(c, &m), 0);
    assert_int_equal(pair_patience_us(c), INT64_MAX);
    assert_int_equal(pair_other(c, 0), 1);
    assert_int_equal(pair_other(c, 1), 0);
    free(c);
}

static void test_bytes(void **state)
{
    static uint8_t buf[PAIR_BYTES_MAX];
    struct pair_state *s = calloc(2, sizeof *s);
    struct pair_message *m = calloc(2, sizeof *m);
    size_t len = 0;
    (void)state;
    record_init(&s[0].record);
    s[0].term = 7;
    s[0].record.epoch = 5;
    s[0].record.writer = 1;
    s[0].stamp = (struct pair_stamp){5, 6, 7};
    assert_int_equal(pair_state_encode(&s[0], buf, sizeof buf, &len), 0);
    assert_int_equal(pair_state_decode(buf, len, &s[1]), 0);
    assert_memory_equal(&s[0], &s[1], sizeof s[0]);
    buf[len / 2] ^= 1;
    assert_int_equal(pair_state_decode(buf, len, &s[1]), ERR_FORMAT);
    buf[len / 2] ^= 1;
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(pair_state_decode(buf, cut, &s[1]), 0);
    assert_int_equal(pair_state_encode(&s[0], buf, 20, &len), ERR_FULL);
    m[0] = (struct pair_message){.term = 9, .leads = true, .leads_term = 9, .has_record = true};
    m[0].stamp = s[0].stamp;
    m[0].record = s[0].record;
    assert_int_equal(pair_message_encode(&m[0], buf, sizeof buf, &len), 0);
    assert_int_equal(pair_message_decode(buf, len, &m[1]), 0);
    assert_memory_equal(&m[0].record, &m[1].record, sizeof m[0].record);
    m[0].leads_term = 10; /* more than it has seen */
    assert_int_equal(pair_message_encode(&m[0], buf, sizeof buf, &len), 0);
    assert_int_equal(pair_message_decode(buf, len, &m[1]), ERR_FORMAT);
    /* An echo or the patience; never both, and of an older agent none of the latter. */
    for (unsigned i = 0; i < 4; i++) {
        const int64_t patience[] = {0, 1, 10000 * MS, INT64_MAX};
        m[0] = (struct pair_message){.term = 9, .echo = 77, .patience_us = patience[i]};
        assert_int_equal(pair_message_encode(&m[0], buf, sizeof buf, &len), 0);
        assert_int_equal(pair_message_decode(buf, len, &m[1]), 0);
        assert_int_equal(m[1].patience_us, patience[i]);
        assert_int_equal(m[1].echo, i == 0 ? 77 : 0);
    }
    free(s);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_safe), cmocka_unit_test(test_table_form),
        cmocka_unit_test(test_stamps),        cmocka_unit_test(test_terms_are_never_shared),
        cmocka_unit_test(test_times),         cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
