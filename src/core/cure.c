/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cure.h"

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/procs.h"
#include "core/reclone.h"
#include "core/sets.h"

/* Numbers of the servers; MySQL 8.0 and later tell the source's 1236 as 13114. */
#define ERRNO_PURGED 1236
#define ERRNO_PURGED_NEW 13114
#define ERRNO_SAME_ID 1593
#define ERRNO_SAME_ID_NEW 13117

/* Written into the record's histories, and looked for there. */
#define RULE_MADE_ANEW 80
#define RULE_STARTS_ANEW 160
#define MADE_ANEW_MS (24 * 3600 * INT64_C(1000))

enum cure_fact {
    F_SAME_ID = 1u << 0,      /* another node's server has its server_id or uuid */
    F_BOUND = 1u << 1,        /* it counts for the in-sync set */
    F_RELAY_LOG = 1u << 2,    /* its relay log cannot be read */
    F_PURGED = 1u << 3,       /* its source lacks binlogs that it needs */
    F_OTHER_SOURCE = 1u << 4, /* another source has not been asked yet */
    F_AUTO = 1u << 5,         /* policy rejoin = auto */
    F_DIFFERS = 1u << 6,      /* something is there that its source did not have, or is missing */
    F_AGAIN = 1u << 7,        /* ... although it was made anew for that a short while ago */
    F_AHEAD = 1u << 8,        /* not all that it has, applied or not, is on the writer */
    F_TURN = 1u << 9,         /* another node's data is being replaced */
    F_UNDONE = 1u << 10,      /* its own transactions were just taken back out of its data */
    F_LOCKED = 1u << 11,      /* its applier waited for a lock in vain */
    F_RESTS = 1u << 12,       /* ... and was started again for that a short while ago */
    F_OFTEN = 1u << 13,       /* ... several times, and did not get further */
    F_NO_START = 1u << 14,    /* its server ends by itself whenever it is started */
    F_DAMAGED = 1u << 15,     /* ... and says that its data is damaged */
    F_UNJUDGED = 1u << 16,    /* it may hold alone what nobody has judged and saved */
};

static const char *const cure_facts[] = {
    "same-id", "bound", "relay-log", "purged",        "other-source", "rejoin-auto",
    "differs", "again", "ahead",     "other-reclone", "undone",       "locked",
    "rests",   "often", "no-start",  "damaged",       "unjudged",
};
static const char *const cure_verdicts[] = {"tell",     "wait",    "refetch",
                                            "reparent", "reclone", "start"};

static const struct rule cure_rules[] = {
    {10, F_SAME_ID, 0, CURE_TELL,
     "two servers with one server_id or server_uuid disturb each other"},
    {20, F_BOUND, 0, CURE_TELL, "it counts for the in-sync set, and must leave that first"},
    {25, F_UNDONE, 0, CURE_REFETCH,
     "its replication stopped over what was just taken back: it begins anew"},
    {30, F_RELAY_LOG, 0, CURE_REFETCH, "its relay log cannot be read: it is fetched again"},
    {35, F_LOCKED | F_RESTS | F_OFTEN, 0, CURE_TELL,
     "a lock is in its way again and again: end who holds it; it is started now and then"},
    {40, F_PURGED | F_OTHER_SOURCE, 0, CURE_REPARENT,
     "its source has purged what it needs: another one may have it"},
    {45, F_PURGED | F_AUTO, 0, CURE_RECLONE,
     "no node has the binlogs that it needs: the node is to be made anew"},
    {50, F_PURGED, 0, CURE_TELL, "no node has the binlogs that it needs: tandem reclone"},
    {55, F_LOCKED | F_RESTS, 0, CURE_WAIT, "a lock was in its way: its applier rests for a while"},
    {60, F_LOCKED, 0, CURE_START, "a lock was in its way: its applier is started again"},
    {65, F_DIFFERS | F_AUTO | F_AGAIN, 0, CURE_TELL,
     "its data differs again though it was made anew: find out why, then tandem reclone"},
    {70, F_DIFFERS | F_AUTO | F_AHEAD, 0, CURE_TELL,
     "its data differs, and it may have received what the writer lacks: tandem reclone"},
    {75, F_DIFFERS | F_AUTO | F_TURN, 0, CURE_WAIT,
     "its data differs: made anew when no other node's data is being replaced"},
    {RULE_MADE_ANEW, F_DIFFERS | F_AUTO, 0, CURE_RECLONE,
     "its data differs from that of its source: the node is to be made anew"},
    {85, F_DIFFERS, 0, CURE_TELL, "its data differs: tandem reclone"},
    {90, 0, F_NO_START, CURE_TELL, "its server needs a hand: see the error"},
    {100, 0, F_DAMAGED, CURE_TELL,
     "its server does not start, and does not say that its data is damaged: see its error log"},
    {110, F_UNJUDGED, 0, CURE_TELL,
     "its data is damaged, and what it may hold alone was judged by nobody: tandem reclone"},
    {120, F_AHEAD, 0, CURE_TELL,
     "its data is damaged, and it may have received what the writer lacks: tandem reclone"},
    {130, F_AUTO | F_AGAIN, 0, CURE_TELL,
     "its data is damaged again though it was made anew: see to its disk, then tandem reclone"},
    {150, F_AUTO | F_TURN, 0, CURE_WAIT,
     "its data is damaged: made anew when no other node's data is being replaced"},
    {RULE_STARTS_ANEW, F_AUTO, 0, CURE_RECLONE,
     "its server does not start, its data is damaged: the node is to be made anew"},
    {170, 0, 0, CURE_TELL, "its server does not start, its data is damaged: tandem reclone"},
};

const struct rule_table cure_table = RULE_TABLE("cure", cure_rules, cure_facts, cure_verdicts);

/* The source ended it, for one of many reasons that only its text tells: binlogs that it has no
 * more, but also an event that it cannot read or that is too large, and a twin of the replica. */
static bool cure_is_refused(const struct server_facts *f)
{
    return f->io_errno == ERRNO_PURGED || f->io_errno == ERRNO_PURGED_NEW;
}

static bool cure_says_one_of(const struct server_facts *f, const char *const *texts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (strstr(f->error, texts[i]) != NULL)
            return true;
    }
    return false;
}

/*
 * "Could not find first log file ... while looking for ..." and "could not open log file" are about
 * an index or a file that should be there; "which is not in the master's binlog" with a word on
 * higher numbers is about another history.
 */
static bool cure_is_purged(const struct server_facts *f)
{
    static const char *const says[] = {
        "purged required binary logs",               /* MySQL 5.7 to 9.x */
        "purged binary logs containing GTIDs",       /* MySQL 5.6 and the first 5.7; MariaDB */
        "required binlog files have been purged",    /* MariaDB */
        "which is not in the master's binlog",       /* MariaDB: a source that was made anew */
        "Could not find first log file name in bin", /* by file and position */
    };
    static const char *const says_else[] = {"while looking for", "higher sequence numbers"};
    return cure_is_refused(f) && cure_says_one_of(f, says, sizeof says / sizeof says[0]) &&
           !cure_says_one_of(f, says_else, sizeof says_else / sizeof says_else[0]);
}

/* MySQL and MariaDB to 11.4 say "same server_uuid/server_id", MariaDB 11.8 "same server_id". */
static bool cure_is_same_id(const struct server_facts *f)
{
    static const char *const says[] = {"the same server_uuid", "the same server_id"};
    return f->io_errno == ERRNO_SAME_ID || f->io_errno == ERRNO_SAME_ID_NEW ||
           (cure_is_refused(f) && cure_says_one_of(f, says, sizeof says / sizeof says[0]));
}

/* ER_SLAVE_RELAY_LOG_READ_FAILURE and _WRITE_FAILURE, ER_BINLOG_READ_EVENT_CHECKSUM_FAILURE, and
 * what MySQL 8.0 and later call the first two. */
static bool cure_is_relay_log(const struct server_facts *f)
{
    return f->sql_errno == 1594 || f->sql_errno == 1595 || f->sql_errno == 1743 ||
           f->sql_errno == 13121 || f->sql_errno == 13122;
}

/*
 * The source carried it out, so here is something that was not there, or it lacks something that
 * was: rows, then what rows refer to, databases and tables, columns and keys, and types of columns.
 * Not accounts and routines (1396, 1304 ...): one statement cures these, and costs no copy.
 */
bool cure_data_differs(const struct server_facts *f)
{
    static const uint32_t numbers[] = {
        1032, 1062, 1022,  1586,             /* ER_KEY_NOT_FOUND, ER_DUP_ENTRY, ER_DUP_KEY */
        1451, 1452,                          /* a row that others refer to, or refers to none */
        1007, 1008, 1049,  1050, 1051, 1146, /* databases, tables */
        1054, 1060, 1061,  1091,             /* columns, keys */
        1535, 1677, 13146,                   /* types of columns; MySQL 8.0 tells 1677 as 13146 */
    };
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (f->sql_errno == numbers[i])
            return true;
    }
    return false;
}

/* ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK: a session of the replica's own, a backup or a report,
 * held what the applier needs, longer than it tries (slave_transaction_retries). Nothing is wrong
 * with the data, and whoever held it ends some day. */
bool cure_is_locked(const struct server_facts *f)
{
    return f->sql == THREAD_STOPPED && (f->sql_errno == 1205 || f->sql_errno == 1213);
}

bool cure_is_broken(const struct server_facts *f)
{
    return f->sql_errno != 0 || cure_is_refused(f) || cure_is_same_id(f);
}

static const char twice[] = "server_id or uuid used twice";

const char *cure_name(const struct server_facts *f)
{
    if (cure_is_relay_log(f))
        return "relay log unreadable";
    if (cure_data_differs(f))
        return "data differs";
    if (cure_is_locked(f))
        return "a lock is in its way";
    if (f->sql_errno != 0)
        return "applier stopped";
    if (cure_is_same_id(f))
        return twice;
    return cure_is_purged(f) ? "binlogs purged" : "refused by its source";
}

unsigned cure_twin(const struct core *core, unsigned node)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (i == node || r == NULL || !core_is_fresh(core, i) || !health_is_alive(r->health) ||
            r->facts.flavour == SERVER_FLAVOUR_UNKNOWN)
            continue;
        if (f->server_id != 0 && f->server_id == r->facts.server_id)
            return i;
        if (f->server_uuid[0] != '\0' && strcmp(f->server_uuid, r->facts.server_uuid) == 0)
            return i;
    }
    return NODE_NONE;
}

const char *cure_name_of(const struct core *core, unsigned node)
{
    return cure_twin(core, node) != NODE_NONE ? twice : cure_name(&core_report(core, node)->facts);
}

bool cure_may_pass(const struct core *core, unsigned node)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    return f->sql_errno == 0 && (cure_is_refused(f) || cure_is_same_id(f)) && !cure_is_purged(f) &&
           cure_twin(core, node) == NODE_NONE;
}

bool cure_twin_text(const struct core *core, unsigned node, char *ret_text, size_t size)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    unsigned twin = cure_twin(core, node);
    if (twin == NODE_NONE && !cure_is_same_id(f))
        return false;
    if (twin == NODE_NONE)
        (void)snprintf(ret_text, size,
                       "somebody who is no node reads binlogs with its server_id or server_uuid");
    else if (f->server_id == core_report(core, twin)->facts.server_id)
        (void)snprintf(ret_text, size,
                       "has the server_id of %.24s: give it its own in my.cnf, restart it",
                       core_name(core, twin));
    else
        (void)snprintf(ret_text, size,
                       "has the server_uuid of %.24s: stop it, remove auto.cnf, start it",
                       core_name(core, twin));
    return true;
}

/* It follows the node, or one that does: a node that followed it would wait for itself, without an
 * error. */
static bool cure_is_below(const struct core *core, unsigned source, unsigned node)
{
    for (unsigned hops = 0; hops < NODES_MAX && source != NODE_NONE; hops++) {
        const struct report *r = core_report(core, source);
        if (source == node)
            return true;
        source = r != NULL && r->facts.channel
                     ? config_node_find_address(core->cfg, r->facts.source_host)
                     : NODE_NONE;
    }
    return false;
}

/* It serves, holds what the node holds, and does not depend on the node. */
static bool cure_may_serve(const struct core *core, unsigned node, unsigned source)
{
    const struct report *r = core_report(core, source);
    const struct report *own = core_report(core, node);
    uint32_t bad = NODE_QUARANTINED | NODE_FORMER | NODE_MAINTENANCE | NODE_RECLONE;
    if (source == node || r == NULL || !core_is_fresh(core, source) || !health_is_good(r->health) ||
        !config_node_has_mysql(core->cfg, source) || (core->record.flags[source] & bad) != 0)
        return false;
    if (source != core->record.writer &&
        (r->facts.io != THREAD_RUNNING || r->facts.sql != THREAD_RUNNING ||
         cure_is_below(core, source, node)))
        return false;
    return sets_cover(own->facts.flavour, r->facts.executed, own->facts.executed);
}

/* The writer first: it is the end of every tree. */
static unsigned cure_source_but(const struct core *core, unsigned node, uint32_t asked)
{
    unsigned writer = core->record.writer;
    if (writer != NODE_NONE && (asked & (1u << writer)) == 0 && cure_may_serve(core, node, writer))
        return writer;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if ((asked & (1u << i)) == 0 && cure_may_serve(core, node, i))
            return i;
    }
    return NODE_NONE;
}

unsigned cure_source(const struct core *core, unsigned node)
{
    return cure_source_but(core, node, core->lead.repair[node].purged);
}

/* The record's histories tell of it, which the next leader has too. A clock that was set back makes
 * it later than now. */
static bool cure_was_made_anew(const struct core *core, unsigned node)
{
    for (unsigned i = 0; i < core->record.n_histories; i++) {
        const struct history *h = &core->record.histories[i];
        bool ordered = (h->rule == RULE_MADE_ANEW || h->rule == RULE_STARTS_ANEW) &&
                       strcmp(h->table, cure_table.name) == 0;
        bool in_vain = h->rule == RECLONE_RULE_IN_VAIN && strcmp(h->table, reclone_table.name) == 0;
        if (h->to == node && (ordered || in_vain) && core->wall_ms - h->wall_ms < MADE_ANEW_MS)
            return true;
    }
    return false;
}

/* Its relay log cannot be applied, so what is in it is saved by nobody. */
static bool cure_is_ahead(const struct core *core, unsigned node)
{
    const struct repair *r = &core->lead.repair[node];
    return r->unsure ||
           !sets_cover(r->seen.flavour, sets_received(&core->facts), sets_received(&r->seen));
}

static bool cure_must_take_turns(const struct core *core, unsigned node)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if (i != node && (core->record.flags[i] & NODE_RECLONE) != 0)
            return true;
    }
    return false;
}

static uint32_t cure_difference(const struct core *core, unsigned node)
{
    uint32_t facts = F_DIFFERS;
    facts |= cure_was_made_anew(core, node) ? F_AGAIN : 0;
    facts |= cure_is_ahead(core, node) ? F_AHEAD : 0;
    facts |= cure_must_take_turns(core, node) ? F_TURN : 0;
    return facts;
}

static uint32_t cure_lock(const struct core *core, unsigned node)
{
    const struct repair *r = &core->lead.repair[node];
    uint32_t facts = F_LOCKED;
    facts |= core->now_us < r->lock_rest_us ? F_RESTS : 0;
    facts |= r->lock_starts >= CURE_LOCK_STARTS ? F_OFTEN : 0;
    return facts;
}

/* What counts for every cure. */
static uint32_t cure_standing(const struct core *core, unsigned node)
{
    uint32_t facts = 0;
    if ((lead_members(core) & (1u << node)) != 0)
        facts |= F_BOUND;
    if (core->cfg->policy.rejoin == CONFIG_REJOIN_AUTO)
        facts |= F_AUTO;
    return facts;
}

const struct rule *cure_decide(const struct core *core, unsigned node, unsigned parent)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    uint32_t facts = cure_standing(core, node);
    uint32_t asked = core->lead.repair[node].purged | 1u << parent;
    if (cure_twin(core, node) != NODE_NONE || cure_is_same_id(f))
        facts |= F_SAME_ID;
    if (cure_is_relay_log(f))
        facts |= F_RELAY_LOG;
    if (f->sql_errno == 0 && cure_is_purged(f))
        facts |= F_PURGED;
    if (cure_source_but(core, node, asked) != NODE_NONE)
        facts |= F_OTHER_SOURCE;
    if (core->lead.repair[node].old_error)
        facts |= F_UNDONE;
    if (f->sql == THREAD_STOPPED && cure_data_differs(f))
        facts |= cure_difference(core, node);
    if (cure_is_locked(f))
        facts |= cure_lock(core, node);
    return rules_decide(&cure_table, facts);
}

/* ---- a server that does not start ---- */

bool cure_does_not_start(const struct report *r)
{
    return r->health == HEALTH_DEAD && r->starts.failed >= STARTS_MANY;
}

/* A former writer is compared only when it runs, unless its binlog was looked at and cut before. */
static bool cure_is_unjudged(const struct core *core, unsigned node)
{
    uint32_t flags = core->record.flags[node];
    return (flags & NODE_QUARANTINED) != 0 ||
           ((flags & NODE_FORMER) != 0 && !core->lead.repair[node].rewound);
}

/* By what its server told when it ran last, which its agent may have forgotten. What a rewind has
 * cut is in there still. */
static bool cure_was_ahead(const struct core *core, unsigned node)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    return f->flavour != SERVER_FLAVOUR_UNKNOWN && core->have_facts &&
           (core->record.flags[node] & NODE_FORMER) == 0 &&
           !sets_cover(f->flavour, sets_received(&core->facts), sets_received(f));
}

const struct rule *cure_decide_start(const struct core *core, unsigned node)
{
    uint32_t facts = F_NO_START | cure_standing(core, node);
    if (core_report(core, node)->starts.blame == STARTS_BLAME_DATA)
        facts |= F_DAMAGED;
    facts |= cure_is_unjudged(core, node) ? F_UNJUDGED : 0;
    facts |= cure_was_made_anew(core, node) ? F_AGAIN : 0;
    facts |= cure_was_ahead(core, node) ? F_AHEAD : 0;
    facts |= cure_must_take_turns(core, node) ? F_TURN : 0;
    return rules_decide(&cure_table, facts);
}
