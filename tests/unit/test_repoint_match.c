/* SPDX-License-Identifier: Apache-2.0 */
/* Where does a replica go on in its new source's binlog: recorded logs, made ones, and each reason
 * to refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/repoint_match.h"
#include "repoint_logs.h"

#define ROWS_MAX 2000
#define M1 1u /* the old source */
#define M2 2u /* the new one, whose logs these are */

/* ---- two logs of one history ---- */

struct row {
    char type[32];
    char info[120];
    uint32_t server_id;
    uint64_t position, end;
};

struct log {
    struct row rows[ROWS_MAX];
    unsigned file[ROWS_MAX]; /* in which the row is */
    unsigned n;
    unsigned n_files;
    uint64_t position;
    uint64_t checksum; /* bytes behind each event */
};

/* m1 writes; m2 receives into its relay logs, and writes into its binlog. */
struct world {
    struct log relay, binlog;
    unsigned m1_file;
    uint64_t m1_position;
    unsigned number;
};

static struct row *put(struct log *l, const char *type, uint32_t server_id, uint64_t length,
                       const char *info)
{
    struct row *r = &l->rows[l->n];
    assert_true(l->n < ROWS_MAX);
    l->file[l->n++] = l->n_files;
    (void)snprintf(r->type, sizeof r->type, "%s", type);
    (void)snprintf(r->info, sizeof r->info, "%s", info);
    r->server_id = server_id;
    r->position = l->position;
    r->end = l->position += length + l->checksum;
    return r;
}

static void new_file(struct log *l)
{
    l->n_files++;
    l->position = 4;
    (void)put(l, "Format_desc", M2, 116, "Server ver: 5.6.24-log, Binlog ver: 4");
}

/* An event of m1, as both servers have it. */
static void both(struct world *w, const char *type, uint64_t length, const char *relay,
                 const char *binlog)
{
    w->m1_position += length + w->relay.checksum;
    put(&w->relay, type, M1, length, relay)->end = w->m1_position;
    (void)put(&w->binlog, type, M1, length, binlog);
}

static void both_same(struct world *w, const char *type, uint64_t length, const char *info)
{
    both(w, type, length, info, info);
}

/* With a number that each server gives anew. */
static void numbered(struct world *w, const char *type, uint64_t length, const char *before,
                     const char *behind)
{
    char a[100], b[100];
    w->number++;
    (void)snprintf(a, sizeof a, "%s%u%s", before, w->number, behind);
    (void)snprintf(b, sizeof b, "%s%u%s", before, w->number + 1000, behind);
    both(w, type, length, a, b);
}

static void table_map(struct world *w)
{
    numbered(w, "Table_map", 41, "table_id: ", " (d.t)");
}

static void row_event(struct world *w, const char *type, uint64_t length)
{
    numbered(w, type, length, "table_id: ", " flags: STMT_END_F");
}

static void xid(struct world *w)
{
    numbered(w, "Xid", 27, "COMMIT /* xid=", " */");
}

static void rows(struct world *w, const char *type, uint64_t length)
{
    both_same(w, "Query", 68, "BEGIN");
    table_map(w);
    row_event(w, type, length);
    xid(w);
}

static void insert(struct world *w)
{
    rows(w, "Write_rows", 36);
}

static void ddl(struct world *w, const char *text)
{
    both_same(w, "Query", 90, text);
}

static void m1_rotates(struct world *w)
{
    char info[64];
    struct row *r;
    (void)snprintf(info, sizeof info, "m1-bin.%06u;pos=4", ++w->m1_file);
    r = put(&w->relay, "Rotate", M1, 43, info);
    r->end = w->m1_position + 43;
    w->m1_position = 120;
    put(&w->relay, "Format_desc", M1, 116, "Server ver: 5.6.24-log, Binlog ver: 4")->end = 120;
}

static void relay_rotates(struct world *w)
{
    (void)put(&w->relay, "Rotate", M2, 43, "m2-relay.000009;pos=4");
    new_file(&w->relay);
}

static void m2_rotates(struct world *w)
{
    (void)put(&w->binlog, "Rotate", M2, 43, "m2-bin.000009;pos=4");
    new_file(&w->binlog);
}

static void own_insert(struct world *w)
{
    (void)put(&w->binlog, "Query", M2, 68, "BEGIN");
    (void)put(&w->binlog, "Table_map", M2, 41, "table_id: 70 (d.t)");
    (void)put(&w->binlog, "Write_rows", M2, 36, "table_id: 70 flags: STMT_END_F");
    (void)put(&w->binlog, "Xid", M2, 27, "COMMIT /* xid=70 */");
}

/* The IO thread tells where it goes on after it has connected. */
static void connects(struct world *w)
{
    char info[64];
    (void)snprintf(info, sizeof info, "m1-bin.%06u;pos=%llu", w->m1_file,
                   (unsigned long long)w->m1_position);
    put(&w->relay, "Rotate", M1, 43, info)->end = 0;
    put(&w->relay, "Format_desc", M1, 116, "Server ver: 5.6.24-log, Binlog ver: 4")->end = 0;
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->m1_file = 4;
    w->m1_position = 500;
    new_file(&w->relay);
    new_file(&w->binlog);
    connects(w);
}

static struct log_place m1_place(const struct world *w)
{
    struct log_place p = {.position = w->m1_position};
    (void)snprintf(p.file, sizeof p.file, "m1-bin.%06u", w->m1_file);
    return p;
}

/* ---- reading them ---- */

struct reading {
    struct match_reader relay, binlog;
    struct match_group relay_groups[ROWS_MAX], binlog_groups[ROWS_MAX];
    struct match_result result;
    const struct rule *rule;
    bool unlevel; /* m2's own coordinates say that it has received more than it has applied */
};

static size_t read_log(struct match_reader *r, const struct log *l, unsigned first_file,
                       struct match_group *groups)
{
    size_t n = 0;
    for (unsigned i = 0; i < l->n; i++) {
        const struct row *row = &l->rows[i];
        const struct repoint_event e = {.type = row->type,
                                        .info = row->info,
                                        .server_id = row->server_id,
                                        .position = row->position,
                                        .end = row->end};
        if (l->file[i] < first_file)
            continue;
        if (i == 0 || l->file[i] != l->file[i - 1])
            match_file(r, l->file[i]);
        n += match_event(r, &e, &groups[n]);
    }
    return n;
}

static void decide_from(struct world *w, struct log_place replica, struct log_place source,
                        unsigned relay_file, struct reading *d)
{
    struct match_logs logs = {.relay = &d->relay,
                              .relay_groups = d->relay_groups,
                              .binlog = &d->binlog,
                              .binlog_groups = d->binlog_groups,
                              .level = !d->unlevel,
                              .log_end = w->binlog.position,
                              .log_end_file = w->binlog.n_files};
    size_t n;
    match_begin_relay(&d->relay, M2, &replica, &source);
    match_begin_binlog(&d->binlog, M2);
    n = read_log(&d->relay, &w->relay, relay_file, d->relay_groups);
    assert_int_equal(n, d->relay.groups);
    logs.n_binlog = read_log(&d->binlog, &w->binlog, 0, d->binlog_groups);
    d->rule = match_decide(&logs, &d->result);
}

static void decide(struct world *w, struct log_place replica, struct reading *d)
{
    decide_from(w, replica, m1_place(w), 0, d);
}

static void expect_rule(const struct reading *d, unsigned id)
{
    if (d->rule->id != id)
        fail_msg("match/%u (%s; relay '%s', binlog '%s') instead of match/%u", d->rule->id,
                 d->rule->text, d->relay.why, d->binlog.why, id);
}

static void expect_place(const struct reading *d, size_t behind, unsigned file, uint64_t position)
{
    expect_rule(d, behind > 0 ? 130 : 120);
    assert_int_equal(d->result.behind, behind);
    assert_int_equal(d->result.file, file);
    assert_int_equal(d->result.position, position);
    assert_true(d->result.compared >= behind);
}

/* Everything that makes places differ: rotations of all three logs, DDL, transactions that look
 * alike, a connection made anew within a transaction. Every place is mapped. */
static void test_each_place_is_found(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at[40];
    struct {
        unsigned file;
        uint64_t position;
    } want[40];
    unsigned n = 0;
    (void)state;
    begin(&w);
    w.binlog.checksum = 4; /* m1 writes none */
    for (; n < 40; n++) {
        if (n % 7 == 3)
            m1_rotates(&w);
        if (n % 5 == 2)
            m2_rotates(&w);
        if (n % 9 == 4)
            relay_rotates(&w);
        at[n] = m1_place(&w);
        want[n].file = w.binlog.n_files;
        want[n].position = w.binlog.position;
        if (n % 4 == 1) {
            ddl(&w, "use `d`; CREATE TABLE u (id INT)");
        } else if (n % 11 == 6) {
            both_same(&w, "Query", 68, "BEGIN");
            relay_rotates(&w);
            connects(&w);
            table_map(&w);
            row_event(&w, "Update_rows", 50);
            both_same(&w, "Query", 69, "COMMIT");
        } else {
            insert(&w);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        decide(&w, at[i], &d);
        expect_place(&d, n - i, want[i].file, want[i].position);
        assert_int_equal(d.result.compared, n);
    }
}

/* The reader of a longer part of the logs begins with the places of the last one. */
static void test_begins_anew(void **state)
{
    static struct world w;
    static struct reading d;
    const struct match_mark *replica = &d.relay.marks[MARK_REPLICA];
    const struct match_mark *source = &d.relay.marks[MARK_SOURCE];
    struct log_place at;
    (void)state;
    begin(&w);
    insert(&w);
    at = m1_place(&w);
    insert(&w);
    decide(&w, at, &d);
    assert_int_equal(d.relay.groups, 2);
    match_begin_relay(&d.relay, M2, &replica->place, &source->place);
    assert_memory_equal(&replica->place, &at, sizeof at);
    assert_false(replica->found || source->found);
    assert_int_equal(read_log(&d.relay, &w.relay, 0, d.relay_groups), 2);
    assert_true(replica->found && replica->groups == 1 && source->groups == 2);
    /* Nothing is at no place, though a relay log may begin without one. */
    memset(&at, 0, sizeof at);
    match_begin_relay(&d.relay, M2, &at, &at);
    (void)read_log(&d.relay, &w.relay, 0, d.relay_groups);
    assert_false(replica->found || source->found);
}

static void test_rotation_moves_the_place_and_no_transaction(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place before, header;
    uint64_t end;
    (void)state;
    begin(&w);
    insert(&w);
    insert(&w);
    before = m1_place(&w);
    end = w.binlog.position;
    m1_rotates(&w);
    header = m1_place(&w);
    header.position = 4;
    decide(&w, before, &d);
    expect_place(&d, 0, 1, end);
    decide(&w, header, &d);
    expect_place(&d, 0, 1, end);
    /* The replica has read the rotation, its new source has not. */
    decide_from(&w, header, before, 0, &d);
    expect_place(&d, 0, 1, end);
}

/* The common case: m2 was promoted, its channel stopped but not reset, and it writes. */
static void test_writing_source(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at;
    uint64_t end, third;
    (void)state;
    begin(&w);
    insert(&w);
    insert(&w);
    at = m1_place(&w);
    third = w.binlog.position;
    insert(&w);
    end = w.binlog.position;
    for (int i = 0; i < 5; i++) {
        own_insert(&w);
        m2_rotates(&w);
    }
    decide(&w, at, &d);
    expect_place(&d, 1, 1, third);
    decide(&w, m1_place(&w), &d);
    expect_place(&d, 0, 1, end);
}

static void test_nothing_foreign_in_the_binlog(void **state)
{
    static struct world w;
    static struct reading d;
    (void)state;
    begin(&w);
    m2_rotates(&w);
    decide(&w, m1_place(&w), &d);
    expect_rule(&d, 110);
    assert_int_equal(d.result.file, 2);
    assert_int_equal(d.result.position, w.binlog.position);
    own_insert(&w);
    decide(&w, m1_place(&w), &d);
    expect_rule(&d, 70);
}

/* Both have the same place, and the relay logs were purged to behind it: nothing is left to compare
 * with, and nothing needs it. */
static void test_equal_without_relay_logs(void **state)
{
    static struct world w;
    static struct reading d;
    uint64_t end;
    (void)state;
    begin(&w);
    insert(&w);
    end = w.binlog.position;
    relay_rotates(&w);
    decide_from(&w, m1_place(&w), m1_place(&w), w.relay.n_files, &d);
    expect_rule(&d, 120);
    assert_int_equal(d.result.position, end);
    assert_int_equal(d.result.compared, 0);
}

/* The oldest relay log may begin within a transaction: its end is a place like any other. */
static void test_relay_log_begins_within_a_transaction(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at;
    uint64_t position;
    (void)state;
    begin(&w);
    both_same(&w, "Query", 68, "BEGIN");
    table_map(&w);
    relay_rotates(&w);
    connects(&w);
    row_event(&w, "Write_rows", 36);
    xid(&w);
    at = m1_place(&w);
    position = w.binlog.position;
    insert(&w);
    decide_from(&w, at, m1_place(&w), w.relay.n_files, &d);
    expect_place(&d, 1, 1, position);
    assert_int_equal(d.result.compared, 1);
}

/* m1 died while it sent a transaction: what is left of it in the relay log is nobody's. */
static void test_unfinished_transaction_does_not_count(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at, end;
    (void)state;
    begin(&w);
    at = m1_place(&w);
    insert(&w);
    end = m1_place(&w);
    put(&w.relay, "Query", M1, 68, "BEGIN")->end = w.m1_position + 68;
    put(&w.relay, "Table_map", M1, 41, "table_id: 9 (d.t)")->end = w.m1_position + 109;
    d.unlevel = true;
    decide_from(&w, at, end, 0, &d);
    expect_place(&d, 1, 1, 120);
    d.unlevel = false;
}

/* ---- each reason to refuse ---- */

static void test_unapplied(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at;
    (void)state;
    begin(&w);
    insert(&w);
    at = m1_place(&w);
    insert(&w);
    decide_from(&w, at, at, 0, &d);
    expect_rule(&d, 20);
    /* Without its relay logs, by its coordinates alone. */
    d.unlevel = true;
    decide_from(&w, at, at, w.relay.n_files + 1, &d);
    expect_rule(&d, 20);
    d.unlevel = false;
}

static void test_ahead(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place source;
    (void)state;
    begin(&w);
    insert(&w);
    source = m1_place(&w);
    w.m1_position += 300;
    decide_from(&w, m1_place(&w), source, 0, &d);
    expect_rule(&d, 30);
    /* In another file, by its number. */
    w.m1_file = 10;
    w.m1_position = 120;
    decide_from(&w, m1_place(&w), source, 0, &d);
    expect_rule(&d, 30);
}

static void test_twice(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at;
    (void)state;
    begin(&w);
    insert(&w);
    at = m1_place(&w);
    insert(&w);
    /* m1's binlog was begun anew with the names of before. */
    w.m1_position = 500;
    connects(&w);
    insert(&w);
    insert(&w);
    insert(&w);
    decide(&w, at, &d);
    expect_rule(&d, 40);
}

static void test_own_transaction_between(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at[3];
    uint64_t own;
    (void)state;
    begin(&w);
    insert(&w);
    at[0] = m1_place(&w);
    insert(&w);
    own = w.binlog.position;
    own_insert(&w);
    at[1] = m1_place(&w);
    insert(&w);
    at[2] = m1_place(&w);
    own_insert(&w);
    /* Whether it lies behind the replica's place or before it. */
    for (unsigned i = 0; i < 3; i++) {
        decide(&w, at[i], &d);
        expect_rule(&d, 50);
        assert_int_equal(d.result.position, own);
    }
}

static void test_relay_logs_purged(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at;
    (void)state;
    begin(&w);
    insert(&w);
    at = m1_place(&w);
    insert(&w);
    relay_rotates(&w);
    insert(&w);
    decide_from(&w, at, m1_place(&w), w.relay.n_files, &d);
    expect_rule(&d, 60);
    /* Within a transaction is no place. */
    at.position += 68;
    decide(&w, at, &d);
    expect_rule(&d, 60);
}

static void test_binlog_purged(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at;
    (void)state;
    begin(&w);
    at = m1_place(&w);
    insert(&w);
    insert(&w);
    insert(&w);
    /* Its first transaction is gone. */
    memmove(w.binlog.rows + 1, w.binlog.rows + 5, (w.binlog.n - 5) * sizeof w.binlog.rows[0]);
    w.binlog.n -= 4;
    decide(&w, at, &d);
    expect_rule(&d, 80);
    w.binlog.n = 1;
    decide(&w, at, &d);
    expect_rule(&d, 90);
}

/* One thing differs in the binlog: in what is missing, or in what comes before. */
static void differs(const char *what, void (*change)(struct row *rows))
{
    static struct world w;
    static struct reading d;
    for (unsigned group = 0; group < 4; group++) {
        struct log_place at;
        begin(&w);
        insert(&w);
        insert(&w);
        at = m1_place(&w);
        insert(&w);
        insert(&w);
        decide(&w, at, &d);
        expect_place(&d, 2, 1, w.binlog.rows[9].position);
        change(&w.binlog.rows[1 + 4 * group]);
        decide(&w, at, &d);
        if (d.rule->id != 100)
            fail_msg("%s in group %u: match/%u", what, group, d.rule->id);
        assert_int_equal(d.result.position, w.binlog.rows[1 + 4 * group].position);
        assert_int_equal(d.result.compared, 3 - group);
    }
}

static void change_table(struct row *r)
{
    (void)snprintf(r[1].info, sizeof r[1].info, "table_id: 1070 (d.u)");
}

static void change_type(struct row *r)
{
    (void)snprintf(r[2].type, sizeof r[2].type, "Delete_rows");
}

static void change_flags(struct row *r)
{
    (void)snprintf(r[2].info, sizeof r[2].info, "table_id: 1070");
}

static void change_server(struct row *r)
{
    r[2].server_id = 7;
}

static void change_length(struct row *r)
{
    r[2].end++;
    r[3].position++;
    r[3].end++;
}

static void test_differs(void **state)
{
    (void)state;
    differs("table", change_table);
    differs("type", change_type);
    differs("flags", change_flags);
    differs("server", change_server);
    differs("length", change_length);
}

static void test_ddl_differs(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at;
    struct row *r;
    (void)state;
    begin(&w);
    insert(&w);
    at = m1_place(&w);
    both(&w, "Query", 90, "use `d`; DROP TABLE u /* xid=17 */",
         "use `d`; DROP TABLE u /* xid=44 */");
    decide(&w, at, &d);
    expect_place(&d, 1, 1, w.binlog.rows[5].position);
    r = &w.binlog.rows[5];
    (void)snprintf(r->info, sizeof r->info, "use `d`; DROP TABLE v /* xid=44 */");
    decide(&w, at, &d);
    expect_rule(&d, 100);
}

/* Two row events whose lengths are exchanged: their sum tells nothing. */
static void test_order_of_lengths_counts(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place at;
    (void)state;
    begin(&w);
    at = m1_place(&w);
    both_same(&w, "Query", 68, "BEGIN");
    table_map(&w);
    row_event(&w, "Write_rows", 36);
    row_event(&w, "Write_rows", 52);
    xid(&w);
    decide(&w, at, &d);
    expect_place(&d, 1, 1, 120);
    w.binlog.rows[3].end += 16;
    w.binlog.rows[4].position += 16;
    decide(&w, at, &d);
    expect_rule(&d, 100);
}

static void test_odd_events(void **state)
{
    static const struct {
        const char *type, *info;
    } odd[] = {
        {"Transaction_payload", "compression='ZSTD', decompressed_size=189 bytes"},
        {"XA_prepare", "XA PREPARE X'61',X'',1"},
        {"Query", "XA START X'61',X'',1"},
        {"Incident", "#1 (LOST_EVENTS)"},
        {"Unknown", ""},
    };
    static struct world w;
    static struct reading d;
    (void)state;
    for (unsigned i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct log_place at;
        begin(&w);
        insert(&w);
        at = m1_place(&w);
        both_same(&w, odd[i].type, 60, odd[i].info);
        insert(&w);
        decide(&w, at, &d);
        expect_rule(&d, 10);
        assert_true(d.relay.why[0] != '\0' && d.binlog.why[0] != '\0');
    }
    /* A transaction within another, and one without a beginning. */
    begin(&w);
    both_same(&w, "Query", 68, "BEGIN");
    insert(&w);
    decide(&w, m1_place(&w), &d);
    expect_rule(&d, 10);
    begin(&w);
    insert(&w);
    table_map(&w);
    decide(&w, m1_place(&w), &d);
    expect_rule(&d, 10);
}

/* Coordinates and logs that say the opposite of each other. */
static void test_contradiction(void **state)
{
    static struct world w;
    static struct reading d;
    struct log_place later;
    (void)state;
    begin(&w);
    w.m1_position = 9000;
    insert(&w);
    later = m1_place(&w);
    w.m1_position = 500;
    connects(&w);
    insert(&w);
    decide_from(&w, m1_place(&w), later, 0, &d);
    assert_int_not_equal(d.rule->verdict, MATCH_PLACE);
    decide_from(&w, later, m1_place(&w), 0, &d);
    assert_int_not_equal(d.rule->verdict, MATCH_PLACE);
}

/* ---- recorded ---- */

static void test_recorded(void **state)
{
    static struct reading d;
    (void)state;
    for (unsigned i = 0; i < sizeof recorded / sizeof recorded[0]; i++) {
        const struct recorded_case *c = &recorded[i];
        struct match_logs logs = {.relay = &d.relay,
                                  .relay_groups = d.relay_groups,
                                  .binlog = &d.binlog,
                                  .binlog_groups = d.binlog_groups,
                                  .level = true};
        size_t n = 0;
        match_begin_relay(&d.relay, c->own_id, &c->replica, &c->source);
        match_begin_binlog(&d.binlog, c->own_id);
        for (const struct recorded_row *r = c->relay; r->event.type != NULL; r++)
            n += match_event(&d.relay, &r->event, &d.relay_groups[n]);
        for (const struct recorded_row *r = c->binlog; r->event.type != NULL; r++) {
            if (r == c->binlog || r->file != r[-1].file)
                match_file(&d.binlog, r->file);
            logs.n_binlog += match_event(&d.binlog, &r->event, &d.binlog_groups[logs.n_binlog]);
        }
        d.rule = match_decide(&logs, &d.result);
        print_message("# %s\n", c->name);
        expect_place(&d, c->behind, c->file, c->position);
        assert_int_equal(d.result.compared, c->compared);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_place_is_found),
        cmocka_unit_test(test_begins_anew),
        cmocka_unit_test(test_rotation_moves_the_place_and_no_transaction),
        cmocka_unit_test(test_writing_source),
        cmocka_unit_test(test_nothing_foreign_in_the_binlog),
        cmocka_unit_test(test_equal_without_relay_logs),
        cmocka_unit_test(test_relay_log_begins_within_a_transaction),
        cmocka_unit_test(test_unfinished_transaction_does_not_count),
        cmocka_unit_test(test_unapplied),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_own_transaction_between),
        cmocka_unit_test(test_relay_logs_purged),
        cmocka_unit_test(test_binlog_purged),
        cmocka_unit_test(test_differs),
        cmocka_unit_test(test_ddl_differs),
        cmocka_unit_test(test_order_of_lengths_counts),
        cmocka_unit_test(test_odd_events),
        cmocka_unit_test(test_contradiction),
        cmocka_unit_test(test_recorded),
    };
    return cmocka_run_group_tests_name("repoint_match", tests, NULL, NULL);
}
