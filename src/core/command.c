/* SPDX-License-Identifier: Apache-2.0 */
/* An operator's command, carried out by the leader. The reply says what was accepted, or what
 * stands against it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/eligible.h"
#include "core/procs.h"
#include "core/rejoin.h"
#include "core/sets.h"

void command_reply(struct core *core, const struct command *m, bool ok, const char *fmt, ...)
{
    struct effect *e = effects_add(core->fx, EFFECT_REPLY);
    va_list ap;
    e->to = m->origin;
    e->u.reply.id = m->id;
    e->u.reply.origin = m->origin;
    e->u.reply.ok = ok;
    va_start(ap, fmt);
    (void)vsnprintf(e->u.reply.text, sizeof e->u.reply.text, fmt, ap);
    va_end(ap);
    core_log(core, LOG_LEVEL_NOTICE, "command",
             "operator's command what=%s node=%s accepted=%s reply='%.200s'",
             command_kind_text(m->kind), core_name(core, m->node), ok ? "yes" : "no",
             e->u.reply.text);
}

/* Neither arbiter knows what the other one decides, so an order that goes over proofs of the one
 * may go over the writer of the other (S1). An agent says its arbiter to those whom it knows, so
 * the leader asks the reports. Told: the order is refused. */
bool command_makes_two(struct core *core, const struct command *m)
{
    if (m->kind != COMMAND_FAILOVER && m->kind != COMMAND_REPLACE)
        return false;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_is_fresh(core, i) ? core_report(core, i) : NULL;
        uint32_t others = i == core->self ? core->other_arbiters
                          : r != NULL     ? r->other_arbiters
                                          : 0;
        if (others == 0)
            continue;
        command_reply(
            core, m, false,
            "the agent of %s runs with another arbiter, as it told %s, and may lead its "
            "server: there would be two writers. Stop that agent, or give it this cluster "
            "file (install.sh of its bundle) and start it; then order this again",
            core_name(core, (unsigned)__builtin_ctz(others)), core_name(core, i));
        return true;
    }
    return false;
}

static void command_propose(struct core *core, const struct command *m, struct entry *e,
                            const char *done)
{
    if (lead_propose(core, e))
        command_reply(core, m, true, "%s", done);
    else
        command_reply(core, m, false, "another change is being committed; try again");
}

/* What an order to promote `node` would find missing; NULL if nothing. */
static const char *command_not_promotable(const struct core *core, unsigned node, char *buf,
                                          size_t size)
{
    const struct report *r = core_report(core, node);
    const char *name = core_name(core, node);
    if (core->cfg->nodes[node].role != CONFIG_ROLE_CANDIDATE)
        (void)snprintf(buf, size, "%s is no candidate", name);
    else if (node == core->record.writer)
        (void)snprintf(buf, size, "%s is the writer already", name);
    else if (r == NULL || !core_is_fresh(core, node))
        (void)snprintf(buf, size, "the agent of %s does not answer", name);
    else if (!core_is_member(core, node) && !sync_may_replace(core, node))
        (void)snprintf(buf, size, "%s is not in the in-sync set: %.200s", name,
                       core->lead.repair[node].state[0] != '\0' ? core->lead.repair[node].state
                                                                : r->ineligible_why);
    /* What it says of an older record is no obstacle: it hears of the newer one in a moment. */
    else if (core_is_member(core, node) && r->eligible < ELIGIBLE_MEMBER &&
             r->version >= core->record.version)
        (void)snprintf(buf, size, "%s cannot be promoted: %s", name, r->ineligible_why);
    else if (sets_distance(&core->facts, &r->facts) > core->cfg->policy.grow_lag_trx_max)
        (void)snprintf(buf, size,
                       "%s has %llu transactions still to apply and writes would stop that long; "
                       "wait until it is below %u",
                       name, (unsigned long long)sets_distance(&core->facts, &r->facts),
                       core->cfg->policy.grow_lag_trx_max);
    else
        return NULL;
    return buf;
}

static void command_switchover(struct core *core, const struct command *m)
{
    char why[DETAIL_TEXT_MAX];
    struct entry e;
    unsigned to = m->node;
    if (core->lead.phase != LEAD_STEADY) {
        command_reply(core, m, false, "there is no open writer to switch from (%s)",
                      core_phase_text(core));
        return;
    }
    if (to == NODE_NONE)
        to = eligible_target(core, ELIGIBLE_MEMBER);
    if (to == NODE_NONE || to >= core->cfg->n_nodes) {
        command_reply(core, m, false, "no standby is in sync; see `tandem status`");
        return;
    }
    if (command_not_promotable(core, to, why, sizeof why) != NULL) {
        command_reply(core, m, false, "%s", why);
        return;
    }
    core->lead.switch_not_before_us = 0;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_HANDOVER;
    e.node = (uint8_t)to;
    (void)snprintf(why, sizeof why, "switchover to %s ordered%s", core_name(core, to),
                   core_is_member(core, to) ? "" : "; it takes the place of the member first");
    command_propose(core, m, &e, why);
}

static bool command_writer_serves(const struct core *core)
{
    const struct report *r =
        core->record.writer == NODE_NONE ? NULL : core_report(core, core->record.writer);
    return core->lead.phase == LEAD_STEADY && r != NULL && health_is_alive(core->health.state);
}

/* An address with a lease without end stays where its host is up, whoever is promoted (S1). */
static bool command_may_be_open(const struct core *core, const struct command *m)
{
    return core->record.endless && m->node != core->record.writer && m->kind != COMMAND_REPLACE;
}

static void command_failover(struct core *core, const struct command *m)
{
    char why[DETAIL_TEXT_MAX];
    struct entry e;
    const struct report *r = m->node < core->cfg->n_nodes ? core_report(core, m->node) : NULL;
    if (command_writer_serves(core)) {
        command_switchover(core, m);
        return;
    }
    if (r == NULL || !core_is_fresh(core, m->node) ||
        core->cfg->nodes[m->node].role != CONFIG_ROLE_CANDIDATE) {
        command_reply(core, m, false, "name a candidate whose agent answers: --to NODE");
        return;
    }
    if (command_may_be_open(core, m)) {
        command_reply(
            core, m, false,
            "%s may still serve the address: the pause gave it a lease without end, which "
            "only its agent can take back. Start that agent; or switch the host of %s off "
            "and add --writer-is-off to --accept-data-loss",
            core_name(core, core->record.writer), core_name(core, core->record.writer));
        return;
    }
    if (!m->flag && config_is_pair(core->cfg) && !core->record.paused && m->node == core->self &&
        eligible_self(core, why) == ELIGIBLE_MEMBER) {
        command_reply(core, m, true,
                      "%s holds every acknowledged commit: it becomes the writer, nothing is lost",
                      core_name(core, m->node));
        return;
    }
    if (!m->flag) {
        (void)core_is_safe(core, why, sizeof why);
        command_reply(core, m, false,
                      "%s cannot be proven to hold every acknowledged commit (%s). Its "
                      "transactions: %.400s. To promote it "
                      "all the same and lose what it lacks, add --accept-data-loss",
                      core_name(core, m->node),
                      r->ineligible_why[0] != '\0' ? r->ineligible_why : why, r->facts.executed);
        return;
    }
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_HANDOVER;
    e.node = m->node;
    e.flag = true;
    if (m->kind == COMMAND_REPLACE && core->record.writer != NODE_NONE)
        e.mask = 1u << core->record.writer;
    (void)snprintf(why, sizeof why, "forced promotion of %s ordered; loss was accepted",
                   core_name(core, m->node));
    command_propose(core, m, &e, why);
}

static void command_pause(struct core *core, const struct command *m)
{
    struct entry e;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_PAUSE;
    e.flag = m->kind == COMMAND_PAUSE;
    if (core->record.paused == e.flag) {
        command_reply(core, m, true, e.flag ? "already paused" : "not paused");
        return;
    }
    if (e.flag && core->lead.phase == LEAD_PROCEDURE) {
        command_reply(core, m, false, "a change of the writer is under way; try again");
        return;
    }
    command_propose(core, m, &e,
                    e.flag ? "paused: no promotion, no fence, the lease has no end"
                           : "resumed: the in-sync set is proven again");
}

static void command_flag(struct core *core, const struct command *m, uint32_t flag)
{
    struct entry e;
    char text[DETAIL_TEXT_MAX];
    bool unproven;
    if (m->node >= core->cfg->n_nodes) {
        command_reply(core, m, false, "no such node");
        return;
    }
    if (m->flag && flag == NODE_MAINTENANCE && m->node == core->self &&
        core->record.writer == core->self && eligible_target(core, ELIGIBLE_MEMBER) == NODE_NONE) {
        command_reply(core, m, false, "%s is the writer and no standby is in sync to take over",
                      core_name(core, m->node));
        return;
    }
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_FLAGS;
    e.node = m->node;
    e.set = m->flag ? flag : 0;
    e.clear = m->flag ? 0 : flag;
    unproven = (core->record.flags[m->node] & NODE_UNPROVEN) != 0;
    /* The end of maintenance is also the operator's word that a quarantined node may be judged
     * anew; by its set, which does not tell what may be in the data of an unproven one. */
    if (!m->flag && flag == NODE_MAINTENANCE && !unproven)
        e.clear |= NODE_CURED;
    (void)snprintf(e.text, sizeof e.text, "%s", core->record.why[m->node]);
    (void)snprintf(text, sizeof text, "%s %s for %s%s", command_kind_text(m->kind),
                   m->flag ? "on" : "off", core_name(core, m->node),
                   !m->flag && flag == NODE_MAINTENANCE && unproven
                       ? "; it stays quarantined, what was cut may be in its data: `tandem "
                         "reclone`, or --data-replaced if that was done by hand"
                       : "");
    command_propose(core, m, &e, text);
}

/* What stands against taking an operator's word that a node has other data than was judged; NULL if
 * nothing does. What can be looked at is: its set must be a part of the writer's. */
static const char *command_not_replaced(const struct core *core, unsigned node, char *buf,
                                        size_t size)
{
    const char *name = core_name(core, node);
    const struct report *r = core_report(core, node);
    char extra[GTID_TEXT_MAX];
    if ((core->record.flags[node] & NODE_MAINTENANCE) == 0)
        (void)snprintf(buf, size,
                       "%s is not in maintenance: `tandem maintenance %s on` first, its data is "
                       "replaced then",
                       name, name);
    else if (core->lead.phase != LEAD_STEADY || !core->have_facts)
        (void)snprintf(buf, size, "there is no open writer to measure a copy by (%s)",
                       core_phase_text(core));
    else if (r == NULL || !core_is_fresh(core, node) || !health_is_good(r->health))
        (void)snprintf(buf, size,
                       "the server of %s must run, so that it is seen what it holds; start it, by "
                       "its unit",
                       name);
    else if (sets_extra(&r->facts, &core->facts, extra, sizeof extra))
        (void)snprintf(buf, size, "%s holds what the writer lacks, so it is no copy: %.120s", name,
                       extra);
    else
        return NULL;
    return buf;
}

/* Of a node whose cut was not proven no set can tell whether its data is other data by now, and the
 * agent, which forgets its note of the cut with the flag, does not see a copy made by hand. */
static void command_data_replaced(struct core *core, const struct command *m)
{
    char why[DETAIL_TEXT_MAX];
    struct entry e;
    if (m->node >= core->cfg->n_nodes) {
        command_reply(core, m, false, "no such node");
        return;
    }
    if (command_not_replaced(core, m->node, why, sizeof why) != NULL) {
        command_reply(core, m, false, "%s", why);
        return;
    }
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_FLAGS;
    e.node = m->node;
    e.clear = NODE_MAINTENANCE | NODE_CURED | NODE_FORMER | NODE_UNPROVEN;
    (void)snprintf(
        why, sizeof why,
        "maintenance off for %s; what was held against it was held against the data that "
        "you have replaced",
        core_name(core, m->node));
    command_propose(core, m, &e, why);
}

static void command_reclone(struct core *core, const struct command *m)
{
    char why[DETAIL_TEXT_MAX];
    struct entry e;
    unsigned donor = m->donor == 0 ? NODE_NONE : m->donor - 1u;
    if (m->node >= core->cfg->n_nodes || (donor != NODE_NONE && donor >= core->cfg->n_nodes)) {
        command_reply(core, m, false, "no such node");
        return;
    }
    if (core->lead.phase != LEAD_STEADY) {
        command_reply(core, m, false, "there is no open writer to measure a copy by (%s)",
                      core_phase_text(core));
        return;
    }
    if (reclone_refusal(core, m->node, donor, why, sizeof why) != NULL) {
        command_reply(core, m, false, "%s", why);
        return;
    }
    reclone_order(core, m->node, &e);
    e.set |= (m->kind == COMMAND_JOIN ? (uint32_t)NODE_FOREIGN : 0u) | (uint32_t)m->donor
                                                                           << NODE_DONOR_SHIFT;
    (void)snprintf(why, sizeof why, "%s of %s ordered, from %s", command_kind_text(m->kind),
                   core_name(core, m->node),
                   core_name(core, donor != NODE_NONE ? donor : reclone_donor(core, m->node)));
    command_propose(core, m, &e, why);
}

/* From a whole copy on there is no way back but through. */
static void command_reclone_end(struct core *core, const struct command *m)
{
    bool foreign;
    struct entry e;
    const struct report *r = m->node < core->cfg->n_nodes ? core_report(core, m->node) : NULL;
    int state = r != NULL ? r->clone.state : CLONE_NONE;
    if (m->node >= core->cfg->n_nodes || (core->record.flags[m->node] & NODE_RECLONE) == 0) {
        command_reply(core, m, false, "no reclone of that node is ordered");
        return;
    }
    if (state == CLONE_READY || state == CLONE_PLACED || state == CLONE_ADOPTED) {
        command_reply(core, m, false,
                      "the copy is whole and is being put to use; it is %s, wait until it has "
                      "caught up",
                      clone_state_text(state));
        return;
    }
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_FLAGS;
    e.node = m->node;
    e.clear = NODE_RECLONE_ALL;
    /* What it has is none of the cluster's, and nothing else would say so. */
    foreign = (core->record.flags[m->node] & NODE_FOREIGN) != 0;
    e.set = foreign ? (uint32_t)NODE_MAINTENANCE : 0u;
    (void)snprintf(e.text, sizeof e.text, "%s", core->record.why[m->node]);
    command_propose(core, m, &e,
                    foreign ? "the order is taken back; the node is in maintenance, since what it "
                              "has may be none of the cluster's data"
                            : "the order is taken back");
}

static void command_rejoin(struct core *core, const struct command *m)
{
    char text[DETAIL_TEXT_MAX] = "no such node";
    struct entry e;
    if (m->node >= core->cfg->n_nodes || !rejoin_order(core, m, text, sizeof text)) {
        command_reply(core, m, false, "%s", text);
        return;
    }
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_FLAGS;
    e.node = m->node;
    e.set = NODE_REJOIN | (m->flag ? (uint32_t)NODE_DISCARD : 0u);
    (void)snprintf(e.text, sizeof e.text, "%s", core->record.why[m->node]);
    command_propose(core, m, &e, text);
}

static bool command_possible(struct core *core, const struct command *m)
{
    if (core->lead.phase == LEAD_BARRIER) {
        command_reply(core, m, false, "the leader has just been elected; try again");
        return false;
    }
    if (core->record.paused && m->kind != COMMAND_RESUME && m->kind != COMMAND_PAUSE) {
        command_reply(core, m, false, "the cluster is paused; `tandem resume` first");
        return false;
    }
    return true;
}

static void command_act(struct core *core, const struct command *m)
{
    if (!command_possible(core, m))
        return;
    switch (m->kind) {
    case COMMAND_SWITCHOVER:
        command_switchover(core, m);
        return;
    case COMMAND_FAILOVER:
    case COMMAND_REPLACE:
        command_failover(core, m);
        return;
    case COMMAND_PAUSE:
    case COMMAND_RESUME:
        command_pause(core, m);
        return;
    case COMMAND_NODE_ADD:
    case COMMAND_NODE_REMOVE:
        membership_command(core, m);
        return;
    case COMMAND_REJOIN:
        command_rejoin(core, m);
        return;
    case COMMAND_MAINTENANCE:
        command_flag(core, m, NODE_MAINTENANCE);
        return;
    case COMMAND_DATA_REPLACED:
        command_data_replaced(core, m);
        return;
    case COMMAND_JOIN:
    case COMMAND_RECLONE:
        if (m->flag)
            command_reclone_end(core, m);
        else
            command_reclone(core, m);
        return;
    default:
        command_flag(core, m, NODE_NO_PROMOTE);
    }
}

/* One change of the record at a time: a command that meets another one waits for its end. */
void command_run(struct core *core, const struct command *m)
{
    struct lead *l = &core->lead;
    if (lead_proposal_is_over(core))
        command_act(core, m);
    else if (l->n_commands < LEAD_COMMANDS_MAX)
        l->commands[l->n_commands++] = *m;
    else
        command_reply(core, m, false, "too many commands are waiting; try again");
}

void command_run_waiting(struct core *core)
{
    struct lead *l = &core->lead;
    while (l->n_commands > 0 && lead_proposal_is_over(core)) {
        struct command m = l->commands[0];
        l->n_commands--;
        memmove(&l->commands[0], &l->commands[1], sizeof l->commands[0] * l->n_commands);
        command_act(core, &m);
    }
}

void command_refuse_waiting(struct core *core)
{
    for (unsigned i = 0; i < core->lead.n_commands; i++)
        command_reply(core, &core->lead.commands[i], false,
                      "the leader has changed; look at `tandem status` and order it again if it is "
                      "still wanted");
    core->lead.n_commands = 0;
}
