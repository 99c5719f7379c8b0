/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_pair.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "app/agent_remote.h"
#include "arbiter/pair_node.h"
#include "io/store/durable.h"
#include "io/vrrp/arbitration.h"
#include "io/vrrp/greeting.h"
#include "io/vrrp/vrrp_socket.h"

#define PAIR_OPEN_EVERY_US 1000000 /* sockets that cannot be opened are tried again */
#define PAIR_TRY_EVERY_US 300000   /* of the other host's server, while its agent is silent */
#define PAIR_PING_MS_MAX 1000

struct pair_router {
    struct agent *agent;
    unsigned index;
    enum vrrp_family family;
    char device[VRRP_DEVICE_MAX];
    struct vrrp_socket *socket;
};

struct agent_pair {
    struct pair_node node;
    struct agent *agent;
    uv_timer_t timer;
    unsigned n_routers;
    struct pair_router routers[2];
    bool link_up; /* as the kernel says */
    bool opened;  /* every router has its socket */
    bool told;    /* that one has none */
    int64_t opened_us;
    struct arbitration *arbitration;
    struct greeting greeting;
    bool greeting_ready;
    int64_t tried_us;
    char path[PATH_TEXT_MAX + 16];
    uint8_t bytes[PAIR_BYTES_MAX];
};

static void pair_arm(struct agent_pair *p);

/* ---- what the node wants ---- */

static int64_t pair_now_us(void *data)
{
    (void)data;
    return agent_now_us();
}

static int pair_write(void *data, const struct pair_state *state, struct errmsg *m)
{
    struct agent_pair *p = data;
    size_t len = 0;
    int err = pair_state_encode(state, p->bytes, sizeof p->bytes, &len);
    return err != 0 ? err : durable_write(p->path, p->bytes, len, m);
}

static int pair_advertise(void *data, unsigned router, uint8_t priority)
{
    struct agent_pair *p = data;
    struct errmsg m = ERRMSG_INIT;
    struct vrrp_socket *s = p->routers[router].socket;
    return s == NULL ? ERR_NET : vrrp_socket_send(s, priority, &m);
}

static void pair_announce(void *data)
{
    struct agent_pair *p = data;
    for (unsigned i = 0; i < p->agent->cfg->n_vips && p->agent->core->vip_wanted; i++)
        (void)!net_announce(p->agent->net, i, NULL);
}

static void pair_send(void *data, const struct pair_message *m)
{
    struct agent_pair *p = data;
    struct agent *a = p->agent;
    size_t len = 0;
    int err = pair_message_encode(m, p->bytes, sizeof p->bytes, &len);
    if (err == 0 && a->peer != NULL)
        err = peer_send(a->peer, p->node.other, FRAME_RAFT, p->bytes, len);
    if (err != 0 && err != ERR_NET)
        LOG(&a->log, WARNING, "frame-dropped", "frame dropped to=%s kind=%s error='%s'",
            a->cfg->nodes[p->node.other].name, frame_kind_name(FRAME_RAFT), err_text(err));
}

static void pair_on_elected(void *data, uint64_t term)
{
    agent_told_elected(((struct agent_pair *)data)->agent, term);
}

static void pair_on_deposed(void *data, uint64_t term)
{
    agent_told_deposed(((struct agent_pair *)data)->agent, term);
}

static void pair_on_leader(void *data, uint64_t term, unsigned node)
{
    agent_told_leader(((struct agent_pair *)data)->agent, term, node);
}

static void pair_on_lease(void *data, int64_t until_us)
{
    agent_told_lease(((struct agent_pair *)data)->agent, until_us);
}

static void pair_on_apply(void *data, const struct entry *e)
{
    agent_told_applied(((struct agent_pair *)data)->agent, e);
}

static void pair_on_restore(void *data, const struct record *r)
{
    agent_told_record(((struct agent_pair *)data)->agent, r);
}

static void pair_on_proposal(void *data, uint64_t id, int err)
{
    agent_told_proposal(((struct agent_pair *)data)->agent, id, err);
}

static void pair_on_transfer(void *data)
{
    agent_told_transfer(((struct agent_pair *)data)->agent, false);
}

static void pair_on_trouble(void *data, const char *text)
{
    struct agent *a = ((struct agent_pair *)data)->agent;
    (void)snprintf(a->arbiter_trouble, sizeof a->arbiter_trouble, "%.*s", TROUBLE_TEXT_MAX - 1,
                   text);
    agent_told_trouble(a);
}

/* ---- sockets ---- */

static void pair_on_packet(void *data, const struct vrrp_envelope *e, const struct vrrp_packet *k)
{
    struct pair_router *r = data;
    struct agent_pair *p = r->agent->pair;
    pair_node_advert(&p->node, r->index, k->priority, k->interval_cs, &e->source);
    pair_arm(p);
}

static bool pair_address(enum vrrp_family family, const char *text, struct vrrp_address *ret)
{
    memset(ret, 0, sizeof *ret);
    return inet_pton(family == VRRP_IPV6 ? AF_INET6 : AF_INET, text, ret->bytes) == 1;
}

/* The source of what is sent: the node's own address if it is of that family, else one of the
 * device's. IPv6 multicast wants the link-local one (RFC 9568 5.1.2.1). */
static int pair_own(const struct agent *a, const struct pair_router *r,
                    struct vrrp_address *ret_own)
{
    bool node = (a->node->family == AF_INET6) == (r->family == VRRP_IPV6);
    if (node && (r->family == VRRP_IPV4 || a->cfg->vrrp.unicast))
        return pair_address(r->family, a->node->address, ret_own) ? 0 : ERR_INVAL;
    return vrrp_socket_find_own(r->device, r->family, ret_own);
}

static void pair_expect(const struct agent_pair *p, const struct pair_router *r,
                        struct vrrp_expect *x)
{
    const struct cluster_config *c = p->agent->cfg;
    x->family = r->family;
    x->version = (uint8_t)c->vrrp.version;
    x->vrid = (uint8_t)c->vrrp.router_id;
    x->interval_cs = (uint16_t)(c->vrrp.advert_interval_ms / 10);
    x->auth_type = c->vrrp.password[0] != '\0' ? VRRP_AUTH_PASSWORD : VRRP_AUTH_NONE;
    memcpy(x->password, c->vrrp.password, sizeof x->password);
    if (c->vrrp.unicast && pair_address(r->family, c->nodes[p->node.other].address, &x->peers[0]))
        x->n_peers = 1;
    for (unsigned i = 0; i < c->n_vips; i++) {
        bool six = c->vips[i].family == AF_INET6;
        if (six == (r->family == VRRP_IPV6) &&
            pair_address(r->family, c->vips[i].address, &x->addresses[x->n_addresses]))
            x->n_addresses++;
    }
}

static int pair_open_router(struct agent_pair *p, struct pair_router *r, struct errmsg *m)
{
    struct vrrp_socket_options o = {.loop = &p->agent->loop,
                                    .log = p->agent->log,
                                    .pseudo_header = p->agent->cfg->vrrp.pseudo_header,
                                    .on_packet = pair_on_packet,
                                    .data = r};
    int err;
    memcpy(o.device, r->device, sizeof o.device);
    pair_expect(p, r, &o.expect);
    err = pair_own(p->agent, r, &o.expect.own);
    if (err != 0)
        return errmsg_set(m, err, "device '%s' has no address to advertise from", r->device);
    p->node.vrrp.options.routers[r->index].own = o.expect.own;
    return vrrp_socket_start(&o, m, &r->socket);
}

static void pair_close_sockets(struct agent_pair *p)
{
    for (unsigned i = 0; i < p->n_routers; i++) {
        vrrp_socket_stop(p->routers[i].socket, NULL, NULL);
        p->routers[i].socket = NULL;
    }
    p->opened = false;
}

static void pair_open_sockets(struct agent_pair *p)
{
    struct errmsg m = ERRMSG_INIT;
    bool all = true;
    p->opened_us = agent_now_us();
    for (unsigned i = 0; i < p->n_routers; i++)
        all &= p->routers[i].socket != NULL || pair_open_router(p, &p->routers[i], &m) == 0;
    if (!all && !p->told)
        LOG(&p->agent->log, ERROR, "vrrp-socket",
            "advertisements can be neither sent nor heard, it is tried again error='%s'", m.text);
    p->told = !all;
    p->opened = all;
    pair_node_link(&p->node, all && p->link_up);
}

/* ---- time ---- */

static void pair_on_answer(void *data, int64_t asked_us)
{
    struct agent_pair *p = data;
    pair_node_arbitration(&p->node, asked_us);
    pair_arm(p);
}

static void pair_on_greeting(void *data, bool greeted)
{
    struct agent_pair *p = data;
    pair_node_server(&p->node, greeted);
    pair_arm(p);
}

static void pair_try_server(struct agent_pair *p)
{
    if (!p->greeting_ready || !pair_node_wants_server(&p->node) ||
        agent_now_us() - p->tried_us < PAIR_TRY_EVERY_US)
        return;
    p->tried_us = agent_now_us();
    greeting_try(&p->greeting, pair_on_greeting, p);
}

/* What has arrived is read before a timer is judged (core/vrrp.h). */
static void pair_on_timer(uv_timer_t *timer)
{
    struct agent_pair *p = timer->data;
    agent_surface_look(p->agent);
    if (!p->opened && agent_now_us() - p->opened_us >= PAIR_OPEN_EVERY_US)
        pair_open_sockets(p);
    for (unsigned i = 0; i < p->n_routers; i++) {
        if (p->routers[i].socket != NULL)
            vrrp_socket_drain(p->routers[i].socket);
    }
    pair_node_tick(&p->node);
    pair_try_server(p);
    pair_arm(p);
}

static void pair_arm(struct agent_pair *p)
{
    int64_t left_us = pair_node_deadline_us(&p->node) - agent_now_us();
    if (!p->agent->stopping)
        (void)uv_timer_start(&p->timer, pair_on_timer,
                             left_us > 0 ? (uint64_t)left_us / 1000 + 1 : 1, 0);
}

/* ---- the core and the other agent ---- */

void agent_pair_effect(struct agent *a, const struct effect *e)
{
    struct pair_node *n = &a->pair->node;
    switch (e->kind) {
    case EFFECT_PROPOSE:
        pair_node_propose(n, e->u.proposal.id, &e->u.proposal.entry);
        break;
    case EFFECT_BARRIER:
        pair_node_barrier(n, e->u.id);
        break;
    case EFFECT_TRANSFER:
        pair_node_transfer(n, e->to);
        break;
    case EFFECT_RANK:
        pair_node_rank(n, e->u.rank);
        break;
    case EFFECT_BY_HAND:
        pair_node_by_hand(n);
        break;
    default:
        break;
    }
    pair_arm(a->pair);
}

void agent_pair_frame(struct agent *a, const uint8_t *payload, size_t len)
{
    struct pair_message *m = malloc(sizeof *m);
    int err = m == NULL ? ERR_NOMEM : pair_message_decode(payload, len, m);
    if (err == 0)
        pair_node_message(&a->pair->node, m);
    else
        LOG(&a->log, WARNING, "frame-malformed",
            "frame could not be read from=%s kind=%s bytes=%zu error='%s'",
            a->cfg->nodes[a->pair->node.other].name, frame_kind_name(FRAME_RAFT), len,
            err_text(err));
    free(m);
    pair_arm(a->pair);
}

void agent_pair_peer(struct agent *a, bool up)
{
    pair_node_peer(&a->pair->node, up);
    pair_arm(a->pair);
}

/* A device that comes back may be another one of the same name. */
void agent_pair_link(struct agent *a, bool up)
{
    a->pair->link_up = up;
    if (up) {
        pair_close_sockets(a->pair);
        pair_open_sockets(a->pair);
    } else {
        pair_node_link(&a->pair->node, false);
    }
    pair_arm(a->pair);
}

/* ---- start and stop ---- */

static void pair_find_routers(struct agent_pair *p, struct vrrp_options *o)
{
    const struct cluster_config *c = p->agent->cfg;
    static const int families[] = {AF_INET, AF_INET6};
    for (unsigned f = 0; f < 2; f++) {
        unsigned i = 0;
        while (i < c->n_vips && c->vips[i].family != families[f])
            i++;
        if (i == c->n_vips)
            continue;
        struct pair_router *r = &p->routers[p->n_routers];
        r->agent = p->agent;
        r->index = p->n_routers++;
        r->family = families[f] == AF_INET ? VRRP_IPV4 : VRRP_IPV6;
        memcpy(r->device, c->vips[i].device, sizeof r->device);
        o->routers[r->index].version = (uint8_t)c->vrrp.version;
    }
    o->n_routers = p->n_routers;
}

static int pair_read(struct agent_pair *p, struct pair_state *ret_state, struct errmsg *m)
{
    size_t len = 0;
    int err = durable_read(p->path, p->bytes, sizeof p->bytes, &len, m);
    pair_state_init(ret_state);
    if (err == ERR_NOTFOUND)
        return 0;
    if (err != 0)
        return err;
    err = pair_state_decode(p->bytes, len, ret_state);
    if (err != 0)
        return errmsg_set(m, err,
                          "'%s' is damaged or of a newer program. If the other host's agent runs, "
                          "remove the file: its record is then taken from there. If not, nobody "
                          "knows what this server may lack",
                          p->path);
    return 0;
}

static int pair_start_arbitration(struct agent_pair *p, struct errmsg *m)
{
    const char *at = p->agent->cfg->vrrp.arbitration;
    struct arbitration_options o = {.loop = &p->agent->loop,
                                    .interval_ms = p->agent->cfg->vrrp.advert_interval_ms / 2,
                                    .now_us = agent_now_us,
                                    .on_answer = pair_on_answer,
                                    .data = p};
    if (o.interval_ms > PAIR_PING_MS_MAX)
        o.interval_ms = PAIR_PING_MS_MAX;
    while (*at != '\0' && o.n < ARBITRATION_MAX) {
        int n = (int)strcspn(at, " ");
        (void)snprintf(o.addresses[o.n++], ADDRESS_TEXT_MAX, "%.*s", n, at);
        at += n;
        at += *at == ' ';
    }
    return o.n == 0 ? 0 : arbitration_start(&o, m, &p->arbitration);
}

static int pair_prepare(struct agent_pair *p, struct pair_config *pc, struct pair_state *state,
                        struct errmsg *m)
{
    struct agent *a = p->agent;
    int err = agent_make_dir(a->node->state_dir, m);
    (void)snprintf(p->path, sizeof p->path, "%s/pair.state", a->node->state_dir);
    if (err == 0)
        err = pair_read(p, state, m);
    if (err != 0)
        return err;
    pc->cluster = a->cfg;
    pc->self = a->self;
    pc->log = a->log;
    pc->arbitrated = a->cfg->vrrp.arbitration[0] != '\0';
    pc->vrrp.priority = (uint8_t)a->node->priority;
    pc->vrrp.interval_cs = (uint16_t)(a->cfg->vrrp.advert_interval_ms / 10);
    pair_find_routers(p, &pc->vrrp);
    pc->callbacks = (struct pair_callbacks){.data = p,
                                            .now_us = pair_now_us,
                                            .store = pair_write,
                                            .advertise = pair_advertise,
                                            .announce = pair_announce,
                                            .send = pair_send,
                                            .on_elected = pair_on_elected,
                                            .on_deposed = pair_on_deposed,
                                            .on_leader = pair_on_leader,
                                            .on_lease = pair_on_lease,
                                            .on_apply = pair_on_apply,
                                            .on_restore = pair_on_restore,
                                            .on_proposal = pair_on_proposal,
                                            .on_transfer = pair_on_transfer,
                                            .on_trouble = pair_on_trouble};
    pair_node_init(&p->node, pc, state);
    return 0;
}

int agent_start_pair(struct agent *a, struct errmsg *m)
{
    const struct config_node *other;
    struct pair_config pc = {.self = a->self};
    struct pair_state *state = malloc(sizeof *state);
    struct agent_pair *p = calloc(1, sizeof *p);
    int err;
    if (state == NULL || p == NULL || a->node->role != CONFIG_ROLE_CANDIDATE) {
        err = errmsg_set(m, ERR_INVAL,
                         state == NULL || p == NULL
                             ? "out of memory"
                             : "with arbiter vrrp only the two candidates run an agent");
        free(state);
        free(p);
        return err;
    }
    p->agent = a;
    p->link_up = true;
    err = pair_prepare(p, &pc, state, m);
    free(state);
    if (err != 0) {
        free(p);
        return err;
    }
    a->pair = p;
    (void)uv_timer_init(&a->loop, &p->timer);
    p->timer.data = p;
    other = &a->cfg->nodes[p->node.other];
    err = greeting_init(&p->greeting, &a->loop, other->address, other->mysql.port,
                        a->cfg->policy.probe_timeout_ms);
    p->greeting_ready = err == 0;
    if (err == 0)
        err = pair_start_arbitration(p, m);
    if (err == 0)
        err = agent_remotes_start(a, m);
    if (err != 0)
        return err;
    pair_open_sockets(p);
    pair_node_start(&p->node);
    pair_arm(p);
    return 0;
}

void agent_pair_stop(struct agent *a)
{
    struct agent_pair *p = a->pair;
    if (p == NULL)
        return;
    pair_node_stop(&p->node);
    pair_close_sockets(p);
    arbitration_stop(p->arbitration, NULL, NULL);
    if (p->greeting_ready)
        greeting_close(&p->greeting, NULL, NULL);
    uv_close((uv_handle_t *)&p->timer, NULL);
}

void agent_pair_free(struct agent *a)
{
    free(a->pair);
}

void agent_pair_rejects(const struct agent *a, uint64_t ret_counts[VRRP_REJECT_COUNT])
{
    const struct agent_pair *p = a->pair;
    if (p == NULL || !p->opened)
        return;
    memset(ret_counts, 0, sizeof *ret_counts * VRRP_REJECT_COUNT);
    for (unsigned i = 0; i < p->n_routers; i++) {
        for (unsigned k = 0; k < VRRP_REJECT_COUNT; k++)
            ret_counts[k] += vrrp_socket_counters(p->routers[i].socket)->rejected[k];
    }
}
