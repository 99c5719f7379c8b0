/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/record.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

uint32_t history_us(int64_t us)
{
    return us < 0 ? 0 : us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void record_init(struct record *r)
{
    memset(r, 0, sizeof *r);
    r->writer = NODE_NONE;
    r->handover = NODE_NONE;
}

static bool node_is_valid(uint8_t node)
{
    return node < NODES_MAX;
}

/* Needed for a rewind: the one that ended the last epoch of a former writer. */
static bool record_needs(const struct record *r, const struct promotion *p)
{
    unsigned node = p->old_writer;
    return node_is_valid((uint8_t)node) && (r->flags[node] & NODE_FORMER) != 0 &&
           record_promotion_after(r, node) == p;
}

/* A server that was the writer before may give numbers again that a rewind has taken back: whoever
 * still holds the old ones must not reach it. Nothing was cut before the first promotion, and a
 * reopening cuts nothing. */
static void record_mark_unseen(struct record *r, unsigned writer)
{
    if (r->writer == NODE_NONE || r->writer == writer)
        return;
    for (unsigned i = 0; i < NODES_MAX; i++)
        r->flags[i] |= NODE_UNSEEN;
}

/* The oldest that nobody needs makes room; that it was not clean is remembered by those before it.
 */
static void record_drop_promotion(struct record *r)
{
    unsigned victim = 0;
    while (victim < r->n_promotions && record_needs(r, &r->promotions[victim]))
        victim++;
    if (victim == r->n_promotions)
        victim = 0;
    for (unsigned i = 0; i < victim; i++)
        r->promotions[i].clean &= r->promotions[victim].clean;
    memmove(&r->promotions[victim], &r->promotions[victim + 1],
            sizeof r->promotions[0] * (r->n_promotions - victim - 1));
    r->n_promotions--;
}

static void record_push_promotion(struct record *r, const struct entry *e)
{
    struct promotion *p;
    if (r->n_promotions == PROMOTIONS_MAX)
        record_drop_promotion(r);
    p = &r->promotions[r->n_promotions++];
    memset(p, 0, sizeof *p);
    p->epoch = e->epoch;
    p->old_epoch = r->epoch;
    p->writer = e->node;
    p->old_writer = r->writer;
    p->clean = e->flag;
    memcpy(p->seal, e->text, sizeof p->seal);
}

static int record_promote(struct record *r, const struct entry *e)
{
    if (!node_is_valid(e->node) || e->epoch <= r->epoch)
        return ERR_INVAL;
    record_push_promotion(r, e);
    if (r->writer != NODE_NONE && r->writer != e->node)
        r->flags[r->writer] |= NODE_FORMER;
    record_mark_unseen(r, e->node);
    r->flags[e->node] &= ~((uint32_t)(NODE_FORMER | NODE_UNSEEN | NODE_UNPROVEN) | NODE_CURED);
    r->writer = e->node;
    r->epoch = e->epoch;
    r->in_sync = 0;
    memset(r->member, 0, sizeof r->member);
    r->handover = NODE_NONE;
    r->handover_forced = false;
    r->endless = false;
    return 0;
}

static int record_grow(struct record *r, const struct entry *e)
{
    if (!node_is_valid(e->node) || r->writer == NODE_NONE || e->node == r->writer ||
        incarnation_is_none(&e->incarnation))
        return ERR_INVAL;
    r->in_sync |= 1u << e->node;
    r->member[e->node] = e->incarnation;
    return 0;
}

static int record_set_flags(struct record *r, const struct entry *e)
{
    if (!node_is_valid(e->node))
        return ERR_INVAL;
    r->flags[e->node] = (r->flags[e->node] | e->set) & ~e->clear;
    (void)snprintf(r->why[e->node], sizeof r->why[e->node], "%.*s", RECORD_WHY_MAX - 1, e->text);
    return 0;
}

static void record_shrink(struct record *r, uint32_t mask)
{
    r->in_sync &= ~mask;
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if ((mask & (1u << i)) != 0)
            memset(&r->member[i], 0, sizeof r->member[i]);
    }
}

static void record_push_history(struct record *r, const struct history *h)
{
    if (r->n_histories == HISTORIES_MAX) {
        memmove(&r->histories[0], &r->histories[1], sizeof r->histories[0] * (HISTORIES_MAX - 1));
        r->n_histories--;
    }
    r->histories[r->n_histories++] = *h;
}

static int record_change(struct record *r, const struct entry *e)
{
    switch (e->kind) {
    case ENTRY_PROMOTE:
        return record_promote(r, e);
    case ENTRY_SHRINK:
        record_shrink(r, e->mask);
        return 0;
    case ENTRY_GROW:
        return record_grow(r, e);
    case ENTRY_FLAGS:
        return record_set_flags(r, e);
    case ENTRY_PAUSE:
        r->endless = e->flag ? r->writer != NODE_NONE : r->paused && r->endless;
        r->paused = e->flag;
        return 0;
    case ENTRY_HANDOVER:
        if (e->node != NODE_NONE && !node_is_valid(e->node))
            return ERR_INVAL;
        r->handover = e->node;
        r->handover_forced = e->flag;
        r->endless = r->endless && e->mask == 0;
        return 0;
    default:
        return ERR_VERSION;
    }
}

int record_apply(struct record *r, const struct entry *e)
{
    int err;
    if (e->kind < 0 || e->kind >= ENTRY_COUNT)
        return ERR_VERSION;
    if (e->kind == ENTRY_HISTORY) {
        record_push_history(r, &e->history);
        return 0;
    }
    if (e->version != r->version)
        return ERR_STALE;
    err = record_change(r, e);
    if (err == 0)
        r->version++;
    return err;
}

static void history_codec(struct codec *c, struct history *h)
{
    codec_text(c, h->kind, sizeof h->kind);
    codec_text(c, h->outcome, sizeof h->outcome);
    codec_u64(c, &h->term);
    codec_i64(c, &h->wall_ms);
    codec_u32(c, &h->took_us);
    codec_u8(c, &h->from);
    codec_u8(c, &h->to);
    codec_u16(c, &h->rule);
    codec_text(c, h->table, sizeof h->table);
    codec_text(c, h->why, sizeof h->why);
    codec_count(c, &h->n_steps, HISTORY_STEPS_MAX);
    for (unsigned i = 0; i < h->n_steps && c->err == 0; i++) {
        struct history_step *s = &h->steps[i];
        codec_u32(c, &s->at_us);
        codec_u32(c, &s->took_us);
        codec_u8(c, &s->node);
        codec_text(c, s->name, sizeof s->name);
        codec_text(c, s->note, sizeof s->note);
    }
}

#define FIRST_FORMAT 1

/* Every kind of entry, and the record, can be said in the first one. */
uint16_t entry_format(const struct entry *e)
{
    (void)e;
    return FIRST_FORMAT;
}

static void format_codec(struct codec *c)
{
    uint8_t format = FIRST_FORMAT;
    codec_u8(c, &format);
    if (c->err == 0 && (format < FIRST_FORMAT || format > RECORD_FORMAT))
        c->err = ERR_VERSION;
}

static void entry_codec(struct codec *c, struct entry *e)
{
    uint8_t kind = (uint8_t)e->kind;
    format_codec(c);
    codec_u8(c, &kind);
    if (c->err == 0 && (kind >= ENTRY_COUNT || (c->encode && e->kind != kind)))
        c->err = ERR_VERSION;
    if (!c->encode)
        e->kind = kind;
    codec_u64(c, &e->version);
    codec_u8(c, &e->node);
    codec_u64(c, &e->epoch);
    codec_bool(c, &e->flag);
    codec_u32(c, &e->mask);
    codec_u32(c, &e->set);
    codec_u32(c, &e->clear);
    incarnation_codec(c, &e->incarnation);
    codec_text(c, e->text, sizeof e->text);
    if (kind == ENTRY_HISTORY)
        history_codec(c, &e->history);
}

/* ---- what decoded may still be impossible ---- */

#define NODES_MASK ((1u << NODES_MAX) - 1)

static bool node_is_valid_or_none(uint8_t node)
{
    return node_is_valid(node) || node == NODE_NONE;
}

static bool history_is_sound(const struct history *h)
{
    if (!node_is_valid_or_none(h->from) || !node_is_valid_or_none(h->to))
        return false;
    for (unsigned i = 0; i < h->n_steps; i++) {
        if (!node_is_valid_or_none(h->steps[i].node))
            return false;
    }
    return true;
}

static bool entry_is_sound(const struct entry *e)
{
    bool names_node = e->kind == ENTRY_PROMOTE || e->kind == ENTRY_GROW || e->kind == ENTRY_FLAGS;
    if (!node_is_valid_or_none(e->node) || (names_node && !node_is_valid(e->node)))
        return false;
    return (e->mask & ~NODES_MASK) == 0 && history_is_sound(&e->history);
}

static bool record_set_is_sound(const struct record *r)
{
    if ((r->in_sync & ~NODES_MASK) != 0 || (r->writer == NODE_NONE && r->in_sync != 0))
        return false;
    if (r->writer != NODE_NONE && (r->in_sync & (1u << r->writer)) != 0)
        return false;
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if ((r->in_sync & (1u << i)) != 0 && incarnation_is_none(&r->member[i]))
            return false;
    }
    return true;
}

static bool record_is_sound(const struct record *r)
{
    if (!node_is_valid_or_none(r->writer) || !node_is_valid_or_none(r->handover) ||
        !record_set_is_sound(r))
        return false;
    for (unsigned i = 0; i < r->n_promotions; i++) {
        const struct promotion *p = &r->promotions[i];
        if (!node_is_valid(p->writer) || !node_is_valid_or_none(p->old_writer))
            return false;
    }
    for (unsigned i = 0; i < r->n_histories; i++) {
        if (!history_is_sound(&r->histories[i]))
            return false;
    }
    return true;
}

/* A walk that encodes reads its struct only; one codec function serves both directions. */
int entry_encode(const struct entry *e, uint8_t *buf, size_t size, size_t *ret_len)
{
    struct codec c = codec_encoder(buf, size);
    entry_codec(&c, (struct entry *)(uintptr_t)e);
    if (c.err == 0)
        *ret_len = codec_used(&c);
    return c.err;
}

int entry_decode(const uint8_t *buf, size_t len, struct entry *ret_entry)
{
    struct codec c = codec_decoder(buf, len);
    struct entry e;
    int err;
    memset(&e, 0, sizeof e);
    entry_codec(&c, &e);
    err = codec_finish(&c);
    if (err == 0 && !entry_is_sound(&e))
        err = ERR_FORMAT;
    if (err == 0)
        *ret_entry = e;
    return err;
}

int record_replay(struct record *r, const uint8_t *buf, size_t len, struct entry *ret_entry)
{
    int err = entry_decode(buf, len, ret_entry);
    if (err == 0)
        err = record_apply(r, ret_entry);
    return err == ERR_STALE || err == ERR_INVAL ? 0 : err;
}

static void promotion_codec(struct codec *c, struct promotion *p)
{
    codec_u64(c, &p->epoch);
    codec_u64(c, &p->old_epoch);
    codec_u8(c, &p->writer);
    codec_u8(c, &p->old_writer);
    codec_bool(c, &p->clean);
    codec_text(c, p->seal, sizeof p->seal);
}

static void record_codec(struct codec *c, struct record *r)
{
    format_codec(c);
    codec_u64(c, &r->version);
    codec_u8(c, &r->writer);
    codec_u64(c, &r->epoch);
    codec_u32(c, &r->in_sync);
    for (unsigned i = 0; i < NODES_MAX; i++) {
        incarnation_codec(c, &r->member[i]);
        codec_u32(c, &r->flags[i]);
        codec_text(c, r->why[i], sizeof r->why[i]);
    }
    codec_bool(c, &r->paused);
    codec_bool(c, &r->endless);
    codec_u8(c, &r->handover);
    codec_bool(c, &r->handover_forced);
    codec_count(c, &r->n_promotions, PROMOTIONS_MAX);
    for (unsigned i = 0; i < r->n_promotions && c->err == 0; i++)
        promotion_codec(c, &r->promotions[i]);
    codec_count(c, &r->n_histories, HISTORIES_MAX);
    for (unsigned i = 0; i < r->n_histories && c->err == 0; i++)
        history_codec(c, &r->histories[i]);
}

int record_encode(const struct record *r, uint8_t *buf, size_t size, size_t *ret_len)
{
    struct codec c = codec_encoder(buf, size);
    record_codec(&c, (struct record *)(uintptr_t)r);
    if (c.err == 0)
        *ret_len = codec_used(&c);
    return c.err;
}

int record_decode(const uint8_t *buf, size_t len, struct record *ret_record)
{
    struct codec c = codec_decoder(buf, len);
    struct record r;
    int err;
    memset(&r, 0, sizeof r);
    record_codec(&c, &r);
    err = codec_finish(&c);
    if (err == 0 && !record_is_sound(&r))
        err = ERR_FORMAT;
    if (err == 0)
        *ret_record = r;
    return err;
}

const char *entry_kind_text(int kind)
{
    static const char *const texts[ENTRY_COUNT] = {"promote", "shrink",   "grow",   "flags",
                                                   "pause",   "handover", "history"};
    return kind >= 0 && kind < ENTRY_COUNT ? texts[kind] : "unknown";
}

const struct promotion *record_promotion_after(const struct record *r, unsigned node)
{
    for (unsigned i = r->n_promotions; i > 0; i--) {
        const struct promotion *p = &r->promotions[i - 1];
        if (p->old_writer == node && p->writer != node)
            return p;
    }
    return NULL;
}

bool record_clean_since(const struct record *r, const struct promotion *p)
{
    for (const struct promotion *q = p; q < &r->promotions[r->n_promotions]; q++) {
        if (!q->clean)
            return false;
    }
    return true;
}
