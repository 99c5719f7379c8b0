/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3: a mysqld starts fenced and stays so until the core opens it: read_only on, both sides of
 * semi-sync off, replication not started. And the dead mysqld of the last writer is started in two
 * ways only (S3): by its own node while that leads with a lease, or after another node was
 * promoted. Starts by hand are the operator's.
 */
#include "sim/world_private.h"

void check_s3_start(struct world *w, unsigned node, bool by_agent)
{
    const struct server *s = &w->host[node].server;
    const struct record *r = w->committed;
    w->checks.opened[node] = w->checks.started[node] = false;
    if (!s->read_only || s->source_side || s->replica_side || s->channel[0].io || s->channel[0].sql)
        sim_violation(w, "S3: %s starts open", sim_name(w, node));
    if (by_agent && r->writer == node && r->epoch != 0 && !r->handover_forced &&
        w->leader != node && w->leader != NODE_NONE)
        sim_violation(w, "S3: the last writer %s is started, and %s leads", sim_name(w, node),
                      sim_name(w, w->leader));
}

void check_s3_tick(struct world *w)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct server *s = &w->host[i].server;
        if (!s->up || s->by_hand)
            continue;
        if (!s->read_only && !w->checks.opened[i])
            sim_violation(w, "S3: %s is writable and nobody opened it", sim_name(w, i));
        if ((s->channel[0].io || s->channel[0].sql) && !w->checks.started[i])
            sim_violation(w, "S3: %s replicates and nobody started it", sim_name(w, i));
    }
}
