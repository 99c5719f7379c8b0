/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libraft sees as its io: the disk of the backend, with functions of ours in front.
 *
 * Happy path: libraft sends a message; the arbiter lets it pass; it gets nonce and echo and leaves
 * by the callback. libraft appends, votes, takes a snapshot; the disk does it; the time it took
 * is noted.
 *
 * Failure modes:
 *  - The arbiter or the transport drops a message: libraft is told that it was sent, and repeats
 *    what matters. (An error from send() would make it skip the rest of its step.)
 *  - The disk fails: raft_impl.h.
 *  - A snapshot cannot be read for a peer: libraft would release a configuration that it never
 *    set, so its callback is not called; its request (a few hundred bytes) is lost.
 *  - A snapshot read for a peer is newer than the one announced: libraft corrects the index and
 *    forgets the term. It is set here.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/raft_impl.h"

static struct raft_node *node_of(struct raft_io *io)
{
    return (struct raft_node *)((char *)io - offsetof(struct raft_node, io));
}

static raft_time io_time(struct raft_io *io)
{
    return (raft_time)(raft_now_us(node_of(io)) / 1000);
}

static int io_random(struct raft_io *io, int min, int max)
{
    struct raft_node *node = node_of(io);
    return min + (int)prng_below(&node->vote.prng, (uint64_t)(max - min));
}

/* --- start and load --- */

static void io_tick(struct raft_io *io)
{
    struct raft_node *node = node_of(io);
    int64_t now_us;
    if (!raft_is_up(node))
        return;
    raft_node_enter(node);
    now_us = raft_now_us(node);
    raft_life_watch(node, now_us);
    raft_node_arm(node);
    if (raft_is_up(node) && (raft_time)(now_us / 1000) >= raft_timeout(&node->raft))
        node->raft_tick(io);
    if (raft_change_is_waiting(node))
        raft_node_soon(node);
    raft_node_refresh(node);
}

static void io_never_received(struct raft_io *io, struct raft_message *message)
{
    (void)io;
    (void)message;
    assert(false); /* a disk has no network */
}

static int io_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    struct raft_node *node = node_of(io);
    (void)msecs; /* libraft wants one heartbeat, which is too coarse for its election timers */
    node->raft_tick = tick;
    node->raft_recv = recv;
    return node->disk.start(io, (unsigned)(node->cfg.timing.tick_us / 1000), io_tick,
                            io_never_received);
}

static int io_load(struct raft_io *io, raft_term *term, raft_id *voted_for,
                   struct raft_snapshot **snapshot, raft_index *start_index,
                   struct raft_entry *entries[], size_t *n_entries)
{
    struct raft_node *node = node_of(io);
    int rv = node->disk.load(io, term, voted_for, snapshot, start_index, entries, n_entries);
    if (rv != 0)
        return rv;
    node->load_index = *snapshot != NULL ? (*snapshot)->index : 0;
    if (*term > node->durable_term)
        node->durable_term = *term;
    arbiter_vote_load(&node->vote, raft_node_id(node->cfg.self), *term, *voted_for);
    /* Every log begins with a configuration. Without one libraft would accept any leader's log
     * under this node's old id. */
    if ((*term == 0 || (*snapshot == NULL && *n_entries == 0)) && !node->cfg.joins)
        return RAFT_NOTFOUND;
    return 0;
}

/* --- term and vote --- */

static int io_set_term(struct raft_io *io, raft_term term)
{
    struct raft_node *node = node_of(io);
    int64_t start_us = raft_now_us(node);
    int err, rv;
    if (node->failed)
        return 0;
    err = arbiter_vote_term(&node->vote, term);
    if (err == ERR_EXISTS)
        return 0;
    rv = err == 0 ? node->disk.set_term(io, term) : RAFT_INVALID;
    if (rv != 0) {
        raft_life_fail(node, RAFT_TROUBLE_IO, "term %llu cannot be written: %s", term,
                       err == 0 ? io->errmsg : err_text(err));
        return 0;
    }
    node->durable_term = term;
    raft_life_wrote(node, start_us);
    return 0;
}

static int io_set_vote(struct raft_io *io, raft_id id)
{
    struct raft_node *node = node_of(io);
    int64_t start_us = raft_now_us(node);
    int err, rv;
    if (node->failed)
        return 0;
    err = arbiter_vote_give(&node->vote, id, start_us);
    if (err == ERR_EXISTS)
        return 0;
    if (err != 0) {
        LOG(&node->cfg.log, ERROR, "raft-vote-refused",
            "refused a second vote in one term term=%llu given=%llu asked=%llu",
            (unsigned long long)node->vote.term, (unsigned long long)node->vote.voted_for, id);
        raft_life_fail(node, RAFT_TROUBLE_IO, "a second vote in term %llu was refused",
                       (unsigned long long)node->vote.term);
        return 0;
    }
    rv = node->disk.set_vote(io, id);
    if (rv != 0)
        raft_life_fail(node, RAFT_TROUBLE_IO, "a vote cannot be written: %s", io->errmsg);
    else
        raft_life_wrote(node, start_us);
    return 0;
}

/* --- log --- */

static void write_unlink(struct raft_write *w)
{
    struct raft_write **at = &w->node->writes;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
}

static void write_finish(struct raft_write *w, int status)
{
    struct raft_io_append *outer = w->outer;
    raft_io_append_cb cb = w->cb;
    write_unlink(w);
    free(w);
    cb(outer, status);
}

static void append_cb(struct raft_io_append *req, int status)
{
    struct raft_write *w = (struct raft_write *)((char *)req - offsetof(struct raft_write, req));
    struct raft_node *node = w->node;
    if (node->phase != RAFT_PHASE_UP) {
        write_finish(w, RAFT_CANCELED);
        return;
    }
    if (node->failed || status != 0) {
        w->failed = true;
        if (status != 0)
            raft_life_fail(node, status == RAFT_NOSPACE ? RAFT_TROUBLE_FULL : RAFT_TROUBLE_IO,
                           "the log cannot be written: %s", raft_strerror(status));
        return;
    }
    raft_node_enter(node);
    raft_life_wrote(node, w->start_us);
    write_finish(w, 0);
    raft_node_refresh(node);
}

static int io_append(struct raft_io *io, struct raft_io_append *req,
                     const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct raft_node *node = node_of(io);
    struct raft_write *w = calloc(1, sizeof *w);
    int rv;
    if (w == NULL)
        abort(); /* an error would leave libraft's log and the disk's apart */
    *w = (struct raft_write){.outer = req,
                             .cb = cb,
                             .node = node,
                             .start_us = raft_now_us(node),
                             .failed = node->failed,
                             .next = node->writes};
    node->writes = w;
    if (node->failed)
        return 0;
    rv = node->disk.append(io, &w->req, entries, n, append_cb);
    if (rv != 0) {
        w->failed = true;
        raft_life_fail(node, rv == RAFT_NOSPACE ? RAFT_TROUBLE_FULL : RAFT_TROUBLE_IO,
                       "the log cannot be written: %s", raft_strerror(rv));
    }
    return 0;
}

static int io_truncate(struct raft_io *io, raft_index index)
{
    struct raft_node *node = node_of(io);
    int rv = node->failed ? 0 : node->disk.truncate(io, index);
    if (rv != 0)
        raft_life_fail(node, RAFT_TROUBLE_IO, "the log cannot be truncated: %s", raft_strerror(rv));
    return 0;
}

/* --- snapshots --- */

static void put_cb(struct raft_io_snapshot_put *req, int status)
{
    struct raft_put *put = (struct raft_put *)((char *)req - offsetof(struct raft_put, req));
    struct raft_node *node = (struct raft_node *)((char *)put - offsetof(struct raft_node, put));
    if (node->phase != RAFT_PHASE_UP) {
        put->busy = false;
        put->cb(put->outer, RAFT_CANCELED);
        return;
    }
    if (node->failed || status != 0) {
        put->failed = true;
        if (status != 0)
            raft_life_fail(node, RAFT_TROUBLE_IO, "a snapshot cannot be written: %s",
                           raft_strerror(status));
        return;
    }
    raft_node_enter(node);
    put->busy = false;
    put->cb(put->outer, 0);
    raft_node_refresh(node);
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
                           const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    struct raft_node *node = node_of(io);
    int rv;
    assert(!node->put.busy);
    node->put = (struct raft_put){.outer = req,
                                  .cb = cb,
                                  .start_us = raft_now_us(node),
                                  .busy = true,
                                  .failed = node->failed};
    if (node->failed)
        return 0;
    rv = node->disk.snapshot_put(io, trailing, &node->put.req, snapshot, put_cb);
    if (rv != 0) {
        node->put.failed = true;
        raft_life_fail(node, RAFT_TROUBLE_IO, "a snapshot cannot be written: %s",
                       raft_strerror(rv));
    }
    return 0;
}

struct read_request {
    struct raft_io_snapshot_get req;
    struct raft_io_snapshot_get *outer;
    raft_io_snapshot_get_cb cb;
    struct raft_node *node;
};

static void get_cb(struct raft_io_snapshot_get *req, struct raft_snapshot *snapshot, int status)
{
    struct read_request *r =
        (struct read_request *)((char *)req - offsetof(struct read_request, req));
    struct raft_node *node = r->node;
    if (status == 0) {
        node->snapshot_read.index = snapshot->index;
        node->snapshot_read.term = snapshot->term;
        r->cb(r->outer, snapshot, 0);
    } else if (raft_is_up(node)) {
        raft_life_fail(node, RAFT_TROUBLE_IO, "a snapshot cannot be read: %s",
                       raft_strerror(status));
    }
    free(r);
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req,
                           raft_io_snapshot_get_cb cb)
{
    struct raft_node *node = node_of(io);
    struct read_request *r = calloc(1, sizeof *r);
    int rv = RAFT_NOMEM;
    if (r != NULL) {
        *r = (struct read_request){.outer = req, .cb = cb, .node = node};
        rv = node->failed ? 0 : node->disk.snapshot_get(io, &r->req, get_cb);
    }
    if (rv != 0)
        raft_life_fail(node, RAFT_TROUBLE_IO, "a snapshot cannot be read: %s", raft_strerror(rv));
    if (rv != 0 || node->failed)
        free(r);
    return 0;
}

/* --- messages --- */

static enum arbiter_kind kind_of(enum raft_message_type type)
{
    switch (type) {
    case RAFT_REQUEST_VOTE:
        return ARBITER_REQUEST_VOTE;
    case RAFT_REQUEST_VOTE_RESULT:
        return ARBITER_REQUEST_VOTE_RESULT;
    case RAFT_APPEND_ENTRIES:
        return ARBITER_APPEND_ENTRIES;
    case RAFT_APPEND_ENTRIES_RESULT:
        return ARBITER_APPEND_ENTRIES_RESULT;
    case RAFT_INSTALL_SNAPSHOT:
        return ARBITER_INSTALL_SNAPSHOT;
    case RAFT_TIMEOUT_NOW:
        return ARBITER_TIMEOUT_NOW;
    }
    return ARBITER_KIND_COUNT;
}

struct arbiter_message raft_io_describe(const struct raft_message *m)
{
    struct arbiter_message d = {.kind = kind_of(m->type)};
    switch (m->type) {
    case RAFT_REQUEST_VOTE:
        d.term = m->request_vote.term;
        d.pre_vote = m->request_vote.pre_vote;
        d.disrupt = m->request_vote.disrupt_leader;
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        d.term = m->request_vote_result.term;
        d.pre_vote = m->request_vote_result.pre_vote;
        d.granted = m->request_vote_result.vote_granted;
        break;
    case RAFT_APPEND_ENTRIES:
        d.term = m->append_entries.term;
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        d.term = m->append_entries_result.term;
        break;
    case RAFT_INSTALL_SNAPSHOT:
        d.term = m->install_snapshot.term;
        break;
    case RAFT_TIMEOUT_NOW:
        d.term = m->timeout_now.term;
        break;
    }
    return d;
}

static void leave(struct raft_node *node, unsigned to, struct raft_message *m,
                  const struct arbiter_message *d)
{
    struct raft_frame f = {.entry_format = node->cfg.entry_format,
                           .echo_term = node->echo[to].term,
                           .echo_nonce = node->echo[to].nonce};
    bool leaders = d->kind == ARBITER_APPEND_ENTRIES || d->kind == ARBITER_INSTALL_SNAPSHOT ||
                   d->kind == ARBITER_TIMEOUT_NOW;
    size_t len = 0;
    int err;
    if (leaders) {
        /* A snapshot that was being read while the leadership was lost. */
        if (!node->lease.is_leader || node->lease.term != d->term)
            return;
        f.term = d->term;
        f.nonce = arbiter_lease_nonce(&node->lease, to, raft_now_us(node));
    }
    if (d->kind == ARBITER_TIMEOUT_NOW)
        arbiter_transfer_sent(&node->transfer, to, f.nonce);
    if (d->kind == ARBITER_INSTALL_SNAPSHOT &&
        m->install_snapshot.last_index == node->snapshot_read.index)
        m->install_snapshot.last_term = node->snapshot_read.term;
    err = raft_codec_encode(&f, m, node->frame, sizeof node->frame, &len);
    if (err != 0) {
        LOG(&node->cfg.log, ERROR, "raft-frame-refused",
            "a message cannot be encoded node=%u kind=%d error=\"%s\"", to, (int)m->type,
            err_text(err));
        return;
    }
    (void)node->cfg.callbacks.send(node->cfg.callbacks.data, to, node->frame, len);
}

/*
 * libraft answers a pre-vote under the term that was asked for, whatever its own is. A candidate
 * whose log is longer but whose term is behind by two or more would never learn that, refuse the
 * others for their logs and be refused for its term, for ever.
 */
static void tell_own_term(const struct raft_node *node, struct raft_message *m)
{
    struct raft_request_vote_result *r = &m->request_vote_result;
    if (m->type == RAFT_REQUEST_VOTE_RESULT && r->pre_vote && !r->vote_granted &&
        r->term < node->durable_term)
        r->term = node->durable_term;
}

static int io_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *message,
                   raft_io_send_cb cb)
{
    struct raft_node *node = node_of(io);
    struct raft_message m = *message;
    struct arbiter_message d;
    struct arbiter_situation s = raft_node_situation(node);
    unsigned to = (unsigned)(m.server_id - 1);
    req->cb = cb;
    tell_own_term(node, &m);
    d = raft_io_describe(&m);
    if (raft_is_up(node) && to < node->cfg.n_nodes) {
        raft_node_processed(node);
        if (arbiter_vote_outgoing(&node->vote, &s, &d, raft_now_us(node)) == ARBITER_PASS)
            leave(node, to, &m, &d);
    }
    /* While closing nobody would complete it later; nor does libraft look at it again. */
    if (node->phase != RAFT_PHASE_UP || node->n_sends == RAFT_SENDS_MAX) {
        cb(req, RAFT_CANCELED);
        return 0;
    }
    node->sends[node->n_sends++] = req;
    raft_node_soon(node);
    return 0;
}

void raft_io_complete_sends(struct raft_node *node, int status)
{
    unsigned n = node->n_sends;
    for (unsigned i = 0; i < n; i++)
        node->sends[i]->cb(node->sends[i], status);
    assert(node->n_sends == n); /* a completion only releases memory */
    node->n_sends = 0;
}

/* --- close --- */

static void io_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct raft_node *node = node_of(io);
    struct raft_write *next;
    raft_io_complete_sends(node, RAFT_CANCELED);
    for (struct raft_write *w = node->writes; w != NULL; w = next) {
        next = w->next;
        if (w->failed)
            write_finish(w, RAFT_CANCELED);
    }
    if (node->put.busy && node->put.failed) {
        node->put.busy = false;
        node->put.cb(node->put.outer, RAFT_CANCELED);
    }
    node->disk.close(io, cb);
}

void raft_io_decorate(struct raft_node *node)
{
    struct raft_io *io = &node->io;
    node->disk = *io;
    io->close = io_close;
    io->load = io_load;
    io->start = io_start;
    io->set_term = io_set_term;
    io->set_vote = io_set_vote;
    io->send = io_send;
    io->append = io_append;
    io->truncate = io_truncate;
    io->snapshot_put = io_snapshot_put;
    io->snapshot_get = io_snapshot_get;
    io->time = io_time;
    io->random = io_random;
}
