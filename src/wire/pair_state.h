/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two agents of a pair (arbiter vrrp) tell each other, and what each keeps on its own disk
 * about it. Both begin with a layout number (on disk a CRC32 of what follows as well), and end with
 * the record, which fills the rest: other fields are another layout.
 *
 * On the wire the patience is the echo's field with a minus sign: agents that do not know of it
 * take no notice of a negative echo, and are taken to be as patient as the own file says.
 *
 * Pure. Decoding checks every bound, every node number and that the record is one that entries can
 * have made: ERR_FORMAT, ERR_VERSION.
 */
#ifndef TANDEM_WIRE_PAIR_STATE_H
#define TANDEM_WIRE_PAIR_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "wire/record.h"

#define PAIR_BYTES_MAX (RECORD_BYTES_MAX + 128)

/* Which version of the record this is. */
struct pair_stamp {
    uint64_t epoch; /* of the record */
    uint64_t term;  /* in which it was changed last */
    uint64_t seq;   /* of the change; counts up in every lineage */
};

/* On disk. */
struct pair_state {
    uint64_t term; /* highest seen */
    struct pair_stamp stamp;
    struct record record;
};

struct pair_message {
    uint64_t term; /* highest seen */
    bool leads;    /* the sender leads in leads_term */
    uint64_t leads_term;
    bool fit;                /* its core may be elected */
    struct pair_stamp stamp; /* of its record, or of the one it asks for */
    int64_t nonce;           /* its own clock; increases */
    int64_t echo;            /* the highest nonce of the receiver that it has processed; 0 = none */
    int64_t patience_us;     /* how long it waits for a silent member, INT64_MAX = for ever; 0 = not
                              * said. A message says this or has an echo, never both */
    bool asks;               /* it wants an answer at once */
    bool has_record;
    struct record record;
};

/* Negative, zero, positive: a is worse than, the same as, better than b. */
int pair_stamp_compare(const struct pair_stamp *a, const struct pair_stamp *b);

/* ERR_FULL. */
int pair_state_encode(const struct pair_state *s, uint8_t *buf, size_t size,
                      size_t *ret_len) NODISCARD;
int pair_state_decode(const uint8_t *buf, size_t len, struct pair_state *ret_state) NODISCARD;
int pair_message_encode(const struct pair_message *m, uint8_t *buf, size_t size,
                        size_t *ret_len) NODISCARD;
int pair_message_decode(const uint8_t *buf, size_t len, struct pair_message *ret_message) NODISCARD;

#endif
