/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/draft.h"

#include <stdarg.h>
#include <stdlib.h>

/* Room for one more; false without memory. */
static bool grow(struct draft *d, void **list, unsigned n, unsigned *max, size_t size)
{
    void *more;
    if (n < *max)
        return true;
    more = reallocarray(*list, 2 * (size_t)*max + 64, size);
    if (more == NULL) {
        d->failed = true;
        return false;
    }
    *list = more;
    *max = 2 * *max + 64;
    return true;
}

const char *draft_keep(struct draft *d, const char *fmt, ...)
{
    void *list = d->texts;
    bool room = grow(d, &list, d->n_texts, &d->texts_max, sizeof *d->texts);
    char *text = NULL;
    va_list ap;
    d->texts = list;
    if (!room)
        return "";
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    d->failed |= text == NULL;
    if (text == NULL)
        return "";
    d->texts[d->n_texts++] = text;
    return text;
}

void draft_set(struct draft *d, const char *block, const char *title, const char *name,
               const char *value)
{
    void *list = d->settings;
    bool room = grow(d, &list, d->n_settings, &d->settings_max, sizeof *d->settings);
    d->settings = list;
    if (room)
        d->settings[d->n_settings++] = (struct starter_setting){block, title, name, value};
}

int draft_write(const struct draft *d, FILE *out)
{
    if (d->failed)
        return ERR_NOMEM;
    starter_write(d->settings, d->n_settings, out);
    return 0;
}

void draft_free(struct draft *d)
{
    for (unsigned i = 0; i < d->n_texts; i++)
        free(d->texts[i]);
    free(d->texts);
    free(d->settings);
}
