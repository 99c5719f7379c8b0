/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/codec.h"
#include "util/err.h"

struct sample {
    uint32_t number;
    char name[8];
    bool flag;
};

static void sample_walk(struct codec *c, struct sample *s)
{
    codec_u32(c, &s->number);
    codec_text(c, s->name, sizeof s->name);
    codec_bool(c, &s->flag);
}

static void test_round_trip(void **state)
{
    uint8_t buf[64];
    struct sample in = {0xdeadbeef, "writer", true}, out = {0};
    struct codec e = codec_encoder(buf, sizeof buf);
    (void)state;
    sample_walk(&e, &in);
    assert_int_equal(codec_finish(&e), 0);
    struct codec d = codec_decoder(buf, codec_used(&e));
    sample_walk(&d, &out);
    assert_int_equal(codec_finish(&d), 0);
    assert_int_equal(out.number, in.number);
    assert_string_equal(out.name, in.name);
    assert_true(out.flag);
}

static void test_every_truncation_is_refused(void **state)
{
    uint8_t buf[64];
    struct sample in = {1, "m1", false}, out;
    struct codec e = codec_encoder(buf, sizeof buf);
    (void)state;
    sample_walk(&e, &in);
    for (size_t n = 0; n < codec_used(&e); n++) {
        struct codec d = codec_decoder(buf, n);
        memset(&out, 0, sizeof out);
        sample_walk(&d, &out);
        assert_int_equal(codec_finish(&d), ERR_FORMAT);
    }
    struct codec d = codec_decoder(buf, codec_used(&e) + 1);
    sample_walk(&d, &out);
    assert_int_equal(codec_finish(&d), ERR_FORMAT);
}

static void tailed_walk(struct codec *c, struct sample *s)
{
    codec_u32(c, &s->number);
    codec_tail(c);
    codec_text(c, s->name, sizeof s->name);
    codec_bool(c, &s->flag);
}

/* Bytes of an earlier version leave what it did not know, those of a later one are read as far as
 * they are known; what is cut within the tail is no version at all. */
static void test_tail(void **state)
{
    uint8_t buf[64];
    struct sample in = {7, "m1", false};
    struct codec e = codec_encoder(buf, sizeof buf);
    (void)state;
    tailed_walk(&e, &in);
    for (size_t n = 0; n <= codec_used(&e) + 1; n++) {
        struct sample out = {0, "old", true};
        struct codec d = codec_decoder(buf, n);
        bool whole = n >= codec_used(&e);
        tailed_walk(&d, &out);
        assert_int_equal(codec_finish_tail(&d), whole || n == 4 ? 0 : ERR_FORMAT);
        if (whole || n == 4) {
            assert_string_equal(out.name, whole ? "m1" : "old");
            assert_int_equal(out.flag, !whole);
        }
    }
}

static void test_text_longer_than_field(void **state)
{
    uint8_t buf[] = {8, 0, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'};
    char field[8] = "";
    struct codec d = codec_decoder(buf, sizeof buf);
    (void)state;
    codec_text(&d, field, sizeof field);
    assert_int_equal(d.err, ERR_FORMAT);
    assert_string_equal(field, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_text_longer_than_field),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
