/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every input changes a fact and then lets pair_run() draw the consequences, in a fixed order,
 * until none is left. An input that comes from within a callback only asks the running one to look
 * again.
 */
#include "arbiter/pair_node.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PAIR_HAND_US 30000000
#define PAIR_AGAIN_US 500000 /* a record that did not arrive is sent again */
#define PAIR_REACH_SHARE 2   /* an answer of an arbitration address counts for so many intervals */

static int64_t now_of(const struct pair_node *n)
{
    return n->cfg.callbacks.now_us(n->cfg.callbacks.data);
}

static const char *name_of(const struct pair_node *n, unsigned node)
{
    return node == NODE_NONE ? "none" : n->cfg.cluster->nodes[node].name;
}

void pair_state_init(struct pair_state *s)
{
    memset(s, 0, sizeof *s);
    record_init(&s->record);
}

void pair_node_init(struct pair_node *n, const struct pair_config *config,
                    const struct pair_state *state)
{
    memset(n, 0, sizeof *n);
    n->cfg = *config;
    n->cfg.vrrp.preempt = false;
    n->timing = pair_timing_of(config->cluster);
    n->other = pair_other(config->cluster, config->self);
    assert(n->other != NODE_NONE);
    n->strict = config->cluster->policy.durability == CONFIG_DURABILITY_STRICT;
    n->state = *state;
    n->term = state->term;
    n->rank = -1;
    n->link_up = true;
    n->told_leader = NODE_NONE;
    vrrp_init(&n->vrrp, &n->cfg.vrrp);
}

/* ---- facts ---- */

bool pair_is_reachable(const struct pair_node *n)
{
    int64_t limit_us = PAIR_REACH_SHARE * n->timing.advert_us;
    return n->arbitration_us != 0 && now_of(n) - n->arbitration_us <= limit_us;
}

static bool is_by_hand(const struct pair_node *n)
{
    return n->hand_us != 0 && now_of(n) < n->hand_us;
}

static uint32_t gather(const struct pair_node *n)
{
    uint32_t facts = 0;
    bool window = now_of(n) < pair_window_end(&n->timing, n->strict, n->echoed_us);
    facts |= n->vrrp.state == VRRP_MASTER ? PAIR_F_MASTER : 0;
    facts |= n->peer.in_touch ? PAIR_F_PEER_UP : 0;
    facts |= n->echoed_us >= n->master_us ? PAIR_F_CONFIRMED : 0;
    facts |= n->peer.in_touch && n->peer.leads ? PAIR_F_PEER_LEADS : 0;
    facts |= is_by_hand(n) ? PAIR_F_BY_HAND : 0;
    facts |= n->cfg.arbitrated ? PAIR_F_ARBITRATED : 0;
    facts |= pair_is_reachable(n) ? PAIR_F_REACHABLE : 0;
    facts |= n->state.record.writer == n->cfg.self ? PAIR_F_SELF_WRITER : 0;
    facts |= n->peer.asked ? PAIR_F_PEER_ASKED : 0;
    facts |= n->peer.asked && n->peer.serves ? PAIR_F_PEER_SERVES : 0;
    facts |= window ? PAIR_F_WINDOW : 0;
    facts |= n->state.record.in_sync == 0 ? PAIR_F_SOLE : 0;
    return facts;
}

static void judge(struct pair_node *n)
{
    n->rule = rules_decide(&pair_table, gather(n));
    n->verdict = (enum pair_verdict)n->rule->verdict;
}

bool pair_node_wants_server(const struct pair_node *n)
{
    return n->running && !n->peer.in_touch && !n->leading;
}

/* ---- disk ---- */

int pair_store(struct pair_node *n, const struct pair_state *next)
{
    struct errmsg m = ERRMSG_INIT;
    int err = n->cfg.callbacks.store(n->cfg.callbacks.data, next, &m);
    if (err != 0 && !n->disk_failed)
        LOG(&n->cfg.log, ERROR, "pair-disk", "the record cannot be written error='%s'", m.text);
    n->disk_failed = err != 0;
    if (err == 0)
        n->state = *next;
    return err;
}

static bool raise_term(struct pair_node *n, uint64_t term)
{
    struct pair_state next = n->state;
    if (term <= n->state.term)
        return true;
    next.term = term;
    return pair_store(n, &next) == 0;
}

/* ---- VRRP ---- */

static void depose(struct pair_node *n, const char *why);

static void fall_silent(struct pair_node *n)
{
    bool spoke = n->speaks;
    n->speaks = false;
    if (spoke && n->cfg.callbacks.on_silent != NULL)
        n->cfg.callbacks.on_silent(n->cfg.callbacks.data);
}

/* A Master that may not lead says nothing, and no goodbye either. */
static void advertise(struct pair_node *n, const struct vrrp_effect *e)
{
    bool says = n->leading || n->verdict == PAIR_LEAD;
    if (e->priority == VRRP_PRIORITY_RELEASE)
        says = n->advert_us != 0;
    n->speaks |= says;
    if (says && n->cfg.callbacks.advertise(n->cfg.callbacks.data, e->router, e->priority) == 0 &&
        e->priority != VRRP_PRIORITY_RELEASE)
        n->advert_us = now_of(n);
}

static void vrrp_changed(struct pair_node *n, const struct vrrp_effect *e)
{
    LOG(&n->cfg.log, NOTICE, "vrrp-state", "VRRP state changed from=%s to=%s cause='%s'",
        vrrp_state_text(e->from), vrrp_state_text(e->to), vrrp_cause_text(e->cause));
    if (e->to == VRRP_MASTER) {
        n->advert_us = 0;
        n->master_us = now_of(n);
        n->send_due = true;
    }
    judge(n);
}

static void vrrp_input(struct pair_node *n, struct vrrp_event ev)
{
    struct vrrp_effects fx;
    ev.now_us = now_of(n);
    vrrp_step(&n->vrrp, &ev, &fx);
    for (unsigned i = 0; i < fx.n; i++) {
        const struct vrrp_effect *e = &fx.list[i];
        switch (e->type) {
        case VRRP_EFFECT_CHANGED:
            vrrp_changed(n, e);
            break;
        case VRRP_EFFECT_RELEASE: /* before the goodbye is said */
            depose(n, vrrp_state_text(n->vrrp.state));
            break;
        case VRRP_EFFECT_SEND:
            advertise(n, e);
            break;
        case VRRP_EFFECT_ANNOUNCE:
            if (n->leading)
                n->cfg.callbacks.announce(n->cfg.callbacks.data);
            break;
        case VRRP_EFFECT_TAKE: /* the core takes the addresses when its server is open */
            break;
        }
    }
}

/* What becomes of a leader's role is the core's decision: it transfers. If neither node is fit, one
 * of the two leads as caretaker, starts servers and repairs. */
static bool is_ready(const struct pair_node *n)
{
    bool nobody = n->peer.in_touch && !n->peer.fit && !n->peer.leads;
    return n->rank >= 0 || n->leading || nobody;
}

static unsigned faults_of(const struct pair_node *n)
{
    unsigned faults = n->link_up ? 0 : VRRP_FAULT_LINK;
    bool alone = !n->peer.in_touch && !pair_is_reachable(n);
    if (n->disk_failed)
        faults |= VRRP_FAULT_HEALTH;
    if (is_by_hand(n) || (n->leading && n->hand_term))
        return faults;
    faults |= n->cfg.arbitrated && alone ? (unsigned)VRRP_FAULT_ISOLATED : 0u;
    faults |= is_ready(n) ? 0u : (unsigned)VRRP_FAULT_NOT_READY;
    return faults;
}

/* Who can only be started in place stands behind whoever else is there. */
static int weight_of(const struct pair_node *n)
{
    bool last = n->rank > (int)n->cfg.cluster->n_nodes;
    return last ? VRRP_PRIORITY_MIN - (int)n->cfg.vrrp.priority : 0;
}

static void feed_vrrp(struct pair_node *n)
{
    unsigned faults = faults_of(n);
    int weight = weight_of(n);
    if (weight != n->vrrp.weight)
        vrrp_input(n, (struct vrrp_event){.type = VRRP_EVENT_WEIGHT, .weight = weight});
    if (faults != n->vrrp.faults)
        vrrp_input(n, (struct vrrp_event){.type = VRRP_EVENT_FAULTS, .faults = faults});
    if (vrrp_deadline_us(&n->vrrp) != 0 && now_of(n) >= vrrp_deadline_us(&n->vrrp))
        vrrp_input(n, (struct vrrp_event){.type = VRRP_EVENT_TIMER});
}

static void step_back(struct pair_node *n)
{
    if (n->vrrp.state == VRRP_MASTER)
        vrrp_input(n, (struct vrrp_event){.type = VRRP_EVENT_RESIGN});
}

/* ---- leading ---- */

static void tell_lease(struct pair_node *n)
{
    int64_t now_us = now_of(n);
    int64_t proof_us = n->echoed_us > n->arbitration_us ? n->echoed_us : n->arbitration_us;
    int64_t end_us = 0;
    if (!n->cfg.arbitrated || n->hand_term)
        proof_us = INT64_MAX;
    if (n->leading && n->running && !n->disk_failed)
        end_us = pair_lease_end(&n->timing, n->advert_us, proof_us);
    end_us = end_us > now_us ? end_us : 0;
    if (end_us == n->told_lease_us || (end_us > n->told_lease_us && n->told_lease_us > now_us &&
                                       end_us - n->told_lease_us < n->timing.heartbeat_us / 4))
        return;
    n->told_lease_us = end_us;
    n->cfg.callbacks.on_lease(n->cfg.callbacks.data, end_us);
}

static void depose(struct pair_node *n, const char *why)
{
    if (!n->leading)
        return;
    n->leading = false;
    n->hand_term = false;
    tell_lease(n);
    LOG(&n->cfg.log, NOTICE, "pair-deposed", "does not lead any more term=%llu why='%s'",
        (unsigned long long)n->term, why);
    pair_open_cancel(n);
    n->cfg.callbacks.on_deposed(n->cfg.callbacks.data, n->term);
    n->send_due = true;
}

static void elect(struct pair_node *n)
{
    uint64_t term = pair_next_term(n->state.term, n->cfg.self > n->other);
    if (!raise_term(n, term))
        return;
    n->leading = true;
    n->term = term;
    n->hand_term = n->rule->need == PAIR_F_BY_HAND;
    n->send_due = true;
    LOG(&n->cfg.log, NOTICE, "pair-leads", "leads term=%llu rule=pair/%u why='%s'",
        (unsigned long long)term, n->rule->id, n->rule->text);
    n->cfg.callbacks.on_elected(n->cfg.callbacks.data, term);
}

static void keep_leading(struct pair_node *n)
{
    bool lapsed = n->told_lease_us != 0 && now_of(n) >= n->told_lease_us;
    judge(n);
    if (n->leading && n->state.term > n->term)
        depose(n, "a higher term was seen");
    /* The other one may have been promoted since: it leads only if it is elected anew. */
    if (n->leading && lapsed) {
        depose(n, "the lease has ended");
        step_back(n);
    }
    if (!n->leading && n->vrrp.state == VRRP_MASTER && n->peer.in_touch && n->peer.leads)
        step_back(n);
    judge(n);
    if (n->leading || n->verdict != PAIR_LEAD || n->disk_failed)
        return;
    elect(n);
    /* The first word of a Master that held its peace, and the start of its lease. */
    if (n->leading && n->advert_us == 0)
        for (unsigned i = 0; i < n->vrrp.options.n_routers; i++)
            advertise(n, &(struct vrrp_effect){.router = i, .priority = vrrp_priority(&n->vrrp)});
}

/* ---- what is told ---- */

static void tell_leader(struct pair_node *n)
{
    unsigned leader = n->leading ? n->cfg.self : NODE_NONE;
    uint64_t term = n->state.term;
    if (!n->leading && n->peer.in_touch && n->peer.leads && n->peer.leads_term == term)
        leader = n->other;
    if (leader == n->told_leader && term == n->told_term)
        return;
    n->told_leader = leader;
    n->told_term = term;
    n->cfg.callbacks.on_leader(n->cfg.callbacks.data, term, leader);
}

static void tell_trouble(struct pair_node *n)
{
    char text[DETAIL_TEXT_MAX] = "";
    if (n->disk_failed)
        (void)snprintf(text, sizeof text, "the record cannot be written to the disk");
    else if ((n->vrrp.faults & VRRP_FAULT_ISOLATED) != 0)
        (void)snprintf(text, sizeof text,
                       "neither %s nor an arbitration address answers: not the writer",
                       name_of(n, n->other));
    else if (n->verdict == PAIR_HOLD && !n->leading)
        (void)snprintf(text, sizeof text, "not taken over: %s", n->rule->text);
    if (n->verdict == PAIR_HOLD && !n->leading && n->told_rule != n->rule->id)
        LOG(&n->cfg.log, WARNING, "pair-holds", "the Master does not lead rule=pair/%u why='%s'",
            n->rule->id, n->rule->text);
    n->told_rule = n->verdict == PAIR_HOLD ? n->rule->id : 0;
    if (strcmp(text, n->told_trouble) == 0)
        return;
    memcpy(n->told_trouble, text, sizeof text);
    n->cfg.callbacks.on_trouble(n->cfg.callbacks.data, text);
}

static void tell_peer(struct pair_node *n)
{
    struct pair_message m;
    int64_t now_us = now_of(n);
    bool drafted = n->n_open > 0 && n->open[0].drafted;
    const struct pair_state *s = drafted ? &n->draft : &n->state;
    bool behind = !n->peer.known || pair_stamp_compare(&n->peer.stamp, &s->stamp) < 0;
    if (!n->peer.up || (!n->send_due && now_us - n->sent_us < n->timing.heartbeat_us))
        return;
    memset(&m, 0, sizeof m);
    m.term = n->state.term;
    m.leads = n->leading;
    m.leads_term = n->leading ? n->term : 0;
    m.fit = n->rank >= 0;
    m.stamp = s->stamp;
    m.nonce = n->nonce = now_us > n->nonce ? now_us : n->nonce + 1;
    m.echo = n->peer.nonce;
    m.asks = n->vrrp.state == VRRP_MASTER && n->echoed_us < n->master_us;
    m.has_record = behind && s->stamp.seq != 0 &&
                   (pair_stamp_compare(&n->sent_stamp, &s->stamp) != 0 ||
                    now_us - n->record_us > PAIR_AGAIN_US);
    if (m.has_record) {
        m.record = s->record;
        n->sent_stamp = s->stamp;
        n->record_us = now_us;
    }
    n->sent_us = now_us;
    n->send_due = false;
    n->cfg.callbacks.send(n->cfg.callbacks.data, &m);
}

/* ---- the run ---- */

static void keep_in_touch(struct pair_node *n)
{
    bool touch =
        n->peer.up && n->peer.known && now_of(n) - n->peer.heard_us <= n->timing.silence_us;
    if (touch == n->peer.in_touch)
        return;
    n->peer.in_touch = touch;
    n->peer.asked = n->peer.serves = false;
    if (!touch)
        n->peer.leads = false;
}

void pair_run(struct pair_node *n)
{
    n->again = true;
    if (n->busy || !n->running)
        return;
    n->busy = true;
    while (n->again && n->running) {
        n->again = false;
        keep_in_touch(n);
        feed_vrrp(n);
        keep_leading(n);
        tell_leader(n);
        tell_lease(n);
        tell_trouble(n);
        tell_peer(n);
        pair_open_run(n);
        if (n->send_due)
            tell_peer(n);
        if (n->vrrp.state != VRRP_MASTER || (!n->leading && n->verdict != PAIR_LEAD))
            fall_silent(n);
    }
    n->busy = false;
}

int64_t pair_node_deadline_us(const struct pair_node *n)
{
    int64_t beat_us = now_of(n) + n->timing.heartbeat_us;
    int64_t vrrp_us = vrrp_deadline_us(&n->vrrp);
    return vrrp_us != 0 && vrrp_us < beat_us ? vrrp_us : beat_us;
}

void pair_node_start(struct pair_node *n)
{
    n->running = true;
    n->peer.heard_us = now_of(n); /* the time before is not known */
    n->cfg.callbacks.on_restore(n->cfg.callbacks.data, &n->state.record);
    vrrp_input(n, (struct vrrp_event){.type = VRRP_EVENT_FAULTS, .faults = faults_of(n)});
    vrrp_input(n, (struct vrrp_event){.type = VRRP_EVENT_START});
    pair_run(n);
}

void pair_node_stop(struct pair_node *n)
{
    if (!n->running)
        return;
    vrrp_input(n, (struct vrrp_event){.type = VRRP_EVENT_STOP});
    tell_peer(n);
    fall_silent(n);
    n->running = false;
}

void pair_node_tick(struct pair_node *n)
{
    /* A write is tried again. */
    if (n->disk_failed)
        (void)pair_store(n, &n->state);
    pair_run(n);
}

/* ---- inputs ---- */

void pair_node_advert(struct pair_node *n, unsigned router, uint8_t priority, uint16_t interval_cs,
                      const struct vrrp_address *source)
{
    struct vrrp_event ev = {.type = VRRP_EVENT_ADVERT,
                            .router = router,
                            .priority = priority,
                            .interval_cs = interval_cs,
                            .source = *source};
    if (!n->running)
        return;
    /* One that was silent has told nobody that it is there. */
    if (!n->leading && priority != VRRP_PRIORITY_RELEASE)
        step_back(n);
    vrrp_input(n, ev);
    pair_run(n);
}

static void adopt(struct pair_node *n, const struct pair_message *m)
{
    struct pair_state next = n->state;
    if (!m->has_record || pair_stamp_compare(&m->stamp, &n->state.stamp) <= 0)
        return;
    depose(n, "the other node has the better record");
    next.record = m->record;
    next.stamp = m->stamp;
    if (pair_store(n, &next) != 0)
        return;
    LOG(&n->cfg.log, DEBUG, "pair-record",
        "record of the other node taken over epoch=%llu term=%llu version=%llu",
        (unsigned long long)m->stamp.epoch, (unsigned long long)m->stamp.term,
        (unsigned long long)next.record.version);
    n->cfg.callbacks.on_restore(n->cfg.callbacks.data, &n->state.record);
}

void pair_node_message(struct pair_node *n, const struct pair_message *m)
{
    struct pair_peer *p = &n->peer;
    if (!n->running || !raise_term(n, m->term))
        return;
    if (m->echo > n->echoed_us && m->echo <= n->nonce)
        n->echoed_us = m->echo;
    p->heard_us = now_of(n);
    p->leads = m->leads;
    p->leads_term = m->leads_term;
    p->fit = m->fit;
    adopt(n, m);
    p->stamp = m->stamp;
    p->known = true;
    if (m->nonce > p->nonce)
        p->nonce = m->nonce;
    n->send_due |= m->has_record || m->asks;
    pair_run(n);
}

void pair_node_peer(struct pair_node *n, bool up)
{
    int64_t heard_us = n->peer.heard_us;
    n->peer = (struct pair_peer){.up = up, .heard_us = heard_us};
    n->sent_stamp = (struct pair_stamp){0, 0, 0};
    n->send_due = up;
    pair_run(n);
}

void pair_node_arbitration(struct pair_node *n, int64_t asked_us)
{
    if (asked_us > n->arbitration_us)
        n->arbitration_us = asked_us;
    pair_run(n);
}

void pair_node_server(struct pair_node *n, bool answers)
{
    if (n->peer.in_touch)
        return;
    n->peer.asked = true;
    n->peer.serves = answers;
    pair_run(n);
}

void pair_node_link(struct pair_node *n, bool up)
{
    n->link_up = up;
    pair_run(n);
}

void pair_node_rank(struct pair_node *n, int rank)
{
    n->rank = rank;
    pair_run(n);
}

void pair_node_transfer(struct pair_node *n, unsigned to)
{
    if (!n->leading || to != n->other) {
        n->cfg.callbacks.on_transfer(n->cfg.callbacks.data);
        return;
    }
    depose(n, "handed over");
    tell_peer(n); /* it may lead as soon as it hears the goodbye */
    step_back(n);
    pair_run(n);
}

void pair_node_by_hand(struct pair_node *n)
{
    n->hand_us = now_of(n) + PAIR_HAND_US;
    pair_run(n);
}
