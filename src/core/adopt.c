/* SPDX-License-Identifier: Apache-2.0 */
#include "core/adopt.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/adopt_gtid.h"
#include "util/err.h"
#include "wire/config.h"

static bool is_address_of(const struct survey_server *s, const char *host, uint16_t port)
{
    return s->port == port && (strcmp(s->host, host) == 0 ||
                               (s->other_host[0] != '\0' && strcmp(s->other_host, host) == 0));
}

void adopt_link(struct survey *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct survey_server *s = &v->servers[i];
        s->source = NODE_NONE;
        for (unsigned k = 0; s->facts.channel && k < v->n; k++) {
            if (k != i && is_address_of(&v->servers[k], s->facts.source_host, s->facts.source_port))
                s->source = k;
        }
    }
}

unsigned adopt_depth(const struct survey *v, unsigned root, unsigned i)
{
    unsigned depth = 0;
    while (i != root && v->servers[i].source != NODE_NONE && depth < v->n) {
        i = v->servers[i].source;
        depth++;
    }
    return depth;
}

static bool is_mutual(const struct survey *v, unsigned a, unsigned b)
{
    return v->servers[a].source == b && v->servers[b].source == a;
}

static unsigned follower_count(const struct survey *v, unsigned server)
{
    unsigned n = 0;
    for (unsigned i = 0; i < v->n; i++)
        n += v->servers[i].source == server;
    return n;
}

void adopt_settle_lost(struct survey *v)
{
    unsigned n = 0;
    for (unsigned i = 0; i < v->n_lost; i++) {
        unsigned by = v->lost[i].seen_by;
        if (by == NODE_NONE || follower_count(v, by) < v->servers[by].readers)
            v->lost[n++] = v->lost[i];
    }
    v->n_lost = n;
}

/* Writable weighs more than the place in the tree; of two writable ones the upper one wins. */
static unsigned writer_score(const struct survey *v, unsigned i)
{
    unsigned source = v->servers[i].source;
    unsigned score = v->servers[i].read_only ? 0 : 4;
    if (v->n > 1 && follower_count(v, i) == 0)
        return 0;
    if (!v->servers[i].facts.channel)
        return score + 2;
    return score + (source != NODE_NONE && is_mutual(v, i, source) ? 1 : 0);
}

static void draw_writer(const struct survey *v, unsigned chosen, struct adopt_plan *p)
{
    unsigned best = 0, equals = 0;
    for (unsigned i = 0; i < v->n; i++) {
        unsigned score = writer_score(v, i);
        equals = score == best ? equals + 1 : equals;
        if (score > best) {
            best = score;
            equals = 1;
            p->writer = i;
        }
    }
    p->writer_doubtful = chosen == NODE_NONE && (equals > 1 || best < 5);
    p->writer_why = best == 6   ? "writable, and follows nobody"
                    : best == 5 ? "the writable one of a mutual pair"
                    : best >= 4 ? "writable, though it follows another server"
                    : best > 0  ? "none of the servers is writable, and others follow it"
                                : "no server follows another";
    if (p->writer_doubtful && equals > 1 && best > 0)
        p->writer_why = "others would do as well: it was named or found first";
    if (chosen != NODE_NONE) {
        p->writer = chosen;
        p->writer_why = "named with --writer";
    }
}

/* 100, 50, 40 ... so that another fits between them; from the sixth on 19, 18 ..., for there may be
 * NODES_MAX. */
static uint32_t priority_of(unsigned n)
{
    if (n == 0)
        return 100;
    return n < 5 ? 60 - 10 * n : 24 - n;
}

_Static_assert(NODES_MAX <= 24, "a priority of 1 at least");

static void draw_candidate(struct adopt_plan *p, unsigned server, unsigned *candidates,
                           const char *why)
{
    unsigned n = (*candidates)++;
    p->roles[server].role = CONFIG_ROLE_CANDIDATE;
    p->roles[server].why = why;
    p->roles[server].priority = priority_of(n);
}

static bool may_stand_by(const struct survey_server *s)
{
    return (s->facts.settings & (SETTING_LOG_BIN | SETTING_LOG_REPLICA_UPDATES)) == 0;
}

static void draw_standbys(const struct survey *v, struct adopt_plan *p, unsigned *candidates)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (i == p->writer || v->servers[i].source != p->writer)
            continue;
        if (is_mutual(v, i, p->writer))
            draw_candidate(p, i, candidates, "it and the writer replicate from each other");
        else if (v->servers[i].facts.replica_side)
            draw_candidate(p, i, candidates, "its semi-sync replica side is on");
    }
    for (unsigned i = 0; *candidates == 1 && i < v->n; i++) {
        if (i == p->writer || v->servers[i].source != p->writer || !may_stand_by(&v->servers[i]))
            continue;
        draw_candidate(p, i, candidates, "the first server right below the writer");
        p->candidates_doubtful = true;
    }
}

void adopt_draw(const struct survey *v, unsigned chosen, struct adopt_plan *p)
{
    unsigned candidates = 0;
    memset(p, 0, sizeof *p);
    draw_writer(v, chosen, p);
    for (unsigned i = 0; i < v->n; i++) {
        p->roles[i].role = CONFIG_ROLE_REPLICA;
        p->roles[i].why = v->servers[i].source == NODE_NONE ? "it follows none of the others"
                                                            : "it only replicates";
    }
    draw_candidate(p, p->writer, &candidates, p->writer_why);
    draw_standbys(v, p, &candidates);
}

/* ---- findings ---- */

struct setting_finding {
    uint32_t bit;
    const char *id;
    bool grave;
    const char *text;
};

#define DROP_IN "; the my.cnf drop-in of `tandem init --from` has it, and wants a restart"

static const struct setting_finding setting_findings[] = {
    {SETTING_LOG_BIN, "log-bin-off", true, "it has no binary log (log_bin)" DROP_IN},
    {SETTING_LOG_REPLICA_UPDATES, "log-replica-updates-off", true,
     "log_slave_updates (log_replica_updates) is OFF, so nobody can follow it and nothing of it "
     "can be compared" DROP_IN},
    {SETTING_ROW, "binlog-format", true,
     "binlog_format is not ROW: SET GLOBAL binlog_format=ROW, and reconnect the clients; the "
     "my.cnf drop-in of `tandem init --from` keeps it"},
    {SETTING_ROW_IMAGE, "row-image", false,
     "binlog_row_image is not FULL, so what it holds alone when it returns cannot be undone: SET "
     "GLOBAL binlog_row_image=FULL; the drop-in keeps it"},
    {SETTING_ENCRYPTED, "binlog-encrypted", false,
     "its binary log is encrypted (encrypt_binlog, binlog_encryption) and cannot be read: when it "
     "is "
     "killed as the writer, its data has to be made anew"},
    {SETTING_SYNC_BINLOG, "sync-binlog", false,
     "sync_binlog is not 1, so a power cut may lose what was acknowledged: SET GLOBAL "
     "sync_binlog=1; the drop-in keeps it"},
    {SETTING_FLUSH_LOG, "innodb-flush-log", false,
     "innodb_flush_log_at_trx_commit is not 1, so a power cut may lose what was acknowledged: SET "
     "GLOBAL innodb_flush_log_at_trx_commit=1; the drop-in keeps it"},
    {SETTING_SYNC_RELAY_LOG, "sync-relay-log", false,
     "sync_relay_log is not 1, so an acknowledgement is not on disk yet: SET GLOBAL "
     "sync_relay_log=1; the drop-in keeps it"},
    {SETTING_RELAY_LOG_RECOVERY, "relay-log-recovery", false,
     "relay_log_recovery is ON: a restart throws acknowledged events away" DROP_IN},
    {SETTING_ENGINE, "binlog-engine", true,
     "its binary log lies in InnoDB (binlog_storage_engine), with which AFTER_SYNC is not "
     "possible"},
};

struct finder {
    struct adopt_finding *list;
    unsigned n;
};

static void find(struct finder *f, const char *id, bool grave, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void find(struct finder *f, const char *id, bool grave, const char *fmt, ...)
{
    va_list ap;
    struct adopt_finding *at;
    assert(f->n < ADOPT_FINDINGS_MAX);
    at = &f->list[f->n++];
    at->id = id;
    at->grave = grave;
    va_start(ap, fmt);
    (void)vsnprintf(at->text, sizeof at->text, fmt, ap);
    va_end(ap);
}

/* The first other server with the same server_id, or with the same server_uuid; NULL if none: the
 * other ones tell it of themselves. */
static const struct survey_server *twin(const struct survey *v, unsigned i, bool by_uuid)
{
    const struct server_facts *f = &v->servers[i].facts;
    for (unsigned k = 0; k < v->n; k++) {
        const struct server_facts *o = &v->servers[k].facts;
        if (k == i)
            continue;
        if (by_uuid ? f->server_uuid[0] != '\0' && strcmp(o->server_uuid, f->server_uuid) == 0
                    : f->server_id != 0 && o->server_id == f->server_id)
            return &v->servers[k];
    }
    return NULL;
}

static void find_twins(struct finder *f, const struct survey *v, unsigned i)
{
    const struct survey_server *s = &v->servers[i], *o = twin(v, i, /* by_uuid= */ false);
    if (s->facts.server_id == 0)
        find(f, "server-id-missing", true, "server_id is 0: nobody can follow it" DROP_IN);
    if (o != NULL)
        find(f, "server-id-twice", true,
             "server_id %u is also that of %s:%u: each skips what the other wrote. SET GLOBAL "
             "server_id to another number while it follows nobody; the drop-in keeps it",
             s->facts.server_id, o->host, o->port);
    o = twin(v, i, /* by_uuid= */ true);
    if (o != NULL)
        find(f, "server-uuid-twice", true,
             "server_uuid is also that of %s:%u: stop it, delete auto.cnf of its data directory, "
             "start it",
             o->host, o->port);
}

static void find_gtid(struct finder *f, const struct survey_server *s, bool writer)
{
    if (s->facts.flavour == SERVER_MYSQL && s->mode != MODE_ON && s->supported)
        find(f, "gtid-off", true,
             "gtid_mode is not ON: `tandem adopt --gtid` turns it on while the servers run");
    else if (s->facts.flavour == SERVER_MARIADB && (s->facts.settings & SETTING_GTID) != 0)
        find(f, "gtid-strict-off", false,
             "gtid_strict_mode is OFF, so it may diverge in silence: SET GLOBAL "
             "gtid_strict_mode=1 once all follow by GTID; the drop-in keeps it");
    if (s->facts.channel && !s->by_gtid && !writer &&
        (s->supported || s->facts.flavour == SERVER_MARIADB))
        find(f, "position-replica", true,
             "it follows by file and position: `tandem adopt --gtid` lets it follow by GTID");
}

static void find_replication(struct finder *f, const struct survey *v, const struct adopt_plan *p,
                             unsigned i)
{
    const struct survey_server *s = &v->servers[i];
    const struct server_facts *facts = &s->facts;
    char extra[GTID_TEXT_MAX];
    if (s->channels > 1 || facts->foreign_channels)
        find(f, "foreign-channel", true,
             "it has a channel besides the default one: a cluster has one writer. Remove it");
    if (facts->channel && (facts->io != THREAD_RUNNING || facts->sql != THREAD_RUNNING))
        find(f, "replication-stopped", true, "its replication does not run%s%s",
             facts->error[0] != '\0' ? ": " : "", facts->error);
    if (facts->channel && s->source == NODE_NONE)
        find(f, "source-unseen", true, "its source %s:%u is none of the servers that were reached",
             facts->source_host, facts->source_port);
    if (i == p->writer && facts->channel)
        find(f, "writer-follows", false,
             "the writer itself has a source (%s:%u): the agents remove that channel when they "
             "take over",
             facts->source_host, facts->source_port);
    adopt_gtid_extra(v, i, extra);
    if (i != p->writer && extra[0] != '\0')
        find(f, "holds-extra", true,
             "it holds what its source lacks, %.80s: it is not attached before it is made anew "
             "from a copy",
             extra);
}

static void find_role(struct finder *f, const struct survey_server *s, bool writer, bool candidate)
{
    if (!writer && !s->read_only)
        find(f, "writable", true,
             "it is writable, though it is not the writer: SET GLOBAL read_only=1 (on MySQL "
             "super_read_only=1); the drop-in keeps it");
    if (!writer && s->facts.events_on)
        find(f, "events", false,
             "event_scheduler is ON on a server that is not the writer: SET GLOBAL "
             "event_scheduler=OFF; the drop-in keeps it");
    if (candidate && (s->facts.settings & SETTING_SEMI_SYNC) != 0)
        find(f, "semi-sync-missing", true,
             "the semi-sync plugins are not loaded: INSTALL PLUGIN both of them; the drop-in loads "
             "them at the next start");
}

static void find_accounts(struct finder *f, const struct survey_server *s)
{
    if (s->connect_errors > 0 && s->connect_errors < SURVEY_CONNECT_ERRORS)
        find(
            f, "connect-errors", false,
            "it shuts a host out (error 1129) after %lld connections in a row that were cut: SET "
            "GLOBAL max_connect_errors=%d; the drop-in has skip_name_resolve, with which it counts "
            "none",
            (long long)s->connect_errors, SURVEY_CONNECT_ERRORS);
    if (s->powers[0] != '\0')
        find(f, "account-powers", false,
             "accounts of other hosts may write on a closed server, or open it; on the writer: "
             "%.220s",
             s->powers);
}

unsigned adopt_findings(const struct survey *v, const struct adopt_plan *p, unsigned i,
                        struct adopt_finding ret_findings[ADOPT_FINDINGS_MAX])
{
    const struct survey_server *s = &v->servers[i];
    struct finder f = {.list = ret_findings};
    bool writer = i == p->writer;
    if (!s->supported)
        find(&f, "version", true,
             "version %s is not managed (MariaDB 10.6 or later, MySQL 5.7 or later are): upgrade "
             "it first",
             s->facts.version_text);
    find_twins(&f, v, i);
    for (unsigned k = 0; k < sizeof setting_findings / sizeof setting_findings[0]; k++) {
        const struct setting_finding *row = &setting_findings[k];
        /* An unknown version counts as such an engine, and has been told of already. */
        if ((s->facts.settings & row->bit) != 0 && (s->supported || row->bit != SETTING_ENGINE))
            find(&f, row->id, row->grave, "%s", row->text);
    }
    find_gtid(&f, s, writer);
    find_replication(&f, v, p, i);
    find_accounts(&f, s);
    find_role(&f, s, writer, p->roles[i].role == CONFIG_ROLE_CANDIDATE);
    return f.n;
}
