/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/frame.h"

static size_t put(uint8_t *buf, enum frame_kind kind, const char *payload, uint32_t sequence)
{
    struct frame_header h = {kind, (uint32_t)strlen(payload), sequence};
    frame_header_encode(&h, buf);
    memcpy(buf + FRAME_HEADER_SIZE, payload, h.length);
    return FRAME_HEADER_SIZE + h.length;
}

static void test_split_two(void **state)
{
    uint8_t buf[128];
    struct frame f;
    size_t need;
    size_t a = put(buf, FRAME_RAFT, "abc", 7);
    size_t b = put(buf + a, FRAME_PING, "", 8);
    (void)state;
    assert_int_equal(frame_split(buf, a + b, &f, &need), 0);
    assert_int_equal(need, 0);
    assert_int_equal(f.header.kind, FRAME_RAFT);
    assert_int_equal(f.header.sequence, 7);
    assert_int_equal(f.size, a);
    assert_memory_equal(f.payload, "abc", 3);
    assert_int_equal(frame_split(buf + a, b, &f, &need), 0);
    assert_int_equal(need, 0);
    assert_int_equal(f.header.kind, FRAME_PING);
    assert_int_equal(f.header.length, 0);
}

/* The layout is a promise to other versions: spelled out, not compared with our own encoder. */
static void test_layout(void **state)
{
    static const uint8_t want[] = {0x74, 0x64, 1, 3, 2, 0, 0, 0, 4, 3, 2, 1, 'h', 'i'};
    uint8_t buf[32];
    (void)state;
    assert_int_equal(put(buf, FRAME_REQUEST, "hi", 0x01020304), sizeof(want));
    assert_memory_equal(buf, want, sizeof(want));
}

static void test_every_prefix_is_incomplete(void **state)
{
    uint8_t buf[64];
    struct frame f;
    size_t need;
    size_t n = put(buf, FRAME_ANSWER, "0123456789", 0);
    (void)state;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(frame_split(buf, i, &f, &need), 0);
        assert_int_equal(need, i < FRAME_HEADER_SIZE ? FRAME_HEADER_SIZE : n);
    }
}

static int split_patched(size_t at, uint8_t value)
{
    uint8_t buf[64];
    struct frame f;
    size_t need;
    size_t n = put(buf, FRAME_RAFT, "0123456789", 0);
    buf[at] = value;
    return frame_split(buf, n, &f, &need);
}

static void test_refuses_bad_headers(void **state)
{
    (void)state;
    assert_int_equal(split_patched(0, 'x'), ERR_FORMAT);
    assert_int_equal(split_patched(1, 'x'), ERR_FORMAT);
    assert_int_equal(split_patched(2, 2), ERR_VERSION);
    assert_int_equal(split_patched(3, FRAME_KIND_COUNT), ERR_FORMAT);
    assert_int_equal(split_patched(3, FRAME_PING), ERR_FORMAT); /* a ping with a payload */
    assert_int_equal(split_patched(7, 0xff), ERR_FORMAT);
    assert_int_equal(split_patched(6, 0x11), ERR_FORMAT); /* just above 1 MiB */
}

static void test_bounds(void **state)
{
    uint8_t buf[FRAME_HEADER_SIZE];
    struct frame_header h = {FRAME_REPORT, FRAME_PAYLOAD_MAX, 0};
    struct frame f;
    size_t need;
    (void)state;
    frame_header_encode(&h, buf);
    assert_int_equal(frame_split(buf, sizeof(buf), &f, &need), 0);
    assert_int_equal(need, FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX);
    h = (struct frame_header){FRAME_HELLO, FRAME_HELLO_MAX, 0};
    frame_header_encode(&h, buf);
    assert_int_equal(frame_split(buf, sizeof(buf), &f, &need), 0);
    buf[4]++; /* one byte more than a hello may have */
    assert_int_equal(frame_split(buf, sizeof(buf), &f, &need), ERR_FORMAT);
}

static struct frame_hello example(void)
{
    struct frame_hello h = {.protocol = 9,
                            .verdict = 200,
                            .cluster_id = 0x1122334455667788,
                            .config_digest = UINT64_MAX,
                            .incarnation = 5,
                            .node = 15,
                            .generation = 7,
                            .joins = true,
                            .arbiter = FRAME_ARBITER_VRRP};
    memset(h.name, 'n', sizeof(h.name) - 1);
    memset(h.agent, 'v', sizeof(h.agent) - 1);
    return h;
}

static void test_hello_round_trip(void **state)
{
    struct frame_hello in = example();
    struct frame_hello out;
    /* Where the hello of an older agent ends: before the arbiter, before the generation. */
    const size_t last = sizeof(in.arbiter), tail = sizeof(in.generation) + 1 + last;
    uint8_t buf[FRAME_HELLO_MAX];
    size_t len = 0;
    (void)state;
    assert_int_equal(frame_hello_encode(&in, buf, sizeof(buf), &len), 0);
    assert_int_equal(frame_hello_decode(buf, len, &out), 0);
    assert_memory_equal(&in, &out, sizeof(in));
    /* Fields appended by a newer agent are skipped; missing bytes are not. */
    assert_int_equal(frame_hello_decode(buf, len + 7, &out), 0);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(frame_hello_decode(buf, i, &out),
                         i == len - tail || i == len - last ? 0 : ERR_FORMAT);
    /* Nor are they missing when all that was appended since is: an older agent. */
    assert_int_equal(frame_hello_decode(buf, len - last, &out), 0);
    assert_int_equal(out.generation, 7);
    assert_true(out.joins);
    assert_int_equal(out.arbiter, FRAME_ARBITER_UNKNOWN);
    assert_int_equal(frame_hello_decode(buf, len - tail, &out), 0);
    assert_memory_equal(out.agent, in.agent, sizeof(in.agent));
    assert_int_equal(out.generation, 0);
    assert_false(out.joins);
    assert_int_equal(out.arbiter, FRAME_ARBITER_UNKNOWN);
    assert_int_equal(frame_hello_encode(&in, buf, len - 1, &len), ERR_FULL);
}

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(frame_kind_name(FRAME_REPORT), "report");
    assert_string_equal(frame_kind_name(FRAME_KIND_COUNT), "unknown");
    assert_string_equal(frame_kind_name(-1), "unknown");
    for (unsigned i = 0; i < 256; i++)
        assert_true(strlen(frame_verdict_text(i)) > 0 && strlen(frame_arbiter_text(i)) > 0);
    assert_string_equal(frame_arbiter_text(FRAME_ARBITER_VRRP), "vrrp");
    assert_string_equal(frame_arbiter_text(FRAME_ARBITER_COUNT), "unknown");
    assert_true(frame_cluster_id("demo") != frame_cluster_id("demo2"));
    assert_true(frame_cluster_id("a") == 0xaf63dc4c8601ec8cu); /* FNV-1a test vector */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_two),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_every_prefix_is_incomplete),
        cmocka_unit_test(test_refuses_bad_headers),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_hello_round_trip),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
