/* SPDX-License-Identifier: Apache-2.0 */
#include "core/adopt_gtid.h"

#include <stdio.h>
#include <string.h>

#include "wire/gtid.h"

enum gtid_fact {
    F_OLD = 1u << 0,    /* it cannot turn GTID on while it runs */
    F_LOST = 1u << 1,   /* its source, or on MySQL any server of the topology, was not reached */
    F_WRITER = 1u << 2, /* it is the writer */
    F_MARIADB = 1u << 3,
    F_CHANNEL = 1u << 4, /* it has a source */
    F_MANY = 1u << 5,    /* ... more than one */
    F_STOPPED = 1u << 6, /* its replication does not run */
    F_BY_GTID = 1u << 7, /* it follows by GTID */
    F_EXTRA = 1u << 8,   /* it holds what its source lacks */
    F_EMPTY = 1u << 9,   /* MariaDB: gtid_slave_pos is empty */
    F_PURGED = 1u << 10, /* its source has purged what it lacks */
    /* Where the hindmost server stands; none of them: all have gtid_mode=ON. */
    F_ENFORCE_OFF = 1u << 11,
    F_ENFORCE_WARN = 1u << 12,
    F_MODE_OFF = 1u << 13,
    F_MODE_OFF_PERMISSIVE = 1u << 14,
    F_MODE_ON_PERMISSIVE = 1u << 15,
    F_HINDMOST = 1u << 16, /* this server is one of them */
    F_VIOLATED = 1u << 17, /* a server warned of a statement */
    F_CHECKED = 1u << 18,  /* statements were looked for */
    F_LOUD = 1u << 19,     /* anonymous transactions were under way somewhere, whenever looked at */
    F_MARKED = 1u << 20,   /* the end of its binlog was noted */
    F_LEVEL = 1u << 21,    /* it has applied its source's to there, or need not */
    F_UNEVEN = 1u << 22,   /* some server has not */
};

static const char *const gtid_facts[] = {
    "old",
    "lost",
    "writer",
    "mariadb",
    "channel",
    "many",
    "stopped",
    "by-gtid",
    "extra",
    "empty",
    "purged",
    "enforce-off",
    "enforce-warn",
    "mode-off",
    "mode-off-permissive",
    "mode-on-permissive",
    "hindmost",
    "violated",
    "checked",
    "loud",
    "marked",
    "level",
    "uneven",
};

static const char *const gtid_verdicts[] = {
    "refuse",        "wait", "warn", "check",  "enforce", "off-permissive",
    "on-permissive", "mark", "on",   "follow", "done",
};

static const struct rule gtid_rules[] = {
    {10, F_OLD, F_MARIADB, GTID_REFUSE,
     "this version cannot turn GTID on while it runs: upgrade it first"},
    {20, F_MARIADB | F_WRITER, 0, GTID_DONE, "MariaDB always writes GTIDs"},
    {30, F_LOST, 0, GTID_REFUSE,
     "its source was not reached, or on MySQL another server, and all have to take each step"},
    {40, F_MARIADB, F_CHANNEL, GTID_DONE, "MariaDB always writes GTIDs, and it follows nobody"},
    {50, F_MARIADB | F_BY_GTID, F_STOPPED, GTID_DONE, "it follows by GTID"},
    {60, F_CHANNEL | F_MANY, 0, GTID_REFUSE,
     "it replicates from more than one source, and a cluster has one writer"},
    {70, F_CHANNEL | F_STOPPED, 0, GTID_REFUSE, "its replication does not run: repair that first"},
    {80, F_MARIADB | F_EXTRA, 0, GTID_REFUSE,
     "it holds transactions that its source lacks: make it anew from a copy first"},
    {90, F_MARIADB | F_EMPTY, 0, GTID_WAIT,
     "its gtid_slave_pos is empty: it must have applied a transaction of its source first"},
    {100, F_MARIADB, 0, GTID_FOLLOW, "its gtid_slave_pos says where it is"},
    {110, F_ENFORCE_OFF | F_HINDMOST, 0, GTID_WARN,
     "statements that GTID does not allow have to be found first"},
    {120, F_ENFORCE_OFF, 0, GTID_WAIT, "the others have to warn of such statements as well"},
    {130, F_ENFORCE_WARN | F_VIOLATED, 0, GTID_REFUSE,
     "the error log has statements that violate GTID consistency: change the application first"},
    {140, F_ENFORCE_WARN, F_CHECKED, GTID_CHECK, "all warn: did any statement cause a warning?"},
    {150, F_ENFORCE_WARN | F_HINDMOST, 0, GTID_ENFORCE, "no statement caused a warning"},
    {160, F_ENFORCE_WARN, 0, GTID_WAIT, "the others have to enforce GTID consistency as well"},
    {170, F_MODE_OFF | F_HINDMOST, 0, GTID_OFF_PERMISSIVE, "it has to take both kinds first"},
    {180, F_MODE_OFF, 0, GTID_WAIT, "the others have to take both kinds as well"},
    {190, F_MODE_OFF_PERMISSIVE | F_HINDMOST, 0, GTID_ON_PERMISSIVE,
     "all take both kinds: its own transactions may have GTIDs"},
    {200, F_MODE_OFF_PERMISSIVE, 0, GTID_WAIT, "the others have to write GTIDs as well"},
    {210, F_MODE_ON_PERMISSIVE | F_LOUD, 0, GTID_WAIT,
     "anonymous transactions have to come to their end"},
    {220, F_MODE_ON_PERMISSIVE | F_LEVEL, F_MARKED, GTID_MARK,
     "all anonymous transactions lie before the end of its binlog"},
    {230, F_MODE_ON_PERMISSIVE | F_UNEVEN, 0, GTID_WAIT,
     "every server has to apply the last anonymous transaction"},
    {240, F_MODE_ON_PERMISSIVE | F_HINDMOST, 0, GTID_ON,
     "no server has to read an anonymous transaction any more"},
    {250, F_MODE_ON_PERMISSIVE, 0, GTID_WAIT, "the others have to turn GTID on as well"},
    {260, F_WRITER, 0, GTID_DONE, "GTID is on"},
    {270, 0, F_CHANNEL, GTID_DONE, "GTID is on, and it follows nobody"},
    {280, F_BY_GTID, 0, GTID_DONE, "GTID is on, and it follows by it"},
    {290, F_EXTRA, 0, GTID_REFUSE,
     "it holds transactions that its source lacks: make it anew from a copy first"},
    {300, F_PURGED, 0, GTID_REFUSE,
     "its source has purged transactions that it lacks: make it anew from a copy first"},
    {310, 0, 0, GTID_FOLLOW, "GTID is on everywhere, and its source has what it lacks"},
};

const struct rule_table gtid_table = RULE_TABLE("gtid", gtid_rules, gtid_facts, gtid_verdicts);

_Static_assert(sizeof gtid_facts / sizeof gtid_facts[0] == 23, "a name for each fact");

int log_place_compare(const struct log_place *a, const struct log_place *b)
{
    size_t la = strlen(a->file), lb = strlen(b->file);
    int order = la != lb ? (la < lb ? -1 : 1) : strcmp(a->file, b->file);
    if (order != 0)
        return order < 0 ? -1 : 1;
    return a->position == b->position ? 0 : a->position < b->position ? -1 : 1;
}

static bool is_mariadb(const struct survey_server *s)
{
    return s->facts.flavour == SERVER_MARIADB;
}

/* How far a MySQL is: 0 and 1 by enforce_gtid_consistency, then by gtid_mode. */
static unsigned stage_of(const struct survey_server *s)
{
    if (s->enforce != ENFORCE_ON)
        return (unsigned)s->enforce;
    return 2 + (unsigned)s->mode;
}

#define STAGE_ON_PERMISSIVE (2 + MODE_ON_PERMISSIVE)
#define STAGE_ON (2 + MODE_ON)

static unsigned stage_of_all(const struct survey *v)
{
    unsigned stage = STAGE_ON;
    for (unsigned i = 0; i < v->n; i++) {
        if (!is_mariadb(&v->servers[i]) && stage_of(&v->servers[i]) < stage)
            stage = stage_of(&v->servers[i]);
    }
    return stage;
}

void adopt_gtid_looked(struct survey *v)
{
    unsigned stage = stage_of_all(v);
    for (unsigned i = 0; i < v->n; i++) {
        struct survey_server *s = &v->servers[i];
        if (stage >= STAGE_ON_PERMISSIVE && s->anonymous == 0)
            s->quiet = true;
    }
}

void adopt_gtid_mark(struct survey_server *s)
{
    s->mark = s->own;
}

static bool is_level(const struct survey *v, const struct survey_server *s)
{
    const struct survey_server *source;
    if (!s->facts.channel || s->source == NODE_NONE)
        return true;
    source = &v->servers[s->source];
    return source->mark.file[0] != '\0' && log_place_compare(&s->applied_to, &source->mark) >= 0;
}

void adopt_gtid_extra(const struct survey *v, unsigned server, char ret_text[GTID_TEXT_MAX])
{
    const struct survey_server *s = &v->servers[server];
    enum gtid_flavour flavour = is_mariadb(s) ? GTID_MARIADB_STATE : GTID_MYSQL;
    struct gtid_set mine, theirs;
    ret_text[0] = '\0';
    if (!s->facts.channel || s->source == NODE_NONE)
        return;
    if (gtid_parse(s->facts.executed, flavour, &mine) != 0 ||
        gtid_parse(v->servers[s->source].facts.executed, flavour, &theirs) != 0 ||
        gtid_subtract(&mine, &theirs, &mine) != 0 ||
        gtid_format(&mine, ret_text, GTID_TEXT_MAX) != 0)
        (void)snprintf(ret_text, GTID_TEXT_MAX, "more than can be compared");
}

bool adopt_gtid_is_purged(const struct survey *v, unsigned server)
{
    const struct survey_server *s = &v->servers[server];
    struct gtid_set purged, executed;
    if (is_mariadb(s) || s->source == NODE_NONE)
        return false;
    return gtid_parse(v->servers[s->source].purged, GTID_MYSQL, &purged) != 0 ||
           gtid_parse(s->facts.executed, GTID_MYSQL, &executed) != 0 ||
           !gtid_contains(&executed, &purged);
}

static uint32_t facts_of_server(const struct survey *v, unsigned writer, unsigned server)
{
    const struct survey_server *s = &v->servers[server];
    const struct server_facts *f = &s->facts;
    char extra[GTID_TEXT_MAX];
    uint32_t m = 0;
    adopt_gtid_extra(v, server, extra);
    m |= !s->supported ? F_OLD : 0;
    m |= server == writer ? F_WRITER : 0;
    m |= is_mariadb(s) ? F_MARIADB : 0;
    m |= f->channel ? F_CHANNEL : 0;
    m |= f->channel && s->source == NODE_NONE ? F_LOST : 0;
    m |= s->channels > 1 ? F_MANY : 0;
    m |= f->channel && (f->io != THREAD_RUNNING || f->sql != THREAD_RUNNING) ? F_STOPPED : 0;
    m |= s->by_gtid ? F_BY_GTID : 0;
    m |= extra[0] != '\0' ? F_EXTRA : 0;
    m |= is_mariadb(s) && f->applied[0] == '\0' ? F_EMPTY : 0;
    m |= adopt_gtid_is_purged(v, server) ? F_PURGED : 0;
    m |= s->mark.file[0] != '\0' ? F_MARKED : 0;
    /* A mutual pair is a ring: it begins at the writer. */
    m |= server == writer || is_level(v, s) ? F_LEVEL : 0;
    return m;
}

static uint32_t facts_of_all(const struct survey *v, unsigned server)
{
    static const uint32_t stages[] = {F_ENFORCE_OFF,         F_ENFORCE_WARN,       F_MODE_OFF,
                                      F_MODE_OFF_PERMISSIVE, F_MODE_ON_PERMISSIVE, 0};
    unsigned stage = stage_of_all(v);
    uint32_t m = stages[stage];
    if (!is_mariadb(&v->servers[server]) && stage_of(&v->servers[server]) == stage)
        m |= F_HINDMOST;
    m |= v->n_lost > 0 && !is_mariadb(&v->servers[server]) ? F_LOST : 0;
    m |= v->checked ? F_CHECKED : 0;
    for (unsigned i = 0; i < v->n; i++) {
        const struct survey_server *s = &v->servers[i];
        m |= s->violations > 0 ? F_VIOLATED : 0;
        m |= !is_mariadb(s) && !s->quiet ? F_LOUD : 0;
        m |= !is_mariadb(s) && !is_level(v, s) ? F_UNEVEN : 0;
    }
    return m;
}

const struct rule *adopt_gtid_decide(const struct survey *survey, unsigned writer, unsigned server,
                                     uint32_t *ret_facts)
{
    *ret_facts = facts_of_server(survey, writer, server) | facts_of_all(survey, server);
    return rules_decide(&gtid_table, *ret_facts);
}

/* Everything that a server waits for. */
static void assume_waited(struct survey *v, struct survey_server *s)
{
    static const struct log_place somewhere = {.file = "1", .position = 1};
    for (unsigned i = 0; i < v->n; i++) {
        struct survey_server *o = &v->servers[i];
        o->quiet = o->quiet || stage_of_all(v) >= STAGE_ON_PERMISSIVE;
        if (o->facts.channel && o->source != NODE_NONE &&
            v->servers[o->source].mark.file[0] != '\0')
            o->applied_to = v->servers[o->source].mark;
    }
    if (s->own.file[0] == '\0')
        s->own = somewhere;
    if (s->facts.applied[0] == '\0')
        (void)snprintf(s->facts.applied, sizeof s->facts.applied, "0-0-1");
}

void adopt_gtid_assume(struct survey *v, unsigned server, enum gtid_verdict verdict)
{
    struct survey_server *s = &v->servers[server];
    switch (verdict) {
    case GTID_WARN:
        s->enforce = ENFORCE_WARN;
        break;
    case GTID_CHECK:
        v->checked = true;
        break;
    case GTID_ENFORCE:
        s->enforce = ENFORCE_ON;
        break;
    case GTID_OFF_PERMISSIVE:
        s->mode = MODE_OFF_PERMISSIVE;
        break;
    case GTID_ON_PERMISSIVE:
        s->mode = MODE_ON_PERMISSIVE;
        break;
    case GTID_ON:
        s->mode = MODE_ON;
        break;
    case GTID_MARK:
        adopt_gtid_mark(s);
        break;
    case GTID_FOLLOW:
        s->by_gtid = true;
        break;
    default:
        assume_waited(v, s);
        break;
    }
}
