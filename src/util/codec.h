/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One description of a format serves both directions: a function that walks a struct with
 * codec_u32(), codec_text() ... encodes or decodes depending on how the codec was opened. Integers
 * are little endian.
 *
 * The first error sticks (codec.err) and turns every later call into a no-op, so a walk needs one
 * check at its end. Decoding never reads past the buffer, never writes past a field, and always
 * terminates text. The caller owns buffer and fields; nothing is allocated.
 */
#ifndef TANDEM_UTIL_CODEC_H
#define TANDEM_UTIL_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codec {
    uint8_t *at;
    uint8_t *end;
    uint8_t *start;
    bool encode;
    bool absent; /* codec_tail() found nothing: the fields that follow are not there */
    int err; /* 0, ERR_FULL (no room while encoding), ERR_FORMAT (short or bad input), ERR_VERSION
              */
};

struct codec codec_encoder(void *buf, size_t size);
struct codec codec_decoder(const void *buf, size_t size);
/* Bytes written or read so far. */
size_t codec_used(const struct codec *c);
/*
 * What follows was appended by a later version. Decoding bytes of an earlier one, which end here,
 * leaves these fields as they are. A format with a tail is finished by codec_finish_tail(), which
 * leaves out what a version later still has appended.
 */
void codec_tail(struct codec *c);
int codec_finish_tail(const struct codec *c) __attribute__((warn_unused_result));
/* 0 or the sticky error; a decoder with bytes left over is ERR_FORMAT. */
int codec_finish(const struct codec *c) __attribute__((warn_unused_result));

void codec_u8(struct codec *c, uint8_t *v);
void codec_u16(struct codec *c, uint16_t *v);
void codec_u32(struct codec *c, uint32_t *v);
void codec_u64(struct codec *c, uint64_t *v);
void codec_i64(struct codec *c, int64_t *v);
void codec_bool(struct codec *c, bool *v);
/* Fixed number of raw bytes. */
void codec_bytes(struct codec *c, void *v, size_t n);
/* NUL-terminated text in a field of `size` bytes; longer input is ERR_FORMAT. */
void codec_text(struct codec *c, char *v, size_t size);
/* A count or enumerator in one byte: a value >= limit is ERR_FORMAT when decoding. */
void codec_enum(struct codec *c, int *v, int limit);
void codec_count(struct codec *c, unsigned *v, unsigned max);

#endif
