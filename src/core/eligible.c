/* SPDX-License-Identifier: Apache-2.0 */
#include "core/eligible.h"

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/sets.h"

static const char eligible_aside[] = "its commits waited for a member that it does not reach";

static enum eligibility eligible_no(char *ret_why, const char *why)
{
    (void)snprintf(ret_why, REASON_TEXT_MAX, "%s", why);
    return ELIGIBLE_NONE;
}

static bool eligible_is_candidate(const struct core *core, unsigned node)
{
    return core->cfg->nodes[node].role == CONFIG_ROLE_CANDIDATE;
}

/* Reasons that hold whatever the server says. */
static const char *eligible_barred(const struct core *core)
{
    uint32_t flags = core->record.flags[core->self];
    if (!eligible_is_candidate(core, core->self))
        return "not a candidate";
    if ((flags & NODE_MAINTENANCE) != 0)
        return "in maintenance";
    if ((flags & NODE_QUARANTINED) != 0)
        return "quarantined";
    if ((flags & NODE_RECLONE) != 0)
        return "its data is being replaced";
    if ((flags & NODE_NO_PROMOTE) != 0 || core->cfg->nodes[core->self].no_promote)
        return "not to be promoted";
    if (core->now_us < core->lead.failed_until_us)
        return "its last promotion failed, waiting before the next try";
    if (core->quitting)
        return "its agent is stopping";
    return NULL;
}

static enum eligibility eligible_member(const struct core *core, char *ret_why)
{
    if (!core_is_member(core, core->self))
        return eligible_no(ret_why, "not in the in-sync set");
    if (!incarnation_equal(&core->incarnation, &core->record.member[core->self]))
        return eligible_no(ret_why, "its mysqld was restarted since it was in sync");
    if (core->doubt)
        return eligible_no(ret_why, "the writer may have gone on without it");
    if (core->record.endless)
        return eligible_no(ret_why, "the writer's lease has no end, its agent must take it back");
    if (core->have_facts && core->facts.sql_errno != 0)
        return eligible_no(ret_why, "its SQL thread stopped with an error");
    if (core->have_facts && (core->facts.settings & SETTING_ANONYMOUS) != 0)
        return eligible_no(ret_why, "its transactions have no GTID");
    return ELIGIBLE_MEMBER;
}

enum eligibility eligible_self(const struct core *core, char *ret_why)
{
    const struct record *r = &core->record;
    const char *barred = eligible_barred(core);
    bool good = health_is_good(core->health.state) && core->have_facts;
    ret_why[0] = '\0';
    if (r->handover == core->self && r->handover_forced && good && !r->endless)
        return ELIGIBLE_FORCED;
    if (r->writer == core->self && core->doubt)
        return eligible_no(ret_why, "the other node may have been promoted meanwhile");
    if (r->writer == core->self && core->now_us < core->aside_until_us && !core->is_leader)
        return eligible_no(ret_why, eligible_aside);
    if (r->writer == core->self && !core->quitting &&
        ((r->flags[core->self] & NODE_MAINTENANCE) == 0 || health_is_alive(core->health.state))) {
        if (health_is_alive(core->health.state))
            return ELIGIBLE_WRITER;
        if (core->health.state == HEALTH_DEAD || core->health.state == HEALTH_STARTING)
            return ELIGIBLE_RESTART;
        return eligible_no(ret_why, "its mysqld does not answer");
    }
    if (barred != NULL)
        return eligible_no(ret_why, barred);
    if (!good)
        return eligible_no(ret_why, "its mysqld is not healthy");
    if (r->writer == NODE_NONE)
        return eligible_first(core, ret_why) ? ELIGIBLE_FIRST : ELIGIBLE_NONE;
    return eligible_member(core, ret_why);
}

static int eligible_order(const struct core *core)
{
    int order = 0;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if (i != core->self && eligible_is_candidate(core, i) &&
            core->cfg->nodes[i].priority > core->cfg->nodes[core->self].priority)
            order++;
    }
    return order;
}

int eligible_rank(const struct core *core, enum eligibility eligible)
{
    switch (eligible) {
    case ELIGIBLE_WRITER:
    case ELIGIBLE_FORCED:
        return 0;
    case ELIGIBLE_MEMBER:
    case ELIGIBLE_FIRST:
        return 1 + eligible_order(core);
    case ELIGIBLE_RESTART:
        return 1 + (int)core->cfg->n_nodes;
    default:
        return -1;
    }
}

const char *eligible_writer_refusal(const struct core *core, uint64_t epoch)
{
    if (core->record.writer != core->self)
        return "not the last writer";
    if (core->record.epoch != epoch)
        return "another epoch";
    if (core->record.handover != NODE_NONE)
        return "a handover is recorded";
    if (core->quitting)
        return "its agent is stopping";
    if ((core->record.flags[core->self] & NODE_MAINTENANCE) != 0)
        return "in maintenance";
    if (core->now_us < core->aside_until_us)
        return eligible_aside;
    if (!health_is_alive(core->health.state))
        return "its mysqld is not healthy";
    return NULL;
}

unsigned eligible_target(const struct core *core, enum eligibility least)
{
    unsigned best = NODE_NONE;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (i == core->self || r == NULL || !core_is_fresh(core, i) || r->term != core->term)
            continue;
        if (r->eligible < (int)least || !membership_is_voter(core, i) ||
            core->now_us < core->lead.transfer_not_before_us[i])
            continue;
        if (best == NODE_NONE || r->eligible > core_report(core, best)->eligible ||
            (r->eligible == core_report(core, best)->eligible &&
             core->cfg->nodes[i].priority > core->cfg->nodes[best].priority))
            best = i;
    }
    return best;
}

static bool eligible_first_no(char *ret_why, const char *what, const char *name)
{
    (void)snprintf(ret_why, REASON_TEXT_MAX, "%s %s", what, name);
    return false;
}

/* Another candidate is preferred if it holds all that this node holds and has the higher priority.
 */
static bool eligible_first_prefers(const struct core *core, unsigned other)
{
    const struct report *r = core_report(core, other);
    char extra[DETAIL_TEXT_MAX];
    uint32_t barred = NODE_MAINTENANCE | NODE_NO_PROMOTE;
    return eligible_is_candidate(core, other) &&
           core->cfg->nodes[other].priority > core->cfg->nodes[core->self].priority &&
           !core->cfg->nodes[other].no_promote && (core->record.flags[other] & barred) == 0 &&
           !sets_extra(&core->facts, &r->facts, extra, sizeof extra);
}

/* Somebody has its writer there (another stack; a pair that becomes a quorum): what it acknowledges
 * just now, its last report does not tell. It alone may be the first, until the fence has closed it
 * and its set is final. */
static bool eligible_is_open(const struct server_facts *f)
{
    return f->flavour != SERVER_FLAVOUR_UNKNOWN && !f->read_only;
}

bool eligible_first(const struct core *core, char *ret_why)
{
    char extra[DETAIL_TEXT_MAX];
    if ((core->facts.settings & SETTING_ANONYMOUS) != 0)
        return eligible_first_no(ret_why, "no writer yet, GTID is off on",
                                 core_name(core, core->self));
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (i == core->self || !config_node_has_mysql(core->cfg, i))
            continue;
        if (r == NULL || !core_is_fresh(core, i) || !health_is_good(r->health)) {
            if (eligible_is_candidate(core, i))
                return eligible_first_no(ret_why, "no writer yet, waiting for candidate",
                                         core_name(core, i));
            continue;
        }
        if (eligible_is_candidate(core, i) && (r->facts.settings & SETTING_ANONYMOUS) != 0)
            return eligible_first_no(ret_why, "no writer yet, GTID is off on", core_name(core, i));
        if (sets_extra(&r->facts, &core->facts, extra, sizeof extra))
            return eligible_first_no(ret_why, "no writer yet, more data is on", core_name(core, i));
        if (eligible_is_candidate(core, i) && eligible_is_open(&r->facts))
            return eligible_first_no(ret_why, "no writer yet, preferred is", core_name(core, i));
        if (!eligible_is_open(&core->facts) && eligible_first_prefers(core, i))
            return eligible_first_no(ret_why, "no writer yet, preferred is", core_name(core, i));
    }
    return true;
}
