/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/phrase.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATTERN_WORD_MAX 32

static const char *const target_words[TARGET_COUNT] = {
    [TARGET_NODE] = "",         [TARGET_WRITER] = "writer", [TARGET_STANDBY] = "standby",
    [TARGET_LEADER] = "leader", [TARGET_IT] = "it",         [TARGET_EVERYONE] = "everyone",
    [TARGET_NOBODY] = "nobody",
};

bool target_read(const char *word, const struct cluster_config *cfg, struct target *ret_target)
{
    unsigned node;
    for (unsigned i = TARGET_NODE + 1; i < TARGET_COUNT; i++) {
        if (strcmp(word, target_words[i]) != 0)
            continue;
        *ret_target = (struct target){.kind = (uint8_t)i};
        return true;
    }
    node = config_node_find(cfg, word);
    if (node == NODE_NONE)
        return false;
    *ret_target = (struct target){.kind = TARGET_NODE, .node = (uint8_t)node};
    return true;
}

const char *target_text(const struct target *t, const struct cluster_config *cfg)
{
    return t->kind == TARGET_NODE ? cfg->nodes[t->node].name : target_words[t->kind];
}

/* The next word of a pattern; NULL at its end. */
static const char *next(const char **pattern, char *buf)
{
    size_t len = strcspn(*pattern, " ");
    if (len == 0)
        return NULL;
    assert(len < PATTERN_WORD_MAX);
    memcpy(buf, *pattern, len);
    buf[len] = '\0';
    *pattern += len + ((*pattern)[len] == ' ');
    return buf;
}

/* ---- reading ---- */

struct reading {
    const struct words *w;
    const struct cluster_config *cfg;
    unsigned at; /* understood so far */
    struct phrase_args args;
    struct errmsg detail; /* of an option that was not understood */
};

static bool read_option(struct reading *r)
{
    const struct words *w = r->w;
    if (!words_is(w, r->at + 2, "=") || r->at + 3 >= w->count ||
        setting_parse(w->at[r->at], w->at[r->at + 1], w->at[r->at + 3], &r->args.setting,
                      &r->detail) != 0)
        return false;
    r->at += 4;
    return true;
}

static bool read_hole(struct reading *r, char hole)
{
    const char *word = words_at(r->w, r->at);
    bool well;
    switch (hole) {
    case 'n':
        well = target_read(word, r->cfg, &r->args.a);
        break;
    case 'm':
        well = target_read(word, r->cfg, &r->args.b);
        break;
    case 'd':
        well = word_number(word, &r->args.number);
        break;
    case 't':
        well = word_time(word, &r->args.number);
        break;
    case 's':
        well = r->at < r->w->count;
        (void)snprintf(r->args.text, sizeof r->args.text, "%s", word);
        break;
    default:
        assert(hole == 'o');
        return read_option(r);
    }
    r->at += well;
    return well;
}

/* Reads as far as it goes; true: everything was said and nothing more. `ret_expected` is the word
 * of the pattern at which it ended, "" for its end. */
static bool read_pattern(struct reading *r, const char *pattern, char *ret_expected)
{
    for (;;) {
        const char *word = next(&pattern, ret_expected);
        if (word == NULL) {
            ret_expected[0] = '\0';
            return r->at == r->w->count;
        }
        if (word[0] == '%') {
            if (!read_hole(r, word[1]))
                return false;
        } else if (words_is(r->w, r->at, word)) {
            r->at++;
        } else {
            return false;
        }
    }
}

static const char *hole_text(const char *word)
{
    if (word[0] == '\0')
        return "the end of the line";
    if (word[0] != '%')
        return word;
    switch (word[1]) {
    case 'd':
        return "a number";
    case 't':
        return "a time (250ms, 2s)";
    case 's':
        return "a \"text\"";
    case 'o':
        return "an option (policy NAME = VALUE)";
    default:
        return "a node (NAME, writer, standby, leader, it, everyone, nobody)";
    }
}

/* What the patterns that got as far as `best` would accept there, each once. */
struct allowed {
    unsigned best;
    size_t len;
    char list[360];
};

static void allow(struct allowed *a, unsigned at, const char *expected)
{
    const char *text = hole_text(expected);
    char quoted[80];
    if (at < a->best)
        return;
    if (at > a->best) {
        a->best = at;
        a->len = 0;
        a->list[0] = '\0';
    }
    (void)snprintf(quoted, sizeof quoted, "%s%s", a->len == 0 ? "" : ", ", text);
    if (strstr(a->list, text) != NULL || a->len + strlen(quoted) >= sizeof a->list)
        return;
    memcpy(a->list + a->len, quoted, strlen(quoted) + 1);
    a->len += strlen(quoted);
}

static int not_understood(const struct words *w, unsigned from, const struct allowed *a,
                          const struct errmsg *detail, struct errmsg *msg)
{
    if (detail->text[0] != '\0')
        return errmsg_set(msg, ERR_FORMAT, "%.450s", detail->text);
    if (a->best == from)
        return errmsg_set(msg, ERR_FORMAT, "'%.60s' is not understood; allowed: %s",
                          words_at(w, from), a->list);
    return errmsg_set(msg, ERR_FORMAT, "'%.60s' is not understood after '%.40s'; allowed: %s",
                      words_at(w, a->best), words_at(w, a->best - 1), a->list);
}

int phrase_read(const char *const *patterns, unsigned n_patterns, const struct words *w,
                unsigned from, struct phrase_found *ret_found, struct errmsg *msg)
{
    struct allowed a = {.best = from};
    struct errmsg detail = ERRMSG_INIT;
    for (unsigned i = 0; i < n_patterns; i++) {
        struct reading r = {.w = w, .cfg = ret_found->cfg, .at = from};
        char expected[PATTERN_WORD_MAX];
        if (read_pattern(&r, patterns[i], expected)) {
            ret_found->args = r.args;
            ret_found->index = i;
            return 0;
        }
        if (r.detail.text[0] != '\0')
            detail = r.detail;
        allow(&a, r.at, expected);
    }
    return not_understood(w, from, &a, &detail, msg);
}

/* ---- writing ---- */

static void hole_write(char hole, const struct phrase_args *args, const struct cluster_config *cfg,
                       char *buf, unsigned size)
{
    switch (hole) {
    case 'n':
        (void)snprintf(buf, size, "%s", target_text(&args->a, cfg));
        return;
    case 'm':
        (void)snprintf(buf, size, "%s", target_text(&args->b, cfg));
        return;
    case 'd':
        (void)snprintf(buf, size, "%" PRId64, args->number);
        return;
    case 't':
        word_time_format(args->number, buf, size);
        return;
    case 's':
        (void)snprintf(buf, size, "\"%s\"", args->text);
        return;
    default:
        setting_format(&args->setting, buf, size);
    }
}

void phrase_write(const char *pattern, const struct phrase_args *args,
                  const struct cluster_config *cfg, char *buf, unsigned size)
{
    char word[PATTERN_WORD_MAX], filled[PHRASE_TEXT_MAX + NODE_NAME_MAX];
    size_t len = 0;
    assert(size > 0);
    buf[0] = '\0';
    while (next(&pattern, word) != NULL && len < size) {
        if (word[0] == '%')
            hole_write(word[1], args, cfg, filled, sizeof filled);
        else
            memcpy(filled, word, strlen(word) + 1);
        len += (size_t)snprintf(buf + len, size - len, "%s%s", len == 0 ? "" : " ", filled);
    }
}
