/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S8: no state from which only a restart helps. Once nothing goes wrong any more (world_freeze:
 * everything runs and is connected) the cluster is whole within the bound: an open writer that
 * acknowledges, every node that is not quarantined attached where it belongs, every candidate among
 * them in the in-sync set (MariaDB: one of them).
 */
#include "sim/world_private.h"

#define ACK_AGE_US 200000

static bool is_out(const struct world *w, unsigned node)
{
    return (w->committed->flags[node] & NODE_QUARANTINED) != 0;
}

/* Strict: without a standby nothing is acknowledged. */
static bool is_strict_alone(const struct world *w)
{
    unsigned standbys = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        standbys += w->cfg->nodes[i].role == CONFIG_ROLE_CANDIDATE && i != w->committed->writer &&
                    !is_out(w, i);
    return w->cfg->policy.durability == CONFIG_DURABILITY_STRICT && standbys == 0;
}

static unsigned parent_of(const struct world *w, unsigned node)
{
    unsigned source = w->cfg->nodes[node].source;
    bool direct =
        w->cfg->nodes[node].role != CONFIG_ROLE_REPLICA || source == NODE_NONE || is_out(w, source);
    return direct ? w->committed->writer : source;
}

static bool members_are_missing(const struct world *w)
{
    unsigned in = 0, out = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        bool standby = w->cfg->nodes[i].role == CONFIG_ROLE_CANDIDATE &&
                       i != w->committed->writer && !is_out(w, i);
        in += standby && (w->committed->in_sync & (1u << i)) != 0;
        out += standby && (w->committed->in_sync & (1u << i)) == 0;
    }
    return w->mariadb ? in == 0 && out > 0 : out > 0;
}

const char *world_unsettled(const struct world *w)
{
    const struct record *r = w->committed;
    if (r->writer == NODE_NONE || world_writer(w) != r->writer)
        return "no open writer";
    if (w->writing && w->now_us - w->last_ack_us > ACK_AGE_US && !is_strict_alone(w))
        return "no acknowledgement";
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (i == r->writer || is_out(w, i) || !config_node_has_mysql(w->cfg, i))
            continue;
        if (!world_attached(w, i, parent_of(w, i)))
            return "a node is not attached";
        if (r->flags[i] != 0)
            return "flags are left";
    }
    return members_are_missing(w) ? "a member is missing" : NULL;
}

void world_freeze(struct world *w, unsigned bound_ms)
{
    w->checks.frozen_us = w->now_us;
    w->checks.bound_us = w->now_us + (int64_t)bound_ms * 1000;
}

void world_thaw(struct world *w)
{
    w->checks.frozen_us = 0;
}

void check_s8_tick(struct world *w)
{
    struct checks *c = &w->checks;
    const char *wrong;
    if (c->frozen_us == 0 || w->now_us < c->bound_us)
        return;
    wrong = world_unsettled(w);
    if (wrong == NULL)
        c->frozen_us = 0;
    else
        sim_violation(w, "S8: not whole %lld ms after the last fault: %s",
                      (long long)(w->now_us - c->frozen_us) / 1000, wrong);
}
