/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/statement.h"

#include <string.h>

static const char statement_special[] = " \t\r\n#\"'={}(),";

/* Each skip function returns the first position behind what it is named after. */
static char *skip_quoted(char *p)
{
    char quote = *p++;
    while (*p != '\0' && *p != quote)
        p += *p == '\\' && p[1] != '\0' ? 2 : 1;
    return *p == quote ? p + 1 : p;
}

static bool is_comment(const char *p)
{
    return p[0] == '#' || (p[0] == '/' && (p[1] == '/' || p[1] == '*'));
}

static char *skip_comment(char *p)
{
    char *end;
    if (p[0] != '/' || p[1] != '*')
        return p + strcspn(p, "\n");
    end = strstr(p + 2, "*/");
    return end != NULL ? end + 2 : p + strlen(p);
}

static char *skip_blank(char *p)
{
    for (;;) {
        p += strspn(p, " \t\r\n");
        if (!is_comment(p))
            return p;
        p = skip_comment(p);
    }
}

static char *skip_word(char *p)
{
    if (*p == '"' || *p == '\'')
        return skip_quoted(p);
    return p + strcspn(p, statement_special);
}

static char *skip_braces(char *p)
{
    unsigned depth = 0;
    while (*p != '\0') {
        if (is_comment(p)) {
            p = skip_comment(p);
        } else if (*p == '"' || *p == '\'') {
            p = skip_quoted(p);
        } else {
            depth += *p == '{';
            depth -= *p == '}';
            p++;
            if (depth == 0)
                return p;
        }
    }
    return p;
}

/* From behind the name to the end of its value, list, arguments or block. */
static char *skip_rest(char *name_end)
{
    char *p = skip_blank(name_end);
    char *word_end;
    if (*p == '+' && p[1] == '=')
        p++;
    if (*p == '=') {
        p = skip_blank(p + 1);
        return *p == '{' ? skip_braces(p) : skip_word(p);
    }
    if (*p == '{')
        return skip_braces(p);
    if (*p == '(') {
        p += strcspn(p, ")");
        return *p == ')' ? p + 1 : p;
    }
    word_end = skip_word(p);
    p = skip_blank(word_end);
    if (*p == '{')
        return skip_braces(p);
    /* `name value` without an equal sign: the value goes too if it is on the same line. */
    return memchr(name_end, '\n', (size_t)(word_end - name_end)) == NULL ? word_end : name_end;
}

static char *find_in_line(char *p, const char *name)
{
    size_t n = strlen(name);
    while (*p != '\0' && *p != '\n') {
        char *end;
        if (is_comment(p))
            return NULL;
        if (strchr(statement_special, *p) != NULL && *p != '"' && *p != '\'') {
            p++;
            continue;
        }
        end = skip_word(p);
        if ((size_t)(end - p) == n && memcmp(p, name, n) == 0)
            return p;
        p = end > p ? end : p + 1;
    }
    return NULL;
}

bool statement_erase(char *text, unsigned line, const char *name)
{
    char *start = text;
    char *end;
    for (unsigned i = 1; i < line && start != NULL; i++) {
        start = strchr(start, '\n');
        start = start != NULL ? start + 1 : NULL;
    }
    start = start != NULL && name[0] != '\0' ? find_in_line(start, name) : NULL;
    if (start == NULL)
        return false;
    end = skip_rest(start + strlen(name));
    for (char *p = start; p < end; p++) {
        if (*p != '\n')
            *p = ' ';
    }
    return true;
}
