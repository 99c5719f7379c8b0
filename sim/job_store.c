/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that need no connection: start and kill of the process, rewind and salvage of the binlog. */
#include <assert.h>

#include "sim/world_private.h"
#include "wire/tail.h"

#define SALVAGE_US 5000

static void start(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    bool proven = !s->cut || s->rollbacks == s->cut_count;
    if (!run->begun && s->up) {
        sim_job_end(w, node, run, JOB_FAILED, 0);
        return;
    }
    if (!run->begun)
        sim_server_start(w, node, /* by_agent= */ true);
    run->begun = true;
    if (!s->up) {
        sim_job_end(w, node, run, JOB_FAILED, 0);
    } else if (sim_answers(s)) {
        s->cut = false;
        sim_facts(w, node);
        sim_job_end(w, node, run, proven ? JOB_DONE : JOB_REFUSED, 0);
    }
}

static bool set_has(const struct world *w, const struct gtid_set *set, uint32_t id)
{
    struct gtid g = sim_gtid(w, id);
    return gtid_contains_one(set, &g);
}

/* The first transaction of the binlog that is not in the seal; false if the rules refuse a cut
 * (wire/rewind.c): a hole, one that the writer has, a tail that spans files, was closed in order or
 * is of a server that was shut down, or released commits. Where there is no tail, nobody asks how
 * it ended. */
static bool plan(const struct world *w, unsigned node, const struct job *j, unsigned *ret_cut)
{
    const struct server *s = &w->host[node].server;
    enum gtid_flavour flavour = w->mariadb ? GTID_MARIADB_STATE : GTID_MYSQL;
    struct gtid_set seal, writer;
    unsigned cut = 0;
    if (s->up || gtid_parse(j->gtid, flavour, &seal) != 0 ||
        gtid_parse(j->gtid2, flavour, &writer) != 0)
        return false;
    while (cut < s->binlog.count && set_has(w, &seal, s->binlog.id[cut]))
        cut++;
    for (unsigned i = cut; i < s->binlog.count; i++) {
        if (set_has(w, &seal, s->binlog.id[i]) || set_has(w, &writer, s->binlog.id[i]))
            return false;
    }
    *ret_cut = cut;
    return cut == s->binlog.count || (j->flag && !s->cleanly && cut >= s->file_start &&
                                      !s->closed && !release_is_known(w->host[node].core));
}

static void salvage_from(struct world *w, unsigned node, unsigned from)
{
    const struct server *s = &w->host[node].server;
    for (unsigned i = from; i < s->binlog.count; i++)
        sim_txn(w, s->binlog.id[i])->salvaged = true;
}

/* Copied first, cut then: the agent may die in between. */
static void cut_tail(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    unsigned cut, n;
    if (!plan(w, node, &run->job, &cut)) {
        sim_story(w, "%s: rewind refused", sim_name(w, node));
        salvage_from(w, node, 0);
        run->evidence = TAIL_UNKNOWN;
        sim_job_end(w, node, run, JOB_REFUSED, 0);
        return;
    }
    if (!run->begun) {
        if (!w->faults.no_salvage)
            salvage_from(w, node, cut);
        run->begun = true;
        run->at_us = w->now_us + SALVAGE_US;
    }
    if (w->now_us < run->at_us)
        return;
    n = s->binlog.count - cut;
    s->rollbacks = n - (s->committed > cut ? s->committed - cut : 0);
    s->cut_count = n;
    s->cut = n > 0;
    for (unsigned i = cut; i < s->binlog.count; i++)
        sim_check_vanish(w, node, s->binlog.id[i]);
    sim_binlog_cut(w, s, cut);
    sim_story(w, "%s: rewound, %u cut", sim_name(w, node), n);
    sim_job_end(w, node, run, JOB_DONE, n);
}

static void salvage(struct world *w, unsigned node, struct job_running *run)
{
    const struct server *s = &w->host[node].server;
    enum gtid_flavour flavour = w->mariadb ? GTID_MARIADB_STATE : GTID_MYSQL;
    struct gtid_set extra;
    uint32_t count = 0;
    if (gtid_parse(run->job.gtid, flavour, &extra) != 0) {
        sim_job_end(w, node, run, JOB_FAILED, 0);
        return;
    }
    for (unsigned i = 0; i < s->binlog.count; i++) {
        if (!set_has(w, &extra, s->binlog.id[i]))
            continue;
        sim_txn(w, s->binlog.id[i])->salvaged = true;
        count++;
    }
    run->evidence = count > 0 ? (uint32_t)TAIL_COMPLETE : 0u;
    sim_job_end(w, node, run, JOB_DONE, count);
}

void sim_job_off_line(struct world *w, unsigned node, struct job_running *run)
{
    switch (run->job.kind) {
    case JOB_START:
        start(w, node, run);
        return;
    case JOB_KILL:
        sim_server_die(w, node, false);
        sim_job_end(w, node, run, JOB_DONE, 0);
        return;
    case JOB_REWIND:
        cut_tail(w, node, run);
        return;
    case JOB_SALVAGE:
        salvage(w, node, run);
        return;
    case JOB_INSPECT:
        sim_job_inspect(w, node, run);
        return;
    case JOB_BEYOND:
        sim_job_beyond(w, node, run);
        return;
    case JOB_UNDO:
        sim_job_undo(w, node, run);
        return;
    default:
        assert(false && "not a job of this executor");
    }
}
