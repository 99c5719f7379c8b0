/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Result codes. Every function that can fail returns int: 0 or one negative code of this list. A
 * failure is forwarded unchanged or handled, never re-coded. Details travel in struct errmsg.
 */
#ifndef TANDEM_UTIL_ERR_H
#define TANDEM_UTIL_ERR_H

#include <stdbool.h>

enum err_position {
#define ERR(name, text, retryable) ERR_POSITION_##name,
#include "util/err.def"
#undef ERR
    ERR_POSITION_COUNT
};

enum err {
#define ERR(name, text, retryable) ERR_##name = -(1 + (int)ERR_POSITION_##name),
#include "util/err.def"
#undef ERR
};

#define ERRMSG_MAX 512

/* Caller-owned detail of a failure: a sentence for a human, wrapped on the way up. */
struct errmsg {
    char text[ERRMSG_MAX];
};

#define ERRMSG_INIT \
    {               \
        {           \
            0       \
        }           \
    }
#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Text of a code; "ok" for 0, never NULL. */
const char *err_text(int err);
/* True if the same call may succeed when it is made again. */
bool err_is_retryable(int err);

/* Sets the detail and returns err, so that `return errmsg_set(m, ERR_IO, ...)` reads well. m may be
 * NULL. */
int errmsg_set(struct errmsg *m, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "prefix: " in front of the detail. Returns err. m may be NULL. */
int errmsg_wrap(struct errmsg *m, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
