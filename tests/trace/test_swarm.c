/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random clusters under random faults: each seed draws a topology, policies and a schedule of
 * faults, runs it while the promises are checked (sim/world.h), heals everything and demands that
 * the cluster is whole again within a bound.
 *
 *     sim_swarm [FIRST [COUNT]]   seeds to run; one seed alone prints its story if it fails
 *
 * Same seed, same run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"
#include "util/prng.h"

#define HEALED_MS 120000
#define ACTIVE_MS 20000

struct swarm {
    struct cluster_config cfg;
    struct prng prng;
    struct world *w;
    unsigned n_candidates;
    uint64_t acks; /* when everything was healed */
    bool by_hand;  /* somebody did what makes a node unmendable */
    unsigned seed;
};

static unsigned draw(struct swarm *s, unsigned bound)
{
    return (unsigned)prng_below(&s->prng, bound);
}

/* ---- drawing a cluster ---- */

static void add_node(struct swarm *s, int role, uint32_t priority, unsigned source)
{
    unsigned i = s->cfg.n_nodes++;
    struct config_node *n = &s->cfg.nodes[i];
    (void)snprintf(n->name, sizeof n->name, "m%u", i + 1);
    (void)snprintf(n->address, sizeof n->address, "172.17.0.%u", 10 + i);
    n->role = role;
    n->priority = priority;
    n->source = source;
    n->mysql.port = 3306;
}

static void draw_voters(struct swarm *s)
{
    struct cluster_config *c = &s->cfg;
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (c->nodes[i].role != CONFIG_ROLE_REPLICA)
            c->arbiter.voters |= 1u << i;
    }
    for (unsigned i = 0; i < c->n_nodes; i++) {
        unsigned n = config_voter_count(c);
        if ((n < 3 || n % 2 == 0) && c->nodes[i].role == CONFIG_ROLE_REPLICA)
            c->arbiter.voters |= 1u << i;
    }
    while (config_voter_count(c) < 3 || config_voter_count(c) % 2 == 0) {
        add_node(s, CONFIG_ROLE_WITNESS, 0, NODE_NONE);
        c->arbiter.voters |= 1u << (c->n_nodes - 1);
    }
}

static void draw_policy(struct swarm *s)
{
    s->cfg.arbiter =
        (struct config_arbiter){.election_timeout_ms = 500, .heartbeat_ms = 50, .margin_ms = 60};
    s->cfg.policy = (struct config_policy){
        .preempt = draw(s, 2) == 0,
        .preempt_delay_ms = 2000,
        .durability = draw(s, 5) == 0 ? CONFIG_DURABILITY_STRICT : CONFIG_DURABILITY_AVAILABLE,
        .restart_attempts = 3,
        .restart_backoff_max_ms = 10000,
        .probe_interval_ms = 100,
        .probe_timeout_ms = 200,
        .probe_fall = 2,
        .probe_rise = 2,
        .beat_interval_ms = 1000,
        .stall_after_ms = 1000,
        .shrink_after_ms = 500,
        .grow_lag_trx_max = 1000,
        .fence_kill_after_ms = 5000,
        .level_timeout_ms = 200,
        .drain_timeout_ms = 2000,
        .close_timeout_ms = 1000,
        .switchover_timeout_ms = 3000,
        .action_timeout_ms = 2000,
        .start_timeout_ms = 10000,
        .vip_lifetime_ms = 3000,
    };
    s->cfg.n_vips = 1;
}

static void draw_cluster(struct swarm *s)
{
    unsigned n_replicas = draw(s, 4);
    struct world_faults faults = {.start = draw(s, 3) == 0 ? 200 : 0,
                                  .loss = draw(s, 4) == 0 ? 1 : 0,
                                  .transfer = draw(s, 3) == 0 ? 300 : 0};
    s->n_candidates = draw(s, 12) == 0 ? 7 : 2 + draw(s, 3);
    draw_policy(s);
    for (unsigned i = 0; i < s->n_candidates; i++)
        add_node(s, CONFIG_ROLE_CANDIDATE, 200 - 10 * draw(s, 10) - i, NODE_NONE);
    for (unsigned i = 0; i < n_replicas; i++) {
        bool cascade = i > 0 && draw(s, 2) == 0;
        add_node(s, CONFIG_ROLE_REPLICA, 0, cascade ? s->n_candidates + draw(s, i) : NODE_NONE);
    }
    if (draw(s, 3) == 0)
        add_node(s, CONFIG_ROLE_WITNESS, 0, NODE_NONE);
    draw_voters(s);
    s->w = world_new(&s->cfg, prng_next(&s->prng));
    world_set_faults(s->w, &faults);
    for (unsigned i = 0; i < s->cfg.n_nodes; i++)
        world_durability(s->w, i, true, draw(s, 3) != 0, draw(s, 4) == 0);
}

/* ---- faults ---- */

static void order(struct swarm *s, int kind, unsigned node, bool flag)
{
    struct command m = {.kind = kind, .node = (uint8_t)node, .flag = flag};
    unsigned at = draw(s, s->cfg.n_nodes);
    /* The end of a maintenance says that what was quarantined has been cured by hand. */
    if (kind == COMMAND_MAINTENANCE && !flag && node < s->cfg.n_nodes &&
        (world_record(s->w)->flags[node] & NODE_QUARANTINED) != 0)
        return;
    if (world_agent_is_up(s->w, at))
        world_command(s->w, at, &m);
}

static void fault_agent(struct swarm *s, unsigned n)
{
    switch (draw(s, 6)) {
    case 0:
        world_kill_agent(s->w, n);
        return;
    case 1:
        world_crash_agent(s->w, n, 1 + draw(s, 40));
        return;
    case 2:
        world_hang_agent(s->w, n, draw(s, 2) == 0);
        return;
    case 3:
        if (draw(s, 3) == 0)
            world_quit_agent(s->w, n);
        return;
    default:
        world_hang_agent(s->w, n, false);
        world_start_agent(s->w, n);
    }
}

static void fault_server(struct swarm *s, unsigned n)
{
    if (!config_node_has_mysql(&s->cfg, n))
        return;
    switch (draw(s, 9)) {
    case 0:
    case 1:
        world_kill_server(s->w, n);
        return;
    case 2:
        world_hang_server(s->w, n, true);
        return;
    case 3:
        world_slow(s->w, n, draw(s, 2) == 0);
        return;
    case 4: /* outside S2 without an agent */
        if (world_agent_is_up(s->w, n) && draw(s, 3) == 0)
            world_term_server(s->w, n);
        return;
    case 5:
        world_slow_start(s->w, n, draw(s, 3) == 0);
        return;
    case 6:
        if (draw(s, 2) == 0)
            world_power_off(s->w, n);
        return;
    default:
        world_hang_server(s->w, n, false);
    }
}

static void fault_network(struct swarm *s, unsigned a)
{
    unsigned b = (a + 1 + draw(s, s->cfg.n_nodes - 1)) % s->cfg.n_nodes;
    bool cut = draw(s, 2) == 0;
    switch (draw(s, 5)) {
    case 0:
        world_cut(s->w, a, b, cut);
        return;
    case 1:
        world_cut_all(s->w, a, cut);
        return;
    case 2:
        world_cut_way(s->w, a, b, cut);
        return;
    case 3:
        world_cut_sql(s->w, a, b, cut);
        return;
    default:
        world_cut_all(s->w, a, false);
    }
}

static void fault_by_hand_on_writer(struct swarm *s, unsigned n)
{
    switch (draw(s, 4)) {
    case 0:
        world_busy(s->w, n, draw(s, 2) == 0);
        return;
    case 1:
        world_kill_session(s->w, n);
        return;
    case 2:
        world_remove_vip(s->w, n);
        return;
    default:
        if (draw(s, 4) == 0) {
            s->by_hand = true;
            world_source_side(s->w, n, false);
        }
    }
}

static void fault_by_hand(struct swarm *s, unsigned n)
{
    unsigned writer = world_record(s->w)->writer;
    if (!config_node_has_mysql(&s->cfg, n) || writer == NODE_NONE)
        return;
    if (n == writer) {
        fault_by_hand_on_writer(s, n);
        return;
    }
    switch (draw(s, 9)) {
    case 0:
    case 1:
        world_threads(s->w, n, draw(s, 2) == 0, draw(s, 2) == 0);
        return;
    case 2:
        s->by_hand = true;
        world_start_server(s->w, n);
        return;
    case 3:
        if (draw(s, 4) == 0) {
            s->by_hand = true;
            world_errant(s->w, n);
        }
        return;
    case 4:
        world_replica_side(s->w, n, draw(s, 2) == 0);
        return;
    case 5:
        world_read_only(s->w, n, false);
        return;
    case 6: /* stalls its own applier */
        world_source_side(s->w, n, true);
        return;
    default:
        world_threads(s->w, n, false, draw(s, 2) == 0);
    }
}

static void fault_order(struct swarm *s)
{
    unsigned n = draw(s, s->n_candidates);
    switch (draw(s, 9)) {
    case 0:
    case 1:
    case 2:
    case 3:
        order(s, COMMAND_SWITCHOVER, draw(s, 3) == 0 ? NODE_NONE : n, false);
        return;
    case 4:
        order(s, COMMAND_MAINTENANCE, n, draw(s, 2) == 0);
        return;
    case 5:
        order(s, COMMAND_NO_PROMOTE, n, draw(s, 2) == 0);
        return;
    case 6:
        order(s, COMMAND_FAILOVER, n, false);
        return;
    case 7:
        order(s, draw(s, 2) == 0 ? COMMAND_PAUSE : COMMAND_RESUME, NODE_NONE, false);
        return;
    default:
        if (draw(s, 6) == 0) {
            s->by_hand = true;
            order(s, COMMAND_FAILOVER, n, true);
        }
    }
}

static void fault(struct swarm *s)
{
    unsigned n = draw(s, s->cfg.n_nodes);
    unsigned writer = world_record(s->w)->writer;
    if (writer != NODE_NONE && draw(s, 3) == 0)
        n = writer;
    switch (draw(s, 10)) {
    case 0:
    case 1:
    case 2:
        fault_agent(s, n);
        return;
    case 3:
    case 4:
    case 5:
        fault_server(s, n);
        return;
    case 6:
    case 7:
        fault_network(s, n);
        return;
    case 8:
        fault_order(s);
        return;
    default:
        fault_by_hand(s, n);
    }
}

/* ---- healing ---- */

static void heal(struct swarm *s)
{
    struct world_faults none = {.loss = 0};
    world_set_faults(s->w, &none);
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        world_cut_all(s->w, i, false);
        for (unsigned j = 0; j < s->cfg.n_nodes; j++)
            world_cut_sql(s->w, i, j, false);
        world_hang_server(s->w, i, false);
        world_slow(s->w, i, false);
        world_slow_start(s->w, i, false);
        world_busy(s->w, i, false);
        world_crash_agent(s->w, i, 0);
        world_hang_agent(s->w, i, false);
        world_start_agent(s->w, i);
    }
}

/* The operator ends what he began; asked again, since a command may be refused. */
static void heal_flags(struct swarm *s)
{
    const struct record *r = world_record(s->w);
    if (r->paused) {
        order(s, COMMAND_RESUME, NODE_NONE, false);
        return;
    }
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((r->flags[i] & NODE_MAINTENANCE) != 0) {
            order(s, COMMAND_MAINTENANCE, i, false);
            return;
        }
        if ((r->flags[i] & NODE_NO_PROMOTE) != 0) {
            order(s, COMMAND_NO_PROMOTE, i, false);
            return;
        }
    }
}

static bool is_out(const struct record *r, unsigned i)
{
    return (r->flags[i] & NODE_QUARANTINED) != 0;
}

static bool is_same(struct swarm *s)
{
    const struct record *r = world_record(s->w);
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if (!is_out(r, i) && config_node_has_mysql(&s->cfg, i) && world_lost(s->w, i) != 0)
            return false;
    }
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if (is_out(r, i))
            return true;
    }
    return world_identical(s->w);
}

static const char *run_healed(struct swarm *s)
{
    const char *wrong = "never looked";
    for (unsigned ms = 0; ms < HEALED_MS && wrong != NULL; ms += 100) {
        world_run_ms(s->w, 100);
        if (world_violation(s->w) != NULL)
            return world_violation(s->w);
        if (ms % 1000 == 0)
            heal_flags(s);
        /* One that was told to quit before. */
        for (unsigned i = 0; i < s->cfg.n_nodes; i++)
            world_start_agent(s->w, i);
        wrong = world_unsettled(s->w);
    }
    if (wrong != NULL)
        return wrong;
    world_write(s->w, false);
    world_write_local(s->w, false);
    for (unsigned i = 0; i < 300 && !is_same(s); i++)
        world_run_ms(s->w, 100);
    if (world_violation(s->w) != NULL)
        return world_violation(s->w);
    if (!is_same(s))
        return "the nodes do not hold the same";
    for (unsigned i = 0; i < s->cfg.n_nodes && !s->by_hand; i++) {
        if (is_out(world_record(s->w), i) && !world_has_extra(s->w, i))
            return "a node was quarantined without need";
    }
    return NULL;
}

static const char *run_faults(struct swarm *s)
{
    bool settled = false;
    for (unsigned ms = 0; ms < 20000 && !settled; ms += 50) {
        world_run_ms(s->w, 50);
        settled = world_writer(s->w) != NODE_NONE;
    }
    if (!settled)
        return "the cluster did not form";
    world_write(s->w, true);
    world_write_local(s->w, true);
    world_run_ms(s->w, draw(s, 4000));
    for (unsigned ms = 0; ms < ACTIVE_MS;) {
        unsigned pause = draw(s, 3) == 0 ? draw(s, 20) : draw(s, 1500);
        fault(s);
        world_run_ms(s->w, pause);
        ms += pause + 1;
        if (world_violation(s->w) != NULL)
            return world_violation(s->w);
    }
    return NULL;
}

static const char *run(unsigned seed, bool dump)
{
    static char why[256];
    struct swarm s;
    const char *wrong;
    memset(&s, 0, sizeof s);
    s.seed = seed;
    s.prng.state = seed;
    draw_cluster(&s);
    wrong = run_faults(&s);
    if (wrong == NULL) {
        heal(&s);
        wrong = run_healed(&s);
    }
    if (wrong != NULL) {
        if (dump)
            world_dump(s.w);
        (void)snprintf(why, sizeof why, "%s", wrong);
    }
    world_free(s.w);
    return wrong != NULL ? why : NULL;
}

int main(int argc, char **argv)
{
    unsigned first = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    unsigned failed = 0;
    for (unsigned seed = first; seed < first + count; seed++) {
        const char *wrong = run(seed, count == 1);
        if (wrong == NULL)
            continue;
        failed++;
        printf("seed %u failed: %s\n", seed, wrong);
    }
    printf("%u of %u seeds passed\n", count - failed, count);
    return failed == 0 ? 0 : 1;
}
