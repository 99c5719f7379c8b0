/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two objects: the disk, which lasts, and the session of one user, which is what io->impl is. A
 * session whose user has died has no disk any more.
 *
 * Happy path of a write: it is queued with a copy of its bytes; when its time has come it becomes
 * durable, whether its user runs or not, and moves to the list of those that have ended; the user
 * is told, and calls sim_disk_deliver() when it runs.
 */
#include "sim/disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/store.h"
#include "util/prng.h"

#define BASE_MIN_US 100
#define BASE_MAX_US 2000
#define SPIKE_PERMILLE 5 /* of writes that take ten times as long */
#define CAPACITY_KIB 4096

enum op_kind { OP_APPEND, OP_TRUNCATE, OP_PUT, OP_GET };

struct op {
    struct op *next;
    enum op_kind kind;
    int status;
    union {
        struct raft_io_append *append;
        struct raft_io_snapshot_put *put;
        struct raft_io_snapshot_get *get;
    } req;
    raft_index index; /* TRUNCATE */
    unsigned trailing;
    unsigned n;
    struct sim_entry *entries;
    struct sim_snapshot snapshot;
};

struct session {
    struct sim_disk *disk;  /* NULL: its user has died */
    struct sim_disk *shelf; /* the same, for reading only, also then */
    struct raft_io *io;
    struct sim_disk_user user;
    raft_io_tick_cb tick;
    raft_io_close_cb close;
    bool closing;
    int broken;      /* the first failure: nothing that was asked for later is written */
    raft_index next; /* of the log, when everything that is asked for is done */
    bool told;       /* the user knows that something has ended */
    struct op *todo; /* in order */
    struct op *done;
};

struct sim_disk {
    struct sim_timers *timers;
    struct prng prng;
    struct sim_timer timer; /* the first of `todo` ends */
    struct session *session;
    int64_t base_us;
    int64_t more_us;
    bool fails;
    bool is_full;

    struct sim_store store;
    /* Before the write that ends at sync_us. */
    int64_t sync_us;
    raft_term old_term;
    raft_id old_voted_for;
};

static void release_op(struct op *op)
{
    for (unsigned i = 0; i < op->n; i++)
        free(op->entries[i].bytes);
    free(op->entries);
    sim_snapshot_release(&op->snapshot);
    free(op);
}

/* A part of an append: its first n entries; anything else as a whole. */
static void store(struct sim_disk *d, struct op *op, unsigned n)
{
    switch (op->kind) {
    case OP_APPEND:
        sim_store_append(&d->store, op->entries, n);
        return;
    case OP_TRUNCATE:
        sim_store_truncate(&d->store, op->index);
        return;
    case OP_PUT:
        sim_store_snapshot(&d->store, &op->snapshot, op->trailing);
        return;
    case OP_GET:
        return;
    }
}

/* ---- time ---- */

static int64_t latency_us(struct sim_disk *d)
{
    int64_t us = d->base_us / 2 + (int64_t)prng_below(&d->prng, (uint64_t)d->base_us);
    if (prng_below(&d->prng, 1000) < SPIKE_PERMILLE)
        us *= 10;
    return us + d->more_us;
}

static void tell(struct session *s)
{
    if (s->told || s->disk == NULL)
        return;
    s->told = true;
    s->user.ready(s->user.data);
}

static void append_to(struct op **list, struct op *op)
{
    while (*list != NULL)
        list = &(*list)->next;
    op->next = NULL;
    *list = op;
}

static void begin_next(struct sim_disk *d)
{
    const struct session *s = d->session;
    if (s->todo != NULL && !sim_timer_is_set(&d->timer))
        sim_timer_set(d->timers, &d->timer, d->timers->now_us + latency_us(d));
}

static bool happens(struct sim_disk *d)
{
    return prng_below(&d->prng, 2) == 0;
}

/* The first operation has ended. */
static void on_time(void *data)
{
    struct sim_disk *d = data;
    struct session *s = d->session;
    struct op *op = s->todo;
    bool writes = op->kind != OP_GET;
    s->todo = op->next;
    if (writes && s->broken != 0)
        op->status = s->broken;
    else if (writes && d->is_full && op->kind != OP_TRUNCATE)
        op->status = RAFT_NOSPACE;
    else if (writes && d->fails)
        op->status = RAFT_IOERR;
    if (op->status == 0 || (s->broken == 0 && op->status == RAFT_IOERR && happens(d)))
        store(d, op, op->n);
    if (writes)
        s->broken = op->status;
    append_to(&s->done, op);
    tell(s);
    begin_next(d);
}

static void submit(struct session *s, struct op *op)
{
    append_to(&s->todo, op);
    if (s->disk != NULL)
        begin_next(s->disk);
}

static struct op *new_op(enum op_kind kind)
{
    struct op *op = calloc(1, sizeof *op);
    assert(op != NULL);
    op->kind = kind;
    return op;
}

/* ---- term and vote ---- */

static int io_load(struct raft_io *io, raft_term *term, raft_id *voted_for,
                   struct raft_snapshot **snapshot, raft_index *start_index,
                   struct raft_entry *entries[], size_t *n_entries)
{
    const struct session *s = io->impl;
    const struct sim_disk *d = s->disk;
    if (d == NULL)
        return RAFT_IOERR;
    *term = d->store.term;
    *voted_for = d->store.voted_for;
    *snapshot = d->store.snapshot.index != 0 ? sim_snapshot_load(&d->store.snapshot) : NULL;
    *start_index = d->store.first;
    *n_entries = d->store.n;
    *entries = sim_store_load(&d->store);
    return 0;
}

/* Blocks the user; nothing that it does from then on happens before the write has ended. */
static int io_sync(struct session *s, raft_term term, raft_id voted_for)
{
    struct sim_disk *d = s->disk;
    int64_t us;
    if (d == NULL)
        return 0;
    if (d->sync_us <= d->timers->now_us) {
        d->sync_us = d->timers->now_us;
        d->old_term = d->store.term;
        d->old_voted_for = d->store.voted_for;
    }
    us = latency_us(d);
    d->sync_us += us;
    s->user.block(s->user.data, us);
    if (!d->fails || happens(d)) {
        d->store.term = term;
        d->store.voted_for = voted_for;
    }
    if (d->fails)
        (void)snprintf(s->io->errmsg, sizeof s->io->errmsg, "the disk fails");
    return d->fails ? RAFT_IOERR : 0;
}

static int io_set_term(struct raft_io *io, raft_term term)
{
    return io_sync(io->impl, term, 0);
}

static int io_set_vote(struct raft_io *io, raft_id voted_for)
{
    struct session *s = io->impl;
    return io_sync(s, s->disk != NULL ? s->disk->store.term : 0, voted_for);
}

/* ---- log and snapshots ---- */

static int io_append(struct raft_io *io, struct raft_io_append *req,
                     const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct session *s = io->impl;
    struct op *op = new_op(OP_APPEND);
    s->next += n;
    req->cb = cb;
    op->req.append = req;
    op->entries = calloc(n, sizeof *op->entries);
    assert(op->entries != NULL && n > 0);
    op->n = n;
    for (unsigned i = 0; i < n; i++)
        sim_entry_copy(&op->entries[i], &entries[i]);
    submit(s, op);
    return 0;
}

/* libraft asks before every append; mostly there is nothing to do. */
static int io_truncate(struct raft_io *io, raft_index index)
{
    struct session *s = io->impl;
    struct op *op;
    if (index >= s->next)
        return 0;
    op = new_op(OP_TRUNCATE);
    op->index = s->next = index;
    submit(s, op);
    return 0;
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
                           const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    struct session *s = io->impl;
    struct op *op = new_op(OP_PUT);
    sim_snapshot_copy(&op->snapshot, snapshot);
    req->cb = cb;
    op->req.put = req;
    op->trailing = trailing;
    if (trailing == 0)
        s->next = snapshot->index + 1;
    submit(s, op);
    return 0;
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req,
                           raft_io_snapshot_get_cb cb)
{
    struct op *op = new_op(OP_GET);
    req->cb = cb;
    op->req.get = req;
    submit(io->impl, op);
    return 0;
}

/* ---- back to libraft ---- */

/* The snapshot that is there now, as the real one does it; also while closing, when libraft would
 * lose memory over a failure. */
static void give_snapshot(struct session *s, struct op *op)
{
    const struct sim_snapshot *from = &s->shelf->store.snapshot;
    if (from->index != 0)
        op->req.get->cb(op->req.get, sim_snapshot_load(from), 0);
    else
        op->req.get->cb(op->req.get, NULL, RAFT_NOTFOUND);
}

static void give(struct session *s, struct op *op)
{
    int status = s->closing ? RAFT_CANCELED : op->status;
    switch (op->kind) {
    case OP_APPEND:
        op->req.append->cb(op->req.append, status);
        break;
    case OP_PUT:
        op->req.put->cb(op->req.put, status);
        break;
    case OP_GET:
        give_snapshot(s, op);
        break;
    case OP_TRUNCATE:
        break;
    }
    release_op(op);
}

static void give_all(struct session *s, struct op **list)
{
    while (*list != NULL) {
        struct op *op = *list;
        *list = op->next;
        give(s, op);
    }
}

/* Of a truncation nobody is told; if it failed, what comes after it fails. */
void sim_disk_deliver(struct raft_io *io)
{
    struct session *s = io->impl;
    s->told = false;
    give_all(s, &s->done);
    if (!s->closing || (s->todo != NULL && s->disk != NULL))
        return;
    give_all(s, &s->todo);
    if (s->close != NULL) {
        raft_io_close_cb cb = s->close;
        s->close = NULL;
        cb(io);
    }
}

void sim_disk_tick(struct raft_io *io)
{
    struct session *s = io->impl;
    if (s->tick != NULL)
        s->tick(io);
}

/* ---- life ---- */

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io;
    (void)id;
    (void)address;
    return 0;
}

static int io_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    struct session *s = io->impl;
    (void)recv;
    s->tick = tick;
    if (s->disk != NULL)
        s->user.ticks(s->user.data, msecs);
    return 0;
}

/* Only the first of `todo` has been begun. */
static void io_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct session *s = io->impl;
    struct op **rest = s->todo != NULL && s->disk != NULL ? &s->todo->next : &s->todo;
    struct op *op;
    s->closing = true;
    s->tick = NULL;
    s->close = cb;
    if (s->disk != NULL)
        s->user.ticks(s->user.data, 0);
    while ((op = *rest) != NULL) {
        *rest = op->next;
        append_to(&s->done, op);
    }
    if (s->disk == NULL)
        sim_disk_deliver(io);
    else if (s->todo == NULL)
        tell(s);
}

static int io_no_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
    (void)io;
    (void)conf;
    return RAFT_CANTBOOTSTRAP;
}

int sim_disk_open(struct sim_disk *d, const struct sim_disk_user *user, struct raft_io *io,
                  struct errmsg *msg)
{
    struct session *s;
    assert(d->session == NULL);
    if (d->is_full)
        return errmsg_set(msg, ERR_NOSPC, "no space left on the disk");
    s = calloc(1, sizeof *s);
    assert(s != NULL);
    s->disk = s->shelf = d;
    s->next = sim_store_last(&d->store) + 1;
    s->io = io;
    s->user = *user;
    d->session = s;
    *io = (struct raft_io){.version = 1,
                           .capacity = CAPACITY_KIB,
                           .impl = s,
                           .init = io_init,
                           .close = io_close,
                           .load = io_load,
                           .start = io_start,
                           .bootstrap = io_no_bootstrap,
                           .recover = io_no_bootstrap,
                           .set_term = io_set_term,
                           .set_vote = io_set_vote,
                           .append = io_append,
                           .truncate = io_truncate,
                           .snapshot_put = io_snapshot_put,
                           .snapshot_get = io_snapshot_get};
    return 0;
}

void sim_disk_close(struct raft_io *io)
{
    struct session *s = io->impl;
    assert(s->todo == NULL && s->done == NULL);
    if (s->disk != NULL)
        s->disk->session = NULL;
    free(s);
    io->impl = NULL;
}

void sim_disk_crash(struct sim_disk *d, bool power)
{
    struct session *s = d->session;
    bool goes_on = true;
    if (power && d->sync_us > d->timers->now_us && happens(d)) {
        d->store.term = d->old_term;
        d->store.voted_for = d->old_voted_for;
    }
    d->sync_us = d->timers->now_us;
    sim_timer_stop(d->timers, &d->timer);
    if (s == NULL)
        return;
    for (struct op *op = s->todo; op != NULL && goes_on; op = op->next) {
        unsigned n = (unsigned)prng_below(&d->prng, op->n + 1);
        goes_on = happens(d) && !d->fails && !d->is_full && s->broken == 0;
        if (goes_on || (op->kind == OP_APPEND && s->broken == 0))
            store(d, op, goes_on ? op->n : n);
    }
    s->disk = NULL;
    d->session = NULL;
}

struct sim_disk *sim_disk_new(struct sim_timers *timers, uint64_t seed)
{
    struct sim_disk *d = calloc(1, sizeof *d);
    assert(d != NULL);
    d->timers = timers;
    d->prng.state = seed;
    d->base_us = BASE_MIN_US + (int64_t)prng_below(&d->prng, BASE_MAX_US - BASE_MIN_US);
    sim_store_init(&d->store);
    sim_timer_init(&d->timer, on_time, d);
    return d;
}

void sim_disk_free(struct sim_disk *d)
{
    if (d == NULL)
        return;
    assert(d->session == NULL);
    sim_timer_stop(d->timers, &d->timer);
    sim_store_release(&d->store);
    free(d);
}

void sim_disk_bootstrap(struct sim_disk *d, const struct raft_configuration *conf)
{
    struct raft_entry first = {.term = 1, .type = RAFT_CHANGE};
    struct sim_entry copy;
    int rv = raft_configuration_encode(conf, &first.buf);
    assert(rv == 0 && d->store.term == 0);
    sim_entry_copy(&copy, &first);
    raft_free(first.buf.base);
    d->store.term = 1;
    sim_store_append(&d->store, &copy, 1);
}

/* ---- faults ---- */

void sim_disk_slow(struct sim_disk *d, int64_t more_us)
{
    d->more_us = more_us;
}

void sim_disk_fail(struct sim_disk *d, bool fails)
{
    d->fails = fails;
}

void sim_disk_full(struct sim_disk *d, bool is_full)
{
    d->is_full = is_full;
    if (d->session != NULL)
        d->session->io->capacity = is_full ? 0 : CAPACITY_KIB;
}

bool sim_disk_has_space(const struct sim_disk *d)
{
    return !d->is_full;
}

int64_t sim_disk_more_us(const struct sim_disk *d)
{
    return d->more_us;
}

bool sim_disk_works(const struct sim_disk *d)
{
    return !d->is_full && !d->fails;
}

/* ---- what is durable ---- */

raft_index sim_disk_first_index(const struct sim_disk *d)
{
    return d->store.first;
}

raft_index sim_disk_last_index(const struct sim_disk *d)
{
    return sim_store_last(&d->store);
}

raft_index sim_disk_snapshot_index(const struct sim_disk *d)
{
    return d->store.snapshot.index;
}

raft_term sim_disk_term(const struct sim_disk *d, raft_id *ret_voted_for)
{
    *ret_voted_for = d->store.voted_for;
    return d->store.term;
}
