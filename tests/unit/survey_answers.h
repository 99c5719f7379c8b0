/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the versions that are supported but have no server in the lab, and of MySQL 5.6: the
 * variables that are asked for, as far as the version has them, and one row of its replication
 * state with all of that version's columns in its order. The replica is m2 of a chain m1 - m2.
 */
#ifndef TANDEM_TESTS_UNIT_SURVEY_ANSWERS_H
#define TANDEM_TESTS_UNIT_SURVEY_ANSWERS_H

#define UUID_1 "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define UUID_2 "4e11fa47-71ca-11e1-9e33-c80aa9429562"

struct answer {
    const char *name;
    const char *value;
};

/* clang-format off */

/* ---- MySQL 5.6.24, GTID off, no semi-sync plugin ---- */
static const struct answer mysql56_variables[] = {
    {"binlog_format", "ROW"}, {"datadir", "/var/lib/mysql/"}, {"enforce_gtid_consistency", "OFF"}, {"gtid_executed", ""},
    {"gtid_mode", "OFF"}, {"gtid_purged", ""}, {"hostname", "m2"}, {"innodb_flush_log_at_trx_commit", "1"}, {"log_bin", "ON"},
    {"log_bin_basename", "/var/lib/mysql/m2-bin"}, {"log_error", "./m2.err"}, {"log_slave_updates", "ON"},
    {"pid_file", "/var/run/mysqld/mysqld.pid"}, {"read_only", "ON"}, {"relay_log_recovery", "OFF"}, {"server_id", "2"},
    {"server_uuid", UUID_2}, {"socket", "/var/run/mysqld/mysqld.sock"}, {"sync_binlog", "0"}, {"sync_relay_log", "10000"},
    {"version", "5.6.24-log"}, {NULL, NULL}};
static const struct answer mysql56_status[] = {
    {"Slave_IO_State", "Waiting for master to send event"}, {"Master_Host", "172.17.0.10"}, {"Master_User", "repl"}, {"Master_Port", "3306"},
    {"Connect_Retry", "60"}, {"Master_Log_File", "m1-bin.000004"}, {"Read_Master_Log_Pos", "812"}, {"Relay_Log_File", "m2-relay.000007"},
    {"Relay_Log_Pos", "283"}, {"Relay_Master_Log_File", "m1-bin.000004"}, {"Slave_IO_Running", "Yes"}, {"Slave_SQL_Running", "Yes"},
    {"Replicate_Do_DB", ""}, {"Replicate_Ignore_DB", ""}, {"Replicate_Do_Table", ""}, {"Replicate_Ignore_Table", ""},
    {"Replicate_Wild_Do_Table", ""}, {"Replicate_Wild_Ignore_Table", ""}, {"Last_Errno", "0"}, {"Last_Error", ""}, {"Skip_Counter", "0"},
    {"Exec_Master_Log_Pos", "812"}, {"Relay_Log_Space", "1200"}, {"Until_Condition", "None"}, {"Until_Log_File", ""}, {"Until_Log_Pos", "0"},
    {"Master_SSL_Allowed", "No"}, {"Master_SSL_CA_File", ""}, {"Master_SSL_CA_Path", ""}, {"Master_SSL_Cert", ""}, {"Master_SSL_Cipher", ""},
    {"Master_SSL_Key", ""}, {"Seconds_Behind_Master", "0"}, {"Master_SSL_Verify_Server_Cert", "No"}, {"Last_IO_Errno", "0"},
    {"Last_IO_Error", ""}, {"Last_SQL_Errno", "0"}, {"Last_SQL_Error", ""}, {"Replicate_Ignore_Server_Ids", ""}, {"Master_Server_Id", "1"},
    {"Master_UUID", UUID_1}, {"Master_Info_File", "/var/lib/mysql/master.info"}, {"SQL_Delay", "0"}, {"SQL_Remaining_Delay", NULL},
    {"Slave_SQL_Running_State", "Slave has read all relay log; waiting for the slave I/O thread to update it"}, {"Master_Retry_Count", "86400"},
    {"Master_Bind", ""}, {"Last_IO_Error_Timestamp", ""}, {"Last_SQL_Error_Timestamp", ""}, {"Master_SSL_Crl", ""},
    {"Master_SSL_Crlpath", ""}, {"Retrieved_Gtid_Set", ""}, {"Executed_Gtid_Set", ""}, {"Auto_Position", "0"}, {NULL, NULL}};

/* ---- MySQL 5.7.44, file and position, gtid_mode half way ---- */
static const struct answer mysql57_variables[] = {
    {"binlog_format", "ROW"}, {"datadir", "/var/lib/mysql/"}, {"enforce_gtid_consistency", "WARN"}, {"gtid_executed", ""},
    {"gtid_mode", "OFF_PERMISSIVE"}, {"gtid_purged", ""}, {"hostname", "m2.example.org"}, {"innodb_flush_log_at_trx_commit", "1"},
    {"log_bin", "ON"}, {"log_bin_basename", "/var/lib/mysql/m2-bin"}, {"log_error", "/var/log/mysqld.log"}, {"log_slave_updates", "ON"},
    {"pid_file", "/var/run/mysqld/mysqld.pid"}, {"read_only", "ON"}, {"relay_log_recovery", "OFF"}, {"rpl_semi_sync_master_enabled", "OFF"},
    {"rpl_semi_sync_slave_enabled", "ON"}, {"server_id", "2"}, {"server_uuid", UUID_2}, {"socket", "/var/lib/mysql/mysql.sock"},
    {"sync_binlog", "1"}, {"sync_relay_log", "10000"}, {"version", "5.7.44-log"}, {NULL, NULL}};
static const struct answer mysql57_values[] = {{"", "1"}, {"", "1"}, {"", "OFF"}, {"", ""}, {"", ""}, {"", ""}, {"", ""},
    {"", "0"}, {"", "AFTER_SYNC"}, {"", "1"}, {"", "10000"}, {"", "1"}, {"", "1"}, {NULL, NULL}};
static const struct answer mysql57_status[] = {
    {"Slave_IO_State", "Waiting for master to send event"}, {"Master_Host", "172.17.0.10"}, {"Master_User", "repl"}, {"Master_Port", "3306"},
    {"Connect_Retry", "60"}, {"Master_Log_File", "m1-bin.000004"}, {"Read_Master_Log_Pos", "1180"}, {"Relay_Log_File", "m2-relay.000007"},
    {"Relay_Log_Pos", "320"}, {"Relay_Master_Log_File", "m1-bin.000004"}, {"Slave_IO_Running", "Yes"}, {"Slave_SQL_Running", "Yes"},
    {"Replicate_Do_DB", ""}, {"Replicate_Ignore_DB", ""}, {"Replicate_Do_Table", ""}, {"Replicate_Ignore_Table", ""},
    {"Replicate_Wild_Do_Table", ""}, {"Replicate_Wild_Ignore_Table", ""}, {"Last_Errno", "0"}, {"Last_Error", ""}, {"Skip_Counter", "0"},
    {"Exec_Master_Log_Pos", "900"}, {"Relay_Log_Space", "1534"}, {"Until_Condition", "None"}, {"Until_Log_File", ""}, {"Until_Log_Pos", "0"},
    {"Master_SSL_Allowed", "No"}, {"Master_SSL_CA_File", ""}, {"Master_SSL_CA_Path", ""}, {"Master_SSL_Cert", ""}, {"Master_SSL_Cipher", ""},
    {"Master_SSL_Key", ""}, {"Seconds_Behind_Master", "2"}, {"Master_SSL_Verify_Server_Cert", "No"}, {"Last_IO_Errno", "0"},
    {"Last_IO_Error", ""}, {"Last_SQL_Errno", "0"}, {"Last_SQL_Error", ""}, {"Replicate_Ignore_Server_Ids", ""}, {"Master_Server_Id", "1"},
    {"Master_UUID", UUID_1}, {"Master_Info_File", "mysql.slave_master_info"}, {"SQL_Delay", "0"}, {"SQL_Remaining_Delay", NULL},
    {"Slave_SQL_Running_State", "System lock"}, {"Master_Retry_Count", "86400"}, {"Master_Bind", ""}, {"Last_IO_Error_Timestamp", ""},
    {"Last_SQL_Error_Timestamp", ""}, {"Master_SSL_Crl", ""}, {"Master_SSL_Crlpath", ""}, {"Retrieved_Gtid_Set", ""}, {"Executed_Gtid_Set", ""},
    {"Auto_Position", "0"}, {"Replicate_Rewrite_DB", ""}, {"Channel_Name", ""}, {"Master_TLS_Version", ""}, {NULL, NULL}};

/* ---- MySQL 8.0.36, old names of semi-sync, auto-position; a set over two lines, as it is printed ---- */
static const struct answer mysql80_variables[] = {
    {"admin_address", ""}, {"admin_port", "33062"}, {"binlog_format", "ROW"}, {"datadir", "/var/lib/mysql/"},
    {"enforce_gtid_consistency", "ON"}, {"gtid_executed", UUID_1 ":1-41,\n" UUID_2 ":1-3"}, {"gtid_mode", "ON"}, {"gtid_purged", UUID_1 ":1-5"},
    {"hostname", "m2"}, {"innodb_flush_log_at_trx_commit", "1"}, {"log_bin", "ON"}, {"log_bin_basename", "/var/lib/mysql/binlog"},
    {"log_error", "stderr"}, {"log_replica_updates", "ON"}, {"log_slave_updates", "ON"}, {"mysqlx_port", "33060"},
    {"pid_file", "/var/run/mysqld/mysqld.pid"}, {"read_only", "ON"}, {"relay_log_recovery", "OFF"}, {"rpl_semi_sync_master_enabled", "OFF"},
    {"rpl_semi_sync_slave_enabled", "ON"}, {"server_id", "2"}, {"server_uuid", UUID_2}, {"socket", "/var/run/mysqld/mysqld.sock"},
    {"sync_binlog", "1"}, {"sync_relay_log", "1"}, {"version", "8.0.36"}, {NULL, NULL}};
static const struct answer mysql80_values[] = {{"", "1"}, {"", "1"}, {"", "OFF"}, {"", ""}, {"", UUID_1 ":1-41,\n" UUID_2 ":1-3"}, {"", ""},
    {"", ""}, {"", "0"}, {"", "AFTER_SYNC"}, {"", "1"}, {"", "10000"}, {"", "1"}, {"", "1"}, {NULL, NULL}};
static const struct answer mysql80_status[] = {
    {"Replica_IO_State", "Waiting for source to send event"}, {"Source_Host", "172.17.0.10"}, {"Source_User", "repl"}, {"Source_Port", "3307"},
    {"Connect_Retry", "60"}, {"Source_Log_File", "binlog.000012"}, {"Read_Source_Log_Pos", "5120"}, {"Relay_Log_File", "m2-relay.000031"},
    {"Relay_Log_Pos", "371"}, {"Relay_Source_Log_File", "binlog.000012"}, {"Replica_IO_Running", "Yes"}, {"Replica_SQL_Running", "Yes"},
    {"Replicate_Do_DB", ""}, {"Replicate_Ignore_DB", ""}, {"Replicate_Do_Table", ""}, {"Replicate_Ignore_Table", ""},
    {"Replicate_Wild_Do_Table", ""}, {"Replicate_Wild_Ignore_Table", ""}, {"Last_Errno", "0"}, {"Last_Error", ""}, {"Skip_Counter", "0"},
    {"Exec_Source_Log_Pos", "4800"}, {"Relay_Log_Space", "5671"}, {"Until_Condition", "None"}, {"Until_Log_File", ""}, {"Until_Log_Pos", "0"},
    {"Source_SSL_Allowed", "No"}, {"Source_SSL_CA_File", ""}, {"Source_SSL_CA_Path", ""}, {"Source_SSL_Cert", ""}, {"Source_SSL_Cipher", ""},
    {"Source_SSL_Key", ""}, {"Seconds_Behind_Source", "0"}, {"Source_SSL_Verify_Server_Cert", "No"}, {"Last_IO_Errno", "0"},
    {"Last_IO_Error", ""}, {"Last_SQL_Errno", "0"}, {"Last_SQL_Error", ""}, {"Replicate_Ignore_Server_Ids", ""}, {"Source_Server_Id", "1"},
    {"Source_UUID", UUID_1}, {"Source_Info_File", "mysql.slave_master_info"}, {"SQL_Delay", "0"}, {"SQL_Remaining_Delay", NULL},
    {"Replica_SQL_Running_State", "Replica has read all relay log; waiting for more updates"}, {"Source_Retry_Count", "86400"},
    {"Source_Bind", ""}, {"Last_IO_Error_Timestamp", ""}, {"Last_SQL_Error_Timestamp", ""}, {"Source_SSL_Crl", ""}, {"Source_SSL_Crlpath", ""},
    {"Retrieved_Gtid_Set", UUID_1 ":6-42"}, {"Executed_Gtid_Set", UUID_1 ":1-41,\n" UUID_2 ":1-3"}, {"Auto_Position", "1"},
    {"Replicate_Rewrite_DB", ""}, {"Channel_Name", ""}, {"Source_TLS_Version", ""}, {"Source_public_key_path", ""},
    {"Get_Source_public_key", "0"}, {"Network_Namespace", ""}, {NULL, NULL}};

/* ---- MySQL 8.4.3, new names only, admin interface in use, a tagged GTID, IO thread failing ---- */
static const struct answer mysql84_variables[] = {
    {"admin_address", "127.0.0.1"}, {"admin_port", "33062"}, {"binlog_format", "ROW"}, {"datadir", "/var/lib/mysql/"},
    {"enforce_gtid_consistency", "ON"}, {"gtid_executed", UUID_1 ":1-9:jobs:1-2"}, {"gtid_mode", "ON"}, {"gtid_purged", ""},
    {"hostname", "m2"}, {"innodb_flush_log_at_trx_commit", "2"}, {"log_bin", "ON"}, {"log_bin_basename", "/var/lib/mysql/binlog"},
    {"log_error", "/var/log/mysql/error.log"}, {"log_replica_updates", "ON"}, {"log_slave_updates", "ON"}, {"mysqlx_port", "33060"},
    {"pid_file", "/var/run/mysqld/mysqld.pid"}, {"read_only", "OFF"}, {"relay_log_recovery", "ON"}, {"rpl_semi_sync_replica_enabled", "OFF"},
    {"rpl_semi_sync_source_enabled", "OFF"}, {"server_id", "2"}, {"server_uuid", UUID_2}, {"socket", "/var/run/mysqld/mysqld.sock"},
    {"sync_binlog", "1"}, {"sync_relay_log", "10000"}, {"version", "8.4.3"}, {NULL, NULL}};
static const struct answer mysql84_values[] = {{"", "0"}, {"", "0"}, {"", "ON"}, {"", ""}, {"", UUID_1 ":1-9:jobs:1-2"}, {"", ""}, {"", ""},
    {"", "0"}, {"", "AFTER_SYNC"}, {"", "1"}, {"", "10000"}, {"", "1"}, {"", "0"}, {NULL, NULL}};
static const struct answer mysql84_status[] = {
    {"Replica_IO_State", "Reconnecting after a failed source event read"}, {"Source_Host", "m1.example.org"}, {"Source_User", "repl"},
    {"Source_Port", "3306"}, {"Connect_Retry", "60"}, {"Source_Log_File", "binlog.000012"}, {"Read_Source_Log_Pos", "927"},
    {"Relay_Log_File", "m2-relay.000002"}, {"Relay_Log_Pos", "1145"}, {"Relay_Source_Log_File", "binlog.000012"},
    {"Replica_IO_Running", "Connecting"}, {"Replica_SQL_Running", "Yes"}, {"Replicate_Do_DB", ""}, {"Replicate_Ignore_DB", ""},
    {"Replicate_Do_Table", ""}, {"Replicate_Ignore_Table", ""}, {"Replicate_Wild_Do_Table", ""}, {"Replicate_Wild_Ignore_Table", ""},
    {"Last_Errno", "0"}, {"Last_Error", ""}, {"Skip_Counter", "0"}, {"Exec_Source_Log_Pos", "927"}, {"Relay_Log_Space", "1355"},
    {"Until_Condition", "None"}, {"Until_Log_File", ""}, {"Until_Log_Pos", "0"}, {"Source_SSL_Allowed", "Yes"}, {"Source_SSL_CA_File", ""},
    {"Source_SSL_CA_Path", ""}, {"Source_SSL_Cert", ""}, {"Source_SSL_Cipher", ""}, {"Source_SSL_Key", ""}, {"Seconds_Behind_Source", NULL},
    {"Source_SSL_Verify_Server_Cert", "No"}, {"Last_IO_Errno", "2003"}, {"Last_IO_Error", "Error reconnecting to source"},
    {"Last_SQL_Errno", "0"}, {"Last_SQL_Error", ""}, {"Replicate_Ignore_Server_Ids", ""}, {"Source_Server_Id", "1"}, {"Source_UUID", UUID_1},
    {"Source_Info_File", "mysql.slave_master_info"}, {"SQL_Delay", "0"}, {"SQL_Remaining_Delay", NULL},
    {"Replica_SQL_Running_State", "Replica has read all relay log; waiting for more updates"}, {"Source_Retry_Count", "10"}, {"Source_Bind", ""},
    {"Last_IO_Error_Timestamp", "251128 10:21:09"}, {"Last_SQL_Error_Timestamp", ""}, {"Source_SSL_Crl", ""}, {"Source_SSL_Crlpath", ""},
    {"Retrieved_Gtid_Set", UUID_1 ":1-9"}, {"Executed_Gtid_Set", UUID_1 ":1-9:jobs:1-2"}, {"Auto_Position", "1"}, {"Replicate_Rewrite_DB", ""},
    {"Channel_Name", ""}, {"Source_TLS_Version", ""}, {"Source_public_key_path", ""}, {"Get_Source_public_key", "1"}, {"Network_Namespace", ""},
    {NULL, NULL}};

/* ---- MariaDB 10.6.18, file and position; a second, named channel ---- */
static const struct answer mariadb106_variables[] = {
    {"binlog_format", "MIXED"}, {"datadir", "/var/lib/mysql/"}, {"extra_port", "0"}, {"gtid_binlog_pos", "0-1-40"}, {"gtid_strict_mode", "OFF"},
    {"hostname", "m2"}, {"innodb_flush_log_at_trx_commit", "1"}, {"log_bin", "ON"}, {"log_bin_basename", "/var/lib/mysql/m2-bin"},
    {"log_error", ""}, {"log_slave_updates", "ON"}, {"pid_file", "/run/mysqld/mysqld.pid"}, {"read_only", "ON"}, {"relay_log_recovery", "OFF"},
    {"rpl_semi_sync_master_enabled", "OFF"}, {"rpl_semi_sync_slave_enabled", "ON"}, {"server_id", "2"}, {"socket", "/run/mysqld/mysqld.sock"},
    {"sync_binlog", "0"}, {"sync_relay_log", "10000"}, {"version", "10.6.18-MariaDB-log"}, {NULL, NULL}};
static const struct answer mariadb106_values[] = {{"", "1"}, {"", "1"}, {"", "OFF"}, {"", ""}, {"", "0-1-40,0-2-7"}, {"", "0-1-40"}, {"", "0-1-40"},
    {"", "0"}, {"", "AFTER_COMMIT"}, {"", "1"}, {"", "10000"}, {"", "1"}, {"", "1"}, {NULL, NULL}};
#define MARIADB_STATUS(connection, using_gtid, io_pos) \
    {"Connection_name", connection}, {"Slave_SQL_State", "Slave has read all relay log; waiting for more updates"}, \
    {"Slave_IO_State", "Waiting for master to send event"}, {"Master_Host", "172.17.0.10"}, {"Master_User", "repl"}, {"Master_Port", "3306"}, \
    {"Connect_Retry", "60"}, {"Master_Log_File", "m1-bin.000003"}, {"Read_Master_Log_Pos", "4711"}, {"Relay_Log_File", "m2-relay.000009"}, \
    {"Relay_Log_Pos", "5010"}, {"Relay_Master_Log_File", "m1-bin.000003"}, {"Slave_IO_Running", "Yes"}, {"Slave_SQL_Running", "Yes"}, \
    {"Replicate_Do_DB", ""}, {"Replicate_Ignore_DB", ""}, {"Replicate_Do_Table", ""}, {"Replicate_Ignore_Table", ""}, \
    {"Replicate_Wild_Do_Table", ""}, {"Replicate_Wild_Ignore_Table", ""}, {"Last_Errno", "0"}, {"Last_Error", ""}, {"Skip_Counter", "0"}, \
    {"Exec_Master_Log_Pos", "4711"}, {"Relay_Log_Space", "5612"}, {"Until_Condition", "None"}, {"Until_Log_File", ""}, {"Until_Log_Pos", "0"}, \
    {"Master_SSL_Allowed", "No"}, {"Master_SSL_CA_File", ""}, {"Master_SSL_CA_Path", ""}, {"Master_SSL_Cert", ""}, {"Master_SSL_Cipher", ""}, \
    {"Master_SSL_Key", ""}, {"Seconds_Behind_Master", "0"}, {"Master_SSL_Verify_Server_Cert", "No"}, {"Last_IO_Errno", "0"}, \
    {"Last_IO_Error", ""}, {"Last_SQL_Errno", "0"}, {"Last_SQL_Error", ""}, {"Replicate_Ignore_Server_Ids", ""}, {"Master_Server_Id", "1"}, \
    {"Master_SSL_Crl", ""}, {"Master_SSL_Crlpath", ""}, {"Using_Gtid", using_gtid}, {"Gtid_IO_Pos", io_pos}, {"Replicate_Do_Domain_Ids", ""}, \
    {"Replicate_Ignore_Domain_Ids", ""}, {"Parallel_Mode", "optimistic"}, {"SQL_Delay", "0"}, {"SQL_Remaining_Delay", NULL}, \
    {"Slave_SQL_Running_State", "Slave has read all relay log; waiting for more updates"}, {"Slave_DDL_Groups", "1"}, \
    {"Slave_Non_Transactional_Groups", "0"}, {"Slave_Transactional_Groups", "39"}
#define MARIADB_STATUS_ALL \
    {"Retried_transactions", "0"}, {"Max_relay_log_size", "1073741824"}, {"Executed_log_entries", "120"}, {"Slave_received_heartbeats", "3"}, \
    {"Slave_heartbeat_period", "30.000"}, {"Gtid_Slave_Pos", "0-1-40"}
static const struct answer mariadb106_status[] = {MARIADB_STATUS("", "No", ""), MARIADB_STATUS_ALL, {NULL, NULL}};
static const struct answer mariadb106_named[] = {MARIADB_STATUS("reports", "No", ""), MARIADB_STATUS_ALL, {NULL, NULL}};

/* ---- MariaDB 11.4.3, by GTID ---- */
static const struct answer mariadb114_variables[] = {
    {"binlog_format", "ROW"}, {"datadir", "/var/lib/mysql/"}, {"extra_port", "3307"}, {"gtid_binlog_pos", "0-1-40"}, {"gtid_strict_mode", "ON"},
    {"hostname", "m2"}, {"innodb_flush_log_at_trx_commit", "1"}, {"log_bin", "ON"}, {"log_bin_basename", "/var/lib/mysql/m2-bin"},
    {"log_error", "/var/log/mysql/error.log"}, {"log_slave_updates", "ON"}, {"pid_file", "/run/mysqld/mysqld.pid"}, {"read_only", "ON"},
    {"relay_log_recovery", "OFF"}, {"rpl_semi_sync_master_enabled", "OFF"}, {"rpl_semi_sync_slave_enabled", "OFF"}, {"server_id", "2"},
    {"socket", "/run/mysqld/mysqld.sock"}, {"sync_binlog", "1"}, {"sync_relay_log", "1"}, {"version", "11.4.3-MariaDB-log"}, {NULL, NULL}};
static const struct answer mariadb114_values[] = {{"", "1"}, {"", "1"}, {"", "OFF"}, {"", ""}, {"", "0-1-40"}, {"", "0-1-40"}, {"", "0-1-40"},
    {"", "0"}, {"", "AFTER_SYNC"}, {"", "1"}, {"", "4294967295"}, {"", "1"}, {"", "0"}, {NULL, NULL}};
static const struct answer mariadb114_status[] = {MARIADB_STATUS("", "Slave_Pos", "0-1-41"), {"Replicate_Rewrite_DB", ""}, MARIADB_STATUS_ALL,
    {NULL, NULL}};

/* clang-format on */

#endif
