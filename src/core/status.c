/* SPDX-License-Identifier: Apache-2.0 */
#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/eligible.h"
#include "util/version.h"

const char *core_phase_text(const struct core *core)
{
    static const char *const texts[LEAD_PHASE_COUNT] = {
        [LEAD_FOLLOW] = "follows", [LEAD_BARRIER] = "elected",       [LEAD_DECIDE] = "deciding",
        [LEAD_STEADY] = "writer",  [LEAD_HANDOVER] = "handing over", [LEAD_CARETAKER] = "caretaker",
    };
    if (core->lead.phase == LEAD_PROCEDURE)
        return core->lead.proc.kind != NULL ? core->lead.proc.kind->name : "procedure";
    return texts[core->lead.phase];
}

void status_fill_report(struct core *core, struct report *r)
{
    int64_t lease_us = core->lease_until_us - core->now_us;
    r->seq = ++core->report_seq;
    r->term = core->term;
    r->leader = (uint8_t)core->leader;
    r->epoch = core->record.epoch;
    r->version = core->record.version;
    r->config_digest = core->cfg->digest;
    (void)snprintf(r->agent_version, sizeof r->agent_version, "%s", tandem_version());
    r->health = (int)core->health.state;
    r->eligible = (int)eligible_self(core, r->ineligible_why);
    r->incarnation = core->incarnation;
    r->ended_cleanly = core->ended_cleanly;
    r->settled = core->is_leader && core->lead.barrier_done;
    r->open = core_may_write(core);
    r->lease_ms = core->is_leader && lease_us > 0 ? (uint32_t)(lease_us / 1000) : 0;
    r->endless = !core->lease_known || (core->record.paused && core->vip_wanted);
    r->vips = core->vips;
    r->link_up = core->link_up;
    r->reaches = core_reaches(core);
    (void)snprintf(r->phase, sizeof r->phase, "%s", core_phase_text(core));
    memcpy(r->trouble, core->trouble, sizeof r->trouble);
    memcpy(r->verdict, core->verdict, sizeof r->verdict);
    r->facts = core->facts;
    r->facts_age_ms =
        core->have_facts ? (uint32_t)((core->now_us - core->facts_us) / 1000) : UINT32_MAX;
    r->clone = core->clone;
    r->host = core->host;
    r->wall_ms = core->wall_ms;
    r->starts = core->starts;
    r->other_arbiters = core->other_arbiters;
}

static bool status_unsafe(char *text, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

static bool status_unsafe(char *text, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, size, fmt, ap);
    va_end(ap);
    return false;
}

static bool status_writer_is_open(const struct core *core)
{
    const struct report *w =
        core->record.writer == NODE_NONE ? NULL : core_report(core, core->record.writer);
    return w != NULL && core_is_fresh(core, core->record.writer) && w->open;
}

/* A member that would be promoted now: alive, same server, its agent reachable. */
static unsigned status_heir(const struct core *core)
{
    unsigned best = NODE_NONE;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (!core_is_member(core, i) || r == NULL || !core_is_fresh(core, i) ||
            r->eligible != ELIGIBLE_MEMBER)
            continue;
        if (best == NODE_NONE || core->cfg->nodes[i].priority > core->cfg->nodes[best].priority)
            best = i;
    }
    return best;
}

bool core_is_safe(const struct core *core, char *ret_text, size_t size)
{
    unsigned heir = status_heir(core);
    if (core->record.writer == NODE_NONE)
        return status_unsafe(ret_text, size, "no writer was ever promoted");
    if (core->record.paused)
        return status_unsafe(ret_text, size,
                             "the cluster is paused: a failure of %s would not be answered",
                             core_name(core, core->record.writer));
    if (!status_writer_is_open(core))
        return status_unsafe(ret_text, size, "no open writer; the last one is %s",
                             core_name(core, core->record.writer));
    if (heir == NODE_NONE)
        return status_unsafe(
            ret_text, size,
            "a failure of %s now would stop writes until it is back: no standby is in sync",
            core_name(core, core->record.writer));
    if (membership_voters_up(core) <=
        membership_majority(core) - (membership_is_voter(core, core->record.writer) ? 0u : 1u))
        return status_unsafe(ret_text, size,
                             "a failure of %s now would leave no majority of the voters",
                             core_name(core, core->record.writer));
    (void)snprintf(ret_text, size,
                   "a failure of %s now loses nothing: %s holds every acknowledged commit%s",
                   core_name(core, core->record.writer), core_name(core, heir),
                   config_is_pair(core->cfg) && core->cfg->vrrp.arbitration[0] == '\0'
                       ? "; if its whole host falls silent, that is taken over by hand only"
                       : "");
    return true;
}
