/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S9: the agent dying, hanging or being upgraded never takes a healthy writer down for longer than
 * a failover. While one agent at most is not well and everything else is (every server answers, no
 * line is cut, nobody is flagged, a member was in the set when it began), writes go on within the
 * bound.
 */
#include "sim/world_private.h"

#define BOUND_US 8000000

/* An arbitration address of a pair. */
static bool is_agentless(const struct world *w, unsigned node)
{
    return config_is_pair(w->cfg) && w->cfg->nodes[node].role == CONFIG_ROLE_WITNESS;
}

/* A pair does not take over from a dead agent whose server answers, and without an arbitration
 * address neither goes on alone: docs/design/vrrp.md. */
static bool is_waited_for(const struct world *w, unsigned node)
{
    return config_is_pair(w->cfg) && (node == w->committed->writer || w->cfg->n_nodes == 2);
}

/* The writer of a pair that was started again beside a silent host waits for it. */
static bool is_led(const struct world *w)
{
    const struct agent *a = w->host[w->committed->writer].process;
    return !config_is_pair(w->cfg) || (a != NULL && a->core->is_leader);
}

/* Of a pair: its ways are whole, and the writer keeps the record. */
static bool is_pair_well(const struct world *w)
{
    return world_pair_is_whole(w) && sim_disk_has_space(w->host[w->committed->writer].disk);
}

static bool is_same_life(const struct world *w)
{
    return !config_is_pair(w->cfg) || w->host[w->committed->writer].life == w->checks.calm_life;
}

static bool is_world_well(const struct world *w, unsigned *ret_limping)
{
    const struct record *r = w->committed;
    *ret_limping = NODE_NONE;
    if (!w->writing || r->writer == NODE_NONE || r->paused || r->handover != NODE_NONE ||
        w->faults.loss != 0 || w->faults.transfer != 0 ||
        (config_is_pair(w->cfg) && !is_pair_well(w)))
        return false;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct host *h = &w->host[i];
        const struct server *s = &h->server;
        bool mysql = config_node_has_mysql(w->cfg, i);
        if (mysql && (!sim_answers(s) || s->busy || s->slow || s->fetch_max != 0 ||
                      s->look_ms != 0 || s->stranger || s->by_hand || r->flags[i] != 0))
            return false;
        for (unsigned j = 0; j < w->cfg->n_nodes; j++) {
            if (!sim_passes(w, i, j) || w->cut_sql[i][j] || w->is_slow[i][j])
                return false;
        }
        if (is_agentless(w, i) || (h->agent && !h->agent_hung && !h->quit))
            continue;
        if (*ret_limping != NODE_NONE || is_waited_for(w, i))
            return false;
        *ret_limping = i;
    }
    return true;
}

void check_s9_tick(struct world *w)
{
    struct checks *c = &w->checks;
    unsigned limping;
    bool well = is_world_well(w, &limping);
    bool same = well && (limping == c->limping || limping == NODE_NONE) && is_same_life(w);
    if (!same) {
        /* It begins with the writer whole: only then is there somebody to take over. */
        bool begins = well && is_led(w) && w->committed->in_sync != 0 &&
                      w->now_us - w->last_ack_us < BOUND_US / 8;
        c->calm_us = begins ? w->now_us : 0;
        c->calm_life = begins ? w->host[w->committed->writer].life : 0;
        c->limping = limping;
    }
    if (c->calm_us == 0)
        return;
    if (w->now_us - c->calm_us > BOUND_US && w->now_us - w->last_ack_us > BOUND_US)
        sim_violation(w, "S9: no acknowledgement for %lld ms, and only the agent of %s is not well",
                      (long long)(w->now_us - w->last_ack_us) / 1000, sim_name(w, c->limping));
}
