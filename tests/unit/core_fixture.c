/* SPDX-License-Identifier: Apache-2.0 */
#include "core_fixture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RIG_START_US 1000000000

static void rig_node(struct cluster_config *cfg, const char *name, const char *address, int role,
                     uint32_t priority, unsigned source)
{
    struct config_node *n = &cfg->nodes[cfg->n_nodes++];
    (void)snprintf(n->name, sizeof n->name, "%s", name);
    (void)snprintf(n->address, sizeof n->address, "%s", address);
    n->role = role;
    n->priority = priority;
    n->source = source;
    n->mysql.port = 3306;
}

static void rig_config(struct cluster_config *cfg)
{
    rig_node(cfg, "m1", "172.17.0.10", CONFIG_ROLE_CANDIDATE, 100, NODE_NONE);
    rig_node(cfg, "m2", "172.17.0.11", CONFIG_ROLE_CANDIDATE, 50, NODE_NONE);
    rig_node(cfg, "m3", "172.17.0.15", CONFIG_ROLE_REPLICA, 0, NODE_NONE);
    rig_node(cfg, "m4", "172.17.0.16", CONFIG_ROLE_REPLICA, 0, 2);
    rig_node(cfg, "m5", "172.17.0.17", CONFIG_ROLE_REPLICA, 0, 2);
    cfg->n_vips = 1;
    cfg->arbiter.election_timeout_ms = 1000;
    cfg->arbiter.heartbeat_ms = 100;
    cfg->arbiter.margin_ms = 100;
    cfg->arbiter.voters = 7;
    cfg->policy = (struct config_policy){
        .restart_attempts = 3,
        .restart_backoff_max_ms = 60000,
        .probe_fall = 3,
        .probe_rise = 2,
        .beat_interval_ms = 1000,
        .stall_after_ms = 1000,
        .shrink_after_ms = 500,
        .grow_lag_trx_max = 1000,
        .fence_kill_after_ms = 30000,
        .level_timeout_ms = 200,
        .drain_timeout_ms = 5000,
        .close_timeout_ms = 2000,
        .switchover_timeout_ms = 5000,
        .action_timeout_ms = 2000,
        .start_timeout_ms = 20000,
        .vip_lifetime_ms = 3000,
    };
}

struct rig *rig_new(unsigned self)
{
    struct rig *r = calloc(1, sizeof *r);
    assert(r != NULL);
    rig_config(&r->cfg);
    r->now_us = RIG_START_US;
    core_init(&r->core, &r->cfg, self, r->now_us);
    return r;
}

void rig_free(struct rig *r)
{
    free(r);
}

struct event *rig_event(struct rig *r, enum event_kind kind)
{
    memset(&r->ev, 0, sizeof r->ev);
    r->ev.kind = kind;
    r->ev.now_us = r->now_us;
    r->ev.wall_ms = r->now_us / 1000;
    r->ev.from = r->core.self;
    return &r->ev;
}

void rig_step(struct rig *r)
{
    core_step(&r->core, &r->ev, &r->fx);
}

void rig_tick(struct rig *r, int64_t ms)
{
    r->now_us += ms * 1000;
    (void)rig_event(r, EVENT_TICK);
    rig_step(r);
}

void rig_open_effects(struct rig *r)
{
    r->fx.count = 0;
    r->core.fx = &r->fx;
    r->core.now_us = r->now_us;
}

const struct effect *rig_effect(const struct rig *r, enum effect_kind kind, unsigned n)
{
    for (unsigned i = 0; i < r->fx.count; i++) {
        if (r->fx.list[i].kind == kind && n-- == 0)
            return &r->fx.list[i];
    }
    return NULL;
}

unsigned rig_count(const struct rig *r, enum effect_kind kind)
{
    unsigned n = 0;
    while (rig_effect(r, kind, n) != NULL)
        n++;
    return n;
}

bool rig_logged(const struct rig *r, const char *id)
{
    const struct effect *e;
    for (unsigned i = 0; (e = rig_effect(r, EFFECT_LOG, i)) != NULL; i++) {
        if (strcmp(e->u.log.id, id) == 0)
            return true;
    }
    return false;
}

struct incarnation rig_run_of(uint32_t pid)
{
    struct incarnation i = {.pid = pid, .start_ticks = 1000 + pid};
    return i;
}

struct server_facts rig_facts(unsigned number)
{
    struct server_facts f;
    memset(&f, 0, sizeof f);
    f.flavour = SERVER_MARIADB;
    f.read_only = true;
    f.drained = true;
    (void)snprintf(f.executed, sizeof f.executed, "0-1-%u", number);
    (void)snprintf(f.applied, sizeof f.applied, "0-1-%u", number);
    return f;
}

void rig_probe(struct rig *r, const struct server_facts *facts)
{
    struct event *ev = rig_event(r, EVENT_PROBE);
    ev->u.probe.outcome = PROBE_OK;
    ev->u.probe.have_facts = true;
    ev->u.probe.facts = *facts;
    rig_step(r);
}

void rig_server(struct rig *r, uint32_t pid, const struct server_facts *facts)
{
    rig_event(r, EVENT_SERVER_STARTED)->u.server.incarnation = rig_run_of(pid);
    rig_step(r);
    rig_probe(r, facts);
}

void rig_died(struct rig *r, bool cleanly)
{
    rig_event(r, EVENT_SERVER_DIED)->u.server.cleanly = cleanly;
    rig_step(r);
}

void rig_peer(struct rig *r, unsigned node, bool up)
{
    struct event *ev = rig_event(r, EVENT_PEER);
    ev->from = node;
    ev->u.peer_up = up;
    rig_step(r);
}

struct report *rig_report(struct rig *r, unsigned node)
{
    struct event *ev = rig_event(r, EVENT_REPORT);
    struct report *report = &ev->u.report;
    ev->from = node;
    report->seq = r->core.view[node].report.seq + 1;
    report->term = r->core.term;
    report->leader = (uint8_t)r->core.leader;
    report->epoch = r->core.record.epoch;
    report->version = r->core.record.version;
    report->health = HEALTH_OK;
    report->incarnation = rig_run_of(100 + node);
    report->link_up = true;
    report->facts = rig_facts(1);
    return report;
}

struct request *rig_request(struct rig *r, unsigned from, int job_kind)
{
    struct event *ev = rig_event(r, EVENT_REQUEST);
    ev->from = from;
    ev->u.request.term = r->core.term;
    ev->u.request.id = 1;
    ev->u.request.job.kind = job_kind;
    ev->u.request.job.timeout_ms = 1000;
    return &ev->u.request;
}

void rig_job_ended(struct rig *r, uint64_t id, int outcome)
{
    struct event *ev = rig_event(r, EVENT_JOB);
    ev->u.job.id = id;
    ev->u.job.result.outcome = outcome;
    rig_step(r);
}

struct entry *rig_entry(struct rig *r, int kind)
{
    struct event *ev = rig_event(r, EVENT_APPLIED);
    ev->u.entry.kind = kind;
    ev->u.entry.version = r->core.record.version;
    return &ev->u.entry;
}

void rig_promote(struct rig *r, unsigned node, uint64_t epoch)
{
    struct entry *e = rig_entry(r, ENTRY_PROMOTE);
    e->node = (uint8_t)node;
    e->epoch = epoch;
    e->flag = true;
    rig_step(r);
}

void rig_grow(struct rig *r, unsigned node, uint32_t pid)
{
    struct entry *e = rig_entry(r, ENTRY_GROW);
    e->node = (uint8_t)node;
    e->incarnation = rig_run_of(pid);
    rig_step(r);
}

void rig_lease(struct rig *r, int64_t ms)
{
    rig_event(r, EVENT_LEASE)->u.lease_until_us = r->now_us + ms * 1000;
    rig_step(r);
}

void rig_elect(struct rig *r, uint64_t term, int64_t lease_ms)
{
    struct event *ev;
    const struct effect *barrier;
    uint64_t id;
    rig_event(r, EVENT_ELECTED)->u.term = term;
    rig_step(r);
    barrier = rig_effect(r, EFFECT_BARRIER, 0);
    assert(barrier != NULL);
    id = barrier->u.id;
    rig_lease(r, lease_ms);
    ev = rig_event(r, EVENT_PROPOSAL);
    ev->u.proposal.id = id;
    rig_step(r);
}

struct rig *rig_leader(void)
{
    struct rig *r = rig_new(0);
    struct server_facts facts = rig_facts(10);
    facts.read_only = false;
    rig_server(r, 1, &facts);
    for (unsigned i = 1; i < 5; i++)
        rig_peer(r, i, true);
    rig_promote(r, 0, 1);
    rig_elect(r, 2, 60000);
    r->core.lead.phase = LEAD_STEADY;
    r->core.open_term = r->core.term;
    r->core.have_facts = true;
    r->core.facts = facts;
    return r;
}
