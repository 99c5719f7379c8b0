/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/mysql_probe.h"

#include <assert.h>
#include <string.h>

#include "io/mysql/mysql_class.h"
#include "io/mysql/mysql_internal.h"

#define RETRY_STARTING_MS 20
#define STARTING_US (60 * 1000000)
/* A blocked facts statement is given up this late, so that sessions do not pile up in the server.
 */
#define FACTS_LIMIT_US (30 * 1000000)

static void prober_timer(uv_timer_t *timer);
static void prober_read(struct mysql_prober *p);

static uint32_t prober_timeout_ms(const struct mysql_prober *p)
{
    return p->adapter->config.probe_timeout_ms;
}

static void prober_arm(struct mysql_prober *p, int64_t delay_us)
{
    uint64_t ms = delay_us > 0 ? (uint64_t)(delay_us + 999) / 1000 : 0;
    if (!p->stopping)
        (void)uv_timer_start(&p->timer, prober_timer, ms, 0);
}

static void prober_schedule(struct mysql_prober *p, enum probe_outcome outcome)
{
    int64_t now = mysql_now_us();
    int64_t interval_us = (int64_t)p->adapter->config.probe_interval_ms * 1000;
    if (outcome == PROBE_OK)
        p->starting_until_us = 0;
    if (now < p->starting_until_us && interval_us > RETRY_STARTING_MS * 1000)
        prober_arm(p, RETRY_STARTING_MS * 1000);
    else
        prober_arm(p, p->start_us + interval_us - now);
}

/* During the fast retries after a start only the news and one report per interval are passed on. */
static bool prober_is_news(const struct mysql_prober *p, enum probe_outcome outcome)
{
    int64_t interval_us = (int64_t)p->adapter->config.probe_interval_ms * 1000;
    int64_t now = mysql_now_us();
    return outcome == PROBE_OK || outcome != p->reported || now >= p->starting_until_us ||
           now - p->reported_us >= interval_us;
}

static void prober_report(struct mysql_prober *p, enum probe_outcome outcome, uint32_t sql_errno,
                          const char *detail)
{
    struct mysql_adapter *a = p->adapter;
    struct mysql_probe probe = {.outcome = outcome,
                                .sql_errno = sql_errno,
                                .latency_us = p->latency_us,
                                .facts = a->have_facts ? &a->facts : NULL,
                                .stale = !p->fresh,
                                .detail = detail};
    bool news = prober_is_news(p, outcome);
    p->running = false;
    if (p->stopping)
        return;
    prober_schedule(p, outcome);
    if (!news)
        return;
    p->reported = outcome;
    p->reported_us = mysql_now_us();
    a->config.callbacks.on_probe(a->config.callbacks.data, &probe);
    if (outcome == PROBE_OK)
        mysql_adapter_alive(a);
}

/* The server is alive: report when the facts are there, or when they are late. */
static void prober_settle(struct mysql_prober *p)
{
    struct mysql_adapter *a = p->adapter;
    int64_t grace_us = (int64_t)prober_timeout_ms(p) * 1000 / 2;
    int64_t now = mysql_now_us();
    if (!p->running || !p->alive)
        return;
    if (p->facts_over) {
        prober_report(p, PROBE_OK, 0, p->facts_detail);
        return;
    }
    if (now - p->start_us < grace_us) {
        prober_arm(p, p->start_us + grace_us - now);
        return;
    }
    /* Variables and semi-sync status may be new even if the channel's part is not. */
    if (a->have_facts && p->reader.stage > FACTS_VARS && p->reader_seq == a->change_seq)
        a->facts = p->reader.facts;
    prober_report(p, PROBE_OK, 0, "facts have not answered in time");
}

static void prober_facts_failed(struct mysql_prober *p, const char *error)
{
    p->facts_over = true;
    (void)snprintf(p->facts_detail, sizeof p->facts_detail, "facts: %s", error);
    prober_settle(p);
}

static void prober_facts_done(void *data, const struct facts_result *result)
{
    struct mysql_prober *p = data;
    struct mysql_adapter *a = p->adapter;
    if (result->err != 0) {
        prober_facts_failed(p, result->error);
        return;
    }
    if (p->reader_seq != a->change_seq) {
        /* A job ended meanwhile: what we have read may be older than what it has reported. */
        prober_read(p);
        return;
    }
    a->facts = p->reader.facts;
    a->have_facts = true;
    p->fresh = true;
    p->facts_over = true;
    p->facts_detail[0] = '\0';
    prober_settle(p);
}

static void prober_facts_opened(void *data, const struct mysql_reply *reply)
{
    struct mysql_prober *p = data;
    if (reply->err != 0)
        prober_facts_failed(p, reply->error);
    else
        prober_read(p);
}

/* Starts reading facts; one that is still stuck from an earlier round goes on instead. */
static void prober_read(struct mysql_prober *p)
{
    struct mysql_adapter *a = p->adapter;
    int rc;
    if (p->reader.stage != FACTS_IDLE || mysql_conn_is_busy(&p->facts_conn))
        return;
    p->reader_seq = a->change_seq;
    if (mysql_conn_is_ready(&p->facts_conn))
        rc = mysql_facts_read(&p->reader, FACTS_WANT_ALL, &a->facts,
                              mysql_now_us() + FACTS_LIMIT_US, prober_facts_done, p);
    else
        rc = mysql_conn_open(&p->facts_conn, prober_timeout_ms(p), prober_facts_opened, p);
    if (rc != 0)
        prober_facts_failed(p, "connection lost");
}

static void prober_alive(void *data, const struct mysql_reply *reply)
{
    struct mysql_prober *p = data;
    int64_t now = mysql_now_us();
    int64_t left_us = p->start_us + (int64_t)prober_timeout_ms(p) * 1000 - now;
    int rc = 0;
    p->latency_us = now - p->start_us;
    if (!p->running)
        return;
    if (reply->err == 0 && reply->opening) {
        rc = mysql_conn_query(&p->conn, "SELECT 1", left_us > 1000 ? (uint32_t)(left_us / 1000) : 1,
                              prober_alive, p);
        if (rc == 0) {
            prober_read(p);
            return;
        }
    }
    if (reply->err == 0 && rc == 0) {
        p->alive = true;
        prober_settle(p);
        return;
    }
    prober_report(p,
                  rc != 0 ? PROBE_LOST : mysql_classify(reply->err, reply->sql_errno, reply->error),
                  reply->sql_errno, rc != 0 ? err_text(rc) : reply->error);
}

static void prober_round(struct mysql_prober *p)
{
    int rc;
    p->running = true;
    p->alive = false;
    p->fresh = false;
    p->facts_over = false;
    p->latency_us = 0;
    p->start_us = mysql_now_us();
    if (mysql_conn_is_ready(&p->conn)) {
        rc = mysql_conn_query(&p->conn, "SELECT 1", prober_timeout_ms(p), prober_alive, p);
        prober_read(p);
    } else {
        rc = mysql_conn_open(&p->conn, prober_timeout_ms(p), prober_alive, p);
    }
    if (rc != 0)
        prober_report(p, PROBE_LOST, 0, err_text(rc));
}

static void prober_timer(uv_timer_t *timer)
{
    struct mysql_prober *p = timer->data;
    if (p->running)
        prober_settle(p);
    else
        prober_round(p);
}

void mysql_prober_now(struct mysql_prober *p)
{
    if (!p->running)
        prober_arm(p, 0);
}

void mysql_prober_server_started(struct mysql_prober *p)
{
    p->starting_until_us = mysql_now_us() + STARTING_US;
    mysql_prober_now(p);
}

void mysql_prober_server_died(struct mysql_prober *p)
{
    p->starting_until_us = 0;
    p->alive = false; /* whatever it said */
    mysql_conn_drop(&p->facts_conn);
    mysql_conn_drop(&p->conn);
    if (p->running)
        prober_report(p, PROBE_LOST, 0, "server process died");
}

void mysql_prober_init(struct mysql_prober *p, struct mysql_adapter *adapter)
{
    p->adapter = adapter;
    mysql_conn_init(&p->conn, adapter->config.loop, &adapter->login, "tandem-probe");
    mysql_conn_init(&p->facts_conn, adapter->config.loop, &adapter->login, "tandem-facts");
    p->reader.conn = &p->facts_conn;
    p->reader.server = &adapter->server;
    p->reader.settings_us = &adapter->settings_us;
    p->reader.xa_due = &adapter->xa_due;
    p->reader.events_us = &adapter->events_us;
    p->reported = PROBE_COUNT;
    (void)uv_timer_init(adapter->config.loop, &p->timer);
    p->timer.data = p;
    prober_arm(p, 0);
}

static void prober_timer_closed(uv_handle_t *handle)
{
    struct mysql_prober *p = handle->data;
    mysql_adapter_handle_closed(p->adapter);
}

void mysql_prober_stop(struct mysql_prober *p, void (*fn)(void *data), void *data)
{
    p->stopping = true;
    mysql_conn_stop(&p->conn, fn, data);
    mysql_conn_stop(&p->facts_conn, fn, data);
    uv_close((uv_handle_t *)&p->timer, prober_timer_closed);
}
