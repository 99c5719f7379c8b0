/* SPDX-License-Identifier: Apache-2.0 */
/* libmariadb's header has macros that contain banned calls: it must be read before they are banned,
 * so this file is built with the force-included banned.h switched off and includes it here. */
#include <mysql.h>
#undef TANDEM_UTIL_BANNED_H
#include "util/banned.h"

#include "io/mysql/mysql_conn.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define S(state) (1u << MYSQL_CONN_##state)

/* Allowed next states. */
static const unsigned conn_next[MYSQL_CONN_STATE_COUNT] = {
    [MYSQL_CONN_CLOSED] = S(CONNECTING) | S(STOPPED),
    [MYSQL_CONN_CONNECTING] = S(READY) | S(CLOSED) | S(CLOSING),
    [MYSQL_CONN_READY] = S(SENDING) | S(CLOSED) | S(CLOSING),
    [MYSQL_CONN_SENDING] = S(STORING) | S(READY) | S(CLOSED) | S(CLOSING),
    [MYSQL_CONN_STORING] = S(READY) | S(CLOSED) | S(CLOSING),
    [MYSQL_CONN_CLOSING] = S(CLOSED),
    [MYSQL_CONN_STOPPED] = 0,
};

static void conn_tick(struct mysql_conn *conn, int ready);
static void conn_connect(struct mysql_conn *conn);
static void conn_watch(struct mysql_conn *conn);

int64_t mysql_now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

bool mysql_fetch(MYSQL_RES *rows, struct sql_row *ret_row)
{
    MYSQL_ROW row = mysql_fetch_row(rows);
    MYSQL_FIELD *fields = mysql_fetch_fields(rows);
    unsigned n = mysql_num_fields(rows);
    if (row == NULL)
        return false;
    ret_row->count = n < SQL_COLUMNS_MAX ? n : SQL_COLUMNS_MAX;
    for (unsigned i = 0; i < ret_row->count; i++) {
        ret_row->names[i] = fields[i].name;
        ret_row->values[i] = row[i];
    }
    return true;
}

unsigned mysql_row_count(MYSQL_RES *rows)
{
    return (unsigned)mysql_num_rows(rows);
}

static void conn_move(struct mysql_conn *conn, enum mysql_conn_state to)
{
    assert((conn_next[conn->state] & (1u << to)) != 0);
    conn->state = to;
}

bool mysql_conn_is_ready(const struct mysql_conn *conn)
{
    return conn->state == MYSQL_CONN_READY && conn->fn == NULL;
}

bool mysql_conn_is_busy(const struct mysql_conn *conn)
{
    return conn->fn != NULL;
}

/* Hands the stored answer to the owner; the last thing done with conn on any path. */
static void conn_answer(struct mysql_conn *conn)
{
    struct mysql_reply reply = {.err = conn->answer_err,
                                .opening = conn->opening,
                                .sql_errno = conn->answer_errno,
                                .affected = conn->answer_affected,
                                .rows = conn->answer_rows};
    mysql_reply_fn fn = conn->fn;
    char error[DETAIL_TEXT_MAX];
    memcpy(error, conn->answer_error, sizeof error);
    reply.error = error;
    conn->answered = false;
    conn->answer_rows = NULL;
    conn->fn = NULL;
    (void)uv_timer_stop(&conn->timer);
    fn(conn->data, &reply);
    if (reply.rows != NULL)
        mysql_free_result(reply.rows);
}

static void conn_timer(uv_timer_t *timer);

/* Ends the operation under way: now if we come from the loop, else from the timer at once. */
static void conn_finish(struct mysql_conn *conn, int err, uint32_t sql_errno, const char *error)
{
    if (conn->fn == NULL || conn->answered)
        return;
    conn->answer_err = err;
    conn->answer_errno = sql_errno;
    (void)snprintf(conn->answer_error, sizeof conn->answer_error, "%s", error);
    conn->answered = true;
    if (conn->in_call)
        (void)uv_timer_start(&conn->timer, conn_timer, 0, 0);
    else
        conn_answer(conn);
}

/* Resumes a suspended call with "timed out" until it has unwound and freed what it holds. */
static void conn_unwind(struct mysql_conn *conn)
{
    MYSQL *m = NULL;
    MYSQL_RES *rows = NULL;
    int failed = 0;
    /* Each round ends one wait; a call makes a handful at most before it gives up. */
    for (int i = 0; conn->wait != 0 && i < 16; i++) {
        if (conn->state == MYSQL_CONN_CONNECTING)
            conn->wait = mysql_real_connect_cont(&m, conn->mysql, MYSQL_WAIT_TIMEOUT);
        else if (conn->state == MYSQL_CONN_SENDING)
            conn->wait = mysql_real_query_cont(&failed, conn->mysql, MYSQL_WAIT_TIMEOUT);
        else
            conn->wait = mysql_store_result_cont(&rows, conn->mysql, MYSQL_WAIT_TIMEOUT);
    }
    conn->wait = 0;
    if (rows != NULL)
        mysql_free_result(rows);
}

static void conn_poll_closed(uv_handle_t *handle)
{
    struct mysql_conn *conn = handle->data;
    conn->poll_active = false;
    conn_move(conn, MYSQL_CONN_CLOSED);
    if (conn->stopping) {
        conn_move(conn, MYSQL_CONN_STOPPED);
        if (--conn->closing == 0)
            conn->stopped(conn->stopped_data);
    } else if (conn->fn != NULL && !conn->answered) {
        conn_connect(conn);
    }
}

/* Closes socket and MYSQL; leaves the operation under way to the caller. */
static void conn_shut(struct mysql_conn *conn)
{
    if (conn->mysql != NULL) {
        int fd = (int)mysql_get_socket(conn->mysql);
        /* Idle: every request was answered, so COM_QUIT fits the socket's buffer and the server
         * does not log an aborted connection. */
        if (fd >= 0 && conn->state != MYSQL_CONN_READY)
            (void)shutdown(fd, SHUT_RDWR);
        if (conn->poll_active)
            (void)uv_poll_stop(&conn->poll);
        conn_unwind(conn);
        mysql_close(conn->mysql);
        conn->mysql = NULL;
    }
    if (conn->state == MYSQL_CONN_CLOSING || conn->state == MYSQL_CONN_CLOSED)
        return;
    if (conn->poll_active) {
        conn_move(conn, MYSQL_CONN_CLOSING);
        uv_close((uv_handle_t *)&conn->poll, conn_poll_closed);
    } else {
        conn_move(conn, MYSQL_CONN_CLOSED);
    }
}

/* The operation failed in the library: keep the connection only for an error that a server sent to
 * a statement. */
static void conn_failed(struct mysql_conn *conn)
{
    uint32_t sql_errno = mysql_errno(conn->mysql);
    /* Connector/C numbers its own errors 2000 ff. and 5000 ff.; no server uses these. */
    bool transport = sql_errno == 0 || (sql_errno >= 2000 && sql_errno < 3000) ||
                     (sql_errno >= 5000 && sql_errno < 5100);
    char error[DETAIL_TEXT_MAX];
    (void)snprintf(error, sizeof error, "%s", mysql_error(conn->mysql));
    conn->wait = 0;
    if (transport || conn->state == MYSQL_CONN_CONNECTING)
        conn_shut(conn);
    else {
        conn_move(conn, MYSQL_CONN_READY);
        conn_watch(conn);
    }
    conn_finish(conn, transport ? ERR_NET : ERR_SQL, sql_errno, error);
}

static void conn_poll_event(uv_poll_t *poll, int status, int events)
{
    struct mysql_conn *conn = poll->data;
    int ready = 0;
    if (conn->fn == NULL) {
        /* Nothing was asked: the server has closed an idle connection. */
        conn_shut(conn);
        return;
    }
    if ((events & UV_READABLE) != 0)
        ready |= MYSQL_WAIT_READ;
    if ((events & UV_WRITABLE) != 0)
        ready |= MYSQL_WAIT_WRITE;
    if (status < 0)
        ready = conn->wait & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE);
    if (!conn->answered)
        conn_tick(conn, ready);
}

/* (Re)arms the poll handle for what the suspended call waits for; READABLE when idle. */
static void conn_watch(struct mysql_conn *conn)
{
    int events = 0;
    int rc;
    if (!conn->poll_active) {
        int fd = (int)mysql_get_socket(conn->mysql);
        if (fd < 0 || uv_poll_init(conn->loop, &conn->poll, fd) != 0) {
            conn_shut(conn);
            conn_finish(conn, ERR_IO, 0, "socket cannot be watched");
            return;
        }
        /* Connector/C makes its sockets without it; a started server must not inherit them. */
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        conn->poll.data = conn;
        conn->poll_active = true;
    }
    if ((conn->wait & MYSQL_WAIT_READ) != 0 || conn->wait == 0)
        events |= UV_READABLE;
    if ((conn->wait & MYSQL_WAIT_WRITE) != 0)
        events |= UV_WRITABLE;
    rc = uv_poll_start(&conn->poll, events, conn_poll_event);
    assert(rc == 0);
    (void)rc;
}

static void conn_ready(struct mysql_conn *conn)
{
    conn_move(conn, MYSQL_CONN_READY);
    conn_watch(conn);
    if (conn->state == MYSQL_CONN_READY)
        conn_finish(conn, 0, 0, "");
}

static void conn_tick_connecting(struct mysql_conn *conn, int ready)
{
    MYSQL *m = NULL;
    conn->wait = mysql_real_connect_cont(&m, conn->mysql, ready);
    if (conn->wait != 0)
        conn_watch(conn);
    else if (m == NULL)
        conn_failed(conn);
    else {
        conn->thread_id = mysql_thread_id(conn->mysql);
        conn_ready(conn);
    }
}

static void conn_stored(struct mysql_conn *conn, MYSQL_RES *rows)
{
    if (rows == NULL && mysql_field_count(conn->mysql) > 0) {
        conn_failed(conn);
        return;
    }
    conn->answer_rows = rows;
    conn->answer_affected = rows == NULL ? mysql_affected_rows(conn->mysql) : 0;
    conn_ready(conn);
}

static void conn_sent(struct mysql_conn *conn, int failed)
{
    MYSQL_RES *rows = NULL;
    if (failed != 0) {
        conn_failed(conn);
        return;
    }
    conn_move(conn, MYSQL_CONN_STORING);
    conn->wait = mysql_store_result_start(&rows, conn->mysql);
    if (conn->wait != 0)
        conn_watch(conn);
    else
        conn_stored(conn, rows);
}

/* Resumes the suspended call. */
static void conn_tick(struct mysql_conn *conn, int ready)
{
    MYSQL_RES *rows = NULL;
    int failed = 0;
    switch (conn->state) {
    case MYSQL_CONN_CONNECTING:
        conn_tick_connecting(conn, ready);
        break;
    case MYSQL_CONN_SENDING:
        conn->wait = mysql_real_query_cont(&failed, conn->mysql, ready);
        if (conn->wait != 0)
            conn_watch(conn);
        else
            conn_sent(conn, failed);
        break;
    case MYSQL_CONN_STORING:
        conn->wait = mysql_store_result_cont(&rows, conn->mysql, ready);
        if (conn->wait != 0)
            conn_watch(conn);
        else
            conn_stored(conn, rows);
        break;
    default:
        break;
    }
}

/* The deadline, or an answer that was ready before its operation's start function returned. */
static void conn_timer(uv_timer_t *timer)
{
    struct mysql_conn *conn = timer->data;
    if (conn->answered) {
        conn_answer(conn);
        return;
    }
    conn_shut(conn);
    conn_finish(conn, ERR_TIMEOUT, 0,
                conn->opening ? "no answer to the connection attempt" : "no answer in time");
}

static void conn_options(struct mysql_conn *conn)
{
    static const unsigned limit_s = 60;
    static const size_t stack_size = 256 * 1024;
    MYSQL *m = conn->mysql;
    /* The default stack of 60 KiB is tight for authentication plugins. */
    (void)mysql_options(m, MYSQL_OPT_NONBLOCK, &stack_size);
    (void)mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &limit_s);
    (void)mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &limit_s);
    (void)mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &limit_s);
    (void)mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    (void)mysql_options4(m, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", conn->name);
}

static void conn_connect(struct mysql_conn *conn)
{
    const struct mysql_login *l = &conn->login;
    bool tcp = l->socket[0] == '\0';
    MYSQL *m = NULL;
    conn_move(conn, MYSQL_CONN_CONNECTING);
    conn->mysql = mysql_init(NULL);
    if (conn->mysql == NULL) {
        conn_shut(conn);
        conn_finish(conn, ERR_NOMEM, 0, "out of memory");
        return;
    }
    conn_options(conn);
    conn->wait =
        mysql_real_connect_start(&m, conn->mysql, tcp ? l->host : NULL, l->user, l->password, NULL,
                                 tcp ? l->port : 0, tcp ? NULL : l->socket, 0);
    if (conn->wait != 0)
        conn_watch(conn);
    else if (m == NULL)
        conn_failed(conn);
    else {
        conn->thread_id = mysql_thread_id(conn->mysql);
        conn_ready(conn);
    }
}

static void conn_begin(struct mysql_conn *conn, uint32_t timeout_ms, mysql_reply_fn fn, void *data)
{
    conn->fn = fn;
    conn->data = data;
    conn->answered = false;
    conn->answer_rows = NULL;
    conn->answer_affected = 0;
    /* The loop's cached time may be old when a callback before us took long. */
    uv_update_time(conn->loop);
    (void)uv_timer_start(&conn->timer, conn_timer, timeout_ms, 0);
}

int mysql_conn_open(struct mysql_conn *conn, uint32_t timeout_ms, mysql_reply_fn fn, void *data)
{
    if (conn->fn != NULL || conn->stopping ||
        (conn->state != MYSQL_CONN_CLOSED && conn->state != MYSQL_CONN_CLOSING))
        return ERR_STATE;
    conn->opening = true;
    conn_begin(conn, timeout_ms, fn, data);
    if (conn->state == MYSQL_CONN_CLOSED) {
        conn->in_call = true;
        conn_connect(conn);
        conn->in_call = false;
    }
    return 0;
}

int mysql_conn_query(struct mysql_conn *conn, const char *sql, uint32_t timeout_ms,
                     mysql_reply_fn fn, void *data)
{
    size_t n = strlen(sql);
    if (conn->fn != NULL || conn->stopping)
        return ERR_STATE;
    if (conn->state != MYSQL_CONN_READY)
        return ERR_NET;
    if (n >= sizeof conn->sql)
        return ERR_FULL;
    memcpy(conn->sql, sql, n + 1);
    return mysql_conn_query_long(conn, conn->sql, n, timeout_ms, fn, data);
}

int mysql_conn_query_long(struct mysql_conn *conn, const char *sql, size_t size,
                          uint32_t timeout_ms, mysql_reply_fn fn, void *data)
{
    int failed = 0;
    if (conn->fn != NULL || conn->stopping)
        return ERR_STATE;
    if (conn->state != MYSQL_CONN_READY)
        return ERR_NET;
    conn->opening = false;
    conn_begin(conn, timeout_ms, fn, data);
    conn->in_call = true;
    conn_move(conn, MYSQL_CONN_SENDING);
    conn->wait = mysql_real_query_start(&failed, conn->mysql, sql, (unsigned long)size);
    if (conn->wait != 0)
        conn_watch(conn);
    else
        conn_sent(conn, failed);
    conn->in_call = false;
    return 0;
}

void mysql_conn_drop(struct mysql_conn *conn)
{
    conn_shut(conn);
    if (conn->fn == NULL)
        return;
    if (conn->answered)
        conn_answer(conn);
    else
        conn_finish(conn, ERR_CANCELED, 0, "connection dropped");
}

static void conn_timer_closed(uv_handle_t *handle)
{
    struct mysql_conn *conn = handle->data;
    if (--conn->closing == 0)
        conn->stopped(conn->stopped_data);
}

void mysql_conn_stop(struct mysql_conn *conn, void (*fn)(void *data), void *data)
{
    assert(!conn->stopping);
    conn->stopping = true;
    conn->stopped = fn;
    conn->stopped_data = data;
    mysql_conn_drop(conn);
    conn->closing = 1;
    if (conn->state == MYSQL_CONN_CLOSING)
        conn->closing++;
    else
        conn_move(conn, MYSQL_CONN_STOPPED);
    uv_close((uv_handle_t *)&conn->timer, conn_timer_closed);
}

void mysql_conn_init(struct mysql_conn *conn, uv_loop_t *loop, const struct mysql_login *login,
                     const char *name)
{
    memset(conn, 0, sizeof *conn);
    conn->loop = loop;
    conn->login = *login;
    conn->name = name;
    (void)uv_timer_init(loop, &conn->timer);
    conn->timer.data = conn;
}
