/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vocabulary of log records. The sink lives in io/sys; the core emits records as effects; an
 * adapter is given a log_fn when it starts. `id` is a stable kebab-case event id; the sentence is
 * lower case, without full stop, followed by key=value fields.
 */
#ifndef TANDEM_UTIL_LOG_H
#define TANDEM_UTIL_LOG_H

#include "util/err.h"

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR
};

typedef void (*log_fn)(void *data, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

struct log {
    log_fn fn;
    void *data;
};

#define LOG(log, level, id, ...)                                        \
    do {                                                                \
        if ((log)->fn != NULL)                                          \
            (log)->fn((log)->data, LOG_LEVEL_##level, id, __VA_ARGS__); \
    } while (0)

#endif
