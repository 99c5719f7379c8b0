/* SPDX-License-Identifier: Apache-2.0 */
/* REWIND_JOB_EXTRACT and REWIND_JOB_INSPECT: see rewind_job.h. */
#include "io/store/rewind_private.h"

int rewind_parse_extra(struct rewind_work *k)
{
    enum gtid_flavour flavour =
        k->req->flavour == GTID_MARIADB ? GTID_MARIADB_STATE : k->req->flavour;
    int err = gtid_parse(k->req->extra, flavour, &k->extra);
    if (err == 0)
        err = gtid_parse(k->req->since, flavour, &k->since);
    if (err != 0)
        return errmsg_set(&k->res->errmsg, err, "set of extra transactions: %s", err_text(err));
    if (flavour == GTID_MYSQL)
        k->res->missing = k->extra;
    else
        gtid_init(&k->res->missing, flavour);
    gtid_init(&k->found, flavour);
    return 0;
}

bool rewind_is_extra(const struct rewind_work *k, const struct binlog_group *g)
{
    return g->has_gtid && gtid_contains_one(&k->extra, &g->gtid) &&
           !gtid_contains_one(&k->since, &g->gtid);
}

int rewind_note_extra(struct rewind_work *k, const struct binlog_group *g)
{
    struct gtid_set one;
    int err;
    k->file_groups++;
    k->hole |= k->others_behind;
    k->not_rows |=
        g->kind == BINLOG_GROUP_DDL || g->atomic_ddl || rewind_group_reason(g) != REWIND_REASON_OK;
    k->res->found_groups++;
    if (k->req->flavour != GTID_MYSQL)
        return gtid_add(&k->found, &g->gtid);
    gtid_init(&one, GTID_MYSQL);
    err = gtid_add(&one, &g->gtid);
    if (err == 0)
        err = gtid_subtract(&k->res->missing, &one, &k->res->missing);
    /* Too many pieces to say what is still missing: then every file is read. */
    return err == ERR_FULL ? 0 : err;
}

static int take_group(struct rewind_work *k, const struct binlog_walk *w)
{
    int err = salvage_ranges_add(&k->ranges, w->group.start, w->group.end);
    k->res->salvaged_groups++;
    return err == 0 ? rewind_list_group(k, &w->group) : err;
}

static int on_group(void *data, const struct binlog_walk *w)
{
    struct rewind_work *k = data;
    int err;
    if (!rewind_is_extra(k, &w->group)) {
        k->file_others++;
        k->hole |= k->file_groups > 0;
        return 0;
    }
    err = rewind_note_extra(k, &w->group);
    return err == 0 && k->req->kind == REWIND_JOB_EXTRACT ? take_group(k, w) : err;
}

/* Nothing of what is looked for is older than this file. */
bool rewind_is_last(const struct rewind_work *k)
{
    const struct binlog_walk *w = &k->walk;
    struct gtid_set rest;
    if (k->req->flavour == GTID_MYSQL && gtid_is_empty(&k->res->missing))
        return true;
    if (!w->has_previous)
        return false;
    if (k->req->flavour != GTID_MYSQL)
        return gtid_contains(&k->since, &w->previous);
    return gtid_subtract(&k->res->missing, &w->previous, &rest) == 0 &&
           gtid_equal(&rest, &k->res->missing);
}

static int salvage_file(struct rewind_work *k, const char *path)
{
    const char *base = strrchr(path, '/');
    char name[BINLOG_PATH_MAX + 16];
    json_t *entry;
    int err = 0;
    base = base != NULL ? base + 1 : path;
    (void)snprintf(name, sizeof name, "events-%s", base);
    if (!k->salvage_is_open)
        err = rewind_salvage_open(k, "extract");
    if (err == 0)
        err = salvage_copy(&k->salvage, name, path,
                           k->walk.has_previous ? k->walk.previous_end : k->walk.format.end,
                           &k->ranges, &entry, &k->res->errmsg);
    if (err == 0) {
        (void)json_object_set_new(entry, "groups", json_integer(k->file_groups));
        if (k->walk.err != 0)
            (void)json_object_set_new(entry, "damage", json_string(k->walk.errmsg.text));
    }
    return err;
}

/* Every entry of `extra` that counts was found up to its last. */
bool rewind_is_complete(const struct rewind_work *k, bool last)
{
    struct gtid_set wanted;
    if (k->req->flavour == GTID_MYSQL)
        return gtid_is_empty(&k->res->missing);
    return last && !k->file_is_missing && gtid_subtract(&k->extra, &k->since, &wanted) == 0 &&
           gtid_equal(&wanted, &k->found);
}

static void tell_evidence(struct rewind_work *k, bool last)
{
    uint32_t *e = &k->res->evidence;
    if (k->res->found_groups == 0)
        return;
    *e |= rewind_is_complete(k, last) ? TAIL_COMPLETE : 0u;
    *e |= !k->hole ? TAIL_SUFFIX : 0u;
    *e |= k->crashed ? TAIL_CRASHED : 0u;
    *e |= !k->not_rows ? TAIL_ROWS : 0u;
}

/* After a file: what its end says, if it is the newest one with a part of the tail. */
static void judge_end(struct rewind_work *k, bool newest)
{
    const struct binlog_walk *w = &k->walk;
    if (k->file_groups > 0 && k->res->found_groups == k->file_groups)
        k->crashed = w->err == 0 && !w->stopped && !w->rotated &&
                     !(newest && binlog_server_is_running(k->req->data_dir));
    k->others_behind |= k->file_others > 0;
}

static void manifest_class(struct rewind_work *k)
{
    const struct rewind_request *r = k->req;
    (void)json_object_set_new(k->salvage.root, "class",
                              json_pack("{s:s, s:s, s:s}", "id", tail_class_id(r->tail_class),
                                        "rule", r->judged_by, "text", r->judged_why));
}

int rewind_extract_run(struct rewind_work *k)
{
    int err = rewind_parse_extra(k);
    bool last = false;
    /* Nothing is found then, which is an answer: asked again, it would be the same. */
    if (err == 0 && k->index.count == 0)
        return 0;
    for (unsigned i = k->index.count; err == 0 && i > 0 && !last; i--) {
        const char *path = k->index.paths[i - 1];
        struct stat st;
        k->file_groups = k->file_others = 0;
        salvage_ranges_release(&k->ranges);
        err = binlog_file_walk(path, &k->budget, &k->walk, on_group, k, &st, &k->res->errmsg);
        if (err == ERR_NOTFOUND) {
            err = 0; /* purged by hand: `missing` tells */
            k->file_is_missing = true;
            continue;
        }
        judge_end(k, /* newest= */ i == k->index.count);
        if (err == 0 && k->file_groups > 0 && k->req->kind == REWIND_JOB_EXTRACT)
            err = salvage_file(k, path);
        last = rewind_is_last(k);
    }
    if (err == 0)
        tell_evidence(k, last);
    if (err != 0 || !k->salvage_is_open)
        return err;
    (void)json_object_set_new(k->salvage.root, "groups", json_integer(k->res->salvaged_groups));
    manifest_class(k);
    return rewind_salvage_commit(k);
}
