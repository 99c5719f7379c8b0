/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libraft's messages as bytes, with the prefix that carries nonce and echo (core/arbiter_lease.h).
 *
 *     layout u8 | entry format u16 | term u64 | nonce i64 | echo term u64 | echo nonce i64 | kind
 * u8 | message
 *
 * Little endian. A decoded message holds what libraft takes for granted and only asserts: bounded
 * counts, terms and indexes that fit together, payloads padded to 8 bytes, configurations that can
 * be decoded. What depends on the state of the receiver is not checked here.
 */
#ifndef TANDEM_ARBITER_RAFT_CODEC_H
#define TANDEM_ARBITER_RAFT_CODEC_H

#include <raft.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define RAFT_CODEC_LAYOUT 1
#define RAFT_CODEC_ENTRIES_MAX 64u

struct raft_frame {
    uint16_t entry_format; /* the newest that the sender understands */
    uint64_t term;         /* of a leader's frame, else 0 */
    int64_t nonce;         /* of a leader's frame, else 0 */
    uint64_t echo_term;    /* highest frame of the receiver that the sender has processed */
    int64_t echo_nonce;
};

/* 0, ERR_FULL (longer than size), ERR_UNSUPPORTED (an unknown type). */
int raft_codec_encode(const struct raft_frame *frame, const struct raft_message *message, void *buf,
                      size_t size, size_t *ret_len) NODISCARD;
/*
 * 0, ERR_FORMAT, ERR_VERSION (another layout), ERR_NOMEM. server_id and server_address of the
 * message are not set. On success the message owns memory of raft_malloc(): the caller passes it to
 * libraft or calls raft_codec_release().
 */
int raft_codec_decode(const void *bytes, size_t len, struct raft_frame *ret_frame,
                      struct raft_message *ret_message) NODISCARD;
void raft_codec_release(struct raft_message *message);

#endif
