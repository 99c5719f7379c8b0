/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tandem repoint` in the words of each server, MySQL from 5.6 on and MariaDB: what it asks beyond
 * the survey, how rows become values, and the statements by which a replica is put under another
 * server. Pure. All of it is about the default channel; a server with others is refused before.
 */
#ifndef TANDEM_IO_MYSQL_REPOINT_H
#define TANDEM_IO_MYSQL_REPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "io/mysql/replica_status.h"
#include "wire/repoint.h"

#define REPOINT_SQL_MAX 2048

/* Unknown names give no row. */
extern const char repoint_variables_sql[];
void repoint_variable(struct repoint_server *server, const char *name, const char *value);

/* SHOW SLAVE STATUS or its newer name; of the default channel alone. Its place `applied_to` is in
 * the survey. */
const char *repoint_status_sql(const struct survey_server *s);
void repoint_status(struct repoint_channel *channel, const struct sql_row *row);
/* SHOW MASTER STATUS or its newer name: is a binlog filter set? */
const char *repoint_binlog_sql(const struct survey_server *s);
bool repoint_binlog_filters(const struct sql_row *row);

/* The events of a log, `count` of them. ERR_FULL: the name does not fit. */
/* file "": the oldest relay log. A relay log is read from its beginning each time, `skip` events
 * left out: its events may have checksums of two kinds, which the server only knows from the start.
 */
int repoint_relay_sql(const char *file, size_t skip, size_t count, char *buf,
                      size_t size) NODISCARD;
int repoint_events_sql(const char *file, uint64_t from, size_t count, char *buf,
                       size_t size) NODISCARD;
/* A row of either. The texts live as long as the row. False: it has no position. */
bool repoint_row(const struct sql_row *row, struct repoint_event *ret_event);

const char *repoint_stop_io_sql(const struct survey_server *s);
const char *repoint_start_io_sql(const struct survey_server *s);
const char *repoint_stop_sql(const struct survey_server *s);
const char *repoint_start_sql(const struct survey_server *s);
const char *repoint_start_sql_thread(const struct survey_server *s);
/* CHANGE ... to that source; account and the rest of the channel stay. place NULL: by GTID.
 * ERR_FULL. */
int repoint_change_sql(const struct survey_server *s, const char *host, uint16_t port,
                       const struct log_place *place, char *buf, size_t size) NODISCARD;

/* Logs are numbered: m2-relay.000009, m2-relay.000010, ... m2-relay.1000000. False: no number. */
bool repoint_log_number(const char *file, uint64_t *ret_number);
/* The log of that number, named like `like`. ERR_FULL. */
int repoint_log_name(const char *like, uint64_t number, char ret_file[LOG_FILE_TEXT_MAX]) NODISCARD;

#endif
