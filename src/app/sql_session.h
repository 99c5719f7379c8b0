/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a server for a command, which may block: each call returns with the answer or
 * at its deadline. A connection that was lost is made anew by the next query, so nothing may rest
 * on the state of a session. Never use it in the agent.
 */
#ifndef TANDEM_APP_SQL_SESSION_H
#define TANDEM_APP_SQL_SESSION_H

#include "io/mysql/mysql_conn.h"
#include "util/err.h"

struct sql_session {
    uv_loop_t loop;
    struct mysql_conn conn;
    char host[ADDRESS_TEXT_MAX];
    bool busy;

    /* Of the statement under way. */
    void (*row)(void *data, const struct sql_row *row);
    void *data;
    int err;
    uint32_t sql_errno;
    char error[DETAIL_TEXT_MAX];
};

/* Does not connect yet. host: numeric, copied; user and password must outlive the session. */
int sql_session_init(struct sql_session *s, const char *host, uint16_t port, const char *user,
                     const char *password) NODISCARD;
/* The same by the unix socket, whose path must outlive the session too. */
int sql_session_init_local(struct sql_session *s, const char *socket, const char *user,
                           const char *password) NODISCARD;
/* Runs one statement, connecting first where that is needed; row (may be NULL) is called for each
 * row. 0, or the error with the server's own words in s->error and s->sql_errno. */
int sql_session_query(struct sql_session *s, const char *sql, uint32_t timeout_ms,
                      void (*row)(void *data, const struct sql_row *row), void *data) NODISCARD;
void sql_session_close(struct sql_session *s);

#endif
