/* SPDX-License-Identifier: Apache-2.0 */
/* What an arbiter, whichever it is, tells its agent's core, as events; and what the world makes of
 * it. A dead agent hears nothing. */
#include <stdarg.h>
#include <stdio.h>

#include "sim/world_private.h"

static void tell_term(struct agent *a, enum event_kind kind, uint64_t term)
{
    struct event *ev = sim_event(kind);
    ev->u.term = term;
    sim_agent_post(a, ev);
}

void sim_told_elected(void *agent, uint64_t term)
{
    struct agent *a = agent;
    if (a->dead)
        return;
    sim_raft_see_elected(a, term);
    tell_term(a, EVENT_ELECTED, term);
}

void sim_told_deposed(void *agent, uint64_t term)
{
    struct agent *a = agent;
    if (a->dead)
        return;
    if (a->w->leader == a->self) {
        a->w->leader = NODE_NONE;
        sim_check_leader_lost(a->w, a->self);
    }
    tell_term(a, EVENT_DEPOSED, term);
}

void sim_told_leader(void *agent, uint64_t term, unsigned node)
{
    struct agent *a = agent;
    struct event *ev;
    if (a->dead)
        return;
    ev = sim_event(EVENT_LEADER);
    ev->u.leader.term = term;
    ev->u.leader.node = node;
    sim_agent_post(a, ev);
}

void sim_told_lease(void *agent, int64_t until_us)
{
    struct agent *a = agent;
    struct event *ev;
    if (a->dead)
        return;
    a->w->host[a->self].raft_lease_local_us = until_us;
    ev = sim_event(EVENT_LEASE);
    ev->u.lease_until_us = until_us;
    sim_agent_post(a, ev);
}

void sim_told_doubt(void *agent, bool doubt)
{
    struct agent *a = agent;
    struct event *ev;
    if (a->dead)
        return;
    ev = sim_event(EVENT_DOUBT);
    ev->u.doubt = doubt;
    sim_agent_post(a, ev);
}

void sim_told_proposal(void *agent, uint64_t id, int err)
{
    struct agent *a = agent;
    struct event *ev;
    if (a->dead)
        return;
    ev = sim_event(EVENT_PROPOSAL);
    ev->u.proposal.id = id;
    ev->u.proposal.err = err;
    sim_agent_post(a, ev);
}

void sim_told_transfer(struct agent *a, bool ok)
{
    struct event *ev;
    if (a->dead)
        return;
    ev = sim_event(EVENT_TRANSFER);
    ev->u.transfer_ok = ok;
    sim_agent_post(a, ev);
}

void sim_told_trouble(struct agent *a, const char *text)
{
    struct event *ev;
    if (a->dead)
        return;
    ev = sim_event(EVENT_TROUBLE);
    (void)snprintf(ev->u.trouble, sizeof ev->u.trouble, "%.*s", TROUBLE_TEXT_MAX - 1, text);
    sim_agent_post(a, ev);
}

void sim_told_log(void *agent, enum log_level level, const char *id, const char *fmt, ...)
{
    struct agent *a = agent;
    char text[STORY_TEXT_MAX];
    va_list ap;
    if (a->dead || level == LOG_LEVEL_DEBUG)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sim_story(a->w, "%s: %s %s", sim_name(a->w, a->self), id, text);
}
