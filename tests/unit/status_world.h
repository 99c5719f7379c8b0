/* SPDX-License-Identifier: Apache-2.0 */
/* A core with a known state: what an agent of m2 knows. Include it behind what brings struct core.
 */
#ifndef TANDEM_TESTS_UNIT_STATUS_WORLD_H
#define TANDEM_TESTS_UNIT_STATUS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/core.h"

#define NOW_US 100000000

struct world {
    struct cluster_config cfg;
    struct core core;
};

static inline void node(struct world *w, unsigned i, const char *name, int role, uint32_t priority,
                        unsigned source)
{
    struct config_node *n = &w->cfg.nodes[i];
    (void)snprintf(n->name, sizeof n->name, "%s", name);
    (void)snprintf(n->address, sizeof n->address, "10.0.0.%u", i + 1);
    n->role = role;
    n->priority = priority;
    n->source = source;
    n->mysql.port = 3306;
}

/* A healthy server of node i that follows `source` (NODE_NONE: nobody). */
static inline void report(struct world *w, unsigned i, unsigned source, const char *executed)
{
    struct peer_view *v = &w->core.view[i];
    struct report *r = &v->report;
    struct server_facts *f = &r->facts;
    v->up = v->have = true;
    v->at_us = NOW_US - 20000;
    r->config_digest = w->cfg.digest;
    r->health = HEALTH_OK;
    r->link_up = true;
    r->leader = 0;
    r->term = 7;
    (void)snprintf(r->agent_version, sizeof r->agent_version, "1.2.3");
    (void)snprintf(r->phase, sizeof r->phase, "follows");
    f->flavour = SERVER_MARIADB;
    (void)snprintf(f->version_text, sizeof f->version_text, "10.11.14-MariaDB");
    (void)snprintf(f->executed, sizeof f->executed, "%s", executed);
    f->lag_s = -1;
    if (source == NODE_NONE)
        return;
    f->read_only = f->channel = true;
    f->io = f->sql = THREAD_RUNNING;
    f->lag_s = 0;
    memcpy(f->source_host, w->cfg.nodes[source].address, sizeof f->source_host);
    f->source_port = 3306;
}

/* m1 writes, m2 is in sync, m3 follows m1, m4 follows m3, w5 is a witness; seen from m2. */
static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    (void)snprintf(w->cfg.cluster, sizeof w->cfg.cluster, "demo");
    w->cfg.n_nodes = 5;
    w->cfg.digest = 0xabc;
    w->cfg.n_vips = 1;
    (void)snprintf(w->cfg.vips[0].address, sizeof w->cfg.vips[0].address, "10.0.0.100");
    w->cfg.arbiter.voters = 1u << 0 | 1u << 1 | 1u << 4;
    w->cfg.arbiter.heartbeat_ms = 100;
    node(w, 0, "m1", CONFIG_ROLE_CANDIDATE, 100, NODE_NONE);
    node(w, 1, "m2", CONFIG_ROLE_CANDIDATE, 50, NODE_NONE);
    node(w, 2, "m3", CONFIG_ROLE_REPLICA, 0, NODE_NONE);
    node(w, 3, "m4", CONFIG_ROLE_REPLICA, 0, 2);
    node(w, 4, "w5", CONFIG_ROLE_WITNESS, 0, NODE_NONE);
    core_init(&w->core, &w->cfg, 1, 1000);
    w->core.now_us = NOW_US;
    w->core.term = 7;
    w->core.leader = 0;
    w->core.record.writer = 0;
    w->core.record.epoch = 7;
    w->core.record.in_sync = 1u << 1;
    report(w, 0, NODE_NONE, "0-1-110");
    report(w, 1, 0, "0-1-110");
    report(w, 2, 0, "0-1-100");
    report(w, 3, 2, "0-1-90");
    report(w, 4, NODE_NONE, "");
    w->core.view[0].report.open = true;
    w->core.view[0].report.lease_ms = 800;
    w->core.view[0].report.vips = 1;
    w->core.view[0].report.eligible = ELIGIBLE_WRITER;
    w->core.view[1].report.eligible = ELIGIBLE_MEMBER;
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    free(*state);
    return 0;
}

#endif
