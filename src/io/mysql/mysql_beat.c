/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/mysql_beat.h"

#include <string.h>

#include "io/mysql/mysql_internal.h"

static void beat_step(struct mysql_beat *b);

static void beat_finish(struct mysql_beat *b, int outcome, uint32_t sql_errno, const char *detail)
{
    struct job_result result = {.outcome = outcome, .sql_errno = sql_errno};
    if (b->abort_detail != NULL) {
        result.outcome = b->abort_outcome;
        detail = b->abort_detail;
    }
    (void)snprintf(result.detail, sizeof result.detail, "%s", detail);
    b->state = BEAT_IDLE;
    (void)uv_timer_stop(&b->timer);
    mysql_adapter_complete(b->adapter, b->id, &result);
}

static uint32_t beat_left_ms(const struct mysql_beat *b)
{
    int64_t left_ms = (b->deadline_us - mysql_now_us()) / 1000;
    return left_ms > 0 ? (uint32_t)left_ms : 1;
}

/* What the beat itself wrote is in the set that was read after it. */
static int beat_take_executed(struct mysql_beat *b, const struct mysql_reply *reply)
{
    struct mysql_adapter *a = b->adapter;
    struct server_facts f = a->facts;
    struct sql_row row;
    if (reply->rows == NULL || !mysql_fetch(reply->rows, &row) || row.count != VAR_COUNT)
        return ERR_FORMAT;
    if (mysql_server_vars(&a->server, row.values, &f, /* ret_binlog_pos= */ NULL) != 0)
        return ERR_FULL;
    a->facts = f;
    return 0;
}

static void beat_reply(void *data, const struct mysql_reply *reply)
{
    struct mysql_beat *b = data;
    bool missing = reply->err == ERR_SQL && (reply->sql_errno == 1146 || reply->sql_errno == 1049);
    if (missing && b->state == BEAT_WRITE && !b->made) {
        b->made = true;
        b->state = BEAT_CHECK;
        beat_step(b);
        return;
    }
    if (reply->err == ERR_SQL && (reply->sql_errno == 1290 || reply->sql_errno == 1836)) {
        beat_finish(b, JOB_REFUSED, reply->sql_errno, "the server is read-only");
        return;
    }
    if (reply->err != 0) {
        beat_finish(b, reply->err == ERR_TIMEOUT ? JOB_TIMEOUT : JOB_FAILED, reply->sql_errno,
                    reply->error);
        return;
    }
    if ((b->state == BEAT_WRITE && reply->affected == 0) ||
        (b->state == BEAT_CHECK && mysql_row_count(reply->rows) == 0)) {
        beat_finish(b, JOB_REFUSED, 0, "the server is read-only");
        return;
    }
    if (b->state == BEAT_READ) {
        if (beat_take_executed(b, reply) == 0)
            beat_finish(b, JOB_DONE, 0, "");
        else
            beat_finish(b, JOB_FAILED, 0, "the executed set was not understood");
        return;
    }
    b->state++;
    beat_step(b);
}

static const char *beat_sql(struct mysql_beat *b, char *buf, size_t size)
{
    char name[2 * NODE_NAME_MAX];
    char row[16] = "";
    switch (b->state) {
    case BEAT_SETTINGS:
        return "SET SESSION innodb_lock_wait_timeout=1, SESSION lock_wait_timeout=1, "
               "SESSION wait_timeout=31536000";
    case BEAT_CHECK:
        return "SELECT 1 FROM DUAL WHERE CAST(@@global.read_only AS CHAR) IN ('0', 'OFF')";
    case BEAT_SCHEMA:
        return "CREATE DATABASE IF NOT EXISTS tandem";
    case BEAT_TABLE:
        return "CREATE TABLE IF NOT EXISTS tandem.heartbeat (node VARCHAR(64) NOT NULL PRIMARY "
               "KEY, "
               "epoch BIGINT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL, "
               "ts DATETIME(6) NOT NULL) ENGINE=InnoDB";
    case BEAT_WRITE:
        /* The agent's account may be allowed to bypass read_only; a beat on a closed server would
         * be a transaction that the writer lacks. */
        if (dialect_escape(b->adapter->config.report_name, name, sizeof name) != 0)
            name[0] = '\0';
        if (b->row > 0)
            (void)snprintf(row, sizeof row, "#%u", b->row);
        (void)snprintf(buf, size,
                       "REPLACE INTO tandem.heartbeat (node, epoch, seq, ts) "
                       "SELECT '%s%s', %llu, %llu, UTC_TIMESTAMP(6) FROM DUAL "
                       "WHERE CAST(@@global.read_only AS CHAR) IN ('0', 'OFF')",
                       name, row, (unsigned long long)b->epoch, (unsigned long long)++b->seq);
        return buf;
    default:
        return b->adapter->server.vars_sql;
    }
}

static void beat_step(struct mysql_beat *b)
{
    char buf[512];
    int rc;
    if (b->state == BEAT_OPEN && mysql_conn_is_ready(&b->conn))
        b->state = BEAT_WRITE;
    if (b->state == BEAT_CHECK && !b->made)
        b->state = BEAT_WRITE;
    if (b->state == BEAT_READ && !b->adapter->server.known) {
        beat_finish(b, JOB_FAILED, 0, "the server's version is not known yet");
        return;
    }
    if (b->state == BEAT_OPEN)
        rc = mysql_conn_open(&b->conn, beat_left_ms(b), beat_reply, b);
    else
        rc = mysql_conn_query(&b->conn, beat_sql(b, buf, sizeof buf), beat_left_ms(b), beat_reply,
                              b);
    if (rc != 0)
        beat_finish(b, JOB_FAILED, 0, "connection lost");
}

static void beat_timer(uv_timer_t *timer)
{
    struct mysql_beat *b = timer->data;
    if (b->state == BEAT_BEGIN) {
        b->state = BEAT_OPEN;
        beat_step(b);
    }
}

int mysql_beat_start(struct mysql_beat *b, uint64_t id, const struct job *job)
{
    if (b->state != BEAT_IDLE || b->stopping)
        return ERR_FULL;
    b->id = id;
    b->row = job->count;
    b->epoch = job->epoch;
    b->made = false;
    b->deadline_us = mysql_now_us() + (int64_t)job->timeout_ms * 1000;
    b->state = BEAT_BEGIN;
    (void)uv_timer_start(&b->timer, beat_timer, 0, 0);
    return 0;
}

void mysql_beat_abort(struct mysql_beat *b, int outcome, const char *detail)
{
    b->abort_outcome = outcome;
    b->abort_detail = detail;
    mysql_conn_drop(&b->conn);
    if (b->state != BEAT_IDLE)
        beat_finish(b, outcome, 0, detail);
    b->abort_detail = NULL;
}

void mysql_beat_init(struct mysql_beat *b, struct mysql_adapter *adapter)
{
    b->adapter = adapter;
    mysql_conn_init(&b->conn, adapter->config.loop, &adapter->login, "tandem-beat");
    (void)uv_timer_init(adapter->config.loop, &b->timer);
    b->timer.data = b;
}

static void beat_timer_closed(uv_handle_t *handle)
{
    struct mysql_beat *b = handle->data;
    mysql_adapter_handle_closed(b->adapter);
}

void mysql_beat_stop(struct mysql_beat *b, void (*fn)(void *data), void *data)
{
    b->stopping = true;
    mysql_beat_abort(b, JOB_FAILED, "the adapter is stopping");
    mysql_conn_stop(&b->conn, fn, data);
    uv_close((uv_handle_t *)&b->timer, beat_timer_closed);
}
