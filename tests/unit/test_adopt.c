/* SPDX-License-Identifier: Apache-2.0 */
/* A running topology as a value: who is what, what stands against it, and the walk to GTID. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/adopt.h"
#include "core/adopt_gtid.h"
#include "util/err.h"
#include "wire/config.h"

#define UUID "3e11fa47-71ca-11e1-9e33-c80aa9429562"

static struct survey_server *add(struct survey *v, int flavour, uint32_t version)
{
    struct survey_server *s = &v->servers[v->n];
    (void)snprintf(s->host, sizeof s->host, "10.0.0.%u", v->n + 1);
    s->port = 3306;
    s->supported = true;
    s->read_only = v->n > 0;
    s->facts.flavour = flavour;
    s->facts.version = version;
    s->facts.server_id = v->n + 1;
    s->source = NODE_NONE;
    s->can_persist = version >= 80011;
    s->violations = -1;
    s->mode = MODE_ON;
    s->enforce = ENFORCE_ON;
    (void)snprintf(s->own.file, sizeof s->own.file, "m%u-bin.000002", v->n + 1);
    s->own.position = 1000;
    v->n++;
    return s;
}

static void follow(struct survey *v, unsigned replica, unsigned source)
{
    struct survey_server *s = &v->servers[replica];
    s->facts.channel = true;
    s->channels = 1;
    s->facts.io = s->facts.sql = THREAD_RUNNING;
    (void)snprintf(s->facts.source_host, sizeof s->facts.source_host, "10.0.0.%u", source + 1);
    s->facts.source_port = 3306;
    (void)snprintf(s->applied_to.file, sizeof s->applied_to.file, "m%u-bin.000002", source + 1);
    s->applied_to.position = 400;
}

/* m1 <-> m2, m3 below m1, m4 below m3. */
static void classic(struct survey *v, int flavour, uint32_t version)
{
    memset(v, 0, sizeof *v);
    for (int i = 0; i < 4; i++) {
        struct survey_server *s = add(v, flavour, version);
        if (flavour == SERVER_MYSQL) {
            s->mode = MODE_OFF;
            s->enforce = ENFORCE_OFF;
        } else {
            (void)snprintf(s->facts.executed, GTID_TEXT_MAX, "0-1-%d", 40 - i);
            (void)snprintf(s->facts.applied, GTID_TEXT_MAX, "0-1-%d", 40 - i);
        }
    }
    follow(v, 0, 1);
    follow(v, 1, 0);
    follow(v, 2, 0);
    follow(v, 3, 2);
    adopt_link(v);
}

static bool has(const struct survey *v, const struct adopt_plan *p, unsigned i, const char *id)
{
    struct adopt_finding list[ADOPT_FINDINGS_MAX];
    unsigned n = adopt_findings(v, p, i, list);
    for (unsigned k = 0; k < n; k++) {
        if (strcmp(list[k].id, id) == 0)
            return true;
    }
    return false;
}

/* ---- who is what ---- */

static void test_mutual_pair_with_a_cascade(void **state)
{
    struct survey v;
    struct adopt_plan p;
    (void)state;
    classic(&v, SERVER_MARIADB, 101119);
    adopt_draw(&v, NODE_NONE, &p);
    assert_int_equal(p.writer, 0);
    assert_false(p.writer_doubtful);
    assert_false(p.candidates_doubtful);
    assert_int_equal(p.roles[0].role, CONFIG_ROLE_CANDIDATE);
    assert_int_equal(p.roles[0].priority, 100);
    assert_int_equal(p.roles[1].role, CONFIG_ROLE_CANDIDATE);
    assert_int_equal(p.roles[1].priority, 50);
    assert_int_equal(p.roles[2].role, CONFIG_ROLE_REPLICA);
    assert_int_equal(p.roles[3].role, CONFIG_ROLE_REPLICA);
    assert_int_equal(adopt_depth(&v, p.writer, 3), 2);
    assert_int_equal(adopt_depth(&v, p.writer, 1), 1);
}

static void test_two_writable_halves_are_a_doubt(void **state)
{
    struct survey v;
    struct adopt_plan p;
    (void)state;
    classic(&v, SERVER_MARIADB, 101119);
    v.servers[1].read_only = false;
    adopt_draw(&v, NODE_NONE, &p);
    assert_int_equal(p.writer, 0);
    assert_true(p.writer_doubtful);
    adopt_draw(&v, 1, &p);
    assert_int_equal(p.writer, 1);
    assert_false(p.writer_doubtful);
    assert_true(has(&v, &p, 0, "writable"));
}

static void test_standby_is_the_one_that_acknowledges(void **state)
{
    struct survey v;
    struct adopt_plan p;
    (void)state;
    classic(&v, SERVER_MARIADB, 101119);
    v.servers[0].facts.channel = false;
    v.servers[0].channels = 0;
    adopt_link(&v);
    adopt_draw(&v, NODE_NONE, &p);
    assert_int_equal(p.roles[1].role, CONFIG_ROLE_CANDIDATE);
    assert_true(p.candidates_doubtful);
    v.servers[2].facts.replica_side = true;
    adopt_draw(&v, NODE_NONE, &p);
    assert_int_equal(p.roles[1].role, CONFIG_ROLE_REPLICA);
    assert_int_equal(p.roles[2].role, CONFIG_ROLE_CANDIDATE);
    assert_false(p.candidates_doubtful);
}

/* As many as there can be: each has a priority of its own, which a candidate needs. */
static void test_all_may_be_candidates(void **state)
{
    static struct survey v;
    struct adopt_plan p;
    (void)state;
    for (unsigned i = 0; i < SURVEY_SERVERS_MAX; i++) {
        add(&v, SERVER_MARIADB, 101119)->facts.replica_side = true;
        if (i > 0)
            follow(&v, i, 0);
    }
    adopt_link(&v);
    adopt_draw(&v, NODE_NONE, &p);
    for (unsigned i = 0; i < v.n; i++) {
        assert_int_equal(p.roles[i].role, CONFIG_ROLE_CANDIDATE);
        assert_in_range(p.roles[i].priority, 1, 254);
        for (unsigned k = 0; k < i; k++)
            assert_true(p.roles[k].priority > p.roles[i].priority);
    }
}

/* A second address counts for who follows whom. */
static void test_source_by_its_second_address(void **state)
{
    struct survey v;
    (void)state;
    classic(&v, SERVER_MARIADB, 101119);
    (void)snprintf(v.servers[2].facts.source_host, ADDRESS_TEXT_MAX, "10.0.0.100");
    adopt_link(&v);
    assert_int_equal(v.servers[2].source, NODE_NONE);
    (void)snprintf(v.servers[0].other_host, ADDRESS_TEXT_MAX, "10.0.0.100");
    adopt_link(&v);
    assert_int_equal(v.servers[2].source, 0);
}

static void test_guessed_addresses_go_when_all_readers_are_known(void **state)
{
    struct survey v;
    (void)state;
    classic(&v, SERVER_MARIADB, 101119);
    v.n_lost = 2;
    v.lost[0] = (struct survey_lost){.host = "10.9.9.9", .port = 3306, .seen_by = 0};
    v.lost[1] = (struct survey_lost){.host = "10.9.9.8", .port = 3306, .seen_by = NODE_NONE};
    v.servers[0].readers = 3;
    adopt_settle_lost(&v);
    assert_int_equal(v.n_lost, 2);
    v.servers[0].readers = 2;
    adopt_settle_lost(&v);
    assert_int_equal(v.n_lost, 1);
    assert_string_equal(v.lost[0].host, "10.9.9.8");
}

/* ---- findings ---- */

static void test_each_setting_is_named(void **state)
{
    static const struct {
        uint32_t bit;
        const char *id;
    } rows[] = {
        {SETTING_LOG_BIN, "log-bin-off"},
        {SETTING_LOG_REPLICA_UPDATES, "log-replica-updates-off"},
        {SETTING_ROW, "binlog-format"},
        {SETTING_ROW_IMAGE, "row-image"},
        {SETTING_ENCRYPTED, "binlog-encrypted"},
        {SETTING_SYNC_BINLOG, "sync-binlog"},
        {SETTING_FLUSH_LOG, "innodb-flush-log"},
        {SETTING_SYNC_RELAY_LOG, "sync-relay-log"},
        {SETTING_RELAY_LOG_RECOVERY, "relay-log-recovery"},
        {SETTING_ENGINE, "binlog-engine"},
        {SETTING_SEMI_SYNC, "semi-sync-missing"},
        {SETTING_GTID, "gtid-strict-off"},
    };
    struct survey v;
    struct adopt_plan p;
    (void)state;
    classic(&v, SERVER_MARIADB, 101119);
    adopt_draw(&v, NODE_NONE, &p);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        v.servers[1].facts.settings = 0;
        assert_false(has(&v, &p, 1, rows[i].id));
        v.servers[1].facts.settings = rows[i].bit;
        assert_true(has(&v, &p, 1, rows[i].id));
    }
}

static void test_what_else_is_found(void **state)
{
    struct survey v;
    struct adopt_plan p;
    (void)state;
    classic(&v, SERVER_MYSQL, 50744);
    v.servers[3].facts.server_id = v.servers[1].facts.server_id;
    memcpy(v.servers[3].facts.server_uuid, UUID, sizeof UUID);
    memcpy(v.servers[1].facts.server_uuid, UUID, sizeof UUID);
    v.servers[2].facts.sql = THREAD_STOPPED;
    v.servers[2].supported = false;
    v.servers[1].by_gtid = true;
    (void)snprintf(v.servers[1].facts.executed, GTID_TEXT_MAX, UUID ":1-7");
    adopt_draw(&v, NODE_NONE, &p);
    assert_true(has(&v, &p, 1, "server-id-twice"));
    assert_true(has(&v, &p, 3, "server-id-twice"));
    assert_false(has(&v, &p, 0, "server-id-twice"));
    assert_true(has(&v, &p, 1, "server-uuid-twice"));
    assert_false(has(&v, &p, 0, "server-uuid-twice"));
    assert_true(has(&v, &p, 0, "gtid-off"));
    assert_true(has(&v, &p, 0, "writer-follows"));
    assert_false(has(&v, &p, 0, "position-replica"));
    assert_false(has(&v, &p, 1, "position-replica"));
    assert_true(has(&v, &p, 3, "position-replica"));
    assert_true(has(&v, &p, 2, "replication-stopped"));
    assert_true(has(&v, &p, 2, "version"));
    assert_true(has(&v, &p, 1, "holds-extra"));
    assert_false(has(&v, &p, 3, "holds-extra"));
}

static void test_accounts_and_hosts(void **state)
{
    struct survey v;
    struct adopt_plan p;
    (void)state;
    classic(&v, SERVER_MARIADB, 101119);
    adopt_draw(&v, NODE_NONE, &p);
    assert_false(has(&v, &p, 0, "connect-errors"));
    assert_false(has(&v, &p, 0, "account-powers"));
    v.servers[0].connect_errors = 100;
    (void)snprintf(v.servers[0].powers, sizeof v.servers[0].powers, "REVOKE SUPER ON *.* FROM 'a'");
    assert_true(has(&v, &p, 0, "connect-errors"));
    assert_true(has(&v, &p, 0, "account-powers"));
    v.servers[0].connect_errors = 1000000;
    assert_false(has(&v, &p, 0, "connect-errors"));
    v.servers[0].connect_errors = -1;
    assert_false(has(&v, &p, 0, "connect-errors"));
}

/* What every server has in common with every other one pushes nothing else out. */
static void test_many_twins_hide_nothing(void **state)
{
    static struct survey v;
    struct adopt_finding list[ADOPT_FINDINGS_MAX];
    struct adopt_plan p;
    unsigned n, twins = 0;
    (void)state;
    for (unsigned i = 0; i < SURVEY_SERVERS_MAX; i++) {
        struct survey_server *s = add(&v, SERVER_MYSQL, 80400);
        s->facts.server_id = 1;
        memcpy(s->facts.server_uuid, UUID, sizeof UUID);
        s->facts.settings = UINT32_MAX;
        if (i > 0)
            follow(&v, i, 0);
    }
    adopt_link(&v);
    adopt_draw(&v, NODE_NONE, &p);
    v.servers[1].read_only = false;
    n = adopt_findings(&v, &p, 1, list);
    for (unsigned k = 0; k < n; k++)
        twins += strcmp(list[k].id, "server-id-twice") == 0;
    assert_int_equal(twins, 1);
    assert_true(has(&v, &p, 1, "server-uuid-twice"));
    assert_true(has(&v, &p, 1, "log-bin-off"));
    assert_true(has(&v, &p, 1, "writable"));
}

/* ---- places in a binlog ---- */

static void test_places_are_ordered(void **state)
{
    static const struct log_place a = {"bin.999999", 900}, b = {"bin.1000000", 4},
                                  c = {"bin.1000000", 5};
    (void)state;
    assert_int_equal(log_place_compare(&a, &b), -1);
    assert_int_equal(log_place_compare(&b, &a), 1);
    assert_int_equal(log_place_compare(&b, &c), -1);
    assert_int_equal(log_place_compare(&c, &c), 0);
}

/* ---- the walk ---- */

static const struct rule *rule_of(const struct survey *v, unsigned i)
{
    uint32_t facts;
    return adopt_gtid_decide(v, 0, i, &facts);
}

static bool is_action(int verdict)
{
    return verdict != GTID_REFUSE && verdict != GTID_WAIT && verdict != GTID_DONE;
}

/* What must never be done in a state, whatever the table says: the server's own conditions, and
 * those of the manual. */
static void check_step(const struct survey *v, unsigned i, int verdict)
{
    const struct survey_server *s = &v->servers[i];
    for (unsigned k = 0; k < v->n; k++) {
        const struct survey_server *o = &v->servers[k];
        if (verdict == GTID_ENFORCE)
            assert_true(v->checked && o->enforce >= ENFORCE_WARN);
        if (verdict == GTID_OFF_PERMISSIVE)
            assert_int_equal(o->enforce, ENFORCE_ON);
        if (verdict == GTID_ON_PERMISSIVE)
            assert_true(o->mode >= MODE_OFF_PERMISSIVE);
        if (verdict == GTID_ON || verdict == GTID_MARK)
            assert_true(o->mode >= MODE_ON_PERMISSIVE && o->quiet);
        if (verdict == GTID_ON && o->facts.channel)
            assert_true(log_place_compare(&o->applied_to, &v->servers[o->source].mark) >= 0);
        if (verdict == GTID_FOLLOW)
            assert_int_equal(o->mode, MODE_ON);
    }
    if (verdict == GTID_FOLLOW)
        assert_false(s->by_gtid);
}

/* Walks to the end; returns the number of steps. */
static unsigned walk(struct survey *v)
{
    unsigned steps = 0;
    for (unsigned round = 0; round < 200; round++) {
        unsigned at = v->n;
        bool done = true;
        adopt_gtid_looked(v);
        for (unsigned i = 0; i < v->n; i++) {
            const struct rule *r = rule_of(v, i);
            assert_int_not_equal(r->verdict, GTID_REFUSE);
            done = done && r->verdict == GTID_DONE;
            if (at == v->n && is_action(r->verdict))
                at = i;
        }
        if (done)
            return steps;
        if (at == v->n) {
            for (unsigned i = 0; i < v->n; i++)
                adopt_gtid_assume(v, i, GTID_WAIT);
            continue;
        }
        check_step(v, at, rule_of(v, at)->verdict);
        adopt_gtid_assume(v, at, (enum gtid_verdict)rule_of(v, at)->verdict);
        steps++;
    }
    fail_msg("the walk does not end");
    return 0;
}

static void test_walk_of_mysql(void **state)
{
    struct survey v;
    (void)state;
    classic(&v, SERVER_MYSQL, 80036);
    /* Two times enforce, three times mode, a mark each, one look; three replicas follow. */
    assert_int_equal(walk(&v), 4 * 2 + 4 * 3 + 4 + 1 + 3);
    for (unsigned i = 0; i < v.n; i++) {
        assert_int_equal(v.servers[i].mode, MODE_ON);
        assert_int_equal(v.servers[i].by_gtid, i != 0);
    }
    assert_int_equal(walk(&v), 0);
}

/* Broken off after every number of steps: another walk, which has forgotten what was marked, ends
 * well. */
static void test_walk_goes_on(void **state)
{
    (void)state;
    for (unsigned stop = 0; stop < 28; stop++) {
        struct survey v;
        classic(&v, SERVER_MYSQL, 80036);
        for (unsigned n = 0; n < stop;) {
            unsigned at = 0;
            adopt_gtid_looked(&v);
            while (at < v.n && !is_action(rule_of(&v, at)->verdict))
                at++;
            if (at == v.n) {
                for (unsigned i = 0; i < v.n; i++)
                    adopt_gtid_assume(&v, i, GTID_WAIT);
                continue;
            }
            adopt_gtid_assume(&v, at, (enum gtid_verdict)rule_of(&v, at)->verdict);
            n++;
        }
        v.checked = false;
        for (unsigned i = 0; i < v.n; i++) {
            v.servers[i].quiet = false;
            memset(&v.servers[i].mark, 0, sizeof v.servers[i].mark);
            v.servers[i].applied_to.position = 400;
        }
        (void)walk(&v);
        for (unsigned i = 0; i < v.n; i++)
            assert_int_equal(v.servers[i].mode, MODE_ON);
    }
}

static void test_walk_of_mariadb(void **state)
{
    struct survey v;
    (void)state;
    classic(&v, SERVER_MARIADB, 100618);
    /* The writer is ahead of its source, and its own channel is left alone. */
    (void)snprintf(v.servers[1].facts.executed, GTID_TEXT_MAX, "0-1-30");
    assert_int_equal(walk(&v), 3);
    assert_false(v.servers[0].by_gtid);
}

static void test_anonymous_transactions_hold_the_walk(void **state)
{
    struct survey v;
    (void)state;
    classic(&v, SERVER_MYSQL, 80036);
    for (unsigned i = 0; i < v.n; i++) {
        v.servers[i].enforce = ENFORCE_ON;
        v.servers[i].mode = MODE_ON_PERMISSIVE;
    }
    v.servers[2].anonymous = 1;
    adopt_gtid_looked(&v);
    for (unsigned i = 0; i < v.n; i++)
        assert_int_equal(rule_of(&v, i)->id, 210);
    v.servers[2].anonymous = 0;
    adopt_gtid_looked(&v);
    assert_int_equal(rule_of(&v, 0)->verdict, GTID_MARK);
    adopt_gtid_mark(&v.servers[0]);
    /* m2 is at 400 of m1's binlog, which ends at 1000. */
    assert_int_equal(rule_of(&v, 1)->id, 230);
    v.servers[1].applied_to.position = 1000;
    assert_int_equal(rule_of(&v, 1)->verdict, GTID_MARK);
}

static void test_what_the_walk_refuses(void **state)
{
    struct survey v;
    (void)state;
    classic(&v, SERVER_MYSQL, 80036);
    v.servers[2].facts.io = THREAD_CONNECTING;
    assert_int_equal(rule_of(&v, 2)->id, 70);
    v.servers[2].channels = 2;
    assert_int_equal(rule_of(&v, 2)->id, 60);
    v.servers[2].supported = false;
    assert_int_equal(rule_of(&v, 2)->id, 10);
    classic(&v, SERVER_MYSQL, 80036);
    v.n_lost = 1;
    assert_int_equal(rule_of(&v, 0)->id, 30);
    classic(&v, SERVER_MARIADB, 101119);
    v.n_lost = 1;
    assert_int_equal(rule_of(&v, 2)->verdict, GTID_FOLLOW);
    v.servers[2].source = NODE_NONE;
    assert_int_equal(rule_of(&v, 2)->id, 30);
    v.servers[0].source = NODE_NONE;
    assert_int_equal(rule_of(&v, 0)->verdict, GTID_DONE);
    classic(&v, SERVER_MYSQL, 80036);
    for (unsigned i = 0; i < v.n; i++)
        v.servers[i].enforce = ENFORCE_WARN;
    v.servers[0].violations = 1;
    v.checked = true;
    assert_int_equal(rule_of(&v, 3)->id, 130);
}

/* S7: a replica that holds what its source lacks, or lacks what its source has purged. */
static void test_walk_never_attaches_what_does_not_fit(void **state)
{
    struct survey v;
    (void)state;
    classic(&v, SERVER_MARIADB, 101119);
    (void)snprintf(v.servers[2].facts.executed, GTID_TEXT_MAX, "0-1-38,0-3-39");
    assert_int_equal(rule_of(&v, 2)->id, 80);
    (void)snprintf(v.servers[3].facts.applied, GTID_TEXT_MAX, "%s", "");
    assert_int_equal(rule_of(&v, 3)->id, 90);
    classic(&v, SERVER_MYSQL, 80036);
    for (unsigned i = 0; i < v.n; i++) {
        v.servers[i].enforce = ENFORCE_ON;
        v.servers[i].mode = MODE_ON;
    }
    (void)snprintf(v.servers[2].facts.executed, GTID_TEXT_MAX, UUID ":7");
    assert_int_equal(rule_of(&v, 2)->id, 290);
    (void)snprintf(v.servers[0].facts.executed, GTID_TEXT_MAX, UUID ":1-9");
    assert_int_equal(rule_of(&v, 2)->verdict, GTID_FOLLOW);
    (void)snprintf(v.servers[0].purged, GTID_TEXT_MAX, UUID ":1-3");
    assert_int_equal(rule_of(&v, 2)->id, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutual_pair_with_a_cascade),
        cmocka_unit_test(test_two_writable_halves_are_a_doubt),
        cmocka_unit_test(test_standby_is_the_one_that_acknowledges),
        cmocka_unit_test(test_all_may_be_candidates),
        cmocka_unit_test(test_source_by_its_second_address),
        cmocka_unit_test(test_guessed_addresses_go_when_all_readers_are_known),
        cmocka_unit_test(test_each_setting_is_named),
        cmocka_unit_test(test_what_else_is_found),
        cmocka_unit_test(test_accounts_and_hosts),
        cmocka_unit_test(test_many_twins_hide_nothing),
        cmocka_unit_test(test_places_are_ordered),
        cmocka_unit_test(test_walk_of_mysql),
        cmocka_unit_test(test_walk_goes_on),
        cmocka_unit_test(test_walk_of_mariadb),
        cmocka_unit_test(test_anonymous_transactions_hold_the_walk),
        cmocka_unit_test(test_what_the_walk_refuses),
        cmocka_unit_test(test_walk_never_attaches_what_does_not_fit),
    };
    return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
