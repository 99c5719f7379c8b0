/* SPDX-License-Identifier: Apache-2.0 */
#include "util/err.h"

#include <stdarg.h>
#include <stdio.h>

struct err_row {
    const char *text;
    bool retryable;
};

static const struct err_row err_rows[] = {
#define ERR(name, text, retryable) {text, retryable},
#include "util/err.def"
#undef ERR
};

static const struct err_row *err_row(int err)
{
    int position = -1 - err;
    if (position < 0 || position >= (int)ERR_POSITION_COUNT)
        return NULL;
    return &err_rows[position];
}

const char *err_text(int err)
{
    const struct err_row *row = err_row(err);
    if (row != NULL)
        return row->text;
    return err == 0 ? "ok" : "unknown error";
}

bool err_is_retryable(int err)
{
    const struct err_row *row = err_row(err);
    return row != NULL && row->retryable;
}

int errmsg_set(struct errmsg *m, int err, const char *fmt, ...)
{
    va_list ap;
    if (m == NULL)
        return err;
    va_start(ap, fmt);
    (void)vsnprintf(m->text, sizeof m->text, fmt, ap);
    va_end(ap);
    return err;
}

int errmsg_wrap(struct errmsg *m, int err, const char *fmt, ...)
{
    char prefix[ERRMSG_MAX];
    char old[ERRMSG_MAX];
    va_list ap;
    if (m == NULL)
        return err;
    va_start(ap, fmt);
    (void)vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    memcpy(old, m->text, sizeof old);
    (void)snprintf(m->text, sizeof m->text, "%.*s: %.*s", ERRMSG_MAX / 2, prefix, ERRMSG_MAX - 1,
                   old);
    return err;
}
