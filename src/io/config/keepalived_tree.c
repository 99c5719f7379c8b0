/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over logical lines (a backslash at the end joins two): expand definitions, cut the line
 * into tokens, hang statements into the innermost open block. Comments are cut before definitions
 * are looked at, as Keepalived does it.
 */
#include "io/config/keepalived_tree.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tree_file {
    struct tree_file *next;
    char *name;
};

struct tree_definition {
    char *name;
    char *value;
};

struct keepalived_tree {
    struct keepalived_statement root; /* its children are the top */
    struct tree_file *files;
    struct tree_definition definitions[KEEPALIVED_DEFINITIONS_MAX];
    unsigned n_definitions;
    unsigned n_statements;
    struct keepalived_statement *open[KEEPALIVED_DEPTH_MAX]; /* innermost last; [0] = &root */
    struct keepalived_statement *tail[KEEPALIVED_DEPTH_MAX]; /* last child of each */
    unsigned depth;
    struct keepalived_statement *current; /* of this line */
    bool may_include;
};

struct tree_reader {
    struct keepalived_tree *t;
    const char *file;
    unsigned line; /* where the logical line begins */
    unsigned includes;
    struct errmsg *m;
};

static int fail(const struct tree_reader *r, int err, const char *what, const char *detail)
{
    return errmsg_set(r->m, err, "%s:%u: %s%s%s%s", r->file, r->line, what,
                      detail[0] != '\0' ? " '" : "", detail, detail[0] != '\0' ? "'" : "");
}

static const char *keep_name(struct keepalived_tree *t, const char *name)
{
    struct tree_file *f = calloc(1, sizeof *f);
    if (f == NULL || (f->name = strdup(name)) == NULL) {
        free(f);
        return NULL;
    }
    f->next = t->files;
    t->files = f;
    return f->name;
}

/* --- statements -------------------------------------------------------------------------------*/

static int begin_statement(const struct tree_reader *r)
{
    struct keepalived_tree *t = r->t;
    struct keepalived_statement *s;
    if (t->n_statements == KEEPALIVED_STATEMENTS_MAX)
        return fail(r, ERR_FULL, "too many statements", "");
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return fail(r, ERR_NOMEM, "no memory", "");
    s->file = r->file;
    s->line = s->end_line = r->line;
    t->n_statements++;
    if (t->tail[t->depth] == NULL)
        t->open[t->depth]->child = s;
    else
        t->tail[t->depth]->next = s;
    t->tail[t->depth] = s;
    t->current = s;
    return 0;
}

static int add_word(const struct tree_reader *r, const char *word)
{
    struct keepalived_tree *t = r->t;
    struct keepalived_statement *s;
    int err = t->current == NULL ? begin_statement(r) : 0;
    if (err != 0)
        return err;
    s = t->current;
    if (s->n_words == 0 && word[0] == '@' && word[1] != '\0' && !s->conditional) {
        s->conditional = true;
        return 0;
    }
    if (s->n_words == 0 && word[0] == '~')
        return fail(r, ERR_FORMAT, "sequences are not understood:", word);
    if (s->n_words == KEEPALIVED_WORDS_MAX)
        return fail(r, ERR_FULL, "too many words", "");
    s->words[s->n_words] = strdup(word);
    if (s->words[s->n_words] == NULL)
        return fail(r, ERR_NOMEM, "no memory", "");
    s->n_words++;
    return 0;
}

/* The brace may stand on the line below the name. */
static int open_block(const struct tree_reader *r)
{
    struct keepalived_tree *t = r->t;
    struct keepalived_statement *s = t->current != NULL ? t->current : t->tail[t->depth];
    if (s == NULL || s->n_words == 0 || s->block)
        return fail(r, ERR_FORMAT, "a block without a name", "");
    if (t->depth + 1 == KEEPALIVED_DEPTH_MAX)
        return fail(r, ERR_FULL, "blocks too deep", "");
    s->block = true;
    t->depth++;
    t->open[t->depth] = s;
    t->tail[t->depth] = NULL;
    t->current = NULL;
    return 0;
}

static int close_block(const struct tree_reader *r)
{
    struct keepalived_tree *t = r->t;
    if (t->current != NULL && t->current->n_words == 0)
        return fail(r, ERR_FORMAT, "a condition without a statement", "");
    if (t->depth == 0)
        return fail(r, ERR_FORMAT, "a closing brace without a block", "");
    t->open[t->depth]->end_line = r->line;
    t->depth--;
    t->current = NULL;
    return 0;
}

/* --- lines ------------------------------------------------------------------------------------*/

/* Cuts the comment off, in place; what is quoted or behind a backslash begins none. */
static void cut_comment(char *line)
{
    bool quoted = false;
    for (char *p = line; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == '#' || *p == '!')) {
            *p = '\0';
            return;
        }
    }
}

static size_t name_length(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

static const char *definition_of(const struct keepalived_tree *t, const char *name, size_t length)
{
    for (unsigned i = t->n_definitions; i-- > 0;) {
        const struct tree_definition *d = &t->definitions[i];
        if (strlen(d->name) == length && strncmp(d->name, name, length) == 0)
            return d->value;
    }
    return NULL;
}

/* A name that is not defined stays as it is written: it may be meant for a shell. */
static int expand(const struct tree_reader *r, const char *line, char out[KEEPALIVED_LINE_MAX])
{
    size_t used = 0;
    while (*line != '\0') {
        bool braced = line[0] == '$' && line[1] == '{';
        const char *name = line + (braced ? 2 : 1);
        size_t length = line[0] == '$' ? name_length(name) : 0;
        const char *value = length > 0 && (!braced || name[length] == '}')
                                ? definition_of(r->t, name, length)
                                : NULL;
        size_t n = value != NULL ? strlen(value) : 1;
        if (used + n >= KEEPALIVED_LINE_MAX)
            return fail(r, ERR_FULL, "line too long", "");
        memcpy(out + used, value != NULL ? value : line, n);
        used += n;
        line = value != NULL ? name + length + braced : line + 1;
    }
    out[used] = '\0';
    return 0;
}

/* $NAME=value, with blanks around the sign if you like. *ret_taken: it was one. */
static int define(const struct tree_reader *r, const char *line, bool *ret_taken)
{
    struct keepalived_tree *t = r->t;
    const char *name = line + strspn(line, " \t") + 1;
    size_t length = name[-1] == '$' ? name_length(name) : 0;
    struct tree_definition *d = &t->definitions[t->n_definitions];
    const char *value;
    const char *equals = name + length + strspn(name + length, " \t");
    size_t size;
    *ret_taken = length > 0 && *equals == '=';
    if (!*ret_taken)
        return 0;
    if (t->n_definitions == KEEPALIVED_DEFINITIONS_MAX)
        return fail(r, ERR_FULL, "too many definitions", "");
    value = equals + 1;
    value += strspn(value, " \t");
    size = strlen(value);
    while (size > 0 && strchr(" \t", value[size - 1]) != NULL)
        size--;
    d->name = strndup(name, length);
    d->value = strndup(value, size);
    t->n_definitions++;
    return d->name != NULL && d->value != NULL ? 0 : fail(r, ERR_NOMEM, "no memory", "");
}

/* Copies the word at *at, without its quotes and backslashes, and moves *at behind it. */
static int read_word(const struct tree_reader *r, const char **at, char word[KEEPALIVED_LINE_MAX])
{
    const char *p = *at;
    bool quoted = false, reference = false;
    size_t used = 0;
    for (; *p != '\0' && (quoted || reference || strchr(" \t{}", *p) == NULL); p++) {
        if (*p == '"') {
            quoted = !quoted;
            continue;
        }
        reference = (reference && *p != '}') || (p[0] == '$' && p[1] == '{');
        if (*p == '\\' && p[1] != '\0')
            p++;
        word[used++] = *p;
    }
    word[used] = '\0';
    *at = p;
    return quoted ? fail(r, ERR_FORMAT, "a quote without its end", "") : 0;
}

static int read_tokens(const struct tree_reader *r, const char *line)
{
    char word[KEEPALIVED_LINE_MAX];
    int err = 0;
    while (err == 0) {
        line += strspn(line, " \t");
        if (*line == '\0')
            break;
        if (*line == '{' || *line == '}') {
            err = *line == '{' ? open_block(r) : close_block(r);
            line++;
            continue;
        }
        err = read_word(r, &line, word);
        if (err == 0)
            err = add_word(r, word);
    }
    return err;
}

static int read_file(struct tree_reader *r, const char *path);

/* A relative name is relative to the file that has it. */
static int include(const struct tree_reader *r, struct keepalived_statement *s)
{
    const char *slash = strrchr(r->file, '/');
    char pattern[KEEPALIVED_LINE_MAX];
    glob_t found;
    int err = 0, rc;
    if (!r->t->may_include)
        return fail(r, ERR_UNSUPPORTED, "include of", s->words[1]);
    if (r->includes == KEEPALIVED_INCLUDES_MAX)
        return fail(r, ERR_FULL, "includes too deep:", s->words[1]);
    (void)snprintf(pattern, sizeof pattern, "%.*s%s",
                   s->words[1][0] != '/' && slash != NULL ? (int)(slash + 1 - r->file) : 0, r->file,
                   s->words[1]);
    rc = glob(pattern, 0, NULL, &found);
    if (rc != 0)
        return fail(r, rc == GLOB_NOMATCH ? ERR_NOTFOUND : ERR_IO, "no file", pattern);
    for (size_t i = 0; i < found.gl_pathc && err == 0; i++) {
        struct tree_reader inner = {.t = r->t, .includes = r->includes + 1, .m = r->m};
        err = read_file(&inner, found.gl_pathv[i]);
    }
    globfree(&found);
    keepalived_tell(s, KEEPALIVED_CARRIED, "read");
    return err;
}

static int read_line(const struct tree_reader *r, char *line)
{
    char expanded[KEEPALIVED_LINE_MAX];
    struct keepalived_statement *s;
    bool taken = false;
    int err;
    cut_comment(line);
    err = expand(r, line, expanded);
    if (err == 0)
        err = define(r, expanded, &taken);
    if (err != 0 || taken)
        return err;
    err = read_tokens(r, expanded);
    s = r->t->current;
    r->t->current = NULL;
    if (err == 0 && s != NULL && s->n_words == 0)
        err = fail(r, ERR_FORMAT, "a condition without a statement", "");
    if (err == 0 && s != NULL && s->n_words == 2 && strncmp(s->words[0], "include", 7) == 0)
        err = include(r, s);
    return err;
}

/* Copies the next logical line. False at the end. */
static bool next_line(const char **at, const char *end, unsigned *line_number, char *line,
                      size_t size, bool *ret_whole)
{
    size_t used = 0;
    bool more = *at < end;
    bool joined = true;
    *ret_whole = true;
    while (*at < end && joined) {
        const char *newline = memchr(*at, '\n', (size_t)(end - *at));
        size_t n = (size_t)((newline != NULL ? newline : end) - *at);
        joined = n > 0 && (*at)[n - 1] == '\\';
        if (used + n >= size) {
            *ret_whole = false;
            return true;
        }
        memcpy(line + used, *at, n);
        used += joined ? n - 1 : n;
        if (used > 0 && !joined && line[used - 1] == '\r')
            used--;
        *at = newline != NULL ? newline + 1 : end;
        (*line_number)++;
    }
    line[used] = '\0';
    return more;
}

static int read_text(struct tree_reader *r, const char *text, size_t length)
{
    char line[KEEPALIVED_LINE_MAX];
    const char *at = text;
    unsigned number = 0;
    bool whole = true;
    int err = 0;
    if (memchr(text, '\0', length) != NULL)
        return fail(r, ERR_FORMAT, "not a text", "");
    while (err == 0) {
        r->line = number + 1;
        if (!next_line(&at, text + length, &number, line, sizeof line, &whole))
            break;
        err = whole ? read_line(r, line) : fail(r, ERR_FULL, "line too long", "");
    }
    return err;
}

static int read_file(struct tree_reader *r, const char *path)
{
    FILE *in = fopen(path, "re");
    char *text = in != NULL ? malloc(KEEPALIVED_FILE_MAX + 1) : NULL;
    size_t length;
    int err;
    r->file = keep_name(r->t, path);
    if (in == NULL)
        return errmsg_set(r->m, errno == ENOENT ? ERR_NOTFOUND : ERR_PERM, "%s: %s", path,
                          strerror(errno));
    if (text == NULL || r->file == NULL) {
        (void)fclose(in);
        free(text);
        return errmsg_set(r->m, ERR_NOMEM, "%s: no memory", path);
    }
    length = fread(text, 1, KEEPALIVED_FILE_MAX + 1, in);
    if (ferror(in) != 0)
        err = errmsg_set(r->m, ERR_IO, "%s: cannot be read", path);
    else if (length > KEEPALIVED_FILE_MAX)
        err = errmsg_set(r->m, ERR_FULL, "%s: longer than %d bytes", path, KEEPALIVED_FILE_MAX);
    else
        err = read_text(r, text, length);
    (void)fclose(in);
    free(text);
    return err;
}

/* --- trees ------------------------------------------------------------------------------------*/

static struct keepalived_tree *tree_new(bool may_include)
{
    struct keepalived_tree *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->open[0] = &t->root;
        t->may_include = may_include;
    }
    return t;
}

static int tree_end(const struct tree_reader *r, int err, struct keepalived_tree **ret_tree)
{
    struct keepalived_tree *t = r->t;
    if (err == 0 && t->depth > 0)
        err = errmsg_set(r->m, ERR_FORMAT, "%s:%u: the block '%s' has no end",
                         t->open[t->depth]->file, t->open[t->depth]->line,
                         t->open[t->depth]->words[0]);
    if (err != 0) {
        keepalived_tree_free(t);
        return err;
    }
    *ret_tree = t;
    return 0;
}

int keepalived_tree_load(const char *path, struct errmsg *m, struct keepalived_tree **ret_tree)
{
    struct tree_reader r = {.t = tree_new(/* may_include= */ true), .m = m};
    if (r.t == NULL)
        return errmsg_set(m, ERR_NOMEM, "%s: no memory", path);
    return tree_end(&r, read_file(&r, path), ret_tree);
}

int keepalived_tree_parse(const char *text, size_t length, const char *name, struct errmsg *m,
                          struct keepalived_tree **ret_tree)
{
    struct tree_reader r = {.t = tree_new(/* may_include= */ false), .m = m};
    if (r.t == NULL || (r.file = keep_name(r.t, name)) == NULL) {
        keepalived_tree_free(r.t);
        return errmsg_set(m, ERR_NOMEM, "%s: no memory", name);
    }
    return tree_end(&r, read_text(&r, text, length), ret_tree);
}

static void statements_free(struct keepalived_statement *s)
{
    while (s != NULL) {
        struct keepalived_statement *next = s->next;
        statements_free(s->child);
        for (unsigned i = 0; i < s->n_words; i++)
            free(s->words[i]);
        free(s);
        s = next;
    }
}

struct keepalived_tree *keepalived_tree_free(struct keepalived_tree *t)
{
    if (t == NULL)
        return NULL;
    statements_free(t->root.child);
    while (t->files != NULL) {
        struct tree_file *f = t->files;
        t->files = f->next;
        free(f->name);
        free(f);
    }
    for (unsigned i = 0; i < t->n_definitions; i++) {
        free(t->definitions[i].name);
        free(t->definitions[i].value);
    }
    free(t);
    return NULL;
}

struct keepalived_statement *keepalived_tree_top(const struct keepalived_tree *t)
{
    return t->root.child;
}

struct keepalived_statement *keepalived_find(struct keepalived_statement *list, const char *keyword)
{
    while (list != NULL && strcmp(list->words[0], keyword) != 0)
        list = list->next;
    return list;
}

const char *keepalived_word(const struct keepalived_statement *s, unsigned i)
{
    return i < s->n_words ? s->words[i] : "";
}

unsigned keepalived_count(const struct keepalived_statement *list)
{
    unsigned n = 0;
    for (; list != NULL; list = list->next)
        n += 1 + keepalived_count(list->child);
    return n;
}

void keepalived_tell(struct keepalived_statement *s, enum keepalived_fate fate, const char *fmt,
                     ...)
{
    va_list ap;
    if (s->fate != KEEPALIVED_UNSEEN)
        return;
    s->fate = fate;
    va_start(ap, fmt);
    (void)vsnprintf(s->note, sizeof s->note, fmt, ap);
    va_end(ap);
}
