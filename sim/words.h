/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of a scenario, cut into words. White space separates words; `,` and `=` are words of
 * their own; "..." is one word, without its quotes; `#` begins a comment. The words point into the
 * struct, which therefore must not be copied.
 */
#ifndef TANDEM_SIM_WORDS_H
#define TANDEM_SIM_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define LINE_MAX_BYTES 512
#define WORDS_MAX 64

struct words {
    unsigned count;
    const char *at[WORDS_MAX];
    char text[2 * LINE_MAX_BYTES];
};

/* 0, or ERR_FORMAT with what is wrong with the line. */
int words_cut(struct words *w, const char *line, struct errmsg *msg) NODISCARD;
/* The word at that position is this one. */
bool words_is(const struct words *w, unsigned at, const char *word);
/* "" behind the last one. */
const char *words_at(const struct words *w, unsigned at);

/* `250`: digits only. */
bool word_number(const char *word, int64_t *ret_number);
/* `250ms`, `2s`, `2.5s`, `3min`, as milliseconds. */
bool word_time(const char *word, int64_t *ret_ms);
/* As word_time() reads it, in the largest unit that keeps it whole. */
void word_time_format(int64_t ms, char *buf, unsigned size);

#endif
