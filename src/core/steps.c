/* SPDX-License-Identifier: Apache-2.0 */
#include "core/steps.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"

void proc_start(struct core *core, struct proc *p, const struct proc_kind *kind, unsigned from,
                unsigned to)
{
    memset(p, 0, sizeof *p);
    p->kind = kind;
    p->state = PROC_RUNNING;
    p->started_us = core->now_us;
    p->step_us = core->now_us;
    (void)snprintf(p->history.kind, sizeof p->history.kind, "%s", kind->name);
    p->history.term = core->term;
    p->history.wall_ms = core->wall_ms;
    p->history.from = (uint8_t)from;
    p->history.to = (uint8_t)to;
    core_log(core, LOG_LEVEL_NOTICE, "procedure-started", "%s started term=%llu from=%s to=%s",
             kind->name, (unsigned long long)core->term, core_name(core, from),
             core_name(core, to));
}

void proc_because(struct proc *p, const char *table, uint16_t rule, const char *facts)
{
    (void)snprintf(p->history.table, sizeof p->history.table, "%s", table);
    p->history.rule = rule;
    (void)snprintf(p->history.why, sizeof p->history.why, "%s", facts);
}

struct history_step *history_add(struct history *h, const char *name, unsigned node)
{
    struct history_step *s;
    if (h->n_steps == HISTORY_STEPS_MAX)
        return NULL;
    s = &h->steps[h->n_steps++];
    memset(s, 0, sizeof *s);
    s->node = (uint8_t)node;
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

void proc_mark(struct core *core, struct proc *p, const char *name, unsigned node, int64_t since_us)
{
    struct history_step *s = history_add(&p->history, name, node);
    if (s == NULL)
        return;
    s->at_us = history_us(since_us - p->started_us);
    s->took_us = history_us(core->now_us - since_us);
    (void)snprintf(s->note, sizeof s->note, "%s", p->note);
    core_log(core, LOG_LEVEL_INFO, "step", "%s: %s node=%s took_us=%u%s%s%s", p->kind->name, name,
             core_name(core, node), s->took_us, p->note[0] != '\0' ? " note='" : "", p->note,
             p->note[0] != '\0' ? "'" : "");
    p->note[0] = '\0';
}

static void proc_end(struct core *core, struct proc *p, enum proc_state state)
{
    p->state = state;
    p->history.took_us = history_us(core->now_us - p->started_us);
    (void)snprintf(p->history.outcome, sizeof p->history.outcome, "%s",
                   state == PROC_DONE ? "done" : p->reason);
    core_log(core, state == PROC_DONE ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
             state == PROC_DONE ? "procedure-done" : "procedure-failed",
             "%s ended outcome='%s' took_us=%u rule=%s/%u", p->kind->name, p->history.outcome,
             p->history.took_us, p->history.table, p->history.rule);
    if (state == PROC_DONE && p->kind->hold)
        lead_hold_tail(core, p);
    else
        core_push_history(core, &p->history);
}

static void proc_next(struct core *core, struct proc *p)
{
    proc_mark(core, p, p->kind->steps[p->step].name, core->self, p->step_us);
    p->step++;
    p->entered = false;
    p->step_us = core->now_us;
}

static enum step_verdict proc_step(struct core *core, struct proc *p)
{
    const struct step *s = &p->kind->steps[p->step];
    enum step_verdict v = s->run(core, p);
    p->entered = true;
    if (v == STEP_WAIT && s->limit_ms != 0 &&
        core->now_us - p->step_us > (int64_t)s->limit_ms * 1000)
        return proc_fail(p, "%s: not done within %u ms", s->name, s->limit_ms);
    return v;
}

enum proc_state proc_run(struct core *core, struct proc *p)
{
    while (p->state == PROC_RUNNING) {
        enum step_verdict v = proc_step(core, p);
        if (v == STEP_WAIT)
            return p->state;
        if (v == STEP_FAIL) {
            proc_mark(core, p, p->kind->steps[p->step].name, core->self, p->step_us);
            proc_end(core, p, PROC_FAILED);
            return p->state;
        }
        proc_next(core, p);
        if (p->step == p->kind->n_steps)
            proc_end(core, p, PROC_DONE);
    }
    return p->state;
}

void proc_abort(struct core *core, struct proc *p, const char *why)
{
    if (p->state != PROC_RUNNING)
        return;
    (void)snprintf(p->reason, sizeof p->reason, "aborted at %s: %s", p->kind->steps[p->step].name,
                   why);
    proc_end(core, p, PROC_FAILED);
}

bool proc_is_running(const struct proc *p)
{
    return p->state == PROC_RUNNING;
}

bool proc_first(struct proc *p)
{
    return !p->entered;
}

enum step_verdict proc_fail(struct proc *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(p->reason, sizeof p->reason, fmt, ap);
    va_end(ap);
    return STEP_FAIL;
}

void proc_note(struct proc *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(p->note, sizeof p->note, fmt, ap);
    va_end(ap);
}
