/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/draft.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/config/config_file.h"

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

static int check(const char *text, const char *path, FILE *told, struct errmsg *m)
{
    struct config_errors errors;
    struct cluster_config *config = calloc(1, sizeof *config);
    int rc;
    if (config == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory; nothing was written");
    rc = config_parse(text, strlen(text), config, &errors);
    free(config);
    config_errors_print(&errors, path != NULL ? path : "new cluster file", told);
    return rc == 0
               ? 0
               : errmsg_set(m, rc, "no valid cluster file comes out of this; nothing was written");
}

int draft_store(const char *text, const char *path, FILE *out, FILE *told, struct errmsg *m)
{
    int rc = check(text, path, told, m);
    FILE *file = rc != 0 ? NULL : path != NULL ? fopen(path, "wxe") : out;
    bool good = file != NULL && fputs(text, file) >= 0;
    if (rc != 0)
        return rc;
    if (file != NULL && (path != NULL ? fclose(file) : fflush(file)) != 0)
        good = false;
    if (good)
        return 0;
    rc = errmsg_set(m, ERR_IO, "cannot write '%s': %s", path != NULL ? path : "the file",
                    strerror(errno));
    if (file != NULL && path != NULL)
        (void)unlink(path);
    return rc;
}
