/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialects, settings, status rows and error classes as values. The rows are as the servers print
 * them, shortened to the columns that are read and a few that are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "io/mysql/dialect.h"
#include "io/mysql/mysql_class.h"
#include "io/mysql/mysql_server.h"
#include "io/mysql/replica_status.h"

#define UUID_A "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define UUID_B "4e11fa47-71ca-11e1-9e33-c80aa9429562"

/* ---- versions ---- */

struct version_case {
    const char *text;
    int rc;
    enum server_flavour flavour;
    uint32_t version;
    enum dialect_kind dialect;
};

static void versions(void **state)
{
    static const struct version_case cases[] = {
        {"10.6.18-MariaDB-log", 0, SERVER_MARIADB, 100618, DIALECT_MARIADB},
        {"10.11.19-MariaDB-0+deb12u1-log", 0, SERVER_MARIADB, 101119, DIALECT_MARIADB},
        {"11.4.3-MariaDB", 0, SERVER_MARIADB, 110403, DIALECT_MARIADB},
        {"11.8.6-MariaDB-0+deb13u1 from Debian", 0, SERVER_MARIADB, 110806, DIALECT_MARIADB},
        {"5.5.5-10.6.18-MariaDB", 0, SERVER_MARIADB, 100618, DIALECT_MARIADB},
        {"10.5.25-MariaDB", ERR_UNSUPPORTED, SERVER_MARIADB, 100525, 0},
        {"5.6.24-log", ERR_UNSUPPORTED, SERVER_MYSQL, 50624, 0},
        {"5.7.24-log", 0, SERVER_MYSQL, 50724, DIALECT_MYSQL_57},
        {"8.0.21", 0, SERVER_MYSQL, 80021, DIALECT_MYSQL_80},
        {"8.0.25", 0, SERVER_MYSQL, 80025, DIALECT_MYSQL_80},
        {"8.0.26", 0, SERVER_MYSQL, 80026, DIALECT_MYSQL_NEW},
        {"8.0.36-28.1", 0, SERVER_MYSQL, 80036, DIALECT_MYSQL_NEW},
        {"8.4.2", 0, SERVER_MYSQL, 80402, DIALECT_MYSQL_NEW},
        {"9.7.4", 0, SERVER_MYSQL, 90704, DIALECT_MYSQL_NEW},
        {"", ERR_UNSUPPORTED, SERVER_FLAVOUR_UNKNOWN, 0, 0},
        {"nonsense", ERR_UNSUPPORTED, SERVER_FLAVOUR_UNKNOWN, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum server_flavour flavour = SERVER_FLAVOUR_UNKNOWN;
        enum dialect_kind dialect = 0;
        uint32_t version = 0;
        assert_int_equal(dialect_find(cases[i].text, &flavour, &version, &dialect), cases[i].rc);
        assert_int_equal(flavour, cases[i].flavour);
        assert_int_equal(version, cases[i].version);
        assert_int_equal(dialect, cases[i].dialect);
    }
}

static void words(void **state)
{
    (void)state;
    assert_string_equal(dialect_word(DIALECT_MARIADB, WORD_STOP_IO), "STOP SLAVE IO_THREAD");
    assert_string_equal(dialect_word(DIALECT_MYSQL_57, WORD_STATUS), "SHOW SLAVE STATUS");
    assert_string_equal(dialect_word(DIALECT_MYSQL_NEW, WORD_STATUS), "SHOW REPLICA STATUS");
    assert_string_equal(dialect_word(DIALECT_MYSQL_80, WORD_READ_ONLY_ON),
                        "SET GLOBAL super_read_only=1");
    assert_string_equal(dialect_word(DIALECT_MARIADB, WORD_READ_ONLY_ON), "SET GLOBAL read_only=1");
    for (int d = 0; d < DIALECT_COUNT; d++) {
        for (int w = 0; w < WORD_COUNT; w++) {
            const char *text = dialect_word((enum dialect_kind)d, (enum dialect_word)w);
            assert_non_null(text);
            /* MySQL 8.4 and later know none of these words any more */
            if (d == DIALECT_MYSQL_NEW) {
                assert_null(strstr(text, "MASTER"));
                assert_null(strstr(text, "SLAVE"));
            }
        }
    }
}

static void change_source_statements(void **state)
{
    static const struct dialect_source source = {"10.0.0.1", 3307, "re'pl", "p\\'x"};
    char sql[1500];
    char small[60];
    (void)state;
    assert_int_equal(dialect_change_source(DIALECT_MARIADB, &source, false, sql, sizeof sql), 0);
    assert_string_equal(sql, "CHANGE MASTER TO MASTER_HOST='10.0.0.1', MASTER_PORT=3307, "
                             "MASTER_USER='re\\'pl', MASTER_PASSWORD='p\\\\\\'x', "
                             "MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, "
                             "MASTER_HEARTBEAT_PERIOD=1");
    assert_int_equal(dialect_change_source(DIALECT_MARIADB, &source, true, sql, sizeof sql), 0);
    assert_memory_equal(sql, "CHANGE MASTER 'tandem_level' TO MASTER_HOST", 43);
    assert_int_equal(dialect_change_source(DIALECT_MYSQL_57, &source, false, sql, sizeof sql), 0);
    assert_non_null(strstr(sql, "MASTER_AUTO_POSITION=1"));
    assert_null(strstr(sql, "PUBLIC_KEY"));
    assert_int_equal(dialect_change_source(DIALECT_MYSQL_80, &source, false, sql, sizeof sql), 0);
    assert_non_null(strstr(sql, "GET_MASTER_PUBLIC_KEY=1"));
    assert_int_equal(dialect_change_source(DIALECT_MYSQL_NEW, &source, true, sql, sizeof sql), 0);
    assert_non_null(strstr(sql, "CHANGE REPLICATION SOURCE TO SOURCE_HOST='10.0.0.1'"));
    assert_non_null(strstr(sql, "SOURCE_RETRY_COUNT="));
    assert_non_null(strstr(sql, " FOR CHANNEL 'tandem_level'"));
    assert_int_equal(dialect_change_source(DIALECT_MARIADB, &source, false, small, sizeof small),
                     ERR_FULL);
}

static void source_side_statements(void **state)
{
    char sql[600];
    (void)state;
    assert_int_equal(dialect_source_side(DIALECT_MARIADB, SEMI_OLD, true, 1, sql, sizeof sql), 0);
    assert_string_equal(sql, "SET GLOBAL rpl_semi_sync_master_wait_point='AFTER_SYNC', "
                             "GLOBAL rpl_semi_sync_master_timeout=1000000000000, "
                             "GLOBAL rpl_semi_sync_master_wait_no_slave=1, "
                             "GLOBAL rpl_semi_sync_master_enabled=1");
    assert_int_equal(dialect_source_side(DIALECT_MYSQL_NEW, SEMI_OLD, true, 2, sql, sizeof sql), 0);
    assert_non_null(strstr(sql, "rpl_semi_sync_master_wait_for_slave_count=2"));
    assert_int_equal(dialect_source_side(DIALECT_MYSQL_NEW, SEMI_NEW, true, 2, sql, sizeof sql), 0);
    assert_non_null(strstr(sql, "rpl_semi_sync_source_wait_for_replica_count=2"));
    assert_non_null(strstr(sql, "rpl_semi_sync_source_wait_no_replica=1"));
    assert_int_equal(dialect_source_side(DIALECT_MYSQL_NEW, SEMI_NEW, false, 0, sql, sizeof sql),
                     0);
    assert_string_equal(sql, "SET GLOBAL rpl_semi_sync_source_enabled=0");
}

/* ---- settings and variables ---- */

static void settings_from(struct mysql_server *server, const char *const (*rows)[2])
{
    struct server_settings settings = {0};
    memset(server, 0, sizeof *server);
    for (; (*rows)[0] != NULL; rows++)
        server_settings_row(&settings, (*rows)[0], (*rows)[1]);
    assert_int_equal(mysql_server_set(server, &settings), 0);
}

static const char *const mariadb_rows[][2] = {
    {"version", "10.11.19-MariaDB-log"},
    {"server_id", "12"},
    {"log_bin", "ON"},
    {"log_slave_updates", "ON"},
    {"binlog_format", "ROW"},
    {"binlog_row_image", "FULL_NODUP"},
    {"encrypt_binlog", "OFF"},
    {"gtid_strict_mode", "ON"},
    {"sync_binlog", "1"},
    {"innodb_flush_log_at_trx_commit", "1"},
    {"sync_relay_log", "1"},
    {"relay_log_recovery", "OFF"},
    {"rpl_semi_sync_master_enabled", "OFF"},
    {"rpl_semi_sync_slave_enabled", "OFF"},
    {NULL, NULL},
};

static const char *const mysql_rows[][2] = {
    {"version", "8.0.36"},
    {"server_id", "13"},
    {"server_uuid", UUID_A},
    {"log_bin", "ON"},
    {"log_replica_updates", "ON"},
    {"log_slave_updates", "ON"},
    {"binlog_format", "ROW"},
    {"binlog_row_image", "FULL"},
    {"binlog_encryption", "OFF"},
    {"gtid_mode", "ON"},
    {"enforce_gtid_consistency", "ON"},
    {"sync_binlog", "1"},
    {"innodb_flush_log_at_trx_commit", "1"},
    {"sync_relay_log", "1"},
    {"relay_log_recovery", "OFF"},
    {"rpl_semi_sync_source_enabled", "OFF"},
    {"rpl_semi_sync_replica_enabled", "OFF"},
    {NULL, NULL},
};

static void settings_of_good_servers(void **state)
{
    struct mysql_server s;
    (void)state;
    settings_from(&s, mariadb_rows);
    assert_true(s.known && s.supported && s.log_bin && s.log_replica_updates);
    assert_int_equal(s.base.settings, 0);
    assert_int_equal(s.base.server_id, 12);
    assert_string_equal(s.base.server_uuid, "");
    assert_non_null(strstr(s.vars_sql, "@@global.gtid_binlog_state"));
    assert_non_null(strstr(s.vars_sql, "@@global.rpl_semi_sync_master_wait_no_slave"));
    assert_null(strstr(s.vars_sql, "super_read_only"));
    settings_from(&s, mysql_rows);
    assert_int_equal(s.base.settings, 0);
    assert_int_equal(s.semi_source, SEMI_NEW);
    assert_string_equal(s.base.server_uuid, UUID_A);
    assert_non_null(strstr(s.vars_sql, "@@global.super_read_only"));
    assert_non_null(strstr(s.vars_sql, "rpl_semi_sync_source_wait_for_replica_count"));
}

static void settings_that_are_wrong(void **state)
{
    static const char *const bad[][2] = {
        {"version", "5.7.24-log"},
        {"server_uuid", UUID_A},
        {"log_bin", "OFF"},
        {"log_slave_updates", "OFF"},
        {"binlog_format", "MIXED"},
        {"gtid_mode", "ON"},
        {"sync_binlog", "0"},
        {"innodb_flush_log_at_trx_commit", "2"},
        {"sync_relay_log", "10000"},
        {"enforce_gtid_consistency", "WARN"},
        {"relay_log_recovery", "ON"},
        {"binlog_row_image", "MINIMAL"},
        {NULL, NULL},
    };
    static const char *const innodb_binlog[][2] = {
        {"version", "12.3.1-MariaDB"},          {"gtid_strict_mode", "ON"},
        {"binlog_storage_engine", "innodb"},    {"rpl_semi_sync_master_enabled", "OFF"},
        {"rpl_semi_sync_slave_enabled", "OFF"}, {NULL, NULL},
    };
    static const char *const encrypted[] = {"encrypt_binlog", "binlog_encryption"};
    static const char *const old[][2] = {{"version", "5.6.24"}, {NULL, NULL}};
    struct mysql_server s;
    struct server_settings empty = {0};
    (void)state;
    settings_from(&s, bad);
    assert_int_equal(s.base.settings, SETTING_LOG_BIN | SETTING_LOG_REPLICA_UPDATES | SETTING_ROW |
                                          SETTING_GTID | SETTING_SYNC_BINLOG | SETTING_FLUSH_LOG |
                                          SETTING_SYNC_RELAY_LOG | SETTING_RELAY_LOG_RECOVERY |
                                          SETTING_SEMI_SYNC | SETTING_ROW_IMAGE);
    assert_null(strstr(s.vars_sql, "rpl_semi_sync"));
    for (unsigned i = 0; i < 2; i++) {
        struct server_settings one = {0};
        server_settings_row(&one, encrypted[i], "ON");
        assert_int_equal(one.wrong, SETTING_ENCRYPTED);
        assert_non_null(strstr(mysql_server_settings_sql, encrypted[i]));
    }
    settings_from(&s, innodb_binlog);
    assert_int_equal(s.base.settings, SETTING_ENGINE);
    settings_from(&s, old);
    assert_false(s.supported);
    assert_true((s.base.settings & SETTING_ENGINE) != 0);
    assert_int_equal(mysql_server_set(&s, &empty), ERR_FORMAT);
}

static void variables_of_mariadb(void **state)
{
    static const char *const values[VAR_COUNT] = {
        "1",       "1", "OFF",        "",  "0-1-100,0-2-150", "0-1-149,5-9-7",
        "0-2-150", "1", "AFTER_SYNC", "1", "1000000000000",   "1",
        "0"};
    static const char *const open[VAR_COUNT] = {
        "0", "1", "ON", "", "", "0-1-5", "", "0", "AFTER_COMMIT", "1", "10000", "1", "1"};
    static const char *const enums[VAR_COUNT] = {"NO_LOCK_NO_ADMIN", "1", "DISABLED"};
    struct mysql_server s;
    struct server_facts f = {0};
    char binlog_pos[GTID_TEXT_MAX];
    (void)state;
    settings_from(&s, mariadb_rows);
    assert_int_equal(mysql_server_vars(&s, values, &f, binlog_pos), 0);
    assert_true(f.read_only && f.source_side && f.after_sync && f.wait_no_replica);
    assert_true(f.timeout_infinite);
    assert_false(f.events_on || f.replica_side);
    /* the position's domain 0 is not mixed in: it may be ahead of the binlog (T10) */
    assert_string_equal(f.executed, "0-1-100,0-2-150,5-9-7");
    assert_string_equal(f.applied, "0-1-149,5-9-7");
    assert_string_equal(binlog_pos, "0-2-150");
    assert_int_equal(f.settings, 0);
    assert_int_equal(mysql_server_vars(&s, open, &f, NULL), 0);
    assert_false(f.read_only || f.source_side || f.after_sync || f.timeout_infinite);
    assert_true(f.events_on && f.replica_side);
    assert_string_equal(f.executed, "0-1-5"); /* no log_bin, or an empty one */
    assert_int_equal(f.settings, 0);
    assert_int_equal(mysql_server_vars(&s, enums, &f, NULL), 0);
    assert_true(f.read_only);
    assert_false(f.events_on);
}

static void variables_of_mysql(void **state)
{
    /* both flags are needed; the set comes with newlines */
    static const char *const half[VAR_COUNT] = {"0",
                                                "1",
                                                "ON",
                                                UUID_A ":6#41:8#107,\n" UUID_B ":4#9",
                                                UUID_A ":1-5,\n" UUID_B ":1-3:7",
                                                "",
                                                "",
                                                "0",
                                                "AFTER_SYNC",
                                                "1",
                                                "4294967295",
                                                "2",
                                                "0"};
    static const char *const closed[VAR_COUNT] = {"1", "1", "ON", "",  "", "", "",
                                                  "0", "",  "0",  "0", "", "0"};
    static const char *const bad[VAR_COUNT] = {"1", "1", "ON", "", "rubbish"};
    struct mysql_server s;
    struct server_facts f = {0};
    char owned[GTID_TEXT_MAX];
    (void)state;
    settings_from(&s, mysql_rows);
    assert_int_equal(mysql_server_vars(&s, half, &f, owned), 0);
    assert_string_equal(owned, UUID_A ":6:8," UUID_B ":4"); /* whoever owns them */
    assert_false(f.read_only);
    assert_int_equal(f.wait_count, 2);
    assert_true(f.timeout_infinite);
    assert_string_equal(f.executed, UUID_A ":1-5," UUID_B ":1-3:7");
    assert_string_equal(f.applied, f.executed);
    assert_int_equal(mysql_server_vars(&s, closed, &f, NULL), 0);
    assert_true(f.read_only);
    assert_int_equal(f.settings, SETTING_EVENT_SCHEDULER);
    assert_int_equal(mysql_server_vars(&s, bad, &f, NULL), ERR_FORMAT);
}

static void semi_sync_status_names(void **state)
{
    struct mysql_server s;
    struct server_facts f = {0};
    (void)state;
    settings_from(&s, mariadb_rows);
    mysql_server_semi_status(&s, "Rpl_semi_sync_master_clients", "2", &f);
    mysql_server_semi_status(&s, "Rpl_semi_sync_master_wait_sessions", "3", &f);
    mysql_server_semi_status(&s, "Rpl_semi_sync_master_no_tx", "7", &f);
    mysql_server_semi_status(&s, "Rpl_semi_sync_master_status", "ON", &f);
    mysql_server_semi_status(&s, "Rpl_semi_sync_slave_status", "ON", &f);
    assert_int_equal(f.clients, 2);
    assert_int_equal(f.wait_sessions, 3);
    assert_int_equal(f.no_tx, 7);
    assert_true(f.replica_side_active);
    settings_from(&s, mysql_rows);
    memset(&f, 0, sizeof f);
    mysql_server_semi_status(&s, "Rpl_semi_sync_master_clients", "2", &f); /* other plugin's */
    assert_int_equal(f.clients, 0);
    mysql_server_semi_status(&s, "Rpl_semi_sync_source_clients", "4", &f);
    mysql_server_semi_status(&s, "Rpl_semi_sync_source_no_tx", "8", &f);
    assert_int_equal(f.no_tx, 8);
    mysql_server_semi_status(&s, "Rpl_semi_sync_replica_status", "ON", &f);
    assert_int_equal(f.clients, 4);
    assert_true(f.replica_side_active);
    mysql_server_semi_status(&s, "Uptime", "4", &f);
    mysql_server_semi_status(&s, "Rpl_semi_sync_source_clientsX", "9", &f);
    assert_int_equal(f.clients, 4);
}

static void attach_positions(void **state)
{
    char text[GTID_TEXT_MAX];
    (void)state;
    assert_int_equal(mysql_attach_position("0-1-786", "0-1-784", text), 0);
    assert_string_equal(text, "0-1-784"); /* rewound: the table was ahead */
    assert_int_equal(mysql_attach_position("0-1-20", "0-2-31", text), 0);
    assert_string_equal(text, "0-2-31"); /* was the writer */
    assert_int_equal(mysql_attach_position("0-1-20", "", text), 0);
    assert_string_equal(text, "0-1-20"); /* from a backup, its binlog is empty */
    assert_int_equal(mysql_attach_position("0-1-20,3-1-4", "0-1-20", text), 0);
    assert_string_equal(text, "0-1-20,3-1-4");
    assert_int_equal(mysql_attach_position("", "", text), 0);
    assert_string_equal(text, "");
}

/* ---- status rows ---- */

struct column {
    const char *name;
    const char *value;
};

static void row_of(struct sql_row *row, const struct column *columns)
{
    memset(row, 0, sizeof *row);
    for (; columns->name != NULL; columns++) {
        row->names[row->count] = columns->name;
        row->values[row->count++] = columns->value;
    }
}

static int facts_of(enum server_flavour flavour, const struct column *columns,
                    const struct column *more, struct server_facts *f)
{
    struct replica_status status = {0};
    struct sql_row row;
    int rc;
    row_of(&row, columns);
    rc = replica_status_add(&status, flavour, &row);
    if (rc == 0 && more != NULL) {
        row_of(&row, more);
        rc = replica_status_add(&status, flavour, &row);
    }
    return rc != 0 ? rc : replica_status_facts(&status, flavour, f);
}

static void status_of_mariadb(void **state)
{
    static const struct column running[] = {
        {"Connection_name", ""},
        {"Slave_SQL_State", "Slave has read all relay log; waiting for more updates"},
        {"Slave_IO_State", "Waiting for master to send event"},
        {"Master_Host", "172.17.0.10"},
        {"Master_Port", "3306"},
        {"Master_Log_File", "m1-bin.000003"},
        {"Read_Master_Log_Pos", "4711"},
        {"Relay_Master_Log_File", "m1-bin.000003"},
        {"Slave_IO_Running", "Yes"},
        {"Slave_SQL_Running", "Yes"},
        {"Exec_Master_Log_Pos", "4000"},
        {"Seconds_Behind_Master", "3"},
        {"Last_IO_Errno", "0"},
        {"Last_IO_Error", ""},
        {"Last_SQL_Errno", "0"},
        {"Last_SQL_Error", ""},
        {"Using_Gtid", "Slave_Pos"},
        {"Gtid_IO_Pos", "0-1-20,1-5-2"},
        {"Gtid_Slave_Pos", "1-5-2,0-1-18"},
        {NULL, NULL},
    };
    struct server_facts f = {0};
    (void)state;
    assert_int_equal(facts_of(SERVER_MARIADB, running, NULL, &f), 0);
    assert_true(f.channel);
    assert_string_equal(f.source_host, "172.17.0.10");
    assert_int_equal(f.source_port, 3306);
    assert_int_equal(f.io, THREAD_RUNNING);
    assert_int_equal(f.sql, THREAD_RUNNING);
    assert_int_equal(f.lag_s, 3);
    assert_false(f.drained);
    assert_false(f.foreign_channels);
    assert_string_equal(f.received, "0-1-20,1-5-2");
}

static void status_of_mariadb_after_a_restart(void **state)
{
    /* MariaDB 10.6, skip_slave_start: Gtid_IO_Pos is empty; only the coordinates tell */
    struct column stopped[] = {
        {"Connection_name", ""},         {"Master_Host", "172.17.0.10"},
        {"Master_Port", "3306"},         {"Master_Log_File", "m1-bin.000003"},
        {"Read_Master_Log_Pos", "4711"}, {"Relay_Master_Log_File", "m1-bin.000003"},
        {"Slave_IO_Running", "No"},      {"Slave_SQL_Running", "No"},
        {"Exec_Master_Log_Pos", "4000"}, {"Seconds_Behind_Master", NULL},
        {"Using_Gtid", "Slave_Pos"},     {"Gtid_IO_Pos", ""},
        {"Gtid_Slave_Pos", "0-1-18"},    {NULL, NULL},
    };
    struct server_facts f = {0};
    (void)state;
    assert_int_equal(facts_of(SERVER_MARIADB, stopped, NULL, &f), 0);
    assert_int_equal(f.io, THREAD_STOPPED);
    assert_int_equal(f.lag_s, -1);
    assert_false(f.drained);
    stopped[8].value = "4711";
    assert_int_equal(facts_of(SERVER_MARIADB, stopped, NULL, &f), 0);
    assert_true(f.drained);
    stopped[3].value = "";
    stopped[4].value = "4";
    assert_int_equal(facts_of(SERVER_MARIADB, stopped, NULL, &f), 0);
    assert_true(f.drained); /* configured, never started */
}

static void status_with_a_part_of_a_transaction(void **state)
{
    /* MySQL 9.7, the source vanished within transaction 10: read beyond what 1-9 ended with. */
    struct column row[] = {
        {"Source_Host", "10.0.0.1"},
        {"Replica_IO_Running", "No"},
        {"Replica_SQL_Running", "Yes"},
        {"Source_Log_File", "m1-bin.000001"},
        {"Read_Source_Log_Pos", "38150796"},
        {"Relay_Source_Log_File", "m1-bin.000001"},
        {"Exec_Source_Log_Pos", "31396828"},
        {"Retrieved_Gtid_Set", UUID_A ":4-9"},
        {"Executed_Gtid_Set", UUID_A ":1-9"},
        {"Auto_Position", "1"},
        {"Channel_Name", ""},
        {NULL, NULL},
    };
    struct replica_status status = {0};
    struct sql_row r;
    (void)state;
    row_of(&r, row);
    assert_int_equal(replica_status_add(&status, SERVER_MYSQL, &r), 0);
    assert_true(status.channels[0].drained);
    assert_true(status.channels[0].partial);
    row[6].value = "38150796";
    row_of(&r, row);
    assert_int_equal(replica_status_add(&status, SERVER_MYSQL, &r), 0);
    assert_false(status.channels[1].partial);
    row[6].value = "31396828";
    row[7].value = UUID_A ":4-10"; /* whole, and still to be applied */
    row_of(&r, row);
    assert_int_equal(replica_status_add(&status, SERVER_MYSQL, &r), 0);
    assert_false(status.channels[2].partial);
}

static void status_with_errors_and_other_channels(void **state)
{
    static const struct column broken[] = {
        {"Connection_name", ""},
        {"Master_Host", "172.17.0.10"},
        {"Slave_IO_Running", "Preparing"},
        {"Slave_SQL_Running", "No"},
        {"Last_IO_Errno", "2003"},
        {"Last_IO_Error", "error connecting"},
        {"Last_SQL_Errno", "1062"},
        {"Last_SQL_Error", "Duplicate entry\n'1' for key 'PRIMARY'"},
        {"Gtid_IO_Pos", "0-1-20"},
        {"Gtid_Slave_Pos", "0-1-20"},
        {NULL, NULL},
    };
    static const struct column level[] = {{"Connection_name", "tandem_level"},
                                          {"Gtid_IO_Pos", "0-1-25"},
                                          {"Gtid_Slave_Pos", "0-1-20"},
                                          {NULL, NULL}};
    static const struct column other[] = {{"Connection_name", "reports"}, {NULL, NULL}};
    struct server_facts f = {0};
    (void)state;
    assert_int_equal(facts_of(SERVER_MARIADB, broken, NULL, &f), 0);
    assert_int_equal(f.io, THREAD_CONNECTING);
    assert_int_equal(f.sql_errno, 1062);
    assert_int_equal(f.io_errno, 2003);
    assert_string_equal(f.error, "Duplicate entry '1' for key 'PRIMARY'");
    assert_true(f.drained);
    assert_int_equal(facts_of(SERVER_MARIADB, broken, level, &f), 0);
    assert_false(f.foreign_channels);
    assert_false(f.drained); /* the level channel has something */
    assert_int_equal(facts_of(SERVER_MARIADB, broken, other, &f), 0);
    assert_true(f.foreign_channels);
    assert_int_equal(facts_of(SERVER_MARIADB, other, NULL, &f), 0);
    assert_false(f.channel);
}

/* Killed by this program: stopped, not broken. */
static void status_of_an_applier_ended_at_work(void **state)
{
    static const struct column ended[] = {
        {"Source_Host", "10.0.0.1"},
        {"Replica_IO_Running", "No"},
        {"Replica_SQL_Running", "No"},
        {"Last_IO_Errno", "0"},
        {"Last_IO_Error", ""},
        {"Last_SQL_Errno", "1756"},
        {"Last_SQL_Error", "... The replica coordinator and worker threads are stopped"},
        {NULL, NULL},
    };
    struct server_facts f = {0};
    (void)state;
    assert_int_equal(facts_of(SERVER_MYSQL, ended, NULL, &f), 0);
    assert_int_equal(f.sql, THREAD_STOPPED);
    assert_int_equal(f.sql_errno, 0);
    assert_string_equal(f.error, "");
}

static void status_of_mysql_old_words(void **state)
{
    /* MySQL 5.7 and 8.0 before 8.0.22 */
    static const struct column row[] = {
        {"Slave_IO_State", "Connecting to master"},
        {"Master_Host", "10.0.0.1"},
        {"Master_Port", "3307"},
        {"Slave_IO_Running", "Connecting"},
        {"Slave_SQL_Running", "Yes"},
        {"Seconds_Behind_Master", NULL},
        {"Last_IO_Errno", "2003"},
        {"Last_IO_Error", "error connecting to master 'repl@10.0.0.1:3307'"},
        {"Last_SQL_Errno", "0"},
        {"Retrieved_Gtid_Set", UUID_A ":4-9"},
        {"Executed_Gtid_Set", UUID_A ":1-8,\n" UUID_B ":1"},
        {"Auto_Position", "1"},
        {"Channel_Name", ""},
        {NULL, NULL},
    };
    struct server_facts f = {0};
    (void)state;
    assert_int_equal(facts_of(SERVER_MYSQL, row, NULL, &f), 0);
    assert_int_equal(f.io, THREAD_CONNECTING);
    assert_false(f.drained);
    assert_string_equal(f.executed, UUID_A ":1-8," UUID_B ":1");
    assert_string_equal(f.received, UUID_A ":1-9," UUID_B ":1");
    assert_string_equal(f.error, "error connecting to master 'repl@10.0.0.1:3307'");
}

static void status_of_mysql_new_words(void **state)
{
    /* MySQL 8.4 and 9.x, with a tagged GTID */
    static const struct column row[] = {
        {"Replica_IO_State", "Waiting for source to send event"},
        {"Source_Host", "10.0.0.1"},
        {"Source_Port", "3306"},
        {"Replica_IO_Running", "Yes"},
        {"Replica_SQL_Running", "Yes"},
        {"Seconds_Behind_Source", "0"},
        {"Last_IO_Errno", "0"},
        {"Last_SQL_Errno", "0"},
        {"Retrieved_Gtid_Set", UUID_A ":4-9"},
        {"Executed_Gtid_Set", UUID_A ":1-9:maintenance:1-2"},
        {"Auto_Position", "1"},
        {"Channel_Name", ""},
        {NULL, NULL},
    };
    static const struct column group[] = {{"Channel_Name", "group_replication_applier"},
                                          {"Retrieved_Gtid_Set", ""},
                                          {"Executed_Gtid_Set", UUID_A ":1-9"},
                                          {NULL, NULL}};
    static const struct column rubbish[] = {
        {"Channel_Name", ""}, {"Retrieved_Gtid_Set", "?"}, {NULL, NULL}};
    struct server_facts f = {0};
    (void)state;
    assert_int_equal(facts_of(SERVER_MYSQL, row, NULL, &f), 0);
    assert_int_equal(f.io, THREAD_RUNNING);
    assert_int_equal(f.lag_s, 0);
    assert_true(f.drained);
    assert_string_equal(f.source_host, "10.0.0.1");
    assert_string_equal(f.received, f.executed);
    assert_non_null(strstr(f.executed, "maintenance"));
    assert_int_equal(facts_of(SERVER_MYSQL, row, group, &f), 0);
    assert_true(f.foreign_channels);
    assert_int_equal(facts_of(SERVER_MYSQL, rubbish, NULL, &f), ERR_FORMAT);
}

static void no_channel(void **state)
{
    struct replica_status status = {0};
    struct server_facts f = {.channel = true, .sql_errno = 9, .executed = UUID_A ":1-4"};
    (void)state;
    assert_int_equal(replica_status_facts(&status, SERVER_MYSQL, &f), 0);
    assert_false(f.channel);
    assert_true(f.drained);
    assert_int_equal(f.sql_errno, 0);
    assert_string_equal(f.received, UUID_A ":1-4");
    (void)snprintf(f.executed, sizeof f.executed, "0-1-4");
    assert_int_equal(replica_status_facts(&status, SERVER_MARIADB, &f), 0);
    assert_string_equal(f.received, "");
}

/* ---- errors ---- */

struct class_case {
    int err;
    uint32_t sql_errno;
    const char *text;
    enum probe_outcome outcome;
};

static void error_classes(void **state)
{
    static const struct class_case cases[] = {
        {0, 0, "", PROBE_OK},
        {ERR_TIMEOUT, 0, "no answer in time", PROBE_TIMEOUT},
        {ERR_SQL, 1040, "Too many connections", PROBE_FULL},
        {ERR_SQL, 1203, "", PROBE_FULL},
        {ERR_SQL, 1226, "", PROBE_FULL},
        {ERR_SQL, 1045, "Access denied", PROBE_DENIED},
        {ERR_SQL, 1129, "Host is blocked", PROBE_DENIED},
        {ERR_SQL, 1130, "", PROBE_DENIED},
        {ERR_SQL, 1862, "password expired", PROBE_DENIED},
        {ERR_SQL, 3032, "offline mode", PROBE_DENIED},
        {ERR_NET, 1045, "Plugin caching_sha2_password could not be loaded", PROBE_DENIED},
        {ERR_NET, 2059, "", PROBE_DENIED},
        {ERR_NET, 2002, "Can't connect to local server through socket '/x' (111)", PROBE_REFUSED},
        {ERR_NET, 2002, "Can't connect to local server through socket '/x' (2)", PROBE_REFUSED},
        {ERR_NET, 2002, "Can't connect to local server through socket '/x' (13)", PROBE_ERROR},
        {ERR_NET, 2002, "Can't connect to local server through socket '/x' (11)", PROBE_TIMEOUT},
        {ERR_NET, 2003, "Can't connect to server on '::1' (111)", PROBE_REFUSED},
        {ERR_NET, 2013, "Lost connection to server at 'handshake', system error: 110",
         PROBE_TIMEOUT},
        {ERR_NET, 2013, "Lost connection to server at 'handshake', system error: 22",
         PROBE_TIMEOUT},
        {ERR_NET, 2013, "Lost connection to server during query", PROBE_LOST},
        {ERR_NET, 2006, "Server has gone away", PROBE_LOST},
        {ERR_NET, 2026, "TLS/SSL error: unexpected eof", PROBE_LOST},
        {ERR_SQL, 1927, "Connection was killed", PROBE_LOST},
        {ERR_SQL, 1053, "Server shutdown in progress", PROBE_LOST},
        {ERR_CANCELED, 0, "connection dropped", PROBE_LOST},
        {ERR_SQL, 1064, "syntax", PROBE_ERROR},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(mysql_classify(cases[i].err, cases[i].sql_errno, cases[i].text),
                         cases[i].outcome);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test(words),
        cmocka_unit_test(change_source_statements),
        cmocka_unit_test(source_side_statements),
        cmocka_unit_test(settings_of_good_servers),
        cmocka_unit_test(settings_that_are_wrong),
        cmocka_unit_test(variables_of_mariadb),
        cmocka_unit_test(variables_of_mysql),
        cmocka_unit_test(semi_sync_status_names),
        cmocka_unit_test(attach_positions),
        cmocka_unit_test(status_of_mariadb),
        cmocka_unit_test(status_of_mariadb_after_a_restart),
        cmocka_unit_test(status_with_errors_and_other_channels),
        cmocka_unit_test(status_of_an_applier_ended_at_work),
        cmocka_unit_test(status_of_mysql_old_words),
        cmocka_unit_test(status_of_mysql_new_words),
        cmocka_unit_test(status_with_a_part_of_a_transaction),
        cmocka_unit_test(no_channel),
        cmocka_unit_test(error_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
