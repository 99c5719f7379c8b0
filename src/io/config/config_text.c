/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/config_text.h"

#include <string.h>

#define TEXT_DEPTH_MAX 8 /* braces; the cluster file needs two */

static const char text_special[] = " \t\r\n\"'={}(),";

/* Each skip function returns the first position behind what it is named after. */

/* Inside double quotes and outside of quotes "${...}" is one thing, whatever it contains. */
static char *skip_environment(char *p)
{
    char *end = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;
    return end != NULL ? end + 1 : p;
}

/* The end of the text if the quote is not closed. */
static char *skip_quoted(char *p)
{
    char quote = *p++;
    while (*p != '\0' && *p != quote) {
        char *behind = quote == '"' ? skip_environment(p) : p;
        if (behind > p)
            p = behind;
        else
            p += *p == '\\' && p[1] != '\0' ? 2 : 1;
    }
    return *p == quote ? p + 1 : p;
}

static char *skip_word(char *p)
{
    if (*p == '"' || *p == '\'')
        return skip_quoted(p);
    return p + strcspn(p, text_special);
}

static char *skip_braces(char *p)
{
    unsigned depth = 0;
    while (*p != '\0') {
        if (*p == '"' || *p == '\'') {
            p = skip_quoted(p);
            continue;
        }
        depth += *p == '{';
        depth -= *p == '}';
        p++;
        if (depth == 0)
            return p;
    }
    return p;
}

/* From behind the name to the end of its value, list, arguments or block. */
static char *skip_rest(char *name_end)
{
    char *p = name_end + strspn(name_end, " \t\r\n");
    char *word_end;
    if (*p == '+' && p[1] == '=')
        p++;
    if (*p == '=') {
        p++;
        p += strspn(p, " \t\r\n");
        return *p == '{' ? skip_braces(p) : skip_word(p);
    }
    if (*p == '{')
        return skip_braces(p);
    if (*p == '(') {
        p += strcspn(p, ")");
        return *p == ')' ? p + 1 : p;
    }
    word_end = skip_word(p);
    p = word_end + strspn(word_end, " \t\r\n");
    if (*p == '{' && word_end > name_end)
        return skip_braces(p);
    /* `name value` without an equal sign: the value goes too if it is on the same line. */
    return memchr(name_end, '\n', (size_t)(word_end - name_end)) == NULL ? word_end : name_end;
}

static char *find_in_line(char *p, const char *name)
{
    size_t n = strlen(name);
    while (*p != '\0' && *p != '\n') {
        char *end = skip_word(p);
        if ((size_t)(end - p) == n && memcmp(p, name, n) == 0)
            return p;
        p = end > p ? end : p + 1;
    }
    return NULL;
}

static void text_blank(char *start, const char *end)
{
    for (char *p = start; p < end; p++) {
        if (*p != '\n')
            *p = ' ';
    }
}

bool config_text_erase(char *text, unsigned line, const char *name)
{
    char *start = text;
    for (unsigned i = 1; i < line && start != NULL; i++) {
        start = strchr(start, '\n');
        start = start != NULL ? start + 1 : NULL;
    }
    start = start != NULL && name[0] != '\0' ? find_in_line(start, name) : NULL;
    if (start == NULL)
        return false;
    text_blank(start, skip_rest(start + strlen(name)));
    return true;
}

/* The end of a comment that begins at p; p if none does; NULL if it is not closed. */
static char *skip_comment(char *p)
{
    char *end;
    if (p[0] == '#' || (p[0] == '/' && p[1] == '/'))
        return p + strcspn(p, "\n");
    if (p[0] != '/' || p[1] != '*')
        return p;
    end = strstr(p + 2, "*/");
    return end != NULL ? end + 2 : NULL;
}

static unsigned text_lines(const char *start, const char *end)
{
    unsigned n = 0;
    for (const char *p = start; p < end; p++)
        n += *p == '\n';
    return n;
}

/* The line end that a quoted text runs over; NULL if it does not. A backslash at the end of the
 * line makes it go on, on purpose. */
static const char *text_runs_on(const char *start, const char *end)
{
    for (const char *p = start; p < end; p++) {
        if (*p == '\n' && p[-1] != '\\')
            return p;
    }
    return NULL;
}

struct scan {
    struct config_errors *errors;
    unsigned line;
    unsigned depth;
    unsigned opened[TEXT_DEPTH_MAX]; /* lines of the open braces */
};

static int scan_fail(const struct scan *s, unsigned line, const char *what)
{
    config_errors_add(s->errors, CONFIG_ERROR, line, "syntax: %s", what);
    return ERR_FORMAT;
}

static int scan_brace(struct scan *s, char brace)
{
    if (brace == '{' && s->depth == TEXT_DEPTH_MAX)
        return scan_fail(s, s->line, "blocks within blocks within blocks; is a } missing above?");
    if (brace == '}' && s->depth == 0)
        return scan_fail(s, s->line, "there is one } too many");
    if (brace == '{')
        s->opened[s->depth++] = s->line;
    else
        s->depth--;
    return 0;
}

/* One comment, quoted text, brace or other byte at p. */
static int scan_one(struct scan *s, char *p, char **ret_behind)
{
    char *behind = skip_comment(p);
    int err = 0;
    if (behind == NULL)
        return scan_fail(s, s->line, "the comment that begins here is not closed");
    if (behind > p) {
        text_blank(p, behind);
    } else if (*p == '"' || *p == '\'') {
        behind = skip_quoted(p);
        if (behind[-1] != *p || behind == p + 1 || text_runs_on(p, behind) != NULL)
            return scan_fail(s, s->line,
                             "the quoted text that begins here is not closed in its line");
    } else {
        behind = skip_environment(p);
        if (behind == p && (*p == '{' || *p == '}'))
            err = scan_brace(s, *p);
        behind = behind > p ? behind : p + 1;
    }
    s->line += text_lines(p, behind);
    *ret_behind = behind;
    return err;
}

int config_text_prepare(char *text, struct config_errors *errors)
{
    struct scan s = {.errors = errors, .line = 1};
    char *p = text;
    int err = 0;
    while (*p != '\0' && err == 0)
        err = scan_one(&s, p, &p);
    if (err == 0 && s.depth > 0)
        return scan_fail(&s, s.opened[0], "the block that begins here is not closed");
    return err;
}
