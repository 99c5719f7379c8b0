/* SPDX-License-Identifier: Apache-2.0 */
#include "core/repoint.h"

#include <string.h>

#include "core/adopt_gtid.h"

enum repoint_fact {
    F_STRANGE = 1u << 0, /* one is MariaDB and the other MySQL, or their numbers are the same */
    F_OLD = 1u << 1,     /* a MySQL before 5.6, which does not tell enough */
    F_CHANNEL = 1u << 2, /* the replica has a source */
    F_MANY = 1u << 3,    /* one of them has more than one */
    F_THERE = 1u << 4,   /* the new source is its source already */
    F_LOOP = 1u << 5,    /* the new source follows the replica */
    F_NO_LOG = 1u << 6,  /* the new source does not log what it applies */
    F_GTID = 1u << 7,    /* both have GTIDs */
    F_MIXED = 1u << 8,   /* one of them has */
    F_EMPTY = 1u << 9,   /* MariaDB: the replica's gtid_slave_pos is empty */
    F_EXTRA = 1u << 10,  /* the replica holds what the new source lacks */
    F_PURGED = 1u << 11, /* the new source has purged what the replica lacks */
    F_NOT_ROW = 1u << 12,
    F_FILTERS = 1u << 13,
    F_UNORDERED = 1u << 14, /* parallel appliers commit in an order of their own */
    F_LOST = 1u << 15,      /* the new source has no channel any more */
    F_OTHER = 1u << 16,     /* its channel is from another server than the replica's */
    F_RECEIVING = 1u << 17, /* ... and receives */
    F_FAILED = 1u << 18,    /* the replica's SQL thread stopped with an error */
    F_BROKEN = 1u << 19,    /* the new source's did */
    F_DRAINED = 1u << 20,   /* the replica receives nothing and has applied what it has */
    F_STOPPED = 1u << 21,   /* one of the replica's threads does not run */
};

static const char *const repoint_facts[] = {
    "strange", "old",       "channel", "many",   "there",   "loop",    "no-log",    "gtid",
    "mixed",   "empty",     "extra",   "purged", "not-row", "filters", "unordered", "lost",
    "other",   "receiving", "failed",  "broken", "drained", "stopped",
};

static const char *const repoint_verdicts[] = {"refuse", "rebuild", "done",
                                               "drain",  "gtid",    "match"};

static const struct rule repoint_rules[] = {
    {10, F_STRANGE, 0, REPOINT_REFUSE,
     "one cannot follow the other: MariaDB and MySQL, or one and the same server_id"},
    {20, F_OLD, 0, REPOINT_REFUSE, "MySQL before 5.6 does not tell enough to compare"},
    {30, F_MANY, 0, REPOINT_REFUSE, "one of them replicates from more than one source"},
    {40, 0, F_CHANNEL, REPOINT_REBUILD,
     "the replica follows nobody: nothing tells what it has applied"},
    {45, F_THERE | F_STOPPED, 0, REPOINT_REFUSE,
     "it is set to follow that server already, but does not replicate: see its error, START SLAVE"},
    {50, F_THERE, 0, REPOINT_DONE, "it follows that server already"},
    {60, F_LOOP, 0, REPOINT_REFUSE, "the new source follows the replica: reset its channel first"},
    {70, F_NO_LOG, 0, REPOINT_REFUSE,
     "the new source does not log what it applies: log_bin and log_slave_updates"},
    {80, F_MIXED, 0, REPOINT_REFUSE,
     "only one of them has GTID on: finish `tandem adopt --gtid` first"},
    {90, F_GTID | F_EMPTY, 0, REPOINT_REBUILD,
     "its gtid_slave_pos is empty: nothing tells what it has applied"},
    {100, F_GTID | F_EXTRA, 0, REPOINT_REBUILD, "it holds transactions that the new source lacks"},
    {110, F_GTID | F_PURGED, 0, REPOINT_REBUILD,
     "the new source has purged transactions that it lacks"},
    {120, F_GTID | F_DRAINED, 0, REPOINT_GTID,
     "both have GTIDs, and the new source holds all that the replica holds"},
    {130, F_GTID, 0, REPOINT_DRAIN,
     "what is in its relay logs may be lost when it stops: it has to apply that first"},
    {140, F_NOT_ROW, 0, REPOINT_REBUILD,
     "binlog_format is not ROW on both: transactions cannot be compared"},
    {150, F_FILTERS, 0, REPOINT_REBUILD,
     "a filter is set, or errors are skipped: logs and data may differ"},
    {160, F_UNORDERED, 0, REPOINT_REBUILD,
     "parallel appliers do not keep the commit order: transactions cannot be counted"},
    {170, F_LOST, 0, REPOINT_REBUILD,
     "the new source has forgotten its place: repoint goes before its RESET SLAVE ALL"},
    {180, F_OTHER, 0, REPOINT_REBUILD,
     "the two did not follow the same source: their places cannot be compared"},
    {190, F_RECEIVING, 0, REPOINT_REFUSE,
     "the new source still receives from the old one: stop its IO thread first"},
    {200, F_BROKEN, 0, REPOINT_REFUSE,
     "the new source's SQL thread stopped with an error: it lacks what it has received"},
    {210, F_FAILED, 0, REPOINT_REBUILD,
     "the replica's SQL thread stopped with an error: its data differs"},
    {220, 0, F_DRAINED, REPOINT_DRAIN, "it has to apply what it has received"},
    {230, 0, 0, REPOINT_MATCH, "both have come to rest: their logs can be compared"},
};

const struct rule_table repoint_table =
    RULE_TABLE("repoint", repoint_rules, repoint_facts, repoint_verdicts);

static bool is_mariadb(const struct survey_server *s)
{
    return s->facts.flavour == SERVER_MARIADB;
}

bool repoint_follows(const struct repoint *r, enum repoint_who who, enum repoint_who whom)
{
    const struct survey_server *s = &r->survey->servers[who], *o = &r->survey->servers[whom];
    const struct repoint_channel *c = &r->more[who].channel;
    if (!s->facts.channel)
        return false;
    if (c->source_uuid[0] != '\0' && o->facts.server_uuid[0] != '\0')
        return strcmp(c->source_uuid, o->facts.server_uuid) == 0;
    if (c->source_id != 0)
        return c->source_id == o->facts.server_id;
    return strcmp(s->facts.source_host, o->host) == 0 && s->facts.source_port == o->port;
}

/* Both channels are from one server. */
static bool same_source(const struct repoint *r)
{
    const struct server_facts *a = &r->survey->servers[REPOINT_REPLICA].facts;
    const struct server_facts *b = &r->survey->servers[REPOINT_SOURCE].facts;
    const struct repoint_channel *ca = &r->more[REPOINT_REPLICA].channel;
    const struct repoint_channel *cb = &r->more[REPOINT_SOURCE].channel;
    if (ca->source_uuid[0] != '\0' && cb->source_uuid[0] != '\0')
        return strcmp(ca->source_uuid, cb->source_uuid) == 0;
    return strcmp(a->source_host, b->source_host) == 0 && a->source_port == b->source_port;
}

static uint32_t facts_of_sets(const struct repoint *r)
{
    const struct survey *v = r->survey;
    const struct survey_server *s = &v->servers[REPOINT_REPLICA], *o = &v->servers[REPOINT_SOURCE];
    bool mariadb = is_mariadb(s);
    bool mine = mariadb || s->mode == MODE_ON, theirs = mariadb || o->mode == MODE_ON;
    char extra[GTID_TEXT_MAX];
    uint32_t m = 0;
    adopt_gtid_extra(v, REPOINT_REPLICA, extra);
    m |= mine && theirs ? F_GTID : 0;
    m |= mine != theirs ? F_MIXED : 0;
    m |= mariadb && s->facts.applied[0] == '\0' ? F_EMPTY : 0;
    m |= extra[0] != '\0' ? F_EXTRA : 0;
    m |= adopt_gtid_is_purged(v, REPOINT_REPLICA) ? F_PURGED : 0;
    return m;
}

static uint32_t facts_of_logs(const struct repoint *r)
{
    const struct survey_server *s = &r->survey->servers[REPOINT_REPLICA];
    const struct survey_server *o = &r->survey->servers[REPOINT_SOURCE];
    uint32_t m = 0;
    for (unsigned i = 0; i < REPOINT_SERVERS; i++) {
        const struct repoint_server *p = &r->more[i];
        m |= (r->survey->servers[i].facts.settings & SETTING_ROW) != 0 ? F_NOT_ROW : 0;
        m |= p->channel.filters || p->binlog_filters || p->tolerant ? F_FILTERS : 0;
        m |= p->workers > 1 && !p->commit_order ? F_UNORDERED : 0;
    }
    m |= !o->facts.channel ? F_LOST : 0;
    m |= o->facts.channel && !same_source(r) ? F_OTHER : 0;
    m |= o->facts.io == THREAD_RUNNING ? F_RECEIVING : 0;
    m |= s->facts.sql == THREAD_STOPPED && s->facts.sql_errno != 0 ? F_FAILED : 0;
    m |= o->facts.sql == THREAD_STOPPED && o->facts.sql_errno != 0 ? F_BROKEN : 0;
    m |= r->drained ? F_DRAINED : 0;
    m |= s->facts.io == THREAD_STOPPED || s->facts.sql == THREAD_STOPPED ? F_STOPPED : 0;
    return m;
}

const struct rule *repoint_decide(const struct repoint *r, uint32_t *ret_facts)
{
    static const uint32_t blind = SETTING_LOG_BIN | SETTING_LOG_REPLICA_UPDATES;
    const struct survey_server *s = &r->survey->servers[REPOINT_REPLICA];
    const struct survey_server *o = &r->survey->servers[REPOINT_SOURCE];
    uint32_t m = facts_of_sets(r) | facts_of_logs(r);
    bool there = repoint_follows(r, REPOINT_REPLICA, REPOINT_SOURCE);
    m |= s->facts.flavour != o->facts.flavour || s->facts.server_id == o->facts.server_id
             ? F_STRANGE
             : 0;
    m |= !is_mariadb(s) && (s->facts.version < 50600 || o->facts.version < 50600) ? F_OLD : 0;
    m |= s->facts.channel ? F_CHANNEL : 0;
    m |= s->channels > 1 || o->channels > 1 ? F_MANY : 0;
    /* By file and position it may be told to follow the same server by GTID. */
    m |= there && (s->by_gtid || (m & F_GTID) == 0) ? F_THERE : 0;
    m |= repoint_follows(r, REPOINT_SOURCE, REPOINT_REPLICA) ? F_LOOP : 0;
    m |= (o->facts.settings & blind) != 0 ? F_NO_LOG : 0;
    *ret_facts = m;
    return rules_decide(&repoint_table, m);
}
