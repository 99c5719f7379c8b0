/* SPDX-License-Identifier: Apache-2.0 */
#include "io/store/undo_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void undo_text_init(struct undo_text *t)
{
    memset(t, 0, sizeof *t);
    t->script = calloc(1, sizeof *t->script);
    if (t->script == NULL)
        t->err = ERR_NOMEM;
}

void undo_script_free(struct undo_script *s)
{
    if (s == NULL)
        return;
    free(s->text);
    free(s->steps);
    free(s);
}

static char *reserve(struct undo_text *t, size_t n)
{
    size_t cap = t->cap > 0 ? t->cap : 65536;
    char *text;
    if (t->err != 0)
        return NULL;
    while (cap - t->used < n)
        cap *= 2;
    if (cap != t->cap) {
        text = realloc(t->script->text, cap);
        if (text == NULL) {
            t->err = ERR_NOMEM;
            return NULL;
        }
        t->script->text = text;
        t->cap = cap;
    }
    return t->script->text + t->used;
}

/* The statement that was written behind `used`, without its NUL. */
static void add_step(struct undo_text *t, size_t size, enum undo_reason reason, uint64_t expect)
{
    struct undo_script *s = t->script;
    if (s->n_steps == t->steps_cap) {
        unsigned cap = t->steps_cap > 0 ? 2 * t->steps_cap : 256;
        struct undo_step *steps = realloc(s->steps, cap * sizeof *steps);
        if (steps == NULL) {
            t->err = ERR_NOMEM;
            return;
        }
        s->steps = steps;
        t->steps_cap = cap;
    }
    s->steps[s->n_steps++] = (struct undo_step){t->used, size, reason, expect};
    t->used += size + 1;
}

void undo_text_add(struct undo_text *t, enum undo_reason reason, uint64_t expect, const char *fmt,
                   ...)
{
    va_list ap, again;
    char *at;
    int n;
    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    at = n >= 0 ? reserve(t, (size_t)n + 1) : NULL;
    if (at != NULL) {
        (void)vsnprintf(at, (size_t)n + 1, fmt, again);
        add_step(t, (size_t)n, reason, expect);
    }
    va_end(again);
    va_end(ap);
}

void undo_text_binlog(struct undo_text *t, const uint8_t *events, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char head[] = "BINLOG '";
    size_t size = sizeof head - 1 + (n + 2) / 3 * 4 + 1;
    char *at = reserve(t, size + 1);
    if (at == NULL)
        return;
    memcpy(at, head, sizeof head - 1);
    at += sizeof head - 1;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)events[i] << 16;
        v |= i + 1 < n ? (uint32_t)events[i + 1] << 8 : 0;
        v |= i + 2 < n ? events[i + 2] : 0;
        *at++ = digits[v >> 18 & 63];
        *at++ = digits[v >> 12 & 63];
        *at++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *at++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *at++ = '\'';
    *at = '\0';
    add_step(t, size, UNDO_REASON_OK, 0);
}
