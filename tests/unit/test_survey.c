/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of each supported version: which statements it is asked, and what is read out of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "io/mysql/survey.h"
#include "survey_answers.h"

struct version_case {
    const char *name;
    const struct answer *variables;
    const struct answer *values; /* NULL: not asked */
    const struct answer *status;
    const char *status_sql;
    const char *place_sql;
    const char *replicas_sql;
    const char *stop_sql;
    const char *start_sql;
    const char *follow_sql;
    const char *on_sql;
    bool supported;
    bool log_table;
    bool by_gtid;
    int mode;
    int enforce;
    uint32_t settings;
    const char *source; /* HOST:PORT */
    int io;
    const char *applied_to; /* FILE:POSITION */
    const char *executed;
    const char *error_log;
    unsigned extra_port;
};

#define POSITION_SETTINGS_57 \
    (SETTING_GTID | SETTING_SYNC_RELAY_LOG | SETTING_ANONYMOUS | SETTING_BY_POSITION)

static const struct version_case cases[] = {
    {"MySQL 5.6.24",
     mysql56_variables,
     NULL,
     mysql56_status,
     "SHOW SLAVE STATUS",
     "SHOW MASTER STATUS",
     "SHOW SLAVE HOSTS",
     NULL,
     NULL,
     NULL,
     NULL,
     false,
     false,
     false,
     MODE_OFF,
     ENFORCE_OFF,
     SETTING_GTID | SETTING_SYNC_BINLOG | SETTING_SYNC_RELAY_LOG | SETTING_SEMI_SYNC |
         SETTING_ENGINE | SETTING_ANONYMOUS | SETTING_BY_POSITION,
     "172.17.0.10:3306",
     THREAD_RUNNING,
     "m1-bin.000004:812",
     "",
     "/var/lib/mysql/m2.err",
     0},
    {"MySQL 5.7.44",
     mysql57_variables,
     mysql57_values,
     mysql57_status,
     "SHOW SLAVE STATUS",
     "SHOW MASTER STATUS",
     "SHOW SLAVE HOSTS",
     "STOP SLAVE FOR CHANNEL ''",
     "START SLAVE FOR CHANNEL ''",
     "CHANGE MASTER TO MASTER_AUTO_POSITION=1 FOR CHANNEL ''",
     "SET GLOBAL gtid_mode=ON",
     true,
     false,
     false,
     MODE_OFF_PERMISSIVE,
     ENFORCE_WARN,
     POSITION_SETTINGS_57,
     "172.17.0.10:3306",
     THREAD_RUNNING,
     "m1-bin.000004:900",
     "",
     "/var/log/mysqld.log",
     0},
    {"MySQL 8.0.36",
     mysql80_variables,
     mysql80_values,
     mysql80_status,
     "SHOW REPLICA STATUS",
     "SHOW MASTER STATUS",
     "SHOW REPLICAS",
     "STOP REPLICA FOR CHANNEL ''",
     "START REPLICA FOR CHANNEL ''",
     "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=1 FOR CHANNEL ''",
     "SET PERSIST gtid_mode=ON",
     true,
     true,
     true,
     MODE_ON,
     ENFORCE_ON,
     0,
     "172.17.0.10:3307",
     THREAD_RUNNING,
     "binlog.000012:4800",
     UUID_1 ":1-41," UUID_2 ":1-3",
     "",
     0},
    {"MySQL 8.4.3",
     mysql84_variables,
     mysql84_values,
     mysql84_status,
     "SHOW REPLICA STATUS",
     "SHOW BINARY LOG STATUS",
     "SHOW REPLICAS",
     "STOP REPLICA FOR CHANNEL ''",
     "START REPLICA FOR CHANNEL ''",
     "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=1 FOR CHANNEL ''",
     "SET PERSIST gtid_mode=ON",
     true,
     true,
     true,
     MODE_ON,
     ENFORCE_ON,
     SETTING_FLUSH_LOG | SETTING_SYNC_RELAY_LOG | SETTING_RELAY_LOG_RECOVERY,
     "m1.example.org:3306",
     THREAD_CONNECTING,
     "binlog.000012:927",
     UUID_1 ":1-9:jobs:1-2",
     "/var/log/mysql/error.log",
     33062},
    {"MariaDB 10.6.18",
     mariadb106_variables,
     mariadb106_values,
     mariadb106_status,
     "SHOW ALL SLAVES STATUS",
     "SHOW MASTER STATUS",
     "SHOW SLAVE HOSTS",
     "STOP SLAVE",
     "START SLAVE",
     "CHANGE MASTER TO MASTER_USE_GTID=slave_pos",
     NULL,
     true,
     false,
     false,
     MODE_ON,
     ENFORCE_ON,
     SETTING_ROW | SETTING_GTID | SETTING_SYNC_BINLOG | SETTING_SYNC_RELAY_LOG |
         SETTING_BY_POSITION,
     "172.17.0.10:3306",
     THREAD_RUNNING,
     "m1-bin.000003:4711",
     "0-1-40,0-2-7",
     "",
     0},
    {"MariaDB 11.4.3",
     mariadb114_variables,
     mariadb114_values,
     mariadb114_status,
     "SHOW ALL SLAVES STATUS",
     "SHOW MASTER STATUS",
     "SHOW SLAVE HOSTS",
     "STOP SLAVE",
     "START SLAVE",
     "CHANGE MASTER TO MASTER_USE_GTID=slave_pos",
     NULL,
     true,
     false,
     true,
     MODE_ON,
     ENFORCE_ON,
     0,
     "172.17.0.10:3306",
     THREAD_RUNNING,
     "m1-bin.000003:4711",
     "0-1-40",
     "/var/log/mysql/error.log",
     3307},
};

static struct sql_row row_of(const struct answer *answers)
{
    struct sql_row row = {.count = 0};
    for (; answers->name != NULL; answers++) {
        assert_true(row.count < SQL_COLUMNS_MAX);
        row.names[row.count] = answers->name;
        row.values[row.count++] = answers->value;
    }
    return row;
}

static void look_at(const struct version_case *c, struct survey_look *look,
                    struct survey_server *out)
{
    struct sql_row row = row_of(c->status);
    memset(out, 0, sizeof *out);
    survey_look_begin(look, out);
    for (const struct answer *a = c->variables; a->name != NULL; a++)
        survey_look_variable(look, a->name, a->value);
    assert_int_equal(survey_look_known(look), 0);
    if (c->values != NULL) {
        struct sql_row values = row_of(c->values);
        assert_non_null(survey_values_sql(look));
        assert_int_equal(survey_look_values(look, &values), 0);
    } else {
        assert_null(survey_values_sql(look));
    }
    assert_string_equal(survey_status_sql(look), c->status_sql);
    assert_int_equal(survey_look_channel(look, &row), 0);
    assert_int_equal(survey_look_channels(look), 0);
}

static void check_facts(const struct version_case *c, const struct survey_server *s)
{
    char text[LOG_FILE_TEXT_MAX + 32];
    assert_int_equal(s->supported, c->supported);
    assert_int_equal(s->by_gtid, c->by_gtid);
    assert_int_equal(s->mode, c->mode);
    assert_int_equal(s->enforce, c->enforce);
    assert_int_equal(s->channels, 1);
    assert_true(s->facts.channel);
    assert_int_equal(s->facts.io, c->io);
    assert_int_equal(s->facts.sql, THREAD_RUNNING);
    assert_int_equal(s->facts.settings & ~(uint32_t)SETTING_EVENT_SCHEDULER, c->settings);
    assert_int_equal(s->facts.server_id, 2);
    assert_string_equal(s->facts.executed, c->executed);
    assert_string_equal(s->error_log, c->error_log);
    assert_int_equal(s->extra_port, c->extra_port);
    assert_string_equal(s->source_user, "repl");
    assert_string_equal(s->data_dir, "/var/lib/mysql");
    (void)snprintf(text, sizeof text, "%s:%u", s->facts.source_host, s->facts.source_port);
    assert_string_equal(text, c->source);
    (void)snprintf(text, sizeof text, "%s:%llu", s->applied_to.file,
                   (unsigned long long)s->applied_to.position);
    assert_string_equal(text, c->applied_to);
}

static void check_statements(const struct version_case *c, const struct survey_look *look,
                             const struct survey_server *s)
{
    char sql[400];
    assert_string_equal(survey_place_sql(look), c->place_sql);
    assert_string_equal(survey_replicas_sql(look), c->replicas_sql);
    assert_int_equal(survey_log_sql(s, 60, sql, sizeof sql), 0);
    assert_int_equal(sql[0] != '\0', c->log_table);
    if (c->stop_sql == NULL)
        return;
    assert_string_equal(survey_stop_sql(s), c->stop_sql);
    assert_string_equal(survey_start_sql(s), c->start_sql);
    assert_string_equal(survey_follow_sql(s), c->follow_sql);
    if (c->on_sql == NULL)
        return;
    assert_int_equal(survey_mode_sql(s, MODE_ON, true, sql, sizeof sql), 0);
    assert_string_equal(sql, c->on_sql);
    assert_int_equal(survey_mode_sql(s, MODE_ON_PERMISSIVE, false, sql, sizeof sql), 0);
    assert_string_equal(sql, "SET GLOBAL gtid_mode=ON_PERMISSIVE");
    assert_int_equal(survey_enforce_sql(s, ENFORCE_WARN, false, sql, sizeof sql), 0);
    assert_string_equal(sql, "SET GLOBAL enforce_gtid_consistency=WARN");
    assert_int_equal(survey_mode_sql(s, MODE_ON, true, sql, 20), ERR_FULL);
}

static void test_answers_of_each_version(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct survey_look look;
        struct survey_server s;
        look_at(&cases[i], &look, &s);
        check_facts(&cases[i], &s);
        check_statements(&cases[i], &look, &s);
    }
}

/* The agent reads the same answers: its own statement of variables, names of semi-sync and all. */
static void test_the_agents_statements(void **state)
{
    static const struct {
        const struct answer *variables;
        const char *has;
        const char *has_not;
    } rows[] = {
        {mysql57_variables, "rpl_semi_sync_master_wait_for_slave_count", "source"},
        {mysql80_variables, "rpl_semi_sync_slave_enabled", "replica"},
        {mysql84_variables, "rpl_semi_sync_source_wait_for_replica_count", "master"},
        {mariadb106_variables, "@@global.gtid_binlog_state", "super_read_only"},
        {mariadb114_variables, "rpl_semi_sync_master_wait_no_slave", "wait_for_slave_count"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server_settings settings = {0};
        struct mysql_server server = {0};
        for (const struct answer *a = rows[i].variables; a->name != NULL; a++)
            server_settings_row(&settings, a->name, a->value);
        assert_int_equal(mysql_server_set(&server, &settings), 0);
        assert_true(server.supported);
        assert_non_null(strstr(server.vars_sql, rows[i].has));
        assert_null(strstr(server.vars_sql, rows[i].has_not));
    }
}

static void test_second_channel_is_seen(void **state)
{
    struct survey_look look;
    struct survey_server s;
    struct sql_row named = row_of(mariadb106_named);
    (void)state;
    look_at(&cases[4], &look, &s);
    assert_int_equal(survey_look_channel(&look, &named), 0);
    assert_int_equal(survey_look_channels(&look), 0);
    assert_int_equal(s.channels, 2);
    assert_true(s.facts.foreign_channels);
    assert_string_equal(s.applied_to.file, "m1-bin.000003");
}

/* MySQL 5.7 that never heard of GTID, and a version that says none. */
static void test_unknown_is_off(void **state)
{
    struct survey_look look;
    struct survey_server s = {.port = 3306, .quiet = true};
    (void)state;
    survey_look_begin(&look, &s);
    survey_look_variable(&look, "server_id", "7");
    assert_int_equal(survey_look_known(&look), ERR_FORMAT);
    survey_look_begin(&look, &s);
    survey_look_variable(&look, "version", "5.5.62-log");
    assert_int_equal(survey_look_known(&look), 0);
    assert_false(s.supported);
    assert_int_equal(s.mode, MODE_OFF);
    assert_int_equal(s.enforce, ENFORCE_OFF);
    assert_int_equal(s.port, 3306);
    assert_true(s.quiet);
}

static void test_slave_pos_is_the_binlogs(void **state)
{
    struct survey_look look;
    struct survey_server s;
    char sql[400];
    (void)state;
    look_at(&cases[4], &look, &s);
    assert_int_equal(survey_slave_pos_sql(&s, sql, sizeof sql), 0);
    assert_string_equal(sql, "");
    /* The position table is ahead of the binlog after a crash. */
    (void)snprintf(s.facts.applied, sizeof s.facts.applied, "0-1-44");
    assert_int_equal(survey_slave_pos_sql(&s, sql, sizeof sql), 0);
    assert_string_equal(sql, "SET GLOBAL gtid_slave_pos='0-1-40'");
    s.facts.settings |= SETTING_LOG_REPLICA_UPDATES;
    assert_int_equal(survey_slave_pos_sql(&s, sql, sizeof sql), 0);
    assert_string_equal(sql, "");
}

/* ---- replicas ---- */

static void test_replicas(void **state)
{
    static const struct answer hosts[] = {{"Server_id", "2"},
                                          {"Host", "172.17.0.11"},
                                          {"Port", "3307"},
                                          {"Master_id", "1"},
                                          {NULL, NULL}};
    static const struct answer nameless[] = {
        {"Server_id", "2"}, {"Host", ""}, {"Port", "3306"}, {"Source_Id", "1"}, {NULL, NULL}};
    static const struct answer dump[] = {{"Id", "9"},
                                         {"User", "repl"},
                                         {"Host", "172.17.0.11:40112"},
                                         {"Command", "Binlog Dump GTID"},
                                         {NULL, NULL}};
    static const struct answer six[] = {
        {"Host", "fd00::2:40112"}, {"Command", "Binlog Dump"}, {NULL, NULL}};
    static const struct answer bracketed[] = {
        {"Host", "[fd00::2]:40112"}, {"Command", "Binlog Dump"}, {NULL, NULL}};
    static const struct answer client[] = {
        {"Host", "172.17.0.99:50000"}, {"Command", "Sleep"}, {NULL, NULL}};
    char host[ADDRESS_TEXT_MAX];
    uint16_t port = 0;
    struct sql_row row = row_of(hosts);
    (void)state;
    assert_true(survey_replica(&row, host, &port));
    assert_string_equal(host, "172.17.0.11");
    assert_int_equal(port, 3307);
    row = row_of(nameless);
    assert_false(survey_replica(&row, host, &port));
    row = row_of(dump);
    assert_true(survey_dump_session(&row, host));
    assert_string_equal(host, "172.17.0.11");
    row = row_of(six);
    assert_true(survey_dump_session(&row, host));
    assert_string_equal(host, "fd00::2");
    row = row_of(bracketed);
    assert_true(survey_dump_session(&row, host));
    assert_string_equal(host, "fd00::2");
    row = row_of(client);
    assert_false(survey_dump_session(&row, host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_of_each_version),
        cmocka_unit_test(test_the_agents_statements),
        cmocka_unit_test(test_second_channel_is_seen),
        cmocka_unit_test(test_unknown_is_off),
        cmocka_unit_test(test_slave_pos_is_the_binlogs),
        cmocka_unit_test(test_replicas),
    };
    return cmocka_run_group_tests_name("survey", tests, NULL, NULL);
}
