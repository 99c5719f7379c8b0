/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_pair.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "app/agent_remote.h"
#include "app/status_parts.h"
#include "arbiter/pair_node.h"
#include "io/store/durable.h"
#include "io/vrrp/arbitration.h"
#include "io/vrrp/greeting.h"
#include "io/vrrp/vrrp_socket.h"

#define PAIR_OPEN_EVERY_US 1000000 /* sockets that cannot be opened are tried again */
/* Between two tries of the other host's server; doubled with each time that it greets, for each is
 * an error of this host there (io/vrrp/greeting.h). */
#define PAIR_TRY_EVERY_US 300000
#define PAIR_TRY_EVERY_MAX_US 30000000
#define PAIR_PING_MS_MAX 1000

struct pair_router {
    struct agent *agent;
    unsigned index;
    unsigned vip; /* the first of its addresses */
    enum vrrp_family family;
    char device[VRRP_DEVICE_MAX];
    struct vrrp_socket *socket;
    struct vrrp_counters past; /* of sockets before this one */
};

struct agent_pair {
    struct pair_node node;
    struct agent *agent;
    uv_timer_t timer;
    unsigned n_routers;
    struct pair_router routers[VRRP_ROUTERS_MAX];
    bool link_up; /* as the kernel says */
    bool opened;  /* every router has its socket */
    bool told;    /* that one has none */
    bool has_macs;
    bool mac_told; /* that there is no device with the virtual router's MAC */
    int64_t opened_us;
    int64_t heard_us; /* the other host's last advertisement; 0: none */
    struct arbitration *arbitration;
    struct greeting greeting;
    bool greeting_ready;
    int64_t tried_us;
    int64_t try_every_us;
    char path[PATH_TEXT_MAX + 16];
    uint8_t bytes[PAIR_BYTES_MAX];
    struct pair_save {
        uv_work_t work;
        size_t len;
        uint8_t bytes[PAIR_BYTES_MAX];
        int err;
        struct errmsg msg;
    } save; /* of the pool's thread while the node waits for it */
};

static void pair_arm(struct agent_pair *p);

/* ---- what the node wants ---- */

static int64_t pair_now_us(void *data)
{
    (void)data;
    return agent_now_us();
}

/* On a thread of the pool: a sync may take seconds, and the advertisements go on. */
static void pair_write_now(uv_work_t *work)
{
    struct agent_pair *p = work->data;
    struct pair_save *s = &p->save;
    s->err = durable_write(p->path, s->bytes, s->len, &s->msg);
}

/* Never cancelled, so the status is 0. */
static void pair_written(uv_work_t *work, int status)
{
    struct agent_pair *p = work->data;
    (void)status;
    pair_node_stored(&p->node, p->save.err, p->save.msg.text);
    if (!uv_is_closing((uv_handle_t *)&p->timer))
        pair_arm(p);
}

static int pair_write(void *data, const struct pair_state *state, struct errmsg *m)
{
    struct agent *a = data;
    struct agent_pair *p = a->pair;
    struct pair_save *s = &p->save;
    int err = pair_state_encode(state, s->bytes, sizeof s->bytes, &s->len);
    if (err != 0)
        return err;
    s->msg = (struct errmsg)ERRMSG_INIT;
    s->work.data = p;
    if (uv_queue_work(&a->loop, &s->work, pair_write_now, pair_written) != 0)
        return errmsg_set(m, ERR_NOMEM, "no thread to write with");
    return PAIR_STORING;
}

static void pair_announce(void *data)
{
    struct agent_pair *p = ((struct agent *)data)->pair;
    for (unsigned i = 0; i < p->agent->cfg->n_vips && p->agent->core->vip_wanted; i++)
        (void)!net_announce(p->agent->net, i, NULL);
}

static void pair_send(void *data, const struct pair_message *m)
{
    struct agent *a = data;
    struct agent_pair *p = a->pair;
    size_t len = 0;
    int err = pair_message_encode(m, p->bytes, sizeof p->bytes, &len);
    if (err == 0 && a->peer != NULL)
        err = peer_send(a->peer, p->node.other, FRAME_RAFT, p->bytes, len);
    if (err != 0 && err != ERR_NET)
        LOG(&a->log, WARNING, "frame-dropped", "frame dropped to=%s kind=%s error='%s'",
            a->cfg->nodes[p->node.other].name, frame_kind_name(FRAME_RAFT), err_text(err));
}

static void pair_on_transfer(void *data)
{
    agent_told_transfer(data, false);
}

static void pair_on_trouble(void *data, const char *text)
{
    struct agent *a = data;
    (void)snprintf(a->arbiter_trouble, sizeof a->arbiter_trouble, "%.*s", TROUBLE_TEXT_MAX - 1,
                   text);
    agent_told_trouble(a);
}

/* ---- a MAC of its own ---- */

void agent_macvlan_name(const struct cluster_config *c, unsigned vip, char ret_name[NET_DEVICE_MAX])
{
    (void)snprintf(ret_name, NET_DEVICE_MAX, "vrrp%c.%u",
                   c->vips[vip].family == AF_INET6 ? '6' : '4', config_vip_router(c, vip) & 0xff);
}

/* All of them or none: the set of routers moves together. */
static int pair_macs(struct agent_pair *p, bool up, struct errmsg *m)
{
    int err = 0;
    for (unsigned i = 0; p->agent->cfg->vrrp.virtual_mac && i < p->n_routers; i++) {
        int one = up ? net_macvlan_up(p->agent->net, i, m) : net_macvlan_down(p->agent->net, i, m);
        err = err != 0 ? err : one;
    }
    return err;
}

static int pair_exits(struct agent_pair *p, bool up, struct errmsg *m)
{
    int err = 0;
    for (unsigned i = 0; i < p->n_routers && err == 0; i++) {
        const struct pair_router *r = &p->routers[i];
        char name[NET_DEVICE_MAX];
        agent_macvlan_name(p->agent->cfg, r->vip, name);
        if (r->socket != NULL)
            err = vrrp_socket_leave_by(r->socket, up ? name : NULL, m);
    }
    return err;
}

/* Without the device nothing can be said, and who is silent gets no lease: it is tried again with
 * the next advertisement. */
static void pair_take_macs(struct agent_pair *p)
{
    struct errmsg m = ERRMSG_INIT;
    int err = pair_macs(p, true, &m);
    if (err == 0)
        err = pair_exits(p, true, &m);
    p->has_macs = err == 0;
    if (err != 0 && !p->mac_told)
        LOG(&p->agent->log, ERROR, "vrrp-mac",
            "there is no device with the virtual router's MAC, nothing is advertised error='%s'",
            m.text);
    p->mac_told = err != 0;
}

static void pair_drop_macs(struct agent_pair *p)
{
    struct errmsg m = ERRMSG_INIT;
    int err = pair_exits(p, false, &m);
    p->has_macs = false;
    if (err == 0)
        err = pair_macs(p, false, &m);
    if (err != 0)
        LOG(&p->agent->log, ERROR, "vrrp-mac",
            "the device with the virtual router's MAC could not be removed error='%s'", m.text);
}

static int pair_advertise(void *data, unsigned router, uint8_t priority, struct errmsg *m)
{
    struct agent_pair *p = ((struct agent *)data)->pair;
    struct vrrp_socket *s = p->routers[router].socket;
    if (p->agent->cfg->vrrp.virtual_mac && !p->has_macs && priority != VRRP_PRIORITY_RELEASE)
        pair_take_macs(p);
    if (s == NULL)
        return errmsg_set(m, ERR_NET, "there is no socket for router %u", router);
    return vrrp_socket_send(s, priority, m);
}

static void pair_on_silent(void *data)
{
    struct agent_pair *p = ((struct agent *)data)->pair;
    if (p->agent->cfg->vrrp.virtual_mac)
        pair_drop_macs(p);
}

/* What an earlier run has left goes, and a parent that cannot carry such a device is told at once.
 */
static int pair_try_macs(struct agent_pair *p, struct errmsg *m)
{
    int err = pair_macs(p, true, m);
    int gone = pair_macs(p, false, err == 0 ? m : NULL);
    return err == ERR_NOTFOUND ? 0 : err != 0 ? err : gone;
}

/* ---- sockets ---- */

static void pair_on_packet(void *data, const struct vrrp_envelope *e, const struct vrrp_packet *k)
{
    struct pair_router *r = data;
    struct agent_pair *p = r->agent->pair;
    p->heard_us = agent_now_us();
    pair_node_advert(&p->node, r->index, k->priority, k->interval_cs, &e->source);
    pair_arm(p);
}

static bool pair_address(enum vrrp_family family, const char *text, struct vrrp_address *ret)
{
    memset(ret, 0, sizeof *ret);
    return inet_pton(family == VRRP_IPV6 ? AF_INET6 : AF_INET, text, ret->bytes) == 1;
}

/* Both nodes advertise there from the address that the cluster file gives them: it is of that
 * family and on that device (that of the first router). */
static bool pair_is_from_node(const struct agent *a, const struct pair_router *r)
{
    bool node = (a->node->family == AF_INET6) == (r->family == VRRP_IPV6);
    bool first = strcmp(r->device, a->cfg->vips[config_router(a->cfg, 0)].device) == 0;
    return node && first && (r->family == VRRP_IPV4 || a->cfg->vrrp.unicast);
}

/* The source of what is sent; else one of the device's addresses. IPv6 multicast wants the
 * link-local one (RFC 9568 5.1.2.1). */
static int pair_own(const struct agent *a, const struct pair_router *r,
                    struct vrrp_address *ret_own)
{
    if (pair_is_from_node(a, r))
        return pair_address(r->family, a->node->address, ret_own) ? 0 : ERR_INVAL;
    return vrrp_socket_find_own(r->device, r->family, ret_own);
}

static void pair_expect(const struct agent_pair *p, const struct pair_router *r,
                        struct vrrp_expect *x)
{
    const struct cluster_config *c = p->agent->cfg;
    x->family = r->family;
    x->version = (uint8_t)c->vrrp.version;
    x->vrid = (uint8_t)config_vip_router(c, r->vip);
    x->interval_cs = (uint16_t)(c->vrrp.advert_interval_ms / 10);
    x->auth_type = c->vrrp.password[0] != '\0' ? VRRP_AUTH_PASSWORD : VRRP_AUTH_NONE;
    memcpy(x->password, c->vrrp.password, sizeof x->password);
    if (c->vrrp.unicast && pair_address(r->family, c->nodes[p->node.other].address, &x->peers[0]))
        x->n_peers = 1;
    for (unsigned i = 0; i < c->n_vips; i++) {
        if (config_vips_share_router(c, i, r->vip) &&
            pair_address(r->family, c->vips[i].address, &x->addresses[x->n_addresses]))
            x->n_addresses++;
    }
}

static int pair_open_router(struct agent_pair *p, struct pair_router *r, struct errmsg *m)
{
    struct vrrp_socket_options o = {.loop = &p->agent->loop,
                                    .log = p->agent->log,
                                    .pseudo_header = p->agent->cfg->vrrp.pseudo_header,
                                    .own_mac = p->agent->cfg->vrrp.virtual_mac,
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
        struct pair_router *r = &p->routers[i];
        if (r->socket != NULL)
            vrrp_counters_add(&r->past, vrrp_socket_counters(r->socket));
        vrrp_socket_stop(r->socket, NULL, NULL);
        r->socket = NULL;
    }
    p->opened = p->has_macs = false;
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
    p->try_every_us = greeted ? 2 * p->try_every_us : PAIR_TRY_EVERY_US;
    if (p->try_every_us > PAIR_TRY_EVERY_MAX_US)
        p->try_every_us = PAIR_TRY_EVERY_MAX_US;
    pair_node_server(&p->node, greeted);
    pair_arm(p);
}

static void pair_try_server(struct agent_pair *p)
{
    if (!p->greeting_ready || !pair_node_wants_server(&p->node) ||
        agent_now_us() - p->tried_us < p->try_every_us)
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

static void pair_find_routers(struct agent_pair *p, struct pair_config *pc)
{
    struct vrrp_options *o = &pc->vrrp;
    const struct cluster_config *c = p->agent->cfg;
    const char *other = c->nodes[pair_other(c, p->agent->self)].address;
    unsigned vip;
    while (p->n_routers < VRRP_ROUTERS_MAX && (vip = config_router(c, p->n_routers)) != VIP_NONE) {
        struct pair_router *r = &p->routers[p->n_routers];
        r->agent = p->agent;
        r->index = p->n_routers++;
        r->vip = vip;
        r->family = c->vips[vip].family == AF_INET6 ? VRRP_IPV6 : VRRP_IPV4;
        memcpy(r->device, c->vips[vip].device, sizeof r->device);
        o->routers[r->index].version = (uint8_t)c->vrrp.version;
        if (pair_is_from_node(p->agent, r))
            (void)pair_address(r->family, other, &pc->other[r->index]);
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
    pair_find_routers(p, pc);
    pc->callbacks = (struct pair_callbacks){
        .data = a,
        .now_us = pair_now_us,
        .store = pair_write,
        .advertise = pair_advertise,
        .announce = pair_announce,
        .send = pair_send,
        .on_elected = agent_told_elected,
        .on_deposed = agent_told_deposed,
        .on_leader = agent_told_leader,
        .on_lease = agent_told_lease,
        .on_doubt = agent_told_doubt,
        .on_apply = agent_told_applied,
        .on_restore = agent_told_record,
        .on_proposal = agent_told_proposal,
        .on_transfer = pair_on_transfer,
        .on_trouble = pair_on_trouble,
        .on_silent = pair_on_silent,
    };
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
    p->try_every_us = PAIR_TRY_EVERY_US;
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
    if (err == 0)
        err = pair_try_macs(p, m);
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

/* ---- what operators see ---- */

/* Since the agent's start. */
static struct vrrp_counters pair_counters(const struct pair_router *r)
{
    struct vrrp_counters c = r->past;
    if (r->socket != NULL)
        vrrp_counters_add(&c, vrrp_socket_counters(r->socket));
    return c;
}

static json_t *pair_counters_json(const struct vrrp_counters *c)
{
    json_t *o = json_object(), *rejected = json_object();
    for (unsigned i = VRRP_REJECT_NONE + 1; i < VRRP_REJECT_COUNT; i++)
        json_put(rejected, vrrp_reject_id(i), json_integer((json_int_t)c->rejected[i]));
    json_put(o, "accepted", json_integer((json_int_t)c->accepted));
    json_put(o, "rejected", rejected);
    json_put(o, "receive_errors", json_integer((json_int_t)c->receive_errors));
    json_put(o, "sent", json_integer((json_int_t)c->sent));
    json_put(o, "send_errors", json_integer((json_int_t)c->send_errors));
    return o;
}

json_t *agent_pair_json(const struct agent *a)
{
    const struct agent_pair *p = a->pair;
    json_t *o, *routers;
    if (p == NULL)
        return json_null();
    o = json_object();
    routers = json_array();
    for (unsigned i = 0; i < p->n_routers; i++) {
        const struct pair_router *r = &p->routers[i];
        struct vrrp_counters c = pair_counters(r);
        json_t *one = pair_counters_json(&c);
        json_put(one, "family", json_text(r->family == VRRP_IPV6 ? "ipv6" : "ipv4"));
        json_put(one, "device", json_text(r->device));
        json_put(one, "router_id", json_integer(config_vip_router(a->cfg, r->vip)));
        json_put(one, "accept", json_boolean(a->cfg->vips[r->vip].accept));
        (void)json_array_append_new(routers, one);
    }
    json_put(o, "state", json_text(vrrp_state_text(p->node.vrrp.state)));
    json_put(o, "priority", json_integer(vrrp_priority(&p->node.vrrp)));
    json_put(o, "routers", routers);
    return o;
}

void agent_pair_stranger(const struct agent *a, char *ret_text, size_t size)
{
    const struct agent_pair *p = a->pair;
    ret_text[0] = '\0';
    if (p != NULL && p->heard_us != 0)
        status_pair_stranger(a->core, agent_now_us() - p->heard_us, ret_text, size);
}

void agent_pair_free(struct agent *a)
{
    free(a->pair);
}

void agent_pair_rejects(const struct agent *a, uint64_t ret_counts[VRRP_REJECT_COUNT])
{
    const struct agent_pair *p = a->pair;
    struct vrrp_counters sum = {.accepted = 0};
    for (unsigned i = 0; p != NULL && i < p->n_routers; i++) {
        struct vrrp_counters c = pair_counters(&p->routers[i]);
        vrrp_counters_add(&sum, &c);
    }
    memcpy(ret_counts, sum.rejected, sizeof sum.rejected);
}
