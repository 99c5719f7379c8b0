/* SPDX-License-Identifier: Apache-2.0 */
/* A small cluster for trace tests: candidates first, then others; m1 is the writer to begin with.
 */
#ifndef TANDEM_TESTS_TRACE_TRACE_CLUSTER_H
#define TANDEM_TESTS_TRACE_TRACE_CLUSTER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/world.h"
#include "trace_settings.h"

enum { M1, M2, M3, M4, M5 };

static struct cluster_config cfg;
static unsigned n_candidates;

static inline unsigned add_node(int role, uint32_t priority, unsigned source)
{
    unsigned i = cfg.n_nodes++;
    struct config_node *n = &cfg.nodes[i];
    (void)snprintf(n->name, sizeof n->name, "m%u", i + 1);
    (void)snprintf(n->address, sizeof n->address, "172.17.0.%u", 10 + i);
    n->role = role;
    n->priority = priority;
    n->source = source;
    n->mysql.port = 3306;
    return i;
}

static inline void policy(void)
{
    trace_settings(&cfg);
}

/* Candidates first; the first three nodes vote. */
static inline void cluster(unsigned candidates, unsigned others, int role)
{
    memset(&cfg, 0, sizeof cfg);
    policy();
    n_candidates = candidates;
    for (unsigned i = 0; i < candidates; i++)
        (void)add_node(CONFIG_ROLE_CANDIDATE, 100 - 10 * i, NODE_NONE);
    for (unsigned i = 0; i < others; i++)
        (void)add_node(role, 0, NODE_NONE);
}

#define check(w, cond)             \
    do {                           \
        if (!(cond)) {             \
            world_dump(w);         \
            fail_msg("%s", #cond); \
        }                          \
    } while (0)

static inline bool is_settled(struct world *w, void *data)
{
    unsigned writer = *(unsigned *)data;
    const struct record *r = world_record(w);
    if (world_writer(w) != writer || r->writer != writer)
        return false;
    for (unsigned i = 0; i < cfg.n_nodes; i++) {
        if (i == writer || !config_node_has_mysql(&cfg, i))
            continue;
        if (r->flags[i] != 0 || !world_attached(w, i, writer) ||
            (i < n_candidates && (r->in_sync & (1u << i)) == 0))
            return false;
    }
    return true;
}

static inline bool is_written(struct world *w, void *data)
{
    return world_writer(w) == *(unsigned *)data && world_now_us(w) - world_last_ack_us(w) < 20000;
}

static inline bool is_whole(struct world *w, void *data)
{
    (void)data;
    return world_unsettled(w) == NULL;
}

static inline bool is_out(struct world *w, void *data)
{
    return (world_record(w)->flags[*(unsigned *)data] & NODE_QUARANTINED) != 0;
}

static inline bool is_no_member(struct world *w, void *data)
{
    return (world_record(w)->in_sync & (1u << *(unsigned *)data)) == 0;
}

static inline struct world *start_of(int flavour)
{
    unsigned m1 = M1;
    struct world *w = world_new_of(&cfg, 7, flavour);
    check(w, world_until(w, is_settled, &m1, 20000));
    world_write(w, true);
    check(w, world_until(w, is_written, &m1, 1000));
    world_run_ms(w, 200);
    return w;
}

static inline struct world *start(void)
{
    return start_of(SERVER_MYSQL);
}

static inline void finish(struct world *w)
{
    check(w, world_violation(w) == NULL);
    world_free(w);
}

static inline void order(struct world *w, unsigned at, int kind, unsigned node, bool flag)
{
    struct command m = {.kind = kind, .node = (uint8_t)node, .flag = flag};
    world_command(w, at, &m);
}

#endif
