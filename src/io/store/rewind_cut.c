/* SPDX-License-Identifier: Apache-2.0 */
/* REWIND_JOB_PLAN and REWIND_JOB_CUT: see rewind_job.h for the order of steps and what can fail. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "io/store/rewind_private.h"

static int on_group(void *data, const struct binlog_walk *w)
{
    struct rewind_work *k = data;
    uint32_t before = k->res->plan.groups;
    int err;
    rewind_plan_group(&k->res->plan, &w->group);
    if (k->res->plan.groups == before)
        return 0;
    err = salvage_ranges_add(&k->ranges, w->group.start, w->group.end);
    return err == 0 ? rewind_list_group(k, &w->group) : err;
}

/* A seal text of MariaDB names a state if one of its domains has several servers. */
static int parse_sets(struct rewind_work *k)
{
    const struct rewind_request *r = k->req;
    struct gtid_set state;
    int err = gtid_parse(r->seal, r->flavour, &k->seal);
    if (err == 0 && r->flavour == GTID_MARIADB) {
        err = gtid_parse(r->seal, GTID_MARIADB_STATE, &state);
        if (err == 0 && state.interval_count > k->seal.interval_count)
            k->seal = state;
    }
    if (err != 0)
        return errmsg_set(&k->res->errmsg, err, "seal set: %s", err_text(err));
    err = gtid_parse(r->writer, r->flavour == GTID_MARIADB ? GTID_MARIADB_STATE : r->flavour,
                     &k->writer);
    if (err != 0)
        return errmsg_set(&k->res->errmsg, err, "writer's set: %s", err_text(err));
    return 0;
}

/* No index, no file: a verdict, not a failure. */
static int no_binlog(struct rewind_work *k)
{
    rewind_plan_refuse(&k->res->plan, REWIND_REASON_NO_BINLOG, k->res->errmsg.text);
    return 0;
}

static int plan(struct rewind_work *k, struct stat *ret_stat, bool *ret_walked)
{
    struct rewind_result *res = k->res;
    int err = parse_sets(k);
    *ret_walked = false;
    if (err != 0)
        return err;
    rewind_plan_init(&res->plan, &k->req->facts, &k->seal, &k->writer);
    if (k->index.count == 0)
        return no_binlog(k);
    (void)snprintf(res->binlog_file, sizeof res->binlog_file, "%s",
                   k->index.paths[k->index.count - 1]);
    err = binlog_file_walk(res->binlog_file, &k->budget, &k->walk, on_group, k, ret_stat,
                           &res->errmsg);
    if (err == ERR_NOTFOUND)
        return no_binlog(k);
    if (err == ERR_RANGE) {
        rewind_plan_refuse(&res->plan, REWIND_REASON_TOO_LARGE, res->errmsg.text);
        return 0;
    }
    if (err != 0)
        return err;
    rewind_plan_finish(&res->plan, &k->walk);
    res->file_size = (uint64_t)ret_stat->st_size;
    if (res->plan.verdict == REWIND_CUT && binlog_server_is_running(k->req->data_dir))
        rewind_plan_refuse(&res->plan, REWIND_REASON_SERVER_RUNNING, k->req->data_dir);
    *ret_walked = true;
    return 0;
}

static void manifest_plan(struct rewind_work *k, const struct stat *st)
{
    const struct rewind_plan *p = &k->res->plan;
    json_t *root = k->salvage.root;
    char gtid[GTID_ONE_TEXT_MAX] = "";
    if (p->reason_has_gtid)
        (void)gtid_format_one(&p->reason_gtid, gtid, sizeof gtid);
    (void)json_object_set_new(root, "verdict", json_string(rewind_verdict_text(p->verdict)));
    (void)json_object_set_new(root, "reason",
                              json_pack("{s:s, s:s, s:s, s:s}", "id", rewind_reason_id(p->reason),
                                        "text", rewind_reason_text(p->reason), "gtid", gtid,
                                        "detail", p->reason_detail));
    (void)json_object_set_new(root, "class",
                              json_pack("{s:s, s:s, s:s}", "id",
                                        tail_class_id((int)rewind_reason_class(p->reason)), "rule",
                                        "rewind", "text", rewind_reason_text(p->reason)));
    (void)json_object_set_new(root, "binlog_file", json_string(k->res->binlog_file));
    (void)json_object_set_new(root, "binlog_size", json_integer((json_int_t)k->res->file_size));
    (void)json_object_set_new(root, "binlog_inode", json_integer((json_int_t)st->st_ino));
    (void)json_object_set_new(root, "cut", json_integer((json_int_t)p->cut));
    (void)json_object_set_new(root, "groups", json_integer(p->groups));
    (void)json_object_set_new(root, "expected_rollbacks", json_integer(p->expected_rollbacks));
}

/* A cut keeps every byte after it in order, so that it can be undone; a refused tail only its
 * groups. */
static int salvage_tail(struct rewind_work *k, const struct stat *st)
{
    struct rewind_result *res = k->res;
    struct salvage_ranges torn = {0};
    uint64_t boundary = k->walk.boundary;
    int err;
    if (res->plan.verdict == REWIND_CUT) {
        salvage_ranges_release(&k->ranges);
        err = salvage_ranges_add(&k->ranges, res->plan.cut, boundary);
        if (err != 0)
            return err;
    }
    err = rewind_salvage_open(k, res->plan.verdict == REWIND_CUT ? "rewind" : "refused");
    if (err != 0)
        return err;
    manifest_plan(k, st);
    err = salvage_copy(&k->salvage, "events.binlog", res->binlog_file, k->walk.previous_end,
                       &k->ranges, NULL, &res->errmsg);
    if (err == 0 && boundary < res->file_size) {
        err = salvage_ranges_add(&torn, boundary, res->file_size);
        if (err == 0)
            err = salvage_copy(&k->salvage, "torn.bin", res->binlog_file, 0, &torn, NULL,
                               &res->errmsg);
        salvage_ranges_release(&torn);
    }
    res->salvaged_groups = res->plan.groups;
    return err == 0 ? rewind_salvage_commit(k) : err;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int cut_file(struct rewind_work *k, const struct stat *planned)
{
    struct rewind_result *res = k->res;
    const char *path = res->binlog_file;
    struct stat now;
    int err = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &now) != 0)
        err = errmsg_set(&res->errmsg, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    else if (!same_file(&now, planned) || binlog_server_is_running(k->req->data_dir))
        err = errmsg_set(&res->errmsg, ERR_STATE, "%s changed after it was read, not cut", path);
    else if (ftruncate(fd, (off_t)res->plan.cut) != 0 || fsync(fd) != 0)
        err = errmsg_set(&res->errmsg, ERR_IO, "cannot cut %s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    res->cut_done = err == 0;
    return err;
}

/* On the disk before the cut: whoever starts the server, and whichever agent, has to know of it. */
static int note_cut(struct rewind_work *k)
{
    const struct rewind_plan *p = &k->res->plan;
    struct pending_cut *n = &k->res->pending;
    n->flavour = k->req->flavour;
    n->cut = p->cut;
    n->expected_rollbacks = p->expected_rollbacks;
    n->error_log_offset = k->res->error_log_size;
    (void)snprintf(n->binlog_file, sizeof n->binlog_file, "%s", k->res->binlog_file);
    if (gtid_format(&p->gtids, n->gtids, sizeof n->gtids) != 0)
        return errmsg_set(&k->res->errmsg, ERR_RANGE, "the tail has too many GTIDs to be noted");
    if (k->req->pending_path[0] == '\0')
        return 0;
    return pending_cut_write(k->req->pending_path, n, &k->res->errmsg);
}

int rewind_cut_run(struct rewind_work *k)
{
    struct stat st;
    bool walked;
    int err = plan(k, &st, &walked);
    if (err != 0 || !walked || k->req->kind == REWIND_JOB_PLAN)
        return err;
    if (k->res->plan.groups > 0)
        err = salvage_tail(k, &st);
    if (err == 0 && k->res->plan.verdict == REWIND_CUT) {
        if (k->budget.cancel != NULL && atomic_load(k->budget.cancel))
            return ERR_CANCELED;
        err = note_cut(k);
        if (err == 0)
            err = cut_file(k, &st);
    }
    return err;
}
