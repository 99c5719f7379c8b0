/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of the cluster file as a table (config.def) and the values of its kinds as text:
 * reading, writing, and the sentence that tells what is allowed. It knows neither the file's syntax
 * nor the rules between options. Values that name nodes (SOURCE, NODES) are resolved by the caller,
 * who knows the names.
 */
#ifndef TANDEM_IO_CONFIG_OPTION_H
#define TANDEM_IO_CONFIG_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

enum option_kind {
#define KIND(name, text, allowed) OPTION_##name,
#include "io/config/option_kind.def"
#undef KIND
    OPTION_KIND_COUNT
};

/* The struct that an option's offset belongs to. */
enum option_scope { OPTION_IN_CLUSTER, OPTION_IN_NODE, OPTION_IN_VIP };

enum option_change { OPTION_ROLLING, OPTION_TOGETHER };

struct option_row {
    enum option_scope scope;
    const char *block;     /* "" = top of the file */
    const char *name;      /* in `block` */
    const char *node_name; /* in a node block; NULL unless scope is OPTION_IN_NODE */
    enum option_kind kind;
    size_t offset;
    size_t size;
    const char *def; /* NULL: required */
    const char *fast;
    int64_t min;
    int64_t max;
    enum option_change change;
    const char *help;
};

#define OPTION_VALUE_MAX 1100 /* the longest value as text, with its end */
#define OPTION_ALLOWED_MAX 160

unsigned option_count(void);
const struct option_row *option_at(unsigned i);

/* Reads `text` into the option's field of `base`, which is untouched on failure. ERR_INVAL for text
 * that is none of the kind, ERR_RANGE outside the bounds. */
int option_read(const struct option_row *o, const char *text, void *base) NODISCARD;
/* Writes the field as text that option_read() takes. */
void option_write(const struct option_row *o, const void *base, char ret_text[OPTION_VALUE_MAX]);
/* What is allowed, without "allowed:". */
void option_allowed(const struct option_row *o, char ret_text[OPTION_ALLOWED_MAX]);
const char *option_kind_text(enum option_kind kind);

/* Replaces each "%n" by `name`, in place; ERR_FULL if the result does not fit into `size`. */
int option_expand(char *text, size_t size, const char *name) NODISCARD;
/* Number of edits (insert, delete, change, swap of neighbours counts two) between two words. */
unsigned option_distance(const char *a, const char *b);

#endif
