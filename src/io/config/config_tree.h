/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster file as a tree of texts with line numbers: libconfuse behind a narrow door. Names of
 * blocks and options are checked here (unknown ones are reported with the nearest known name),
 * values are not. Free the tree with config_tree_free(); what its functions return lives as long as
 * it does.
 *
 * libconfuse's scanner is global to the process: one tree is parsed at a time, on one thread.
 */
#ifndef TANDEM_IO_CONFIG_CONFIG_TREE_H
#define TANDEM_IO_CONFIG_CONFIG_TREE_H

#include "io/config/config_errors.h"

struct config_tree;

/* A block, or the top of the file. */
struct config_block {
    void *section;     /* NULL: not in the file */
    const char *title; /* NULL if it has none */
    unsigned line;     /* where it ends; 0 for the top */
};

/* Parses `text`, whose content is changed on the way. ERR_FORMAT: see `errors`, no tree. With
 * unknown options there are errors *and* a tree, so that the rest can be checked. */
int config_tree_parse(char *text, struct config_errors *errors, struct config_tree **ret) NODISCARD;
struct config_tree *config_tree_free(struct config_tree *t);

struct config_block config_tree_top(const struct config_tree *t);
unsigned config_tree_count(const struct config_tree *t, const char *block);
struct config_block config_tree_block(const struct config_tree *t, const char *block, unsigned i);

/* Text of an option of the block, NULL if the file does not set it there; its line. */
const char *config_block_get(const struct config_block *b, const char *name, unsigned *ret_line);
/* The i-th element of a list option, NULL behind the last. */
const char *config_block_element(const struct config_block *b, const char *name, unsigned i,
                                 unsigned *ret_line);

#endif
