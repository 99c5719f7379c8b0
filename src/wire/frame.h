/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the transport between agents, as bytes. A connection carries frames back to back, in
 * both directions:
 *
 *     magic u16 | layout u8 | kind u8 | length u32 | sequence u32 | payload (length bytes)
 *
 * little endian. `sequence` counts the frames of one direction of one connection from 0 and wraps.
 * There is no checksum: frames travel only inside TLS, whose records are authenticated.
 *
 * The first frame of each side is HELLO. Its fields are only ever appended, never changed, and
 * bytes behind the known ones are ignored, so that two agents of different protocols can read each
 * other's numbers and say what does not match. Whether they match is judged in io/peer.
 *
 * Payloads of the other kinds are opaque here. Pure: no clock, no allocation, no I/O.
 */
#ifndef TANDEM_WIRE_FRAME_H
#define TANDEM_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "wire/limits.h"

#define FRAME_PROTOCOL 1
#define FRAME_HEADER_SIZE 12u
#define FRAME_PAYLOAD_MAX (1u << 20)
/* Bound of a HELLO payload: what a peer may make us buffer before it has introduced itself. */
#define FRAME_HELLO_MAX 1024u

enum frame_kind {
    FRAME_HELLO,
    FRAME_PING, /* empty; keeps a silent direction alive */
    FRAME_RAFT,
    FRAME_REQUEST,
    FRAME_ANSWER,
    FRAME_REPORT,
    FRAME_COMMAND,
    FRAME_REPLY,
    FRAME_KIND_COUNT
};

struct frame_header {
    enum frame_kind kind;
    uint32_t length; /* of the payload */
    uint32_t sequence;
};

/* One whole frame inside somebody else's buffer. */
struct frame {
    struct frame_header header;
    const uint8_t *payload;
    size_t size; /* header and payload */
};

/* What the acceptor answers to the dialler's HELLO. Values are part of the wire format. */
enum frame_verdict {
    FRAME_VERDICT_WELCOME,
    FRAME_VERDICT_PROTOCOL,   /* another protocol version */
    FRAME_VERDICT_CLUSTER,    /* another cluster */
    FRAME_VERDICT_NODE,       /* name or position differ from certificate or cluster file */
    FRAME_VERDICT_GENERATION, /* the quorum was rebuilt without one of the two */
    FRAME_VERDICT_ARBITER,    /* one decides by quorum, the other one by VRRP */
    FRAME_VERDICT_COUNT
};

/* Who decides about the writer where the frame comes from. Values are part of the wire format. */
enum frame_arbiter {
    FRAME_ARBITER_UNKNOWN, /* said by older agents, which have one all the same */
    FRAME_ARBITER_RAFT,
    FRAME_ARBITER_VRRP,
    FRAME_ARBITER_COUNT
};

struct frame_hello {
    uint16_t protocol;
    uint8_t verdict; /* enum frame_verdict or a value of a newer agent; WELCOME from the dialler */
    uint64_t cluster_id;
    uint64_t config_digest;
    uint64_t incarnation; /* random per start of the transport: tells a restarted agent */
    uint8_t node;
    char name[NODE_NAME_MAX];
    char agent[VERSION_TEXT_MAX]; /* version of the program */
    /* Behind these, of older agents, all is 0. */
    uint32_t generation; /* how often the quorum was rebuilt from one node */
    bool joins;          /* it never voted in this quorum and has no log yet */
    uint8_t arbiter;     /* enum frame_arbiter or a value of a newer agent */
};

/* "hello", "ping" ...; "unknown" for anything else. */
const char *frame_kind_name(int kind);
/* A reason that reads well behind "refused: "; never NULL, also for values of newer agents. */
const char *frame_verdict_text(unsigned verdict);
/* The word of the cluster file; "unknown" for anything else. */
const char *frame_arbiter_text(unsigned arbiter);
/* 64-bit digest of a cluster's name, stable across versions and machines. */
uint64_t frame_cluster_id(const char *cluster);

/* Cannot fail; kind and length must be valid (asserted). */
void frame_header_encode(const struct frame_header *header, uint8_t buf[FRAME_HEADER_SIZE]);

/*
 * Looks for one frame at the start of buf. Returns 0 and
 *   *ret_need == 0: *ret_frame describes a whole frame, whose payload points into buf;
 *   *ret_need > 0: incomplete, *ret_need bytes from the start of buf are needed to get further.
 * ERR_FORMAT (magic, kind, length) or ERR_VERSION (layout): the stream cannot be read any further.
 */
int frame_split(const uint8_t *buf, size_t len, struct frame *ret_frame,
                size_t *ret_need) NODISCARD;

/* Payload of HELLO. Encode: ERR_FULL if size is too small. Decode: ERR_FORMAT. */
int frame_hello_encode(const struct frame_hello *hello, uint8_t *buf, size_t size,
                       size_t *ret_len) NODISCARD;
int frame_hello_decode(const uint8_t *buf, size_t len, struct frame_hello *ret_hello) NODISCARD;

#endif
