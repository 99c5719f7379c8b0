/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs on what a node holds alone: whether that is anything, what its binlogs tell of it, and its
 * undo. The model undoes a suffix of the binlog of a read-only server, all of it at once; what a
 * real server may refuse beside that (rows that differ, schema changes) is drawn by nobody here.
 */
#include "sim/world_private.h"
#include "wire/tail.h"

/* The first extra transaction of the binlog; count if there is none. *ret_found: how many. */
static unsigned first_extra(const struct world *w, const struct server *s,
                            const struct gtid_set *extra, const struct gtid_set *writer,
                            uint32_t *ret_found)
{
    unsigned first = s->binlog.count;
    *ret_found = 0;
    for (unsigned i = 0; i < s->binlog.count; i++) {
        struct gtid g = sim_gtid(w, s->binlog.id[i]);
        if (!gtid_contains_one(extra, &g) || gtid_contains_one(writer, &g))
            continue;
        first = *ret_found == 0 ? i : first;
        (*ret_found)++;
    }
    return first;
}

/* False: the sets of the job cannot be read. */
static bool look(const struct world *w, unsigned node, const struct job *j, unsigned *ret_first,
                 uint32_t *ret_found)
{
    enum gtid_flavour flavour = w->mariadb ? GTID_MARIADB_STATE : GTID_MYSQL;
    struct gtid_set extra, writer;
    if (gtid_parse(j->gtid, flavour, &extra) != 0 || gtid_parse(j->gtid2, flavour, &writer) != 0)
        return false;
    *ret_first = first_extra(w, &w->host[node].server, &extra, &writer, ret_found);
    return true;
}

void sim_job_inspect(struct world *w, unsigned node, struct job_running *run)
{
    const struct server *s = &w->host[node].server;
    unsigned first;
    uint32_t found, evidence = TAIL_ROWS;
    if (!look(w, node, &run->job, &first, &found)) {
        sim_job_end(w, node, run, JOB_FAILED, 0);
        return;
    }
    evidence |= found > 0 ? TAIL_COMPLETE : 0u;
    evidence |= found > 0 && first + found == s->binlog.count ? TAIL_SUFFIX : 0u;
    /* All in the file of the run before this one, and that run was killed. */
    evidence |=
        found > 0 && first >= s->file_before && first + found <= s->file_start && !s->cleanly
            ? TAIL_CRASHED
            : 0u;
    evidence |= release_is_known(w->host[node].core) ? TAIL_RELEASED : 0u;
    run->evidence = evidence;
    sim_job_end(w, node, run, JOB_DONE, found);
}

void sim_job_beyond(struct world *w, unsigned node, struct job_running *run)
{
    const struct server *s = &w->host[node].server;
    struct gtid_set set;
    uint32_t beyond = 0;
    if (gtid_parse(run->job.gtid, w->mariadb ? GTID_MARIADB : GTID_MYSQL, &set) != 0) {
        sim_job_end(w, node, run, JOB_FAILED, 0);
        return;
    }
    for (unsigned i = 0; i < s->binlog.count; i++) {
        struct gtid g = sim_gtid(w, s->binlog.id[i]);
        beyond += !gtid_contains_one(&set, &g);
    }
    sim_job_end(w, node, run, JOB_DONE, beyond);
}

/* A promise that somebody was given, taken back as one that nobody was. */
static void check_judgement(struct world *w, unsigned node, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    uint32_t flags = w->committed->flags[node];
    if ((flags & NODE_TAIL_NEVER) != 0 && (flags & NODE_DISCARD) == 0 && t->acked && !t->excused)
        sim_violation(w, "S6: %s:%llu was judged never acknowledged on %s, and was",
                      sim_name(w, t->server), (unsigned long long)t->number, sim_name(w, node));
}

void sim_job_undo(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    unsigned first;
    uint32_t found;
    if (!s->up || !sim_answers(s) || !look(w, node, &run->job, &first, &found)) {
        sim_job_end(w, node, run, JOB_FAILED, 0);
        return;
    }
    if (!s->read_only || found == 0 || first + found != s->binlog.count ||
        s->committed != s->binlog.count) {
        sim_job_end(w, node, run, JOB_REFUSED, 0);
        return;
    }
    for (unsigned i = first; i < s->binlog.count; i++) {
        check_judgement(w, node, s->binlog.id[i]);
        sim_check_vanish(w, node, s->binlog.id[i]);
        sim_data_drop(s, s->binlog.id[i]);
    }
    sim_binlog_cut(w, s, first);
    s->file_before = s->file_start = first;
    sim_story(w, "%s: %u transactions taken back", sim_name(w, node), found);
    sim_facts(w, node);
    sim_job_end(w, node, run, JOB_DONE, found);
}
