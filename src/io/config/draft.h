/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster file in the making: the settings that somebody has found out, one after another, and
 * the texts that they point to. `tandem import` and `tandem adopt` draw theirs with it.
 *
 * Nothing is checked before draft_store(). Without memory nothing more is taken, and draft_write()
 * refuses, so that no file comes out that lacks a setting.
 */
#ifndef TANDEM_IO_CONFIG_DRAFT_H
#define TANDEM_IO_CONFIG_DRAFT_H

#include <stdbool.h>
#include <stdio.h>

#include "io/config/reference.h"
#include "util/err.h"

struct draft {
    struct starter_setting *settings; /* owned; their texts are draft_keep()'s or last longer */
    unsigned n_settings, settings_max;
    char **texts; /* owned */
    unsigned n_texts, texts_max;
    bool failed;
};

/* A text that lives as long as the draft; "" if there is no memory. */
const char *draft_keep(struct draft *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* As in struct starter_setting; a later one replaces an earlier one. */
void draft_set(struct draft *d, const char *block, const char *title, const char *name,
               const char *value);

/* The file. ERR_NOMEM: something could not be taken, nothing is written. */
int draft_write(const struct draft *d, FILE *out) NODISCARD;

void draft_free(struct draft *d);

/* The text, once it has passed the check of cluster files (what does not pass is told to `told`),
 * goes into a new file, or with path NULL to `out`. A file that cannot be written whole is removed
 * again. ERR_IO: cannot be written, or is there already; ERR_NOMEM; else what config_parse() says.
 */
int draft_store(const char *text, const char *path, FILE *out, FILE *told,
                struct errmsg *m) NODISCARD;

#endif
