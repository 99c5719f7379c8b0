/* SPDX-License-Identifier: Apache-2.0 */
/* Tables `reclone` and `donor`: what is next for a node whose data is replaced, and who may give
 * its own. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/cure.h"
#include "core/procs.h"
#include "core/reclone.h"
#include "core/sets.h"

#define STUCK_MAX 3
#define CLONE_SINCE 80017
#define RECLONE_STARTS 2 /* an order stands: what could not be looked at stays beside the copy */

enum reclone_fact {
    F_STEADY = 1u << 0,     /* this leader is the open writer */
    F_WRITER = 1u << 1,     /* the node is the record's writer */
    F_HEARD = 1u << 2,      /* its agent reports, in this term */
    F_MEMBER = 1u << 3,     /* it counts for the in-sync set */
    F_COPYING = 1u << 4,    /* a copy is being received or prepared */
    F_FAILED = 1u << 5,     /* ... has failed */
    F_READY = 1u << 6,      /* ... is whole */
    F_PLACED = 1u << 7,     /* ... is its data directory */
    F_ADOPTED = 1u << 8,    /* ... and its server counts from its position */
    F_PROCESS = 1u << 9,    /* there is a mysqld */
    F_ANSWERS = 1u << 10,   /* it answers its agent */
    F_WRITABLE = 1u << 11,  /* and is writable */
    F_FOREIGN = 1u << 12,   /* what it has is none of the cluster's */
    F_LOOKED = 1u << 13,    /* its set was compared with the writer's */
    F_EXTRA = 1u << 14,     /* it holds something alone, not salvaged yet */
    F_HELD = 1u << 15,      /* flags of the old data stand against it */
    F_BROKEN = 1u << 16,    /* replication from the new data stopped with an error */
    F_PROVEN = 1u << 17,    /* the new data follows its source and has caught up */
    F_DONOR = 1u << 18,     /* a node may give its data */
    F_BY_SERVER = 1u << 19, /* MySQL: its own server copies, unless it ends when it is started */
    F_SIDE = 1u << 20,      /* it may acknowledge commits, though it is no member */
    F_STUCK = 1u << 21,     /* the copy in place cannot be started or adopted */
    F_IN_VAIN = 1u << 22,   /* replication stopped because the data of this copy differs as well */
    F_CURRENT = 1u << 23,   /* its set was compared since the copy became whole */
    F_GONE = 1u << 24,      /* the donor that was named could not give for long */
};

static const char *const reclone_facts[] = {
    "steady", "writer",  "heard",   "member",     "copying",  "failed",    "ready",
    "placed", "adopted", "process", "answers",    "writable", "foreign",   "looked",
    "extra",  "held",    "broken",  "proven",     "donor",    "by-server", "side",
    "stuck",  "in-vain", "current", "donor-gone",
};

static const char *const reclone_verdicts[] = {
    "wait",  "cancel", "look",  "side",  "salvage", "copy",   "kill",
    "place", "start",  "adopt", "judge", "repair",  "finish", "again",
};

static const struct rule reclone_rules[] = {
    {10, 0, F_STEADY, RECLONE_WAIT, "only an open writer can say what a copy must have"},
    {20, F_WRITER, 0, RECLONE_CANCEL, "the writer's data is what all others are measured by"},
    {30, 0, F_HEARD, RECLONE_WAIT, "its agent is not heard"},
    {40, F_MEMBER, 0, RECLONE_WAIT, "it leaves the in-sync set first"},
    {50, F_COPYING, 0, RECLONE_WAIT, "the copy is under way"},
    {60, F_FAILED, 0, RECLONE_AGAIN, "the copy failed"},
    {65, F_READY | F_ANSWERS, F_FOREIGN | F_CURRENT, RECLONE_LOOK,
     "what was written to it during the copy must be known"},
    {70, F_READY | F_PROCESS, F_EXTRA, RECLONE_KILL,
     "the copy is whole: the server ends, so that it can be put in place"},
    {75, F_READY | F_PROCESS, 0, RECLONE_SALVAGE,
     "what it holds alone by now is saved before its server ends"},
    {80, F_READY, 0, RECLONE_PLACE, "the copy is whole and the server is down"},
    {85, F_PLACED | F_STUCK, 0, RECLONE_AGAIN, "the copy in place is of no use"},
    {90, F_PLACED, F_PROCESS, RECLONE_START, "the copy is in place"},
    {100, F_PLACED, F_ANSWERS, RECLONE_WAIT, "the server of the copy starts"},
    {110, F_PLACED, 0, RECLONE_ADOPT, "the server must count from the copy's position"},
    {120, F_ADOPTED | F_HELD, 0, RECLONE_JUDGE,
     "what was held against it was held against its old data"},
    {RECLONE_RULE_IN_VAIN, F_ADOPTED | F_IN_VAIN, 0, RECLONE_CANCEL,
     "the writer's own copy differs from its binlog as well: the reason is not in this node"},
    {130, F_ADOPTED | F_BROKEN, 0, RECLONE_AGAIN, "replication from the new data is broken"},
    {140, F_ADOPTED | F_PROVEN, 0, RECLONE_FINISH, "the new data has caught up"},
    {150, F_ADOPTED, 0, RECLONE_REPAIR, "the new data is attached as any other node's"},
    {160, F_WRITABLE, F_FOREIGN, RECLONE_WAIT, "its server is writable: its own fence ends that"},
    {170, F_ANSWERS, F_FOREIGN | F_LOOKED, RECLONE_LOOK, "what it holds alone must be known"},
    {175, F_ANSWERS | F_SIDE, F_FOREIGN, RECLONE_SIDE,
     "it is no member and must acknowledge nothing"},
    {180, F_EXTRA, F_FOREIGN, RECLONE_SALVAGE, "what it holds alone is saved first"},
    {190, F_BY_SERVER, F_PROCESS | F_FOREIGN, RECLONE_START,
     "its own server copies, and tells what it holds, so it is started"},
    {200, F_BY_SERVER | F_PROCESS, F_ANSWERS, RECLONE_WAIT,
     "its own server copies, and does not let its agent in yet"},
    /* Of a node that joins the order stands: without it, its data would be taken for the cluster's.
     */
    {205, F_GONE, F_DONOR | F_FOREIGN, RECLONE_CANCEL,
     "the donor that was named could not give its data for ten minutes"},
    {210, F_DONOR, 0, RECLONE_COPY, "a node may give its data"},
    {RECLONE_RULE_NO_DONOR, 0, 0, RECLONE_WAIT, "no node may give its data"},
};

const struct rule_table reclone_table =
    RULE_TABLE("reclone", reclone_rules, reclone_facts, reclone_verdicts);

enum donor_fact {
    D_RECIPIENT = 1u << 0,
    D_NO_SERVER = 1u << 1, /* a witness */
    D_SILENT = 1u << 2,    /* its agent is not heard */
    D_SICK = 1u << 3,      /* its server does not answer well */
    D_BARRED = 1u << 4,    /* quarantined, former, in maintenance, or recloned itself */
    D_OTHER = 1u << 5,     /* another family or version than the recipient's */
    D_GIVING = 1u << 6,    /* it gives its data already */
    D_WRITER = 1u << 7,
    D_STOPPED = 1u << 8,   /* it does not replicate */
    D_OLD = 1u << 9,       /* it is too far behind the writer */
    D_MEMBER = 1u << 10,   /* of the in-sync set: commits wait for it */
    D_DOUBT = 1u << 11,    /* a copy that was given before differed from the writer's binlog */
    D_NO_CLONE = 1u << 12, /* MySQL of a version without CLONE */
};

static const char *const donor_facts[] = {
    "recipient", "no-server", "silent", "sick",   "barred", "other-version", "giving",
    "writer",    "stopped",   "old",    "member", "doubt",  "no-clone",
};

static const char *const donor_verdicts[] = {"no", "writer", "member", "replica"};

static const struct rule donor_rules[] = {
    {10, D_RECIPIENT, 0, DONOR_NO, "nobody is its own donor"},
    {20, D_NO_SERVER, 0, DONOR_NO, "it is a witness and has no data"},
    {30, D_SILENT, 0, DONOR_NO, "its agent is not heard"},
    {40, D_SICK, 0, DONOR_NO, "its server does not answer well"},
    {50, D_BARRED, 0, DONOR_NO, "it is quarantined, in maintenance, or gets a copy itself"},
    {60, D_OTHER, 0, DONOR_NO, "its server is of another family or version"},
    {65, D_NO_CLONE, 0, DONOR_NO, "its server cannot CLONE: MySQL before 8.0.17"},
    {DONOR_RULE_GIVING, D_GIVING, 0, DONOR_NO, "it gives its data to another node"},
    {80, D_WRITER, 0, DONOR_WRITER, "it is the writer: only if nobody else can"},
    {85, D_DOUBT, 0, DONOR_NO, "a copy differed already: only the writer's data is beyond doubt"},
    {90, D_STOPPED, 0, DONOR_NO, "it does not replicate"},
    {100, D_OLD, 0, DONOR_NO, "it is too far behind the writer"},
    {110, D_MEMBER, 0, DONOR_MEMBER, "it is current, but commits wait for it"},
    {120, 0, 0, DONOR_REPLICA, "it is current, and no commit waits for it"},
};

const struct rule_table donor_table = RULE_TABLE("donor", donor_rules, donor_facts, donor_verdicts);

const char reclone_by_hand_text[] =
    "MySQL before 8.0.17 has no CLONE; make it anew by hand (docs/operations.md)";

/* ---- donors ---- */

static bool donor_cannot_clone(const struct server_facts *f)
{
    return f->flavour == SERVER_MYSQL && f->version != 0 && f->version < CLONE_SINCE;
}

/* MySQL's CLONE wants the same version, mariadb-backup's copy the same series. */
static bool donor_is_other(const struct server_facts *donor, const struct server_facts *node)
{
    if (node->flavour == SERVER_FLAVOUR_UNKNOWN)
        return false;
    if (donor->flavour != node->flavour)
        return true;
    return node->flavour == SERVER_MYSQL ? donor->version != node->version
                                         : donor->version / 100 != node->version / 100;
}

static uint32_t donor_server_facts(const struct core *core, unsigned node, unsigned donor)
{
    const struct report *r = core_report(core, donor);
    const struct report *own = core_report(core, node);
    const struct server_facts *f = &r->facts;
    uint32_t facts = 0;
    if (!health_is_good(r->health))
        facts |= D_SICK;
    if (own != NULL && donor_is_other(f, &own->facts))
        facts |= D_OTHER;
    if (donor_cannot_clone(f))
        facts |= D_NO_CLONE;
    if (r->clone.state == CLONE_GIVING)
        facts |= D_GIVING;
    if (f->io != THREAD_RUNNING || f->sql != THREAD_RUNNING)
        facts |= D_STOPPED;
    if (sets_distance(&core->facts, f) > core->cfg->policy.grow_lag_trx_max)
        facts |= D_OLD;
    return facts;
}

const struct rule *reclone_judge_donor(const struct core *core, unsigned node, unsigned donor)
{
    uint32_t barred = NODE_QUARANTINED | NODE_FORMER | NODE_MAINTENANCE | NODE_RECLONE;
    uint32_t facts = 0;
    if (donor == node)
        facts |= D_RECIPIENT;
    if (!config_node_has_mysql(core->cfg, donor))
        facts |= D_NO_SERVER;
    if (core_report(core, donor) == NULL || !core_is_fresh(core, donor))
        facts |= D_SILENT;
    else
        facts |= donor_server_facts(core, node, donor);
    if ((core->record.flags[donor] & barred) != 0)
        facts |= D_BARRED;
    if (donor == core->record.writer)
        facts |= D_WRITER;
    if ((lead_members(core) & (1u << donor)) != 0)
        facts |= D_MEMBER;
    if (core->lead.reclone[node].differed > 0 && (core->record.flags[node] & NODE_DONOR_MASK) == 0)
        facts |= D_DOUBT;
    return rules_decide(&donor_table, facts);
}

unsigned reclone_donor(const struct core *core, unsigned node)
{
    unsigned named = (core->record.flags[node] & NODE_DONOR_MASK) >> NODE_DONOR_SHIFT;
    unsigned best = NODE_NONE;
    unsigned best_rounds = UINT_MAX;
    int best_verdict = DONOR_NO;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        int verdict = reclone_judge_donor(core, node, i)->verdict;
        unsigned rounds = core->lead.reclone[node].vain[i] / RECLONE_DONOR_TRIES;
        if ((named != 0 && named != i + 1) || verdict == DONOR_NO || rounds > best_rounds ||
            (rounds == best_rounds && verdict <= best_verdict))
            continue;
        best = i;
        best_rounds = rounds;
        best_verdict = verdict;
    }
    return best;
}

/* ---- what is next ---- */

static uint32_t reclone_copy_facts(const struct report *r)
{
    static const uint32_t facts[CLONE_STATE_COUNT] = {
        [CLONE_RECEIVING] = F_COPYING, [CLONE_PREPARING] = F_COPYING, [CLONE_READY] = F_READY,
        [CLONE_PLACED] = F_PLACED,     [CLONE_ADOPTED] = F_ADOPTED,   [CLONE_FAILED] = F_FAILED,
    };
    return facts[r->clone.state];
}

/* By the family of the cluster's servers: the node's own may never have answered. */
static uint32_t reclone_server_facts(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    const struct server_facts *f = &r->facts;
    const struct repair *repair = &core->lead.repair[node];
    uint32_t facts = 0;
    bool starts = r->health != HEALTH_DEAD || r->starts.failed < RECLONE_STARTS;
    if (r->health != HEALTH_DEAD)
        facts |= F_PROCESS;
    if (core->facts.flavour == SERVER_MYSQL && starts)
        facts |= F_BY_SERVER;
    if (!health_is_good(r->health) || f->flavour == SERVER_FLAVOUR_UNKNOWN)
        return facts;
    facts |= F_ANSWERS;
    if (!f->read_only)
        facts |= F_WRITABLE;
    if (sync_has_side(core, node))
        facts |= F_SIDE;
    if (cure_is_broken(f) && !cure_is_locked(f))
        facts |= F_BROKEN;
    if (cure_data_differs(f) && core->lead.reclone[node].differed > 0)
        facts |= F_IN_VAIN;
    if (f->channel && f->io == THREAD_RUNNING && f->sql == THREAD_RUNNING &&
        repair->checked_epoch == core->record.epoch &&
        sets_distance(&core->facts, f) <= core->cfg->policy.grow_lag_trx_max)
        facts |= F_PROVEN;
    return facts;
}

static uint32_t reclone_gather(const struct core *core, unsigned node)
{
    const struct reclone *c = &core->lead.reclone[node];
    const struct report *r = core_report(core, node);
    uint32_t flags = core->record.flags[node];
    uint32_t facts = 0;
    if (core->lead.phase == LEAD_STEADY && core_may_write(core) && core->have_facts)
        facts |= F_STEADY;
    if (core->record.writer == node)
        facts |= F_WRITER;
    if ((lead_members(core) & (1u << node)) != 0)
        facts |= F_MEMBER;
    if ((flags & NODE_FOREIGN) != 0)
        facts |= F_FOREIGN;
    if ((flags & (NODE_CURED | NODE_FORMER | NODE_FOREIGN | NODE_UNPROVEN)) != 0)
        facts |= F_HELD;
    if (c->looked)
        facts |= F_LOOKED;
    if (c->extra)
        facts |= F_EXTRA;
    if (c->current)
        facts |= F_CURRENT;
    if (c->stuck >= STUCK_MAX)
        facts |= F_STUCK;
    if (reclone_donor(core, node) != NODE_NONE)
        facts |= F_DONOR;
    if (c->gone_us != 0 && core->now_us - c->gone_us >= RECLONE_DONOR_GONE_US)
        facts |= F_GONE;
    if (r != NULL && core_is_fresh(core, node) && r->term == core->term)
        facts |= F_HEARD | reclone_copy_facts(r) | reclone_server_facts(core, node);
    return facts;
}

const struct rule *reclone_decide(const struct core *core, unsigned node, uint32_t *ret_facts)
{
    *ret_facts = reclone_gather(core, node);
    return rules_decide(&reclone_table, *ret_facts);
}

bool reclone_is_by_hand(const struct core *core, unsigned node)
{
    const struct report *own = core_report(core, node);
    if (core->facts.flavour != SERVER_MYSQL)
        return false;
    if (own != NULL && own->facts.flavour == SERVER_MYSQL)
        return donor_cannot_clone(&own->facts); /* the donor's must be the same */
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (i != node && r != NULL && r->facts.flavour == SERVER_MYSQL &&
            !donor_cannot_clone(&r->facts))
            return false;
    }
    return donor_cannot_clone(&core->facts);
}

const char *reclone_refusal(const struct core *core, unsigned node, unsigned donor, char *buf,
                            size_t size)
{
    const char *name = core_name(core, node);
    const struct rule *judged = donor == NODE_NONE ? NULL : reclone_judge_donor(core, node, donor);
    if (!config_node_has_mysql(core->cfg, node))
        (void)snprintf(buf, size, "%s is a witness and has no data", name);
    else if (node == core->record.writer)
        (void)snprintf(buf, size,
                       "%s is the writer: its data is what the others are measured by; "
                       "`tandem switchover` first",
                       name);
    else if (core->record.handover == node)
        (void)snprintf(buf, size, "a handover to %s is under way", name);
    else if ((core->record.flags[node] & NODE_MAINTENANCE) != 0)
        (void)snprintf(buf, size, "%s is in maintenance; `tandem maintenance %s off` first", name,
                       name);
    else if ((core->record.flags[node] & NODE_RECLONE) != 0)
        (void)snprintf(buf, size, "it is ordered already; watch it with `tandem status`");
    else if (core_report(core, node) == NULL || !core_is_fresh(core, node))
        (void)snprintf(buf, size, "the agent of %s is not heard; start it first", name);
    else if (reclone_is_by_hand(core, node))
        (void)snprintf(buf, size, "%s", reclone_by_hand_text);
    else if (judged != NULL && judged->verdict == DONOR_NO)
        (void)snprintf(buf, size, "%s cannot give its data: %s (donor/%u)", core_name(core, donor),
                       judged->text, judged->id);
    else
        return NULL;
    return buf;
}
