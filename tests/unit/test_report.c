/* SPDX-License-Identifier: Apache-2.0 */
/* Reports, commands and replies between agents: what comes back is what went in, and what no agent
 * sends is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/err.h"
#include "wire/frame.h"
#include "wire/report.h"
#include "wire_samples.h"

#define BUF_MAX 32768

typedef void walk_fn(struct codec *c, void *value);

static void walk_report(struct codec *c, void *value)
{
    report_codec(c, value);
}

static void walk_command(struct codec *c, void *value)
{
    command_codec(c, value);
}

static void walk_reply(struct codec *c, void *value)
{
    reply_codec(c, value);
}

static size_t encode(walk_fn *walk, void *value, uint8_t *buf, size_t size)
{
    struct codec c = codec_encoder(buf, size);
    walk(&c, value);
    assert_int_equal(codec_finish(&c), 0);
    return codec_used(&c);
}

static int decode(walk_fn *walk, const uint8_t *buf, size_t len, void *value)
{
    struct codec c = codec_decoder(buf, len);
    walk(&c, value);
    return codec_finish(&c);
}

/* What reports have had appended since their first version: an older agent's ends before it. */
#define REPORT_HOST (1 + 9 * sizeof(uint32_t) + sizeof(int64_t))
#define REPORT_TAIL (sizeof(uint32_t) + REPORT_HOST)
#define REPORT_LAST sizeof(uint32_t)

static void walk_starts(struct codec *c, void *value)
{
    starts_codec(c, value);
}

/* So many bytes may be missing at its end: those of one version, of two, of three, of four. */
static bool may_lack(walk_fn *walk, void *value, size_t missing)
{
    uint8_t buf[BUF_MAX];
    size_t starts;
    if (walk != walk_report || missing < REPORT_LAST)
        return false;
    starts = encode(walk_starts, &((struct report *)value)->starts, buf, sizeof buf);
    missing -= REPORT_LAST;
    return missing == 0 || missing == starts || missing == starts + REPORT_HOST ||
           missing == starts + REPORT_TAIL;
}

/* Round trip, every truncation (from memory that ends there), one byte too many, no room. */
static void check_walk(walk_fn *walk, void *value, void *back, size_t size)
{
    uint8_t buf[BUF_MAX];
    size_t len = encode(walk, value, buf, sizeof buf);
    memset(back, 0, size);
    assert_int_equal(decode(walk, buf, len, back), 0);
    assert_memory_equal(back, value, size);
    assert_true(len < FRAME_PAYLOAD_MAX);
    for (size_t n = 0; n < len; n++) {
        uint8_t *copy = malloc(n > 0 ? n : 1);
        struct codec c;
        assert_non_null(copy);
        memcpy(copy, buf, n);
        assert_int_equal(decode(walk, copy, n, back),
                         may_lack(walk, value, len - n) ? 0 : ERR_FORMAT);
        c = codec_encoder(copy, n);
        walk(&c, value);
        assert_int_equal(codec_finish(&c), ERR_FULL);
        free(copy);
    }
    assert_int_equal(decode(walk, buf, len + 1, back), ERR_FORMAT);
}

static void test_report(void **state)
{
    struct report r, back;
    (void)state;
    sample_report(&r);
    check_walk(walk_report, &r, &back, sizeof r);
    r.leader = NODE_NONE;
    check_walk(walk_report, &r, &back, sizeof r);
}

static void test_command_and_reply(void **state)
{
    struct command m, m2;
    struct reply r, r2;
    (void)state;
    sample_command(&m);
    check_walk(walk_command, &m, &m2, sizeof m);
    m.node = NODE_NONE;
    check_walk(walk_command, &m, &m2, sizeof m);
    sample_reply(&r);
    check_walk(walk_reply, &r, &r2, sizeof r);
}

/* Texts as long as their fields. */
static void test_largest_report(void **state)
{
    struct report r, back;
    (void)state;
    sample_report(&r);
    memset(r.ineligible_why, 'w', sizeof r.ineligible_why - 1);
    memset(r.phase, 'p', sizeof r.phase - 1);
    memset(r.trouble, 't', sizeof r.trouble - 1);
    memset(r.facts.executed, 'e', sizeof r.facts.executed - 1);
    memset(r.facts.received, 'r', sizeof r.facts.received - 1);
    memset(r.facts.applied, 'a', sizeof r.facts.applied - 1);
    memset(r.facts.error, 'x', sizeof r.facts.error - 1);
    check_walk(walk_report, &r, &back, sizeof r);
}

/* ---- what no agent sends ---- */

static int report_patched(size_t at, uint8_t value)
{
    uint8_t buf[BUF_MAX];
    struct report r, back;
    size_t len;
    sample_report(&r);
    len = encode(walk_report, &r, buf, sizeof buf);
    buf[at] = value;
    return decode(walk_report, buf, len, &back);
}

static void test_hostile_report(void **state)
{
    const size_t leader = 16, version = 41, health = 48;
    (void)state;
    assert_int_equal(report_patched(leader, 1), 0);
    assert_int_equal(report_patched(leader, NODES_MAX), ERR_FORMAT);
    assert_int_equal(report_patched(leader, 0xfe), ERR_FORMAT);
    assert_int_equal(report_patched(version, AGENT_VERSION_MAX), ERR_FORMAT);
    assert_int_equal(report_patched(version + 1, 0xff), ERR_FORMAT);
    assert_int_equal(report_patched(version + 2, '\0'), ERR_FORMAT); /* a text with an end inside */
    assert_int_equal(report_patched(health, HEALTH_COUNT - 1), 0);
    assert_int_equal(report_patched(health, HEALTH_COUNT), ERR_FORMAT);
    assert_int_equal(report_patched(health + 1, ELIGIBILITY_COUNT), ERR_FORMAT);
}

/* Any one byte changed: refused, or a report that encodes to the same bytes. */
static void test_every_byte_of_a_report(void **state)
{
    static const uint8_t values[] = {0, 1, 2, 3, 7, 15, 16, 0x7f, 0x80, 0xfe, 0xff};
    uint8_t buf[BUF_MAX], again[BUF_MAX];
    struct report r, back;
    size_t len;
    (void)state;
    sample_report(&r);
    len = encode(walk_report, &r, buf, sizeof buf);
    for (size_t i = 0; i < len; i++) {
        uint8_t was = buf[i];
        for (size_t k = 0; k < sizeof values; k++) {
            buf[i] = values[k];
            memset(&back, 0, sizeof back);
            if (decode(walk_report, buf, len, &back) != 0)
                continue;
            assert_int_equal(encode(walk_report, &back, again, sizeof again), len);
            assert_memory_equal(again, buf, len);
        }
        buf[i] = was;
    }
}

static void test_hostile_command(void **state)
{
    uint8_t buf[64];
    struct command m, back;
    size_t len;
    (void)state;
    sample_command(&m);
    len = encode(walk_command, &m, buf, sizeof buf);
    assert_int_equal(len, 13);
    buf[12] = NODES_MAX + 1; /* donor */
    assert_int_equal(decode(walk_command, buf, len, &back), ERR_FORMAT);
    buf[12] = 0;
    buf[8] = NODES_MAX; /* origin: a reply would go there */
    assert_int_equal(decode(walk_command, buf, len, &back), ERR_FORMAT);
    buf[8] = NODE_NONE;
    assert_int_equal(decode(walk_command, buf, len, &back), ERR_FORMAT);
    buf[8] = 0;
    buf[9] = COMMAND_COUNT;
    assert_int_equal(decode(walk_command, buf, len, &back), ERR_FORMAT);
    buf[9] = COMMAND_PAUSE;
    buf[10] = NODES_MAX;
    assert_int_equal(decode(walk_command, buf, len, &back), ERR_FORMAT);
    buf[10] = NODE_NONE;
    buf[11] = 2;
    assert_int_equal(decode(walk_command, buf, len, &back), ERR_FORMAT);
    buf[11] = 0;
    assert_int_equal(decode(walk_command, buf, len, &back), 0);
}

static void test_hostile_reply(void **state)
{
    uint8_t buf[2048];
    struct reply r, back;
    size_t len;
    (void)state;
    sample_reply(&r);
    len = encode(walk_reply, &r, buf, sizeof buf);
    buf[8] = NODES_MAX;
    assert_int_equal(decode(walk_reply, buf, len, &back), ERR_FORMAT);
    buf[8] = 0;
    assert_int_equal(decode(walk_reply, buf, len, &back), 0);
}

/* ---- texts ---- */

static void check_texts(const char *(*text)(int), int count)
{
    for (int i = 0; i < count; i++) {
        assert_non_null(text(i));
        assert_string_not_equal(text(i), "invalid");
        for (int k = 0; k < i; k++)
            assert_string_not_equal(text(i), text(k));
    }
    assert_string_equal(text(count), "invalid");
    assert_string_equal(text(-1), "invalid");
}

static void test_texts(void **state)
{
    (void)state;
    check_texts(server_health_text, HEALTH_COUNT);
    check_texts(eligibility_text, ELIGIBILITY_COUNT);
    check_texts(command_kind_text, COMMAND_COUNT);
    assert_string_equal(server_health_text(HEALTH_DISK), "disk");
    assert_string_equal(eligibility_text(ELIGIBLE_WRITER), "writer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_command_and_reply),
        cmocka_unit_test(test_largest_report),
        cmocka_unit_test(test_hostile_report),
        cmocka_unit_test(test_every_byte_of_a_report),
        cmocka_unit_test(test_hostile_command),
        cmocka_unit_test(test_hostile_reply),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
