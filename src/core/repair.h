/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of repair share (repair.c, rejoin.c): one request per node at a time, its stage,
 * the sentence for status, the flags. */
#ifndef TANDEM_CORE_REPAIR_H
#define TANDEM_CORE_REPAIR_H

#include <stdint.h>

#include "util/err.h"

struct core;
struct job;

enum repair_stage {
    REPAIR_IDLE,
    REPAIR_CHECK_NODE,
    REPAIR_CHECK_WRITER,
    REPAIR_CHECK_PARENT,
    REPAIR_ATTACH,
    REPAIR_SIMPLE, /* one request whose outcome shows in the next report */
    REPAIR_REWIND,
    REPAIR_START,
    REPAIR_INSPECT, /* this one and the next two: rejoin.c */
    REPAIR_SALVAGE,
    REPAIR_UNDO,
};

/* The sentence of `tandem status`; "" = nothing is being done. */
void repair_state(struct core *core, unsigned node, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The request failed: the stage is idle, the next one after a pause that doubles. */
void repair_retry(struct core *core, unsigned node);
void repair_ask(struct core *core, unsigned node, enum repair_stage stage, unsigned whom,
                const struct job *job);
/* Proposes the change; if another proposal is pending, it is for the next round. */
void repair_flag(struct core *core, unsigned node, uint32_t set, uint32_t clear, const char *why);

#endif
