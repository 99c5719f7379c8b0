/* SPDX-License-Identifier: Apache-2.0 */
#include "core/slow.h"

#include <string.h>

#include "core/core.h"
#include "core/sets.h"

#define SLOW_REST_MAX_US 60000000
#define SLOW_FORGET_TIMES 10
#define SLOW_OFTEN 500 /* of 1000 looks */
#define SLOW_SELDOM 250
#define SLOW_LOOKS 4 /* the newest counts for one of so many */

static int64_t slow_limit_us(const struct core *core)
{
    return (int64_t)core->cfg->policy.slow_ack_ms * 1000;
}

static int64_t slow_after_us(const struct core *core)
{
    return (int64_t)core->cfg->policy.slow_after_ms * 1000;
}

void slow_on_beat(struct core *core, int64_t took_us)
{
    core->lead.slow.beat_us = took_us;
    core->lead.slow.beat_ended = true;
}

/* ---- do commits wait ---- */

static int64_t slow_beat_us(const struct core *core)
{
    const struct lead *l = &core->lead;
    int64_t open_us = l->beat == ASK_NONE ? 0 : core->now_us - core->asks.list[l->beat].sent_us;
    return open_us > l->slow.beat_us ? open_us : l->slow.beat_us;
}

static void slow_watch_waits(struct core *core)
{
    struct slow *s = &core->lead.slow;
    int64_t beat_us = slow_beat_us(core);
    if (core->facts_us != s->looked_us) {
        unsigned look = core->facts.wait_sessions > 0 ? 1000 : 0;
        s->waiting = (s->waiting * (SLOW_LOOKS - 1) + look) / SLOW_LOOKS;
        s->looked_us = core->facts_us;
    }
    s->waits = s->waits ? beat_us > slow_limit_us(core) / 2 && s->waiting > SLOW_SELDOM
                        : beat_us > slow_limit_us(core) && s->waiting > SLOW_OFTEN;
}

/* ---- who is behind ---- */

/* Its word of what it has received is about this writer's history. */
static bool slow_is_judged(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    return node != core->self && core->cfg->nodes[node].role == CONFIG_ROLE_CANDIDATE &&
           r != NULL && core_is_fresh(core, node) && r->facts.flavour == core->facts.flavour &&
           r->facts.io == THREAD_RUNNING &&
           strcmp(r->facts.source_host, core->cfg->nodes[core->self].address) == 0;
}

static void slow_is_not_calm(struct slow *s, unsigned node)
{
    s->calm &= ~(1u << node);
    s->calm_us[node] = 0;
}

static void slow_on_reached(struct core *core, unsigned node)
{
    struct slow *s = &core->lead.slow;
    s->reached |= 1u << node;
    if (core->now_us - s->mark_us > slow_limit_us(core) / 2)
        return;
    s->behind &= ~(1u << node);
    s->starved &= ~(1u << node);
    s->calm |= 1u << node;
}

static void slow_on_missed(struct core *core, unsigned node)
{
    struct slow *s = &core->lead.slow;
    const struct server_facts *f = &core_report(core, node)->facts;
    s->behind |= 1u << node;
    s->starved &= ~(1u << node);
    if (!sets_cover(f->flavour, sets_received(f), s->mark))
        s->starved |= 1u << node;
    slow_is_not_calm(s, node);
}

/* The most that any of them has received: MySQL's writer does not count what waits. A set too large
 * to be compared says nothing about anybody. */
static void slow_take_mark(struct core *core)
{
    struct slow *s = &core->lead.slow;
    const char *best = sets_received(&core->facts);
    bool usable = core->have_facts && sets_cover(core->facts.flavour, best, best);
    s->mark_us = usable ? core->now_us : 0;
    s->taken_us = core->facts_us;
    s->reached = 0;
    for (unsigned i = 0; i < core->cfg->n_nodes && usable; i++) {
        const struct report *r = core_report(core, i);
        if (slow_is_judged(core, i) &&
            sets_cover(core->facts.flavour, sets_received(&r->facts), best))
            best = sets_received(&r->facts);
    }
    if (usable)
        memcpy(s->mark, best, sizeof s->mark);
}

static void slow_watch_mark(struct core *core)
{
    struct slow *s = &core->lead.slow;
    bool over = s->mark_us == 0 || core->now_us - s->mark_us > slow_limit_us(core);
    bool all = true;
    for (unsigned i = 0; i < core->cfg->n_nodes && s->mark_us != 0; i++) {
        uint32_t bit = 1u << i;
        if (!slow_is_judged(core, i) || (s->reached & bit) != 0)
            continue;
        if (core->view[i].at_us != s->seen_us[i] &&
            sets_cover(core->facts.flavour, core_report(core, i)->facts.executed, s->mark))
            slow_on_reached(core, i);
        else if (over)
            slow_on_missed(core, i);
        s->seen_us[i] = core->view[i].at_us;
        all = all && (s->reached & bit) != 0;
    }
    if ((over || all) && core->facts_us != s->taken_us)
        slow_take_mark(core);
}

/* ---- together ---- */

static int64_t slow_rest_us(const struct core *core, unsigned node)
{
    int64_t rest_us = slow_after_us(core);
    for (unsigned i = 1; i < core->lead.slow.drops[node] && rest_us < SLOW_REST_MAX_US; i++)
        rest_us = rest_us * 2 < SLOW_REST_MAX_US ? rest_us * 2 : SLOW_REST_MAX_US;
    return rest_us;
}

static int64_t slow_within(int64_t us, int64_t max_us)
{
    return us < 0 ? 0 : us > max_us ? max_us : us;
}

/* When it is known to be slow it has been for slow_ack. */
static int64_t slow_enough_us(const struct core *core)
{
    return slow_limit_us(core) + slow_after_us(core);
}

static void slow_count(struct core *core, unsigned node, bool slow, int64_t step_us)
{
    struct slow *s = &core->lead.slow;
    bool known = !s->waits && (s->beat_ended || core->lead.beat == ASK_NONE);
    int64_t open_us = s->open_us[node] + step_us;
    int64_t us = s->slow_us[node];
    if (slow)
        us += (s->slow & (1u << node)) != 0 ? step_us : slow_limit_us(core);
    else if (known)
        us -= open_us;
    s->open_us[node] = slow || known ? 0 : open_us;
    s->slow_us[node] = slow_within(us, slow_enough_us(core));
    s->slow = slow ? s->slow | 1u << node : s->slow & ~(1u << node);
}

static void slow_count_calm(struct core *core, unsigned node, int64_t step_us)
{
    struct slow *s = &core->lead.slow;
    if (slow_is_judged(core, node)) {
        s->silent_us[node] = 0;
        s->calm_us[node] += (s->calm & (1u << node)) != 0 ? step_us : 0;
        return;
    }
    s->silent_us[node] += step_us;
    if (s->silent_us[node] > slow_limit_us(core))
        slow_is_not_calm(s, node);
}

static void slow_watch_node(struct core *core, unsigned node, int64_t step_us)
{
    struct slow *s = &core->lead.slow;
    bool member = core_is_member(core, node);
    bool alone = core->record.in_sync == 1u << node;
    bool slow = member && s->waits && (alone || (s->behind & (1u << node)) != 0);
    slow_count(core, node, slow, step_us);
    slow_count_calm(core, node, step_us);
    if (!member)
        s->slow_us[node] = 0;
    if (member && !slow && s->drops[node] > 0 && core->lead.member_since_us[node] != 0 &&
        core->now_us - core->lead.member_since_us[node] >
            SLOW_FORGET_TIMES * slow_rest_us(core, node))
        s->drops[node] = 0;
}

void slow_forget(struct slow *s)
{
    s->mark_us = s->beat_us = s->stepped_us = 0;
    s->reached = s->behind = s->starved = s->leaving = s->calm = s->slow = 0;
    s->waits = s->beat_ended = false;
    s->waiting = 0;
    memset(s->slow_us, 0, sizeof s->slow_us);
    memset(s->open_us, 0, sizeof s->open_us);
    memset(s->calm_us, 0, sizeof s->calm_us);
    memset(s->silent_us, 0, sizeof s->silent_us);
}

/* Since the last look. Of a longer time, in which the agent itself stood still say, nobody knows
 * what the members were like. */
static int64_t slow_step_us(struct core *core)
{
    struct slow *s = &core->lead.slow;
    int64_t step_us = s->stepped_us == 0 ? 0 : core->now_us - s->stepped_us;
    s->stepped_us = core->now_us;
    return step_us > slow_limit_us(core) ? 0 : step_us;
}

void slow_watch(struct core *core)
{
    int64_t step_us;
    if (slow_after_us(core) == 0 || !core_may_write(core)) {
        slow_forget(&core->lead.slow);
        return;
    }
    step_us = slow_step_us(core);
    slow_watch_waits(core);
    slow_watch_mark(core);
    for (unsigned i = 0; i < core->cfg->n_nodes; i++)
        slow_watch_node(core, i, step_us);
    core->lead.slow.beat_ended = false;
}

/* Who has not even received it is surely waited for; a standby whose applier is slow may have
 * acknowledged. */
static bool slow_is_worse(const struct core *core, unsigned a, unsigned b)
{
    const struct slow *s = &core->lead.slow;
    bool starved_a = (s->starved & (1u << a)) != 0;
    bool starved_b = (s->starved & (1u << b)) != 0;
    if (starved_a != starved_b)
        return starved_a;
    if (s->slow_us[a] != s->slow_us[b])
        return s->slow_us[a] > s->slow_us[b];
    return core->cfg->nodes[a].priority < core->cfg->nodes[b].priority;
}

unsigned slow_member(const struct core *core, uint32_t mask)
{
    const struct slow *s = &core->lead.slow;
    unsigned worst = NODE_NONE;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if ((mask & s->slow & (1u << i)) == 0 || s->slow_us[i] < slow_enough_us(core))
            continue;
        if (worst == NODE_NONE || slow_is_worse(core, i, worst))
            worst = i;
    }
    return worst;
}

void slow_on_shrink(struct core *core, uint32_t mask)
{
    core->lead.slow.leaving = mask;
}

void slow_on_left(struct core *core, uint32_t mask)
{
    struct slow *s = &core->lead.slow;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if ((mask & s->leaving & (1u << i)) == 0)
            continue;
        s->drops[i]++;
        slow_is_not_calm(s, i);
    }
    s->leaving = 0;
    /* Whoever else seemed slow may have waited for this one. */
    memset(s->slow_us, 0, sizeof s->slow_us);
}

bool slow_is_held(const struct core *core, unsigned node)
{
    const struct slow *s = &core->lead.slow;
    if (s->drops[node] == 0 || slow_after_us(core) == 0)
        return false;
    return s->calm_us[node] < slow_rest_us(core, node);
}
