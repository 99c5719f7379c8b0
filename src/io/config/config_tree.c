/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: the option table becomes libconfuse's table (every value a text, nothing by default),
 * the file is parsed once. Failure modes:
 * - an unknown option or block: reported with a suggestion, its statement erased, parsed again;
 * - an option twice in one block: libconfuse takes the last one silently; reported here;
 * - any other syntax error: libconfuse cannot go on, its message is reported, no tree.
 *
 * libconfuse gives its callbacks no user data. The line of an option is kept in the option's own
 * comment (its parser is not asked to store comments there), and the place for the error message is
 * found through an option of an impossible name in every block.
 */
#include "io/config/config_tree.h"

#include <assert.h>
#include <confuse.h>
#include <stdbool.h>
#include <string.h>

#include "io/config/config_text.h"
#include "io/config/option.h"

#define TREE_ANCHOR "\001"
#define TREE_OPTIONS_MAX 64 /* of one block */
#define TREE_RETRIES_MAX 64 /* unknown options that are looked behind */

struct tree_failure {
    char text[160];
    unsigned line;
    cfg_t *section;
};

struct config_tree {
    cfg_t *root;
    void *anchor; /* = &failure; the options point here */
    struct tree_failure failure;
};

struct tree_block {
    const char *name;
    bool titled;
};

/* Blocks of the file besides its top; those with a title may appear several times. */
static const struct tree_block tree_blocks[] = {
    {"arbiter", true}, {"vrrp", false}, {"tls", false},   {"mysql", false},
    {"policy", false}, {"http", false}, {"hooks", false}, {"virtual_ipaddress", true},
    {"node", true},
};
#define TREE_BLOCKS (sizeof tree_blocks / sizeof *tree_blocks)

struct tree_table {
    cfg_opt_t top[TREE_OPTIONS_MAX];
    cfg_opt_t blocks[TREE_BLOCKS][TREE_OPTIONS_MAX];
};

static void tree_on_error(cfg_t *cfg, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void tree_on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    for (unsigned i = 0; cfg->opts[i].name != NULL; i++) {
        struct tree_failure *failure = cfg->opts[i].simple_value.ptr != NULL
                                           ? (struct tree_failure *)*cfg->opts[i].simple_value.ptr
                                           : NULL;
        if (strcmp(cfg->opts[i].name, TREE_ANCHOR) != 0 || failure == NULL)
            continue;
        (void)vsnprintf(failure->text, sizeof failure->text, fmt, ap);
        failure->line = (unsigned)cfg->line;
        failure->section = cfg;
    }
}

static int tree_on_anchor(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
    (void)opt;
    (void)argc;
    (void)argv;
    cfg_error(cfg, "control characters make no option");
    return -1;
}

/* Called after each value; for a list also at its end. The comment becomes "LINE", then "LINE LINE"
 * if the option is there twice. */
static int tree_on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    char lines[32];
    if (opt->comment == NULL)
        (void)snprintf(lines, sizeof lines, "%d", cfg->line);
    else if ((opt->flags & CFGF_LIST) == 0 && strchr(opt->comment, ' ') == NULL)
        (void)snprintf(lines, sizeof lines, "%.12s %d", opt->comment, cfg->line);
    else
        return 0;
    return cfg_opt_setcomment(opt, lines);
}

static void tree_add(cfg_opt_t *list, cfg_opt_t opt)
{
    unsigned n = 0;
    while (list[n].name != NULL)
        n++;
    assert(n + 1 < TREE_OPTIONS_MAX);
    list[n] = opt;
    list[n + 1] = (cfg_opt_t)CFG_END();
}

static void tree_add_option(cfg_opt_t *list, const char *name, enum option_kind kind)
{
    cfg_opt_t text = CFG_STR(name, NULL, CFGF_NODEFAULT);
    cfg_opt_t texts = CFG_STR_LIST(name, NULL, CFGF_NODEFAULT);
    cfg_opt_t opt = kind == OPTION_NODES ? texts : text;
    opt.validcb = tree_on_value;
    tree_add(list, opt);
}

static cfg_opt_t *tree_table_block(struct tree_table *t, const char *block)
{
    for (unsigned i = 0; i < TREE_BLOCKS; i++) {
        if (strcmp(tree_blocks[i].name, block) == 0)
            return t->blocks[i];
    }
    assert(block[0] == '\0');
    return t->top;
}

static void tree_table_build(struct tree_table *t, void **anchor)
{
    memset(t, 0, sizeof *t);
    for (unsigned i = 0; i < option_count(); i++) {
        const struct option_row *o = option_at(i);
        bool only_node = o->scope == OPTION_IN_NODE && strcmp(o->block, "node") == 0;
        if (!only_node)
            tree_add_option(tree_table_block(t, o->block), o->name, o->kind);
        if (o->scope == OPTION_IN_NODE)
            tree_add_option(tree_table_block(t, "node"), o->node_name, o->kind);
    }
    for (unsigned i = 0; i <= TREE_BLOCKS; i++) {
        cfg_opt_t func = CFG_FUNC(TREE_ANCHOR, tree_on_anchor);
        func.simple_value.ptr = anchor;
        func.flags |= CFGF_NODEFAULT;
        tree_add(i < TREE_BLOCKS ? t->blocks[i] : t->top, func);
    }
    for (unsigned i = 0; i < TREE_BLOCKS; i++) {
        cfg_flag_t flags = CFGF_NODEFAULT;
        if (tree_blocks[i].titled)
            flags |= CFGF_TITLE | CFGF_MULTI | CFGF_NO_TITLE_DUPES;
        cfg_opt_t section = CFG_SEC(tree_blocks[i].name, t->blocks[i], flags);
        tree_add(t->top, section);
    }
}

/* The nearest name that the block knows, NULL if none is near. */
static const char *tree_nearest(const cfg_t *section, const char *name)
{
    unsigned limit = (unsigned)strlen(name) / 3 + 1;
    const char *best = NULL;
    for (unsigned i = 0; section->opts[i].name != NULL; i++) {
        unsigned distance = option_distance(section->opts[i].name, name);
        if (distance > limit || strcmp(section->opts[i].name, TREE_ANCHOR) == 0)
            continue;
        best = section->opts[i].name;
        limit = distance - (distance > 0);
    }
    return best;
}

/* Where the name does belong: "block 'arbiter' or 'mysql'"; empty if nowhere. */
static void tree_elsewhere(const char *name, char *text, size_t size)
{
    const char *joint = "block";
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < option_count() && used < size; i++) {
        const struct option_row *o = option_at(i);
        if (strcmp(o->name, name) != 0)
            continue;
        if (o->block[0] == '\0')
            used += (size_t)snprintf(text + used, size - used, "the top of the file");
        else
            used += (size_t)snprintf(text + used, size - used, "%s '%s'", joint, o->block);
        joint = " or";
    }
    for (unsigned i = 0; i < TREE_BLOCKS && used == 0; i++) {
        if (strcmp(tree_blocks[i].name, name) == 0)
            used = (size_t)snprintf(text, size, "the top of the file, as a block");
    }
}

static void tree_where(const cfg_t *section, char *text, size_t size)
{
    if (section->title != NULL)
        (void)snprintf(text, size, "in %s '%.64s'", section->name, section->title);
    else if (strcmp(section->name, "root") == 0)
        (void)snprintf(text, size, "at the top of the file");
    else
        (void)snprintf(text, size, "in block '%s'", section->name);
}

/* True if it looks like an option, so that going on behind it makes sense. */
static bool tree_report_unknown(const struct tree_failure *f, const char *name,
                                struct config_errors *errors)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *nearest = tree_nearest(f->section, name);
    char elsewhere[100];
    char where[100];
    tree_elsewhere(name, elsewhere, sizeof elsewhere);
    tree_where(f->section, where, sizeof where);
    if (name[0] == '\0' || name[strspn(name, letters)] != '\0') {
        config_errors_add(
            errors, CONFIG_ERROR, f->line,
            "syntax: '%s' is no option; is a quote or an equal sign missing before it?", name);
        return false;
    }
    if (nearest != NULL)
        config_errors_add(errors, CONFIG_ERROR, f->line,
                          "unknown option '%s' %s; did you mean '%s'?", name, where, nearest);
    else if (elsewhere[0] != '\0')
        config_errors_add(errors, CONFIG_ERROR, f->line, "'%s' does not belong %s but in %s", name,
                          where, elsewhere);
    else
        config_errors_add(errors, CONFIG_ERROR, f->line,
                          "unknown option '%s' %s; see `tandem config reference`", name, where);
    return true;
}

/* What to do about libconfuse's message, by how it begins. */
static const char *tree_hint(const char *message)
{
    static const struct {
        const char *begin;
        const char *hint;
    } hints[] = {
        {"missing equal sign", "; write: name = value"},
        {"premature end of file", "; a value is missing"},
        {"missing title", "; write: block title { ... }"},
        {"missing opening brace", "; write: block { ... }"},
        {"found duplicate title", "; two blocks have the same name"},
        {"unexpected token", "; a value with spaces or one of # = { } ( ) , needs double quotes"},
    };
    for (unsigned i = 0; i < sizeof hints / sizeof *hints; i++) {
        if (strncmp(message, hints[i].begin, strlen(hints[i].begin)) == 0)
            return hints[i].hint;
    }
    return "";
}

/* 0: parsed; ERR_BUSY: an unknown option was reported and erased, try again; ERR_FORMAT: reported.
 */
static int tree_try(struct config_tree *t, char *text, struct config_errors *errors)
{
    static const char unknown[] = "no such option '";
    char name[100];
    const char *begin;
    int rc;
    t->failure = (struct tree_failure){.line = 0};
    rc = cfg_parse_buf(t->root, text);
    if (rc == CFG_SUCCESS)
        return 0;
    if (t->failure.section != NULL && strncmp(t->failure.text, unknown, strlen(unknown)) == 0) {
        begin = t->failure.text + strlen(unknown);
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(begin, "'"), begin);
        if (tree_report_unknown(&t->failure, name, errors) &&
            config_text_erase(text, t->failure.line, name))
            return ERR_BUSY;
        return ERR_FORMAT;
    }
    if (t->failure.text[0] == '\0')
        (void)snprintf(t->failure.text, sizeof t->failure.text, "not understood");
    config_errors_add(errors, CONFIG_ERROR, t->failure.line, "syntax: %s%s", t->failure.text,
                      tree_hint(t->failure.text));
    return ERR_FORMAT;
}

static void tree_report_twice(cfg_t *section, struct config_errors *errors)
{
    char where[100];
    for (unsigned i = 0; section->opts[i].name != NULL; i++) {
        cfg_opt_t *opt = &section->opts[i];
        const char *second = opt->comment != NULL ? strchr(opt->comment, ' ') : NULL;
        if (opt->type == CFGT_SEC) {
            for (unsigned k = 0; k < cfg_opt_size(opt); k++)
                tree_report_twice(cfg_opt_getnsec(opt, k), errors);
        }
        if (opt->type != CFGT_STR || second == NULL)
            continue;
        tree_where(section, where, sizeof where);
        config_errors_add(errors, CONFIG_ERROR, (unsigned)strtoul(second, NULL, 10),
                          "option '%s' is set a second time %s; first in line %lu", opt->name,
                          where, strtoul(opt->comment, NULL, 10));
    }
}

int config_tree_parse(char *text, struct config_errors *errors, struct config_tree **ret)
{
    struct config_tree *t = calloc(1, sizeof *t);
    struct tree_table *table = calloc(1, sizeof *table);
    int err = t != NULL && table != NULL ? config_text_prepare(text, errors) : ERR_NOMEM;
    err = err == 0 ? ERR_BUSY : err;
    for (unsigned i = 0; i < TREE_RETRIES_MAX && err == ERR_BUSY; i++) {
        if (t->root != NULL)
            cfg_free(t->root);
        t->anchor = &t->failure;
        tree_table_build(table, &t->anchor);
        t->root = cfg_init(table->top, CFGF_NONE);
        if (t->root == NULL) {
            err = ERR_NOMEM;
            break;
        }
        cfg_set_error_function(t->root, tree_on_error);
        err = tree_try(t, text, errors);
    }
    free(table);
    if (err != 0) {
        config_tree_free(t);
        return err == ERR_BUSY ? ERR_FORMAT : err;
    }
    tree_report_twice(t->root, errors);
    *ret = t;
    return 0;
}

struct config_tree *config_tree_free(struct config_tree *t)
{
    if (t != NULL && t->root != NULL)
        cfg_free(t->root);
    free(t);
    return NULL;
}

struct config_block config_tree_top(const struct config_tree *t)
{
    return (struct config_block){.section = t->root};
}

unsigned config_tree_count(const struct config_tree *t, const char *block)
{
    return cfg_size(t->root, block);
}

struct config_block config_tree_block(const struct config_tree *t, const char *block, unsigned i)
{
    struct config_block b = {.section = NULL};
    cfg_t *section;
    if (i >= cfg_size(t->root, block))
        return b;
    section = cfg_getnsec(t->root, block, i);
    b.section = section;
    b.title = section->title;
    b.line = (unsigned)section->line;
    return b;
}

const char *config_block_element(const struct config_block *b, const char *name, unsigned i,
                                 unsigned *ret_line)
{
    cfg_opt_t *opt = b->section != NULL ? cfg_getopt(b->section, name) : NULL;
    if (opt == NULL || i >= cfg_opt_size(opt))
        return NULL;
    *ret_line = opt->comment != NULL ? (unsigned)strtoul(opt->comment, NULL, 10) : b->line;
    return cfg_opt_getnstr(opt, i);
}

const char *config_block_get(const struct config_block *b, const char *name, unsigned *ret_line)
{
    return config_block_element(b, name, 0, ret_line);
}
