/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/rejoin.h"
#include "core/sets.h"
#include "wire/gtid.h"
#include "wire/tail.h"

static const char *const rejoin_fact_names[] = {
    "comparable", "former",   "own",     "clean",  "whole",  "behind",
    "read",       "complete", "crashed", "suffix", "warned", "released",
};

static const char *const rejoin_verdicts[] = {"not-judged", "never", "possible", "unknown"};

static const struct rule rejoin_rules[] = {
    {10, 0, REJOIN_COMPARABLE, TAIL_UNKNOWN, "its set and the writer's cannot be subtracted"},
    {20, 0, REJOIN_FORMER, TAIL_UNKNOWN,
     "no recorded promotion ended an epoch of this node: made by hand, or too long ago"},
    {30, 0, REJOIN_OWN, TAIL_UNKNOWN, "some of it was made by another server"},
    {40, 0, REJOIN_CLEAN, TAIL_POSSIBLE,
     "a promotion since was forced: the writer may lack what was acknowledged here"},
    {50, 0, REJOIN_WHOLE, TAIL_UNKNOWN,
     "it lacks a part of the seal: its tail stood behind no seal"},
    {60, 0, REJOIN_BEHIND, TAIL_UNKNOWN, "a part of it is in the seal"},
    {70, 0, REJOIN_READ, TAIL_NOT_JUDGED, "its binlogs have not been read yet"},
    {75, REJOIN_RELEASED, 0, TAIL_POSSIBLE,
     "somebody ended the wait for acknowledgements there: clients were told that it is committed"},
    {80, 0, REJOIN_COMPLETE, TAIL_UNKNOWN,
     "not all of it is in its binlogs any more, or they cannot be read"},
    {90, 0, REJOIN_CRASHED, TAIL_POSSIBLE,
     "its server was shut down or goes on: who waited may have been told that it is committed"},
    {95, REJOIN_WARNED, 0, TAIL_POSSIBLE,
     "what was found before: somebody may have been promised it"},
    {100, 0, REJOIN_SUFFIX, TAIL_UNKNOWN, "other transactions stand behind its beginning"},
    {110, 0, 0, TAIL_NEVER,
     "it lies behind the seal of a clean promotion, and its server was killed"},
};

const struct rule_table rejoin_table =
    RULE_TABLE("rejoin", rejoin_rules, rejoin_fact_names, rejoin_verdicts);

static const char *const discard_fact_names[] = {
    "manual",      "rewind-only", "ordered",      "salvaged", "never",
    "discard-all", "discard",     "undo-refused", "unproven", "asleep",
};

static const char *const discard_verdicts[] = {"save", "wait", "undo", "reclone"};

static const struct rule discard_rules[] = {
    {10, 0, DISCARD_SALVAGED | DISCARD_ASLEEP, DISCARD_SAVE,
     "what it holds alone is written to a file first"},
    {15, 0, DISCARD_SALVAGED, DISCARD_WAIT,
     "rejoin = manual: its server is down and waits for `tandem rejoin`"},
    {20, DISCARD_MANUAL, DISCARD_ORDERED, DISCARD_WAIT,
     "rejoin = manual: it waits for `tandem rejoin`"},
    {25, DISCARD_UNPROVEN, DISCARD_REWIND_ONLY, DISCARD_RECLONE,
     "nothing proves that what was cut is not in its data: the node is to be made anew"},
    {30, DISCARD_REFUSED | DISCARD_BY_ORDER, 0, DISCARD_RECLONE,
     "given up, but it cannot be taken back: the node is to be made anew"},
    {40, DISCARD_BY_ORDER, 0, DISCARD_UNDO, "an operator gave it up"},
    {45, DISCARD_UNPROVEN, 0, DISCARD_WAIT,
     "rejoin = rewind, and what was cut may be in its data: `tandem rejoin --discard`"},
    {50, DISCARD_REFUSED | DISCARD_NEVER, DISCARD_REWIND_ONLY, DISCARD_RECLONE,
     "never acknowledged, but it cannot be taken back: the node is to be made anew"},
    {60, DISCARD_REFUSED | DISCARD_NEVER, 0, DISCARD_WAIT,
     "rejoin = rewind, and it cannot be taken back: make the node anew by hand"},
    {70, DISCARD_NEVER, 0, DISCARD_UNDO, "nobody was promised it"},
    {80, DISCARD_REFUSED | DISCARD_BY_POLICY, DISCARD_REWIND_ONLY, DISCARD_RECLONE,
     "auto_discard = all, but it cannot be taken back: the node is to be made anew"},
    {90, DISCARD_BY_POLICY, DISCARD_REFUSED, DISCARD_UNDO, "auto_discard = all"},
    {100, 0, 0, DISCARD_WAIT,
     "it may have been acknowledged: `tandem rejoin --discard` gives it up"},
};

const struct rule_table discard_table =
    RULE_TABLE("discard", discard_rules, discard_fact_names, discard_verdicts);

/* ---- facts ---- */

static bool rejoin_is_own(const struct server_facts *f, const struct gtid_set *tail)
{
    char text[UUID_TEXT_MAX + 2];
    struct gtid own;
    if (f->flavour != SERVER_MYSQL) {
        for (unsigned i = 0; i < tail->interval_count; i++) {
            if (tail->intervals[i].server_id != f->server_id)
                return false;
        }
        return true;
    }
    (void)snprintf(text, sizeof text, "%s:1", f->server_uuid);
    if (gtid_parse_one(text, GTID_MYSQL, &own) != 0)
        return false;
    for (unsigned i = 0; i < tail->source_count; i++) {
        if (memcmp(tail->sources[i].uuid, own.uuid, sizeof own.uuid) != 0)
            return false;
    }
    return true;
}

/* Nothing of the tail is in the seal: of each of its intervals, neither an end nor a part. */
static bool rejoin_is_behind(const struct gtid_set *tail, const char *seal)
{
    struct gtid_set sealed, rest;
    return gtid_parse(seal, tail->flavour, &sealed) == 0 && !gtid_is_empty(&sealed) &&
           gtid_subtract(tail, &sealed, &rest) == 0 && gtid_equal(&rest, tail);
}

uint32_t rejoin_facts(const struct core *core, unsigned node, const char *extra)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    const struct promotion *p = record_promotion_after(&core->record, node);
    const struct repair *r = &core->lead.repair[node];
    bool mysql = f->flavour == SERVER_MYSQL;
    struct gtid_set tail;
    uint32_t facts = (core->record.flags[node] & NODE_TAIL_POSSIBLE) != 0 ? REJOIN_WARNED : 0;
    if (f->flavour == core->facts.flavour &&
        gtid_parse(extra, mysql ? GTID_MYSQL : GTID_MARIADB_STATE, &tail) == 0 &&
        !gtid_is_empty(&tail))
        facts |= REJOIN_COMPARABLE | (rejoin_is_own(f, &tail) ? REJOIN_OWN : 0);
    if (p != NULL && (core->record.flags[node] & NODE_FORMER) != 0) {
        facts |= REJOIN_FORMER;
        facts |= record_clean_since(&core->record, p) ? REJOIN_CLEAN : 0;
        facts |= p->seal[0] != '\0' && sets_on_line(f, p->seal) ? REJOIN_WHOLE : 0;
        facts |= (facts & REJOIN_COMPARABLE) != 0 && rejoin_is_behind(&tail, p->seal)
                     ? REJOIN_BEHIND
                     : 0;
    }
    if (!r->inspected)
        return facts;
    facts |= REJOIN_READ;
    facts |= (r->evidence & TAIL_COMPLETE) != 0 ? REJOIN_COMPLETE : 0;
    facts |= (r->evidence & TAIL_CRASHED) != 0 ? REJOIN_CRASHED : 0;
    facts |= (r->evidence & TAIL_SUFFIX) != 0 ? REJOIN_SUFFIX : 0;
    facts |= (r->evidence & TAIL_RELEASED) != 0 ? REJOIN_RELEASED : 0;
    return facts;
}

static bool rejoin_is_down(const struct core *core, unsigned node)
{
    const struct report *report = core_report(core, node);
    return report == NULL || report->health == HEALTH_DEAD;
}

bool rejoin_is_saved(const struct core *core, unsigned node)
{
    const struct repair *r = &core->lead.repair[node];
    bool salvaged = (core->record.flags[node] & NODE_SALVAGED) != 0;
    char extra[GTID_TEXT_MAX];
    if (rejoin_is_down(core, node) || !core->have_facts)
        return salvaged;
    if (!sets_extra(&core_report(core, node)->facts, &core->facts, extra, sizeof extra))
        return true;
    return salvaged && r->is_saved && strcmp(r->saved, extra) == 0;
}

uint32_t rejoin_discard_facts(const struct core *core, unsigned node)
{
    const struct config_policy *policy = &core->cfg->policy;
    uint32_t flags = core->record.flags[node];
    uint32_t facts = 0;
    facts |= rejoin_is_down(core, node) && rejoin_must_wait(core, node) ? DISCARD_ASLEEP : 0;
    facts |= policy->rejoin == CONFIG_REJOIN_MANUAL ? DISCARD_MANUAL : 0;
    facts |= policy->rejoin == CONFIG_REJOIN_REWIND ? DISCARD_REWIND_ONLY : 0;
    facts |= policy->auto_discard == CONFIG_DISCARD_ALL ? DISCARD_BY_POLICY : 0;
    facts |= (flags & NODE_REJOIN) != 0 ? DISCARD_ORDERED : 0;
    facts |= rejoin_is_saved(core, node) ? DISCARD_SALVAGED : 0;
    facts |= (flags & NODE_TAIL_NEVER) != 0 ? DISCARD_NEVER : 0;
    facts |= (flags & NODE_DISCARD) != 0 ? DISCARD_BY_ORDER : 0;
    facts |= (flags & (NODE_UNDO_REFUSED | NODE_UNPROVEN)) != 0 ? DISCARD_REFUSED : 0;
    facts |= (flags & NODE_UNPROVEN) != 0 ? DISCARD_UNPROVEN : 0;
    return facts;
}

int rejoin_class(uint32_t flags)
{
    if ((flags & NODE_TAIL_NEVER) != 0)
        return TAIL_NEVER;
    if ((flags & NODE_TAIL_POSSIBLE) != 0)
        return TAIL_POSSIBLE;
    return (flags & NODE_SALVAGED) != 0 ? TAIL_UNKNOWN : TAIL_NOT_JUDGED;
}
