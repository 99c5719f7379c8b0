/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's answers over HTTP, and what is counted for them. A port that cannot be had is no
 * reason to be without an agent: it is tried again. */
#include <string.h>

#include "app/agent.h"
#include "app/agent_pair.h"
#include "app/web_answer.h"
#include "io/sys/loop_watch.h"

#define WEB_RETRY_MS 5000

struct agent_web {
    struct http *http;
    struct metrics_counters counters;
    uv_timer_t retry;
    bool told; /* that it cannot listen */
};

static struct http_answer agent_web_answer(void *data, const char *path, const char *lag)
{
    struct agent *a = data;
    struct metrics_counters *n = &a->web->counters;
    struct peer_certificate c;
    n->certificate_known = a->peer != NULL && !a->stopping;
    if (n->certificate_known) {
        peer_certificate(a->peer, &c);
        n->certificate_days = c.days;
    }
    agent_pair_rejects(a, n->vrrp_rejects);
    return web_answer(a->core, n, path, lag);
}

static void agent_web_listen(uv_timer_t *timer)
{
    struct agent *a = timer->data;
    struct agent_web *w = a->web;
    struct errmsg m = ERRMSG_INIT;
    const struct http_config hc = {.loop = &a->loop,
                                   .address = a->node->address,
                                   .port = a->node->http_port,
                                   .answer = agent_web_answer,
                                   .data = a};
    if (http_open(&hc, &m, &w->http) == 0) {
        (void)uv_timer_stop(&w->retry);
        LOG(&a->log, INFO, "http-listens", "answers over HTTP address=%s port=%u", a->node->address,
            a->node->http_port);
        return;
    }
    if (!w->told)
        LOG(&a->log, WARNING, "http-failed", "no answers over HTTP yet, tried again error='%s'",
            m.text);
    w->told = true;
}

int agent_web_open(struct agent *a, struct errmsg *m)
{
    a->web = calloc(1, sizeof *a->web);
    if (a->web == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    a->web->counters.started_wall_ms = clock_wall_ms();
    (void)uv_timer_init(&a->loop, &a->web->retry);
    a->web->retry.data = a;
    if (a->node->http_port != 0)
        (void)uv_timer_start(&a->web->retry, agent_web_listen, 0, WEB_RETRY_MS);
    return 0;
}

void agent_web_close(struct agent *a, void (*done)(void *data))
{
    if (a->web == NULL)
        return;
    uv_close((uv_handle_t *)&a->web->retry, NULL);
    if (a->web->http == NULL)
        return;
    a->closing++;
    http_close(a->web->http, done, a);
    a->web->http = NULL;
}

void agent_web_free(struct agent *a)
{
    free(a->web);
}

/* ---- counts ---- */

void agent_web_on_event(struct agent *a, const struct event *ev)
{
    struct metrics_counters *n = a->web != NULL ? &a->web->counters : NULL;
    if (n == NULL)
        return;
    if (ev->kind == EVENT_PROBE)
        n->probes[ev->u.probe.outcome]++;
    else if (ev->kind == EVENT_ELECTED)
        n->elections++;
    else if (ev->kind == EVENT_STALL)
        n->stalls++;
    else if (ev->kind == EVENT_APPLIED && ev->u.entry.kind == ENTRY_PROMOTE)
        n->promotions++;
}

void agent_web_on_probe(struct agent *a, int64_t took_us)
{
    struct metrics_counters *n = &a->web->counters;
    n->probe_us = took_us;
    if (took_us > n->probe_max_us)
        n->probe_max_us = took_us;
}
