/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/repoint.h"

#include <stdio.h>
#include <string.h>

#include "io/mysql/dialect.h"
#include "io/mysql/mysql_server.h"
#include "io/mysql/survey.h"

const char repoint_variables_sql[] =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('slave_parallel_workers', "
    "'replica_parallel_workers', 'slave_preserve_commit_order', 'replica_preserve_commit_order', "
    "'slave_skip_errors', 'replica_skip_errors', 'slave_exec_mode', 'replica_exec_mode', "
    "'relay_log_info_repository')";

void repoint_variable(struct repoint_server *server, const char *name, const char *value)
{
    if (strcmp(name, "slave_parallel_workers") == 0 ||
        strcmp(name, "replica_parallel_workers") == 0)
        server->workers = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "slave_preserve_commit_order") == 0 ||
             strcmp(name, "replica_preserve_commit_order") == 0)
        server->commit_order = server_flag(value);
    else if (strcmp(name, "slave_skip_errors") == 0 || strcmp(name, "replica_skip_errors") == 0)
        server->tolerant = server->tolerant || strcmp(value, "OFF") != 0;
    else if (strcmp(name, "slave_exec_mode") == 0 || strcmp(name, "replica_exec_mode") == 0)
        server->tolerant = server->tolerant || strcmp(value, "STRICT") != 0;
    else if (strcmp(name, "relay_log_info_repository") == 0)
        server->place_in_file = strcmp(value, "FILE") == 0;
}

/* New words from 8.0.26 on, as in the dialects: 8.0.22 and .23 brought them one by one. */
static bool is_new(const struct survey_server *s)
{
    return s->facts.flavour == SERVER_MYSQL && s->facts.version >= 80026;
}

const char *repoint_status_sql(const struct survey_server *s)
{
    return is_new(s) ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
}

const char *repoint_stop_io_sql(const struct survey_server *s)
{
    return is_new(s) ? "STOP REPLICA IO_THREAD" : "STOP SLAVE IO_THREAD";
}

const char *repoint_start_io_sql(const struct survey_server *s)
{
    return is_new(s) ? "START REPLICA IO_THREAD" : "START SLAVE IO_THREAD";
}

const char *repoint_stop_sql(const struct survey_server *s)
{
    return is_new(s) ? "STOP REPLICA" : "STOP SLAVE";
}

const char *repoint_start_sql(const struct survey_server *s)
{
    return is_new(s) ? "START REPLICA" : "START SLAVE";
}

const char *repoint_start_sql_thread(const struct survey_server *s)
{
    return is_new(s) ? "START REPLICA SQL_THREAD" : "START SLAVE SQL_THREAD";
}

static void copy(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text);
}

void repoint_status(struct repoint_channel *c, const struct sql_row *row)
{
    static const char *const filters[] = {"Replicate_Do_DB",         "Replicate_Ignore_DB",
                                          "Replicate_Do_Table",      "Replicate_Ignore_Table",
                                          "Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table",
                                          "Replicate_Rewrite_DB",    "Replicate_Ignore_Server_Ids",
                                          "Replicate_Do_Domain_Ids", "Replicate_Ignore_Domain_Ids"};
    memset(c, 0, sizeof *c);
    copy(c->read.file, sizeof c->read.file,
         sql_row_text(row, "Master_Log_File", "Source_Log_File"));
    c->read.position =
        strtoull(sql_row_text(row, "Read_Master_Log_Pos", "Read_Source_Log_Pos"), NULL, 10);
    copy(c->relay_file, sizeof c->relay_file, sql_row_text(row, "Relay_Log_File", NULL));
    copy(c->source_uuid, sizeof c->source_uuid, sql_row_text(row, "Master_UUID", "Source_UUID"));
    c->source_id =
        (uint32_t)strtoul(sql_row_text(row, "Master_Server_Id", "Source_Server_Id"), NULL, 10);
    c->idle = strstr(sql_row_text(row, "Slave_SQL_Running_State", "Replica_SQL_Running_State"),
                     "has read all relay log") != NULL;
    for (unsigned i = 0; i < sizeof filters / sizeof filters[0]; i++)
        c->filters = c->filters || sql_row_text(row, filters[i], NULL)[0] != '\0';
}

const char *repoint_binlog_sql(const struct survey_server *s)
{
    return s->facts.flavour == SERVER_MYSQL && s->facts.version >= 80200 ? "SHOW BINARY LOG STATUS"
                                                                         : "SHOW MASTER STATUS";
}

bool repoint_binlog_filters(const struct sql_row *row)
{
    return sql_row_text(row, "Binlog_Do_DB", NULL)[0] != '\0' ||
           sql_row_text(row, "Binlog_Ignore_DB", NULL)[0] != '\0';
}

static int made(int n, size_t size)
{
    return n < 0 || (size_t)n >= size ? ERR_FULL : 0;
}

int repoint_relay_sql(const char *file, size_t skip, size_t count, char *buf, size_t size)
{
    char name[2 * LOG_FILE_TEXT_MAX];
    if (dialect_escape(file, name, sizeof name) != 0)
        return ERR_FULL;
    return made(
        snprintf(buf, size, "SHOW RELAYLOG EVENTS IN '%s' LIMIT %zu, %zu", name, skip, count),
        size);
}

int repoint_events_sql(const char *file, uint64_t from, size_t count, char *buf, size_t size)
{
    char name[2 * LOG_FILE_TEXT_MAX];
    if (dialect_escape(file, name, sizeof name) != 0)
        return ERR_FULL;
    return made(snprintf(buf, size, "SHOW BINLOG EVENTS IN '%s' FROM %llu LIMIT %zu", name,
                         (unsigned long long)from, count),
                size);
}

bool repoint_row(const struct sql_row *row, struct repoint_event *e)
{
    const char *position = sql_row_text(row, "Pos", NULL);
    e->type = sql_row_text(row, "Event_type", NULL);
    e->info = sql_row_text(row, "Info", NULL);
    e->server_id = (uint32_t)strtoul(sql_row_text(row, "Server_id", NULL), NULL, 10);
    e->position = strtoull(position, NULL, 10);
    e->end = strtoull(sql_row_text(row, "End_log_pos", NULL), NULL, 10);
    return position[0] >= '0' && position[0] <= '9';
}

/* A channel that goes by auto-position refuses a place. */
static const char *follow_words(const struct survey_server *s, const struct log_place *place)
{
    if (place != NULL)
        return s->by_gtid ? is_new(s) ? ", SOURCE_AUTO_POSITION=0" : ", MASTER_AUTO_POSITION=0"
                          : "";
    if (s->facts.flavour == SERVER_MARIADB)
        return ", MASTER_USE_GTID=slave_pos";
    return is_new(s) ? ", SOURCE_AUTO_POSITION=1" : ", MASTER_AUTO_POSITION=1";
}

int repoint_change_sql(const struct survey_server *s, const char *host, uint16_t port,
                       const struct log_place *place, char *buf, size_t size)
{
    const char *w = is_new(s) ? "SOURCE" : "MASTER";
    char name[2 * LOG_FILE_TEXT_MAX], at[3 * LOG_FILE_TEXT_MAX] = "";
    if (dialect_escape(host, name, sizeof name) != 0)
        return ERR_FULL;
    if (place != NULL) {
        char file[2 * LOG_FILE_TEXT_MAX];
        if (dialect_escape(place->file, file, sizeof file) != 0)
            return ERR_FULL;
        (void)snprintf(at, sizeof at, ", %s_LOG_FILE='%s', %s_LOG_POS=%llu", w, file, w,
                       (unsigned long long)place->position);
    }
    return made(snprintf(buf, size, "CHANGE %s TO %s_HOST='%s', %s_PORT=%u%s%s",
                         is_new(s) ? "REPLICATION SOURCE" : "MASTER", w, name, w, port, at,
                         follow_words(s, place)),
                size);
}

bool repoint_log_number(const char *file, uint64_t *ret_number)
{
    const char *dot = strrchr(file, '.');
    char *end = NULL;
    if (dot == NULL || dot[1] < '0' || dot[1] > '9')
        return false;
    *ret_number = strtoull(dot + 1, &end, 10);
    return *end == '\0';
}

int repoint_log_name(const char *like, uint64_t number, char ret_file[LOG_FILE_TEXT_MAX])
{
    const char *dot = strrchr(like, '.');
    int n = dot != NULL ? (int)(dot - like) : 0;
    return made(
        snprintf(ret_file, LOG_FILE_TEXT_MAX, "%.*s.%06llu", n, like, (unsigned long long)number),
        LOG_FILE_TEXT_MAX);
}
