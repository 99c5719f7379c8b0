/* SPDX-License-Identifier: Apache-2.0 */
/* Copies as values: lines of the copying process, positions, and what a MariaDB server made from
 * one has to count as its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/err.h"
#include "wire/clone.h"

static void test_lines(void **state)
{
    struct clone_report r;
    (void)state;
    clone_report_init(&r);
    assert_int_equal(r.peer, NODE_NONE);
    assert_true(clone_line(&r, "giving 1048576"));
    assert_int_equal(r.state, CLONE_GIVING);
    assert_int_equal(r.bytes_total, 1048576);
    r.state = CLONE_RECEIVING;
    assert_true(clone_line(&r, "progress 17 42"));
    assert_int_equal(r.state, CLONE_RECEIVING);
    assert_int_equal(r.bytes, 17);
    assert_int_equal(r.bytes_total, 42);
    assert_true(clone_line(&r, "preparing"));
    assert_int_equal(r.state, CLONE_PREPARING);
    assert_true(clone_line(&r, "ready 0-1-7,3-2-9"));
    assert_int_equal(r.state, CLONE_READY);
    assert_string_equal(r.position, "0-1-7,3-2-9");
    assert_true(clone_line(&r, "ready"));
    assert_string_equal(r.position, "");
    assert_true(clone_line(&r, "placed"));
    assert_int_equal(r.state, CLONE_PLACED);
    assert_true(clone_line(&r, "failed no room, 5 MB"));
    assert_int_equal(r.state, CLONE_FAILED);
    assert_string_equal(r.error, "no room, 5 MB");
    assert_true(clone_line(&r, "none"));
    assert_int_equal(r.state, CLONE_NONE);
    assert_string_equal(r.error, "");
}

static void test_lines_that_say_nothing(void **state)
{
    static const char *const lines[] = {
        "",         "progress", "progress 1", "progress 1 2 3", "progress -1 2", "giving",
        "giving x", "readyish", "placed now", "preparing 3",    "progress 1x 2", "failedly",
    };
    struct clone_report r, before;
    (void)state;
    clone_report_init(&r);
    r.bytes = 5;
    before = r;
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_false(clone_line(&r, lines[i]));
        assert_memory_equal(&r, &before, sizeof r);
    }
}

static void test_time_left(void **state)
{
    struct clone_report r;
    (void)state;
    clone_report_init(&r);
    assert_int_equal(clone_left_s(&r), UINT32_MAX);
    r.bytes_total = 100 << 20;
    r.bytes = 50 << 20;
    assert_int_equal(clone_left_s(&r), UINT32_MAX);
    r.rate_kib = 10 << 10;
    assert_int_equal(clone_left_s(&r), 5);
    r.bytes = 200 << 20; /* more than was expected */
    assert_int_equal(clone_left_s(&r), UINT32_MAX);
}

static void test_info_of_a_backup(void **state)
{
    char position[GTID_TEXT_MAX], text[GTID_TEXT_MAX + 64];
    (void)state;
    assert_int_equal(clone_info_position("m1-bin.000001\t1566\t0-1-7\n", position, sizeof position),
                     0);
    assert_string_equal(position, "0-1-7");
    assert_int_equal(
        clone_info_position("m1-bin.000001\t1566\t0-1-7,5-2-9", position, sizeof position), 0);
    assert_string_equal(position, "0-1-7,5-2-9");
    assert_int_equal(clone_info_position("m1-bin.000001\t1566\t\n", position, sizeof position), 0);
    assert_string_equal(position, "");
    assert_int_equal(clone_info_position("", position, sizeof position), ERR_FORMAT);
    assert_int_equal(clone_info_position("m1-bin.000001\t1566\n", position, sizeof position),
                     ERR_FORMAT);
    assert_int_equal(clone_info_position("a\t1\tnonsense", position, sizeof position), ERR_FORMAT);
    /* Cut short it would be 0-1-1. */
    memset(text, ' ', sizeof text);
    memcpy(text, "a\t1\t", 4);
    (void)snprintf(text + GTID_TEXT_MAX - 2, sizeof text - GTID_TEXT_MAX + 2, "0-1-12345");
    assert_int_equal(clone_info_position(text, position, sizeof position), ERR_FULL);
}

static void check_state(const char *later, const char *position, const char *expected)
{
    char text[GTID_TEXT_MAX] = "";
    assert_int_equal(clone_binlog_state(later, position, text, sizeof text), 0);
    assert_string_equal(text, expected);
}

static void test_binlog_state(void **state)
{
    char text[8];
    (void)state;
    /* The last entry of a domain is what the server takes for its newest. */
    check_state("0-1-93", "0-1-69", "0-1-69");
    check_state("0-1-93,0-2-40", "0-1-69", "0-2-40,0-1-69");
    check_state("0-1-40,0-2-93", "0-2-69", "0-1-40,0-2-69");
    check_state("0-1-9,7-1-20,7-3-4", "0-1-9,7-1-15", "0-1-9,7-3-4,7-1-15");
    check_state("0-1-9", "", "");
    /* Server 2 has written behind the position: how far it was within is not known. */
    assert_int_equal(clone_binlog_state("0-1-69,0-2-93", "0-1-69", text, sizeof text), ERR_STALE);
    assert_int_equal(clone_binlog_state("0-1-93,0-2-40", "0-1-69", text, sizeof text), ERR_FULL);
    assert_int_equal(clone_binlog_state("x", "0-1-69", text, sizeof text), ERR_FORMAT);
}

static void test_codec_refuses_a_node_that_cannot_be(void **state)
{
    struct clone_report r, back;
    uint8_t buf[4096];
    struct codec c = codec_encoder(buf, sizeof buf);
    size_t len;
    (void)state;
    clone_report_init(&r);
    r.state = CLONE_READY;
    r.peer = 3;
    r.bytes = 7;
    (void)snprintf(r.position, sizeof r.position, "0-1-2");
    clone_report_codec(&c, &r);
    assert_int_equal(codec_finish(&c), 0);
    len = codec_used(&c);
    memset(&back, 0, sizeof back);
    c = codec_decoder(buf, len);
    clone_report_codec(&c, &back);
    assert_int_equal(codec_finish(&c), 0);
    assert_int_equal(back.state, CLONE_READY);
    assert_int_equal(back.peer, 3);
    assert_string_equal(back.position, "0-1-2");
    r.peer = NODES_MAX;
    c = codec_encoder(buf, sizeof buf);
    clone_report_codec(&c, &r);
    c = codec_decoder(buf, len);
    clone_report_codec(&c, &back);
    assert_int_equal(codec_finish(&c), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_lines_that_say_nothing),
        cmocka_unit_test(test_time_left),
        cmocka_unit_test(test_info_of_a_backup),
        cmocka_unit_test(test_binlog_state),
        cmocka_unit_test(test_codec_refuses_a_node_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
