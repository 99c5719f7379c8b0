/* SPDX-License-Identifier: Apache-2.0 */
#include "util/codec.h"

#include <assert.h>
#include <string.h>

#include "util/err.h"

struct codec codec_encoder(void *buf, size_t size)
{
    struct codec c = {.at = buf, .start = buf, .encode = true};
    c.end = c.start + size;
    return c;
}

struct codec codec_decoder(const void *buf, size_t size)
{
    /* A decoder never writes through these pointers; one struct serves both directions. */
    struct codec c = {.at = (uint8_t *)(uintptr_t)buf, .start = (uint8_t *)(uintptr_t)buf};
    c.end = c.start + size;
    return c;
}

size_t codec_used(const struct codec *c)
{
    return (size_t)(c->at - c->start);
}

int codec_finish_tail(const struct codec *c)
{
    return c->err;
}

int codec_finish(const struct codec *c)
{
    if (c->err != 0)
        return c->err;
    return !c->encode && c->at != c->end ? ERR_FORMAT : 0;
}

static bool codec_room(struct codec *c, size_t n)
{
    if (c->err != 0 || c->absent)
        return false;
    if ((size_t)(c->end - c->at) >= n)
        return true;
    c->err = c->encode ? ERR_FULL : ERR_FORMAT;
    return false;
}

static void codec_uint(struct codec *c, uint64_t *v, unsigned n)
{
    uint64_t got = 0;
    if (!codec_room(c, n))
        return;
    for (unsigned i = 0; i < n; i++) {
        if (c->encode)
            c->at[i] = (uint8_t)(*v >> (8 * i));
        else
            got |= (uint64_t)c->at[i] << (8 * i);
    }
    if (!c->encode)
        *v = got;
    c->at += n;
}

void codec_u8(struct codec *c, uint8_t *v)
{
    uint64_t w = *v;
    codec_uint(c, &w, 1);
    if (!c->encode)
        *v = (uint8_t)w;
}

void codec_u16(struct codec *c, uint16_t *v)
{
    uint64_t w = *v;
    codec_uint(c, &w, 2);
    if (!c->encode)
        *v = (uint16_t)w;
}

void codec_u32(struct codec *c, uint32_t *v)
{
    uint64_t w = *v;
    codec_uint(c, &w, 4);
    if (!c->encode)
        *v = (uint32_t)w;
}

void codec_u64(struct codec *c, uint64_t *v)
{
    codec_uint(c, v, 8);
}

void codec_i64(struct codec *c, int64_t *v)
{
    uint64_t w = (uint64_t)*v;
    codec_uint(c, &w, 8);
    if (!c->encode)
        *v = (int64_t)w;
}

void codec_bool(struct codec *c, bool *v)
{
    int w = c->encode ? *v : 0;
    codec_enum(c, &w, 2);
    if (!c->encode && !c->absent)
        *v = w != 0;
}

void codec_bytes(struct codec *c, void *v, size_t n)
{
    if (!codec_room(c, n))
        return;
    if (c->encode)
        memcpy(c->at, v, n);
    else
        memcpy(v, c->at, n);
    c->at += n;
}

void codec_text(struct codec *c, char *v, size_t size)
{
    uint16_t n = c->encode ? (uint16_t)strnlen(v, size - 1) : 0;
    assert(size > 0 && size <= UINT16_MAX);
    codec_u16(c, &n);
    if (c->err == 0 && n >= size)
        c->err = ERR_FORMAT;
    if (c->err != 0 || c->absent)
        return;
    codec_bytes(c, v, n);
    if (!c->encode && c->err == 0) {
        v[n] = '\0';
        if (memchr(v, '\0', n) != NULL)
            c->err = ERR_FORMAT;
    }
}

void codec_enum(struct codec *c, int *v, int limit)
{
    uint8_t w = (uint8_t)*v;
    assert(limit > 0 && limit <= 256);
    assert(!c->encode || (*v >= 0 && *v < limit));
    codec_u8(c, &w);
    if (c->err == 0 && w >= limit)
        c->err = ERR_FORMAT;
    if (c->err == 0 && !c->encode)
        *v = w;
}

void codec_count(struct codec *c, unsigned *v, unsigned max)
{
    uint16_t w = (uint16_t)*v;
    assert(max < UINT16_MAX);
    assert(!c->encode || *v <= max);
    codec_u16(c, &w);
    if (c->err == 0 && w > max)
        c->err = ERR_FORMAT;
    if (c->err == 0 && !c->encode)
        *v = w;
}
