/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A keepalived.conf as a tree of statements, each with its file and line: comments (# and !),
 * quotes, backslashes, blocks, definitions ($NAME=value on one line, $NAME and ${NAME}), include
 * with wildcards. It knows the syntax, not the meaning: any keyword passes. What it does not
 * understand (definitions over several lines, ~SEQ and ~LST) is an error, never skipped.
 *
 * A statement of a conditional line (@id, @^id) is in the tree and says so.
 *
 * Each statement has a fate, for whoever translates the tree: the one who is done can tell of every
 * statement what became of it. All memory belongs to the tree.
 */
#ifndef TANDEM_IO_CONFIG_KEEPALIVED_TREE_H
#define TANDEM_IO_CONFIG_KEEPALIVED_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define KEEPALIVED_FILE_MAX (256 * 1024)
#define KEEPALIVED_LINE_MAX 4096
#define KEEPALIVED_WORDS_MAX 64
#define KEEPALIVED_DEPTH_MAX 16
#define KEEPALIVED_INCLUDES_MAX 8
#define KEEPALIVED_STATEMENTS_MAX 20000
#define KEEPALIVED_DEFINITIONS_MAX 64
#define KEEPALIVED_NOTE_MAX 200

enum keepalived_fate {
    KEEPALIVED_UNSEEN,
    KEEPALIVED_CARRIED,  /* it is in the cluster file */
    KEEPALIVED_REPLACED, /* Tandem does this by itself, or in another way */
    KEEPALIVED_LEFT      /* nobody does it any more */
};

struct keepalived_statement {
    const char *file;
    unsigned line;
    unsigned end_line; /* of a block: where it ends */
    char *words[KEEPALIVED_WORDS_MAX];
    unsigned n_words; /* at least 1 */
    bool block;
    bool conditional;
    enum keepalived_fate fate;
    char note[KEEPALIVED_NOTE_MAX];
    struct keepalived_statement *child; /* the first one */
    struct keepalived_statement *next;
};

struct keepalived_tree;

/* ERR_FORMAT, ERR_NOTFOUND, ERR_PERM, ERR_IO, ERR_NOMEM, ERR_FULL; m says where and what. */
int keepalived_tree_load(const char *path, struct errmsg *m,
                         struct keepalived_tree **ret_tree) NODISCARD;
/* The same from memory, as the file `name`; include is then ERR_UNSUPPORTED. */
int keepalived_tree_parse(const char *text, size_t length, const char *name, struct errmsg *m,
                          struct keepalived_tree **ret_tree) NODISCARD;
struct keepalived_tree *keepalived_tree_free(struct keepalived_tree *t);

/* The first statement outside all blocks, NULL if there is none. */
struct keepalived_statement *keepalived_tree_top(const struct keepalived_tree *t);
/* The first of `list` and its siblings with this keyword, NULL if there is none. */
struct keepalived_statement *keepalived_find(struct keepalived_statement *list,
                                             const char *keyword);
/* The i-th word, "" if there are not so many. */
const char *keepalived_word(const struct keepalived_statement *s, unsigned i);
/* Statements of the list, their blocks included. */
unsigned keepalived_count(const struct keepalived_statement *list);
/* Sets fate and note, unless a fate was set already. */
void keepalived_tell(struct keepalived_statement *s, enum keepalived_fate fate, const char *fmt,
                     ...) PRINTF_LIKE(3, 4);

#endif
