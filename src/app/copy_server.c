/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL: the recipient's own server fetches a copy of the donor's data into a directory beside its
 * own (CLONE INSTANCE ... DATA DIRECTORY), and goes on serving what it has. Where it cannot, a
 * server that is started for that does (copy_spare.c). */
#include <inttypes.h>

#include <uv.h>

#include "app/copy_child.h"
#include "io/mysql/mysql_conn.h"
#include "io/store/binlog_files.h"

#define SERVER_MS 10000
#define PROGRESS_MS 500
/* Room and estimate are known when the server has asked the donor; it checks the room itself too.
 */

/* The server's own limit is read, replaced by ours and put back: only if there is one of ours. */
enum server_step { STEP_DONORS, STEP_READ, STEP_LIMIT, STEP_CLONE, STEP_BACK, STEP_END };

struct server_copy {
    const struct copy_order *order;
    const struct clone_dir *dir;
    struct mysql_login login;
    uv_loop_t loop;
    uv_timer_t timer;
    struct mysql_conn work;
    struct mysql_conn look;
    int step;
    bool limited;   /* clone_max_data_bandwidth is ours */
    uint64_t limit; /* ... and was this */
    int err;
    struct errmsg *m;
};

static void copy_on_stopped(void *data)
{
    (void)data;
}

/* With the outcome that is noted. */
static void copy_end(struct server_copy *c)
{
    c->step = STEP_END;
    uv_close((uv_handle_t *)&c->timer, NULL);
    mysql_conn_stop(&c->work, copy_on_stopped, NULL);
    mysql_conn_stop(&c->look, copy_on_stopped, NULL);
}

static void copy_over(struct server_copy *c, int err, const char *what, const char *why)
{
    if (c->step == STEP_END)
        return;
    if (c->step != STEP_BACK) { /* a copy that is made is not lost with a limit */
        c->err = err;
        (void)errmsg_set(c->m, err, "%s: %s", what, why);
    }
    copy_end(c);
}

/* ---- progress ---- */

static void look_on_reply(void *data, const struct mysql_reply *reply)
{
    struct server_copy *c = data;
    struct sql_row row;
    uint64_t done, total;
    struct errmsg room = ERRMSG_INIT;
    if (reply->err != 0 || reply->opening || c->step == STEP_END ||
        !mysql_fetch(reply->rows, &row) || row.count != 2 || row.values[0] == NULL ||
        row.values[1] == NULL)
        return;
    done = strtoull(row.values[0], NULL, 10);
    total = strtoull(row.values[1], NULL, 10);
    copy_tell("progress %" PRIu64 " %" PRIu64, done, total);
    if (total > done && copy_check_room(c->order, c->dir, total - done, &room) != 0)
        copy_over(c, ERR_NOSPC, "copy ended", room.text);
}

static void look_on_time(uv_timer_t *timer)
{
    struct server_copy *c = timer->data;
    int err = 0;
    if (mysql_conn_is_busy(&c->look))
        return;
    if (!mysql_conn_is_ready(&c->look))
        err = mysql_conn_open(&c->look, SERVER_MS, look_on_reply, c);
    else
        err = mysql_conn_query(&c->look,
                               "SELECT CAST(SUM(DATA) AS UNSIGNED), CAST(SUM(ESTIMATE) AS UNSIGNED)"
                               " FROM performance_schema.clone_progress",
                               SERVER_MS, look_on_reply, c);
    (void)err; /* asked again with the next turn */
}

/* ---- the statement ---- */

/* In an SQL string in quotes. */
static void copy_sql_text(const char *text, char *buf, size_t size)
{
    size_t n = 0;
    for (; *text != '\0' && n + 3 < size; text++) {
        if (*text == '\\' || *text == '\'')
            buf[n++] = '\\';
        buf[n++] = *text;
    }
    buf[n] = '\0';
}

static void work_on_reply(void *data, const struct mysql_reply *reply);

static const char *const work_names[STEP_END] = {
    [STEP_DONORS] = "the list of donors",      [STEP_READ] = "clone_max_data_bandwidth",
    [STEP_LIMIT] = "clone_max_data_bandwidth", [STEP_CLONE] = "CLONE INSTANCE",
    [STEP_BACK] = "clone_max_data_bandwidth",
};

static void work_query(struct server_copy *c, int step, const char *sql, uint32_t timeout_ms)
{
    c->step = step;
    if (mysql_conn_query(&c->work, sql, timeout_ms, work_on_reply, c) != 0)
        copy_over(c, ERR_NET, work_names[step], "connection lost");
}

static void work_donors(struct server_copy *c)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "SET GLOBAL clone_valid_donor_list = '%s:%u'",
                   c->order->address, c->order->port);
    work_query(c, STEP_DONORS, sql, SERVER_MS);
}

static void work_limit(struct server_copy *c, int step, uint64_t mb)
{
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SET GLOBAL clone_max_data_bandwidth = %" PRIu64, mb);
    work_query(c, step, sql, SERVER_MS);
}

static void work_clone(struct server_copy *c)
{
    char user[2 * USER_TEXT_MAX], password[2 * COPY_SECRET_MAX], path[2 * CLONE_PATH_MAX];
    char sql[2048];
    copy_sql_text(c->order->replication_user, user, sizeof user);
    copy_sql_text(c->order->replication_password, password, sizeof password);
    copy_sql_text(c->dir->fresh, path, sizeof path);
    (void)snprintf(sql, sizeof sql,
                   "CLONE INSTANCE FROM '%s'@'%s':%u IDENTIFIED BY '%s' DATA DIRECTORY = '%s'",
                   user, c->order->address, c->order->port, password, path);
    work_query(c, STEP_CLONE, sql, c->order->timeout_ms);
    explicit_bzero(sql, sizeof sql);
    explicit_bzero(password, sizeof password);
}

static void work_on_limit(struct server_copy *c, const struct mysql_reply *reply)
{
    struct sql_row row;
    if (!mysql_fetch(reply->rows, &row) || row.count != 1 || row.values[0] == NULL) {
        copy_over(c, ERR_FORMAT, work_names[STEP_READ], "no value");
        return;
    }
    c->limit = strtoull(row.values[0], NULL, 10);
    c->limited = true;
    work_limit(c, STEP_LIMIT, c->order->rate_mb);
}

/* The server that goes on must not keep a limit that is not its own. It does where the connection
 * is lost or this process is ended (an order that is taken back); the next copy takes it for the
 * server's own then. */
static void work_cloned(struct server_copy *c, const struct mysql_reply *reply)
{
    if (reply->err != 0)
        (void)errmsg_set(c->m, reply->err, "%s: %s", work_names[STEP_CLONE], reply->error);
    c->err = reply->err;
    if (c->limited && mysql_conn_is_ready(&c->work))
        work_limit(c, STEP_BACK, c->limit);
    else
        copy_end(c);
}

static void work_on_reply(void *data, const struct mysql_reply *reply)
{
    struct server_copy *c = data;
    if (c->step == STEP_CLONE) {
        work_cloned(c, reply);
        return;
    }
    if (c->step == STEP_BACK) {
        copy_end(c);
        return;
    }
    if (c->step == STEP_END)
        return;
    if (reply->err != 0)
        copy_over(c, reply->err, reply->opening ? "connection to the server" : work_names[c->step],
                  reply->error);
    else if (reply->opening)
        work_donors(c);
    else if (c->step == STEP_DONORS && c->order->rate_mb != 0)
        work_query(c, STEP_READ, "SELECT @@global.clone_max_data_bandwidth", SERVER_MS);
    else if (c->step == STEP_READ)
        work_on_limit(c, reply);
    else
        work_clone(c);
}

static int copy_by_server(struct server_copy *c)
{
    if (uv_loop_init(&c->loop) != 0)
        return errmsg_set(c->m, ERR_IO, "event loop cannot be made");
    (void)uv_timer_init(&c->loop, &c->timer);
    c->timer.data = c;
    mysql_conn_init(&c->work, &c->loop, &c->login, "tandem-clone");
    mysql_conn_init(&c->look, &c->loop, &c->login, "tandem-clone-progress");
    (void)uv_timer_start(&c->timer, look_on_time, PROGRESS_MS, PROGRESS_MS);
    if (mysql_conn_open(&c->work, SERVER_MS, work_on_reply, c) != 0)
        copy_over(c, ERR_NET, "connection to the server", "cannot be made");
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&c->loop);
    return c->err;
}

static int copy_by_own(struct server_copy *c)
{
    c->login = (struct mysql_login){
        .socket = c->order->socket, .user = c->order->user, .password = c->order->password};
    return copy_by_server(c);
}

static int copy_by_spare(struct server_copy *c)
{
    char socket[CLONE_PATH_MAX];
    struct clone_pipe server = {.fd = -1};
    int err = copy_spare_start(c->order, c->dir, &server, socket, c->m);
    if (err != 0)
        return err;
    c->login = (struct mysql_login){.socket = socket, .user = "root", .password = ""};
    err = copy_by_server(c);
    copy_spare_end(c->dir, &server);
    return err;
}

/* CLONE does not write into the data directory of the server that carries it out. */
static bool copy_has_own(const struct copy_order *o, const struct clone_dir *d)
{
    return !d->inside && binlog_server_is_running(o->data_dir);
}

int copy_take_server(const struct copy_order *o, const struct clone_dir *d, struct errmsg *m)
{
    struct server_copy *c = calloc(1, sizeof *c);
    int err;
    if (c == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    c->order = o;
    c->dir = d;
    c->m = m;
    /* The server makes the directory itself, and wants it to be new. */
    err = clone_dir_begin(d, /* make= */ false, m);
    if (err == 0)
        err = copy_has_own(o, d) ? copy_by_own(c) : copy_by_spare(c);
    free(c);
    if (err == 0)
        err = clone_dir_ready(d, "", m);
    if (err == 0)
        copy_tell("ready");
    return err;
}
