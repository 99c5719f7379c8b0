/* SPDX-License-Identifier: Apache-2.0 */
/* The core and its arbiter, whichever of the two it is: what the arbiter tells, as events, and what
 * the core wants of it, as calls. */
#include <string.h>

#include "app/agent.h"
#include "app/agent_pair.h"
#include "app/agent_remote.h"

/* ---- to the core, and to those that stand for the servers without agents ---- */

static void agent_told_term(struct agent *a, enum event_kind kind, uint64_t term)
{
    struct agent_event *e = agent_event(a, kind);
    e->event.u.term = term;
    agent_post(a, e);
}

static void agent_tell(struct agent *a, struct agent_event *e)
{
    agent_remotes_tell(a, &e->event);
    agent_post(a, e);
}

void agent_told_elected(void *agent, uint64_t term)
{
    agent_told_term(agent, EVENT_ELECTED, term);
}

void agent_told_deposed(void *agent, uint64_t term)
{
    agent_told_term(agent, EVENT_DEPOSED, term);
}

void agent_told_leader(void *agent, uint64_t term, unsigned node)
{
    struct agent_event *e = agent_event(agent, EVENT_LEADER);
    e->event.u.leader.term = term;
    e->event.u.leader.node = node;
    agent_tell(agent, e);
}

void agent_told_lease(void *agent, int64_t until_us)
{
    struct agent_event *e = agent_event(agent, EVENT_LEASE);
    e->event.u.lease_until_us = until_us;
    agent_post(agent, e);
}

void agent_told_doubt(void *agent, bool doubt)
{
    struct agent_event *e = agent_event(agent, EVENT_DOUBT);
    e->event.u.doubt = doubt;
    agent_post(agent, e);
}

void agent_told_applied(void *agent, const struct entry *entry)
{
    struct agent_event *e = agent_event(agent, EVENT_APPLIED);
    e->event.u.entry = *entry;
    agent_tell(agent, e);
}

void agent_told_record(void *agent, const struct record *r)
{
    struct agent_event *e = agent_event(agent, EVENT_RESTORED);
    e->event.u.record = *r;
    agent_tell(agent, e);
}

void agent_told_proposal(void *agent, uint64_t id, int err)
{
    struct agent_event *e = agent_event(agent, EVENT_PROPOSAL);
    e->event.u.proposal.id = id;
    e->event.u.proposal.err = err;
    agent_post(agent, e);
}

void agent_told_transfer(struct agent *a, bool ok)
{
    struct agent_event *e = agent_event(a, EVENT_TRANSFER);
    e->event.u.transfer_ok = ok;
    agent_post(a, e);
}

/* ---- raft ---- */

static void agent_change(struct agent *a, const struct effect *e)
{
    struct agent_event *ev;
    int err = raft_node_is_changing(a->raft) ? ERR_STATE : 0;
    /* Its log is gone, and the quorum counts on it. */
    if ((enum membership_wanted)e->u.membership.wanted != MEMBERSHIP_NONE && e->to != a->self &&
        !agent_quorum_may_speak(a, e->to))
        err = ERR_EXISTS;
    if (err == 0) {
        raft_node_change(a->raft, e->u.membership.id, e->to,
                         (enum raft_membership)e->u.membership.wanted, MEMBERSHIP_TIMEOUT_US);
        return;
    }
    ev = agent_event(a, EVENT_CHANGE);
    ev->event.u.change.id = e->u.membership.id;
    ev->event.u.change.err = err;
    agent_post(a, ev);
}

static void agent_propose(struct agent *a, const struct effect *e)
{
    uint16_t format = entry_format(&e->u.proposal.entry);
    size_t len = 0;
    int err = entry_encode(&e->u.proposal.entry, a->wire, RAFT_NODE_ENTRY_MAX, &len);
    if (format > raft_node_entry_format(a->raft)) {
        agent_told_proposal(a, e->u.proposal.id, ERR_STATE);
        LOG(&a->log, WARNING, "entry-too-new",
            "an agent of the quorum is too old to apply an entry, which is not proposed; upgrade "
            "it kind=%s format=%u understood=%u",
            entry_kind_text(e->u.proposal.entry.kind), format, raft_node_entry_format(a->raft));
        return;
    }
    if (err != 0) {
        agent_told_proposal(a, e->u.proposal.id, ERR_STATE);
        LOG(&a->log, ERROR, "entry-too-large", "entry could not be encoded kind=%s error='%s'",
            entry_kind_text(e->u.proposal.entry.kind), err_text(err));
        return;
    }
    raft_node_propose(a->raft, e->u.proposal.id, format, a->wire, len);
}

static void agent_transfer(struct agent *a, unsigned to)
{
    struct errmsg m = ERRMSG_INIT;
    int err = raft_node_transfer_prepare(a->raft, to, &m);
    if (err == 0) {
        err = raft_node_transfer(a->raft, &m);
        if (err != 0 && raft_node_transfer_abort(a->raft) == 0)
            LOG(&a->log, NOTICE, "transfer-aborted", "transfer given up before the call to=%s",
                a->cfg->nodes[to].name);
    }
    if (err == 0)
        return;
    LOG(&a->log, WARNING, "transfer-refused", "transfer is not possible to=%s why='%s'",
        a->cfg->nodes[to].name, m.text);
    agent_told_transfer(a, false);
}

static void agent_raft_effect(struct agent *a, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_PROPOSE:
        agent_propose(a, e);
        return;
    case EFFECT_BARRIER:
        raft_node_barrier(a->raft, e->u.id);
        return;
    case EFFECT_TRANSFER:
        agent_transfer(a, e->to);
        return;
    case EFFECT_MEMBERSHIP:
        agent_change(a, e);
        return;
    case EFFECT_RANK:
        raft_node_set_rank(a->raft, e->u.rank < 0 ? ARBITER_RANK_NONE : (unsigned)e->u.rank);
        return;
    default:
        return;
    }
}

/* ---- either ---- */

bool agent_arbiter_effect(struct agent *a, const struct effect *e)
{
    if (e->kind != EFFECT_PROPOSE && e->kind != EFFECT_BARRIER && e->kind != EFFECT_TRANSFER &&
        e->kind != EFFECT_MEMBERSHIP && e->kind != EFFECT_RANK && e->kind != EFFECT_BY_HAND)
        return false;
    if (a->pair != NULL)
        agent_pair_effect(a, e);
    else
        agent_raft_effect(a, e);
    return true;
}

void agent_arbiter_frame(struct agent *a, unsigned from, const uint8_t *payload, size_t len)
{
    if (a->pair != NULL)
        agent_pair_frame(a, payload, len);
    else if (agent_quorum_may_speak(a, from))
        raft_node_receive(a->raft, from, payload, len);
}

void agent_arbiter_peer(struct agent *a, unsigned node, bool up)
{
    (void)node; /* a pair has one other agent */
    if (a->pair != NULL)
        agent_pair_peer(a, up);
}

void agent_arbiter_link(struct agent *a, bool up)
{
    if (a->pair != NULL)
        agent_pair_link(a, up);
}

void agent_arbiter_stop(struct agent *a)
{
    agent_pair_stop(a);
    agent_remotes_stop(a);
}
