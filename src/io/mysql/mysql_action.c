/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/mysql_action.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "io/mysql/mysql_internal.h"

#define WARM_TIMEOUT_MS 5000
#define WARM_PAUSE_US 1000000
#define WAIT_MAX_MS 10
#define WAIT_SESSION_MAX_MS 100 /* for the end of an older session */

enum actor_prepare {
    PREPARE_NO, /* the session is ready, the script runs */
    PREPARE_OPEN,
    PREPARE_LOCK,
    PREPARE_KILL,
    PREPARE_WAIT,
    PREPARE_SETTINGS
};

static void job_none_step(struct mysql_actor *a)
{
    actor_done(a);
}

static const actor_step actor_steps[JOB_COUNT] = {
    [JOB_NONE] = job_none_step,
    [JOB_FACTS] = job_facts_step,
    [JOB_SEAL] = job_seal_step,
    [JOB_DRAIN] = job_drain_step,
    [JOB_LEVEL] = job_level_step,
    [JOB_FORGET] = job_forget_step,
    [JOB_OPEN] = job_open_step,
    [JOB_CLOSE] = job_close_step,
    [JOB_CLOSE_CLIENTS] = job_close_clients_step,
    [JOB_SOURCE_SIDE] = job_source_side_step,
    [JOB_REPLICA_SIDE] = job_replica_side_step,
    [JOB_ATTACH] = job_attach_step,
    [JOB_DETACH] = job_detach_step,
    [JOB_EVICT] = job_evict_step,
    [JOB_ADOPT] = job_adopt_step,
    [JOB_UNDO] = job_undo_step,
    [JOB_UNBLOCK] = job_unblock_step,
};

static void actor_timer(uv_timer_t *timer);
static void actor_prepare_next(struct mysql_actor *a);

const struct server_facts *actor_facts(const struct mysql_actor *a)
{
    return &a->reader.facts;
}

bool actor_is_mariadb(const struct mysql_actor *a)
{
    return a->adapter->server.flavour == SERVER_MARIADB;
}

enum dialect_kind actor_dialect(const struct mysql_actor *a)
{
    return a->adapter->server.dialect;
}

static void actor_run(struct mysql_actor *a)
{
    if (a->state >= ACTOR_STATE_OFF)
        actor_source_off_step(a);
    else if (a->state >= ACTOR_STATE_SHARED)
        actor_shared_step(a);
    else
        a->step(a);
}

static uint32_t actor_left_ms(const struct mysql_actor *a)
{
    int64_t left_ms = (a->limit_us - mysql_now_us()) / 1000;
    return left_ms > 0 ? (uint32_t)left_ms : 1;
}

static void actor_kick(struct mysql_actor *a)
{
    if (!a->stopping)
        (void)uv_timer_start(&a->timer, actor_timer, 0, 0);
}

/* Completion: the one place where a job ends. */
static void actor_finish(struct mysql_actor *a)
{
    uint64_t id = a->order.id;
    bool internal = a->order.job.kind == JOB_NONE;
    struct job_result result = a->result;
    assert(a->running);
    a->running = false;
    a->reply = NULL;
    if (!internal)
        a->adapter->change_seq++;
    (void)uv_timer_stop(&a->timer);
    mysql_conn_drop(&a->waker);
    if (a->queue_count > 0)
        actor_kick(a);
    if (!internal)
        mysql_adapter_complete(a->adapter, id, &result);
}

void actor_done(struct mysql_actor *a)
{
    a->result.outcome = JOB_DONE;
    actor_finish(a);
}

static void actor_note(struct mysql_actor *a, int outcome, uint32_t sql_errno, const char *detail)
{
    a->result.outcome = outcome;
    a->result.sql_errno = sql_errno;
    (void)snprintf(a->result.detail, sizeof a->result.detail, "%s", detail);
}

void actor_end(struct mysql_actor *a, int outcome, const char *fmt, ...)
{
    char detail[DETAIL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    actor_note(a, outcome, a->result.sql_errno, detail);
    actor_finish(a);
}

void actor_undone(struct mysql_actor *a)
{
    actor_finish(a);
}

void actor_goto(struct mysql_actor *a, int next)
{
    a->state = next;
    actor_run(a);
}

void actor_phase(struct mysql_actor *a, unsigned percent, int undo_state)
{
    int64_t all_us = a->order.deadline_us - a->order.start_us;
    a->limit_us = a->order.start_us + all_us * percent / 100;
    a->undo_state = undo_state;
}

/* Something went wrong: undo if the script has a way and there is time, else end. */
static void actor_failed(struct mysql_actor *a, int outcome, uint32_t sql_errno, const char *detail)
{
    if (!mysql_conn_is_ready(&a->conn))
        a->locked = false;
    if (a->abort_detail != NULL)
        actor_note(a, a->abort_outcome, 0, a->abort_detail);
    else
        actor_note(a, outcome, sql_errno, detail);
    if (a->undo_state == 0 || mysql_now_us() >= a->order.deadline_us) {
        actor_finish(a);
        return;
    }
    a->state = a->undo_state;
    a->undo_state = 0;
    a->limit_us = a->order.deadline_us;
    a->wait_ms = 1;
    actor_prepare_next(a);
}

static void actor_failed_reply(struct mysql_actor *a, int err, uint32_t sql_errno,
                               const char *error)
{
    actor_failed(a, err == ERR_TIMEOUT ? JOB_TIMEOUT : JOB_FAILED, sql_errno, error);
}

static void actor_reply(void *data, const struct mysql_reply *reply)
{
    struct mysql_actor *a = data;
    if (reply->err != 0 && !(reply->err == ERR_SQL && a->tolerant)) {
        actor_failed_reply(a, reply->err, reply->sql_errno, reply->error);
        return;
    }
    a->reply = reply;
    actor_run(a);
    a->reply = NULL;
}

static void actor_query(struct mysql_actor *a, int next, const char *sql, bool tolerant)
{
    int rc;
    a->state = next;
    a->tolerant = tolerant;
    rc = mysql_conn_query(&a->conn, sql, actor_left_ms(a), actor_reply, a);
    if (rc != 0)
        actor_failed(a, JOB_FAILED, 0, rc == ERR_FULL ? "statement too long" : "connection lost");
}

void actor_sql(struct mysql_actor *a, int next, const char *sql)
{
    actor_query(a, next, sql, false);
}

void actor_sql_tolerant(struct mysql_actor *a, int next, const char *sql)
{
    actor_query(a, next, sql, true);
}

void actor_sql_long(struct mysql_actor *a, int next, const char *sql, size_t size)
{
    a->state = next;
    a->tolerant = true;
    if (mysql_conn_query_long(&a->conn, sql, size, actor_left_ms(a), actor_reply, a) != 0)
        actor_failed(a, JOB_FAILED, 0, "connection lost");
}

void actor_word(struct mysql_actor *a, int next, enum dialect_word word)
{
    actor_sql(a, next, dialect_word(actor_dialect(a), word));
}

static void actor_read_done(void *data, const struct facts_result *result)
{
    struct mysql_actor *a = data;
    if (result->err != 0) {
        actor_failed_reply(a, result->err, result->sql_errno, result->error);
        return;
    }
    a->adapter->facts = a->reader.facts;
    a->adapter->have_facts = true;
    if (!a->adapter->server.supported) {
        actor_end(a, JOB_REFUSED, "server version %s is not supported",
                  a->adapter->server.base.version_text);
        return;
    }
    actor_run(a);
}

void actor_read(struct mysql_actor *a, int next, unsigned want)
{
    int rc;
    a->state = next;
    if (!a->adapter->have_facts)
        want |= FACTS_WANT_ALL;
    rc = mysql_facts_read(&a->reader, want, &a->adapter->facts, a->limit_us, actor_read_done, a);
    if (rc != 0)
        actor_failed(a, JOB_FAILED, 0, "connection lost");
}

void actor_wait(struct mysql_actor *a, int next)
{
    a->state = next;
    unsigned max_ms = a->prepare == PREPARE_WAIT ? WAIT_SESSION_MAX_MS : WAIT_MAX_MS;
    (void)uv_timer_start(&a->timer, actor_timer, a->wait_ms, 0);
    a->wait_ms = a->wait_ms * 2 < max_ms ? a->wait_ms * 2 : max_ms;
}

/* ---- preparation of the session ---- */

static void actor_prepared(struct mysql_actor *a)
{
    a->prepare = PREPARE_NO;
    a->locked = true;
    a->wait_ms = 1;
    actor_run(a);
}

static void actor_lock_reply(struct mysql_actor *a, const struct mysql_reply *reply)
{
    struct sql_row row;
    bool got = mysql_fetch(reply->rows, &row) && row.count == 2;
    if (got && row.values[0] != NULL && strcmp(row.values[0], "1") == 0) {
        a->prepare = PREPARE_SETTINGS;
    } else {
        a->holder = got && row.values[1] != NULL ? strtoull(row.values[1], NULL, 10) : 0;
        a->prepare = a->holder != 0 ? PREPARE_KILL : PREPARE_WAIT;
    }
    actor_prepare_next(a);
}

static void actor_prepare_reply(void *data, const struct mysql_reply *reply)
{
    struct mysql_actor *a = data;
    /* 1094: the session that held the lock has gone by itself. */
    bool gone = a->prepare == PREPARE_KILL && reply->err == ERR_SQL;
    if (reply->err != 0 && !gone) {
        a->prepare = PREPARE_NO;
        actor_failed_reply(a, reply->err, reply->sql_errno, reply->error);
        return;
    }
    switch (a->prepare) {
    case PREPARE_OPEN:
        a->prepare = PREPARE_LOCK;
        actor_prepare_next(a);
        break;
    case PREPARE_LOCK:
        actor_lock_reply(a, reply);
        break;
    case PREPARE_KILL:
        a->prepare = PREPARE_WAIT;
        actor_prepare_next(a);
        break;
    default:
        actor_prepared(a);
        break;
    }
}

static void actor_prepare_sql(struct mysql_actor *a, const char *sql)
{
    int rc = mysql_conn_query(&a->conn, sql, actor_left_ms(a), actor_prepare_reply, a);
    if (rc != 0) {
        a->prepare = PREPARE_NO;
        actor_failed(a, JOB_FAILED, 0, "connection lost");
    }
}

/* Makes the session ready, then runs the script's present state. */
static void actor_prepare_next(struct mysql_actor *a)
{
    char sql[64];
    int rc;
    if (a->prepare == PREPARE_NO) {
        if (a->locked && mysql_conn_is_ready(&a->conn)) {
            actor_run(a);
            return;
        }
        a->locked = false;
        a->prepare = mysql_conn_is_ready(&a->conn) ? PREPARE_LOCK : PREPARE_OPEN;
    }
    switch (a->prepare) {
    case PREPARE_OPEN:
        rc = mysql_conn_open(&a->conn, actor_left_ms(a), actor_prepare_reply, a);
        assert(rc == 0);
        (void)rc;
        break;
    case PREPARE_LOCK:
        actor_prepare_sql(a, "SELECT GET_LOCK('tandem_action', 0), IS_USED_LOCK('tandem_action')");
        break;
    case PREPARE_KILL:
        if (a->holder != a->told_holder)
            LOG(&a->adapter->config.log, NOTICE, "mysql-old-session-killed",
                "an older action session is killed connection=%llu", (unsigned long long)a->holder);
        a->told_holder = a->holder;
        (void)snprintf(sql, sizeof sql, "KILL %llu", (unsigned long long)a->holder);
        actor_prepare_sql(a, sql);
        break;
    case PREPARE_WAIT:
        actor_wait(a, a->state);
        break;
    default:
        /* Bounds every wait for metadata, read_only included; the server must not close the idle
         * session. */
        actor_prepare_sql(a, "SET SESSION lock_wait_timeout=1, SESSION wait_timeout=31536000");
        break;
    }
}

/* ---- queue ---- */

static void actor_begin(struct mysql_actor *a)
{
    assert(!a->running && a->queue_count > 0);
    a->order = a->queue[0];
    a->queue_count--;
    memmove(&a->queue[0], &a->queue[1], a->queue_count * sizeof a->queue[0]);
    a->running = true;
    a->step = actor_steps[a->order.job.kind];
    a->state = 0;
    a->prepare = PREPARE_NO;
    a->limit_us = a->order.deadline_us;
    a->undo_state = 0;
    a->wait_ms = 1;
    a->tried = a->renewed = false;
    a->received[0] = '\0';
    memset(&a->sweep, 0, sizeof a->sweep);
    memset(&a->result, 0, sizeof a->result);
    actor_prepare_next(a);
}

static void actor_timer(uv_timer_t *timer)
{
    struct mysql_actor *a = timer->data;
    if (!a->running) {
        if (a->queue_count > 0)
            actor_begin(a);
        return;
    }
    if (mysql_now_us() >= a->limit_us) {
        bool session = a->prepare != PREPARE_NO;
        a->prepare = PREPARE_NO;
        actor_failed(a, JOB_TIMEOUT, 0,
                     session ? "an older action session is still in the server"
                             : "not done in time");
        return;
    }
    if (a->prepare == PREPARE_WAIT) {
        a->prepare = PREPARE_LOCK;
        actor_prepare_next(a);
        return;
    }
    actor_run(a);
}

int mysql_actor_start(struct mysql_actor *a, uint64_t id, const struct job *job)
{
    struct actor_order *o;
    if (actor_steps[job->kind] == NULL)
        return ERR_INVAL;
    if (a->queue_count == MYSQL_JOBS_MAX || a->stopping)
        return ERR_FULL;
    o = &a->queue[a->queue_count++];
    o->id = id;
    o->job = *job;
    o->start_us = mysql_now_us();
    o->deadline_us = o->start_us + (int64_t)job->timeout_ms * 1000;
    if (!a->running)
        actor_kick(a);
    return 0;
}

void mysql_actor_warm(struct mysql_actor *a)
{
    struct job none = {.kind = JOB_NONE, .timeout_ms = WARM_TIMEOUT_MS};
    int64_t now = mysql_now_us();
    bool ready = a->locked && mysql_conn_is_ready(&a->conn);
    if (a->adapter->config.on_demand || ready || a->running || a->queue_count > 0 ||
        now - a->warmed_us < WARM_PAUSE_US)
        return;
    a->warmed_us = now;
    if (mysql_actor_start(a, 0, &none) != 0)
        a->warmed_us = 0;
}

void mysql_actor_abort(struct mysql_actor *a, int outcome, const char *detail)
{
    unsigned waiting = a->queue_count;
    a->undo_state = 0;
    a->locked = false;
    a->abort_outcome = outcome;
    a->abort_detail = detail;
    mysql_conn_drop(&a->conn); /* ends a running job unless it is in a wait */
    if (a->running)
        actor_failed(a, outcome, 0, detail);
    a->abort_detail = NULL;
    for (unsigned i = 0; i < waiting; i++) {
        struct job_result result = {.outcome = outcome};
        uint64_t id = a->queue[0].id;
        bool internal = a->queue[0].job.kind == JOB_NONE;
        (void)snprintf(result.detail, sizeof result.detail, "%s", detail);
        a->queue_count--;
        memmove(&a->queue[0], &a->queue[1], a->queue_count * sizeof a->queue[0]);
        if (!internal)
            mysql_adapter_complete(a->adapter, id, &result);
    }
}

void mysql_actor_init(struct mysql_actor *a, struct mysql_adapter *adapter)
{
    a->adapter = adapter;
    mysql_conn_init(&a->conn, adapter->config.loop, &adapter->login, "tandem-action");
    mysql_conn_init(&a->waker, adapter->config.loop, &adapter->login, "tandem-waker");
    a->reader.conn = &a->conn;
    a->reader.server = &adapter->server;
    a->reader.settings_us = &adapter->settings_us;
    a->reader.xa_due = &adapter->xa_due;
    (void)uv_timer_init(adapter->config.loop, &a->timer);
    a->timer.data = a;
}

static void actor_timer_closed(uv_handle_t *handle)
{
    struct mysql_actor *a = handle->data;
    mysql_adapter_handle_closed(a->adapter);
}

void mysql_actor_stop(struct mysql_actor *a, void (*fn)(void *data), void *data)
{
    a->stopping = true;
    mysql_actor_abort(a, JOB_FAILED, "the adapter is stopping");
    mysql_conn_stop(&a->conn, fn, data);
    mysql_conn_stop(&a->waker, fn, data);
    uv_close((uv_handle_t *)&a->timer, actor_timer_closed);
}
