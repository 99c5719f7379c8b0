/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replicated state of a cluster and the log entries that change it (design: replicated state).
 *
 * Every node applies the same entries in the same order. An entry carries the record version it was
 * made for; if another entry came first, it is refused by every node alike (compare-and-set), so
 * that a late entry of an older leader cannot undo a newer decision. HISTORY entries are free of
 * that check. An entry of an unknown kind or format stops the apply with ERR_VERSION; it is never
 * skipped.
 */
#ifndef TANDEM_WIRE_RECORD_H
#define TANDEM_WIRE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "util/codec.h"
#include "util/err.h"
#include "wire/limits.h"
#include "wire/server.h"

#define RECORD_FORMAT 1 /* the newest that is understood here */
#define PROMOTIONS_MAX 8
#define HISTORIES_MAX 10
#define HISTORY_STEPS_MAX 24
#define HISTORY_NAME_MAX 24
#define HISTORY_NOTE_MAX 96
#define RECORD_WHY_MAX 256
#define ENTRY_BYTES_MAX 8192
#define RECORD_BYTES_MAX 65536

enum node_flag {
    NODE_MAINTENANCE =
        1u << 0, /* set by the operator: not promoted, not repaired, not counted as broken */
    NODE_NO_PROMOTE = 1u << 1, /* set by the operator */
    NODE_QUARANTINED =
        1u << 2, /* holds transactions that the writer lacks; not attached, never behind a VIP */
    NODE_FORMER = 1u << 3,   /* was the writer; not yet proven to be a subset of its successor */
    NODE_SALVAGED = 1u << 4, /* quarantined, and what it holds alone has been written to a file */
    NODE_UNSEEN = 1u << 5,   /* not compared with the writer since the last change of it; kept from
                                its server, whose numbers may be those of a tail that was cut */
    /* What it holds alone, as far as it was judged (core/rejoin.h): neither = of unknown origin. */
    NODE_TAIL_NEVER = 1u << 6,    /* proven: nobody was promised it */
    NODE_TAIL_POSSIBLE = 1u << 7, /* somebody may have been promised it */
    NODE_REJOIN = 1u << 8,        /* ordered by an operator: cure it, whatever policy.rejoin says */
    NODE_DISCARD = 1u << 9,       /* ... and what it holds alone may go, whatever its class */
    NODE_UNDO_REFUSED = 1u << 10, /* it cannot be taken back out of the data */
    NODE_RECLONE = 1u << 11,      /* its data is to be replaced by a copy of another node's */
    NODE_FOREIGN = 1u << 12,  /* ... and what it has is none of the cluster's: nothing to salvage */
    NODE_KEEP_OLD = 1u << 13, /* ... and its old data stays beside the new */
    NODE_UNPROVEN = 1u << 14, /* its binlog was cut, and the start after it does not prove that its
                                 data is without the cut transactions: no set would show them */
};
/* With NODE_RECLONE: 1 + the donor that an operator named; 0 = the leader chooses. */
#define NODE_DONOR_SHIFT 16
#define NODE_DONOR_MASK (0xffu << NODE_DONOR_SHIFT)
/* The whole order. */
#define NODE_RECLONE_ALL ((uint32_t)(NODE_RECLONE | NODE_FOREIGN | NODE_KEEP_OLD) | NODE_DONOR_MASK)

/* All that a node is freed of when it is clean again, or when an operator wants it judged anew. Not
 * NODE_UNPROVEN: only other data, or its being the writer, ends that. */
#define NODE_CURED                                                                        \
    ((uint32_t)(NODE_QUARANTINED | NODE_SALVAGED | NODE_TAIL_NEVER | NODE_TAIL_POSSIBLE | \
                NODE_REJOIN | NODE_DISCARD | NODE_UNDO_REFUSED))

struct promotion {
    uint64_t epoch;
    uint64_t old_epoch; /* the epoch that it ended; 0 for the first */
    uint8_t writer;
    uint8_t old_writer;       /* NODE_NONE for the first */
    bool clean;               /* from the in-sync set: nothing acknowledged can be missing */
    char seal[GTID_TEXT_MAX]; /* everything the new writer had when it was opened */
};

struct history_step {
    uint32_t at_us; /* since the start of the event */
    uint32_t took_us;
    uint8_t node;
    char name[HISTORY_NAME_MAX];
    char note[HISTORY_NOTE_MAX];
};

/* One failover, switchover or other change of role, as `tandem history` shows it. */
struct history {
    char kind[HISTORY_NAME_MAX]; /* takeover, reopen, switchover, shrink ... */
    char outcome[HISTORY_NOTE_MAX];
    uint64_t term;
    int64_t wall_ms;  /* start, UTC */
    uint32_t took_us; /* UINT32_MAX: that long or longer; so in a step */
    uint8_t from;     /* node or NODE_NONE */
    uint8_t to;
    uint16_t rule; /* id of the rule that started it */
    char table[HISTORY_NAME_MAX];
    char why[DETAIL_TEXT_MAX]; /* facts behind the rule */
    unsigned n_steps;
    struct history_step steps[HISTORY_STEPS_MAX];
};

struct record {
    uint64_t version;
    uint8_t writer; /* NODE_NONE before the first promotion */
    uint64_t epoch;
    uint32_t in_sync; /* bit per node; never the writer itself */
    struct incarnation member[NODES_MAX];
    uint32_t flags[NODES_MAX]; /* enum node_flag */
    char why[NODES_MAX][RECORD_WHY_MAX];
    bool paused;
    bool endless;     /* the writer may still hold the lease without end that the pause gave it */
    uint8_t handover; /* planned or forced target; NODE_NONE */
    bool handover_forced;
    unsigned n_promotions; /* oldest first */
    struct promotion promotions[PROMOTIONS_MAX];
    unsigned n_histories;
    struct history histories[HISTORIES_MAX];
};

enum entry_kind {
    ENTRY_PROMOTE,  /* node, epoch, clean, seal: the writer is now `node`, the set is empty */
    ENTRY_SHRINK,   /* mask: these nodes are no members (no-op for those that are none) */
    ENTRY_GROW,     /* node, incarnation */
    ENTRY_FLAGS,    /* node, set, clear, text */
    ENTRY_PAUSE,    /* flag; without it, once more when the writer has taken its lease back */
    ENTRY_HANDOVER, /* node or NODE_NONE, flag = forced, mask != 0: and the writer's host, which may
                       have a lease without end, is known to be off */
    ENTRY_HISTORY,  /* history; no compare-and-set */
    ENTRY_COUNT
};

struct entry {
    int kind;
    uint64_t version; /* of the record it was made for */
    uint8_t node;
    uint64_t epoch; /* PROMOTE: the new epoch (= the term) */
    bool flag;      /* PROMOTE: clean; PAUSE; HANDOVER: forced */
    uint32_t mask;
    uint32_t set;
    uint32_t clear;
    struct incarnation incarnation;
    char text[GTID_TEXT_MAX]; /* PROMOTE: seal; FLAGS: why */
    struct history history;
};

void record_init(struct record *r);
/* Microseconds of a history or a step: what is too long for it is UINT32_MAX. */
uint32_t history_us(int64_t us);

/*
 * Applies a decoded entry. Returns 0; ERR_STALE if another entry came first (nothing changed: the
 * proposer looks again); ERR_INVAL if it names a node that cannot be.
 */
int record_apply(struct record *r, const struct entry *e) NODISCARD;

/*
 * Takes in one entry of the log as it is stored. 0 also if record_apply() refused it, since every
 * node does so alike; ERR_FORMAT, ERR_VERSION: it is not understood, and nothing after it may be
 * applied.
 */
int record_replay(struct record *r, const uint8_t *buf, size_t len,
                  struct entry *ret_entry) NODISCARD;

/* Encode to / decode from bytes. Decoding checks format, bounds, every node number, and that the
 * in-sync set is one that record_apply() could have made; ERR_FORMAT, ERR_VERSION. Encoding:
 * ERR_FULL. */
int entry_encode(const struct entry *e, uint8_t *buf, size_t size, size_t *ret_len) NODISCARD;
int entry_decode(const uint8_t *buf, size_t len, struct entry *ret_entry) NODISCARD;
int record_encode(const struct record *r, uint8_t *buf, size_t size, size_t *ret_len) NODISCARD;
int record_decode(const uint8_t *buf, size_t len, struct record *ret_record) NODISCARD;

/* The lowest format that can say it: agents that understand that one can apply it. */
uint16_t entry_format(const struct entry *e);

const char *entry_kind_text(int kind);

/* The promotion that ended `epoch` of `node` as writer; NULL if it is not (or no longer) recorded.
 */
const struct promotion *record_promotion_after(const struct record *r, unsigned node);
/* True if that promotion and all later ones were clean. */
bool record_clean_since(const struct record *r, const struct promotion *p);

#endif
