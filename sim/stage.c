/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/stage.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim/action.h"
#include "sim/condition.h"

#define BACK_TO_WORK_MS 50
#define FORM_LIMIT_MS 60000
#define MEND_EVERY_US 1000000
#define EFFECT_LIMIT_MS 60000

/* ---- who is meant ---- */

static unsigned standby(const struct stage *s)
{
    const struct record *r = world_record(s->w);
    unsigned best = NODE_NONE;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        const struct config_node *n = &s->cfg.nodes[i];
        bool member = (r->in_sync & 1u << i) != 0;
        bool best_member = best != NODE_NONE && (r->in_sync & 1u << best) != 0;
        if (n->role != CONFIG_ROLE_CANDIDATE || i == r->writer)
            continue;
        if (best == NODE_NONE || (member && !best_member) ||
            (member == best_member && n->priority > s->cfg.nodes[best].priority))
            best = i;
    }
    return best;
}

unsigned stage_node(const struct stage *s, const struct target *t)
{
    switch (t->kind) {
    case TARGET_NODE:
        return t->node;
    case TARGET_WRITER:
        return world_record(s->w)->writer;
    case TARGET_STANDBY:
        return standby(s);
    case TARGET_LEADER:
        return world_leader(s->w);
    case TARGET_IT:
        return s->it;
    case TARGET_EVERYONE:
        return 0;
    default:
        return NODE_NONE;
    }
}

uint32_t stage_nodes(const struct stage *s, const struct target *t)
{
    unsigned node = stage_node(s, t);
    if (t->kind == TARGET_EVERYONE)
        return (1u << s->cfg.n_nodes) - 1;
    return node < s->cfg.n_nodes ? 1u << node : 0;
}

/* ---- time ---- */

static int64_t now_ms(const struct stage *s)
{
    return (world_now_us(s->w) - s->start_us) / 1000;
}

void stage_story(struct stage *s, const char *fmt, ...)
{
    va_list ap;
    if (s->trace == NULL)
        return;
    fprintf(s->trace, "%9.3f ** ", (double)world_now_us(s->w) / 1e6);
    va_start(ap, fmt);
    (void)vfprintf(s->trace, fmt, ap);
    va_end(ap);
    fputc('\n', s->trace);
}

static void told(void *data, const char *line)
{
    const struct stage *s = data;
    fprintf(s->trace, "%s\n", line);
}

void stage_write_clients(struct stage *s)
{
    world_write(s->w, s->vip && !s->quiet);
    world_write_local(s->w, s->direct && !s->quiet);
}

/* The operator ends what he began; asked again and again, since a command may be refused. */
static void mend(struct stage *s)
{
    static const struct {
        uint32_t flag;
        unsigned action;
    } ends[] = {{NODE_MAINTENANCE, ACTION_MAINTENANCE_OFF}, {NODE_NO_PROMOTE, ACTION_ALLOW}};
    const struct record *r = world_record(s->w);
    struct statement st = {.kind = STATEMENT_ACTION, .index = ACTION_RESUME};
    unsigned it = s->it;
    if (r->paused) {
        (void)action_run(s, &st);
        return;
    }
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        for (unsigned e = 0; e < sizeof ends / sizeof *ends; e++) {
            if ((s->kept & 1u << i) == 0 || (r->flags[i] & ends[e].flag) == 0)
                continue;
            st.index = ends[e].action;
            st.args.a = (struct target){.kind = TARGET_NODE, .node = (uint8_t)i};
            (void)action_run(s, &st);
            s->it = it;
            return;
        }
    }
}

static void care(struct stage *s)
{
    int64_t since_us = world_now_us(s->w) - s->start_us;
    uint32_t wanted = (s->restarting | s->kept) & ~s->rollout.stopping;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((wanted & 1u << i) == 0 || world_agent_is_up(s->w, i))
            continue;
        world_start_agent(s->w, i);
        s->restarting &= ~(1u << i);
    }
    rollout_run(s);
    if (s->kept != 0 && since_us % MEND_EVERY_US == 0)
        mend(s);
}

static void tick(struct stage *s)
{
    int64_t gap_us;
    world_run_ms(s->w, 1);
    gap_us = world_now_us(s->w) - world_last_ack_us(s->w);
    if (world_now_us(s->w) - s->action_us < gap_us)
        gap_us = world_now_us(s->w) - s->action_us;
    if (gap_us > s->outage_us)
        s->outage_us = gap_us;
    care(s);
}

/* ---- statements ---- */

static bool fail(struct stage *s, const struct statement *st, struct outcome *o, const char *wrong)
{
    char text[OUTCOME_TEXT_MAX / 2];
    statement_write(st, &s->cfg, text, sizeof text);
    o->failed = true;
    if (st->kind == STATEMENT_EXPECT)
        (void)snprintf(o->id, sizeof o->id, "%s: %s", condition_patterns[st->index], wrong);
    else
        (void)snprintf(o->id, sizeof o->id, "%s", wrong);
    (void)snprintf(o->text, sizeof o->text, "%s: %s", text, wrong);
    return false;
}

/* A promise was broken. */
static bool check_promises(struct stage *s, struct outcome *o)
{
    const char *violation = world_violation(s->w);
    if (violation == NULL || s->is_demonstrated)
        return true;
    (void)snprintf(o->id, sizeof o->id, "%.*s", (int)strcspn(violation, ":"), violation);
    if (strcmp(o->id, s->scenario->breach) == 0) {
        s->is_demonstrated = true;
        o->id[0] = '\0';
        stage_story(s, "demonstrated: %s", violation);
        return true;
    }
    o->failed = true;
    (void)snprintf(o->text, sizeof o->text, "%s", violation);
    return false;
}

static bool fail_idle(struct stage *s, const struct statement *st, struct outcome *o)
{
    o->idle = true;
    return fail(s, st, o, "there is nothing to do it to");
}

static bool run_until_ms(struct stage *s, int64_t at_ms, struct outcome *o)
{
    while (now_ms(s) < at_ms) {
        tick(s);
        if (!check_promises(s, o))
            return false;
    }
    return true;
}

static bool act(struct stage *s, const struct statement *st)
{
    char text[160];
    statement_write(st, &s->cfg, text, sizeof text);
    stage_story(s, "%s", text);
    s->action_us = world_now_us(s->w);
    s->outage_us = 0;
    if (action_run(s, st))
        return true;
    stage_story(s, "there is nothing to do");
    return s->scenario->drawn;
}

static bool counts(enum effect_kind kind)
{
    switch (kind) {
    case EFFECT_JOB:
    case EFFECT_REQUEST:
    case EFFECT_ANSWER:
    case EFFECT_PROPOSE:
    case EFFECT_BARRIER:
    case EFFECT_TRANSFER:
    case EFFECT_LEASE_CLEAR:
    case EFFECT_VIP_UP:
    case EFFECT_VIP_DOWN:
    case EFFECT_BLOCK:
        return true;
    default:
        return false;
    }
}

static void carried_out(void *data, unsigned node, enum effect_kind kind)
{
    struct stage *s = data;
    struct effect_watch *watch = &s->watch;
    (void)node;
    if (!counts(kind))
        return;
    s->effects++;
    if (watch->statement == NULL || watch->done || s->effects != watch->at)
        return;
    watch->done = true;
    watch->failed = !act(s, watch->statement);
}

/* Runs to the effect at which the action is carried out. */
static bool act_at_effect(struct stage *s, const struct statement *st, struct outcome *o)
{
    int64_t limit_ms = now_ms(s) + EFFECT_LIMIT_MS;
    s->watch = (struct effect_watch){.statement = st, .at = s->effects + (unsigned)st->when_arg};
    while (!s->watch.done && now_ms(s) < limit_ms) {
        tick(s);
        if (!check_promises(s, o))
            return false;
    }
    s->watch.statement = NULL;
    if (!s->watch.done)
        return fail(s, st, o, "there are not so many effects");
    return !s->watch.failed || fail_idle(s, st, o);
}

/* Clients that were held back are at work again before anything else happens; that they were is no
 * outage. */
static void release_clients(struct stage *s)
{
    bool held = s->quiet;
    s->quiet = false;
    stage_write_clients(s);
    if (held && s->vip)
        world_run_ms(s->w, BACK_TO_WORK_MS);
}

static bool expect(struct stage *s, const struct statement *st, struct outcome *o)
{
    int64_t until_ms = now_ms(s) + st->how_ms;
    const char *wrong;
    for (;;) {
        bool end = now_ms(s) >= until_ms;
        wrong = condition_check(s, st->index, &st->args);
        if (end || (wrong == NULL) != (st->how == HOW_FOR))
            break;
        tick(s);
        if (!check_promises(s, o))
            return false;
    }
    release_clients(s);
    return wrong == NULL || fail(s, st, o, wrong);
}

static bool wait_for(struct stage *s, const struct statement *st, struct outcome *o)
{
    if (st->when == WHEN_AFTER)
        return run_until_ms(s, now_ms(s) + st->when_arg, o);
    if (st->when != WHEN_AT)
        return true;
    if (now_ms(s) > st->when_arg && !s->scenario->drawn)
        return fail(s, st, o, "it is later than that already");
    return run_until_ms(s, st->when_arg, o);
}

static bool carry_out(struct stage *s, const struct statement *st, struct outcome *o)
{
    if (st->when == WHEN_EFFECT)
        return act_at_effect(s, st, o);
    if (!wait_for(s, st, o))
        return false;
    if (st->kind == STATEMENT_EXPECT) {
        char text[160];
        statement_write(st, &s->cfg, text, sizeof text);
        stage_story(s, "%s", text);
        return expect(s, st, o) && check_promises(s, o);
    }
    if (!act(s, st))
        return fail_idle(s, st, o);
    return check_promises(s, o);
}

/* ---- the whole run ---- */

static bool has_formed(struct stage *s)
{
    struct phrase_args none = {.number = 0};
    return s->scenario->drawn ? world_writer(s->w) != NODE_NONE
                              : condition_check(s, CONDITION_LIVE, &none) == NULL;
}

static bool form(struct stage *s, struct outcome *o)
{
    for (unsigned ms = 0; ms < FORM_LIMIT_MS; ms++) {
        if (has_formed(s))
            return true;
        world_run_ms(s->w, 1);
        if (!check_promises(s, o))
            return false;
    }
    o->failed = true;
    (void)snprintf(o->id, sizeof o->id, "the cluster does not form");
    (void)snprintf(o->text, sizeof o->text, "the cluster does not form");
    return false;
}

static void stage_open(struct stage *s, const struct scenario *scenario, FILE *trace)
{
    memset(s, 0, sizeof *s);
    s->scenario = scenario;
    s->cfg = scenario->cfg;
    s->trace = trace;
    s->it = NODE_NONE;
    s->w = world_new(&s->cfg, scenario->seed);
    if (trace != NULL)
        world_on_story(s->w, told, s);
    world_on_effect(s->w, carried_out, s);
}

/* A scenario that demonstrates a breach fails without it. */
static void judge_breach(const struct stage *s, struct outcome *o)
{
    const struct scenario *scenario = s->scenario;
    if (scenario->breach[0] == '\0' || s->is_demonstrated || o->failed)
        return;
    o->failed = true;
    (void)snprintf(o->id, sizeof o->id, "nothing was broken");
    (void)snprintf(o->text, sizeof o->text, "%s was to be broken, and was not", scenario->breach);
}

void stage_run(const struct scenario *scenario, FILE *trace, struct outcome *ret_outcome)
{
    struct stage *s = malloc(sizeof *s);
    struct outcome o = {.failed = false, .statement = scenario->n_statements};
    assert(s != NULL);
    stage_open(s, scenario, trace);
    if (form(s, &o)) {
        s->start_us = s->action_us = world_now_us(s->w);
        s->effects = 0;
        stage_story(s, "the cluster has formed");
        for (unsigned i = 0; i < scenario->n_statements && !o.failed; i++) {
            if (!carry_out(s, &scenario->statements[i], &o))
                o.statement = i;
        }
    }
    judge_breach(s, &o);
    o.at_ms = now_ms(s);
    o.acks = world_acks(s->w);
    o.effects = s->effects;
    if (trace != NULL)
        fprintf(trace, "%s\n", o.failed ? o.text : "passed");
    world_free(s->w);
    free(s);
    *ret_outcome = o;
}
