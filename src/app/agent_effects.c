/* SPDX-License-Identifier: Apache-2.0 */
/* Effects to calls. A call that fails at once becomes the event that its failure would have been.
 */
#include <assert.h>
#include <string.h>

#include "app/agent.h"
#include "app/agent_remote.h"

static void agent_log_effect(struct agent *a, const struct effect *e)
{
    if (a->log.fn != NULL)
        a->log.fn(a->log.data, e->u.log.level, e->u.log.id, "%s", e->u.log.text);
}

/* A frame that cannot be sent is lost; whoever waits for its answer has a deadline. */
static void agent_send(struct agent *a, unsigned to, enum frame_kind kind, const struct codec *c)
{
    if (c->err != 0) {
        LOG(&a->log, ERROR, "frame-too-large", "frame could not be encoded kind=%s error='%s'",
            frame_kind_name(kind), err_text(c->err));
        return;
    }
    int err = peer_send(a->peer, to, kind, a->wire, codec_used(c));
    if (err != 0 && err != ERR_NET)
        LOG(&a->log, WARNING, "frame-dropped", "frame dropped to=%s kind=%s error='%s'",
            a->cfg->nodes[to].name, frame_kind_name(kind), err_text(err));
}

static void agent_send_report(struct agent *a, const struct effect *e)
{
    struct report r = e->u.report;
    struct codec c = codec_encoder(a->wire, AGENT_WIRE_MAX);
    agent_remotes_report(a, &r, e->mask);
    report_codec(&c, &r);
    for (unsigned i = 0; i < a->cfg->n_nodes; i++) {
        if ((e->mask & (1u << i)) != 0 && a->remote[i] == NULL)
            agent_send(a, i, FRAME_REPORT, &c);
    }
}

static void agent_send_request(struct agent *a, const struct effect *e)
{
    struct request r = e->u.request;
    struct codec c = codec_encoder(a->wire, AGENT_WIRE_MAX);
    if (agent_remote_request(a, e->to, &r))
        return;
    request_codec(&c, &r);
    agent_send(a, e->to, FRAME_REQUEST, &c);
}

static void agent_send_answer(struct agent *a, const struct effect *e)
{
    struct answer r = e->u.answer;
    struct codec c = codec_encoder(a->wire, AGENT_WIRE_MAX);
    answer_codec(&c, &r);
    agent_send(a, e->to, FRAME_ANSWER, &c);
}

static void agent_send_command(struct agent *a, const struct effect *e)
{
    struct command m = e->u.command;
    struct codec c = codec_encoder(a->wire, AGENT_WIRE_MAX);
    command_codec(&c, &m);
    agent_send(a, e->to, FRAME_COMMAND, &c);
}

static void agent_send_reply(struct agent *a, const struct effect *e)
{
    struct reply r = e->u.reply;
    struct codec c = codec_encoder(a->wire, AGENT_WIRE_MAX);
    if (e->to == a->self) {
        agent_surface_reply(a, &r);
        return;
    }
    reply_codec(&c, &r);
    agent_send(a, e->to, FRAME_REPLY, &c);
}

/* ---- network ---- */

static void agent_lease(struct agent *a, int64_t until_us)
{
    struct errmsg m = ERRMSG_INIT;
    int err = net_lease_set(a->net, until_us, &m);
    a->lease_until_us = until_us;
    if (err != 0 && err != ERR_TIMEOUT)
        LOG(&a->log, ERROR, "lease-failed", "kernel lease could not be set error='%s'", m.text);
}

static void agent_lease_clear(struct agent *a)
{
    struct errmsg m = ERRMSG_INIT;
    a->lease_until_us = 0;
    if (net_lease_clear(a->net, &m) != 0)
        LOG(&a->log, ERROR, "lease-failed", "kernel lease could not be cleared error='%s'", m.text);
}

static void agent_shut(struct agent *a, int64_t until_us)
{
    struct errmsg m = ERRMSG_INIT;
    if (net_shut(a->net, until_us, &m) != 0)
        LOG(&a->log, ERROR, "lease-failed",
            "new connections could not be refused, or let in again error='%s'", m.text);
}

static void agent_vip_done(void *data, const struct net_result *result)
{
    struct agent *a = data;
    if (result->err != 0 && result->err != ERR_CANCELED)
        LOG(&a->log, ERROR, "vip-failed", "VIP could not be changed address=%s error='%s'",
            a->cfg->vips[result->vip].address, result->msg.text);
}

static void agent_vip(struct agent *a, bool up)
{
    unsigned life_s = (a->cfg->policy.vip_lifetime_ms + 999) / 1000;
    if (a->core->record.paused)
        life_s = 0;
    for (unsigned i = 0; i < a->cfg->n_vips; i++) {
        struct net_request rq = {.vip = i, .timeout_ms = 1000, .done = agent_vip_done, .data = a};
        /* The lease proves that nobody else answers for the address: no duplicate address
         * detection. */
        int err = up ? net_vip_add(a->net, &rq, life_s, /* proven_free= */ true)
                     : net_vip_del(a->net, &rq);
        if (err != 0)
            LOG(&a->log, ERROR, "vip-failed", "VIP could not be changed address=%s error='%s'",
                a->cfg->vips[i].address, err_text(err));
    }
}

/* Also after the tables were made anew. */
void agent_block(struct agent *a, uint32_t mask)
{
    a->blocked = mask;
    for (unsigned i = 0; i < a->cfg->n_nodes; i++) {
        struct errmsg m = ERRMSG_INIT;
        bool blocked = (mask & (1u << i)) != 0;
        if (i == a->self || !config_node_has_mysql(a->cfg, i))
            continue;
        if (net_block_peer(a->net, a->cfg->nodes[i].address, blocked, &m) != 0)
            LOG(&a->log, ERROR, "block-failed",
                "a node could not be kept from the server, or let in again node=%s error='%s'",
                a->cfg->nodes[i].name, m.text);
    }
}

static void agent_announce(struct agent *a)
{
    for (unsigned i = 0; i < a->cfg->n_vips; i++) {
        struct errmsg m = ERRMSG_INIT;
        if (net_announce(a->net, i, &m) != 0)
            LOG(&a->log, WARNING, "announce-failed",
                "VIP could not be announced address=%s error='%s'", a->cfg->vips[i].address,
                m.text);
    }
}

static void agent_network(struct agent *a, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_LEASE:
        agent_lease(a, e->u.until_us);
        return;
    case EFFECT_LEASE_CLEAR:
        agent_lease_clear(a);
        return;
    case EFFECT_SHUT:
        agent_shut(a, e->u.until_us);
        return;
    case EFFECT_VIP_UP:
    case EFFECT_VIP_DOWN:
        agent_vip(a, e->kind == EFFECT_VIP_UP);
        return;
    case EFFECT_BLOCK:
        agent_block(a, e->mask);
        return;
    case EFFECT_ANNOUNCE:
        agent_announce(a);
        return;
    default:
        return;
    }
}

static void agent_effect(struct agent *a, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_LOG:
        agent_log_effect(a, e);
        return;
    case EFFECT_JOB:
        agent_job(a, e->u.job.id, &e->u.job.job);
        return;
    case EFFECT_REQUEST:
        agent_send_request(a, e);
        return;
    case EFFECT_ANSWER:
        agent_send_answer(a, e);
        return;
    case EFFECT_REPORT:
        agent_send_report(a, e);
        return;
    case EFFECT_COMMAND:
        agent_send_command(a, e);
        return;
    case EFFECT_REPLY:
        agent_send_reply(a, e);
        return;
    case EFFECT_RELEASE:
        agent_release_keep(a, &e->u.release);
        return;
    case EFFECT_ROLE:
        agent_surface_role(a, e->u.role);
        return;
    case EFFECT_QUIT:
        agent_stop(a);
        return;
    default:
        if (!agent_arbiter_effect(a, e))
            agent_network(a, e);
    }
}

void agent_carry_out(struct agent *a, const struct effects *fx)
{
    for (unsigned i = 0; i < fx->count; i++)
        agent_effect(a, &fx->list[i]);
}
