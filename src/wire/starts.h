/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that ends by itself whenever it is started: how often in a row, and whether its own
 * words blame its data. Values and a pure function over a text; nothing is read or decided here
 * (io/sys/process.h reads the error log, core/cure.h decides).
 */
#ifndef TANDEM_WIRE_STARTS_H
#define TANDEM_WIRE_STARTS_H

#include <stddef.h>
#include <stdint.h>

#include "util/codec.h"

#define STARTS_LINE_MAX 160

/* So many in a row, none of which came to answer, are no accident. */
#define STARTS_MANY 5

/* What the words of a start that failed blame. */
enum starts_blame {
    STARTS_BLAME_NOTHING, /* nothing that is known: a signal, a missing file, silence */
    STARTS_BLAME_DATA,    /* what its files hold is damaged: other files would do */
    STARTS_BLAME_HOST,    /* disk, memory, permissions, address, settings: other files would not */
    STARTS_BLAME_COUNT
};

struct starts {
    uint32_t failed;            /* in a row, each ended by itself before it had answered */
    int blame;                  /* enum starts_blame, of the last one */
    char line[STARTS_LINE_MAX]; /* the words that say so, else its last complaint; "" = none */
};

void starts_codec(struct codec *c, struct starts *s);
const char *starts_blame_text(int blame);

/*
 * `log` is what one start has written to its error log. Lines of errors only: a server warns of
 * much that does not keep it from starting. HOST wins over DATA wherever both are found: a full or
 * dying disk, or another server at the same files, makes pages unreadable too, and a copy would
 * cure none of these. A file that is missing blames nothing: perhaps its file system is not
 * mounted. ret->failed stays.
 */
void starts_judge(const char *log, struct starts *ret);

#endif
