/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: raise the term (libraft forgets the vote with it), append the configuration behind
 * the last entry, mark the record as unproven, write the identity with the new generation.
 *
 * Failure modes: interrupted anywhere: the generation is still the old one, and the next try does
 * all of it again; a second configuration entry does no harm.
 */
#include "io/raft/raft_rebuild.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "arbiter/raft_node.h"

struct opened {
    uv_loop_t loop;
    struct raft_uv_transport transport;
    struct raft_io io;
    struct raft_fsm fsm;
    struct raft raft;
};

static int rebuild_error(int rv, const char *what, const char *detail, struct errmsg *msg)
{
    return errmsg_set(msg,
                      rv == RAFT_NOSPACE                           ? ERR_NOSPC
                      : rv == RAFT_MALFORMED || rv == RAFT_CORRUPT ? ERR_FORMAT
                                                                   : ERR_IO,
                      "%s: %s", what, detail[0] != '\0' ? detail : raft_strerror(rv));
}

static void free_entries(struct raft_entry *entries, size_t n)
{
    void *batch = NULL;
    for (size_t i = 0; i < n; i++) {
        if (entries[i].batch != batch)
            raft_free(entries[i].batch);
        batch = entries[i].batch;
    }
    raft_free(entries);
}

static void free_snapshot(struct raft_snapshot *s)
{
    if (s == NULL)
        return;
    raft_configuration_close(&s->configuration);
    for (unsigned i = 0; i < s->n_bufs; i++)
        raft_free(s->bufs[i].base);
    raft_free(s->bufs);
    raft_free(s);
}

/* The log is there, and can be read; its term. */
static int read_log(struct opened *o, uint64_t *ret_term, struct errmsg *msg)
{
    struct raft_snapshot *snapshot = NULL;
    struct raft_entry *entries = NULL;
    raft_index start_index;
    raft_id voted_for;
    raft_term term;
    size_t n = 0;
    bool empty;
    int rv = o->io.load(&o->io, &term, &voted_for, &snapshot, &start_index, &entries, &n);
    if (rv != 0)
        return rebuild_error(rv, "the log cannot be read", o->io.errmsg, msg);
    empty = term == 0 || (snapshot == NULL && n == 0);
    free_entries(entries, n);
    free_snapshot(snapshot);
    if (empty)
        return errmsg_set(msg, ERR_NOTFOUND,
                          "the raft directory holds no log: nothing is known "
                          "here; rebuild on another node");
    *ret_term = term;
    return 0;
}

static int change_log(struct opened *o, const struct raft_dir_seed *seed, uint64_t want_term,
                      struct errmsg *msg)
{
    struct raft_configuration conf;
    char address[16];
    uint64_t term = 0;
    int rv;
    int err = read_log(o, &term, msg);
    if (err != 0)
        return err;
    rv = term < want_term ? o->io.set_term(&o->io, want_term) : 0;
    if (rv != 0)
        return rebuild_error(rv, "the term cannot be written", o->io.errmsg, msg);
    raft_node_address(seed->self, address, sizeof address);
    raft_configuration_init(&conf);
    rv = raft_configuration_add(&conf, raft_node_id(seed->self), address, RAFT_VOTER);
    if (rv == 0)
        rv = raft_recover(&o->raft, &conf);
    raft_configuration_close(&conf);
    return rv == 0 ? 0
                   : rebuild_error(rv, "the configuration cannot be written", o->io.errmsg, msg);
}

static int with_log(const struct raft_dir_seed *seed, uint64_t term, struct errmsg *msg)
{
    struct opened o = {.fsm = {.version = 1}};
    char address[16];
    int err, rv;
    if (uv_loop_init(&o.loop) != 0)
        return ERR_NOMEM;
    raft_dir_no_transport(&o.transport);
    raft_node_address(seed->self, address, sizeof address);
    rv = raft_uv_init(&o.io, &o.loop, seed->dir, &o.transport);
    if (rv != 0) {
        (void)uv_loop_close(&o.loop);
        return rebuild_error(rv, seed->dir, o.io.errmsg, msg);
    }
    rv = raft_init(&o.raft, &o.io, &o.fsm, raft_node_id(seed->self), address);
    if (rv == 0) {
        err = change_log(&o, seed, term, msg);
        raft_close(&o.raft, NULL);
        (void)uv_run(&o.loop, UV_RUN_DEFAULT);
    } else {
        err = rebuild_error(rv, seed->dir, o.io.errmsg, msg);
    }
    raft_uv_close(&o.io);
    rv = uv_loop_close(&o.loop);
    assert(rv == 0);
    return err;
}

int raft_rebuild(const struct raft_dir_seed *seed, const struct raft_rebuild *rebuild,
                 struct errmsg *msg)
{
    struct raft_identity id;
    int err = raft_dir_identity(seed->dir, &id, msg);
    if (err == 0)
        err = raft_dir_check(seed->dir, &id, seed->cluster, seed->self, msg);
    if (err != 0 || id.generation >= rebuild->generation)
        return err;
    err = with_log(seed, rebuild->term, msg);
    if (err == 0)
        err = raft_dir_set_fresh(seed->dir, /* fresh= */ true, msg);
    if (err != 0)
        return err;
    id.generation = rebuild->generation;
    id.rebuilt_term = rebuild->term;
    return raft_dir_set_identity(seed->dir, &id, msg);
}
