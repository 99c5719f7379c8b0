/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate of this node, as operators see it: its trouble, its days, SIGHUP. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/agent.h"
#include "app/status_parts.h"

void agent_on_certificate(void *data, const struct peer_certificate *c)
{
    struct agent *a = data;
    (void)snprintf(a->certificate_trouble, sizeof a->certificate_trouble, "%.*s",
                   TROUBLE_TEXT_MAX - 1, c->trouble);
    agent_told_trouble(a);
}

static void agent_on_hangup(uv_signal_t *signal, int number)
{
    struct agent *a = signal->data;
    LOG(&a->log, NOTICE, "agent-asked-to-reload", "asked to reload signal=%d", number);
    if (a->peer != NULL && !a->stopping)
        peer_reload(a->peer);
}

void agent_certificate_open(struct agent *a)
{
    (void)uv_signal_init(&a->loop, &a->sighup);
    a->sighup.data = a;
    (void)uv_signal_start(&a->sighup, agent_on_hangup, SIGHUP);
}

void agent_certificate_close(struct agent *a)
{
    uv_close((uv_handle_t *)&a->sighup, NULL);
}

json_t *agent_certificate_json(const struct agent *a)
{
    struct peer_certificate c;
    json_t *o;
    if (a->peer == NULL || a->stopping)
        return json_null();
    peer_certificate(a->peer, &c);
    o = json_object();
    json_put(o, "days", json_integer(c.days));
    json_put(o, "ca_days", json_integer(c.ca_days));
    json_put_text(o, "trouble", c.trouble);
    return o;
}
