/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/store.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *copy_of(const void *bytes, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);
    assert(copy != NULL);
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

/* What libraft will free. */
static void *raft_copy_of(const void *bytes, size_t len)
{
    void *copy = raft_malloc(len > 0 ? len : 1);
    assert(copy != NULL);
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

/* ---- snapshots ---- */

void sim_snapshot_copy(struct sim_snapshot *to, const struct raft_snapshot *from)
{
    int rv = raft_configuration_encode(&from->configuration, &to->conf);
    assert(rv == 0 && from->n_bufs == 1);
    to->index = from->index;
    to->term = from->term;
    to->conf_index = from->configuration_index;
    to->data.len = from->bufs[0].len;
    to->data.base = copy_of(from->bufs[0].base, from->bufs[0].len);
}

void sim_snapshot_release(struct sim_snapshot *s)
{
    raft_free(s->conf.base); /* made by libraft */
    free(s->data.base);
    *s = (struct sim_snapshot){0};
}

struct raft_snapshot *sim_snapshot_load(const struct sim_snapshot *from)
{
    struct raft_snapshot *s = raft_calloc(1, sizeof *s);
    int rv;
    assert(s != NULL);
    s->index = from->index;
    s->term = from->term;
    s->configuration_index = from->conf_index;
    rv = raft_configuration_decode(&from->conf, &s->configuration);
    assert(rv == 0);
    s->bufs = raft_malloc(sizeof *s->bufs);
    assert(s->bufs != NULL);
    s->n_bufs = 1;
    s->bufs[0].len = from->data.len;
    s->bufs[0].base = raft_copy_of(from->data.base, from->data.len);
    return s;
}

/* ---- log ---- */

void sim_entry_copy(struct sim_entry *to, const struct raft_entry *from)
{
    *to = (struct sim_entry){.term = from->term,
                             .type = from->type,
                             .len = from->buf.len,
                             .bytes = copy_of(from->buf.base, from->buf.len)};
}

raft_index sim_store_last(const struct sim_store *s)
{
    return s->first + s->n - 1;
}

static void cut_head(struct sim_store *s, unsigned n)
{
    assert(n <= s->n);
    for (unsigned i = 0; i < n; i++)
        free(s->entries[i].bytes);
    memmove(s->entries, s->entries + n, (s->n - n) * sizeof *s->entries);
    s->first += n;
    s->n -= n;
}

static void cut_tail(struct sim_store *s, unsigned n)
{
    assert(n <= s->n);
    for (unsigned i = s->n - n; i < s->n; i++)
        free(s->entries[i].bytes);
    s->n -= n;
}

void sim_store_append(struct sim_store *s, struct sim_entry *entries, unsigned n)
{
    if (s->n + n > s->size) {
        s->size = 2 * (s->n + n);
        s->entries = realloc(s->entries, s->size * sizeof *s->entries);
        assert(s->entries != NULL);
    }
    for (unsigned i = 0; i < n; i++) {
        s->entries[s->n++] = entries[i];
        entries[i].bytes = NULL;
    }
}

void sim_store_truncate(struct sim_store *s, raft_index index)
{
    if (index <= sim_store_last(s))
        cut_tail(s, (unsigned)(sim_store_last(s) + 1 - index));
}

void sim_store_snapshot(struct sim_store *s, struct sim_snapshot *snapshot, unsigned trailing)
{
    raft_index index = snapshot->index;
    sim_snapshot_release(&s->snapshot);
    s->snapshot = *snapshot;
    *snapshot = (struct sim_snapshot){0};
    if (trailing == 0) {
        cut_tail(s, s->n);
        s->first = index + 1;
    } else if (index >= trailing && index + 1 - trailing > s->first) {
        cut_head(s, (unsigned)(index + 1 - trailing - s->first));
    }
}

struct raft_entry *sim_store_load(const struct sim_store *s)
{
    struct raft_entry *entries;
    size_t len = 0;
    uint8_t *at;
    if (s->n == 0)
        return NULL;
    for (unsigned i = 0; i < s->n; i++)
        len += s->entries[i].len;
    entries = raft_calloc(s->n, sizeof *entries);
    at = raft_malloc(len > 0 ? len : 1);
    assert(entries != NULL && at != NULL);
    entries[0].batch = at;
    for (unsigned i = 0; i < s->n; i++) {
        const struct sim_entry *from = &s->entries[i];
        entries[i].term = from->term;
        entries[i].type = (enum raft_entry_type)from->type;
        entries[i].buf = (struct raft_buffer){.base = at, .len = from->len};
        entries[i].batch = entries[0].batch;
        memcpy(at, from->bytes, from->len);
        at += from->len;
    }
    return entries;
}

void sim_store_init(struct sim_store *s)
{
    *s = (struct sim_store){.first = 1};
}

void sim_store_release(struct sim_store *s)
{
    cut_tail(s, s->n);
    free(s->entries);
    sim_snapshot_release(&s->snapshot);
    sim_store_init(s);
}
