/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions, ordered lists of them, and the books of GTIDs that servers keep. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world_private.h"

#define LIST_MIN 1024
#define HASH_ODD 0x9e3779b97f4a7c15u

static void *grown(void *list, unsigned *cap, size_t size)
{
    *cap = *cap == 0 ? LIST_MIN : *cap * 2;
    list = realloc(list, size * *cap);
    assert(list != NULL);
    return list;
}

uint64_t sim_hash(uint64_t x)
{
    x = (x ^ (x >> 31)) * HASH_ODD;
    return (x ^ (x >> 29)) * HASH_ODD;
}

/* ---- transactions ---- */

uint32_t sim_txn_new(struct world *w, unsigned server, uint64_t number, int kind)
{
    struct txns *t = &w->txns;
    if (t->count == t->cap)
        t->list = grown(t->list, &t->cap, sizeof *t->list);
    t->list[t->count] = (struct txn){
        .number = number, .server = (uint8_t)server, .kind = (uint8_t)kind, .made_us = w->now_us};
    return t->count++;
}

struct txn *sim_txn(const struct world *w, uint32_t id)
{
    assert(id < w->txns.count);
    return &w->txns.list[id];
}

struct gtid sim_gtid(const struct world *w, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    struct gtid g = {.flavour = w->mariadb ? GTID_MARIADB : GTID_MYSQL, .number = t->number};
    if (w->mariadb)
        g.server_id = t->server + 1u;
    else
        g.uuid[15] = (uint8_t)(t->server + 1);
    return g;
}

/* ---- bits ---- */

bool bits_has(const struct bits *b, uint64_t i)
{
    return i / 64 < b->n_words && (b->word[i / 64] >> (i % 64) & 1) != 0;
}

void bits_put(struct bits *b, uint64_t i, bool on)
{
    if (i / 64 >= b->n_words) {
        unsigned n = b->n_words == 0 ? 64 : b->n_words;
        while (i / 64 >= n)
            n *= 2;
        b->word = realloc(b->word, sizeof *b->word * n);
        assert(b->word != NULL);
        memset(&b->word[b->n_words], 0, sizeof *b->word * (n - b->n_words));
        b->n_words = n;
    }
    if (on)
        b->word[i / 64] |= (uint64_t)1 << (i % 64);
    else
        b->word[i / 64] &= ~((uint64_t)1 << (i % 64));
}

static void bits_clear(struct bits *b)
{
    if (b->n_words > 0)
        memset(b->word, 0, sizeof *b->word * b->n_words);
}

/* ---- lists ---- */

void list_add(struct txn_list *l, uint32_t id, bool synced)
{
    if (l->count == l->cap)
        l->id = grown(l->id, &l->cap, sizeof *l->id);
    l->id[l->count++] = id;
    if (synced)
        l->synced = l->count;
}

void list_cut(struct txn_list *l, unsigned count)
{
    l->count = count;
    l->syncing = 0;
    if (l->synced > count)
        l->synced = count;
}

/* What is written while a sync runs waits for the next. */
bool list_sync(struct txn_list *l, int64_t now_us, int64_t takes_us)
{
    if (l->synced == l->count)
        return false;
    if (l->syncing <= l->synced) {
        l->syncing = l->count;
        l->sync_us = now_us + takes_us;
    }
    if (now_us < l->sync_us)
        return false;
    l->synced = l->syncing;
    return true;
}

/* ---- books ---- */

void book_init(struct gtid_book *b, bool mariadb)
{
    gtid_init(&b->set, mariadb ? GTID_MARIADB_STATE : GTID_MYSQL);
    for (unsigned i = 0; i < NODES_MAX; i++)
        bits_clear(&b->number[i]);
    memset(b->last, 0, sizeof b->last);
    b->any = false;
}

void book_free(struct gtid_book *b)
{
    for (unsigned i = 0; i < NODES_MAX; i++)
        free(b->number[i].word);
}

void book_add(const struct world *w, struct gtid_book *b, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    struct gtid g = sim_gtid(w, id);
    int err;
    if (t->anonymous)
        return;
    err = gtid_add(&b->set, &g);
    assert(err == 0);
    if (!w->mariadb)
        bits_put(&b->number[t->server], t->number, true);
    if (t->number > b->last[t->server])
        b->last[t->server] = t->number;
    b->any = true;
    b->pos = g;
}

bool book_has(const struct world *w, const struct gtid_book *b, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    return w->mariadb ? b->last[t->server] >= t->number
                      : bits_has(&b->number[t->server], t->number);
}

uint64_t book_max(const struct gtid_book *b)
{
    uint64_t max = 0;
    for (unsigned i = 0; i < NODES_MAX; i++)
        max = b->last[i] > max ? b->last[i] : max;
    return max;
}

/* ---- what a server holds ---- */

bool sim_holds(const struct server *s, uint32_t id)
{
    return bits_has(&s->data, id);
}

static uint64_t book_key(const struct world *w, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    return sim_hash(t->number * NODES_MAX + t->server + 1);
}

void sim_data_add(const struct world *w, struct server *s, uint32_t id)
{
    if (bits_has(&s->data, id))
        return;
    bits_put(&s->data, id, true);
    s->data_hash ^= sim_hash(id + 1);
    s->book_hash ^= book_key(w, id);
}

void sim_data_drop(struct server *s, uint32_t id)
{
    if (!bits_has(&s->data, id))
        return;
    bits_put(&s->data, id, false);
    s->data_hash ^= sim_hash(id + 1);
}

/* The binlog ends before `count` from now on; the books are made anew from what is left. What the
 * engine has committed stays in its tables. */
void sim_binlog_cut(const struct world *w, struct server *s, unsigned count)
{
    for (unsigned i = count; i < s->committed; i++)
        s->book_hash ^= book_key(w, s->binlog.id[i]);
    list_cut(&s->binlog, count);
    if (s->committed > count)
        s->committed = count;
    book_init(&s->book, w->mariadb);
    for (unsigned i = 0; i < (w->mariadb ? s->binlog.count : s->committed); i++)
        book_add(w, &s->book, s->binlog.id[i]);
}

/* In the binlog, committed or not. */
bool sim_in_binlog(const struct server *s, uint32_t id)
{
    if (bits_has(&s->data, id))
        return true;
    for (unsigned i = s->binlog.count; i > s->committed; i--) {
        if (s->binlog.id[i - 1] == id)
            return true;
    }
    return false;
}

bool sim_is_covered(const struct server *s, const struct server *o)
{
    if (s->data_hash == o->data_hash)
        return true;
    for (unsigned i = 0; i < s->data.n_words; i++) {
        uint64_t theirs = i < o->data.n_words ? o->data.word[i] : 0;
        for (uint64_t left = s->data.word[i] & ~theirs; left != 0; left &= left - 1) {
            if (!sim_in_binlog(o, i * 64 + (uint32_t)__builtin_ctzll(left)))
                return false;
        }
    }
    return true;
}

/* On its disk: binlog or a relay log. */
bool sim_has(const struct server *s, uint32_t id)
{
    if (sim_in_binlog(s, id))
        return true;
    for (unsigned c = 0; c < CHANNELS; c++) {
        const struct channel *ch = &s->channel[c];
        for (unsigned i = ch->relay.count; i > ch->applied; i--) {
            if (ch->relay.id[i - 1] == id)
                return true;
        }
    }
    return false;
}

/* Everything on its disk is a copy from now on; it follows nobody. */
void sim_server_replace(const struct world *w, struct server *s, const struct txn_list *data)
{
    bits_clear(&s->data);
    s->data_hash = s->book_hash = 0;
    list_cut(&s->binlog, 0);
    s->committed = s->file_start = 0;
    s->cut = false;
    book_init(&s->book, w->mariadb);
    for (unsigned i = 0; i < data->count; i++) {
        list_add(&s->binlog, data->id[i], /* synced= */ true);
        s->committed++;
        sim_data_add(w, s, data->id[i]);
        book_add(w, &s->book, data->id[i]);
    }
    s->have_slave_pos = s->book.any;
    s->slave_pos = s->book.pos;
    memset(s->acked, 0, sizeof s->acked);
    for (unsigned c = 0; c < CHANNELS; c++) {
        struct channel *ch = &s->channel[c];
        list_cut(&ch->relay, 0);
        ch->applied = 0;
        ch->made = ch->io = ch->sql = ch->connected = ch->have_io_pos = false;
        ch->io_errno = ch->sql_errno = 0;
        book_init(&ch->retrieved, w->mariadb);
    }
}

void sim_server_free(struct server *s)
{
    free(s->copy.data.id);
    free(s->copy.old.id);
    free(s->binlog.id);
    free(s->data.word);
    book_free(&s->book);
    for (unsigned c = 0; c < CHANNELS; c++) {
        free(s->channel[c].relay.id);
        book_free(&s->channel[c].retrieved);
    }
}
