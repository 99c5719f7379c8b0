/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a MySQL or MariaDB server over libmariadb's non-blocking calls, driven by a
 * poll handle and one timer. One operation at a time (open, or one statement); each has a deadline
 * of its own and exactly one completion, which always comes from the loop. libmariadb's own
 * timeouts (whole seconds) are set as well but never decide.
 *
 * It does not reconnect by itself: a statement on a connection that is not ready fails with
 * ERR_NET, so that a session's state (user lock, session variables) can never be lost unseen. An
 * idle connection that the server closes is dropped at once.
 *
 * Failure modes: nobody listens, refused by the server, server silent at any point (deadline ->
 * ERR_TIMEOUT), connection broken: the completion tells, the connection is closed. Closing never
 * blocks: the socket of a connection that is not idle is shut down first, the suspended call is
 * resumed with "timed out" so that it frees what it holds, and only then mysql_close is called,
 * whose COM_QUIT fails at once.
 *
 * The caller embeds the struct; after mysql_conn_stop it must stay until the callback.
 */
#ifndef TANDEM_IO_MYSQL_MYSQL_CONN_H
#define TANDEM_IO_MYSQL_MYSQL_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "io/mysql/replica_status.h"
#include "util/err.h"
#include "wire/limits.h"

#define MYSQL_CONN_SQL_MAX 6144

/* libmariadb's MYSQL and MYSQL_RES; its header is read in mysql_conn.c only. */
struct st_mysql;
struct st_mysql_res;

enum mysql_conn_state {
    MYSQL_CONN_CLOSED,
    MYSQL_CONN_CONNECTING,
    MYSQL_CONN_READY,
    MYSQL_CONN_SENDING, /* statement sent or being sent, no answer yet */
    MYSQL_CONN_STORING, /* rows are coming in */
    MYSQL_CONN_CLOSING, /* the poll handle is being closed; an open may already wait */
    MYSQL_CONN_STOPPED,
    MYSQL_CONN_STATE_COUNT
};

/* Where and as whom to connect; the pointers must outlive the connection. No resolver: socket or a
 * numeric address. */
struct mysql_login {
    const char *socket; /* "" = TCP */
    const char *host;
    uint16_t port;
    const char *user;
    const char *password;
};

/* The answer to one operation; valid during the callback. */
struct mysql_reply {
    /* 0; ERR_SQL: the server answered with an error, the connection is still ready; ERR_NET,
     * ERR_TIMEOUT, ERR_CANCELED: it is closed. An open that the server turned down is ERR_SQL and
     * closed. */
    int err;
    bool opening;
    uint32_t sql_errno;        /* server's or client library's; 0 = none */
    const char *error;         /* sentence; "" if err is 0 */
    uint64_t affected;         /* rows changed, for a statement without rows */
    struct st_mysql_res *rows; /* NULL if the statement has none; freed by the connection */
};

typedef void (*mysql_reply_fn)(void *data, const struct mysql_reply *reply);

struct mysql_conn {
    uv_loop_t *loop;
    struct mysql_login login;
    const char *name; /* connection attribute program_name */
    enum mysql_conn_state state;
    uv_poll_t poll;
    bool poll_active;
    uv_timer_t timer;
    struct st_mysql *mysql;
    int wait; /* MYSQL_WAIT_* bits of the suspended call; 0 = none */
    uint64_t thread_id;
    char sql[MYSQL_CONN_SQL_MAX];

    mysql_reply_fn fn; /* of the operation under way */
    void *data;
    bool opening;
    bool in_call;  /* a start function is on the stack: completions must wait for the loop */
    bool answered; /* completion below is due from the timer */
    int answer_err;
    uint64_t answer_affected;
    uint32_t answer_errno;
    char answer_error[DETAIL_TEXT_MAX];
    struct st_mysql_res *answer_rows;

    bool stopping;
    unsigned closing; /* handles not yet closed by stop */
    void (*stopped)(void *data);
    void *stopped_data;
};

/* Microseconds of CLOCK_BOOTTIME. */
int64_t mysql_now_us(void);

void mysql_conn_init(struct mysql_conn *conn, uv_loop_t *loop, const struct mysql_login *login,
                     const char *name);
/* Connects; ERR_STATE if an operation is under way or the connection is ready. */
int mysql_conn_open(struct mysql_conn *conn, uint32_t timeout_ms, mysql_reply_fn fn,
                    void *data) NODISCARD;
/* Runs one statement (copied). ERR_STATE if an operation is under way, ERR_FULL if it is too long,
 * ERR_NET if the connection is not ready: then there is no callback. */
int mysql_conn_query(struct mysql_conn *conn, const char *sql, uint32_t timeout_ms,
                     mysql_reply_fn fn, void *data) NODISCARD;
/* The same for a text of any size, which must stay until the callback. */
int mysql_conn_query_long(struct mysql_conn *conn, const char *sql, size_t size,
                          uint32_t timeout_ms, mysql_reply_fn fn, void *data) NODISCARD;
/* Closes at once; the operation under way, if any, ends with ERR_CANCELED before this returns. */
void mysql_conn_drop(struct mysql_conn *conn);
/* Like drop, for good; `fn` when the handles are closed. */
void mysql_conn_stop(struct mysql_conn *conn, void (*fn)(void *data), void *data);

/* Next row of an answer; false at the end. The texts live as long as the answer. */
bool mysql_fetch(struct st_mysql_res *rows, struct sql_row *ret_row);
unsigned mysql_row_count(struct st_mysql_res *rows);

bool mysql_conn_is_ready(const struct mysql_conn *conn);
bool mysql_conn_is_busy(const struct mysql_conn *conn);

#endif
