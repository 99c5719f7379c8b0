/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/config_errors.h"

#include <stdarg.h>
#include <stdbool.h>

void config_errors_init(struct config_errors *e)
{
    *e = (struct config_errors){.n = 0};
}

void config_errors_add(struct config_errors *e, enum config_severity severity, unsigned line,
                       const char *fmt, ...)
{
    va_list ap;
    e->n_errors += severity == CONFIG_ERROR;
    if (e->n == CONFIG_ERRORS_MAX) {
        e->n_dropped++;
        return;
    }
    e->list[e->n].severity = severity;
    e->list[e->n].line = line;
    va_start(ap, fmt);
    (void)vsnprintf(e->list[e->n].text, CONFIG_ERROR_TEXT_MAX, fmt, ap);
    va_end(ap);
    e->n++;
}

static bool config_error_is_before(const struct config_error *a, const struct config_error *b)
{
    return a->line != 0 && (b->line == 0 || a->line < b->line);
}

void config_errors_sort(struct config_errors *e)
{
    for (unsigned i = 1; i < e->n; i++) {
        struct config_error x = e->list[i];
        unsigned at = i;
        for (; at > 0 && config_error_is_before(&x, &e->list[at - 1]); at--)
            e->list[at] = e->list[at - 1];
        e->list[at] = x;
    }
}

void config_errors_print(const struct config_errors *e, const char *path, FILE *out)
{
    for (unsigned i = 0; i < e->n; i++) {
        const struct config_error *x = &e->list[i];
        const char *severity = x->severity == CONFIG_ERROR ? "error" : "warning";
        if (x->line > 0)
            fprintf(out, "%s:%u: %s: %s\n", path, x->line, severity, x->text);
        else
            fprintf(out, "%s: %s: %s\n", path, severity, x->text);
    }
    if (e->n_dropped > 0)
        fprintf(out, "%s: and %u more\n", path, e->n_dropped);
}
