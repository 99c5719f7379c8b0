/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/sets.h"

#define UUID1 "11111111-1111-1111-1111-111111111111"
#define UUID2 "22222222-2222-2222-2222-222222222222"

static struct server_facts facts(int flavour, const char *executed, const char *applied,
                                 const char *received)
{
    struct server_facts f;
    memset(&f, 0, sizeof f);
    f.flavour = flavour;
    (void)snprintf(f.executed, sizeof f.executed, "%s", executed);
    (void)snprintf(f.applied, sizeof f.applied, "%s", applied);
    (void)snprintf(f.received, sizeof f.received, "%s", received);
    return f;
}

struct cover_case {
    int flavour;
    const char *whole;
    const char *part;
    bool want;
};

static const struct cover_case covers[] = {
    {SERVER_MARIADB, "0-1-10", "0-1-9", true},
    {SERVER_MARIADB, "0-1-10", "0-1-10", true},
    {SERVER_MARIADB, "0-1-10", "0-1-11", false},
    {SERVER_MARIADB, "0-1-10", "", true},
    {SERVER_MARIADB, "", "", true},
    {SERVER_MARIADB, "", "0-1-1", false},
    {SERVER_MARIADB, "0-2-12", "0-1-11", true}, /* by position, whoever wrote it */
    {SERVER_MARIADB, "0-1-10,1-1-5", "0-1-9,1-1-6", false},
    {SERVER_MARIADB, "0-1-10", "1-1-1", false},
    {SERVER_MARIADB, "nonsense", "", false},
    {SERVER_MARIADB, "0-1-10", "nonsense", false},
    {SERVER_MYSQL, UUID1 ":1-10", UUID1 ":3-7", true},
    {SERVER_MYSQL, UUID1 ":1-10", UUID1 ":1-11", false},
    {SERVER_MYSQL, UUID1 ":1-4:6-10", UUID1 ":5", false}, /* a hole */
    {SERVER_MYSQL, UUID1 ":1-10", UUID2 ":1", false},
    {SERVER_MYSQL, UUID1 ":1-10," UUID2 ":1-3", UUID2 ":2," UUID1 ":9", true},
    {SERVER_MYSQL, UUID1 ":1-10", "", true},
    {SERVER_MYSQL, "0-1-10", "", false}, /* the other family's text */
    {SERVER_MARIADB, UUID1 ":1-10", "", false},
    {SERVER_FLAVOUR_UNKNOWN, "", "", false}, /* nothing was read yet */
    {SERVER_FLAVOUR_UNKNOWN, "0-1-10", "0-1-9", false},
};

static void test_cover(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof covers / sizeof covers[0]; i++) {
        const struct cover_case *c = &covers[i];
        if (sets_cover(c->flavour, c->whole, c->part) != c->want)
            fail_msg("%s: '%s' covers '%s' should be %d",
                     server_flavour_text((enum server_flavour)c->flavour), c->whole, c->part,
                     c->want);
    }
}

struct extra_case {
    struct server_facts node;
    struct server_facts writer;
    const char *want; /* NULL: nothing */
};

static void check_extra(const struct extra_case *c)
{
    char text[256] = "untouched";
    bool extra = sets_extra(&c->node, &c->writer, text, sizeof text);
    if (extra != (c->want != NULL))
        fail_msg("'%s' against '%s'", c->node.executed, c->writer.executed);
    if (extra)
        assert_string_equal(text, c->want);
}

static void test_extra_mariadb(void **state)
{
    const int m = SERVER_MARIADB;
    const struct extra_case cases[] = {
        {facts(m, "0-1-10", "0-1-10", ""), facts(m, "0-1-10", "", ""), NULL},
        {facts(m, "0-1-9", "0-1-9", ""), facts(m, "0-1-10,0-2-20", "", ""), NULL},
        /* The phantom: its number was used again by the new writer. */
        {facts(m, "0-1-101", "", ""), facts(m, "0-1-100,0-2-150", "0-1-100", ""), "0-1-101"},
        {facts(m, "0-1-11", "", ""), facts(m, "0-1-10", "", ""), "0-1-11"},
        /* Made from a backup: an empty binlog says nothing about what it holds. */
        {facts(m, "", "0-1-11", ""), facts(m, "0-1-10", "", ""), "0-1-11"},
        {facts(m, "", "0-1-9", ""), facts(m, "0-1-10", "", ""), NULL},
        {facts(m, "0-1-10", "", ""), facts(m, "", "0-1-10", ""), NULL},
        {facts(m, "", "", ""), facts(m, "", "", ""), NULL},
        {facts(m, "0-1-10,7-3-1", "", ""), facts(m, "0-1-10", "", ""), "7-3-1"},
        {facts(m, "broken", "", ""), facts(m, "0-1-10", "", ""), "the sets cannot be compared"},
        {facts(m, "0-1-1", "", ""), facts(m, "0-1-", "", ""), "the sets cannot be compared"},
        {facts(m, "0-1-1", "x", ""), facts(m, "0-1-1", "", ""), "the sets cannot be compared"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_extra(&cases[i]);
}

static void test_extra_mysql(void **state)
{
    const int m = SERVER_MYSQL;
    const struct extra_case cases[] = {
        {facts(m, UUID1 ":1-10", "", ""), facts(m, UUID1 ":1-10", "", ""), NULL},
        {facts(m, UUID1 ":1-10", "", ""), facts(m, UUID1 ":1-8:10", "", ""), UUID1 ":9"},
        {facts(m, UUID2 ":1", "", ""), facts(m, UUID1 ":1-10", "", ""), UUID2 ":1"},
        {facts(m, "", "", ""), facts(m, UUID1 ":1-10", "", ""), NULL},
        {facts(m, UUID1 ":x", "", ""), facts(m, UUID1 ":1-10", "", ""),
         "the sets cannot be compared"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_extra(&cases[i]);
}

static void test_extra_is_careful(void **state)
{
    const struct extra_case cases[] = {
        {facts(SERVER_MYSQL, "", "", ""), facts(SERVER_MARIADB, "", "", ""),
         "servers of two families"},
        {facts(SERVER_FLAVOUR_UNKNOWN, "", "", ""), facts(SERVER_FLAVOUR_UNKNOWN, "", "", ""),
         "the sets cannot be compared"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_extra(&cases[i]);
}

/* More intervals than a set holds: not judged, not cut. */
static void test_too_many_intervals(void **state)
{
    struct server_facts big = facts(SERVER_MYSQL, UUID1, "", "");
    struct server_facts writer = facts(SERVER_MYSQL, UUID1 ":1-100000", "", "");
    char text[64];
    size_t at = strlen(big.executed);
    (void)state;
    for (unsigned i = 1; at + 8 < sizeof big.executed; i += 2)
        at += (size_t)snprintf(big.executed + at, sizeof big.executed - at, ":%u", i);
    assert_false(sets_cover(SERVER_MYSQL, writer.executed, big.executed));
    assert_true(sets_extra(&big, &writer, text, sizeof text));
    assert_true(sets_distance(&writer, &big) == UINT64_MAX);
}

/* The text of the extras is longer than its buffer: their number is told. */
static void test_extra_text_is_short(void **state)
{
    struct server_facts node = facts(SERVER_MYSQL, UUID1 ":1-5:7-9:11," UUID2 ":1", "", "");
    struct server_facts writer = facts(SERVER_MYSQL, UUID1 ":7", "", "");
    char text[24];
    (void)state;
    assert_true(sets_extra(&node, &writer, text, sizeof text));
    assert_string_equal(text, "9 transactions");
}

static void test_distance(void **state)
{
    struct server_facts a = facts(SERVER_MARIADB, "0-1-10", "", "");
    struct server_facts b = facts(SERVER_MARIADB, "0-1-4", "", "");
    struct server_facts c = facts(SERVER_MYSQL, UUID1 ":1-10", "", "");
    struct server_facts d = facts(SERVER_MYSQL, UUID1 ":1-3:5", "", "");
    struct server_facts none = facts(SERVER_FLAVOUR_UNKNOWN, "", "", "");
    (void)state;
    assert_true(sets_distance(&a, &b) == 6);
    assert_true(sets_distance(&b, &a) == 0);
    assert_true(sets_distance(&c, &d) == 6);
    assert_true(sets_distance(&a, &a) == 0);
    assert_true(sets_distance(&a, &c) == UINT64_MAX);
    /* What has been received counts where that is asked. */
    (void)snprintf(b.received, sizeof b.received, "0-1-9");
    assert_true(sets_distance(&a, &b) == 6);
    assert_true(sets_distance_received(&a, &b) == 1);
    (void)snprintf(b.received, sizeof b.received, "0-1-2");
    assert_true(sets_distance_received(&a, &b) == 6);
    assert_true(sets_distance_received(&none, &none) == UINT64_MAX);
    assert_true(sets_distance(&none, &none) == UINT64_MAX);
    (void)snprintf(b.executed, sizeof b.executed, "?");
    assert_true(sets_distance(&a, &b) == UINT64_MAX);
}

static void test_received(void **state)
{
    struct server_facts f = facts(SERVER_MARIADB, "0-1-10", "", "");
    (void)state;
    assert_string_equal(sets_received(&f), "0-1-10"); /* no channel */
    f = facts(SERVER_MARIADB, "0-1-10", "", "0-1-12");
    assert_string_equal(sets_received(&f), "0-1-12");
    f = facts(SERVER_MARIADB, "0-1-10", "", "0-1-8"); /* old, after a restart of the threads */
    assert_string_equal(sets_received(&f), "0-1-10");
    f = facts(SERVER_MYSQL, UUID1 ":1-10", "", UUID1 ":1-12");
    assert_string_equal(sets_received(&f), UUID1 ":1-12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cover),
        cmocka_unit_test(test_extra_mariadb),
        cmocka_unit_test(test_extra_mysql),
        cmocka_unit_test(test_extra_is_careful),
        cmocka_unit_test(test_too_many_intervals),
        cmocka_unit_test(test_extra_text_is_short),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_received),
    };
    return cmocka_run_group_tests_name("sets", tests, NULL, NULL);
}
