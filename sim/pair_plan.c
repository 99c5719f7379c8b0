/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/pair_plan.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/action.h"
#include "sim/condition.h"
#include "sim/setting.h"
#include "sim/topology.h"
#include "util/prng.h"

#define ACTIVE_MS 60000
#define MENDED_MS 200000
#define QUICK_MS 100

struct plan {
    struct prng prng;
    struct scenario *s;
    unsigned mix;
};

struct weight {
    unsigned action;
    unsigned weight;
};

#define WEIGHTS_MAX 24

/* Weight 0 ends each. */
enum kind { KIND_HOST, KIND_NETWORK, KIND_ORDER, KIND_COUNT };

static const struct weight weights[KIND_COUNT][WEIGHTS_MAX] = {
    [KIND_HOST] = {{ACTION_KILL_MYSQLD, 6},
                   {ACTION_SHUT_DOWN_MYSQLD, 3},
                   {ACTION_HANG_MYSQLD, 2},
                   {ACTION_CONTINUE_MYSQLD, 4},
                   {ACTION_KILL_AGENT, 4},
                   {ACTION_CRASH_AGENT, 4},
                   {ACTION_HANG_AGENT, 2},
                   {ACTION_CONTINUE_AGENT, 4},
                   {ACTION_STALL_AGENT, 3},
                   {ACTION_START_AGENT, 8},
                   {ACTION_RESTART_AGENT, 2},
                   {ACTION_KILL_BOTH, 4},
                   {ACTION_CUT_POWER, 4},
                   {ACTION_BOOT, 8},
                   {ACTION_SLOW_APPLIER, 2},
                   {ACTION_FAST_APPLIER, 2},
                   {ACTION_DISK_FULL, 1},
                   {ACTION_DISK_SLOW, 2},
                   {ACTION_DISK_MEND, 3}},
    [KIND_NETWORK] = {{ACTION_CUT_ALL, 5},
                      {ACTION_CUT_SQL, 2},
                      {ACTION_CUT_PAIR, 4}, /* from the arbitration address */
                      {ACTION_CUT_ADVERTS, 6},
                      {ACTION_CUT_AGENTS, 4},
                      {ACTION_HEAL_NODE, 3}, /* the arbitration address */
                      {ACTION_HEAL_NETWORK, 9}},
    [KIND_ORDER] = {{ACTION_SWITCH_OVER_TO, 6},
                    {ACTION_SWITCH_OVER, 4},
                    {ACTION_MAINTENANCE_ON, 4},
                    {ACTION_MAINTENANCE_OFF, 5},
                    {ACTION_FORBID, 2},
                    {ACTION_ALLOW, 3},
                    {ACTION_PAUSE, 2},
                    {ACTION_RESUME, 5},
                    {ACTION_FAIL_OVER, 6},
                    {ACTION_FORCE, 5},
                    {ACTION_REJOIN, 2},
                    {ACTION_REJOIN_DISCARDING, 1},
                    {ACTION_CHANGE, 1},
                    {ACTION_ROLL_OUT, 1}},
};

/* What a run is about: so much of each kind. */
static const unsigned mixes[][KIND_COUNT] = {{6, 2, 1}, {3, 6, 0}, {4, 1, 5}};

static unsigned draw(struct plan *p, unsigned bound)
{
    return (unsigned)prng_below(&p->prng, bound);
}

static unsigned draw_kind(struct plan *p)
{
    const struct weight *of;
    unsigned sum = 0, at = draw(p, mixes[p->mix][0] + mixes[p->mix][1] + mixes[p->mix][2]);
    unsigned kind = 0;
    for (; at >= mixes[p->mix][kind]; kind++)
        at -= mixes[p->mix][kind];
    of = weights[kind];
    for (unsigned i = 0; i < WEIGHTS_MAX; i++)
        sum += of[i].weight;
    at = draw(p, sum);
    for (unsigned i = 0;; i++) {
        if (at < of[i].weight)
            return of[i].action;
        at -= of[i].weight;
    }
}

static struct target node_target(struct plan *p)
{
    static const uint8_t kinds[] = {TARGET_WRITER, TARGET_WRITER, TARGET_STANDBY, TARGET_NODE};
    return (struct target){.kind = kinds[draw(p, sizeof kinds)], .node = (uint8_t)draw(p, 2)};
}

static struct target node(unsigned i)
{
    return (struct target){.kind = TARGET_NODE, .node = (uint8_t)i};
}

/* The other host is off, as far as the operator knows for good; some time later it is not. */
static void draw_failover(struct plan *p, unsigned kind, int64_t at_ms)
{
    unsigned to = draw(p, 2);
    struct statement *st = scenario_add_at(p->s, ACTION_CUT_POWER, at_ms);
    st->args.a = node(1 - to);
    at_ms += 100 + draw(p, 15000);
    st = scenario_add_at(p->s, kind, at_ms);
    st->args.a = st->asked_at = node(to);
    st->asked = true;
    at_ms += 100 + draw(p, 20000);
    st = scenario_add_at(p->s, ACTION_BOOT, at_ms);
    st->args.a = node(1 - to);
}

/* Between the two nodes, either way, or of one of them and the arbitration address. */
static void draw_ends(struct plan *p, unsigned kind, struct phrase_args *args)
{
    unsigned from = draw(p, 2);
    bool has_gateway = p->s->cfg.n_nodes > 2;
    args->a = node(from);
    args->b = node(1 - from);
    if (kind == ACTION_CUT_PAIR)
        args->b = node(has_gateway ? 2 : from);
    if (kind == ACTION_HEAL_NODE && has_gateway)
        args->a = node(2);
}

static bool is_of_two(unsigned kind)
{
    return kind == ACTION_CUT_SQL || kind == ACTION_CUT_PAIR || kind == ACTION_CUT_ADVERTS ||
           kind == ACTION_CUT_AGENTS || kind == ACTION_HEAL_NODE;
}

/* A roll-out of another durability is promised only while the two are in touch. */
static struct setting draw_change(struct plan *p, unsigned kind)
{
    bool preempt = kind == ACTION_ROLL_OUT || draw(p, 2) == 0;
    return (struct setting){.option = setting_named(preempt ? "preempt" : "durability"),
                            .value = preempt           ? (int64_t)draw(p, 2)
                                     : draw(p, 2) != 0 ? CONFIG_DURABILITY_STRICT
                                                       : CONFIG_DURABILITY_AVAILABLE};
}

static void draw_action(struct plan *p, int64_t at_ms)
{
    unsigned kind = draw_kind(p);
    struct statement *st;
    if (kind == ACTION_FORCE || kind == ACTION_FAIL_OVER) {
        draw_failover(p, kind, at_ms);
        return;
    }
    st = scenario_add_at(p->s, kind, at_ms);
    st->args.a = node_target(p);
    st->args.b = node(draw(p, 2));
    if (kind == ACTION_CRASH_AGENT)
        st->args.number = 1 + draw(p, 40);
    if (kind == ACTION_STALL_AGENT || kind == ACTION_DISK_SLOW)
        st->args.number = 10 + draw(p, 6000);
    if (kind == ACTION_CUT_ALL && p->s->cfg.n_nodes > 2 && draw(p, 4) == 0)
        st->args.a = node(2);
    if (is_of_two(kind))
        draw_ends(p, kind, &st->args);
    if (kind == ACTION_CHANGE || kind == ACTION_ROLL_OUT) {
        st->args.setting = draw_change(p, kind);
        st->args.number = draw(p, 1500);
    }
    if ((action_traits(kind) & ACTION_ORDER) != 0 && draw(p, 3) == 0) {
        st->asked = true;
        st->asked_at = node(draw(p, 2));
    }
}

/* Passages of several statements overlap what is drawn behind them. */
static int by_time(const void *a, const void *b)
{
    const struct statement *x = a, *y = b;
    int order = (x->when_arg > y->when_arg) - (x->when_arg < y->when_arg);
    return order != 0 ? order : (int)x->index - (int)y->index;
}

static void draw_cluster(struct plan *p)
{
    struct cluster_config *cfg = &p->s->cfg;
    struct errmsg m = ERRMSG_INIT;
    int err;
    topology_clear(cfg);
    for (unsigned i = 0; i < 2; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "m%u", i + 1);
        cfg->nodes[topology_add(cfg, name, CONFIG_ROLE_CANDIDATE)].priority = 10 + draw(p, 100);
    }
    cfg->nodes[1].priority += cfg->nodes[1].priority == cfg->nodes[0].priority;
    if (draw(p, 4) != 0)
        (void)topology_add(cfg, "gw", CONFIG_ROLE_WITNESS);
    if (draw(p, 4) == 0)
        cfg->vrrp.advert_interval_ms = QUICK_MS;
    err = topology_make_pair(cfg, &m);
    assert(err == 0);
    (void)err;
    cfg->policy.preempt = draw(p, 2) == 0;
    cfg->policy.preempt_delay_ms = 1000;
    if (draw(p, 4) == 0)
        cfg->policy.durability = CONFIG_DURABILITY_STRICT;
}

void pair_plan_draw(uint64_t seed, struct scenario *ret_scenario)
{
    struct plan p = {.prng = {.state = seed}, .s = ret_scenario};
    struct statement *st;
    int64_t ms;
    memset(ret_scenario, 0, sizeof *ret_scenario);
    (void)snprintf(ret_scenario->name, sizeof ret_scenario->name, "pair %" PRIu64, seed);
    ret_scenario->drawn = true;
    ret_scenario->seed = seed;
    draw_cluster(&p);
    p.mix = draw(&p, sizeof mixes / sizeof mixes[0]);
    (void)scenario_add_at(p.s, ACTION_WRITE_VIP, 0);
    (void)scenario_add_at(p.s, ACTION_WRITE_DIRECT, 0);
    ms = draw(&p, 4000);
    while (ms < ACTIVE_MS && p.s->n_statements < STATEMENTS_MAX - 8) {
        draw_action(&p, ms);
        ms += 1 + (draw(&p, 3) == 0 ? draw(&p, 20) : draw(&p, 6000));
    }
    qsort(ret_scenario->statements, ret_scenario->n_statements, sizeof ret_scenario->statements[0],
          by_time);
    if (ret_scenario->statements[ret_scenario->n_statements - 1].when_arg > ms)
        ms = ret_scenario->statements[ret_scenario->n_statements - 1].when_arg;
    (void)scenario_add_at(p.s, ACTION_REPAIR_ALL, ms);
    st = scenario_add(ret_scenario, STATEMENT_EXPECT, CONDITION_MENDED);
    assert(st != NULL);
    st->how = HOW_WITHIN;
    st->how_ms = MENDED_MS;
}
