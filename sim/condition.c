/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/condition.h"

#include <string.h>

#include "sim/action.h"
#include "sim/stage.h"

#define FRESH_US 100000

const char *const condition_patterns[CONDITION_COUNT] = {
#define CONDITION(name, pattern, check, help) pattern,
#include "sim/conditions.def"
#undef CONDITION
};

const char *const condition_helps[CONDITION_COUNT] = {
#define CONDITION(name, pattern, check, help) help,
#include "sim/conditions.def"
#undef CONDITION
};

static bool is_fresh(const struct stage *s)
{
    return world_now_us(s->w) - world_last_ack_us(s->w) < FRESH_US;
}

static bool is_out(const struct stage *s, unsigned node)
{
    return (world_record(s->w)->flags[node] & NODE_QUARANTINED) != 0;
}

static bool has_server(const struct stage *s, unsigned node)
{
    return config_node_has_mysql(&s->cfg, node);
}

/* All nodes that are named have the property; nobody has none. */
static bool all(struct stage *s, const struct target *t,
                bool (*has)(struct stage *s, unsigned node))
{
    uint32_t nodes = stage_nodes(s, t);
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((nodes & 1u << i) != 0 && !has(s, i))
            return false;
    }
    return nodes != 0;
}

static bool none(struct stage *s, const struct target *t,
                 bool (*has)(struct stage *s, unsigned node))
{
    uint32_t nodes = stage_nodes(s, t);
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((nodes & 1u << i) != 0 && has(s, i))
            return false;
    }
    return nodes != 0;
}

/* ---- the writer ---- */

static bool writes_at(struct stage *s, unsigned node)
{
    return world_writer(s->w) == node && world_record(s->w)->writer == node &&
           (!s->vip || s->quiet || is_fresh(s));
}

static const char *writer_is(struct stage *s, const struct phrase_args *a)
{
    if (a->a.kind == TARGET_NOBODY)
        return world_writer(s->w) == NODE_NONE ? NULL : "there is a writer";
    return all(s, &a->a, writes_at) ? NULL : "it is not the writer";
}

static const char *writer_is_not(struct stage *s, const struct phrase_args *a)
{
    if (a->a.kind == TARGET_NOBODY)
        return world_writer(s->w) != NODE_NONE ? NULL : "there is no writer";
    return none(s, &a->a, writes_at) ? NULL : "it is the writer";
}

static const char *writes_go_on(struct stage *s, const struct phrase_args *a)
{
    (void)a;
    return is_fresh(s) ? NULL : "nothing is acknowledged";
}

static const char *no_writes(struct stage *s, const struct phrase_args *a)
{
    (void)a;
    return is_fresh(s) ? "commits are acknowledged" : NULL;
}

static const char *outage_below(struct stage *s, const struct phrase_args *a)
{
    return s->outage_us < a->number * 1000 ? NULL : "the outage was longer";
}

static const char *promotions(struct stage *s, const struct phrase_args *a)
{
    return world_record(s->w)->n_promotions == a->number ? NULL : "another number of promotions";
}

static const char *no_handover(struct stage *s, const struct phrase_args *a)
{
    (void)a;
    return world_record(s->w)->handover == NODE_NONE ? NULL : "a handover is recorded";
}

static const char *nothing_lost(struct stage *s, const struct phrase_args *a)
{
    unsigned writer = world_record(s->w)->writer;
    (void)a;
    if (writer == NODE_NONE)
        return "there is no writer";
    return world_lost(s->w, writer) == 0 ? NULL : "the writer lacks acknowledged commits";
}

static const char *set_aside(struct stage *s, const struct phrase_args *a)
{
    unsigned writer = world_record(s->w)->writer;
    unsigned lost = writer == NODE_NONE ? 0 : world_lost(s->w, writer);
    stage_story(s, "%u acknowledged commits are set aside", lost);
    return lost >= a->number ? NULL : "the writer lacks fewer";
}

/* ---- whole, mended, live ---- */

/* With durability strict nothing is acknowledged while no standby is there. */
static bool is_strict_alone(const struct stage *s, uint32_t nodes)
{
    unsigned standbys = 0;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++)
        standbys += (nodes & 1u << i) != 0 && i != world_record(s->w)->writer && !is_out(s, i) &&
                    s->cfg.nodes[i].role == CONFIG_ROLE_CANDIDATE && !s->cfg.nodes[i].no_promote;
    return s->cfg.policy.durability == CONFIG_DURABILITY_STRICT && standbys == 0;
}

/* At the source of the file, or above it as long as that is not one of `nodes`. */
static bool is_in_place(const struct stage *s, unsigned node, uint32_t nodes)
{
    unsigned source = s->cfg.nodes[node].source;
    unsigned writer = world_record(s->w)->writer;
    while (source != NODE_NONE && source != writer) {
        if (world_attached(s->w, node, source))
            return true;
        if ((nodes & 1u << source) != 0 && !is_out(s, source))
            return false;
        source = s->cfg.nodes[source].source;
    }
    return world_attached(s->w, node, writer);
}

/* MariaDB waits for one acknowledgement, whoever gives it: its set has one member, the best. */
static bool member_is_as_good(const struct stage *s, unsigned node)
{
    uint32_t members = world_record(s->w)->in_sync;
    return world_is_mariadb(s->w) && members != 0 &&
           s->cfg.nodes[__builtin_ctz(members)].priority >= s->cfg.nodes[node].priority;
}

static const char *node_wrong(const struct stage *s, unsigned node, uint32_t nodes)
{
    const struct record *r = world_record(s->w);
    if (!is_in_place(s, node, nodes))
        return "a node is not attached where it belongs";
    if (r->flags[node] != 0)
        return "flags are left";
    if (s->cfg.nodes[node].role == CONFIG_ROLE_CANDIDATE && !s->cfg.nodes[node].no_promote &&
        (r->in_sync & 1u << node) == 0 && !member_is_as_good(s, node))
        return "a candidate is not in sync";
    return NULL;
}

/* On MariaDB the preferred one is a member first (node_wrong). */
static bool is_preferred(const struct stage *s, unsigned node, uint32_t nodes)
{
    uint32_t members = world_record(s->w)->in_sync;
    for (unsigned i = 0; i < s->cfg.n_nodes && s->cfg.policy.preempt; i++) {
        const struct config_node *n = &s->cfg.nodes[i];
        bool may = (nodes & 1u << i) != 0 && !is_out(s, i) && !n->no_promote &&
                   n->role == CONFIG_ROLE_CANDIDATE &&
                   (!world_is_mariadb(s->w) || (members & 1u << i) != 0);
        if (may && n->priority > s->cfg.nodes[node].priority)
            return false;
    }
    return true;
}

/* What is wrong with these nodes, quarantined ones left out. */
static const char *nodes_wrong(const struct stage *s, uint32_t nodes)
{
    const struct record *r = world_record(s->w);
    unsigned writer = r->writer;
    if (r->paused)
        return "the cluster is paused";
    if (writer == NODE_NONE || world_writer(s->w) != writer)
        return "no open writer";
    if (s->vip && !s->quiet && !is_fresh(s) && !is_strict_alone(s, nodes))
        return "nothing is acknowledged";
    /* A writer that was left as it is may be out of reach for some of them. */
    if ((nodes & 1u << writer) == 0)
        return NULL;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        const char *wrong;
        if ((nodes & 1u << i) == 0 || i == writer || is_out(s, i) || !has_server(s, i))
            continue;
        wrong = node_wrong(s, i, nodes);
        if (wrong != NULL)
            return wrong;
    }
    if (r->flags[writer] != 0)
        return "flags are left";
    return is_preferred(s, writer, nodes) ? NULL : "the preferred node is not the writer";
}

static uint32_t everyone(const struct stage *s)
{
    return (1u << s->cfg.n_nodes) - 1;
}

static bool somebody_is_out(const struct stage *s)
{
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if (is_out(s, i))
            return true;
    }
    return false;
}

/* With the clients held back, or it would never be. */
static const char *same(struct stage *s)
{
    bool out = somebody_is_out(s);
    s->quiet = true;
    stage_write_clients(s);
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if (!is_out(s, i) && has_server(s, i) && world_lost(s->w, i) != 0)
            return "a node lacks acknowledged commits";
    }
    return out || world_identical(s->w) ? NULL : "the servers do not hold the same";
}

static const char *identical(struct stage *s, const struct phrase_args *a)
{
    (void)a;
    return same(s);
}

static const char *live(struct stage *s, const struct phrase_args *a)
{
    (void)a;
    action_keep_allowed(s);
    return nodes_wrong(s, s->kept != 0 ? s->kept : everyone(s));
}

static const char *mended(struct stage *s, const struct phrase_args *a)
{
    const char *wrong = nodes_wrong(s, everyone(s));
    (void)a;
    for (unsigned i = 0; i < s->cfg.n_nodes && wrong == NULL && !s->by_hand; i++) {
        if (is_out(s, i) && !world_has_extra(s->w, i))
            wrong = "a node was quarantined without need";
    }
    if (wrong == NULL)
        return same(s);
    s->quiet = false;
    stage_write_clients(s);
    return wrong;
}

static const char *whole(struct stage *s, const struct phrase_args *a)
{
    if (somebody_is_out(s))
        return "a node is quarantined";
    return mended(s, a);
}

/* ---- single nodes ---- */

static bool is_member(struct stage *s, unsigned node)
{
    return (world_record(s->w)->in_sync & 1u << node) != 0;
}

static const char *in_sync(struct stage *s, const struct phrase_args *a)
{
    return all(s, &a->a, is_member) ? NULL : "it is not in sync";
}

static const char *not_in_sync(struct stage *s, const struct phrase_args *a)
{
    return none(s, &a->a, is_member) ? NULL : "it is in sync";
}

static const char *follows(struct stage *s, const struct phrase_args *a)
{
    unsigned source = stage_node(s, &a->b);
    uint32_t nodes = stage_nodes(s, &a->a);
    for (unsigned i = 0; i < s->cfg.n_nodes && source != NODE_NONE; i++) {
        if ((nodes & 1u << i) != 0 && i != source && !world_attached(s->w, i, source))
            return "it does not follow it";
    }
    return source != NODE_NONE && nodes != 0 ? NULL : "there is no such node";
}

static const char *follows_not(struct stage *s, const struct phrase_args *a)
{
    return follows(s, a) == NULL ? "it follows it" : NULL;
}

static bool is_quarantined(struct stage *s, unsigned node)
{
    return is_out(s, node);
}

static const char *quarantined(struct stage *s, const struct phrase_args *a)
{
    return all(s, &a->a, is_quarantined) ? NULL : "it is not quarantined";
}

static const char *not_quarantined(struct stage *s, const struct phrase_args *a)
{
    return none(s, &a->a, is_quarantined) ? NULL : "it is quarantined";
}

static bool holds_extra(struct stage *s, unsigned node)
{
    return has_server(s, node) && world_has_extra(s->w, node);
}

static const char *has_extra(struct stage *s, const struct phrase_args *a)
{
    return all(s, &a->a, holds_extra) ? NULL : "it holds nothing that the writer lacks";
}

static bool is_maintained(struct stage *s, unsigned node)
{
    return (world_record(s->w)->flags[node] & NODE_MAINTENANCE) != 0;
}

static const char *in_maintenance(struct stage *s, const struct phrase_args *a)
{
    return all(s, &a->a, is_maintained) ? NULL : "it is not in maintenance";
}

static const char *not_in_maintenance(struct stage *s, const struct phrase_args *a)
{
    return none(s, &a->a, is_maintained) ? NULL : "it is in maintenance";
}

static bool server_answers(struct stage *s, unsigned node)
{
    return has_server(s, node) && world_server_is_up(s->w, node);
}

static const char *server_up(struct stage *s, const struct phrase_args *a)
{
    return all(s, &a->a, server_answers) ? NULL : "mysqld does not answer";
}

static const char *server_down(struct stage *s, const struct phrase_args *a)
{
    return none(s, &a->a, server_answers) ? NULL : "mysqld answers";
}

static bool agent_runs(struct stage *s, unsigned node)
{
    return world_agent_is_up(s->w, node);
}

static const char *agent_up(struct stage *s, const struct phrase_args *a)
{
    return all(s, &a->a, agent_runs) ? NULL : "the agent does not run";
}

static const char *agent_down(struct stage *s, const struct phrase_args *a)
{
    return none(s, &a->a, agent_runs) ? NULL : "the agent runs";
}

static bool is_writable(struct stage *s, unsigned node)
{
    return server_answers(s, node) && !world_read_only_is(s->w, node);
}

static const char *closed(struct stage *s, const struct phrase_args *a)
{
    return none(s, &a->a, is_writable) ? NULL : "it is writable";
}

/* ---- the cluster ---- */

static const char *paused(struct stage *s, const struct phrase_args *a)
{
    (void)a;
    return world_record(s->w)->paused ? NULL : "it is not paused";
}

static const char *not_paused(struct stage *s, const struct phrase_args *a)
{
    (void)a;
    return world_record(s->w)->paused ? "it is paused" : NULL;
}

static bool says_safe(const struct stage *s)
{
    char text[256];
    unsigned leader = world_leader(s->w);
    const struct core *c = leader != NODE_NONE ? world_core(s->w, leader) : NULL;
    return c != NULL && core_is_safe(c, text, sizeof text);
}

static const char *safe(struct stage *s, const struct phrase_args *a)
{
    (void)a;
    return says_safe(s) ? NULL : "the leader does not call it safe";
}

static const char *not_safe(struct stage *s, const struct phrase_args *a)
{
    (void)a;
    return says_safe(s) ? "the leader calls it safe" : NULL;
}

static const char *reply_has(struct stage *s, const struct phrase_args *a)
{
    return strstr(world_last_reply(s->w), a->text) != NULL ? NULL : "the reply does not say that";
}

const char *condition_check(struct stage *stage, unsigned kind, const struct phrase_args *args)
{
    static const char *(*const checks[CONDITION_COUNT])(struct stage *,
                                                        const struct phrase_args *) = {
#define CONDITION(name, pattern, check, help) check,
#include "sim/conditions.def"
#undef CONDITION
    };
    return checks[kind](stage, args);
}
