/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/undo.h"

#include <assert.h>

struct reason_row {
    const char *id;
    const char *text;
};

static const struct reason_row reason_rows[] = {
#define UNDO_REASON(name, id, text) {id, text},
#include "wire/undo.def"
#undef UNDO_REASON
};

const char *undo_reason_id(enum undo_reason reason)
{
    assert(reason < UNDO_REASON_COUNT);
    return reason_rows[reason].id;
}

const char *undo_reason_text(enum undo_reason reason)
{
    assert(reason < UNDO_REASON_COUNT);
    return reason_rows[reason].text;
}
