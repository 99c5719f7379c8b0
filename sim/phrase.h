/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sentences of the scenario language. A pattern is words with holes; the same pattern reads a line
 * and writes it, so that what a run prints can be run.
 *
 *     %n  a node           name, writer, standby, leader, it, everyone, nobody
 *     %m  another node     the same
 *     %d  a number
 *     %t  a time           250ms, 2s
 *     %s  a quoted text
 *     %o  an option        policy preempt = false
 *
 * A symbolic node is looked up when the sentence is executed, not when it is read.
 */
#ifndef TANDEM_SIM_PHRASE_H
#define TANDEM_SIM_PHRASE_H

#include "sim/setting.h"
#include "sim/words.h"
#include "util/err.h"
#include "wire/config.h"

#define PHRASE_TEXT_MAX 96

enum target_kind {
    TARGET_NODE,
    TARGET_WRITER,  /* of the record */
    TARGET_STANDBY, /* the best member of the in-sync set, else the best other candidate */
    TARGET_LEADER,
    TARGET_IT, /* the node of the previous action */
    TARGET_EVERYONE,
    TARGET_NOBODY,
    TARGET_COUNT
};

struct target {
    uint8_t kind; /* enum target_kind */
    uint8_t node; /* TARGET_NODE */
};

struct phrase_args {
    struct target a, b; /* %n, %m */
    int64_t number;     /* %d, and %t as milliseconds */
    struct setting setting;
    char text[PHRASE_TEXT_MAX];
};

struct phrase_found {
    const struct cluster_config *cfg; /* in: whose nodes are named */
    unsigned index;                   /* of the pattern */
    struct phrase_args args;
};

/*
 * Finds the pattern that the words from `from` on say completely. 0; ERR_FORMAT: there is none, and
 * msg says what is allowed after the part that was understood.
 */
int phrase_read(const char *const *patterns, unsigned n_patterns, const struct words *w,
                unsigned from, struct phrase_found *ret_found, struct errmsg *msg) NODISCARD;
void phrase_write(const char *pattern, const struct phrase_args *args,
                  const struct cluster_config *cfg, char *buf, unsigned size);
/* One word as a node; false if it is none. */
bool target_read(const char *word, const struct cluster_config *cfg, struct target *ret_target);
const char *target_text(const struct target *t, const struct cluster_config *cfg);

#endif
