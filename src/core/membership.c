/* SPDX-License-Identifier: Apache-2.0 */
#include "core/membership.h"

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/procs.h"

/* ---- who belongs to it ---- */

static uint32_t voters(const struct core *core)
{
    return core->membership.voters != 0 ? core->membership.voters : core->cfg->arbiter.voters;
}

bool membership_is_voter(const struct core *core, unsigned node)
{
    return node < NODES_MAX && (voters(core) & (1u << node)) != 0;
}

bool membership_is_member(const struct core *core, unsigned node)
{
    return core->membership.members == 0 ||
           (node < NODES_MAX && (core->membership.members & (1u << node)) != 0);
}

unsigned membership_voter_count(const struct core *core)
{
    return (unsigned)__builtin_popcount(voters(core));
}

unsigned membership_majority(const struct core *core)
{
    return membership_voter_count(core) / 2 + 1;
}

static bool is_up(const struct core *core, unsigned node)
{
    return node == core->self || core->view[node].up;
}

static unsigned up_of(const struct core *core, uint32_t mask)
{
    unsigned n = 0;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++)
        n += (mask & (1u << i)) != 0 && is_up(core, i);
    return n;
}

unsigned membership_voters_up(const struct core *core)
{
    return up_of(core, voters(core));
}

void membership_on_members(struct core *core, uint32_t now_voters, uint32_t now_members)
{
    core->membership.voters = now_voters;
    core->membership.members = now_members;
    core->report_due = true;
}

/* ---- what stands against an order ---- */

static enum membership_wanted wanted_of(const struct core *core, unsigned node)
{
    return config_node_is_voter(core->cfg, node) ? MEMBERSHIP_VOTER : MEMBERSHIP_LEARNER;
}

/* The voters that it would leave could not decide anything, or could not lose one of two. */
static const char *quorum_obstacle(const struct core *core, uint32_t left, char *buf, size_t size)
{
    unsigned count = (unsigned)__builtin_popcount(left);
    unsigned answer = up_of(core, left);
    if (count < 2)
        (void)snprintf(buf, size, "%u voter would be left; add another one first", count);
    else if (answer < count / 2 + 1)
        (void)snprintf(buf, size,
                       "of the %u voters then, only %u can be reached now and %u must be; bring "
                       "others back first",
                       count, answer, count / 2 + 1);
    else
        return NULL;
    return buf;
}

static const char *leave_obstacle(const struct core *core, unsigned node, char *buf, size_t size)
{
    const char *name = core_name(core, node);
    if (node == core->record.writer)
        (void)snprintf(buf, size, "%s is the writer; `tandem switchover` first", name);
    else if (core_is_member(core, node) || (core->lead.unresolved & (1u << node)) != 0)
        (void)snprintf(buf, size,
                       "%s is in the in-sync set; `tandem maintenance %s on` first, so that "
                       "commits do not wait for it",
                       name, name);
    else if (node == core->self)
        (void)snprintf(buf, size, "%s leads; it cannot take its own vote away", name);
    else if (membership_is_voter(core, node))
        return quorum_obstacle(core, voters(core) & ~(1u << node), buf, size);
    else
        return NULL;
    return buf;
}

const char *membership_remove_obstacle(const struct core *core, unsigned node, char *buf,
                                       size_t size)
{
    return leave_obstacle(core, node, buf, size);
}

/* Nodes that answer and have not the leader's cluster file; it names the first. */
static unsigned other_file(const struct core *core)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (i != core->self && core->view[i].up && r != NULL &&
            r->config_digest != core->cfg->digest)
            return i;
    }
    return NODE_NONE;
}

const char *membership_add_obstacle(const struct core *core, unsigned node, char *buf, size_t size)
{
    const char *name = core_name(core, node);
    bool wants_vote = wanted_of(core, node) == MEMBERSHIP_VOTER;
    unsigned other = other_file(core);
    if (!is_up(core, node))
        (void)snprintf(buf, size,
                       "the agent of %s does not answer; install its bundle there "
                       "(`install.sh --join`) and start it",
                       name);
    else if (other != NODE_NONE)
        (void)snprintf(buf, size,
                       "%s runs with another cluster file; make the files identical on all nodes "
                       "and restart the agents one by one",
                       core_name(core, other));
    else if (wants_vote && !membership_is_voter(core, node))
        return quorum_obstacle(core, voters(core) | 1u << node, buf, size);
    else if (!wants_vote && membership_is_member(core, node))
        return leave_obstacle(core, node, buf, size);
    else
        return NULL;
    return buf;
}

/* ---- orders ---- */

static const char *order_obstacle(const struct core *core, const struct command *m, char *buf,
                                  size_t size)
{
    if (m->node >= core->cfg->n_nodes)
        return "say which node";
    if (core->membership.pending)
        return "another change of the quorum is under way; try again";
    if (core->lead.phase != LEAD_STEADY && core->lead.phase != LEAD_CARETAKER)
        return "a change of the writer is under way; try again";
    return m->kind == COMMAND_NODE_ADD ? membership_add_obstacle(core, m->node, buf, size)
                                       : membership_remove_obstacle(core, m->node, buf, size);
}

/* Nobody repairs it, waits for it or promotes it from here on. */
static bool mark_removed(struct core *core, const struct command *m)
{
    struct entry e;
    if ((core->record.flags[m->node] & NODE_MAINTENANCE) != 0)
        return true;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_FLAGS;
    e.node = m->node;
    e.set = NODE_MAINTENANCE;
    (void)snprintf(e.text, sizeof e.text, "removed from the quorum");
    return lead_propose(core, &e);
}

void membership_command(struct core *core, const struct command *m)
{
    struct membership *s = &core->membership;
    char why[DETAIL_TEXT_MAX];
    const char *obstacle = order_obstacle(core, m, why, sizeof why);
    struct effect *e;
    if (obstacle == NULL && m->kind == COMMAND_NODE_REMOVE && !mark_removed(core, m))
        obstacle = "another change is being committed; try again";
    if (obstacle != NULL) {
        command_reply(core, m, false, "%s", obstacle);
        return;
    }
    s->pending = true;
    s->id++;
    s->command = *m;
    s->wanted = m->kind == COMMAND_NODE_ADD ? wanted_of(core, m->node) : MEMBERSHIP_NONE;
    s->started_us = core->now_us;
    s->wall_ms = core->wall_ms;
    e = effects_add(core->fx, EFFECT_MEMBERSHIP);
    e->to = m->node;
    e->u.membership.id = s->id;
    e->u.membership.wanted = s->wanted;
}

static void remember(struct core *core, const char *outcome)
{
    const struct membership *s = &core->membership;
    struct history h;
    memset(&h, 0, sizeof h);
    (void)snprintf(h.kind, sizeof h.kind, "%s",
                   s->wanted == MEMBERSHIP_NONE ? "node-remove" : "node-add");
    (void)snprintf(h.outcome, sizeof h.outcome, "%s", outcome);
    h.term = core->term;
    h.wall_ms = s->wall_ms;
    h.took_us = history_us(core->now_us - s->started_us);
    h.from = NODE_NONE;
    h.to = s->command.node;
    (void)snprintf(h.table, sizeof h.table, "operator");
    (void)snprintf(h.why, sizeof h.why, "%u voters, %u must be up", membership_voter_count(core),
                   membership_majority(core));
    core_push_history(core, &h);
}

static const char *became(enum membership_wanted wanted)
{
    static const char *const texts[] = {"is no member of the quorum any more",
                                        "receives the log and does not vote", "votes"};
    return texts[wanted];
}

void membership_on_change(struct core *core, uint64_t id, int err)
{
    struct membership *s = &core->membership;
    const char *name = core_name(core, s->command.node);
    if (!s->pending || s->id != id)
        return;
    s->pending = false;
    core_log(core, err == 0 ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, "membership",
             "change of the quorum ended node=%s wanted='%s' result='%s' voters=%u", name,
             became(s->wanted), err_text(err), membership_voter_count(core));
    if (err == 0)
        command_reply(core, &s->command, true, "%s %s: %u voters, %u must be up", name,
                      became(s->wanted), membership_voter_count(core), membership_majority(core));
    else if (err == ERR_TIMEOUT)
        command_reply(core, &s->command, false,
                      "%s receives the log from now on, and has not all of it yet; give the same "
                      "order again in a while, it must have it before it votes",
                      name);
    else if (err == ERR_EXISTS)
        command_reply(core, &s->command, false,
                      "%s has lost its log, and the quorum counts on what it held; `tandem node "
                      "remove %s` first",
                      name, name);
    else
        command_reply(core, &s->command, false,
                      "it is not known what was reached (%s); look at `tandem status` and give the "
                      "same order again",
                      err_text(err));
    remember(core, err == 0 ? "done" : err_text(err));
}

void membership_on_deposed(struct core *core)
{
    if (!core->membership.pending)
        return;
    core->membership.pending = false;
    command_reply(core, &core->membership.command, false,
                  "the leader has changed meanwhile; look at `tandem status` and give the same "
                  "order again");
}

/* ---- a quorum that was rebuilt ---- */

#define ALL_NODES ((1u << NODES_MAX) - 1)

bool membership_is_settled(struct core *core)
{
    struct entry e;
    if (!core->rebuilt)
        return true;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_SHRINK;
    e.node = NODE_NONE;
    e.mask = ALL_NODES;
    (void)lead_propose(core, &e);
    return false;
}

void membership_on_applied(struct core *core, const struct entry *e, int err)
{
    /* The log that is replayed may hold such an entry of an earlier time. */
    if (!core->rebuilt || err != 0 || !core->is_leader || !core->lead.barrier_done ||
        e->kind != ENTRY_SHRINK || e->mask != ALL_NODES)
        return;
    core->rebuilt = false;
    core_log(core, LOG_LEVEL_WARNING, "quorum-rebuilt",
             "the quorum begins anew with this node: the in-sync set is empty, no node is proven "
             "to hold every acknowledged commit");
}
