/* SPDX-License-Identifier: Apache-2.0 */
/* REWIND_JOB_EXTRACT: see rewind_job.h. */
#include "io/store/rewind_private.h"

static int parse_sets(struct rewind_work *k)
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
    return 0;
}

static bool is_extra(const struct rewind_work *k, const struct binlog_group *g)
{
    return g->has_gtid && gtid_contains_one(&k->extra, &g->gtid) &&
           !gtid_contains_one(&k->since, &g->gtid);
}

static int on_group(void *data, const struct binlog_walk *w)
{
    struct rewind_work *k = data;
    struct gtid_set one;
    int err;
    if (!is_extra(k, &w->group))
        return 0;
    k->file_groups++;
    k->res->salvaged_groups++;
    err = salvage_ranges_add(&k->ranges, w->group.start, w->group.end);
    if (err == 0)
        err = rewind_list_group(k, &w->group);
    if (err != 0 || k->req->flavour != GTID_MYSQL)
        return err;
    gtid_init(&one, GTID_MYSQL);
    err = gtid_add(&one, &w->group.gtid);
    if (err == 0)
        err = gtid_subtract(&k->res->missing, &one, &k->res->missing);
    /* Too many pieces to say what is still missing: then every file is read. */
    return err == ERR_FULL ? 0 : err;
}

/* Nothing of what is looked for is older than this file. */
static bool is_last(const struct rewind_work *k)
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

int rewind_extract_run(struct rewind_work *k)
{
    int err = parse_sets(k);
    bool last = false;
    if (err == 0 && k->index.count == 0)
        return ERR_NOTFOUND;
    for (unsigned i = k->index.count; err == 0 && i > 0 && !last; i--) {
        const char *path = k->index.paths[i - 1];
        struct stat st;
        k->file_groups = 0;
        salvage_ranges_release(&k->ranges);
        err = binlog_file_walk(path, &k->budget, &k->walk, on_group, k, &st, &k->res->errmsg);
        if (err == ERR_NOTFOUND) {
            err = 0; /* purged by hand: `missing` tells */
            continue;
        }
        if (err == 0 && k->file_groups > 0)
            err = salvage_file(k, path);
        last = is_last(k);
    }
    if (err != 0 || !k->salvage_is_open)
        return err;
    (void)json_object_set_new(k->salvage.root, "groups", json_integer(k->res->salvaged_groups));
    return rewind_salvage_commit(k);
}
