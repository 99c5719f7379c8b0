/* SPDX-License-Identifier: Apache-2.0 */
#include "core/reclone.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/cure.h"
#include "core/procs.h"
#include "core/rejoin.h"
#include "core/sets.h"
#include "util/backoff.h"
#include "wire/clone.h"

#define RECLONE_STEP_US 200000
#define RECLONE_RETRY_US 2000000
#define RECLONE_RETRY_MAX_US 300000000
#define RECLONE_DONATE_MS 15000
#define RECLONE_BEGIN_MS 15000
#define RECLONE_MOVE_MS 300000 /* a rename for each file at the top, and waits for the disk */

enum reclone_stage {
    STAGE_NONE,
    STAGE_DETACH,
    STAGE_SIDE,
    STAGE_WRITER, /* the writer's set, read after the node's */
    STAGE_SALVAGE,
    STAGE_DONATE,
    STAGE_FETCH,
    STAGE_KILL,
    STAGE_PLACE,
    STAGE_START,
    STAGE_ADOPT,
    STAGE_FINISH,
    STAGE_AGAIN,
    STAGE_DROP, /* what an order that does not stand any more has left */
};

static struct reclone *reclone_of(struct core *core, unsigned node)
{
    return &core->lead.reclone[node];
}

void reclone_forget(struct core *core, unsigned node)
{
    struct reclone *c = reclone_of(core, node);
    memset(c, 0, sizeof *c);
    c->ask = ASK_NONE;
    c->donor = NODE_NONE;
}

void reclone_order(struct core *core, unsigned node, struct entry *ret_entry)
{
    ask_drop(core, &core->lead.reclone[node].ask);
    reclone_forget(core, node);
    memset(ret_entry, 0, sizeof *ret_entry);
    ret_entry->kind = ENTRY_FLAGS;
    ret_entry->node = (uint8_t)node;
    ret_entry->set = NODE_RECLONE;
    (void)snprintf(ret_entry->text, sizeof ret_entry->text, "%s", core->record.why[node]);
}

static void reclone_state(struct core *core, unsigned node, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void reclone_state(struct core *core, unsigned node, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(core->lead.repair[node].state, REASON_TEXT_MAX, fmt, ap);
    va_end(ap);
}

static void reclone_ask(struct core *core, unsigned node, int stage, unsigned whom,
                        const struct job *job)
{
    struct reclone *c = reclone_of(core, node);
    c->stage = stage;
    c->ask = ask_send(core, whom, job);
}

static void reclone_simple(struct core *core, unsigned node, int stage, int kind,
                           uint32_t timeout_ms)
{
    struct job j = lead_job(core, kind);
    if (timeout_ms != 0)
        j.timeout_ms = timeout_ms;
    reclone_ask(core, node, stage, node, &j);
}

static void reclone_step(struct core *core, unsigned node, const char *name, unsigned at,
                         int64_t since_us, const char *note)
{
    struct reclone *c = reclone_of(core, node);
    struct history *h = &c->history;
    struct history_step *s = history_add(h, name, at);
    if (s == NULL)
        return;
    s->at_us = h->took_us;
    s->took_us = history_us(core->now_us - since_us);
    c->took_us += core->now_us - since_us;
    h->took_us = history_us(c->took_us);
    (void)snprintf(s->note, sizeof s->note, "%s", note);
}

/* The order's whole story, in the record's ring; its length is that of its steps. */
static void reclone_tell(struct core *core, unsigned node, const char *outcome)
{
    struct reclone *c = reclone_of(core, node);
    struct history *h = &c->history;
    (void)snprintf(h->kind, sizeof h->kind, "reclone");
    (void)snprintf(h->table, sizeof h->table, "%s", reclone_table.name);
    (void)snprintf(h->outcome, sizeof h->outcome, "%s", outcome);
    h->term = core->term;
    h->wall_ms = core->wall_ms - c->took_us / 1000;
    h->from = (uint8_t)c->donor;
    h->to = (uint8_t)node;
    core_push_history(core, h);
    memset(h, 0, sizeof *h);
    c->took_us = 0;
}

/* Growing pauses, for ever: the order stands until it is done or taken back. */
/* in_vain: of the donor's copy; the next donor is not made to wait for the failures of others. */
static void reclone_failed(struct core *core, unsigned node, bool in_vain, const char *what,
                           const char *why)
{
    struct reclone *c = reclone_of(core, node);
    unsigned *failures = in_vain && c->donor != NODE_NONE ? &c->vain[c->donor] : &c->failures;
    int64_t wait_us = backoff(RECLONE_RETRY_US, RECLONE_RETRY_MAX_US, *failures);
    ++*failures;
    c->not_before_us = core->now_us + wait_us;
    reclone_state(core, node, "reclone: %s failed: %.75s", what, why);
    core_log(core, LOG_LEVEL_ERROR, "reclone-failed",
             "a step of a reclone failed node=%s step=%s donor=%s attempt=%u again_in_s=%lld "
             "why='%s'",
             core_name(core, node), what, core_name(core, c->donor), *failures,
             (long long)(wait_us / 1000000), why);
}

static bool reclone_flags(struct core *core, unsigned node, uint32_t set, uint32_t clear,
                          const char *why)
{
    struct entry e;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_FLAGS;
    e.node = (uint8_t)node;
    e.set = set;
    e.clear = clear;
    (void)snprintf(e.text, sizeof e.text, "%s", why);
    reclone_of(core, node)->not_before_us = core->now_us + RECLONE_STEP_US;
    return lead_propose(core, &e);
}

/* ---- steps ---- */

static void reclone_salvage(struct core *core, unsigned node)
{
    struct job j = lead_job(core, JOB_SALVAGE);
    const struct server_facts *f = &core->lead.repair[node].seen;
    if (!sets_extra(f, &core->facts, j.gtid, sizeof j.gtid)) {
        reclone_of(core, node)->extra = false;
        return;
    }
    rejoin_saving(core, node, j.gtid);
    memcpy(j.gtid2, core->facts.executed, sizeof j.gtid2);
    j.timeout_ms = core->cfg->policy.start_timeout_ms;
    reclone_state(core, node, "reclone: salvaging what only it holds");
    reclone_ask(core, node, STAGE_SALVAGE, node, &j);
}

static void reclone_fetch(struct core *core, unsigned node)
{
    const struct reclone *c = reclone_of(core, node);
    const struct config_node *donor = &core->cfg->nodes[c->donor];
    struct job j = lead_job(core, JOB_FETCH);
    j.timeout_ms = RECLONE_BEGIN_MS;
    j.count = c->donor;
    j.flag = core->facts.flavour == SERVER_MYSQL;
    j.port = j.flag ? donor->mysql.port : donor->copy_port;
    j.epoch = c->total;
    memcpy(j.host, donor->address, sizeof j.host);
    reclone_ask(core, node, STAGE_FETCH, node, &j);
}

static void reclone_copy(struct core *core, unsigned node)
{
    struct reclone *c = reclone_of(core, node);
    struct job j = lead_job(core, JOB_DONATE);
    const struct rule *judged;
    c->donor = reclone_donor(core, node);
    c->current = false;
    c->total = 0;
    judged = reclone_judge_donor(core, node, c->donor);
    core_log(core, LOG_LEVEL_NOTICE, "reclone-donor",
             "a node gives its data node=%s donor=%s rule=donor/%u why='%s'", core_name(core, node),
             core_name(core, c->donor), judged->id, judged->text);
    reclone_state(core, node, "reclone from %s: begins", core_name(core, c->donor));
    if (core->facts.flavour == SERVER_MYSQL) {
        reclone_fetch(core, node);
        return;
    }
    j.timeout_ms = RECLONE_DONATE_MS;
    j.count = node;
    reclone_ask(core, node, STAGE_DONATE, c->donor, &j);
}

/* The state of the writer, read now, is later than the copy. */
static void reclone_adopt(struct core *core, unsigned node)
{
    const struct clone_report *copy = &core_report(core, node)->clone;
    struct job j = lead_job(core, JOB_ADOPT);
    int err = 0;
    memcpy(j.gtid, copy->position, sizeof j.gtid);
    if (core->facts.flavour == SERVER_MARIADB)
        err = clone_binlog_state(core->facts.executed, copy->position, j.gtid2, sizeof j.gtid2);
    if (err == ERR_STALE) {
        /* The writer has changed within the copy: whoever wrote until then is known by the position
         * alone, which is believed of a server made from a copy (sets_on_line). */
        memcpy(j.gtid2, copy->position, sizeof j.gtid2);
    } else if (err != 0) {
        reclone_failed(core, node, /* in_vain= */ false, "adopt", err_text(err));
        return;
    }
    reclone_state(core, node, "reclone: taking over the copy's position");
    reclone_ask(core, node, STAGE_ADOPT, node, &j);
}

static void reclone_clear(struct core *core, unsigned node, int stage, bool keep_old)
{
    struct job j = lead_job(core, JOB_CLEAR);
    j.count = stage != STAGE_AGAIN;
    j.timeout_ms = RECLONE_MOVE_MS;
    j.flag = keep_old;
    reclone_ask(core, node, stage, node, &j);
}

/* The old data may hold what nobody could look at, or what was written to it after the look, or
 * what is in no binlog: then it stays, whatever the policy says (S6). */
static bool reclone_keeps(const struct core *core, unsigned node)
{
    const struct reclone *c = &core->lead.reclone[node];
    bool lost = c->extra || c->unsaved || c->unseen;
    return core->cfg->policy.reclone_keep || !c->looked || !c->current || lost ||
           (core->record.flags[node] & NODE_KEEP_OLD) != 0;
}

static void reclone_cancel(struct core *core, unsigned node, const struct rule *rule)
{
    if (!reclone_flags(core, node, 0, NODE_RECLONE_ALL,
                       (core->record.flags[node] & NODE_QUARANTINED) != 0 ? core->record.why[node]
                                                                          : ""))
        return;
    core_log(core, LOG_LEVEL_WARNING, "reclone-cancelled",
             "the order to replace a node's data is taken back node=%s rule=reclone/%u why='%s'",
             core_name(core, node), rule->id, rule->text);
    reclone_of(core, node)->history.rule = rule->id;
    (void)snprintf(reclone_of(core, node)->history.why, DETAIL_TEXT_MAX, "%s", rule->text);
    reclone_tell(core, node, "taken back");
}

static void reclone_act(struct core *core, unsigned node, const struct rule *rule)
{
    switch ((enum reclone_verdict)rule->verdict) {
    case RECLONE_CANCEL:
        reclone_cancel(core, node, rule);
        return;
    case RECLONE_LOOK:
        reclone_state(core, node, "reclone: comparing its transactions with the writer's");
        reclone_simple(core, node, STAGE_DETACH, JOB_DETACH, 0);
        return;
    case RECLONE_SIDE:
        reclone_simple(core, node, STAGE_SIDE, JOB_REPLICA_SIDE, 0);
        return;
    case RECLONE_SALVAGE:
        reclone_salvage(core, node);
        return;
    case RECLONE_COPY:
        reclone_copy(core, node);
        return;
    case RECLONE_KILL:
        reclone_state(core, node, "reclone: ending the server");
        reclone_simple(core, node, STAGE_KILL, JOB_KILL, 0);
        return;
    case RECLONE_PLACE:
        reclone_state(core, node, "reclone: putting the copy in place");
        reclone_simple(core, node, STAGE_PLACE, JOB_PLACE, RECLONE_MOVE_MS);
        return;
    case RECLONE_START:
        reclone_state(core, node, "reclone: starting mysqld");
        reclone_simple(core, node, STAGE_START, JOB_START, core->cfg->policy.start_timeout_ms);
        return;
    case RECLONE_ADOPT:
        reclone_adopt(core, node);
        return;
    case RECLONE_JUDGE:
        /* Foreign data is of no value: whoever joined it has said so. */
        if ((core->record.flags[node] & NODE_FOREIGN) != 0)
            reclone_of(core, node)->looked = reclone_of(core, node)->current = true;
        (void)reclone_flags(core, node, 0, NODE_CURED | NODE_FORMER | NODE_FOREIGN | NODE_UNPROVEN,
                            "");
        return;
    case RECLONE_FINISH:
        reclone_state(core, node, "reclone: caught up; tidying up");
        reclone_clear(core, node, STAGE_FINISH, reclone_keeps(core, node));
        return;
    case RECLONE_AGAIN:
        reclone_clear(core, node, STAGE_AGAIN, /* keep_old= */ true);
        return;
    default:
        return;
    }
}

/* ---- outcomes ---- */

static void reclone_finished(struct core *core, unsigned node, bool kept)
{
    char outcome[HISTORY_NOTE_MAX];
    (void)snprintf(outcome, sizeof outcome, "done; the old data directory is %s",
                   kept ? "kept as DATA_DIR.tandem/old" : "removed");
    if (!reclone_flags(core, node, 0, NODE_RECLONE_ALL, ""))
        return;
    core_log(core, LOG_LEVEL_NOTICE, "recloned",
             "the node's data was replaced and has caught up node=%s donor=%s old_data=%s",
             core_name(core, node), core_name(core, reclone_of(core, node)->donor),
             kept ? "kept" : "removed");
    reclone_tell(core, node, outcome);
    reclone_of(core, node)->failures = reclone_of(core, node)->differed = 0;
    memset(reclone_of(core, node)->vain, 0, sizeof reclone_of(core, node)->vain);
    reclone_of(core, node)->looked = reclone_of(core, node)->current = false;
    reclone_of(core, node)->extra = reclone_of(core, node)->unsaved = false;
    reclone_state(core, node, "%s", "");
}

static void reclone_salvaged(struct core *core, unsigned node, const struct answer *a)
{
    char why[RECORD_WHY_MAX];
    /* Saving took its time: looked at again before its server ends. */
    reclone_of(core, node)->extra = reclone_of(core, node)->current = false;
    rejoin_saved(core, node, a->result.evidence);
    (void)snprintf(why, sizeof why, "%.100s; salvaged to %.130s", core->record.why[node],
                   a->result.path);
    (void)reclone_flags(core, node, NODE_SALVAGED, 0, why);
}

static void reclone_compared(struct core *core, unsigned node)
{
    struct reclone *c = reclone_of(core, node);
    const struct repair *r = &core->lead.repair[node];
    const struct server_facts *seen = &r->seen;
    const struct report *report = core_report(core, node);
    char extra[GTID_TEXT_MAX];
    bool holds = sets_extra(seen, &core->facts, extra, sizeof extra);
    c->looked = true;
    c->extra = holds && !(r->is_saved && strcmp(r->saved, extra) == 0);
    /* Noted here: a node that is not quarantined any more has nothing saved (rejoin_forget). */
    if (holds && !c->extra)
        c->unsaved = !r->saved_whole;
    c->current = report != NULL && report->clone.state == CLONE_READY;
    if (c->current && !c->extra)
        c->not_before_us = core->now_us; /* nothing is to be written between this and the kill */
    if (c->extra)
        core_log(core, LOG_LEVEL_WARNING, "reclone-extra",
                 "the node holds what the writer lacks; it is salvaged first node=%s extra='%s'",
                 core_name(core, node), extra);
    c->unseen = seen->channel && !seen->drained &&
                !sets_cover(seen->flavour, sets_received(&core->facts), sets_received(seen));
}

/* The server was ended, because the copy beside its data had become whole. */
static void reclone_copied(struct core *core, unsigned node, int64_t killed_us)
{
    struct reclone *c = reclone_of(core, node);
    const struct report *r = core_report(core, node);
    char note[HISTORY_NOTE_MAX], took[32] = "";
    if (c->fetched_us != 0 && core->now_us - c->fetched_us > UINT32_MAX)
        (void)snprintf(took, sizeof took, ", in %" PRId64 " min",
                       (core->now_us - c->fetched_us) / 60000000);
    (void)snprintf(note, sizeof note, "%" PRIu64 " MB of %s%s",
                   r != NULL ? r->clone.bytes >> 20 : 0, core_name(core, c->donor), took);
    if (c->fetched_us != 0)
        reclone_step(core, node, "copy", node, c->fetched_us, note);
    c->fetched_us = 0;
    reclone_step(core, node, "kill", node, killed_us, "");
}

/* What is done when a request of that stage was carried out. */
static void reclone_done(struct core *core, unsigned node, const struct answer *a, int64_t sent_us)
{
    struct reclone *c = reclone_of(core, node);
    struct job facts = lead_job(core, JOB_FACTS);
    if (c->not_before_us < core->now_us + RECLONE_STEP_US) /* its next report tells more */
        c->not_before_us = core->now_us + RECLONE_STEP_US;
    switch (c->stage) {
    case STAGE_DETACH:
        core->lead.repair[node].seen = a->facts;
        reclone_ask(core, node, STAGE_WRITER, core->self, &facts);
        return;
    case STAGE_WRITER:
        reclone_compared(core, node);
        return;
    case STAGE_SALVAGE:
        reclone_step(core, node, "salvage", node, sent_us, a->result.path);
        reclone_salvaged(core, node, a);
        return;
    case STAGE_FETCH:
        c->fetched_us = core->now_us;
        return;
    case STAGE_KILL:
        reclone_copied(core, node, sent_us);
        return;
    case STAGE_DONATE:
        c->total = (uint64_t)a->result.count << 20;
        reclone_fetch(core, node);
        return;
    case STAGE_PLACE:
        c->stuck = 0;
        reclone_step(core, node, "place", node, sent_us, "");
        return;
    case STAGE_START:
        reclone_step(core, node, "start", node, sent_us, "");
        return;
    case STAGE_ADOPT:
        core->lead.repair[node].checked_epoch = 0;
        reclone_step(core, node, "adopt", node, sent_us,
                     core_report(core, node) != NULL ? core_report(core, node)->clone.position
                                                     : "");
        return;
    case STAGE_FINISH:
        reclone_finished(core, node, reclone_keeps(core, node));
        return;
    default:
        return;
    }
}

static void reclone_answered(struct core *core, unsigned node, int slot)
{
    static const char *const names[] = {
        [STAGE_NONE] = "",           [STAGE_DETACH] = "detach",
        [STAGE_WRITER] = "facts",    [STAGE_SIDE] = "replica-side",
        [STAGE_SALVAGE] = "salvage", [STAGE_DONATE] = "donate",
        [STAGE_FETCH] = "fetch",     [STAGE_KILL] = "kill",
        [STAGE_PLACE] = "place",     [STAGE_START] = "start",
        [STAGE_ADOPT] = "adopt",     [STAGE_FINISH] = "clear",
        [STAGE_AGAIN] = "clear",     [STAGE_DROP] = "clear",
    };
    struct reclone *c = reclone_of(core, node);
    const struct answer *a = ask_answer(core, slot);
    c->stuck +=
        a->result.outcome != JOB_DONE && (c->stage == STAGE_START || c->stage == STAGE_ADOPT);
    if (a->result.outcome == JOB_DONE) {
        reclone_done(core, node, a, core->asks.list[slot].sent_us);
        return;
    }
    reclone_failed(core, node, c->stage == STAGE_DONATE || c->stage == STAGE_FETCH, names[c->stage],
                   a->result.detail);
}

/* ---- the loop ---- */

static void reclone_progress(struct core *core, unsigned node)
{
    const struct clone_report *r = &core_report(core, node)->clone;
    const char *donor = core_name(core, r->peer);
    uint32_t left_s = clone_left_s(r);
    char left[24] = "?";
    if (left_s != UINT32_MAX)
        (void)snprintf(left, sizeof left, "%" PRIu32, left_s);
    if (r->state == CLONE_PREPARING)
        reclone_state(core, node, "reclone from %s: preparing the copy", donor);
    else
        reclone_state(core, node,
                      "reclone from %s: %" PRIu64 " of about %" PRIu64 " MB, %.1f MB/s, %s s left",
                      donor, r->bytes >> 20, r->bytes_total >> 20, (double)r->rate_kib / 1024,
                      left);
}

static unsigned reclone_named(const struct core *core, unsigned node)
{
    unsigned named = (core->record.flags[node] & NODE_DONOR_MASK) >> NODE_DONOR_SHIFT;
    return named != 0 ? named - 1 : NODE_NONE;
}

/* One that gives, to this node or to another, is there. */
static void reclone_watch_donor(struct core *core, unsigned node)
{
    struct reclone *c = reclone_of(core, node);
    unsigned named = reclone_named(core, node);
    const struct rule *judged = named == NODE_NONE ? NULL : reclone_judge_donor(core, node, named);
    if (judged == NULL || judged->verdict != DONOR_NO || judged->id == DONOR_RULE_GIVING)
        c->gone_us = 0;
    else if (c->gone_us == 0)
        c->gone_us = core->now_us;
}

static void reclone_waits(struct core *core, unsigned node, const struct rule *rule)
{
    const struct reclone *c = reclone_of(core, node);
    unsigned named = reclone_named(core, node);
    if (c->gone_us == 0 || rule->id != RECLONE_RULE_NO_DONOR) {
        reclone_state(core, node, "reclone: %.80s", rule->text);
        return;
    }
    reclone_state(core, node, "reclone: waits %lld s for %.20s, which was named: %.40s",
                  (long long)((c->gone_us + RECLONE_DONOR_GONE_US - core->now_us) / 1000000),
                  core_name(core, named), reclone_judge_donor(core, node, named)->text);
}

static void reclone_explain(struct core *core, unsigned node, const struct rule *rule,
                            uint32_t facts)
{
    struct reclone *c = reclone_of(core, node);
    const struct report *r = core_report(core, node);
    char text[DETAIL_TEXT_MAX];
    if (r != NULL && (r->clone.state == CLONE_RECEIVING || r->clone.state == CLONE_PREPARING))
        reclone_progress(core, node);
    else if (rule->verdict == RECLONE_WAIT)
        reclone_waits(core, node, rule);
    if (c->told_rule == rule->id)
        return;
    c->told_rule = rule->id;
    if (c->history.rule == 0) {
        _Static_assert(sizeof c->history.why == RECORD_WHY_MAX, "one is copied into the other");
        memcpy(c->history.why, core->record.why[node], sizeof c->history.why);
        c->history.rule = rule->id;
    }
    core_log(core, LOG_LEVEL_NOTICE, "reclone", "node=%s verdict=%s rule=reclone/%u facts=%s",
             core_name(core, node), reclone_table.verdict_names[rule->verdict], rule->id,
             rules_facts_text(&reclone_table, facts, text, sizeof text));
}

static const char *reclone_why_again(const struct core *core, unsigned node,
                                     const struct rule *rule)
{
    const struct report *r = core_report(core, node);
    if (r->clone.state == CLONE_FAILED)
        return r->clone.error;
    return r->clone.state == CLONE_ADOPTED && r->facts.error[0] != '\0' ? r->facts.error
                                                                        : rule->text;
}

/* Nobody orders it (any more): what it left beside the data directory goes, but for old data. */
static bool reclone_drop(struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    struct reclone *c = reclone_of(core, node);
    if (r == NULL || !core_is_fresh(core, node) || r->term != core->term ||
        r->clone.state == CLONE_NONE || r->clone.state == CLONE_GIVING ||
        core->lead.phase != LEAD_STEADY || core->now_us < c->not_before_us)
        return false;
    reclone_clear(core, node, STAGE_DROP, /* keep_old= */ true);
    return true;
}

static bool reclone_differs(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    return r->clone.state == CLONE_ADOPTED && cure_data_differs(&r->facts);
}

bool reclone_run(struct core *core, unsigned node)
{
    struct reclone *c = reclone_of(core, node);
    const struct rule *rule;
    uint32_t facts;
    if (c->ask != ASK_NONE) {
        int slot = c->ask;
        if (!ask_is_over(core, slot))
            return true;
        c->ask = ASK_NONE;
        reclone_answered(core, node, slot);
        ask_drop(core, &slot);
        return true;
    }
    if ((core->record.flags[node] & NODE_MAINTENANCE) != 0)
        return false;
    if ((core->record.flags[node] & NODE_RECLONE) == 0)
        return reclone_drop(core, node);
    reclone_watch_donor(core, node);
    rule = reclone_decide(core, node, &facts);
    if (rule->verdict == RECLONE_REPAIR) {
        reclone_explain(core, node, rule, facts);
        return false;
    }
    if (core->now_us < c->not_before_us)
        return true;
    if (rule->verdict == RECLONE_AGAIN) {
        c->stuck = 0;
        c->differed += reclone_differs(core, node);
        reclone_failed(core, node, /* in_vain= */ true, "copy",
                       reclone_why_again(core, node, rule));
    }
    reclone_explain(core, node, rule, facts);
    reclone_act(core, node, rule);
    return true;
}
