/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/pair_plan.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/action.h"
#include "sim/condition.h"
#include "sim/setting.h"
#include "sim/topology.h"
#include "util/prng.h"

#define ACTIVE_MS 60000
#define MENDED_MS 200000

struct plan {
    struct prng prng;
    struct scenario *s;
};

struct weight {
    unsigned action;
    unsigned weight;
};

static const struct weight weights[] = {
    {ACTION_KILL_MYSQLD, 6},   {ACTION_SHUT_DOWN_MYSQLD, 3},
    {ACTION_HANG_MYSQLD, 2},   {ACTION_CONTINUE_MYSQLD, 4},
    {ACTION_KILL_AGENT, 4},    {ACTION_CRASH_AGENT, 4},
    {ACTION_HANG_AGENT, 2},    {ACTION_CONTINUE_AGENT, 4},
    {ACTION_STALL_AGENT, 3},   {ACTION_START_AGENT, 8},
    {ACTION_RESTART_AGENT, 2}, {ACTION_KILL_BOTH, 4},
    {ACTION_CUT_POWER, 4},     {ACTION_BOOT, 8},
    {ACTION_CUT_ALL, 5},       {ACTION_HEAL_NETWORK, 10},
    {ACTION_CUT_SQL, 2},       {ACTION_SLOW_APPLIER, 2},
    {ACTION_FAST_APPLIER, 2},  {ACTION_SWITCH_OVER, 4},
    {ACTION_DISK_FULL, 1},     {ACTION_DISK_MEND, 3},
};

static unsigned draw(struct plan *p, unsigned bound)
{
    return (unsigned)prng_below(&p->prng, bound);
}

static unsigned draw_kind(struct plan *p)
{
    unsigned sum = 0, at;
    for (unsigned i = 0; i < sizeof weights / sizeof weights[0]; i++)
        sum += weights[i].weight;
    at = draw(p, sum);
    for (unsigned i = 0;; i++) {
        if (at < weights[i].weight)
            return weights[i].action;
        at -= weights[i].weight;
    }
}

static struct target node_target(struct plan *p)
{
    static const uint8_t kinds[] = {TARGET_WRITER, TARGET_WRITER, TARGET_STANDBY, TARGET_NODE};
    return (struct target){.kind = kinds[draw(p, sizeof kinds)], .node = (uint8_t)draw(p, 2)};
}

static void draw_action(struct plan *p, int64_t at_ms)
{
    unsigned kind = draw_kind(p);
    struct statement *st = scenario_add_at(p->s, kind, at_ms);
    st->args.a = node_target(p);
    st->args.b = (struct target){.kind = TARGET_NODE, .node = (uint8_t)draw(p, 2)};
    if (kind == ACTION_CRASH_AGENT)
        st->args.number = 1 + draw(p, 40);
    if (kind == ACTION_STALL_AGENT)
        st->args.number = 10 + draw(p, 6000);
    if (kind == ACTION_CUT_SQL) {
        st->args.a = (struct target){.kind = TARGET_NODE, .node = 0};
        st->args.b = (struct target){.kind = TARGET_NODE, .node = 1};
    }
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
    err = topology_make_pair(cfg, &m);
    assert(err == 0);
    (void)err;
    cfg->policy.preempt = draw(p, 2) == 0;
    cfg->policy.preempt_delay_ms = 1000;
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
    (void)scenario_add_at(p.s, ACTION_WRITE_VIP, 0);
    (void)scenario_add_at(p.s, ACTION_WRITE_DIRECT, 0);
    ms = draw(&p, 4000);
    while (ms < ACTIVE_MS && p.s->n_statements < STATEMENTS_MAX - 4) {
        draw_action(&p, ms);
        ms += 1 + (draw(&p, 3) == 0 ? draw(&p, 20) : draw(&p, 6000));
    }
    (void)scenario_add_at(p.s, ACTION_REPAIR_ALL, ms);
    st = scenario_add(ret_scenario, STATEMENT_EXPECT, CONDITION_MENDED);
    assert(st != NULL);
    st->how = HOW_WITHIN;
    st->how_ms = MENDED_MS;
}
