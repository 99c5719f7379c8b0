/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent sees of its host, for the reports: looked at on the pool, where a dead file system
 * holds up nobody. */
#include "app/agent.h"
#include "io/sys/host_look.h"
#include "io/sys/privileges.h"

#define HOST_INTERVAL_MS 30000

static void host_add(struct host_facts *f, unsigned wanted, unsigned got, unsigned privilege,
                     uint32_t bit)
{
    f->judged |= bit;
    f->wrong |= (wanted & privilege) != 0 && (got & privilege) == 0 ? bit : 0;
}

/* What is known without a look. */
static void host_add_own(struct agent *a, struct host_facts *f)
{
    const struct agent_host *h = &a->host;
    struct peer_certificate c;
    host_add(f, h->wanted, h->got, PRIVILEGE_REALTIME, HOST_REALTIME);
    host_add(f, h->wanted, h->got, PRIVILEGE_MEMLOCK, HOST_MEMLOCK);
    host_add(f, h->wanted, h->got, PRIVILEGE_OOM, HOST_OOM);
    if (a->peer == NULL)
        return;
    peer_certificate(a->peer, &c);
    f->judged |= HOST_CERTIFICATE;
    f->certificate_days = c.days;
    f->ca_days = c.ca_days;
}

static void host_look_now(uv_work_t *work)
{
    struct agent *a = work->data;
    host_look(a->cfg, a->self, &a->host.facts);
}

static void host_seen(uv_work_t *work, int status)
{
    struct agent *a = work->data;
    struct agent_event *e;
    a->host.busy = false;
    if (status != 0 || a->stopping)
        return;
    host_add_own(a, &a->host.facts);
    e = agent_event(a, EVENT_HOST);
    e->event.u.host = a->host.facts;
    agent_post(a, e);
}

/* One question at a time: a dead disk takes one thread of the pool, not all. */
static void host_on_time(uv_timer_t *timer)
{
    struct agent *a = timer->data;
    if (a->host.busy)
        return;
    a->host.busy = uv_queue_work(&a->loop, &a->host.work, host_look_now, host_seen) == 0;
}

void agent_host_start(struct agent *a, unsigned wanted, unsigned got)
{
    a->host.wanted = wanted;
    a->host.got = got;
    a->host.work.data = a;
    (void)uv_timer_start(&a->host.timer, host_on_time, 0, HOST_INTERVAL_MS);
}

void agent_host_open(struct agent *a)
{
    (void)uv_timer_init(&a->loop, &a->host.timer);
    a->host.timer.data = a;
}

void agent_host_close(struct agent *a)
{
    uv_close((uv_handle_t *)&a->host.timer, NULL);
}
