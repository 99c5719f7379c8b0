/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/rewind.h"

#define A "3e11fa47-71ca-11e1-9e33-c80aa9429562:"

/*
 * A small vocabulary: a scenario is a file (groups of 100 bytes each, the first at offset 300) with
 * its surroundings. `groups` is a list of words: a number n is GTID n of this server, then optional
 * letters: s statement, m not transactional, d DDL, a atomic DDL, x XA, e empty, o other, ! no
 * GTID.
 */
struct scenario {
    enum gtid_flavour flavour;
    const char *previous;
    const char *groups;
    const char *seal;
    const char *writer;
    struct rewind_facts facts;
    bool closed, stopped, rotated, no_previous;
    int err;
    unsigned version; /* of the server; 0: one that tells of its recovery */
};

#define FACTS                              \
    {                                      \
        true, true, true, true, true, true \
    }
#define MYSQL(previous, groups, seal, writer)                                               \
    {                                                                                       \
        GTID_MYSQL, previous, groups, seal, writer, FACTS, false, false, false, false, 0, 0 \
    }
#define MARIADB(previous, groups, seal, writer)                                               \
    {                                                                                         \
        GTID_MARIADB, previous, groups, seal, writer, FACTS, false, false, false, false, 0, 0 \
    }

static void group_letters(struct binlog_group *g, const char *letters)
{
    g->kind = BINLOG_GROUP_DML;
    g->transactional = true;
    g->has_gtid = true;
    for (; *letters != '\0' && *letters != ' '; letters++) {
        g->has_statement |= *letters == 's';
        g->transactional &= strchr("mdxeo", *letters) == NULL;
        g->atomic_ddl |= *letters == 'a';
        g->has_gtid &= *letters != '!';
        if (*letters == 'd')
            g->kind = BINLOG_GROUP_DDL;
        if (*letters == 'x')
            g->kind = BINLOG_GROUP_XA;
        if (*letters == 'e')
            g->kind = BINLOG_GROUP_EMPTY;
        if (*letters == 'o')
            g->kind = BINLOG_GROUP_OTHER;
    }
}

static struct rewind_plan planned(const struct scenario *s)
{
    static struct binlog_walk w;
    static struct gtid_set seal, writer;
    struct rewind_plan p;
    const char *at = s->groups;
    uint64_t offset = 300;
    bool mysql = s->flavour == GTID_MYSQL;
    assert_int_equal(gtid_parse(s->seal, s->flavour, &seal), 0);
    assert_int_equal(gtid_parse(s->writer, mysql ? GTID_MYSQL : GTID_MARIADB_STATE, &writer), 0);
    rewind_plan_init(&p, &s->facts, &seal, &writer);
    while (*at != '\0') {
        struct binlog_group g;
        char *end;
        memset(&g, 0, sizeof g);
        assert_int_equal(gtid_parse_one(mysql ? A "1" : "0-1-1", s->flavour, &g.gtid), 0);
        g.gtid.number = strtoull(at, &end, 10);
        group_letters(&g, end);
        g.start = offset;
        g.end = offset += 100;
        rewind_plan_group(&p, &g);
        at = end + strcspn(end, " ");
        at += *at == ' ';
    }
    binlog_walk_init(&w);
    w.has_format = s->err == 0;
    w.format.flavour = s->flavour;
    w.format.version = s->version != 0 ? s->version : mysql ? 90704 : 101119;
    w.format.in_use = !s->closed;
    w.stopped = s->stopped;
    w.rotated = s->rotated;
    w.err = s->err;
    w.at = w.boundary = offset;
    w.has_previous = !s->no_previous;
    assert_int_equal(gtid_parse(s->previous, mysql ? GTID_MYSQL : GTID_MARIADB_STATE, &w.previous),
                     0);
    rewind_plan_finish(&p, &w);
    return p;
}

static enum tail_class planned_class(const struct scenario *s)
{
    struct rewind_plan p = planned(s);
    return rewind_plan_class(&p);
}

static void check_cut(struct scenario s, uint64_t cut, uint32_t groups, uint32_t rollbacks)
{
    struct rewind_plan p = planned(&s);
    assert_string_equal(rewind_reason_id(p.reason), "ok");
    assert_int_equal(p.verdict, REWIND_CUT);
    assert_int_equal(p.cut, cut);
    assert_int_equal(p.end, cut + 100 * (uint64_t)groups);
    assert_int_equal(p.groups, groups);
    assert_int_equal(p.expected_rollbacks, rollbacks);
}

static void check_refuse(struct scenario s, const char *id)
{
    struct rewind_plan p = planned(&s);
    assert_string_equal(rewind_reason_id(p.reason), id);
    assert_int_equal(p.verdict, REWIND_REFUSE);
    assert_true(strlen(rewind_reason_text(p.reason)) > 10);
}

static void check_none(struct scenario s)
{
    struct rewind_plan p = planned(&s);
    assert_string_equal(rewind_reason_id(p.reason), "ok");
    assert_int_equal(p.verdict, REWIND_NONE);
}

static void test_cut(void **state)
{
    char text[256];
    (void)state;
    check_cut((struct scenario)MYSQL(A "1-3", "4 5 6 7", A "1-5", A "1-5:100"), 500, 2, 2);
    check_cut((struct scenario)MYSQL(A "1-3", "4 5", A "1-3", A "1-3"), 300, 2, 2);
    check_cut((struct scenario)MYSQL("", "1 2da 3e 4a", A "1", A "1"), 400, 3, 2);
    /* what is in S may be anything */
    check_cut((struct scenario)MYSQL("", "1d 2s 3m 4x 5o 6", A "1-5", A "1-5"), 800, 1, 1);
    check_cut((struct scenario)MARIADB("0-1-3,0-2-2", "4 5 6", "0-1-4", "0-1-4,0-2-90"), 400, 2, 2);
    struct scenario s = MYSQL(A "1-3", "4 5 6 7", A "1-5", A "1-5");
    struct rewind_plan p = planned(&s);
    assert_int_equal(gtid_format(&p.gtids, text, sizeof text), 0);
    assert_string_equal(text, A "6-7");
    assert_string_equal(gtid_format_one(&p.first, text, sizeof text), A "6");
    assert_string_equal(gtid_format_one(&p.last, text, sizeof text), A "7");
}

static void test_nothing_to_cut(void **state)
{
    struct scenario s = MYSQL(A "1-3", "4 5", A "1-5", A "1-9");
    (void)state;
    check_none(s);
    s.facts = (struct rewind_facts){0};
    s.stopped = s.rotated = s.closed = true;
    check_none(s);
    check_none((struct scenario)MYSQL(A "1-3", "", A "1-3", A "1-3"));
    check_none((struct scenario)MARIADB("0-1-3", "", "0-1-3", "0-1-3"));
}

static void test_each_fact_refuses(void **state)
{
    static const char *const ids[] = {"promotion-forced", "in-sync-empty", "not-crashed",
                                      "started-since",    "local-release", "xa-unseen"};
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct scenario s = MYSQL("", "1 2", A "1", A "1");
        s.facts = (struct rewind_facts){i != 0, i != 1, i != 2, i != 3, i != 4, i != 5};
        check_refuse(s, ids[i]);
    }
}

static void test_content_refuses(void **state)
{
    (void)state;
    check_refuse((struct scenario)MYSQL("", "1 2 3m", A "1", A "1"), "tail-not-transactional");
    check_refuse((struct scenario)MYSQL("", "1 2s 3", A "1", A "1"), "tail-statement");
    check_refuse((struct scenario)MYSQL("", "1 2 3d", A "1", A "1"), "tail-ddl");
    check_refuse((struct scenario)MYSQL("", "1 2x", A "1", A "1"), "tail-xa");
    check_refuse((struct scenario)MYSQL("", "1 2o", A "1", A "1"), "tail-unknown-event");
    check_refuse((struct scenario)MYSQL("", "1 2 3!", A "1", A "1"), "tail-no-gtid");
    check_refuse((struct scenario)MARIADB("", "1 2 3d", "0-1-1", "0-1-1"), "tail-ddl");
}

static void test_sets_refuse(void **state)
{
    (void)state;
    check_refuse((struct scenario)MYSQL("", "1 2 3 4", A "1:3", A "1:3"), "tail-hole");
    check_refuse((struct scenario)MYSQL("", "1 2 3 4", A "1", A "1:4"), "tail-on-writer");
    check_refuse((struct scenario)MYSQL(A "1-3", "4 5", A "1-2", A "1-2"), "tail-spans-rotation");
    check_refuse((struct scenario)MYSQL(A "1-3", "", A "1-2", A "1-2"), "tail-spans-rotation");
    check_refuse((struct scenario)MYSQL("", "1 2", "", A "1"), "seal-unknown");
    check_refuse((struct scenario)MYSQL("", "1 2", A "1", ""), "writer-unknown");
    check_refuse((struct scenario)MYSQL("", "2 3", A "1-2", A "2"), "writer-unknown");
    /* the writer's position would contain every phantom; its state does not */
    check_refuse((struct scenario)MARIADB("", "4 5", "0-1-4", "0-1-5,0-2-90"), "tail-on-writer");
    check_refuse((struct scenario)MARIADB("0-1-4", "5", "0-1-3", "0-1-3"), "tail-spans-rotation");
}

static void test_file_refuses(void **state)
{
    struct scenario s = MYSQL("", "1 2", A "1", A "1");
    (void)state;
    s.closed = true;
    check_refuse(s, "closed-in-order");
    s.closed = false;
    s.stopped = true;
    check_refuse(s, "closed-in-order");
    s.stopped = false;
    s.rotated = true;
    check_refuse(s, "tail-spans-rotation");
    s.rotated = false;
    s.no_previous = true;
    check_refuse(s, "tail-spans-rotation");
    s.no_previous = false;
    s.err = ERR_FORMAT;
    check_refuse(s, "binlog-damaged");
    s.err = ERR_UNSUPPORTED;
    check_refuse(s, "binlog-encrypted");
    s.err = ERR_FULL;
    check_refuse(s, "tail-too-many");
}

/* "Salvaged" may be said of a tail that was seen from its first transaction to its last. */
static void test_whole_or_a_part(void **state)
{
    struct scenario s = MYSQL("", "1 2", A "1", A "1");
    (void)state;
    assert_true(planned(&s).whole);
    s.facts.promotions_clean = false;
    assert_true(planned(&s).whole);
    assert_int_equal(planned_class(&s), TAIL_POSSIBLE);
    s.rotated = true;
    assert_false(planned(&s).whole);
    /* That it reaches into another file says nothing of how it came about; the facts do. */
    assert_int_equal(planned_class(&s), TAIL_POSSIBLE);
    s.facts.promotions_clean = true;
    assert_int_equal(planned_class(&s), TAIL_UNKNOWN);
    s.rotated = false;
    s.no_previous = true;
    assert_false(planned(&s).whole);
    s.no_previous = false;
    s.previous = A "1-9";
    assert_false(planned(&s).whole);
    s.previous = "";
    s.err = ERR_UNSUPPORTED;
    assert_false(planned(&s).whole);
    assert_int_equal(planned_class(&s), TAIL_UNKNOWN);
    s.facts.no_local_release = false;
    assert_int_equal(planned_class(&s), TAIL_POSSIBLE);
}

/* What was cut could not be proven to be gone; and that weighs less than what speaks of a promise.
 */
static void test_server_that_does_not_tell_refuses(void **state)
{
    static const unsigned silent[] = {50744, 80016, 80017, 80027};
    struct scenario s = MYSQL("", "1 2", A "1", A "1");
    (void)state;
    for (unsigned i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        s.version = silent[i];
        check_refuse(s, "recovery-silent");
        assert_int_equal(planned_class(&s), TAIL_NEVER);
        assert_true(planned(&s).whole);
    }
    s.version = 80028;
    check_cut(s, 400, 1, 1);
    s.version = 80027;
    s.facts.promotions_clean = false;
    check_refuse(s, "promotion-forced");
    s.facts.promotions_clean = true;
    s.groups = "1 2s";
    check_refuse(s, "tail-statement");
    s.groups = "1";
    check_none(s);
    s = (struct scenario)MARIADB("", "4 5", "0-1-4", "0-1-4,0-2-90");
    s.version = 100600;
    check_cut(s, 400, 1, 1);
}

static void test_other_family_refuses(void **state)
{
    static const struct rewind_facts facts = FACTS;
    struct gtid_set seal, writer;
    struct binlog_group g = {.has_gtid = true};
    struct rewind_plan p;
    (void)state;
    assert_int_equal(gtid_parse("0-1-3", GTID_MARIADB, &seal), 0);
    writer = seal;
    rewind_plan_init(&p, &facts, &seal, &writer);
    assert_int_equal(gtid_parse_one(A "4", GTID_MYSQL, &g.gtid), 0);
    rewind_plan_group(&p, &g);
    assert_int_equal(p.verdict, REWIND_REFUSE);
    assert_string_equal(rewind_reason_id(p.reason), "flavour-mismatch");
}

/*
 * Every tail of up to 6 transactions, every S and W as subsets of them, against the rule of design
 * 5.3 said in other words: cut only if S is a prefix, W is S and nothing of the tail.
 */
static void test_all_small_cases(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 6; n++)
        for (unsigned in_s = 0; in_s < 1U << n; in_s++)
            for (unsigned in_w = 0; in_w < 1U << n; in_w++) {
                char groups[64] = "", seal[256] = A "100", writer[256] = A "100";
                struct scenario s = MYSQL("", groups, seal, writer);
                bool prefix = (in_s & (in_s + 1)) == 0, all = in_s == (1U << n) - 1;
                for (unsigned i = 0; i < n; i++) {
                    size_t at = strlen(groups);
                    (void)snprintf(groups + at, sizeof groups - at, i == 0 ? "%u" : " %u", i + 1);
                    at = strlen(seal);
                    if (in_s >> i & 1)
                        (void)snprintf(seal + at, sizeof seal - at, ":%u", i + 1);
                    at = strlen(writer);
                    if (in_w >> i & 1)
                        (void)snprintf(writer + at, sizeof writer - at, ":%u", i + 1);
                }
                struct rewind_plan p = planned(&s);
                if (all)
                    assert_int_equal(p.verdict, REWIND_NONE);
                else
                    assert_int_equal(p.verdict,
                                     prefix && in_w == in_s ? REWIND_CUT : REWIND_REFUSE);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_nothing_to_cut),
        cmocka_unit_test(test_each_fact_refuses),
        cmocka_unit_test(test_content_refuses),
        cmocka_unit_test(test_sets_refuse),
        cmocka_unit_test(test_file_refuses),
        cmocka_unit_test(test_whole_or_a_part),
        cmocka_unit_test(test_server_that_does_not_tell_refuses),
        cmocka_unit_test(test_other_family_refuses),
        cmocka_unit_test(test_all_small_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
