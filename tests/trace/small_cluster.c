/* SPDX-License-Identifier: Apache-2.0 */
#include "small_cluster.h"

#include "trace_settings.h"

void small_cluster_add(struct cluster_config *cfg, int role, uint32_t priority)
{
    unsigned i = cfg->n_nodes++;
    struct config_node *n = &cfg->nodes[i];
    (void)snprintf(n->name, sizeof n->name, "m%u", i + 1);
    (void)snprintf(n->address, sizeof n->address, "172.17.0.%u", 10 + i);
    n->role = role;
    n->priority = priority;
    n->source = NODE_NONE;
    n->mysql.port = 3306;
}

void small_cluster(struct cluster_config *cfg)
{
    memset(cfg, 0, sizeof *cfg);
    trace_settings(cfg);
    small_cluster_add(cfg, CONFIG_ROLE_CANDIDATE, 100);
    small_cluster_add(cfg, CONFIG_ROLE_CANDIDATE, 90);
    small_cluster_add(cfg, CONFIG_ROLE_REPLICA, 0);
}

bool small_cluster_is_settled(struct world *w, void *data)
{
    unsigned writer = *(unsigned *)data;
    const struct record *r = world_record(w);
    const struct cluster_config *cfg =
        world_core(w, writer) == NULL ? NULL : world_core(w, writer)->cfg;
    if (cfg == NULL || world_writer(w) != writer || r->writer != writer)
        return false;
    for (unsigned i = 0; i < cfg->n_nodes; i++) {
        const struct config_node *n = &cfg->nodes[i];
        if (i == writer || !config_node_has_mysql(cfg, i))
            continue;
        if (r->flags[i] != 0 ||
            !world_attached(w, i, n->source == NODE_NONE ? writer : n->source) ||
            (n->role == CONFIG_ROLE_CANDIDATE && (r->in_sync & (1u << i)) == 0))
            return false;
    }
    return true;
}

bool small_cluster_is_written(struct world *w, void *data)
{
    return world_writer(w) == *(unsigned *)data && world_now_us(w) - world_last_ack_us(w) < 20000;
}

bool small_cluster_is_no_member(struct world *w, void *data)
{
    return (world_record(w)->in_sync & (1u << *(unsigned *)data)) == 0;
}

bool small_cluster_is_quarantined(struct world *w, void *data)
{
    return (world_record(w)->flags[*(unsigned *)data] & NODE_QUARANTINED) != 0;
}

bool small_cluster_is_salvaged(struct world *w, void *data)
{
    return (world_record(w)->flags[*(unsigned *)data] & NODE_SALVAGED) != 0;
}

bool small_cluster_is_under_m1(struct world *w, void *data)
{
    return world_attached(w, *(unsigned *)data, M1);
}

struct world *small_cluster_start(const struct cluster_config *cfg)
{
    return small_cluster_start_seed(cfg, 7);
}

struct world *small_cluster_start_seed(const struct cluster_config *cfg, uint64_t seed)
{
    unsigned m1 = M1;
    struct world *w = world_new(cfg, seed);
    check(w, world_until(w, small_cluster_is_settled, &m1, 20000));
    world_write(w, true);
    check(w, world_until(w, small_cluster_is_written, &m1, 1000));
    world_run_ms(w, 200);
    return w;
}

void small_cluster_finish(struct world *w)
{
    check(w, world_violation(w) == NULL);
    world_free(w);
}
