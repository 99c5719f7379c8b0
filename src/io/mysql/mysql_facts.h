/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads server facts over one connection: settings (when they are not known, older than ten
 * seconds, or asked for), variables, semi-sync status, replica status: one statement each. The
 * connection must be ready and idle; the reader owns it until its completion.
 *
 * The facts begin as a copy of those given, and each statement's answer replaces its part: while
 * SHOW ... STATUS is blocked the earlier parts are new and the channel's part is old.
 */
#ifndef TANDEM_IO_MYSQL_MYSQL_FACTS_H
#define TANDEM_IO_MYSQL_MYSQL_FACTS_H

#include "io/mysql/mysql_conn.h"
#include "io/mysql/mysql_server.h"
#include "io/mysql/replica_status.h"

enum facts_stage {
    FACTS_IDLE,
    FACTS_SETTINGS,
    FACTS_XA,
    FACTS_VARS,
    FACTS_SEMI,
    FACTS_STATUS,
    FACTS_EVENTS,
    FACTS_STAGE_COUNT
};

/* What to read. */
#define FACTS_WANT_VARS 1u
#define FACTS_WANT_SEMI 2u
#define FACTS_WANT_STATUS 4u
#define FACTS_WANT_ALL 7u
#define FACTS_WANT_SETTINGS 8u /* even if they are fresh; XA RECOVER as well */

/* 0, or the error of the statement or of a value in its answer (ERR_FULL, ERR_FORMAT). */
struct facts_result {
    int err;
    uint32_t sql_errno;
    const char *error;
};

struct mysql_facts {
    struct mysql_conn *conn;
    struct mysql_server *server;
    int64_t *settings_us; /* when the settings were read; 0 = never */
    bool *xa_due;         /* XA RECOVER once per run */
    int64_t *events_us;   /* when an open server was asked for its events; NULL: it is not */
    enum facts_stage stage;
    unsigned want;
    int64_t deadline_us;
    struct server_facts facts;
    struct replica_status status;
    char binlog_pos[GTID_TEXT_MAX]; /* of mysql_server_vars */
    void (*fn)(void *data, const struct facts_result *result);
    void *data;
};

/* ERR_STATE: one is under way. Otherwise fn is called once, from the loop. */
int mysql_facts_read(struct mysql_facts *reader, unsigned want, const struct server_facts *from,
                     int64_t deadline_us, void (*fn)(void *data, const struct facts_result *result),
                     void *data) NODISCARD;

#endif
