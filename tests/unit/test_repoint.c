/* SPDX-License-Identifier: Apache-2.0 */
/* May a replica be put under another server, and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/repoint.h"
#include "io/mysql/repoint.h"
#include "util/err.h"

/* ---- the table of the servers ---- */

static struct survey survey;

/* m1 is gone; m2 and m3 followed it; m3 comes to rest. */
static void servers(struct repoint *r, int flavour, uint32_t version)
{
    memset(&survey, 0, sizeof survey);
    memset(r, 0, sizeof *r);
    r->survey = &survey;
    survey.n = REPOINT_SERVERS;
    for (unsigned i = 0; i < REPOINT_SERVERS; i++) {
        struct survey_server *s = &survey.servers[i];
        struct repoint_channel *c = &r->more[i].channel;
        (void)snprintf(s->host, sizeof s->host, "10.0.0.%u", 3 - i);
        s->port = 3306;
        s->facts.flavour = flavour;
        s->facts.version = version;
        s->facts.server_id = 3 - i;
        s->facts.channel = true;
        s->facts.io = i == REPOINT_REPLICA ? THREAD_STOPPED : THREAD_CONNECTING;
        s->facts.sql = THREAD_RUNNING;
        s->channels = 1;
        s->mode = flavour == SERVER_MARIADB ? MODE_ON : MODE_OFF;
        (void)snprintf(s->facts.source_host, sizeof s->facts.source_host, "10.0.0.1");
        s->facts.source_port = 3306;
        (void)snprintf(s->applied_to.file, sizeof s->applied_to.file, "m1-bin.000004");
        s->applied_to.position = 800;
        c->read = s->applied_to;
        c->idle = true;
        c->source_id = 1;
        if (flavour == SERVER_MYSQL) {
            (void)snprintf(s->facts.server_uuid, UUID_TEXT_MAX, "uuid-%u", 3 - i);
            (void)snprintf(c->source_uuid, UUID_TEXT_MAX, "uuid-1");
        } else {
            (void)snprintf(s->facts.executed, GTID_TEXT_MAX, "0-1-%u", 40 + i);
            (void)snprintf(s->facts.applied, GTID_TEXT_MAX, "0-1-%u", 40 + i);
        }
    }
    survey.servers[REPOINT_REPLICA].source = REPOINT_SOURCE;
    survey.servers[REPOINT_SOURCE].source = NODE_NONE;
    r->drained = true;
}

static void says(const struct repoint *r, unsigned id)
{
    char text[512];
    uint32_t facts;
    const struct rule *rule = repoint_decide(r, &facts);
    if (rule->id != id)
        fail_msg("repoint/%u instead of repoint/%u over: %s", rule->id, id,
                 rules_facts_text(&repoint_table, facts, text, sizeof text));
}

static void test_servers_by_position(void **state)
{
    static struct repoint r;
    struct survey_server *m3 = &survey.servers[REPOINT_REPLICA];
    struct survey_server *m2 = &survey.servers[REPOINT_SOURCE];
    (void)state;
#define CASE(change, id)                  \
    do {                                  \
        servers(&r, SERVER_MYSQL, 50624); \
        change;                           \
        says(&r, id);                     \
    } while (0)
    CASE((void)0, 230);
    CASE(r.drained = false, 220);
    CASE(m2->facts.flavour = SERVER_MARIADB, 10);
    CASE(m2->facts.server_id = 3, 10);
    CASE(m3->facts.version = 50540, 20);
    CASE(m2->channels = 2, 30);
    CASE(m3->facts.channel = false, 40);
    CASE(((void)snprintf(r.more[REPOINT_REPLICA].channel.source_uuid, UUID_TEXT_MAX, "uuid-2"),
          m3->facts.io = THREAD_RUNNING),
         50);
    CASE(((void)snprintf(r.more[REPOINT_REPLICA].channel.source_uuid, UUID_TEXT_MAX, "uuid-2"),
          m3->facts.sql = THREAD_STOPPED),
         45);
    CASE((void)snprintf(r.more[REPOINT_SOURCE].channel.source_uuid, UUID_TEXT_MAX, "uuid-3"), 60);
    CASE(m2->facts.settings = SETTING_LOG_REPLICA_UPDATES, 70);
    CASE(m2->mode = MODE_ON, 80);
    CASE(m3->mode = MODE_ON, 80);
    CASE(m2->facts.settings = SETTING_ROW, 140);
    CASE(m3->facts.settings = SETTING_ROW, 140);
    CASE(r.more[REPOINT_SOURCE].channel.filters = true, 150);
    CASE(r.more[REPOINT_REPLICA].channel.filters = true, 150);
    CASE(r.more[REPOINT_SOURCE].binlog_filters = true, 150);
    CASE(r.more[REPOINT_REPLICA].tolerant = true, 150);
    CASE(r.more[REPOINT_SOURCE].workers = 4, 160);
    CASE(r.more[REPOINT_REPLICA].workers = 2, 160);
    CASE(m2->facts.channel = false, 170);
    CASE((void)snprintf(r.more[REPOINT_SOURCE].channel.source_uuid, UUID_TEXT_MAX, "uuid-9"), 180);
    CASE(m2->facts.io = THREAD_RUNNING, 190);
    CASE((m2->facts.sql = THREAD_STOPPED, m2->facts.sql_errno = 1062), 200);
    CASE((m3->facts.sql = THREAD_STOPPED, m3->facts.sql_errno = 1062), 210);
    /* What may be so. */
    CASE((r.more[REPOINT_SOURCE].workers = 4, r.more[REPOINT_SOURCE].commit_order = true), 230);
    CASE(r.more[REPOINT_SOURCE].workers = 1, 230);
    CASE(m2->facts.io = m2->facts.sql = THREAD_STOPPED, 230);
    CASE(m3->mode = MODE_ON_PERMISSIVE, 230);
#undef CASE
}

static void test_servers_by_gtid(void **state)
{
    static struct repoint r;
    struct survey_server *m3 = &survey.servers[REPOINT_REPLICA];
    struct survey_server *m2 = &survey.servers[REPOINT_SOURCE];
    (void)state;
    servers(&r, SERVER_MARIADB, 101119);
    says(&r, 120);
    r.drained = false;
    says(&r, 130);
    r.drained = true;
    (void)snprintf(m3->facts.executed, GTID_TEXT_MAX, "0-1-42");
    says(&r, 100);
    servers(&r, SERVER_MARIADB, 101119);
    m3->facts.applied[0] = '\0';
    says(&r, 90);
    /* By file and position there: it may still be told to follow by GTID. */
    servers(&r, SERVER_MARIADB, 101119);
    r.more[REPOINT_REPLICA].channel.source_id = 2;
    says(&r, 120);
    m3->by_gtid = true;
    says(&r, 45);
    m3->facts.io = THREAD_RUNNING;
    says(&r, 50);

    servers(&r, SERVER_MYSQL, 90704);
    m2->mode = m3->mode = MODE_ON;
#define UUID "3e11fa47-71ca-11e1-9e33-c80aa9429562"
    (void)snprintf(m3->facts.executed, GTID_TEXT_MAX, UUID ":1-5");
    (void)snprintf(m2->facts.executed, GTID_TEXT_MAX, UUID ":1-9");
    says(&r, 120);
    (void)snprintf(m2->purged, GTID_TEXT_MAX, UUID ":1-6");
    says(&r, 110);
    m2->purged[0] = '\0';
    (void)snprintf(m3->facts.executed, GTID_TEXT_MAX, UUID ":1-5:11");
    says(&r, 100);
#undef UUID
}

/* By the address, where it was never connected. */
static void test_follows(void **state)
{
    static struct repoint r;
    struct survey_server *m3 = &survey.servers[REPOINT_REPLICA];
    (void)state;
    servers(&r, SERVER_MYSQL, 50624);
    assert_false(repoint_follows(&r, REPOINT_REPLICA, REPOINT_SOURCE));
    (void)snprintf(m3->facts.source_host, sizeof m3->facts.source_host, "10.0.0.2");
    assert_false(repoint_follows(&r, REPOINT_REPLICA, REPOINT_SOURCE));
    r.more[REPOINT_REPLICA].channel.source_uuid[0] = '\0';
    assert_false(repoint_follows(&r, REPOINT_REPLICA, REPOINT_SOURCE));
    r.more[REPOINT_REPLICA].channel.source_id = 0;
    assert_true(repoint_follows(&r, REPOINT_REPLICA, REPOINT_SOURCE));
    m3->facts.channel = false;
    assert_false(repoint_follows(&r, REPOINT_REPLICA, REPOINT_SOURCE));
}

/* ---- the words ---- */

static void test_statements(void **state)
{
    static const struct log_place place = {.file = "m2-bin.000003", .position = 475};
    static struct survey_server s;
    char sql[REPOINT_SQL_MAX];
    (void)state;
    s.facts.flavour = SERVER_MYSQL;
    s.facts.version = 50624;
    assert_string_equal(repoint_status_sql(&s), "SHOW SLAVE STATUS");
    assert_string_equal(repoint_stop_io_sql(&s), "STOP SLAVE IO_THREAD");
    assert_string_equal(repoint_binlog_sql(&s), "SHOW MASTER STATUS");
    assert_int_equal(repoint_change_sql(&s, "m2", 3307, &place, sql, sizeof sql), 0);
    assert_string_equal(sql, "CHANGE MASTER TO MASTER_HOST='m2', MASTER_PORT=3307, "
                             "MASTER_LOG_FILE='m2-bin.000003', MASTER_LOG_POS=475");
    s.by_gtid = true;
    assert_int_equal(repoint_change_sql(&s, "m'2", 3306, &place, sql, sizeof sql), 0);
    assert_string_equal(sql, "CHANGE MASTER TO MASTER_HOST='m\\'2', MASTER_PORT=3306, "
                             "MASTER_LOG_FILE='m2-bin.000003', MASTER_LOG_POS=475, "
                             "MASTER_AUTO_POSITION=0");
    s.facts.version = 90704;
    assert_string_equal(repoint_start_sql(&s), "START REPLICA");
    assert_string_equal(repoint_binlog_sql(&s), "SHOW BINARY LOG STATUS");
    assert_int_equal(repoint_change_sql(&s, "m2", 3306, NULL, sql, sizeof sql), 0);
    assert_string_equal(sql, "CHANGE REPLICATION SOURCE TO SOURCE_HOST='m2', SOURCE_PORT=3306, "
                             "SOURCE_AUTO_POSITION=1");
    s.facts.flavour = SERVER_MARIADB;
    s.facts.version = 101119;
    assert_int_equal(repoint_change_sql(&s, "m2", 3306, NULL, sql, sizeof sql), 0);
    assert_string_equal(sql, "CHANGE MASTER TO MASTER_HOST='m2', MASTER_PORT=3306, "
                             "MASTER_USE_GTID=slave_pos");
    assert_int_equal(repoint_change_sql(&s, "m2", 3306, NULL, sql, 20), ERR_FULL);
    assert_int_equal(repoint_relay_sql("m2-relay.000002", 9, 9, sql, sizeof sql), 0);
    assert_string_equal(sql, "SHOW RELAYLOG EVENTS IN 'm2-relay.000002' LIMIT 9, 9");
    assert_int_equal(repoint_events_sql("m2-bin.000002", 4, 9, sql, sizeof sql), 0);
    assert_string_equal(sql, "SHOW BINLOG EVENTS IN 'm2-bin.000002' FROM 4 LIMIT 9");
}

static void test_numbers_of_logs(void **state)
{
    char file[LOG_FILE_TEXT_MAX], with_dot[LOG_FILE_TEXT_MAX];
    uint64_t number = 0;
    (void)state;
    assert_true(repoint_log_number("m2-relay.000009", &number));
    assert_int_equal(number, 9);
    assert_true(repoint_log_number("m2.lan-relay.1000000", &number));
    assert_int_equal(number, 1000000);
    assert_false(repoint_log_number("relay", &number));
    assert_false(repoint_log_number("m2.lan", &number));
    assert_false(repoint_log_number("relay.12x", &number));
    assert_int_equal(repoint_log_name("m2.lan-relay.000009", 10, file), 0);
    assert_string_equal(file, "m2.lan-relay.000010");
    assert_int_equal(repoint_log_name("m2-relay.999999", 1000000, file), 0);
    assert_string_equal(file, "m2-relay.1000000");
    memset(with_dot, 'x', sizeof with_dot);
    (void)snprintf(with_dot + 250, 6, ".0001");
    assert_int_equal(repoint_log_name(with_dot, 1, file), ERR_FULL);
}

static void test_settings(void **state)
{
    static const struct {
        const char *name, *value;
        struct repoint_server want;
    } cases[] = {
        {"slave_parallel_workers", "4", {.workers = 4}},
        {"replica_parallel_workers", "4", {.workers = 4}},
        {"slave_preserve_commit_order", "ON", {.commit_order = true}},
        {"replica_preserve_commit_order", "OFF", {.commit_order = false}},
        {"slave_skip_errors", "OFF", {.tolerant = false}},
        {"slave_skip_errors", "1062", {.tolerant = true}},
        {"replica_skip_errors", "all", {.tolerant = true}},
        {"slave_exec_mode", "STRICT", {.tolerant = false}},
        {"replica_exec_mode", "IDEMPOTENT", {.tolerant = true}},
        {"relay_log_info_repository", "FILE", {.place_in_file = true}},
        {"relay_log_info_repository", "TABLE", {.place_in_file = false}},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct repoint_server got;
        memset(&got, 0, sizeof got);
        repoint_variable(&got, cases[i].name, cases[i].value);
        assert_int_equal(got.workers, cases[i].want.workers);
        assert_int_equal(got.commit_order, cases[i].want.commit_order);
        assert_int_equal(got.tolerant, cases[i].want.tolerant);
        assert_int_equal(got.place_in_file, cases[i].want.place_in_file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_by_position),
        cmocka_unit_test(test_servers_by_gtid),
        cmocka_unit_test(test_follows),
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_numbers_of_logs),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests_name("repoint", tests, NULL, NULL);
}
