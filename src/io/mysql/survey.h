/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tandem adopt` in the words of each server: what it asks, how the answers become struct
 * survey_server, and the statements by which GTID is turned on. Pure. Reads every version from
 * MySQL 5.6 on; one that the agent does not manage has `supported` false, and less is known of it.
 *
 * Order of the questions: survey_variables_sql, survey_values_sql(), survey_status_sql(), then in
 * any order the rest. The set that a server holds is read before its channel's state.
 */
#ifndef TANDEM_IO_MYSQL_SURVEY_H
#define TANDEM_IO_MYSQL_SURVEY_H

#include "io/mysql/mysql_server.h"
#include "io/mysql/replica_status.h"
#include "wire/survey.h"

/* One look at one server. */
struct survey_look {
    struct server_settings settings;
    struct mysql_server server;
    struct replica_status status;
    bool admin; /* MySQL: admin_port is in use */
    struct survey_server *out;
};

extern const char survey_variables_sql[];
/* Begins anew; host, port, other_host, source, readers, quiet, mark and violations of
 * *out stay. */
void survey_look_begin(struct survey_look *look, struct survey_server *out);
void survey_look_variable(struct survey_look *look, const char *name, const char *value);
/* After the last variable. ERR_FORMAT: no version among them. */
int survey_look_known(struct survey_look *look) NODISCARD;

/* NULL: that question is not for this version. */
const char *survey_values_sql(const struct survey_look *look);
int survey_look_values(struct survey_look *look, const struct sql_row *row) NODISCARD;
const char *survey_status_sql(const struct survey_look *look);
/* One row of it; then survey_look_channels() once. */
int survey_look_channel(struct survey_look *look, const struct sql_row *row) NODISCARD;
int survey_look_channels(struct survey_look *look) NODISCARD;
const char *survey_place_sql(const struct survey_look *look);
void survey_look_place(struct survey_look *look, const struct sql_row *row);
const char *survey_anonymous_sql(const struct survey_look *look);
/* Replicas that a server knows of: a row of survey_replicas_sql(), or of SHOW PROCESSLIST. False:
 * the row tells no address. ret_port 0: not known. */
const char *survey_replicas_sql(const struct survey_look *look);
bool survey_replica(const struct sql_row *row, char ret_host[ADDRESS_TEXT_MAX], uint16_t *ret_port);
bool survey_dump_session(const struct sql_row *row, char ret_host[ADDRESS_TEXT_MAX]);

/* Its own error log by SQL (8.0.22 and later): how many statements against GTID consistency it had
 * in the last seconds; -1 if it does not write warnings. "": not for this version. ERR_FULL. */
int survey_log_sql(const struct survey_server *s, unsigned seconds, char *buf,
                   size_t size) NODISCARD;

/* Words of the walk to GTID. ERR_FULL. */
int survey_enforce_sql(const struct survey_server *s, enum survey_enforce enforce, bool keep,
                       char *buf, size_t size) NODISCARD;
int survey_mode_sql(const struct survey_server *s, enum survey_mode mode, bool keep, char *buf,
                    size_t size) NODISCARD;
const char *survey_stop_sql(const struct survey_server *s);
const char *survey_start_sql(const struct survey_server *s);
/* By GTID from the place where it is; host and account stay. */
const char *survey_follow_sql(const struct survey_server *s);
/* MariaDB: SET GLOBAL gtid_slave_pos where the position table is not what the binlog says (T10);
 * "" if nothing has to be set. Both threads must be stopped. */
int survey_slave_pos_sql(const struct survey_server *s, char *buf, size_t size) NODISCARD;

#endif
