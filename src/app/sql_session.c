/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sql_session.h"

#define SESSION_OPEN_MS 3000

static void session_stopped(void *data)
{
    (void)data;
}

int sql_session_init(struct sql_session *s, const char *host, uint16_t port, const char *user,
                     const char *password)
{
    struct mysql_login login = {
        .socket = "", .host = s->host, .port = port, .user = user, .password = password};
    memset(s, 0, sizeof *s);
    (void)snprintf(s->host, sizeof s->host, "%s", host);
    if (uv_loop_init(&s->loop) != 0)
        return ERR_NOMEM;
    mysql_conn_init(&s->conn, &s->loop, &login, "tandem-adopt");
    return 0;
}

int sql_session_init_local(struct sql_session *s, const char *socket, const char *user,
                           const char *password)
{
    struct mysql_login login = {
        .socket = socket, .host = s->host, .user = user, .password = password};
    memset(s, 0, sizeof *s);
    if (uv_loop_init(&s->loop) != 0)
        return ERR_NOMEM;
    mysql_conn_init(&s->conn, &s->loop, &login, "tandem-check");
    return 0;
}

static void session_reply(void *data, const struct mysql_reply *reply)
{
    struct sql_session *s = data;
    struct sql_row row;
    s->busy = false;
    /* From a timer the loop would go on to wait for the idle connection, which has no deadline. */
    uv_stop(&s->loop);
    s->err = reply->err;
    s->sql_errno = reply->sql_errno;
    (void)snprintf(s->error, sizeof s->error, "%s",
                   reply->error[0] != '\0' || reply->err == 0 ? reply->error
                                                              : err_text(reply->err));
    while (reply->err == 0 && !reply->opening && s->row != NULL && reply->rows != NULL &&
           mysql_fetch(reply->rows, &row))
        s->row(s->data, &row);
}

static int session_run(struct sql_session *s, int started)
{
    s->busy = started == 0;
    while (s->busy)
        (void)uv_run(&s->loop, UV_RUN_ONCE);
    if (started != 0) {
        s->err = started;
        (void)snprintf(s->error, sizeof s->error, "%s", err_text(started));
    }
    return s->err;
}

int sql_session_query(struct sql_session *s, const char *sql, uint32_t timeout_ms,
                      void (*row)(void *data, const struct sql_row *row), void *data)
{
    s->row = NULL;
    /* What the server has closed meanwhile is seen here. */
    (void)uv_run(&s->loop, UV_RUN_NOWAIT);
    if (!mysql_conn_is_ready(&s->conn) &&
        session_run(s, mysql_conn_open(&s->conn, SESSION_OPEN_MS, session_reply, s)) != 0)
        return s->err;
    s->row = row;
    s->data = data;
    return session_run(s, mysql_conn_query(&s->conn, sql, timeout_ms, session_reply, s));
}

void sql_session_close(struct sql_session *s)
{
    mysql_conn_stop(&s->conn, session_stopped, NULL);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&s->loop);
}
