/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/prng.h"
#include "wire/gtid.h"

#define A "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define B "4f22fa47-71ca-11e1-9e33-c80aa9429562"

static struct gtid_set parsed(const char *text, enum gtid_flavour flavour)
{
    struct gtid_set s;
    if (gtid_parse(text, flavour, &s) != 0)
        fail_msg("cannot parse '%s'", text);
    return s;
}

static void check_text(const struct gtid_set *s, const char *expected)
{
    char buf[4096];
    assert_int_equal(gtid_format(s, buf, sizeof buf), 0);
    assert_string_equal(buf, expected);
}

static void check_parse(enum gtid_flavour flavour, const char *text, const char *canonical)
{
    struct gtid_set s = parsed(text, flavour);
    check_text(&s, canonical);
}

static void check_subtract(enum gtid_flavour a, const char *from, enum gtid_flavour b,
                           const char *minus, const char *expected, uint64_t distance)
{
    struct gtid_set x = parsed(from, a), y = parsed(minus, b), out;
    assert_int_equal(gtid_subtract(&x, &y, &out), 0);
    check_text(&out, expected);
    assert_int_equal(gtid_distance(&x, &y), distance);
    assert_int_equal(gtid_contains(&y, &x), gtid_is_empty(&out));
    assert_int_equal(gtid_contains(&y, &x), distance == 0);
}

static void test_mysql_texts(void **state)
{
    (void)state;
    check_parse(GTID_MYSQL, "", "");
    check_parse(GTID_MYSQL, " \n", "");
    check_parse(GTID_MYSQL, A ":1", A ":1");
    check_parse(GTID_MYSQL, "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-3", A ":1-3");
    check_parse(GTID_MYSQL, A ":5-7:1-3", A ":1-3:5-7");
    check_parse(GTID_MYSQL, A ":1-3:4-7", A ":1-7");
    check_parse(GTID_MYSQL, A ":1-5:3-9:2", A ":1-9");
    check_parse(GTID_MYSQL, A ":1:3:5:2:4", A ":1-5");
    check_parse(GTID_MYSQL, B ":1-3,\n" A ":1-3", A ":1-3," B ":1-3");
    check_parse(GTID_MYSQL, A ":1, " A ":2", A ":1-2");
    check_parse(GTID_MYSQL, A ":1-3:tag:1:5-6", A ":1-3:tag:1:5-6");
    check_parse(GTID_MYSQL, A ":tag:1:b_2:7,\n" A ":1-3", A ":1-3:b_2:7:tag:1");
    check_parse(GTID_MYSQL, A ":TAG:1," A ":tag:2", A ":tag:1-2");
    check_parse(GTID_MYSQL, A ":tag:1," B ":tag:1", A ":tag:1," B ":tag:1");
    check_parse(GTID_MYSQL, A ":9223372036854775806", A ":9223372036854775806");
}

static void test_bad_texts(void **state)
{
    static const char *const mysql[] = {"x",
                                        A,
                                        A ":",
                                        A ":0",
                                        A ":3-1",
                                        A ":1-",
                                        A ":1,",
                                        "," A ":1",
                                        A ":1,,",
                                        A ":tag",
                                        A ":tag:",
                                        A ":1:tag",
                                        A ":1 2",
                                        A "1:1",
                                        A ":1-2-3",
                                        A ":1;" B,
                                        A ":-1",
                                        A ":1:",
                                        "0-1-7",
                                        A ":ta-g:1",
                                        A "::1",
                                        A ":9223372036854775807",
                                        A ":99999999999999999999",
                                        "3e11fa47-71ca-11e1-9e33",
                                        A ":t23456789012345678901234567890123:1"};
    static const char *const mariadb[] = {
        "x",       "0",           "0-1",   "0-1-", "0-1-1,",         "-1-1",
        "0-1-1-1", "0-1-1 0-1-2", "0-1-x", A ":1", "4294967296-1-1", "0-1-18446744073709551616"};
    struct gtid_set s;
    struct gtid g;
    (void)state;
    for (size_t i = 0; i < sizeof mysql / sizeof mysql[0]; i++) {
        if (gtid_parse(mysql[i], GTID_MYSQL, &s) != ERR_FORMAT)
            fail_msg("accepted '%s'", mysql[i]);
        if (gtid_parse_one(mysql[i], GTID_MYSQL, &g) != ERR_FORMAT)
            fail_msg("accepted '%s' as one", mysql[i]);
    }
    for (size_t i = 0; i < sizeof mariadb / sizeof mariadb[0]; i++) {
        if (gtid_parse(mariadb[i], GTID_MARIADB, &s) != ERR_FORMAT)
            fail_msg("accepted '%s'", mariadb[i]);
        if (gtid_parse_one(mariadb[i], GTID_MARIADB, &g) != ERR_FORMAT)
            fail_msg("accepted '%s' as one", mariadb[i]);
    }
}

static void test_mariadb_texts(void **state)
{
    (void)state;
    check_parse(GTID_MARIADB, NULL, "");
    check_parse(GTID_MARIADB, "0-1-7", "0-1-7");
    check_parse(GTID_MARIADB, "1-2-9,\n0-1-7", "0-1-7,1-2-9");
    check_parse(GTID_MARIADB, "0-1-7,0-2-9", "0-2-9");
    check_parse(GTID_MARIADB, "0-2-9,0-1-7", "0-2-9");
    check_parse(GTID_MARIADB, "0-1-0", "");
    check_parse(GTID_MARIADB_STATE, "0-2-9,0-1-7", "0-1-7,0-2-9");
    check_parse(GTID_MARIADB_STATE, "0-1-7,0-1-9", "0-1-9");
    check_parse(GTID_MARIADB, "4294967295-4294967295-18446744073709551615",
                "4294967295-4294967295-18446744073709551615");
}

static void test_one(void **state)
{
    char buf[GTID_ONE_TEXT_MAX];
    struct gtid g, h;
    (void)state;
    assert_int_equal(gtid_parse_one(A ":7", GTID_MYSQL, &g), 0);
    assert_string_equal(gtid_format_one(&g, buf, sizeof buf), A ":7");
    assert_int_equal(gtid_parse_one(A ":tag:7", GTID_MYSQL, &h), 0);
    assert_string_equal(gtid_format_one(&h, buf, sizeof buf), A ":tag:7");
    assert_false(gtid_one_equal(&g, &h));
    assert_int_equal(gtid_parse_one("0-1-7", GTID_MARIADB_STATE, &h), 0);
    assert_int_equal(h.flavour, GTID_MARIADB);
    assert_string_equal(gtid_format_one(&h, buf, sizeof buf), "0-1-7");
    assert_false(gtid_one_equal(&g, &h));
    assert_true(gtid_one_equal(&h, &h));
}

static void test_mysql_subtract(void **state)
{
    (void)state;
    check_subtract(GTID_MYSQL, A ":1-10", GTID_MYSQL, A ":1-7", A ":8-10", 3);
    check_subtract(GTID_MYSQL, A ":1-10", GTID_MYSQL, A ":2:4-5:10", A ":1:3:6-9", 6);
    check_subtract(GTID_MYSQL, A ":1-10", GTID_MYSQL, A ":1-20", "", 0);
    check_subtract(GTID_MYSQL, A ":1-10", GTID_MYSQL, B ":1-20", A ":1-10", 10);
    check_subtract(GTID_MYSQL, A ":1-10:t:1-5", GTID_MYSQL, A ":1-10", A ":t:1-5", 5);
    check_subtract(GTID_MYSQL, A ":1-10:t:1-5," B ":3", GTID_MYSQL, A ":t:2-3," B ":1-3",
                   A ":1-10:t:1:4-5", 13);
    check_subtract(GTID_MYSQL, "", GTID_MYSQL, A ":1-10", "", 0);
    check_subtract(GTID_MYSQL, A ":5-10", GTID_MYSQL, A ":1-5:10-12", A ":6-9", 4);
}

static void test_mariadb_subtract(void **state)
{
    (void)state;
    check_subtract(GTID_MARIADB, "0-1-10", GTID_MARIADB, "0-1-7", "0-1-10", 3);
    check_subtract(GTID_MARIADB, "0-1-10", GTID_MARIADB, "0-2-12", "", 0);
    check_subtract(GTID_MARIADB, "0-1-10,1-1-5", GTID_MARIADB, "0-1-10", "1-1-5", 5);
    /* the phantom 0-1-103: invisible to a position, seen by a state */
    check_subtract(GTID_MARIADB, "0-1-103", GTID_MARIADB, "0-2-150", "", 0);
    check_subtract(GTID_MARIADB, "0-1-103", GTID_MARIADB_STATE, "0-1-100,0-2-150", "0-1-103", 3);
    check_subtract(GTID_MARIADB_STATE, "0-1-160,0-2-150", GTID_MARIADB_STATE, "0-1-100,0-2-150",
                   "0-1-160", 10);
    check_subtract(GTID_MARIADB_STATE, "0-1-100,0-3-20", GTID_MARIADB_STATE, "0-1-100", "0-3-20",
                   1);
}

static void test_families_do_not_mix(void **state)
{
    struct gtid_set m = parsed(A ":1", GTID_MYSQL), d = parsed("0-1-1", GTID_MARIADB), out;
    struct gtid g;
    (void)state;
    assert_int_equal(gtid_subtract(&m, &d, &out), ERR_INVAL);
    assert_int_equal(gtid_union(&d, &m, &out), ERR_INVAL);
    assert_false(gtid_contains(&m, &d));
    assert_false(gtid_contains(&d, &m));
    assert_false(gtid_equal(&d, &m));
    assert_int_equal(gtid_distance(&m, &d), 1);
    assert_true(gtid_max(&m, &g));
    assert_false(gtid_contains_one(&d, &g));
    assert_int_equal(gtid_add(&d, &g), ERR_INVAL);
}

static void test_union(void **state)
{
    struct gtid_set a = parsed("0-1-10,1-1-1", GTID_MARIADB);
    struct gtid_set b = parsed("0-1-7,0-2-9", GTID_MARIADB_STATE), out;
    struct gtid_set c = parsed(A ":1-3:t:1", GTID_MYSQL), d = parsed(A ":4-5," B ":1", GTID_MYSQL);
    (void)state;
    assert_int_equal(gtid_union(&a, &b, &out), 0);
    assert_int_equal(out.flavour, GTID_MARIADB_STATE);
    check_text(&out, "0-1-10,0-2-9,1-1-1");
    assert_int_equal(gtid_union(&c, &d, &c), 0);
    check_text(&c, A ":1-5:t:1," B ":1");
}

static void test_bounds(void **state)
{
    struct gtid_set s, even, out;
    struct gtid g = {.flavour = GTID_MYSQL};
    char buf[64];
    (void)state;
    gtid_init(&s, GTID_MYSQL);
    for (unsigned i = 0; i < GTID_SOURCES_MAX; i++) {
        g.uuid[0] = (uint8_t)(GTID_SOURCES_MAX - i);
        g.number = 1;
        assert_int_equal(gtid_add(&s, &g), 0);
    }
    g.uuid[0] = 0xff;
    out = s;
    assert_int_equal(gtid_add(&s, &g), ERR_FULL);
    assert_true(gtid_equal(&s, &out));
    assert_int_equal(gtid_format(&s, buf, sizeof buf), ERR_FULL);
    assert_string_equal(buf, "");

    gtid_init(&s, GTID_MYSQL);
    for (unsigned i = 0; i < GTID_INTERVALS_MAX; i++) {
        g.number = 1 + 2 * (uint64_t)i;
        assert_int_equal(gtid_add(&s, &g), 0);
    }
    even = s;
    g.number = 1000;
    assert_int_equal(gtid_add(&s, &g), ERR_FULL);
    assert_true(gtid_equal(&s, &even));
    g.number = 2; /* joins two: fits */
    assert_int_equal(gtid_add(&s, &g), 0);
    assert_int_equal(s.interval_count, GTID_INTERVALS_MAX - 1);
    /* a difference may need more intervals than both operands */
    struct gtid_set whole = parsed("00000000-0000-0000-0000-000000000000:1-1000", GTID_MYSQL);
    even.sources[0] = whole.sources[0];
    for (unsigned i = 0; i < GTID_INTERVALS_MAX; i++)
        even.intervals[i].first = even.intervals[i].last = 2 + 2 * (uint64_t)i;
    assert_int_equal(gtid_subtract(&whole, &even, &out), ERR_FULL);
}

static void test_count_and_max(void **state)
{
    char buf[GTID_ONE_TEXT_MAX];
    struct gtid_set s = parsed(A ":1-10:t:3-4," B ":7", GTID_MYSQL);
    struct gtid g;
    (void)state;
    assert_int_equal(gtid_count(&s), 13);
    assert_true(gtid_max(&s, &g));
    assert_string_equal(gtid_format_one(&g, buf, sizeof buf), A ":10");
    s = parsed("0-1-100,0-2-150,1-1-5", GTID_MARIADB_STATE);
    assert_int_equal(gtid_count(&s), 155);
    assert_true(gtid_max(&s, &g));
    assert_string_equal(gtid_format_one(&g, buf, sizeof buf), "0-2-150");
    gtid_init(&s, GTID_MYSQL);
    assert_false(gtid_max(&s, &g));
    assert_int_equal(gtid_count(&s), 0);
}

/* --- the algebra against a bit map: sources x numbers 1..12 ------------------------------------
 */

#define SOURCES 3
#define NUMBERS 12

static struct gtid_set of_bits(const uint16_t *bits, uint64_t order)
{
    struct gtid_set s;
    gtid_init(&s, GTID_MYSQL);
    for (unsigned k = 0; k < SOURCES * NUMBERS; k++) {
        unsigned i = (unsigned)((k * 5 + order) % (SOURCES * NUMBERS)); /* gcd(5, 36) = 1 */
        unsigned source = i / NUMBERS, number = i % NUMBERS;
        struct gtid g = {.flavour = GTID_MYSQL, .number = number + 1};
        if (source == 2)
            g.tag[0] = 't';
        g.uuid[0] = (uint8_t)(source == 1);
        if (bits[source] >> number & 1)
            assert_int_equal(gtid_add(&s, &g), 0);
    }
    return s;
}

static void test_algebra_against_a_model(void **state)
{
    struct prng p = {7};
    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint16_t a[SOURCES], b[SOURCES], minus[SOURCES], both[SOURCES];
        struct gtid_set x, y, z, back;
        char text[2048];
        bool inside = true;
        uint64_t count = 0;
        for (int i = 0; i < SOURCES; i++) {
            uint64_t r = prng_next(&p);
            a[i] = (uint16_t)(r & r >> 16 & 0xfff);
            b[i] = (uint16_t)((r >> 32 | (round % 3 == 0 ? a[i] : 0)) & 0xfff);
            minus[i] = (uint16_t)(a[i] & ~b[i]);
            both[i] = a[i] | b[i];
            inside = inside && minus[i] == 0;
            count += (uint64_t)__builtin_popcount(minus[i]);
        }
        x = of_bits(a, prng_below(&p, 36));
        y = of_bits(b, prng_below(&p, 36));
        assert_int_equal(gtid_contains(&y, &x), inside);
        assert_int_equal(gtid_distance(&x, &y), count);
        z = of_bits(minus, 0);
        assert_int_equal(gtid_subtract(&x, &y, &back), 0);
        /* A difference keeps no source without numbers: canonical, so equal to one built afresh. */
        assert_true(gtid_equal(&back, &z));
        z = of_bits(both, 1);
        assert_int_equal(gtid_union(&x, &y, &back), 0);
        assert_true(gtid_equal(&back, &z));
        assert_int_equal(gtid_format(&z, text, sizeof text), 0);
        assert_int_equal(gtid_parse(text, GTID_MYSQL, &back), 0);
        assert_true(gtid_equal(&back, &z));
        assert_memory_equal(&back, &z, sizeof z);
    }
}

static void test_mariadb_laws(void **state)
{
    struct prng p = {11};
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct gtid_set s[2], diff, all;
        for (int k = 0; k < 2; k++) {
            gtid_init(&s[k], prng_below(&p, 2) ? GTID_MARIADB : GTID_MARIADB_STATE);
            for (uint64_t n = prng_below(&p, 5); n > 0; n--) {
                struct gtid g = {.flavour = GTID_MARIADB,
                                 .domain = (uint32_t)prng_below(&p, 2),
                                 .server_id = (uint32_t)prng_below(&p, 3),
                                 .number = 1 + prng_below(&p, 6)};
                assert_int_equal(gtid_add(&s[k], &g), 0);
                assert_true(gtid_contains_one(&s[k], &g));
            }
        }
        assert_int_equal(gtid_subtract(&s[0], &s[1], &diff), 0);
        assert_int_equal(gtid_contains(&s[1], &s[0]), gtid_is_empty(&diff));
        assert_int_equal(gtid_distance(&s[0], &s[1]) == 0, gtid_is_empty(&diff));
        assert_int_equal(gtid_union(&s[0], &s[1], &all), 0);
        assert_true(gtid_contains(&all, &s[0]));
        assert_true(gtid_contains(&all, &s[1]));
        assert_true(gtid_contains(&s[0], &s[0]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mysql_texts),
        cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_mariadb_texts),
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_mysql_subtract),
        cmocka_unit_test(test_mariadb_subtract),
        cmocka_unit_test(test_families_do_not_mix),
        cmocka_unit_test(test_union),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_count_and_max),
        cmocka_unit_test(test_algebra_against_a_model),
        cmocka_unit_test(test_mariadb_laws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
