/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The undo of committed transactions as a script of SQL statements: built from the binlog by
 * io/store/undo_plan.h, carried out by the action session of io/mysql. Values only.
 */
#ifndef TANDEM_WIRE_UNDO_H
#define TANDEM_WIRE_UNDO_H

#include <stddef.h>
#include <stdint.h>

enum undo_reason {
#define UNDO_REASON(name, id, text) UNDO_REASON_##name,
#include "wire/undo.def"
#undef UNDO_REASON
    UNDO_REASON_COUNT
};

struct undo_step {
    size_t sql; /* offset of the statement in undo_script.text, NUL-terminated */
    size_t size;
    enum undo_reason reason; /* of a refusal when the check fails; OK: it is no check */
    uint64_t expect;         /* what the first value of the answer must be */
};

struct undo_script {
    char *text;
    struct undo_step *steps;
    unsigned n_steps;
    /* The first ones: the first that fails ends them. The rest are run in any case, and their
     * errors do not count; but not if the very first one fails, which takes the binlog off the
     * session. */
    unsigned n_work;
    uint32_t groups; /* transactions that it takes back */
};

/* Asserts the range. */
const char *undo_reason_id(enum undo_reason reason);
const char *undo_reason_text(enum undo_reason reason);

#endif
