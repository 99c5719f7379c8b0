/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/plan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "sim/action.h"
#include "sim/condition.h"
#include "sim/topology.h"
#include "util/prng.h"

#define ACTIVE_MS 20000
#define LIVE_MS 90000
#define MENDED_MS 150000
#define SERVERS_MAX 7
#define SLOW_MAX_MS 2000 /* of a way between agents */
#define SYNC_SLOW_MS_MAX 2000
#define SYNC_MS_MAX 40    /* clients wait for 300 ms, a commit perhaps for four syncs */
#define CLOCK_PPM_MAX 500 /* each; what the lease's margin allows for */

struct plan {
    struct prng prng;
    struct prng slow; /* of what slow members and damaged data are about */
    struct scenario *s;
    unsigned n_candidates;
    unsigned mix; /* enum mix: what this run is about */
};

static unsigned draw(struct plan *p, unsigned bound)
{
    return (unsigned)prng_below(&p->prng, bound);
}

static bool one_in(struct plan *p, unsigned n)
{
    return draw(p, n) == 0;
}

/* ---- a cluster ---- */

static void set(struct plan *p, const char *name, int64_t value)
{
    struct setting s = {.option = setting_named(name), .value = value};
    setting_apply(&p->s->cfg, &s);
}

static void draw_node(struct plan *p, int role)
{
    char name[8];
    unsigned node;
    (void)snprintf(name, sizeof name, "m%u", p->s->cfg.n_nodes + 1);
    node = topology_add(&p->s->cfg, name, role);
    if (role == CONFIG_ROLE_CANDIDATE) {
        p->s->cfg.nodes[node].priority = 200 - 10 * draw(p, 10) - node;
        p->s->cfg.nodes[node].no_promote = node > 1 && one_in(p, 8);
    }
}

static void draw_nodes(struct plan *p)
{
    struct cluster_config *cfg = &p->s->cfg;
    unsigned n_replicas;
    p->n_candidates = one_in(p, 12) ? SERVERS_MAX : 2 + draw(p, 3);
    n_replicas = draw(p, SERVERS_MAX - p->n_candidates + 1);
    for (unsigned i = 0; i < p->n_candidates; i++)
        draw_node(p, CONFIG_ROLE_CANDIDATE);
    for (unsigned i = 0; i < n_replicas; i++) {
        draw_node(p, CONFIG_ROLE_REPLICA);
        if (i > 0 && one_in(p, 2))
            cfg->nodes[cfg->n_nodes - 1].source = p->n_candidates + draw(p, i);
        else if (one_in(p, 8))
            cfg->nodes[cfg->n_nodes - 1].source = draw(p, p->n_candidates);
    }
    for (unsigned i = draw(p, 3) / 2; i > 0; i--)
        draw_node(p, CONFIG_ROLE_WITNESS);
    topology_default_voters(cfg);
    while (config_voter_count(cfg) < 3 || config_voter_count(cfg) % 2 == 0) {
        draw_node(p, CONFIG_ROLE_WITNESS);
        topology_default_voters(cfg);
    }
}

static void draw_timing(struct plan *p)
{
    static const unsigned timeouts_ms[] = {150, 300, 500, 500, 1000, 2000};
    unsigned timeout_ms = timeouts_ms[draw(p, 6)];
    bool fast = timeout_ms == 150;
    settings_default(&p->s->cfg, fast ? CONFIG_PROFILE_FAST : CONFIG_PROFILE_LAN);
    if (!fast)
        set(p, "election_timeout", timeout_ms);
    if (timeout_ms < 500)
        set(p, "round_trip", 5);
    if (timeout_ms == 2000)
        set(p, "vip_lifetime", 8000);
}

/* Never; soon, so that it happens often; and as the cluster file has it. */
static void draw_slow_policy(struct plan *p)
{
    static const unsigned afters_ms[] = {0, 1000, 3000, 10000};
    unsigned after_ms = afters_ms[prng_below(&p->slow, 4)];
    int64_t least_ms = 2 * (setting_get(&p->s->cfg, setting_named("probe_interval")) +
                            setting_get(&p->s->cfg, setting_named("heartbeat")));
    set(p, "slow_after", after_ms);
    if (after_ms == 1000 || setting_get(&p->s->cfg, setting_named("slow_ack")) < least_ms)
        set(p, "slow_ack", least_ms);
}

static void draw_policy(struct plan *p)
{
    static const unsigned shrinks_ms[] = {300, 500, 1000, 3000};
    static const unsigned kills_ms[] = {3000, 5000, 30000};
    int64_t beats_ms = 2 * setting_get(&p->s->cfg, setting_named("heartbeat"));
    int64_t shrink_ms = shrinks_ms[draw(p, 4)];
    set(p, "preempt", draw(p, 2));
    set(p, "preempt_delay", draw(p, 3) * 1500);
    set(p, "durability", one_in(p, 5) ? CONFIG_DURABILITY_STRICT : CONFIG_DURABILITY_AVAILABLE);
    set(p, "shrink_after", shrink_ms < beats_ms ? beats_ms : shrink_ms);
    set(p, "fence_kill_after", kills_ms[draw(p, 3)]);
    set(p, "restart_backoff_max", 10000);
    set(p, "start_timeout", 10000);
    if (one_in(p, 2)) {
        set(p, "action_timeout", 2000);
        set(p, "drain_timeout", 2000);
    }
    if (one_in(p, 2)) {
        set(p, "close_timeout", 1000);
        set(p, "switchover_timeout", 3000);
    }
    draw_slow_policy(p);
    /* Reports are up to 200 ms old, at 1,000 commits a second. */
    if (one_in(p, 4))
        set(p, "grow_lag", 300 + draw(p, 300));
}

/* ---- actions ---- */

enum mix { MIX_ALL, MIX_PROCESSES, MIX_NETWORK, MIX_ORDERS, MIX_COUNT };

static struct target any_node(struct plan *p)
{
    struct target t = {.kind = TARGET_NODE, .node = (uint8_t)draw(p, p->s->cfg.n_nodes)};
    return t;
}

/* The writer and its heir are what most faults are about. */
static struct target some_node(struct plan *p)
{
    struct target t = {.kind = TARGET_WRITER};
    switch (draw(p, 8)) {
    case 0:
    case 1:
    case 2:
        return t;
    case 3:
        t.kind = TARGET_STANDBY;
        return t;
    case 4:
        t.kind = one_in(p, 2) ? TARGET_LEADER : TARGET_IT;
        return t;
    default:
        return any_node(p);
    }
}

static struct target some_candidate(struct plan *p)
{
    struct target t = {.kind = TARGET_NODE, .node = (uint8_t)draw(p, p->n_candidates)};
    if (one_in(p, 3))
        t.kind = TARGET_STANDBY;
    return t;
}

struct choice {
    unsigned weight;
    unsigned what;
};

static unsigned choose(struct plan *p, const struct choice *choices, unsigned n)
{
    unsigned sum = 0, at;
    for (unsigned i = 0; i < n; i++)
        sum += choices[i].weight;
    at = draw(p, sum);
    for (unsigned i = 0; i < n; i++) {
        if (at < choices[i].weight)
            return choices[i].what;
        at -= choices[i].weight;
    }
    assert(false && "not reached");
    return 0;
}

static unsigned draw_process_action(struct plan *p)
{
    static const struct choice choices[] = {
        {6, ACTION_KILL_AGENT},       {6, ACTION_CRASH_AGENT},
        {5, ACTION_HANG_AGENT},       {8, ACTION_CONTINUE_AGENT},
        {2, ACTION_STOP_AGENT},       {16, ACTION_START_AGENT},
        {3, ACTION_RESTART_AGENT},    {3, ACTION_KILL_BOTH},
        {3, ACTION_CUT_POWER},        {8, ACTION_BOOT},
        {4, ACTION_STALL_AGENT},      {14, ACTION_KILL_MYSQLD},
        {3, ACTION_SHUT_DOWN_MYSQLD}, {7, ACTION_HANG_MYSQLD},
        {9, ACTION_CONTINUE_MYSQLD},
    };
    return choose(p, choices, sizeof choices / sizeof *choices);
}

/* Not drawn, since nothing that an agent sees could undo them: a replica side that is turned on by
 * hand (until the next look its acknowledgements stand for those of a member), and commits that a
 * hand lets go (KILL, source side off: they are in the data, and a rewind after a crash cuts them
 * from the binlog alone; docs/design/rewind.md). */
static unsigned draw_server_action(struct plan *p)
{
    static const struct choice choices[] = {
        {6, ACTION_SLOW_APPLIER},     {6, ACTION_FAST_APPLIER},
        {3, ACTION_STOP_REPLICATION}, {3, ACTION_SLOW_RECEIVER},
        {4, ACTION_FAST_RECEIVER},    {1, ACTION_RELAY_DROP},
        {1, ACTION_RELAY_KEEP},       {3, ACTION_STOP_RECEIVER},
        {2, ACTION_STOP_APPLIER},     {3, ACTION_START_REPLICATION},
        {2, ACTION_SIDE_OFF},         {3, ACTION_BEGIN_LONG},
        {4, ACTION_END_LONG},         {1, ACTION_CLOSE},
        {1, ACTION_START_MYSQLD},     {1, ACTION_COMMIT},
        {2, ACTION_REMOVE_VIP},       {2, ACTION_SLOW_START},
        {2, ACTION_FAST_START},       {1, ACTION_OPEN},
        {4, ACTION_SLOW_LINE},        {4, ACTION_SLOW_LOOKS},
    };
    return choose(p, choices, sizeof choices / sizeof *choices);
}

static unsigned draw_network_action(struct plan *p)
{
    static const struct choice choices[] = {
        {4, ACTION_CUT_PAIR},  {4, ACTION_CUT_ALL},    {3, ACTION_CUT_WAY},
        {4, ACTION_CUT_SQL},   {4, ACTION_CUT_AGENTS}, {3, ACTION_SLOW_AGENTS},
        {3, ACTION_HEAL_PAIR}, {6, ACTION_HEAL_NODE},  {3, ACTION_HEAL_NETWORK},
    };
    return choose(p, choices, sizeof choices / sizeof *choices);
}

static unsigned draw_host_action(struct plan *p)
{
    static const struct choice choices[] = {
        {4, ACTION_DISK_SLOW},  {2, ACTION_DISK_FAIL},     {2, ACTION_DISK_FULL},
        {7, ACTION_DISK_MEND},  {2, ACTION_CLOCK_FAST},    {2, ACTION_CLOCK_SLOW},
        {4, ACTION_DATA_SLOW},  {3, ACTION_DATA_FULL},     {8, ACTION_DATA_MEND},
        {1, ACTION_CLOCK_BACK}, {1, ACTION_CLOCK_FORWARD},
    };
    return choose(p, choices, sizeof choices / sizeof *choices);
}

static unsigned draw_order(struct plan *p)
{
    static const struct choice choices[] = {
        {20, ACTION_SWITCH_OVER_TO}, {6, ACTION_SWITCH_OVER}, {6, ACTION_MAINTENANCE_ON},
        {7, ACTION_MAINTENANCE_OFF}, {4, ACTION_FORBID},      {5, ACTION_ALLOW},
        {3, ACTION_PAUSE},           {6, ACTION_RESUME},      {4, ACTION_FAIL_OVER},
        {1, ACTION_FORCE},           {1, ACTION_CHANGE},      {3, ACTION_RESTART_AGENT},
        {3, ACTION_ROLL_OUT},        {1, ACTION_UPGRADE},     {1, ACTION_TOGETHER},
    };
    return choose(p, choices, sizeof choices / sizeof *choices);
}

static unsigned draw_kind(struct plan *p)
{
    typedef unsigned draw_fn(struct plan * p);
    static draw_fn *const draws[] = {draw_process_action, draw_server_action, draw_network_action,
                                     draw_order, draw_host_action};
    static const struct choice weights[MIX_COUNT][5] = {
        [MIX_ALL] = {{6, 0}, {2, 1}, {3, 2}, {2, 3}, {1, 4}},
        [MIX_PROCESSES] = {{8, 0}, {2, 1}, {0, 2}, {0, 3}, {2, 4}},
        [MIX_NETWORK] = {{2, 0}, {1, 1}, {6, 2}, {0, 3}, {1, 4}},
        [MIX_ORDERS] = {{3, 0}, {1, 1}, {1, 2}, {6, 3}, {0, 4}},
    };
    return draws[choose(p, weights[p->mix], 5)](p);
}

/* Some that change what a leader does next, to values that draw_policy may have drawn. */
static struct setting draw_change(struct plan *p)
{
    static const struct {
        const char *name;
        int64_t values[2];
    } changes[] = {
        {"preempt", {0, 1}},
        {"preempt", {0, 1}},
        {"durability", {CONFIG_DURABILITY_AVAILABLE, CONFIG_DURABILITY_STRICT}},
        {"durability", {CONFIG_DURABILITY_AVAILABLE, CONFIG_DURABILITY_STRICT}},
        {"shrink_after", {500, 3000}},
        {"fence_kill_after", {3000, 30000}},
        {"switchover_timeout", {3000, 10000}},
        {"grow_lag", {300, 1000}},
    };
    unsigned i = draw(p, sizeof changes / sizeof *changes);
    return (struct setting){.option = setting_named(changes[i].name),
                            .value = changes[i].values[draw(p, 2)]};
}

static void draw_action(struct plan *p, int64_t at_ms)
{
    unsigned kind = draw_kind(p);
    struct statement *st;
    bool order = (action_traits(kind) & ACTION_ORDER) != 0;
    if (kind == ACTION_DATA_FULL && prng_below(&p->slow, 3) == 0)
        kind = ACTION_DATA_DAMAGE;
    st = scenario_add_at(p->s, kind, at_ms);
    st->args.a = order ? some_candidate(p) : some_node(p);
    st->args.b = any_node(p);
    if (kind == ACTION_CRASH_AGENT)
        st->args.number = 1 + draw(p, 40);
    if (kind == ACTION_STALL_AGENT || kind == ACTION_DISK_SLOW)
        st->args.number = 10 + draw(p, one_in(p, 3) ? 3000 : 300);
    if (kind == ACTION_SLOW_LINE)
        st->args.number = one_in(p, 2) ? 0 : 1 + draw(p, 4);
    if (kind == ACTION_SLOW_LOOKS)
        st->args.number = one_in(p, 2) ? 0 : 1 + draw(p, 60);
    if (kind == ACTION_SLOW_AGENTS)
        st->args.number = 5 + draw(p, one_in(p, 2) ? SLOW_MAX_MS - 5 : 300);
    /* A member that stays as slow as this for ever is no reason to leave it; rarely it is slower.
     */
    if (kind == ACTION_DATA_SLOW)
        st->args.number = 1 + draw(p, SYNC_MS_MAX);
    if (kind == ACTION_DATA_SLOW && prng_below(&p->slow, 3) == 0)
        st->args.number = 100 + (unsigned)prng_below(&p->slow, SYNC_SLOW_MS_MAX - 100);
    if (kind == ACTION_CLOCK_BACK || kind == ACTION_CLOCK_FORWARD)
        st->args.number = draw(p, 7200000);
    if (kind == ACTION_CLOCK_FAST || kind == ACTION_CLOCK_SLOW)
        st->args.number = draw(p, CLOCK_PPM_MAX + 1);
    if (kind == ACTION_CHANGE || kind == ACTION_ROLL_OUT || kind == ACTION_TOGETHER)
        st->args.setting = draw_change(p);
    if (kind == ACTION_ROLL_OUT || kind == ACTION_UPGRADE)
        st->args.number = draw(p, 1500);
    if (order && one_in(p, 3)) {
        st->asked = true;
        st->asked_at = any_node(p);
    }
}

static void draw_chances(struct plan *p)
{
    if (one_in(p, 4))
        scenario_add_at(p->s, ACTION_LOSE, 0)->args.number = 1;
    if (one_in(p, 3))
        scenario_add_at(p->s, ACTION_FAIL_TRANSFERS, 0)->args.number = 300;
    if (one_in(p, 4))
        scenario_add_at(p->s, ACTION_FAIL_STARTS, 0)->args.number = 200;
}

/* Often right behind each other: the worst moment for a fault is another one's procedure. */
static int64_t draw_actions(struct plan *p)
{
    int64_t ms = draw(p, 4000);
    int64_t end_ms = ms + ACTIVE_MS;
    while (ms < end_ms && p->s->n_statements < STATEMENTS_MAX - 8) {
        draw_action(p, ms);
        ms += 1 + (one_in(p, 3) ? draw(p, 20) : draw(p, 1500));
    }
    return ms;
}

/* ---- the end ---- */

static void expect(struct plan *p, unsigned condition, int64_t within_ms)
{
    struct statement *st = scenario_add(p->s, STATEMENT_EXPECT, condition);
    assert(st != NULL);
    st->how = HOW_WITHIN;
    st->how_ms = within_ms;
}

static void draw_end(struct plan *p, int64_t ms)
{
    struct statement *st = scenario_add_at(p->s, ACTION_REPAIR_CORE, ms);
    st->args.a = (struct target){.kind = one_in(p, 2) ? TARGET_STANDBY : TARGET_WRITER};
    st->args.b = any_node(p);
    expect(p, CONDITION_LIVE, LIVE_MS);
    st = scenario_add(p->s, STATEMENT_ACTION, ACTION_REPAIR_ALL);
    assert(st != NULL);
    expect(p, CONDITION_MENDED, MENDED_MS);
}

void plan_draw(uint64_t seed, struct scenario *ret_scenario)
{
    struct plan p = {.prng = {.state = seed}, .slow = {.state = ~seed}, .s = ret_scenario};
    memset(ret_scenario, 0, sizeof *ret_scenario);
    (void)snprintf(ret_scenario->name, sizeof ret_scenario->name, "seed %llu",
                   (unsigned long long)seed);
    ret_scenario->drawn = true;
    ret_scenario->seed = seed;
    topology_clear(&ret_scenario->cfg);
    draw_nodes(&p);
    draw_timing(&p);
    draw_policy(&p);
    p.mix = draw(&p, MIX_COUNT);
    draw_chances(&p);
    (void)scenario_add_at(p.s, ACTION_WRITE_VIP, 0);
    (void)scenario_add_at(p.s, ACTION_WRITE_DIRECT, 0);
    draw_end(&p, draw_actions(&p));
}
