/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ending.h"

#include <string.h>

#include "core/core.h"
#include "core/eligible.h"
#include "core/procs.h"
#include "core/sets.h"

#define ENDING_TIMEOUT_MS 10000
#define ENDING_RETRY_US 1000000

static bool ending_is_in_doubt(const struct core *core)
{
    const struct lead *l = &core->lead;
    return core->record.writer == core->self && core->ended_cleanly && !core->record.paused &&
           !core->health.process && core->health.state == HEALTH_DEAD && l->failed_count > 0;
}

/* What a shutdown releases is on no member for sure: each of them must have all of `set`, also one
 * that is not heard just now, for it could be promoted as well. */
static bool ending_is_on_members(const struct core *core, const char *set)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (i == core->self || !core_is_member(core, i))
            continue;
        if (r == NULL || !core_is_fresh(core, i) ||
            !incarnation_equal(&r->incarnation, &core->record.member[i]) ||
            !sets_cover(r->facts.flavour, sets_received(&r->facts), set))
            return false;
    }
    return true;
}

static void ending_ask(struct core *core, unsigned member)
{
    struct ending *e = &core->lead.ending;
    struct job j = lead_job(core, JOB_BEYOND);
    const char *received = sets_received(&core_report(core, member)->facts);
    if (received[0] == '\0' || !ending_is_on_members(core, received))
        return;
    memcpy(j.gtid, received, sizeof j.gtid);
    j.timeout_ms = ENDING_TIMEOUT_MS;
    e->ask = ask_send(core, core->self, &j);
}

static void ending_answered(struct core *core, unsigned member)
{
    const struct answer *a = ask_answer(core, core->lead.ending.ask);
    bool covered = a->result.outcome == JOB_DONE && a->result.count == 0;
    core_log(core, covered ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, "end-judged",
             "the binary log of the server that was shut down was read member=%s covered=%s "
             "beyond=%u why='%s'",
             core_name(core, member), covered ? "yes" : "no", a->result.count, a->result.detail);
    if (!covered)
        return;
    core->ended_cleanly = false;
    core->report_due = true;
}

void ending_run(struct core *core)
{
    struct ending *e = &core->lead.ending;
    unsigned member = eligible_target(core, ELIGIBLE_MEMBER);
    if (!ending_is_in_doubt(core) || member == NODE_NONE) {
        ask_drop(core, &e->ask);
        return;
    }
    if (e->ask != ASK_NONE && ask_is_over(core, e->ask)) {
        ending_answered(core, member);
        ask_drop(core, &e->ask);
    } else if (e->ask == ASK_NONE && core->now_us >= e->not_before_us) {
        /* What members have grows no more but by a report that is due; then at the starts' pace. */
        e->not_before_us = core->now_us + ENDING_RETRY_US;
        if (e->not_before_us < core->lead.restart_not_before_us)
            e->not_before_us = core->lead.restart_not_before_us;
        ending_ask(core, member);
    }
}
