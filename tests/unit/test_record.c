/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/record.h"

static struct incarnation run_of(uint32_t pid)
{
    struct incarnation i;
    memset(&i, 0, sizeof i); /* padding too: the tests compare memory */
    memset(i.boot_id, 7, sizeof i.boot_id);
    i.pid = pid;
    i.start_ticks = 100 + pid;
    return i;
}

static struct entry entry_of(const struct record *r, enum entry_kind kind)
{
    struct entry e;
    memset(&e, 0, sizeof e);
    e.kind = kind;
    e.version = r->version;
    return e;
}

static int promote(struct record *r, unsigned node, uint64_t epoch, bool clean, const char *seal)
{
    struct entry e = entry_of(r, ENTRY_PROMOTE);
    e.node = (uint8_t)node;
    e.epoch = epoch;
    e.flag = clean;
    (void)snprintf(e.text, sizeof e.text, "%s", seal);
    return record_apply(r, &e);
}

static int grow(struct record *r, unsigned node, uint32_t pid)
{
    struct entry e = entry_of(r, ENTRY_GROW);
    e.node = (uint8_t)node;
    e.incarnation = run_of(pid);
    return record_apply(r, &e);
}

static int shrink(struct record *r, uint32_t mask)
{
    struct entry e = entry_of(r, ENTRY_SHRINK);
    e.mask = mask;
    return record_apply(r, &e);
}

static int flags(struct record *r, unsigned node, uint32_t set, uint32_t clear, const char *why)
{
    struct entry e = entry_of(r, ENTRY_FLAGS);
    e.node = (uint8_t)node;
    e.set = set;
    e.clear = clear;
    (void)snprintf(e.text, sizeof e.text, "%s", why);
    return record_apply(r, &e);
}

static int handover(struct record *r, unsigned node, bool forced)
{
    struct entry e = entry_of(r, ENTRY_HANDOVER);
    e.node = (uint8_t)node;
    e.flag = forced;
    return record_apply(r, &e);
}

static int history(struct record *r, const char *kind)
{
    struct entry e = entry_of(r, ENTRY_HISTORY);
    (void)snprintf(e.history.kind, sizeof e.history.kind, "%s", kind);
    return record_apply(r, &e);
}

/* ---- apply ---- */

static void test_promote(void **state)
{
    struct record r;
    (void)state;
    record_init(&r);
    assert_int_equal(r.writer, NODE_NONE);
    assert_int_equal(promote(&r, 0, 5, true, "0-1-9"), 0);
    assert_int_equal(r.version, 1);
    assert_int_equal(r.writer, 0);
    assert_int_equal(r.epoch, 5);
    assert_int_equal(r.n_promotions, 1);
    assert_int_equal(r.promotions[0].old_writer, NODE_NONE);
    assert_int_equal(r.promotions[0].old_epoch, 0);
    assert_string_equal(r.promotions[0].seal, "0-1-9");
    assert_int_equal(grow(&r, 1, 11), 0);
    assert_int_equal(handover(&r, 1, true), 0);
    assert_int_equal(flags(&r, 1, NODE_QUARANTINED | NODE_SALVAGED | NODE_MAINTENANCE, 0, ""), 0);
    assert_int_equal(promote(&r, 1, 9, false, "0-1-20"), 0);
    /* The set is empty, the old writer must prove itself, the new one is what all others follow. */
    assert_int_equal(r.writer, 1);
    assert_int_equal(r.in_sync, 0);
    assert_true(incarnation_is_none(&r.member[1]));
    assert_int_equal(r.flags[0], NODE_FORMER | NODE_UNSEEN);
    assert_int_equal(r.flags[1], NODE_MAINTENANCE);
    assert_int_equal(r.flags[2], NODE_UNSEEN);
    assert_int_equal(r.handover, NODE_NONE);
    assert_false(r.handover_forced);
    assert_int_equal(r.promotions[1].old_writer, 0);
    assert_int_equal(r.promotions[1].old_epoch, 5);
    assert_int_equal(r.promotions[1].epoch, 9);
    assert_false(r.promotions[1].clean);
}

static void test_promote_of_the_writer_itself(void **state)
{
    struct record r;
    (void)state;
    record_init(&r);
    assert_int_equal(promote(&r, 2, 3, true, ""), 0);
    assert_int_equal(promote(&r, 2, 4, true, ""), 0);
    assert_int_equal(r.flags[2], 0);
    assert_int_equal(r.flags[1], 0); /* nothing was cut */
    assert_null(record_promotion_after(&r, 2));
}

static void test_promote_refused(void **state)
{
    struct record r;
    struct record before;
    (void)state;
    record_init(&r);
    assert_int_equal(promote(&r, 0, 5, true, ""), 0);
    before = r;
    assert_int_equal(promote(&r, 1, 5, true, ""), ERR_INVAL); /* an epoch is used once */
    assert_int_equal(promote(&r, 1, 4, true, ""), ERR_INVAL);
    assert_int_equal(promote(&r, NODES_MAX, 6, true, ""), ERR_INVAL);
    assert_int_equal(promote(&r, NODE_NONE, 6, true, ""), ERR_INVAL);
    assert_memory_equal(&r, &before, sizeof r);
}

static void test_grow_and_shrink(void **state)
{
    struct record r;
    struct incarnation one = run_of(11);
    (void)state;
    record_init(&r);
    assert_int_equal(grow(&r, 1, 11), ERR_INVAL); /* nobody writes yet */
    assert_int_equal(promote(&r, 0, 5, true, ""), 0);
    assert_int_equal(grow(&r, 0, 10), ERR_INVAL); /* the writer is no member of its own set */
    assert_int_equal(grow(&r, NODES_MAX, 10), ERR_INVAL);
    assert_int_equal(grow(&r, 1, 0), ERR_INVAL); /* no server */
    assert_int_equal(r.version, 1);
    assert_int_equal(grow(&r, 1, 11), 0);
    assert_int_equal(grow(&r, 15, 12), 0);
    assert_int_equal(r.in_sync, 1u << 1 | 1u << 15);
    assert_true(incarnation_equal(&r.member[1], &one));
    assert_int_equal(shrink(&r, 1u << 1 | 1u << 3), 0);
    assert_int_equal(r.in_sync, 1u << 15);
    assert_true(incarnation_is_none(&r.member[1]));
    assert_false(incarnation_is_none(&r.member[15]));
    assert_int_equal(shrink(&r, 0), 0);
    assert_int_equal(r.in_sync, 1u << 15);
    assert_int_equal(r.version, 5);
}

static void test_flags_pause_handover(void **state)
{
    struct record r;
    struct entry e;
    (void)state;
    record_init(&r);
    assert_int_equal(flags(&r, 3, NODE_QUARANTINED | NODE_FORMER, 0, "holds 0-1-7"), 0);
    assert_string_equal(r.why[3], "holds 0-1-7");
    assert_int_equal(flags(&r, 3, NODE_SALVAGED, NODE_FORMER, "kept"), 0);
    assert_int_equal(r.flags[3], NODE_QUARANTINED | NODE_SALVAGED);
    assert_int_equal(flags(&r, NODE_NONE, 1, 0, ""), ERR_INVAL);
    assert_int_equal(handover(&r, NODES_MAX, false), ERR_INVAL);
    assert_int_equal(handover(&r, 2, true), 0);
    assert_int_equal(r.handover, 2);
    assert_true(r.handover_forced);
    assert_int_equal(handover(&r, NODE_NONE, false), 0);
    assert_int_equal(r.handover, NODE_NONE);
    assert_false(r.handover_forced);
    e = entry_of(&r, ENTRY_PAUSE);
    e.flag = true;
    assert_int_equal(record_apply(&r, &e), 0);
    assert_true(r.paused);
    e = entry_of(&r, ENTRY_PAUSE);
    assert_int_equal(record_apply(&r, &e), 0);
    assert_false(r.paused);
}

static void test_long_why_is_cut(void **state)
{
    struct record r;
    struct entry e;
    (void)state;
    record_init(&r);
    e = entry_of(&r, ENTRY_FLAGS);
    memset(e.text, 'w', sizeof e.text - 1);
    assert_int_equal(record_apply(&r, &e), 0);
    assert_int_equal(strlen(r.why[0]), sizeof r.why[0] - 1);
}

/* A late entry of an older leader changes nothing, whatever it is. */
static void test_compare_and_set(void **state)
{
    struct record r;
    struct record before;
    (void)state;
    record_init(&r);
    assert_int_equal(promote(&r, 0, 5, true, ""), 0);
    assert_int_equal(grow(&r, 1, 11), 0);
    before = r;
    for (int kind = 0; kind < ENTRY_COUNT; kind++) {
        struct entry e = entry_of(&r, (enum entry_kind)kind);
        e.node = 2;
        e.epoch = 99;
        e.mask = ~0u;
        e.flag = true;
        e.incarnation = run_of(3);
        if (kind == ENTRY_HISTORY)
            continue;
        e.version = r.version - 1;
        assert_int_equal(record_apply(&r, &e), ERR_STALE);
        e.version = r.version + 1;
        assert_int_equal(record_apply(&r, &e), ERR_STALE);
        assert_memory_equal(&r, &before, sizeof r);
        e.version = r.version;
        assert_int_equal(record_apply(&before, &e), 0);
        assert_int_equal(before.version, r.version + 1);
        before = r;
    }
}

/* Never skipped, also when it is late: a node that does not understand stops. */
static void test_unknown_kind(void **state)
{
    struct record r;
    struct entry e;
    (void)state;
    record_init(&r);
    e = entry_of(&r, ENTRY_PAUSE);
    e.kind = ENTRY_COUNT;
    assert_int_equal(record_apply(&r, &e), ERR_VERSION);
    e.version = 77;
    assert_int_equal(record_apply(&r, &e), ERR_VERSION);
    e.kind = -1;
    assert_int_equal(record_apply(&r, &e), ERR_VERSION);
    assert_int_equal(r.version, 0);
    assert_string_equal(entry_kind_text(ENTRY_COUNT), "unknown");
    assert_string_equal(entry_kind_text(-1), "unknown");
    assert_string_equal(entry_kind_text(ENTRY_PROMOTE), "promote");
    assert_string_equal(entry_kind_text(ENTRY_HISTORY), "history");
}

static void test_histories_ring(void **state)
{
    struct record r;
    char name[HISTORY_NAME_MAX];
    (void)state;
    record_init(&r);
    for (unsigned i = 0; i < HISTORIES_MAX + 3; i++) {
        (void)snprintf(name, sizeof name, "h%u", i);
        assert_int_equal(history(&r, name), 0);
    }
    assert_int_equal(r.version, 0); /* a history is no decision */
    assert_int_equal(r.n_histories, HISTORIES_MAX);
    assert_string_equal(r.histories[0].kind, "h3");
    (void)snprintf(name, sizeof name, "h%u", HISTORIES_MAX + 2);
    assert_string_equal(r.histories[HISTORIES_MAX - 1].kind, name);
}

static void test_promotions_ring(void **state)
{
    struct record r;
    unsigned n = PROMOTIONS_MAX + 5;
    (void)state;
    record_init(&r);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(promote(&r, i % NODES_MAX, 10 + i, true, ""), 0);
    assert_int_equal(r.n_promotions, PROMOTIONS_MAX);
    assert_int_equal(r.promotions[0].epoch, 10 + n - PROMOTIONS_MAX);
    assert_int_equal(r.promotions[PROMOTIONS_MAX - 1].epoch, 10 + n - 1);
    /* What fell off is not known any more: nothing may be cut by it. */
    assert_null(record_promotion_after(&r, 0));
    assert_non_null(record_promotion_after(&r, n - 2));
}

/* A node that was away while the others took turns is rewound by the promotion that ended its
 * epoch, however long ago; what came between and was not clean is not forgotten with it. */
static void test_promotion_that_is_needed_stays(void **state)
{
    struct record r;
    const struct promotion *p;
    (void)state;
    record_init(&r);
    assert_int_equal(promote(&r, 0, 1, true, ""), 0);
    assert_int_equal(promote(&r, 1, 2, true, "seal of 0"), 0);
    for (unsigned i = 0; i < 3 * PROMOTIONS_MAX; i++) {
        unsigned node = 2 - i % 2;
        assert_int_equal(promote(&r, node, 3 + i, true, ""), 0);
    }
    assert_int_equal(r.n_promotions, PROMOTIONS_MAX);
    p = record_promotion_after(&r, 0);
    assert_non_null(p);
    assert_string_equal(p->seal, "seal of 0");
    assert_true(record_clean_since(&r, p));
    assert_int_equal(promote(&r, 2, 100, false, ""), 0);
    for (unsigned i = 0; i < 3 * PROMOTIONS_MAX; i++)
        assert_int_equal(promote(&r, 1 + i % 2, 101 + i, true, ""), 0);
    p = record_promotion_after(&r, 0);
    assert_non_null(p);
    assert_false(record_clean_since(&r, p));
}

static void test_promotion_that_ended_an_epoch(void **state)
{
    struct record r;
    const struct promotion *p;
    (void)state;
    record_init(&r);
    assert_null(record_promotion_after(&r, 0));
    assert_int_equal(promote(&r, 0, 1, true, "s1"), 0);
    assert_int_equal(promote(&r, 1, 2, true, "s2"), 0);
    assert_int_equal(promote(&r, 0, 3, false, "s3"), 0);
    assert_int_equal(promote(&r, 0, 4, true, "s4"), 0);
    assert_int_equal(promote(&r, 2, 5, true, "s5"), 0);
    /* The newest one counts: an older seal would cut what was written since. */
    p = record_promotion_after(&r, 0);
    assert_non_null(p);
    assert_string_equal(p->seal, "s5");
    assert_int_equal(p->old_epoch, 4);
    assert_true(record_clean_since(&r, p));
    p = record_promotion_after(&r, 1);
    assert_non_null(p);
    assert_string_equal(p->seal, "s3");
    assert_false(record_clean_since(&r, p));
    assert_false(record_clean_since(&r, &r.promotions[0]));
    assert_null(record_promotion_after(&r, 2));
}

/* The first promotion has no writer before it: NODE_NONE must not look like one. */
static void test_chain_is_clean_to_the_end(void **state)
{
    struct record r;
    (void)state;
    record_init(&r);
    for (unsigned i = 0; i < PROMOTIONS_MAX; i++)
        assert_int_equal(promote(&r, i % 2, 1 + i, i != 4, ""), 0);
    for (unsigned i = 0; i < PROMOTIONS_MAX; i++)
        assert_int_equal(record_clean_since(&r, &r.promotions[i]), i > 4);
}

/* ---- bytes ---- */

static void fill(char *text, size_t size, char c)
{
    memset(text, c, size - 1);
    text[size - 1] = '\0';
}

static struct history full_history(void)
{
    struct history h;
    memset(&h, 0, sizeof h);
    fill(h.kind, sizeof h.kind, 'k');
    fill(h.outcome, sizeof h.outcome, 'o');
    fill(h.table, sizeof h.table, 't');
    fill(h.why, sizeof h.why, 'w');
    h.term = UINT64_MAX;
    h.wall_ms = INT64_MIN;
    h.took_us = UINT32_MAX;
    h.from = NODE_NONE;
    h.to = NODES_MAX - 1;
    h.rule = UINT16_MAX;
    h.n_steps = HISTORY_STEPS_MAX;
    for (unsigned i = 0; i < h.n_steps; i++) {
        h.steps[i].at_us = i;
        h.steps[i].took_us = UINT32_MAX - i;
        h.steps[i].node = (uint8_t)(i % NODES_MAX);
        fill(h.steps[i].name, sizeof h.steps[i].name, 'n');
        fill(h.steps[i].note, sizeof h.steps[i].note, 'm');
    }
    return h;
}

static struct entry full_entry(int kind)
{
    struct entry e;
    memset(&e, 0, sizeof e);
    e.kind = kind;
    e.version = UINT64_MAX;
    e.node = NODES_MAX - 1;
    e.epoch = 1ULL << 63;
    e.flag = true;
    e.mask = 0xffff;
    e.set = 0x12345678;
    e.clear = 0x9abcdef0;
    e.incarnation = run_of(UINT32_MAX - 200);
    fill(e.text, sizeof e.text, 's');
    if (kind == ENTRY_HISTORY)
        e.history = full_history();
    return e;
}

static void full_record(struct record *r)
{
    memset(r, 0, sizeof *r);
    r->version = UINT64_MAX;
    r->writer = 0;
    r->epoch = UINT64_MAX;
    r->in_sync = 0xfffe;
    r->paused = true;
    r->handover = 3;
    r->handover_forced = true;
    for (unsigned i = 0; i < NODES_MAX; i++) {
        r->member[i] = run_of(i + 1);
        r->flags[i] = UINT32_MAX;
        fill(r->why[i], sizeof r->why[i], 'y');
    }
    r->n_promotions = PROMOTIONS_MAX;
    for (unsigned i = 0; i < PROMOTIONS_MAX; i++) {
        r->promotions[i].epoch = i + 2;
        r->promotions[i].old_epoch = i + 1;
        r->promotions[i].writer = 1;
        r->promotions[i].old_writer = NODE_NONE;
        r->promotions[i].clean = true;
        fill(r->promotions[i].seal, sizeof r->promotions[i].seal, 'g');
    }
    r->n_histories = HISTORIES_MAX;
    for (unsigned i = 0; i < HISTORIES_MAX; i++)
        r->histories[i] = full_history();
}

/* The largest of each kind fits the bound that the log and the snapshots are made for. */
static void test_entry_round_trip(void **state)
{
    uint8_t buf[ENTRY_BYTES_MAX];
    struct entry back;
    size_t len = 0;
    (void)state;
    for (int kind = 0; kind < ENTRY_COUNT; kind++) {
        const struct entry e = full_entry(kind);
        assert_int_equal(entry_encode(&e, buf, sizeof buf, &len), 0);
        memset(&back, 0xaa, sizeof back);
        assert_int_equal(entry_decode(buf, len, &back), 0);
        assert_memory_equal(&back, &e, sizeof e);
    }
    assert_true(len > ENTRY_BYTES_MAX / 2); /* the last one is the history: the bound is no guess */
}

static void test_record_round_trip(void **state)
{
    static uint8_t buf[RECORD_BYTES_MAX];
    struct record r;
    struct record back;
    size_t len = 0;
    (void)state;
    full_record(&r);
    assert_int_equal(record_encode(&r, buf, sizeof buf, &len), 0);
    memset(&back, 0xaa, sizeof back);
    assert_int_equal(record_decode(buf, len, &back), 0);
    assert_memory_equal(&back, &r, sizeof r);
    record_init(&r);
    assert_int_equal(record_encode(&r, buf, sizeof buf, &len), 0);
    assert_int_equal(record_decode(buf, len, &back), 0);
    assert_memory_equal(&back, &r, sizeof r);
}

/* Encoding reads only: these lie in read-only memory. */
static void test_encoding_does_not_write(void **state)
{
    static const struct entry e = {.kind = ENTRY_HISTORY, .history = {.kind = "takeover"}};
    static const struct record r = {.writer = NODE_NONE, .handover = NODE_NONE};
    static uint8_t buf[RECORD_BYTES_MAX];
    size_t len;
    (void)state;
    assert_int_equal(entry_encode(&e, buf, sizeof buf, &len), 0);
    assert_int_equal(record_encode(&r, buf, sizeof buf, &len), 0);
}

static void test_no_room(void **state)
{
    uint8_t buf[ENTRY_BYTES_MAX];
    struct entry e = full_entry(ENTRY_HISTORY);
    size_t len = 0;
    size_t none = 12345;
    (void)state;
    assert_int_equal(entry_encode(&e, buf, sizeof buf, &len), 0);
    for (size_t n = 0; n < len; n++)
        assert_int_equal(entry_encode(&e, buf, n, &none), ERR_FULL);
    assert_int_equal(none, 12345);
    e.kind = ENTRY_COUNT;
    assert_int_equal(entry_encode(&e, buf, sizeof buf, &none), ERR_VERSION);
    e.kind = 256 + ENTRY_PAUSE;
    assert_int_equal(entry_encode(&e, buf, sizeof buf, &none), ERR_VERSION);
}

/* Exact copies of the prefix, so that a sanitizer sees a read behind it. */
static void *copy_of(const uint8_t *bytes, size_t n)
{
    void *p = malloc(n > 0 ? n : 1);
    assert_non_null(p);
    memcpy(p, bytes, n);
    return p;
}

static void test_every_truncation_is_refused(void **state)
{
    static uint8_t buf[RECORD_BYTES_MAX];
    struct entry e = full_entry(ENTRY_HISTORY);
    struct entry got;
    struct record r;
    struct record back;
    size_t len = 0;
    (void)state;
    memset(&got, 0x5a, sizeof got);
    assert_int_equal(entry_encode(&e, buf, sizeof buf, &len), 0);
    for (size_t n = 0; n < len; n++) {
        void *p = copy_of(buf, n);
        assert_int_equal(entry_decode(p, n, &got), ERR_FORMAT);
        free(p);
    }
    assert_int_equal(entry_decode(buf, len + 1, &got), ERR_FORMAT);
    assert_int_equal(got.node, 0x5a); /* written on success only */
    full_record(&r);
    memset(&back, 0x5a, sizeof back);
    assert_int_equal(record_encode(&r, buf, sizeof buf, &len), 0);
    for (size_t n = 0; n < len; n += n < 256 || n > len - 256 ? 1 : 61) {
        void *p = copy_of(buf, n);
        assert_int_equal(record_decode(p, n, &back), ERR_FORMAT);
        free(p);
    }
    assert_int_equal(record_decode(buf, len + 1, &back), ERR_FORMAT);
    assert_int_equal(back.writer, 0x5a);
}

static void test_unknown_formats(void **state)
{
    static uint8_t buf[RECORD_BYTES_MAX];
    struct entry e = full_entry(ENTRY_PAUSE);
    struct record r;
    size_t len = 0;
    (void)state;
    assert_int_equal(entry_encode(&e, buf, sizeof buf, &len), 0);
    assert_int_equal(buf[0], RECORD_FORMAT);
    buf[0] = RECORD_FORMAT + 1;
    assert_int_equal(entry_decode(buf, len, &e), ERR_VERSION);
    buf[0] = RECORD_FORMAT;
    buf[1] = ENTRY_COUNT;
    assert_int_equal(entry_decode(buf, len, &e), ERR_VERSION);
    buf[1] = 0xff;
    assert_int_equal(entry_decode(buf, len, &e), ERR_VERSION);
    record_init(&r);
    assert_int_equal(record_encode(&r, buf, sizeof buf, &len), 0);
    buf[0] = 0;
    assert_int_equal(record_decode(buf, len, &r), ERR_VERSION);
}

/* ---- hostile values: what the encoder writes without a look, the decoder must refuse ---- */

static int entry_again(const struct entry *e)
{
    uint8_t buf[ENTRY_BYTES_MAX];
    struct entry back;
    size_t len = 0;
    assert_int_equal(entry_encode(e, buf, sizeof buf, &len), 0);
    return entry_decode(buf, len, &back);
}

static int record_again(const struct record *r)
{
    static uint8_t buf[RECORD_BYTES_MAX];
    struct record back;
    size_t len = 0;
    assert_int_equal(record_encode(r, buf, sizeof buf, &len), 0);
    return record_decode(buf, len, &back);
}

static void test_hostile_entries(void **state)
{
    struct entry e;
    (void)state;
    for (int kind = 0; kind < ENTRY_COUNT; kind++) {
        bool named = kind == ENTRY_PROMOTE || kind == ENTRY_GROW || kind == ENTRY_FLAGS;
        e = full_entry(kind);
        e.node = NODE_NONE;
        assert_int_equal(entry_again(&e), named ? ERR_FORMAT : 0);
        e.node = NODES_MAX;
        assert_int_equal(entry_again(&e), ERR_FORMAT);
        e.node = 0xfe;
        assert_int_equal(entry_again(&e), ERR_FORMAT);
        e = full_entry(kind);
        e.mask = 1u << NODES_MAX;
        assert_int_equal(entry_again(&e), ERR_FORMAT);
    }
    e = full_entry(ENTRY_HISTORY);
    e.history.from = NODES_MAX;
    assert_int_equal(entry_again(&e), ERR_FORMAT);
    e = full_entry(ENTRY_HISTORY);
    e.history.to = NODES_MAX;
    assert_int_equal(entry_again(&e), ERR_FORMAT);
    e = full_entry(ENTRY_HISTORY);
    e.history.steps[HISTORY_STEPS_MAX - 1].node = NODES_MAX;
    assert_int_equal(entry_again(&e), ERR_FORMAT);
}

static void test_hostile_numbers_of_a_record(void **state)
{
    struct record r;
    (void)state;
    full_record(&r);
    r.writer = NODES_MAX;
    assert_int_equal(record_again(&r), ERR_FORMAT);
    full_record(&r);
    r.handover = NODES_MAX;
    assert_int_equal(record_again(&r), ERR_FORMAT);
    full_record(&r);
    r.promotions[0].writer = NODE_NONE;
    assert_int_equal(record_again(&r), ERR_FORMAT);
    full_record(&r);
    r.promotions[PROMOTIONS_MAX - 1].old_writer = NODES_MAX;
    assert_int_equal(record_again(&r), ERR_FORMAT);
    full_record(&r);
    r.histories[HISTORIES_MAX - 1].steps[3].node = 0xfe;
    assert_int_equal(record_again(&r), ERR_FORMAT);
}

static void test_hostile_sets_of_a_record(void **state)
{
    struct record r;
    (void)state;
    full_record(&r);
    r.in_sync |= 1u << NODES_MAX;
    assert_int_equal(record_again(&r), ERR_FORMAT);
    full_record(&r);
    r.in_sync |= 1u << r.writer; /* the writer would wait for itself */
    assert_int_equal(record_again(&r), ERR_FORMAT);
    full_record(&r);
    r.writer = NODE_NONE;
    assert_int_equal(record_again(&r), ERR_FORMAT);
    full_record(&r);
    memset(&r.member[4], 0, sizeof r.member[4]); /* a member without a server */
    assert_int_equal(record_again(&r), ERR_FORMAT);
    full_record(&r);
    assert_int_equal(record_again(&r), 0);
}

/* Counts larger than the arrays, put into the bytes. */
static void test_hostile_counts(void **state)
{
    static uint8_t buf[RECORD_BYTES_MAX];
    struct record r;
    struct record back;
    struct entry e = full_entry(ENTRY_HISTORY);
    struct entry got;
    size_t len = 0;
    size_t empty = 0;
    (void)state;
    record_init(&r);
    assert_int_equal(record_encode(&r, buf, sizeof buf, &len), 0);
    for (size_t back_to = 2; back_to <= 4; back_to += 2) { /* n_histories, n_promotions */
        buf[len - back_to] = back_to == 2 ? HISTORIES_MAX + 1 : PROMOTIONS_MAX + 1;
        assert_int_equal(record_decode(buf, len, &back), ERR_FORMAT);
        buf[len - back_to] = 0;
        buf[len - back_to + 1] = 0xff;
        assert_int_equal(record_decode(buf, len, &back), ERR_FORMAT);
        buf[len - back_to + 1] = 0;
    }
    e.history.n_steps = 0;
    assert_int_equal(entry_encode(&e, buf, sizeof buf, &empty), 0);
    buf[empty - 2] = HISTORY_STEPS_MAX + 1;
    assert_int_equal(entry_decode(buf, empty, &got), ERR_FORMAT);
}

/* Any single byte changed: refused, or it still says what is possible. */
static void test_every_byte_changed(void **state)
{
    static uint8_t buf[ENTRY_BYTES_MAX];
    static uint8_t again[ENTRY_BYTES_MAX];
    struct entry e = full_entry(ENTRY_HISTORY);
    struct entry got;
    size_t len = 0;
    size_t used = 0;
    (void)state;
    e.text[8] = '\0';
    e.history.n_steps = 2;
    assert_int_equal(entry_encode(&e, buf, sizeof buf, &len), 0);
    for (size_t i = 0; i < len; i++) {
        uint8_t was = buf[i];
        for (unsigned v = 0; v < 256; v++) {
            buf[i] = (uint8_t)v;
            if (entry_decode(buf, len, &got) != 0)
                continue;
            assert_int_equal(entry_encode(&got, again, sizeof again, &used), 0);
            assert_int_equal(used, len);
            assert_memory_equal(again, buf, len);
        }
        buf[i] = was;
    }
}

static void test_times_of_histories(void **state)
{
    (void)state;
    assert_int_equal(history_us(-5), 0);
    assert_int_equal(history_us(0), 0);
    assert_int_equal(history_us(412300), 412300);
    assert_int_equal(history_us((int64_t)UINT32_MAX - 1), UINT32_MAX - 1);
    assert_int_equal(history_us(UINT32_MAX), UINT32_MAX);
    /* An hour more than fits would else be shown as that hour. */
    assert_int_equal(history_us((int64_t)UINT32_MAX + 3600000000), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_of_histories),
        cmocka_unit_test(test_promote),
        cmocka_unit_test(test_promote_of_the_writer_itself),
        cmocka_unit_test(test_promote_refused),
        cmocka_unit_test(test_grow_and_shrink),
        cmocka_unit_test(test_flags_pause_handover),
        cmocka_unit_test(test_long_why_is_cut),
        cmocka_unit_test(test_compare_and_set),
        cmocka_unit_test(test_unknown_kind),
        cmocka_unit_test(test_histories_ring),
        cmocka_unit_test(test_promotions_ring),
        cmocka_unit_test(test_promotion_that_is_needed_stays),
        cmocka_unit_test(test_promotion_that_ended_an_epoch),
        cmocka_unit_test(test_chain_is_clean_to_the_end),
        cmocka_unit_test(test_entry_round_trip),
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_encoding_does_not_write),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_unknown_formats),
        cmocka_unit_test(test_hostile_entries),
        cmocka_unit_test(test_hostile_numbers_of_a_record),
        cmocka_unit_test(test_hostile_sets_of_a_record),
        cmocka_unit_test(test_hostile_counts),
        cmocka_unit_test(test_every_byte_changed),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
