/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a cluster file: a bounded list. The caller
 * owns it. One sentence per entry tells where, what, and what is allowed.
 */
#ifndef TANDEM_IO_CONFIG_CONFIG_ERRORS_H
#define TANDEM_IO_CONFIG_CONFIG_ERRORS_H

#include <stdio.h>

#include "util/err.h"

#define CONFIG_ERRORS_MAX 40
#define CONFIG_ERROR_TEXT_MAX 480

enum config_severity {
    CONFIG_ERROR,  /* the file is refused */
    CONFIG_WARNING /* the file is taken */
};

struct config_error {
    enum config_severity severity;
    unsigned line; /* 0: the file as a whole */
    char text[CONFIG_ERROR_TEXT_MAX];
};

struct config_errors {
    struct config_error list[CONFIG_ERRORS_MAX];
    unsigned n;         /* entries in the list */
    unsigned n_errors;  /* of severity CONFIG_ERROR, including those that found no room */
    unsigned n_dropped; /* entries that found no room */
};

void config_errors_init(struct config_errors *e);
void config_errors_add(struct config_errors *e, enum config_severity severity, unsigned line,
                       const char *fmt, ...) PRINTF_LIKE(4, 5);
/* By line, those of the whole file last; entries of one line stay in their order. */
void config_errors_sort(struct config_errors *e);
/* One line per entry: "PATH:LINE: error: sentence". */
void config_errors_print(const struct config_errors *e, const char *path, FILE *out);

#endif
