/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 1000000000000

struct cut {
    struct words *w;
    char *end; /* of what was written of text */
    struct errmsg *msg;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_single(char c)
{
    return c == ',' || c == '=';
}

static int add(struct cut *c, const char *from, size_t len)
{
    struct words *w = c->w;
    if (w->count == WORDS_MAX)
        return errmsg_set(c->msg, ERR_FORMAT, "more than %d words in one line", WORDS_MAX);
    w->at[w->count++] = c->end;
    memcpy(c->end, from, len);
    c->end[len] = '\0';
    c->end += len + 1;
    return 0;
}

static size_t word_length(const char *p)
{
    size_t len = 1;
    if (is_single(*p))
        return 1;
    while (p[len] != '\0' && !is_space(p[len]) && !is_single(p[len]) && p[len] != '#')
        len++;
    return len;
}

int words_cut(struct words *w, const char *line, struct errmsg *msg)
{
    struct cut c = {.w = w, .end = w->text, .msg = msg};
    w->count = 0;
    if (strlen(line) >= LINE_MAX_BYTES)
        return errmsg_set(msg, ERR_FORMAT, "the line has more than %d bytes", LINE_MAX_BYTES - 1);
    for (const char *p = line; *p != '\0' && *p != '#';) {
        const char *close = NULL;
        size_t len;
        int err;
        if (is_space(*p)) {
            p++;
            continue;
        }
        if (*p == '"') {
            close = strchr(++p, '"');
            if (close == NULL)
                return errmsg_set(msg, ERR_FORMAT, "a quote is not closed");
        }
        len = close != NULL ? (size_t)(close - p) : word_length(p);
        if (memchr(p, '\\', len) != NULL || (close == NULL && memchr(p, '"', len) != NULL))
            return errmsg_set(msg, ERR_FORMAT, "a quote or backslash within a word");
        err = add(&c, p, len);
        if (err != 0)
            return err;
        p += len + (close != NULL);
    }
    return 0;
}

const char *words_at(const struct words *w, unsigned at)
{
    return at < w->count ? w->at[at] : "";
}

bool words_is(const struct words *w, unsigned at, const char *word)
{
    return at < w->count && strcmp(w->at[at], word) == 0;
}

/* Digits; where they end. NULL if there are none or too many. */
static const char *digits(const char *word, int64_t *ret_number)
{
    const char *p = word;
    int64_t n = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        n = n * 10 + (*p - '0');
        if (n > NUMBER_MAX)
            return NULL;
    }
    if (p == word)
        return NULL;
    *ret_number = n;
    return p;
}

bool word_number(const char *word, int64_t *ret_number)
{
    int64_t n;
    const char *end = digits(word, &n);
    if (end == NULL || *end != '\0')
        return false;
    *ret_number = n;
    return true;
}

bool word_time(const char *word, int64_t *ret_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}};
    int64_t whole, part = 0, scale = 1;
    const char *end = digits(word, &whole);
    if (end != NULL && *end == '.') {
        for (end++; *end >= '0' && *end <= '9' && scale < 1000; end++) {
            part = part * 10 + (*end - '0');
            scale *= 10;
        }
    }
    for (unsigned i = 0; end != NULL && i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        *ret_ms = whole * units[i].ms + part * units[i].ms / scale;
        return true;
    }
    return false;
}

void word_time_format(int64_t ms, char *buf, unsigned size)
{
    if (ms % 60000 == 0 && ms > 0)
        (void)snprintf(buf, size, "%" PRId64 "min", ms / 60000);
    else if (ms % 1000 == 0 && ms > 0)
        (void)snprintf(buf, size, "%" PRId64 "s", ms / 1000);
    else
        (void)snprintf(buf, size, "%" PRId64 "ms", ms);
}
