/* SPDX-License-Identifier: Apache-2.0 */
/* What operators and clients do, and repairs. */
#include <string.h>

#include "sim/action_private.h"
#include "sim/pair_care.h"

/* The agent that is asked: the leader's if it runs, else any. */
static unsigned any_agent(const struct stage *s)
{
    unsigned leader = world_leader(s->w);
    if (leader != NODE_NONE && world_agent_is_up(s->w, leader))
        return leader;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if (world_agent_is_up(s->w, i))
            return i;
    }
    return NODE_NONE;
}

static bool order(struct stage *s, const struct statement *st, int kind, unsigned node, bool flag)
{
    struct command m = {.kind = kind, .node = (uint8_t)node, .flag = flag};
    unsigned at = st->asked ? stage_node(s, &st->asked_at) : any_agent(s);
    if (at == NODE_NONE || !world_agent_is_up(s->w, at))
        return false;
    world_command(s->w, at, &m);
    return true;
}

bool act_reclone(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_RECLONE, node, /* flag= */ false);
}

bool act_reclone_from(struct stage *s, unsigned node, const struct statement *st)
{
    struct command m = {.kind = COMMAND_RECLONE,
                        .node = (uint8_t)node,
                        .donor = (uint8_t)(stage_node(s, &st->args.b) + 1)};
    unsigned at = st->asked ? stage_node(s, &st->asked_at) : any_agent(s);
    if (at == NODE_NONE || !world_agent_is_up(s->w, at) || m.donor > s->cfg.n_nodes)
        return false;
    world_command(s->w, at, &m);
    return true;
}

bool act_join(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_JOIN, node, /* flag= */ false);
}

bool act_switch_over_to(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_SWITCHOVER, node, /* flag= */ false);
}

bool act_switch_over(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    return order(s, st, COMMAND_SWITCHOVER, NODE_NONE, /* flag= */ false);
}

bool act_pause_cluster(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    return order(s, st, COMMAND_PAUSE, NODE_NONE, /* flag= */ false);
}

bool act_resume_cluster(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    return order(s, st, COMMAND_RESUME, NODE_NONE, /* flag= */ false);
}

bool act_maintenance_on(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_MAINTENANCE, node, /* flag= */ true);
}

bool act_maintenance_off(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_MAINTENANCE, node, /* flag= */ false);
}

bool act_forbid_promotion(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_NO_PROMOTE, node, /* flag= */ true);
}

bool act_allow_promotion(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_NO_PROMOTE, node, /* flag= */ false);
}

static bool order_failover(struct stage *s, const struct statement *st, unsigned node, bool flag)
{
    bool done = order(s, st, COMMAND_FAILOVER, node, flag);
    if (done)
        pair_care_ordered(s);
    return done;
}

bool act_fail_over(struct stage *s, unsigned node, const struct statement *st)
{
    return order_failover(s, st, node, /* flag= */ false);
}

bool act_fail_over_accepting(struct stage *s, unsigned node, const struct statement *st)
{
    return order_failover(s, st, node, /* flag= */ true);
}

bool act_rejoin(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_REJOIN, node, /* flag= */ false);
}

bool act_rejoin_discarding(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_REJOIN, node, /* flag= */ true);
}

bool act_replace_writer(struct stage *s, unsigned node, const struct statement *st)
{
    return order(s, st, COMMAND_REPLACE, node, /* flag= */ true);
}

/* ---- the cluster file, another version of the program ---- */

bool act_upgrade(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    rollout_begin(s, /* together= */ false, st->args.number);
    return true;
}

bool act_roll_out(struct stage *s, unsigned node, const struct statement *st)
{
    setting_apply(&s->cfg, &st->args.setting);
    return act_upgrade(s, node, st);
}

bool act_stop_all_and_start_with(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    setting_apply(&s->cfg, &st->args.setting);
    rollout_begin(s, /* together= */ true, 0);
    return true;
}

/* All at once: two agents never run with two values. */
bool act_restart_all_with(struct stage *s, unsigned node, const struct statement *st)
{
    uint32_t up = 0;
    (void)node;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        up |= world_agent_is_up(s->w, i) ? 1u << i : 0;
        world_kill_agent(s->w, i);
    }
    setting_apply(&s->cfg, &st->args.setting);
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((up & 1u << i) != 0)
            world_start_agent(s->w, i);
    }
    return true;
}

/* ---- clients ---- */

bool act_write_vip(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    (void)st;
    s->vip = true;
    stage_write_clients(s);
    return true;
}

bool act_write_direct(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    (void)st;
    s->direct = true;
    stage_write_clients(s);
    return true;
}

bool act_stop_writing(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    (void)st;
    s->vip = s->direct = false;
    stage_write_clients(s);
    return true;
}

/* ---- repairs ---- */

static void repair_node(struct stage *s, unsigned node)
{
    static const struct statement none;
    if (config_node_has_mysql(&s->cfg, node)) {
        world_hang_server(s->w, node, /* hang= */ false);
        world_slow(s->w, node, /* slow= */ false);
        world_busy(s->w, node, /* busy= */ false);
        world_lock(s->w, node, /* lock= */ false);
        world_slow_start(s->w, node, /* slow= */ false);
        world_slow_line(s->w, node, 0);
        world_slow_look(s->w, node, 0);
        world_stranger(s->w, node, /* on= */ false);
        world_slow_receiver(s->w, node, /* slow= */ false);
        world_data_disk(s->w, node, 0, /* is_full= */ false);
    }
    world_crash_agent(s->w, node, 0);
    (void)act_disk_mend(s, node, &none);
    world_hang_agent(s->w, node, /* hang= */ false);
    world_start_agent(s->w, node);
}

static void repair(struct stage *s, uint32_t nodes)
{
    memset(&s->faults, 0, sizeof s->faults);
    world_set_faults(s->w, &s->faults);
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        for (unsigned j = 0; j < i && (nodes & 1u << i) != 0; j++) {
            if ((nodes & 1u << j) == 0)
                continue;
            action_heal(s, i, j);
        }
        if ((nodes & 1u << i) != 0)
            repair_node(s, i);
    }
    s->kept = nodes;
    s->restarting &= nodes;
    rollout_only(s, nodes);
}

/* Its agent says that the server was shut down: it waits to start it, and nobody may take over. */
static bool is_shut_down(const struct stage *s, unsigned node)
{
    const struct core *c = node == NODE_NONE ? NULL : world_core(s->w, node);
    return c != NULL && c->ended_cleanly && !world_server_runs(s->w, node);
}

/* A member that could be promoted if the writer stayed away. After a pause nobody can be before the
 * writer's agent has taken its lease back; and one whose applier has met an error, as after a
 * transaction by hand, is left to people. */
static bool is_heir(const struct stage *s, unsigned node)
{
    const struct record *r = world_record(s->w);
    const struct core *c = world_core(s->w, node);
    return !is_shut_down(s, r->writer) && !r->paused && !r->endless &&
           (r->in_sync & 1u << node) != 0 && (r->flags[node] & ~(uint32_t)NODE_UNSEEN) == 0 &&
           c != NULL && c->facts.sql_errno == 0 && world_server_runs(s->w, node) &&
           !s->cfg.nodes[node].no_promote &&
           memcmp(&c->incarnation, &r->member[node], sizeof c->incarnation) == 0;
}

void action_keep_allowed(struct stage *s)
{
    unsigned writer = world_record(s->w)->writer;
    if (s->kept == 0 || writer == NODE_NONE || (s->kept & 1u << writer) != 0)
        return;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((s->kept & 1u << i) != 0 && is_heir(s, i))
            return;
    }
    stage_story(s, "repaired as well: %s", s->cfg.nodes[writer].name);
    repair(s, s->kept | 1u << writer);
}

bool act_repair_core(struct stage *s, unsigned node, const struct statement *st)
{
    unsigned writer = world_record(s->w)->writer;
    unsigned from = stage_node(s, &st->args.b);
    unsigned needed = config_majority(&s->cfg);
    uint32_t nodes;
    if (writer == NODE_NONE || from == NODE_NONE)
        return false;
    if (node == NODE_NONE || !is_heir(s, node))
        node = writer;
    nodes = 1u << node;
    needed -= config_node_is_voter(&s->cfg, node);
    for (unsigned i = 0; i < s->cfg.n_nodes && needed > 0; i++) {
        unsigned next = (from + i) % s->cfg.n_nodes;
        if ((nodes & 1u << next) != 0 || !config_node_is_voter(&s->cfg, next))
            continue;
        nodes |= 1u << next;
        needed--;
    }
    repair(s, nodes);
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((nodes & 1u << i) != 0)
            stage_story(s, "repaired: %s", s->cfg.nodes[i].name);
    }
    return true;
}

bool act_repair_everything(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    (void)st;
    repair(s, (1u << s->cfg.n_nodes) - 1);
    return true;
}
