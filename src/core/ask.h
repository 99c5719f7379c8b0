/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leader's outstanding requests. A slot is taken by ask_send(), filled by the answer, by the
 * loss of the node or by the deadline, and given back by ask_take() or ask_drop(). Every wait ends.
 */
#ifndef TANDEM_CORE_ASK_H
#define TANDEM_CORE_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/job.h"

#define ASKS_MAX 40
#define ASK_NONE (-1)

struct core;

enum ask_state { ASK_FREE, ASK_WAITING, ASK_ANSWERED };

struct ask {
    enum ask_state state;
    uint64_t id;
    unsigned node;
    int kind;
    int64_t sent_us;
    int64_t deadline_us;
    struct answer answer;
};

struct asks {
    uint64_t next_id;
    struct ask list[ASKS_MAX];
};

/* Sends `job` (timeout_ms > 0) to `node`, self included. Returns the slot; never fails: an
 * unreachable node gives an answer with JOB_TIMEOUT. */
int ask_send(struct core *core, unsigned node, const struct job *job);
/* True once the outcome is known (or slot is ASK_NONE). */
bool ask_is_over(const struct core *core, int slot);
/* The answer of a slot that is over; valid until the slot is dropped. */
const struct answer *ask_answer(const struct core *core, int slot);
bool ask_is_done(const struct core *core, int slot); /* over, with JOB_DONE */
/* Gives the slot back and sets it to ASK_NONE; a late answer is ignored. */
void ask_drop(struct core *core, int *slot);
void asks_drop_all(struct core *core);

void ask_on_answer(struct core *core, unsigned from, const struct answer *a);
void ask_on_time(struct core *core);
void ask_on_peer_down(struct core *core, unsigned node);

#endif
