/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fence.h"

#include <string.h>

#include "core/core.h"

#define FENCE_CLOSE_MS 1000
#define FENCE_CLOSE_RETRY_US 500000

enum fence_fact {
    F_PAUSED = 1u << 0,
    F_PROCESS = 1u << 1,     /* a mysqld process is there */
    F_MAY_WRITE = 1u << 2,   /* opened in this term, leading, with a lease */
    F_WRITABLE = 1u << 3,    /* the server was last seen writable */
    F_OTHER_EPOCH = 1u << 4, /* another node was promoted after this one */
    F_ALONE = 1u << 5,       /* no member must acknowledge: a commit here could end */
    F_CLOSE_FAILED = 1u << 6,
    F_OVERDUE = 1u << 7, /* writable without permission for longer than fence_kill_after */
    F_UNKNOWN = 1u << 8, /* the agent has just started, its record may be of the past */
    F_CANDIDATE = 1u << 9,
    F_BUSY = 1u << 10, /* a close or kill is under way, or an undo, whose session alone may write */
    F_OPENING = 1u << 11,     /* this node leads and is opening its server just now */
    F_MUTE = 1u << 12,        /* it has taken connections for start_timeout and answered none */
    F_MAINTENANCE = 1u << 13, /* of this node: its server may be in the middle of an upgrade */
};

static const char *const fence_facts[] = {
    "paused",  "process", "may-write", "writable", "other-epoch", "alone", "close-failed",
    "overdue", "unknown", "candidate", "busy",     "opening",     "mute",  "maintenance",
};

static const char *const fence_verdicts[] = {"leave", "hold", "close", "kill"};

static const struct rule fence_rules[] = {
    {10, 0, F_PROCESS, FENCE_LEAVE, "mysqld is not running"},
    {20, F_PAUSED, F_OTHER_EPOCH, FENCE_LEAVE, "the cluster is paused: nothing is fenced"},
    {25, F_MUTE, F_BUSY | F_MAINTENANCE, FENCE_KILL,
     "it has not answered for start_timeout: it serves nobody, and may be writable"},
    {30, F_MAY_WRITE, 0, FENCE_LEAVE, "this node is the writer, with a lease"},
    {40, F_OPENING, 0, FENCE_LEAVE, "this node is about to open its server"},
    {50, 0, F_WRITABLE, FENCE_LEAVE, "the server is closed"},
    {60, F_BUSY, 0, FENCE_HOLD, "closing or killing is under way"},
    {70, F_UNKNOWN, F_OVERDUE, FENCE_HOLD,
     "the agent has just started: who the writer is will be known soon"},
    {80, F_OTHER_EPOCH | F_CANDIDATE, 0, FENCE_KILL,
     "writable, but another node was promoted since"},
    {90, F_ALONE | F_CLOSE_FAILED, 0, FENCE_KILL,
     "writable without a lease and nobody else must acknowledge"},
    {100, F_OVERDUE, 0, FENCE_KILL, "writable without a lease for longer than fence_kill_after"},
    {110, F_ALONE, 0, FENCE_CLOSE,
     "writable without a lease and nobody else must acknowledge: close it"},
    {120, F_OTHER_EPOCH, 0, FENCE_CLOSE, "a replica must not be writable"},
    {130, 0, 0, FENCE_HOLD,
     "writable without a lease: members in the in-sync set keep commits from ending"},
};

const struct rule_table fence_table = RULE_TABLE("fence", fence_rules, fence_facts, fence_verdicts);

bool fence_is_alone(const struct core *core)
{
    /* strict: the source side stays on with an empty set, so that no commit ends alone. */
    bool waits = core->facts.source_side && core->facts.wait_count > 0;
    return core->record.writer != core->self || core->record.in_sync == 0 || !waits;
}

/* With a member that can take over, a hung writer has handed over long before. */
static bool fence_is_mute(const struct core *core)
{
    int64_t limit_us = (int64_t)core->cfg->policy.start_timeout_ms * 1000;
    return core->health.state == HEALTH_HUNG &&
           health_is_mute(&core->health, limit_us, core->now_us);
}

static uint32_t fence_gather(const struct core *core)
{
    const struct fence *f = &core->fence;
    uint32_t facts = 0;
    bool writable = core->have_facts && !core->facts.read_only;
    facts |= core->record.paused ? F_PAUSED : 0;
    facts |= core->health.process || health_is_alive(core->health.state) ? F_PROCESS : 0;
    facts |= core_may_write(core) ? F_MAY_WRITE : 0;
    facts |= writable ? F_WRITABLE : 0;
    facts |=
        core->record.writer != NODE_NONE && core->record.writer != core->self ? F_OTHER_EPOCH : 0;
    facts |= fence_is_alone(core) ? F_ALONE : 0;
    facts |= f->close_failed ? F_CLOSE_FAILED : 0;
    facts |= f->open_since_us != 0 && core->now_us - f->open_since_us >
                                          (int64_t)core->cfg->policy.fence_kill_after_ms * 1000
                 ? F_OVERDUE
                 : 0;
    facts |= !core->confirmed ? F_UNKNOWN : 0;
    facts |= core->cfg->nodes[core->self].role == CONFIG_ROLE_CANDIDATE ? F_CANDIDATE : 0;
    facts |= local_is_running(core, JOB_CLOSE) || local_is_running(core, JOB_KILL) ||
                     local_is_running(core, JOB_UNDO)
                 ? F_BUSY
                 : 0;
    facts |= core->is_leader && core->record.writer == core->self && lead_is_opening(core)
                 ? F_OPENING
                 : 0;
    facts |= fence_is_mute(core) ? F_MUTE : 0;
    facts |= (core->record.flags[core->self] & NODE_MAINTENANCE) != 0 ? F_MAINTENANCE : 0;
    return facts;
}

static void fence_act(struct core *core, const struct rule *rule)
{
    struct job job;
    memset(&job, 0, sizeof job);
    if (rule->verdict == FENCE_CLOSE && core->now_us < core->fence.close_not_before_us)
        return;
    job.kind = rule->verdict == FENCE_KILL ? JOB_KILL : JOB_CLOSE;
    job.timeout_ms = FENCE_CLOSE_MS;
    /* What waits for a disk does not end before the disk answers: the next kill is not at once. */
    if (rule->verdict == FENCE_KILL)
        core->health.mute_us = 0;
    core->fence.close_not_before_us = core->now_us + FENCE_CLOSE_RETRY_US;
    core_log(core, LOG_LEVEL_WARNING, rule->verdict == FENCE_KILL ? "fence-kill" : "fence-close",
             "local server is fenced rule=fence/%u why='%s'", rule->id, rule->text);
    local_own_job(core, &job);
}

void fence_run(struct core *core)
{
    uint32_t facts = fence_gather(core);
    const struct rule *rule = rules_decide(&fence_table, facts);
    bool wrong = rule->verdict != FENCE_LEAVE;
    core->verdict[VERDICT_FENCE] = (struct verdict){rule->id, facts};
    if (!wrong) {
        core->fence.open_since_us = 0;
        core->fence.close_failed = false;
        return;
    }
    if (core->fence.open_since_us == 0)
        core->fence.open_since_us = core->now_us;
    if (rule->verdict == FENCE_CLOSE || rule->verdict == FENCE_KILL)
        fence_act(core, rule);
}

void fence_on_job(struct core *core, const struct local_task *task, const struct job_result *result)
{
    if (!task->own || task->request.job.kind != JOB_CLOSE)
        return;
    core->fence.close_failed = result->outcome != JOB_DONE;
}
