/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/pair_state.h"

#include <string.h>

#include "util/crc32.h"

#define PAIR_LAYOUT 1
#define PAIR_STATE_HEAD 6 /* layout, CRC32 */

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int pair_stamp_compare(const struct pair_stamp *a, const struct pair_stamp *b)
{
    int order = compare(a->epoch, b->epoch);
    if (order == 0)
        order = compare(a->term, b->term);
    return order != 0 ? order : compare(a->seq, b->seq);
}

static void layout_codec(struct codec *c)
{
    uint16_t layout = PAIR_LAYOUT;
    codec_u16(c, &layout);
    if (c->err == 0 && layout != PAIR_LAYOUT)
        c->err = ERR_VERSION;
}

static void stamp_codec(struct codec *c, struct pair_stamp *s)
{
    codec_u64(c, &s->epoch);
    codec_u64(c, &s->term);
    codec_u64(c, &s->seq);
}

/* The record comes last and fills the rest. */
static void put_record(struct codec *c, const struct record *r)
{
    size_t len = 0;
    int err = c->err != 0 ? 0 : record_encode(r, c->at, (size_t)(c->end - c->at), &len);
    if (err != 0)
        c->err = err;
    else if (c->err == 0)
        c->at += len;
}

static void get_record(struct codec *c, const struct pair_stamp *s, struct record *r)
{
    int err = c->err != 0 ? 0 : record_decode(c->at, (size_t)(c->end - c->at), r);
    if (err != 0)
        c->err = err;
    else if (c->err == 0 && r->epoch != s->epoch)
        c->err = ERR_FORMAT;
    else if (c->err == 0)
        c->at = c->end;
}

int pair_state_encode(const struct pair_state *s, uint8_t *buf, size_t size, size_t *ret_len)
{
    struct codec c = codec_encoder(buf, size);
    struct pair_state copy_head = {.term = s->term, .stamp = s->stamp};
    uint32_t crc = 0;
    struct codec head;
    layout_codec(&c);
    codec_u32(&c, &crc);
    codec_u64(&c, &copy_head.term);
    stamp_codec(&c, &copy_head.stamp);
    put_record(&c, &s->record);
    if (c.err != 0)
        return c.err;
    crc = crc32_update(0, buf + PAIR_STATE_HEAD, codec_used(&c) - PAIR_STATE_HEAD);
    head = codec_encoder(buf, PAIR_STATE_HEAD);
    layout_codec(&head);
    codec_u32(&head, &crc);
    *ret_len = codec_used(&c);
    return 0;
}

int pair_state_decode(const uint8_t *buf, size_t len, struct pair_state *ret_state)
{
    struct codec c = codec_decoder(buf, len);
    uint32_t crc = 0;
    layout_codec(&c);
    codec_u32(&c, &crc);
    if (c.err != 0)
        return c.err;
    if (crc != crc32_update(0, buf + PAIR_STATE_HEAD, len - PAIR_STATE_HEAD))
        return ERR_FORMAT;
    memset(ret_state, 0, sizeof *ret_state);
    codec_u64(&c, &ret_state->term);
    stamp_codec(&c, &ret_state->stamp);
    get_record(&c, &ret_state->stamp, &ret_state->record);
    return codec_finish(&c);
}

static void message_codec(struct codec *c, struct pair_message *m)
{
    int64_t echo = m->patience_us > 0 ? -m->patience_us : m->echo;
    layout_codec(c);
    codec_u64(c, &m->term);
    codec_bool(c, &m->leads);
    codec_u64(c, &m->leads_term);
    codec_bool(c, &m->fit);
    stamp_codec(c, &m->stamp);
    codec_i64(c, &m->nonce);
    codec_i64(c, &echo);
    codec_bool(c, &m->asks);
    codec_bool(c, &m->has_record);
    if (c->err == 0 && echo < -INT64_MAX)
        c->err = ERR_FORMAT;
    if (c->encode || c->err != 0)
        return;
    m->echo = echo > 0 ? echo : 0;
    m->patience_us = echo < 0 ? -echo : 0;
}

int pair_message_encode(const struct pair_message *m, uint8_t *buf, size_t size, size_t *ret_len)
{
    struct codec c = codec_encoder(buf, size);
    message_codec(&c, (struct pair_message *)(uintptr_t)m);
    if (m->has_record)
        put_record(&c, &m->record);
    if (c.err == 0)
        *ret_len = codec_used(&c);
    return c.err;
}

int pair_message_decode(const uint8_t *buf, size_t len, struct pair_message *ret_message)
{
    struct codec c = codec_decoder(buf, len);
    memset(ret_message, 0, sizeof *ret_message);
    message_codec(&c, ret_message);
    if (ret_message->has_record)
        get_record(&c, &ret_message->stamp, &ret_message->record);
    if (c.err == 0 && (ret_message->stamp.term > ret_message->term ||
                       (ret_message->leads && ret_message->leads_term > ret_message->term)))
        c.err = ERR_FORMAT;
    return codec_finish(&c);
}
