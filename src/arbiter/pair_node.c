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
#define PAIR_HAND_TERMS 65536 /* more than the other node can have led unseen */
#define PAIR_REACH_SHARE 2    /* an answer of an arbitration address counts for so many intervals */

static int64_t now_of(const struct pair_node *n)
{
    return n->cfg.callbacks.now_us(n->cfg.callbacks.data);
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
    n->patience_us = pair_patience_us(config->cluster);
    n->state = *state;
    n->term = n->seen_term = state->term;
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

/* The other node has a better record than this one, and it has not arrived. */
static bool is_behind(const struct pair_node *n)
{
    return pair_stamp_compare(&n->seen_stamp, &n->state.stamp) > 0;
}

/* The least patience counts: the writer's own file says how long it waits, and of a change that is
 * being rolled out this node may have another one. */
static bool is_in_window(const struct pair_node *n)
{
    int64_t patience_us = n->patience_us;
    if (n->said_patience_us != 0 && n->said_patience_us < patience_us)
        patience_us = n->said_patience_us;
    return now_of(n) < pair_window_end(&n->timing, patience_us, n->echoed_us) && !is_behind(n);
}

/* A goodbye ends the lease, and whoever has said it does not become the Master again before three
 * intervals have passed. What this node did not hear while it was out of reach itself says nothing:
 * the other one may have lived, with an arbitration address's answers, until this one was back. */
static bool may_other_lease_last(const struct pair_node *n)
{
    int64_t now_us = now_of(n);
    int64_t since_us = n->peer.heard_us > n->back_us ? n->peer.heard_us : n->back_us;
    bool gone = n->goodbye_us != 0 && now_us - n->goodbye_us < 3 * n->timing.advert_us;
    return !gone && now_us < pair_other_lease_end(&n->timing, n->cfg.arbitrated, since_us);
}

static uint32_t gather(const struct pair_node *n)
{
    uint32_t facts = 0;
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
    facts |= is_in_window(n) ? PAIR_F_WINDOW : 0;
    facts |= n->state.record.in_sync == 0 ? PAIR_F_SOLE : 0;
    facts |= may_other_lease_last(n) ? PAIR_F_OTHER_LEASE : 0;
    return facts;
}

static void judge(struct pair_node *n)
{
    n->rule = rules_decide(&pair_table, gather(n));
    n->verdict = (enum pair_verdict)n->rule->verdict;
}

/* A try costs the other server a connection that is broken off: only for who is the Master, or is
 * about to be since an advertisement is missing. */
bool pair_node_wants_server(const struct pair_node *n)
{
    int64_t due_us = vrrp_deadline_us(&n->vrrp) - now_of(n);
    bool waits = n->vrrp.state == VRRP_BACKUP && due_us < 2 * n->timing.advert_us;
    return n->running && !n->peer.in_touch && !n->leading &&
           (n->vrrp.state == VRRP_MASTER || waits);
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

/* A Master that does not lead, or not yet, says nothing, and no goodbye either. */
static void advertise(struct pair_node *n, const struct vrrp_effect *e)
{
    bool says = n->leading;
    struct errmsg m = ERRMSG_INIT;
    int err;
    if (e->priority == VRRP_PRIORITY_RELEASE)
        says = n->advert_us != 0;
    n->speaks |= says;
    if (!says)
        return;
    err = n->cfg.callbacks.advertise(n->cfg.callbacks.data, e->router, e->priority, &m);
    if (e->priority == VRRP_PRIORITY_RELEASE)
        return;
    if (err == 0)
        n->advert_us = now_of(n);
    (void)snprintf(n->mute_text, sizeof n->mute_text, "%s",
                   err == 0            ? ""
                   : m.text[0] != '\0' ? m.text
                                       : err_text(err));
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

bool pair_is_mute(const struct pair_node *n)
{
    return n->mute_us != 0 && now_of(n) < n->mute_us;
}

static unsigned faults_of(const struct pair_node *n)
{
    unsigned faults = n->link_up ? 0 : VRRP_FAULT_LINK;
    bool alone = !n->peer.in_touch && !pair_is_reachable(n);
    if (n->disk_failed)
        faults |= VRRP_FAULT_HEALTH;
    if (pair_is_mute(n))
        faults |= VRRP_FAULT_MUTE;
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

static int64_t proof_of(const struct pair_node *n)
{
    return n->echoed_us > n->arbitration_us ? n->echoed_us : n->arbitration_us;
}

static void tell_lease(struct pair_node *n)
{
    int64_t now_us = now_of(n);
    int64_t proof_us = proof_of(n);
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
    n->hand_term = n->hand_doubt = false;
    n->peer.asked = n->peer.serves = false;
    tell_lease(n);
    LOG(&n->cfg.log, NOTICE, "pair-deposed", "does not lead any more term=%llu why='%s'",
        (unsigned long long)n->term, why);
    pair_open_cancel(n);
    n->cfg.callbacks.on_deposed(n->cfg.callbacks.data, n->term);
    n->send_due = true;
}

/* Whether the record may say too much of this node where an order stands in for a proof: a member
 * that the writer went on without; a last writer after whom a member may have been promoted. */
static bool is_doubtful(const struct pair_node *n)
{
    if (n->state.record.writer == n->cfg.self)
        return n->state.record.in_sync != 0 || is_behind(n);
    return !is_in_window(n);
}

/* What an operator promotes in doubt is to count from then on, whatever the other node comes back
 * with: its epoch, which is the term, has to be the later one. */
static void elect(struct pair_node *n)
{
    bool hand = n->rule->need == PAIR_F_BY_HAND;
    bool doubt = hand && is_doubtful(n);
    uint64_t seen = n->seen_term + (doubt ? PAIR_HAND_TERMS : 0);
    bool has_term = n->elect_term != 0 && n->elect_term == n->state.term &&
                    n->elect_term >= n->seen_term && n->elect_far >= doubt;
    if (!has_term && n->writes != PAIR_WRITE_NONE)
        return;
    if (!has_term) {
        n->elect_term = pair_next_term(seen, n->cfg.self > n->other);
        n->elect_far = doubt;
        if (!pair_raise_term(n, PAIR_WRITE_ELECT, n->elect_term))
            return;
    }
    n->leading = true;
    n->term = n->elect_term;
    n->elect_term = 0;
    n->elected_us = now_of(n);
    n->hand_term = hand;
    n->hand_doubt = doubt;
    n->send_due = true;
    LOG(&n->cfg.log, NOTICE, "pair-leads", "leads term=%llu rule=pair/%u why='%s'",
        (unsigned long long)n->term, n->rule->id, n->rule->text);
    n->cfg.callbacks.on_elected(n->cfg.callbacks.data, n->term);
}

/* The order stands in for a proof until there is one, not for the rest of the term. The records
 * have met when they are the same: of one that is not the better one a better one may come
 * (keep_dropped()). */
static void keep_order(struct pair_node *n)
{
    bool same = n->peer.known && pair_stamp_compare(&n->peer.stamp, &n->state.stamp) == 0;
    bool met = n->peer.in_touch && same && n->peer.heard_us > n->elected_us;
    n->hand_term &= proof_of(n) < n->elected_us;
    n->hand_doubt &= !met;
}

static void tell_doubt(struct pair_node *n)
{
    bool doubt = n->leading && (n->hand_doubt || is_behind(n));
    if (doubt == n->told_doubt)
        return;
    n->told_doubt = doubt;
    n->cfg.callbacks.on_doubt(n->cfg.callbacks.data, doubt);
}

/* Nobody hears of such a leader, and it has no lease; but it holds the other one off. */
static void keep_voice(struct pair_node *n)
{
    int64_t since_us = n->advert_us > n->elected_us ? n->advert_us : n->elected_us;
    if (!n->leading || n->mute_text[0] == '\0' || now_of(n) - since_us < 2 * n->timing.advert_us)
        return;
    LOG(&n->cfg.log, ERROR, "pair-mute", "the Master cannot advertise, it gives up error='%s'",
        n->mute_text);
    n->mute_us = now_of(n) + PAIR_MUTE_US;
    depose(n, "it cannot advertise");
    step_back(n);
}

static void keep_leading(struct pair_node *n)
{
    bool lapsed = n->told_lease_us != 0 && now_of(n) >= n->told_lease_us;
    keep_order(n);
    judge(n);
    if (n->leading && n->seen_term > n->term)
        depose(n, "a higher term was seen");
    /* The other one may have been promoted since: it leads only if it is elected anew. */
    if (n->leading && lapsed) {
        depose(n, "the lease has ended");
        step_back(n);
    }
    keep_voice(n);
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

/* ---- the run ---- */

static void keep_in_touch(struct pair_node *n)
{
    bool touch =
        n->peer.up && n->peer.known && now_of(n) - n->peer.heard_us <= n->timing.silence_us;
    if (touch == n->peer.in_touch)
        return;
    n->peer.in_touch = touch;
    if (!touch)
        n->peer.leads = false;
}

/* What its server once answered says nothing of the next time that it matters. */
static void keep_answer(struct pair_node *n)
{
    if (!n->leading && !pair_node_wants_server(n))
        n->peer.asked = n->peer.serves = false;
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
        pair_keep_disk(n);
        feed_vrrp(n);
        keep_leading(n);
        keep_answer(n);
        pair_tell_leader(n);
        tell_doubt(n);
        tell_lease(n);
        pair_tell_trouble(n);
        pair_tell_peer(n);
        pair_open_run(n);
        if (n->send_due)
            pair_tell_peer(n);
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
    n->peer.heard_us = n->heard_advert_us = now_of(n); /* the time before is not known */
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
    pair_tell_peer(n);
    fall_silent(n);
    n->running = false;
}

void pair_node_tick(struct pair_node *n)
{
    /* A write is tried again. */
    if (n->disk_failed && n->writes == PAIR_WRITE_NONE)
        (void)pair_store(n, PAIR_WRITE_TERM, &n->state);
    pair_run(n);
}

/* ---- inputs ---- */

static bool is_stranger(const struct pair_node *n, unsigned router,
                        const struct vrrp_address *source)
{
    static const struct vrrp_address anybody;
    const struct vrrp_address *other = &n->cfg.other[router];
    return memcmp(other, &anybody, sizeof anybody) != 0 && vrrp_address_compare(other, source) != 0;
}

static void heard_stranger(struct pair_node *n, unsigned router, uint8_t priority,
                           const struct vrrp_address *source)
{
    if (n->stranger_us == 0 || vrrp_address_compare(&n->stranger, source) != 0)
        LOG(&n->cfg.log, WARNING, "pair-stranger",
            "a host that is neither of the two nodes advertises priority=%u", priority);
    n->stranger_us = now_of(n);
    n->stranger = *source;
    n->stranger_router = router;
    n->stranger_priority = priority;
}

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
    if (is_stranger(n, router, source)) {
        heard_stranger(n, router, priority, source);
        if (n->peer.in_touch) {
            pair_run(n);
            return;
        }
    } else {
        n->heard_advert_us = now_of(n);
        if (priority == VRRP_PRIORITY_RELEASE)
            n->goodbye_us = now_of(n);
    }
    /* One that was silent has told nobody that it is there. */
    if (!n->leading && priority != VRRP_PRIORITY_RELEASE)
        step_back(n);
    vrrp_input(n, ev);
    pair_run(n);
}

/* Whom its writer has dropped stays dropped: while that was alone it may have acknowledged what the
 * other one lacks, and who led there meanwhile did not know of it. The record that comes of it is
 * of a term that nobody else has. */
static void keep_dropped(struct pair_node *n, struct pair_state *next)
{
    struct entry e = {.kind = ENTRY_SHRINK, .version = next->record.version};
    e.mask = next->record.in_sync & ~n->state.record.in_sync;
    if (next->stamp.epoch != n->state.stamp.epoch || n->state.record.writer != n->cfg.self ||
        e.mask == 0 || record_apply(&next->record, &e) != 0)
        return;
    next->term = pair_next_term(next->term, n->cfg.self > n->other);
    next->stamp.term = next->term;
    next->stamp.seq++;
    LOG(&n->cfg.log, WARNING, "pair-dropped",
        "the better record of the other node counts members that this writer had dropped; they "
        "stay dropped mask=%x",
        e.mask);
}

static void adopt(struct pair_node *n, const struct pair_message *m)
{
    if (!m->has_record || pair_stamp_compare(&m->stamp, &n->state.stamp) <= 0)
        return;
    depose(n, "the other node has the better record");
    if (n->writes != PAIR_WRITE_NONE) {
        pair_hold(n, m);
        return;
    }
    n->next = n->state;
    n->next.record = m->record;
    n->next.stamp = m->stamp;
    keep_dropped(n, &n->next);
    LOG(&n->cfg.log, DEBUG, "pair-record",
        "record of the other node is taken over epoch=%llu term=%llu version=%llu",
        (unsigned long long)m->stamp.epoch, (unsigned long long)m->stamp.term,
        (unsigned long long)n->next.record.version);
    (void)pair_store(n, PAIR_WRITE_ADOPT, &n->next);
}

void pair_node_message(struct pair_node *n, const struct pair_message *m)
{
    struct pair_peer *p = &n->peer;
    if (!n->running)
        return;
    p->waits =
        m->leads && (m->term > n->state.term || pair_stamp_compare(&m->stamp, &n->state.stamp) > 0);
    if (m->term > n->seen_term)
        n->seen_term = m->term;
    if (!pair_raise_term(n, PAIR_WRITE_TERM, m->term)) {
        pair_hold(n, m);
        pair_run(n);
        return;
    }
    if (m->echo > n->echoed_us && m->echo <= n->nonce)
        n->echoed_us = m->echo;
    if (m->patience_us != 0)
        n->said_patience_us = m->patience_us;
    p->heard_us = now_of(n);
    if (m->leads && !p->leads)
        n->heard_advert_us = now_of(n);
    p->leads = m->leads;
    p->leads_term = m->leads_term;
    p->fit = m->fit;
    if (pair_stamp_compare(&m->stamp, &n->seen_stamp) > 0)
        n->seen_stamp = m->stamp;
    adopt(n, m);
    p->stamp = m->stamp;
    p->known = true;
    if (m->nonce > p->nonce)
        p->nonce = m->nonce;
    n->send_due |= m->has_record || m->asks;
    pair_run(n);
}

/* One that was held for its record alone has been counted, and newer ones since. */
void pair_held(struct pair_node *n, const struct pair_message *m)
{
    if (m->nonce > n->peer.nonce) {
        pair_node_message(n, m);
        return;
    }
    adopt(n, m);
    pair_run(n);
}

void pair_node_peer(struct pair_node *n, bool up)
{
    int64_t heard_us = n->peer.heard_us;
    n->holds = false; /* its numbers are of another life of the other agent, perhaps */
    n->peer = (struct pair_peer){.up = up, .heard_us = heard_us};
    n->sent_stamp = (struct pair_stamp){0, 0, 0};
    n->send_due = up;
    pair_run(n);
}

void pair_node_arbitration(struct pair_node *n, int64_t asked_us)
{
    if (asked_us - n->arbitration_us > n->timing.gap_us)
        n->back_us = asked_us;
    if (asked_us > n->arbitration_us)
        n->arbitration_us = asked_us;
    pair_run(n);
}

void pair_node_server(struct pair_node *n, bool answers)
{
    if (!pair_node_wants_server(n))
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
    pair_tell_peer(n); /* it may lead as soon as it hears the goodbye */
    step_back(n);
    pair_run(n);
}

void pair_node_by_hand(struct pair_node *n)
{
    n->hand_us = now_of(n) + PAIR_HAND_US;
    pair_run(n);
}
