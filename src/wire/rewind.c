/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/rewind.h"

#include <assert.h>

#include "wire/recovery.h"

struct reason_row {
    const char *id;
    enum tail_class tail_class;
    const char *text;
};

static const struct reason_row reason_rows[] = {
#define REWIND_REASON(name, id, tail_class, text) {id, TAIL_##tail_class, text},
#include "wire/rewind.def"
#undef REWIND_REASON
};

const char *rewind_reason_id(enum rewind_reason reason)
{
    assert(reason < REWIND_REASON_COUNT);
    return reason_rows[reason].id;
}

const char *rewind_reason_text(enum rewind_reason reason)
{
    assert(reason < REWIND_REASON_COUNT);
    return reason_rows[reason].text;
}

enum tail_class rewind_reason_class(enum rewind_reason reason)
{
    assert(reason < REWIND_REASON_COUNT);
    return reason_rows[reason].tail_class;
}

const char *rewind_verdict_text(enum rewind_verdict verdict)
{
    static const char *const texts[] = {"none", "cut", "refuse"};
    assert(verdict <= REWIND_REFUSE);
    return texts[verdict];
}

void rewind_plan_init(struct rewind_plan *p, const struct rewind_facts *facts,
                      const struct gtid_set *seal, const struct gtid_set *writer)
{
    memset(p, 0, sizeof *p);
    p->facts = *facts;
    p->seal = seal;
    p->writer = writer;
    gtid_init(&p->gtids, seal->flavour == GTID_MYSQL ? GTID_MYSQL : GTID_MARIADB_STATE);
}

static void reason_set(struct rewind_plan *p, enum rewind_reason reason, const char *detail)
{
    p->reason = reason;
    p->reason_has_gtid = false;
    (void)snprintf(p->reason_detail, sizeof p->reason_detail, "%s", detail);
}

void rewind_plan_refuse(struct rewind_plan *p, enum rewind_reason reason, const char *detail)
{
    if (p->reason == REWIND_REASON_OK)
        reason_set(p, reason, detail);
    p->verdict = REWIND_REFUSE;
}

static void refuse_group(struct rewind_plan *p, enum rewind_reason reason,
                         const struct binlog_group *g)
{
    bool first = p->reason == REWIND_REASON_OK;
    rewind_plan_refuse(p, reason, g->detail);
    if (first && g->has_gtid) {
        p->reason_gtid = g->gtid;
        p->reason_has_gtid = true;
    }
}

enum rewind_reason rewind_group_reason(const struct binlog_group *g)
{
    switch (g->kind) {
    case BINLOG_GROUP_EMPTY:
        return REWIND_REASON_OK;
    case BINLOG_GROUP_DML:
        if (g->has_statement)
            return REWIND_REASON_STATEMENT;
        return g->transactional ? REWIND_REASON_OK : REWIND_REASON_NOT_TRANSACTIONAL;
    case BINLOG_GROUP_DDL:
        return g->atomic_ddl ? REWIND_REASON_OK : REWIND_REASON_DDL;
    case BINLOG_GROUP_XA:
        return REWIND_REASON_XA;
    default:
        return REWIND_REASON_UNKNOWN_EVENT;
    }
}

void rewind_plan_group(struct rewind_plan *p, const struct binlog_group *group)
{
    enum rewind_reason content;
    if (!group->has_gtid) {
        p->skipped = true;
        refuse_group(p, REWIND_REASON_NO_GTID, group);
        return;
    }
    if ((group->gtid.flavour == GTID_MYSQL) != (p->seal->flavour == GTID_MYSQL)) {
        p->skipped = true;
        refuse_group(p, REWIND_REASON_FLAVOUR, group);
        return;
    }
    if (gtid_contains_one(p->seal, &group->gtid)) {
        if (p->groups > 0)
            refuse_group(p, REWIND_REASON_HOLE, group);
        return;
    }
    if (p->groups == 0) {
        p->cut = group->start;
        p->first = group->gtid;
    }
    p->groups++;
    p->last = group->gtid;
    p->end = group->end;
    p->ddl_groups += group->kind == BINLOG_GROUP_DDL || group->atomic_ddl;
    /* A transaction without content has nothing prepared in an engine. */
    p->expected_rollbacks += group->kind != BINLOG_GROUP_EMPTY;
    if (gtid_add(&p->gtids, &group->gtid) != 0) {
        p->gtids_full = true;
        refuse_group(p, REWIND_REASON_TOO_MANY, group);
    }
    if (gtid_contains_one(p->writer, &group->gtid))
        refuse_group(p, REWIND_REASON_ON_WRITER, group);
    content = rewind_group_reason(group);
    if (content != REWIND_REASON_OK)
        refuse_group(p, content, group);
}

/* What makes the file itself unfit to judge, with or without a tail. */
static enum rewind_reason judge_file(const struct rewind_plan *p, const struct binlog_walk *w)
{
    if (w->err == ERR_UNSUPPORTED)
        return REWIND_REASON_ENCRYPTED;
    if (w->err == ERR_FULL)
        return REWIND_REASON_TOO_MANY;
    if (w->err != 0 || !w->has_format)
        return REWIND_REASON_DAMAGED;
    if ((w->format.flavour == GTID_MYSQL) != (p->seal->flavour == GTID_MYSQL))
        return REWIND_REASON_FLAVOUR;
    /* Both families write it right after the format description: without it the server died while
     * it made this file, and the tail is in the file before. */
    if (!w->has_previous)
        return REWIND_REASON_SPANS_ROTATION;
    return REWIND_REASON_OK;
}

static enum rewind_reason judge_facts(const struct rewind_facts *f)
{
    if (!f->promotions_clean)
        return REWIND_REASON_PROMOTION_FORCED;
    if (!f->in_sync_non_empty)
        return REWIND_REASON_IN_SYNC_EMPTY;
    if (!f->ended_by_crash)
        return REWIND_REASON_NOT_CRASHED;
    if (!f->not_started_since)
        return REWIND_REASON_STARTED_SINCE;
    if (!f->no_local_release)
        return REWIND_REASON_LOCAL_RELEASE;
    return REWIND_REASON_OK;
}

/* The sets must make sense together: an empty seal would cut everything. A MySQL writer has the
 * whole seal set; a MariaDB state may have lost old server_ids when its node was rebuilt. */
static enum rewind_reason judge_sets(const struct rewind_plan *p)
{
    if (gtid_is_empty(p->seal))
        return REWIND_REASON_NO_SEAL;
    if (gtid_is_empty(p->writer) ||
        (p->seal->flavour == GTID_MYSQL && !gtid_contains(p->writer, p->seal)))
        return REWIND_REASON_WRITER_UNKNOWN;
    return REWIND_REASON_OK;
}

static enum rewind_reason judge_tail(const struct rewind_plan *p, const struct binlog_walk *w)
{
    enum rewind_reason reason = judge_facts(&p->facts);
    if (reason == REWIND_REASON_OK)
        reason = judge_sets(p);
    if (reason == REWIND_REASON_OK && w->rotated)
        reason = REWIND_REASON_SPANS_ROTATION;
    if (reason == REWIND_REASON_OK && (w->stopped || !w->format.in_use))
        reason = REWIND_REASON_CLOSED_IN_ORDER;
    return reason;
}

/* A cut whose harmlessness nothing can prove afterwards costs the node its data. */
static enum rewind_reason judge_proof(const struct rewind_plan *p, const struct binlog_walk *w)
{
    if (!recovery_is_told(w->format.flavour, w->format.version))
        return REWIND_REASON_RECOVERY_SILENT;
    return p->facts.xa_is_told ? REWIND_REASON_OK : REWIND_REASON_XA_UNSEEN;
}

enum tail_class rewind_plan_class(const struct rewind_plan *p)
{
    enum tail_class said = rewind_reason_class(p->reason);
    if (said == TAIL_UNKNOWN && rewind_reason_class(judge_facts(&p->facts)) == TAIL_POSSIBLE)
        return TAIL_POSSIBLE;
    return said;
}

static void refuse_unproven(struct rewind_plan *p, const struct binlog_walk *w)
{
    enum rewind_reason reason = judge_proof(p, w);
    if (reason != REWIND_REASON_OK)
        reason_set(p, reason, w->format.version_text);
}

void rewind_plan_finish(struct rewind_plan *p, const struct binlog_walk *w)
{
    enum rewind_reason reason = judge_file(p, w);
    p->whole = reason == REWIND_REASON_OK && !w->rotated && !p->skipped &&
               gtid_contains(p->seal, &w->previous);
    p->torn = binlog_walk_finish(w) == BINLOG_END_TORN;
    if (reason != REWIND_REASON_OK) {
        reason_set(p, reason, w->errmsg.text);
    } else if (!gtid_contains(p->seal, &w->previous)) {
        reason_set(p, REWIND_REASON_SPANS_ROTATION, "");
    } else if (p->groups > 0) {
        /* These weigh more than what was found in a single group. */
        reason = judge_tail(p, w);
        if (reason != REWIND_REASON_OK)
            reason_set(p, reason, "");
        else if (p->reason == REWIND_REASON_OK)
            refuse_unproven(p, w);
    }
    if (p->reason != REWIND_REASON_OK)
        p->verdict = REWIND_REFUSE;
    else
        p->verdict = p->groups > 0 ? REWIND_CUT : REWIND_NONE;
}
