/* SPDX-License-Identifier: Apache-2.0 */
/* A growing undo_script (wire/undo.h). After the first ERR_NOMEM everything is without effect. */
#ifndef TANDEM_IO_STORE_UNDO_TEXT_H
#define TANDEM_IO_STORE_UNDO_TEXT_H

#include <stdint.h>

#include "util/err.h"
#include "wire/undo.h"

struct undo_text {
    struct undo_script *script; /* owned until it is given away */
    size_t used;
    size_t cap;
    unsigned steps_cap;
    int err;
};

void undo_text_init(struct undo_text *t);
/* A statement; reason and expect as in struct undo_step. */
void undo_text_add(struct undo_text *t, enum undo_reason reason, uint64_t expect, const char *fmt,
                   ...) PRINTF_LIKE(4, 5);
/* BINLOG '...' of these events. */
void undo_text_binlog(struct undo_text *t, const uint8_t *events, size_t n);
/* NULL is fine. */
void undo_script_free(struct undo_script *s);

#endif
