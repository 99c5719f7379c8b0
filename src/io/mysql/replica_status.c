/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/replica_status.h"

#include <string.h>

#include "io/mysql/dialect.h"
#include "wire/gtid.h"

#define ER_MTA_INCONSISTENT_DATA 1756

static enum gtid_flavour status_gtid_flavour(enum server_flavour flavour, bool state)
{
    if (flavour == SERVER_MYSQL)
        return GTID_MYSQL;
    return state ? GTID_MARIADB_STATE : GTID_MARIADB;
}

int gtid_canonical(const char *text, enum server_flavour flavour, bool state, char *ret_text)
{
    struct gtid_set set;
    int rc;
    if (text[0] == '\0') {
        ret_text[0] = '\0';
        return 0;
    }
    rc = gtid_parse(text, status_gtid_flavour(flavour, state), &set);
    return rc != 0 ? rc : gtid_format(&set, ret_text, GTID_TEXT_MAX);
}

const char *sql_row_text(const struct sql_row *row, const char *a, const char *b)
{
    for (unsigned i = 0; i < row->count; i++) {
        if (strcmp(row->names[i], a) == 0 || (b != NULL && strcmp(row->names[i], b) == 0))
            return row->values[i] != NULL ? row->values[i] : "";
    }
    return "";
}

static uint64_t status_number(const struct sql_row *row, const char *a, const char *b)
{
    return strtoull(sql_row_text(row, a, b), NULL, 10);
}

static int status_thread(const char *text)
{
    if (strcmp(text, "Yes") == 0)
        return THREAD_RUNNING;
    return text[0] == '\0' || strcmp(text, "No") == 0 ? THREAD_STOPPED : THREAD_CONNECTING;
}

static void status_line(const char *text, char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s", text);
    for (; *buf != '\0'; buf++) {
        if (*buf == '\n' || *buf == '\r')
            *buf = ' ';
    }
}

/* Coordinates of the last event read and of the last executed are the same. */
static bool status_coordinates_equal(const struct sql_row *row)
{
    const char *read_file = sql_row_text(row, "Master_Log_File", "Source_Log_File");
    const char *exec_file = sql_row_text(row, "Relay_Master_Log_File", "Relay_Source_Log_File");
    uint64_t read_pos = status_number(row, "Read_Master_Log_Pos", "Read_Source_Log_Pos");
    uint64_t exec_pos = status_number(row, "Exec_Master_Log_Pos", "Exec_Source_Log_Pos");
    if (read_file[0] == '\0')
        return true; /* nothing was ever read */
    return strcmp(read_file, exec_file) == 0 && read_pos == exec_pos;
}

static int status_gtids(enum server_flavour flavour, const struct sql_row *row,
                        struct replica_channel *ret)
{
    enum gtid_flavour kind = status_gtid_flavour(flavour, /* state= */ false);
    struct gtid_set retrieved;
    struct gtid_set executed;
    int rc = gtid_parse(sql_row_text(row, "Retrieved_Gtid_Set", "Gtid_IO_Pos"), kind, &retrieved);
    if (rc == 0)
        rc = gtid_parse(sql_row_text(row, "Executed_Gtid_Set", "Gtid_Slave_Pos"), kind, &executed);
    if (rc == 0)
        rc = gtid_format(&retrieved, ret->retrieved, sizeof ret->retrieved);
    if (rc == 0)
        rc = gtid_format(&executed, ret->executed, sizeof ret->executed);
    if (rc != 0)
        return rc;
    if (flavour == SERVER_MARIADB && gtid_is_empty(&retrieved))
        ret->drained = status_coordinates_equal(row);
    else
        ret->drained = gtid_contains(&executed, &retrieved);
    ret->partial = ret->drained && !status_coordinates_equal(row);
    return 0;
}

int replica_status_add(struct replica_status *status, enum server_flavour flavour,
                       const struct sql_row *row)
{
    const char *lag = sql_row_text(row, "Seconds_Behind_Master", "Seconds_Behind_Source");
    struct replica_channel *c;
    int rc;
    if (status->count == REPLICA_CHANNELS_MAX) {
        status->more = true;
        return 0;
    }
    c = &status->channels[status->count];
    memset(c, 0, sizeof *c);
    rc = status_gtids(flavour, row, c);
    if (rc != 0)
        return rc;
    (void)snprintf(c->name, sizeof c->name, "%s",
                   sql_row_text(row, "Channel_Name", "Connection_name"));
    (void)snprintf(c->host, sizeof c->host, "%s", sql_row_text(row, "Master_Host", "Source_Host"));
    c->port = (uint16_t)status_number(row, "Master_Port", "Source_Port");
    c->io = status_thread(sql_row_text(row, "Slave_IO_Running", "Replica_IO_Running"));
    c->sql = status_thread(sql_row_text(row, "Slave_SQL_Running", "Replica_SQL_Running"));
    c->io_errno = (uint32_t)status_number(row, "Last_IO_Errno", NULL);
    c->sql_errno = (uint32_t)status_number(row, "Last_SQL_Errno", NULL);
    /* The coordinator was ended at work, by actor_stop_sql() say: the next start goes on by GTID. A
     * worker's own error has its own number. Told as an error, nobody would start it again. */
    if (c->sql_errno == ER_MTA_INCONSISTENT_DATA)
        c->sql_errno = 0;
    c->lag_s = lag[0] != '\0' ? (int32_t)strtol(lag, NULL, 10) : -1;
    c->by_gtid = strcmp(sql_row_text(row, "Using_Gtid", NULL), "Slave_Pos") == 0 ||
                 status_number(row, "Auto_Position", NULL) == 1;
    status_line(sql_row_text(row, c->sql_errno != 0 ? "Last_SQL_Error" : "Last_IO_Error", NULL),
                c->error, sizeof c->error);
    status->count++;
    return 0;
}

const struct replica_channel *replica_status_find(const struct replica_status *status,
                                                  const char *name)
{
    for (unsigned i = 0; i < status->count; i++) {
        if (strcmp(status->channels[i].name, name) == 0)
            return &status->channels[i];
    }
    return NULL;
}

const struct replica_channel *replica_status_default(const struct replica_status *status)
{
    return replica_status_find(status, "");
}

bool replica_status_is_drained(const struct replica_status *status)
{
    for (unsigned i = 0; i < status->count; i++) {
        if (!status->channels[i].drained)
            return false;
    }
    return !status->more;
}

static void facts_of_channel(const struct replica_channel *c, struct server_facts *f)
{
    f->channel = true;
    memcpy(f->source_host, c->host, sizeof f->source_host);
    f->source_port = c->port;
    f->io = c->io;
    f->sql = c->sql;
    f->io_errno = c->io_errno;
    f->sql_errno = c->sql_errno;
    f->lag_s = c->lag_s;
    memcpy(f->error, c->error, sizeof f->error);
}

/* MySQL: received is everything of every channel and everything executed. */
static int facts_of_mysql_sets(const struct replica_status *status, struct server_facts *f)
{
    struct gtid_set all;
    struct gtid_set one;
    int rc;
    if (status->count > 0)
        memcpy(f->executed, status->channels[0].executed, sizeof f->executed);
    memcpy(f->applied, f->executed, sizeof f->applied);
    rc = gtid_parse(f->executed, GTID_MYSQL, &all);
    for (unsigned i = 0; rc == 0 && i < status->count; i++) {
        rc = gtid_parse(status->channels[i].retrieved, GTID_MYSQL, &one);
        if (rc == 0)
            rc = gtid_union(&all, &one, &all);
    }
    return rc != 0 ? rc : gtid_format(&all, f->received, sizeof f->received);
}

int replica_status_facts(const struct replica_status *status, enum server_flavour flavour,
                         struct server_facts *f)
{
    const struct replica_channel *c = replica_status_default(status);
    f->channel = false;
    f->source_host[0] = '\0';
    f->source_port = 0;
    f->io = THREAD_STOPPED;
    f->sql = THREAD_STOPPED;
    f->io_errno = 0;
    f->sql_errno = 0;
    f->lag_s = -1;
    f->error[0] = '\0';
    f->received[0] = '\0';
    f->drained = replica_status_is_drained(status);
    f->foreign_channels = status->more;
    for (unsigned i = 0; i < status->count; i++) {
        const char *name = status->channels[i].name;
        if (name[0] != '\0' && strcmp(name, DIALECT_LEVEL_CHANNEL) != 0)
            f->foreign_channels = true;
    }
    if (c != NULL)
        facts_of_channel(c, f);
    f->settings &= ~(uint32_t)SETTING_BY_POSITION;
    if (c != NULL && !c->by_gtid)
        f->settings |= SETTING_BY_POSITION;
    if (flavour == SERVER_MYSQL)
        return facts_of_mysql_sets(status, f);
    if (c != NULL)
        memcpy(f->received, c->retrieved, sizeof f->received);
    return 0;
}
