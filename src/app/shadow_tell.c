/* SPDX-License-Identifier: Apache-2.0 */
/* What the shadow says: each sentence with the rule behind it, once per loss of the writer. */
#include "app/shadow_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/procs.h"

const char *shadow_name(const struct shadow_world *w, unsigned node)
{
    return node < w->cfg->n_nodes ? w->cfg->nodes[node].name : "none";
}

/* FNV-1a. */
static uint64_t digest(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    return h;
}

static bool is_said(struct shadow_world *w, const char *text)
{
    uint64_t d = digest(text);
    for (unsigned i = 0; i < w->n_said; i++) {
        if (w->said[i] == d)
            return true;
    }
    if (w->n_said < SHADOW_SAID_MAX)
        w->said[w->n_said++] = d;
    return false;
}

void shadow_say(struct shadow_world *w, struct shadow_told *t, const char *id, const char *fmt, ...)
{
    va_list ap;
    t->id = id;
    va_start(ap, fmt);
    (void)vsnprintf(t->text, sizeof t->text, fmt, ap);
    va_end(ap);
    t->lost = w->lost;
    t->after_us = w->lost ? w->now_us - w->good_us : 0;
    w->tell(w->data, t);
}

static void because_rule(struct shadow_told *t, const char *table, uint16_t rule)
{
    t->table = table;
    t->rule = rule;
    for (unsigned i = 0; core_table_any(i) != NULL; i++) {
        const struct rule_table *candidate = core_table_any(i);
        const struct rule *r =
            strcmp(candidate->name, table) == 0 ? rules_find(candidate, rule) : NULL;
        if (r == NULL)
            continue;
        t->table = candidate->name;
        (void)snprintf(t->why, sizeof t->why, "%s", r->text);
    }
}

void shadow_because(const struct shadow_world *w, unsigned node, const struct job *job,
                    struct shadow_told *t)
{
    const struct core *own = w->nodes[node].core;
    const struct core *leader = w->leader == NODE_NONE ? NULL : w->nodes[w->leader].core;
    bool fence = job->kind == JOB_CLOSE || job->kind == JOB_KILL;
    if (leader != NULL && proc_is_running(&leader->lead.proc))
        because_rule(t, leader->lead.proc.history.table, leader->lead.proc.history.rule);
    else if (fence)
        because_rule(t, fence_table.name, own->verdict[VERDICT_FENCE].rule);
    else if (leader != NULL)
        (void)snprintf(t->why, sizeof t->why, "%s", leader->lead.repair[node].state);
}

void shadow_tell_job(struct shadow_world *w, unsigned node, const struct job *job)
{
    struct shadow_told t = {.level = LOG_LEVEL_NOTICE, .node = node};
    char text[SHADOW_TEXT_MAX];
    (void)shadow_job_text(job, shadow_name(w, node), text, sizeof text);
    if (is_said(w, text))
        return;
    shadow_because(w, node, job, &t);
    shadow_say(w, &t, "shadow-would", "%s", text);
}

void shadow_tell_transfer(struct shadow_world *w, unsigned from, unsigned to)
{
    struct shadow_told t = {.level = LOG_LEVEL_NOTICE, .node = to};
    const struct core *core = w->nodes[from].core;
    const struct history *h = &core->lead.proc.history;
    bool planned = core->lead.proc.kind == &resign_proc || core->lead.proc.kind == &switchover_proc;
    char key[SHADOW_TEXT_MAX];
    (void)snprintf(key, sizeof key, "transfer %u %u", from, to);
    if (is_said(w, key))
        return;
    if (planned && h->term == core->term)
        because_rule(&t, h->table, h->rule);
    else
        because_rule(&t, lead_table.name, core->verdict[VERDICT_LEAD].rule);
    shadow_say(w, &t, "shadow-hands-over", "would have handed the leadership from %s to %s",
               shadow_name(w, from), shadow_name(w, to));
}

void shadow_tell_promotion(struct shadow_world *w, unsigned node)
{
    struct shadow_told t = {.level = LOG_LEVEL_NOTICE, .node = node};
    const struct proc *p = &w->nodes[node].core->lead.proc;
    because_rule(&t, p->history.table, p->history.rule);
    shadow_say(w, &t, "shadow-promotes",
               "would have promoted %s, which holds every commit that was acknowledged",
               shadow_name(w, node));
}

void shadow_tell_open(struct shadow_world *w, unsigned node)
{
    struct shadow_told t = {.level = LOG_LEVEL_NOTICE, .node = node};
    const struct proc *p = &w->nodes[node].core->lead.proc;
    because_rule(&t, p->history.table, p->history.rule);
    w->choice = node;
    w->choice_us = w->now_us - w->good_us;
    shadow_say(w, &t, "shadow-writable",
               "%s would have been writable at the virtual address, %lld ms after %s %s",
               shadow_name(w, node), (long long)(w->choice_us / 1000), shadow_name(w, w->writer),
               "answered last");
    w->state = SHADOW_DECIDED;
}

/* Nobody is promoted: the rule that says why is worth a line. */
void shadow_tell_rule(struct shadow_world *w)
{
    struct shadow_told t = {.level = LOG_LEVEL_NOTICE, .node = w->leader};
    const struct core *core;
    enum verdict_table v;
    char key[64];
    if (!w->lost || w->leader == NODE_NONE || w->state != SHADOW_WATCHING)
        return;
    core = w->nodes[w->leader].core;
    v = core->lead.phase == LEAD_STEADY ? VERDICT_WRITER : VERDICT_LEAD;
    if (core->verdict[v].rule == 0 || (v == VERDICT_WRITER && core->verdict[v].rule == 160))
        return;
    (void)snprintf(key, sizeof key, "rule %d %u", (int)v, core->verdict[v].rule);
    if (is_said(w, key))
        return;
    because_rule(&t, core_table(v)->name, core->verdict[v].rule);
    shadow_say(w, &t, "shadow-waits", "would have gone by this rule, led by %s",
               shadow_name(w, w->leader));
}

static void names_of(const struct shadow_world *w, uint32_t mask, char *buf, size_t size)
{
    size_t at = 0;
    (void)snprintf(buf, size, "nobody");
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if ((mask & (1u << i)) != 0 && at < size)
            at += (size_t)snprintf(buf + at, size - at, "%s%s", at > 0 ? ", " : "",
                                   w->cfg->nodes[i].name);
    }
}

void shadow_tell_in_sync(struct shadow_world *w)
{
    struct shadow_told t = {.level = LOG_LEVEL_NOTICE, .node = w->writer};
    char names[128];
    if (w->lost || w->state != SHADOW_WATCHING || w->record->in_sync == w->told_in_sync)
        return;
    w->told_in_sync = w->record->in_sync;
    names_of(w, w->record->in_sync, names, sizeof names);
    if (w->record->in_sync != 0)
        shadow_say(w, &t, "shadow-in-sync", "in sync with %s: %s", shadow_name(w, w->writer),
                   names);
    else
        shadow_say(w, &t, "shadow-in-sync",
                   "in sync with %s: nobody, since no candidate's semi-sync acknowledges: a loss "
                   "of it now would be waited out, not taken over",
                   shadow_name(w, w->writer));
}

void shadow_tell_writer(struct shadow_world *w)
{
    struct shadow_told t = {.level = LOG_LEVEL_NOTICE, .node = w->writer};
    char names[128];
    names_of(w, w->record->in_sync, names, sizeof names);
    shadow_say(w, &t, "shadow-writer", "%s is the writer: it answers at %s; in sync: %s",
               shadow_name(w, w->writer), w->cfg->vips[config_client_vip(w->cfg)].address, names);
}
