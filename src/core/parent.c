/* SPDX-License-Identifier: Apache-2.0 */
#include "core/parent.h"

#include <string.h>

#include "core/core.h"
#include "core/cure.h"
#include "core/sets.h"

/* A restart of a server, or of a thread, is waited for. */
#define PARENT_GONE_US 3000000

enum parent_fact {
    F_QUARANTINED = 1u << 0, /* the source holds what the writer lacks */
    F_THERE = 1u << 1,       /* the node follows it */
    F_SENDS = 1u << 2,       /* ... and is connected to it */
    F_GONE = 1u << 3,        /* it was not whole for a while */
    F_IDLE = 1u << 4,        /* its applier is stopped for a while */
    F_WHOLE = 1u << 5,       /* it serves and replicates, and nothing stands against it */
    F_CURRENT = 1u << 6,     /* and is near the writer */
};

static const char *const parent_facts[] = {
    "quarantined", "there", "sends", "gone", "idle", "whole", "current",
};
static const char *const parent_verdicts[] = {"leave", "follow"};

static const struct rule parent_rules[] = {
    {10, F_QUARANTINED, 0, PARENT_LEAVE,
     "what it handed down must be looked for in its children too"},
    {20, F_THERE | F_IDLE, 0, PARENT_LEAVE,
     "its applier is stopped: what follows it would go stale with it"},
    {30, F_THERE | F_SENDS, 0, PARENT_FOLLOW, "the node is connected to it"},
    {40, F_THERE, F_GONE, PARENT_FOLLOW, "a short break is waited for"},
    {50, F_THERE, 0, PARENT_LEAVE, "it is gone for a while"},
    {60, F_WHOLE | F_CURRENT, 0, PARENT_FOLLOW, "it is whole and current"},
    {70, 0, 0, PARENT_LEAVE, "it is not whole, or too far behind the writer"},
};

const struct rule_table parent_table =
    RULE_TABLE("parent", parent_rules, parent_facts, parent_verdicts);

bool parent_is(const struct core *core, unsigned node, unsigned parent)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    return f->channel && f->source_port == core->cfg->nodes[parent].mysql.port &&
           strcmp(f->source_host, core->cfg->nodes[parent].address) == 0;
}

static bool parent_serves(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    return r != NULL && core_is_fresh(core, node) && health_is_good(r->health);
}

/* Its applier was started again where it had given up at a lock, and tries there for minutes before
 * it gives up anew. */
static bool parent_is_locked(const struct core *core, unsigned node)
{
    const struct repair *r = &core->lead.repair[node];
    return r->lock_starts > 0 && strcmp(r->lock_at, core_report(core, node)->facts.executed) == 0;
}

/* A middle node that can be followed: it serves, and follows its own source. */
static bool parent_is_whole(const struct core *core, unsigned node)
{
    uint32_t bad = NODE_QUARANTINED | NODE_FORMER | NODE_MAINTENANCE | NODE_RECLONE;
    const struct server_facts *f;
    if (!parent_serves(core, node) || (core->record.flags[node] & bad) != 0)
        return false;
    f = &core_report(core, node)->facts;
    return f->io == THREAD_RUNNING && f->sql == THREAD_RUNNING && !parent_is_locked(core, node);
}

static bool parent_was_long(const struct core *core, int64_t since_us)
{
    return since_us != 0 && core->now_us - since_us >= PARENT_GONE_US;
}

const struct rule *parent_judge(const struct core *core, unsigned node, unsigned parent)
{
    uint32_t facts = 0;
    if ((core->record.flags[parent] & NODE_QUARANTINED) != 0)
        facts |= F_QUARANTINED;
    if (parent_is(core, node, parent))
        facts |= F_THERE;
    if (core_report(core, node)->facts.io == THREAD_RUNNING)
        facts |= F_SENDS;
    if (parent_was_long(core, core->lead.bad_since_us[parent]))
        facts |= F_GONE;
    if (parent_was_long(core, core->lead.idle_since_us[parent]))
        facts |= F_IDLE;
    if (parent_is_whole(core, parent)) {
        facts |= F_WHOLE;
        if (sets_distance(&core->facts, &core_report(core, parent)->facts) <=
            core->cfg->policy.grow_lag_trx_max)
            facts |= F_CURRENT;
    }
    return rules_decide(&parent_table, facts);
}

static unsigned parent_of_tree(const struct core *core, unsigned node)
{
    unsigned parent = core->cfg->nodes[node].source;
    if (core->cfg->nodes[node].role != CONFIG_ROLE_REPLICA)
        return core->record.writer;
    for (unsigned hops = 0;
         hops < NODES_MAX && parent != NODE_NONE && parent != core->record.writer; hops++) {
        if (parent_judge(core, node, parent)->verdict == PARENT_FOLLOW)
            return parent;
        parent = core->cfg->nodes[parent].role == CONFIG_ROLE_REPLICA
                     ? core->cfg->nodes[parent].source
                     : NODE_NONE;
    }
    return core->record.writer;
}

unsigned parent_of(const struct core *core, unsigned node)
{
    const struct repair *r = &core->lead.repair[node];
    unsigned parent = parent_of_tree(core, node);
    unsigned other = NODE_NONE;
    if (parent != NODE_NONE && (r->purged & (1u << parent)) != 0)
        other = cure_source(core, node);
    return other != NODE_NONE ? other : parent;
}

static void parent_clock(const struct core *core, bool runs, int64_t *since_us)
{
    if (!runs)
        *since_us = 0;
    else if (*since_us == 0)
        *since_us = core->now_us;
}

/* bad_since_us of candidates, members' doubts, is kept by sync.c. */
void parent_watch(struct core *core)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        bool stopped = i != core->record.writer && parent_serves(core, i) &&
                       core_report(core, i)->facts.sql == THREAD_STOPPED;
        parent_clock(core, stopped, &core->lead.idle_since_us[i]);
        if (core->cfg->nodes[i].role == CONFIG_ROLE_REPLICA)
            parent_clock(core, !parent_is_whole(core, i), &core->lead.bad_since_us[i]);
    }
}

void parent_tell_left(struct core *core, unsigned node)
{
    const char *host = core_report(core, node)->facts.source_host;
    unsigned source = config_node_find_address(core->cfg, host);
    const struct rule *rule;
    if (source == NODE_NONE || source == core->record.writer || source == node ||
        core->cfg->nodes[node].role != CONFIG_ROLE_REPLICA)
        return;
    rule = parent_judge(core, node, source);
    if (rule->verdict == PARENT_LEAVE)
        core_log(core, LOG_LEVEL_NOTICE, "source-left",
                 "node leaves its source node=%s source=%s rule=parent/%u why='%s'",
                 core_name(core, node), core_name(core, source), rule->id, rule->text);
}
