/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rejoin.h"

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/procs.h"
#include "core/reclone.h"
#include "core/repair.h"
#include "core/sets.h"
#include "wire/tail.h"

#define REJOIN_LOOK_AGAIN_US 500000

/* What `tandem history` tells of it. */
static void rejoin_history(struct core *core, unsigned node, const struct rule_table *t,
                           const struct rule *rule, const char *outcome)
{
    struct history h;
    memset(&h, 0, sizeof h);
    (void)snprintf(h.kind, sizeof h.kind, "rejoin");
    (void)snprintf(h.outcome, sizeof h.outcome, "%.*s", HISTORY_NOTE_MAX - 1, outcome);
    (void)snprintf(h.table, sizeof h.table, "%s", t->name);
    (void)snprintf(h.why, sizeof h.why, "%s", rule->text);
    h.term = core->term;
    h.wall_ms = core->wall_ms;
    h.from = (uint8_t)node;
    h.to = (uint8_t)node;
    h.rule = rule->id;
    core_push_history(core, &h);
}

static const struct rule *rejoin_cure(const struct core *core, unsigned node)
{
    return rules_decide(&discard_table, rejoin_discard_facts(core, node));
}

void rejoin_forget(struct core *core, unsigned node)
{
    struct repair *r = &core->lead.repair[node];
    r->inspected = r->undone = r->is_saved = r->saved_whole = false;
    r->evidence = 0;
    r->saved[0] = '\0';
}

void rejoin_saving(struct core *core, unsigned node, const char *extra)
{
    struct repair *r = &core->lead.repair[node];
    (void)snprintf(r->saved, sizeof r->saved, "%s", extra);
    r->is_saved = r->saved_whole = false;
}

void rejoin_saved(struct core *core, unsigned node, uint32_t evidence)
{
    struct repair *r = &core->lead.repair[node];
    r->is_saved = true;
    r->saved_whole = (evidence & TAIL_COMPLETE) != 0;
}

bool rejoin_must_wait(const struct core *core, unsigned node)
{
    return core->cfg->policy.rejoin == CONFIG_REJOIN_MANUAL &&
           (core->record.flags[node] & NODE_REJOIN) == 0;
}

static struct job rejoin_job(const struct core *core, int kind, const char *extra)
{
    struct job j = lead_job(core, kind);
    memcpy(j.gtid, extra, sizeof j.gtid);
    memcpy(j.gtid2, core->facts.executed, sizeof j.gtid2);
    j.timeout_ms = core->cfg->policy.start_timeout_ms;
    return j;
}

/* ---- what is next ---- */

static void rejoin_save(struct core *core, unsigned node, const char *extra)
{
    const struct rule *rule = rules_decide(&rejoin_table, rejoin_facts(core, node, extra));
    struct job j;
    if (rule->verdict == TAIL_NOT_JUDGED) {
        j = rejoin_job(core, JOB_INSPECT, extra);
        repair_state(core, node, "looking where its own transactions come from");
        repair_ask(core, node, REPAIR_INSPECT, node, &j);
        return;
    }
    j = rejoin_job(core, JOB_SALVAGE, extra);
    j.count = (uint32_t)rule->verdict;
    j.rule = rule->id;
    repair_state(core, node, "salvaging");
    rejoin_saving(core, node, extra);
    repair_ask(core, node, REPAIR_SALVAGE, node, &j);
}

static void rejoin_rest(struct core *core, unsigned node, const struct rule *rule)
{
    repair_state(core, node, "%s", rule->text);
    core->lead.repair[node].not_before_us = core->now_us + REJOIN_LOOK_AGAIN_US;
}

void rejoin_reclone(struct core *core, unsigned node, const struct rule_table *table,
                    const struct rule *rule, uint32_t flags)
{
    char why[DETAIL_TEXT_MAX];
    struct entry e;
    rejoin_rest(core, node, rule);
    if (core->lead.phase != LEAD_STEADY)
        return;
    if (reclone_refusal(core, node, NODE_NONE, why, sizeof why) != NULL) {
        if (reclone_is_by_hand(core, node))
            repair_state(core, node, "%s", reclone_by_hand_text);
        else
            repair_state(core, node, "cannot be made anew yet: %.70s", why);
        return;
    }
    if (!lead_proposal_is_over(core))
        return;
    reclone_order(core, node, &e);
    e.set |= flags;
    if (!lead_propose(core, &e))
        return;
    rejoin_history(core, node, table, rule, "its data is replaced by a copy");
    core_log(core, LOG_LEVEL_NOTICE, "reclone-ordered",
             "data that cannot be cured is replaced by a copy node=%s rule=%s/%u why='%s'",
             core_name(core, node), table->name, rule->id, rule->text);
}

/* The judgement was of another set, and so was an order that rests on it. */
static void rejoin_start_over(struct core *core, unsigned node, const char *extra)
{
    struct repair *r = &core->lead.repair[node];
    char why[RECORD_WHY_MAX];
    if (!lead_proposal_is_over(core))
        return;
    r->inspected = false;
    r->evidence = 0;
    (void)snprintf(why, sizeof why, "holds alone what was not saved and judged: %.150s", extra);
    repair_flag(core, node, 0, NODE_CURED & ~(uint32_t)NODE_QUARANTINED, why);
    core_log(core, LOG_LEVEL_WARNING, "salvage-outdated",
             "what the node holds alone is another set than what was saved and judged: both begin "
             "anew, orders are void node=%s saved='%s' extra='%s'",
             core_name(core, node), r->saved, extra);
}

/* Nothing is seen any more; but only an undo of this leader is known to be right. */
static void rejoin_unseen(struct core *core, unsigned node)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    if (core->lead.repair[node].undone)
        repair_flag(core, node, 0, NODE_CURED, "");
    else if (!sets_cover(f->flavour, f->executed, sets_received(f)))
        repair_state(core, node,
                     "its relay log holds what the writer lacks and cannot be applied: "
                     "`tandem reclone %.20s`",
                     core_name(core, node));
}

void rejoin_run(struct core *core, unsigned node)
{
    struct repair *r = &core->lead.repair[node];
    uint32_t flags = core->record.flags[node];
    const struct rule *rule = rejoin_cure(core, node);
    char extra[GTID_TEXT_MAX] = "";
    struct job j;
    if (core->lead.phase != LEAD_STEADY)
        return;
    if (sets_extra(&core_report(core, node)->facts, &core->facts, extra, sizeof extra)) {
        r->undone = false;
    } else if ((flags & NODE_UNPROVEN) == 0) {
        rejoin_unseen(core, node);
        return;
    }
    if ((flags & NODE_SALVAGED) != 0 && r->is_saved && !rejoin_is_saved(core, node)) {
        rejoin_start_over(core, node, extra);
        return;
    }
    switch (rule->verdict) {
    case DISCARD_SAVE:
        rejoin_save(core, node, extra);
        return;
    case DISCARD_UNDO:
        j = rejoin_job(core, JOB_UNDO, extra);
        repair_state(core, node, "taking its own transactions back");
        repair_ask(core, node, REPAIR_UNDO, node, &j);
        return;
    case DISCARD_RECLONE:
        rejoin_reclone(core, node, &discard_table, rule, 0);
        return;
    default:
        rejoin_rest(core, node, rule);
    }
}

bool rejoin_wants_start(struct core *core, unsigned node)
{
    const struct rule *rule = rejoin_cure(core, node);
    if (rule->verdict == DISCARD_UNDO || rule->verdict == DISCARD_SAVE)
        return true;
    if (rule->verdict == DISCARD_RECLONE)
        rejoin_reclone(core, node, &discard_table, rule, 0);
    else
        rejoin_rest(core, node, rule);
    return false;
}

/* ---- outcomes ---- */

static void rejoin_inspected(struct core *core, unsigned node, const struct answer *a)
{
    struct repair *r = &core->lead.repair[node];
    r->stage = REPAIR_IDLE;
    /* Binlogs that cannot be read are an answer too: then nothing is proven by them. */
    r->inspected = true;
    r->evidence = a->result.outcome == JOB_DONE ? a->result.evidence : 0;
}

static void rejoin_salvaged(struct core *core, unsigned node, const struct answer *a)
{
    struct repair *r = &core->lead.repair[node];
    const struct rule *rule = rules_decide(&rejoin_table, rejoin_facts(core, node, r->saved));
    const uint32_t classes = NODE_TAIL_NEVER | NODE_TAIL_POSSIBLE;
    char why[RECORD_WHY_MAX], outcome[HISTORY_NOTE_MAX];
    uint32_t tail = rule->verdict == TAIL_NEVER      ? (uint32_t)NODE_TAIL_NEVER
                    : rule->verdict == TAIL_POSSIBLE ? (uint32_t)NODE_TAIL_POSSIBLE
                                                     : 0u;
    r->stage = REPAIR_IDLE;
    rejoin_saved(core, node, a->result.evidence);
    (void)snprintf(why, sizeof why, "%.70s; %s (rejoin/%u); %s%.100s", core->record.why[node],
                   tail_class_text(rule->verdict), rule->id,
                   a->result.path[0] != '\0' ? "salvaged to " : "none of it is in its binlogs",
                   a->result.path);
    repair_flag(core, node, NODE_SALVAGED | tail, classes & ~tail, why);
    core_log(core, LOG_LEVEL_NOTICE, "tail-judged",
             "what the node holds alone is %s node=%s rule=rejoin/%u transactions=%u salvage='%s' "
             "why='%s'",
             tail_class_text(rule->verdict), core_name(core, node), rule->id, a->result.count,
             a->result.path, rule->text);
    (void)snprintf(outcome, sizeof outcome, "%u transactions %s, salvaged", a->result.count,
                   tail_class_text(rule->verdict));
    rejoin_history(core, node, &rejoin_table, rule, outcome);
}

/* The answer's facts are those after the work: it must be a part of the writer now. */
static void rejoin_undone(struct core *core, unsigned node, const struct answer *a)
{
    struct repair *r = &core->lead.repair[node];
    const struct rule *rule = rejoin_cure(core, node);
    char why[RECORD_WHY_MAX], text[DETAIL_TEXT_MAX];
    r->stage = REPAIR_IDLE;
    if (a->result.outcome == JOB_DONE && sets_extra(&a->facts, &core->facts, text, sizeof text)) {
        (void)snprintf(why, sizeof why, "undone, and still holds %.180s", text);
    } else if (a->result.outcome == JOB_DONE) {
        core_log(core, LOG_LEVEL_NOTICE, "undone",
                 "transactions taken back out of the data node=%s transactions=%u rule=discard/%u",
                 core_name(core, node), a->result.count, rule->id);
        (void)snprintf(text, HISTORY_NOTE_MAX, "%u transactions taken back out of the data",
                       a->result.count);
        rejoin_history(core, node, &discard_table, rule, text);
        rejoin_forget(core, node);
        r->undone = r->old_error = true;
        repair_flag(core, node, 0, NODE_CURED, "");
        return;
    } else if (a->result.outcome == JOB_REFUSED) {
        (void)snprintf(why, sizeof why, "cannot be taken back: %.200s", a->result.detail);
    } else {
        repair_state(core, node, "undo failed: %.60s", a->result.detail);
        repair_retry(core, node);
        return;
    }
    core_log(core, LOG_LEVEL_WARNING, "undo-refused", "node=%s why='%s'", core_name(core, node),
             why);
    rejoin_history(core, node, &discard_table, rule, why);
    repair_flag(core, node, NODE_UNDO_REFUSED, 0, why);
}

void rejoin_answered(struct core *core, unsigned node, int stage, const struct answer *a)
{
    bool told = a->result.outcome != JOB_STALE && a->result.outcome != JOB_TIMEOUT;
    if (stage == REPAIR_INSPECT && told)
        rejoin_inspected(core, node, a);
    else if (stage == REPAIR_SALVAGE && a->result.outcome == JOB_DONE)
        rejoin_salvaged(core, node, a);
    else if (stage == REPAIR_UNDO)
        rejoin_undone(core, node, a);
    else
        repair_retry(core, node);
}

/* ---- the operator ---- */

static const char *const rejoin_replies[DISCARD_VERDICT_COUNT] = {
    [DISCARD_SAVE] = ("is looked at, started for that if it is down: what it holds alone is judged "
                      "and saved first"),
    [DISCARD_WAIT] = "waits",
    [DISCARD_UNDO] = "is taken back",
    [DISCARD_RECLONE] = "is made anew: its data is replaced by a copy",
};

/* Why an order for a quarantined node would change nothing; NULL if it is carried out. */
static const char *rejoin_refusal(const struct core *core, const struct command *m,
                                  const struct rule *rule, char *buf, size_t size)
{
    const char *name = core_name(core, m->node);
    uint32_t flags = core->record.flags[m->node];
    bool saved = rejoin_is_saved(core, m->node);
    if (m->flag && !saved)
        (void)snprintf(buf, size,
                       "what %s holds alone is not saved yet; try again when `tandem status` says "
                       "salvaged%s",
                       name,
                       rejoin_must_wait(core, m->node)
                           ? "; `tandem rejoin` without --discard has it saved"
                           : "");
    else if (rule->verdict == DISCARD_WAIT && !m->flag && saved &&
             (flags & (NODE_TAIL_NEVER | NODE_UNPROVEN)) == 0)
        (void)snprintf(buf, size,
                       "what %s holds alone is %s. Look at it with `tandem salvage` on that host; "
                       "to give it up and take the node back, add --discard",
                       name, tail_class_text(rejoin_class(flags)));
    else if (rule->verdict == DISCARD_WAIT)
        (void)snprintf(buf, size, "%s stays as it is: %s (discard/%u)", name, rule->text, rule->id);
    else if (rule->verdict == DISCARD_RECLONE && reclone_is_by_hand(core, m->node))
        (void)snprintf(buf, size, "%s stays as it is: %s", name, reclone_by_hand_text);
    else
        return NULL;
    return buf;
}

bool rejoin_order(struct core *core, const struct command *m, char *ret_text, size_t size)
{
    const char *name = core_name(core, m->node);
    uint32_t flags = core->record.flags[m->node];
    uint32_t facts = (rejoin_discard_facts(core, m->node) | DISCARD_ORDERED |
                      (m->flag ? (uint32_t)DISCARD_BY_ORDER : 0u)) &
                     ~(uint32_t)DISCARD_ASLEEP;
    const struct rule *rule = rules_decide(&discard_table, facts);
    bool quarantined = (flags & NODE_QUARANTINED) != 0;
    char outcome[HISTORY_NOTE_MAX];
    if (!quarantined && (flags & NODE_FORMER) == 0) {
        (void)snprintf(ret_text, size,
                       "%s is not quarantined and no former writer: there is nothing to decide",
                       name);
        return false;
    }
    if ((quarantined || m->flag) && rejoin_refusal(core, m, rule, ret_text, size) != NULL)
        return false;
    (void)snprintf(ret_text, size, "%s %s%s", name,
                   rejoin_replies[quarantined ? rule->verdict : DISCARD_UNDO],
                   m->flag ? "; what it holds alone, which is saved there, may go" : "");
    (void)snprintf(outcome, sizeof outcome, "ordered by an operator%s",
                   m->flag ? ", discarding what it holds alone" : "");
    rejoin_history(core, m->node, &discard_table, rule, outcome);
    core->lead.repair[m->node].not_before_us = 0;
    return true;
}
