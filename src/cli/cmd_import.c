/* SPDX-License-Identifier: Apache-2.0 */
/* tandem import FILE [FILE] [--out FILE]: the keepalived.conf of a pair becomes a cluster file. */
#include "cli/cli.h"
#include "io/config/draft.h"
#include "io/config/import.h"

struct import_command {
    struct cli *cli;
    struct import_options options;
    struct keepalived_tree *trees[IMPORT_SIDES];
    char texts[2 * NODES_MAX][ADDRESS_TEXT_MAX + NODE_NAME_MAX];
    unsigned n_texts;
};

/* A copy that lives as long as the command; NULL if the text is longer than any that is right. */
static char *import_keep(struct import_command *c, const char *text)
{
    char *copy = c->texts[c->n_texts++];
    int length = snprintf(copy, sizeof c->texts[0], "%s", text);
    return length < (int)sizeof c->texts[0] ? copy : NULL;
}

/* NAME[=ADDRESS], one for each file in their order. */
static int import_names(struct import_command *c)
{
    unsigned position = 0, n = 0;
    const char *spec;
    while ((spec = cli_option_next(c->cli, "name", &position)) != NULL) {
        char *name, *equals;
        if (n == IMPORT_SIDES)
            return cli_usage(c->cli, "--name '%s': there are only two files", spec);
        name = import_keep(c, spec);
        if (name == NULL)
            return cli_usage(c->cli, "--name '%s': too long", spec);
        equals = strchr(name, '=');
        if (equals != NULL) {
            *equals = '\0';
            c->options.addresses[n] = equals + 1;
        }
        c->options.names[n++] = name;
    }
    return CLI_OK;
}

/* NAME=ADDRESS[:ROLE], an IPv6 address in brackets. */
static int import_extra(struct import_command *c, const char *spec)
{
    struct import_extra *x = &c->options.extra[c->options.n_extra];
    char *name, *address, *end;
    if (c->options.n_extra == NODES_MAX - IMPORT_SIDES)
        return cli_usage(c->cli, "--node: more than %d nodes", NODES_MAX);
    name = import_keep(c, spec);
    if (name == NULL)
        return cli_usage(c->cli, "--node '%s': too long", spec);
    address = strchr(name, '=');
    if (address == NULL)
        return cli_usage(c->cli, "--node '%s': write NAME=ADDRESS[:replica|:witness]", spec);
    *address++ = '\0';
    end = address + strcspn(address, ":");
    if (*address == '[') {
        address++;
        end = address + strcspn(address, "]");
        if (*end == ']')
            *end++ = '\0';
    }
    x->role = "witness";
    if (*end == ':') {
        *end = '\0';
        x->role = end + 1;
    }
    x->name = name;
    x->address = address;
    c->options.n_extra++;
    return CLI_OK;
}

static int import_options_read(struct import_command *c)
{
    unsigned position = 0;
    const char *spec;
    int status = import_names(c);
    c->options.cluster = cli_option(c->cli, "cluster");
    c->options.instance = cli_option(c->cli, "instance");
    while (status == CLI_OK && (spec = cli_option_next(c->cli, "node", &position)) != NULL)
        status = import_extra(c, spec);
    return status;
}

static int import_load(struct import_command *c)
{
    for (int i = 0; i < c->cli->n_args; i++) {
        struct errmsg m = ERRMSG_INIT;
        if (keepalived_tree_load(c->cli->args[i], &m, &c->trees[i]) != 0)
            return cli_fail(c->cli, "%s", m.text);
    }
    return CLI_OK;
}

static int import_pair(struct import_command *c)
{
    const char *const paths[] = {c->cli->args[0], c->cli->args[1]};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    const char *path = cli_option(c->cli, "out");
    struct errmsg m = ERRMSG_INIT;
    int err;
    if (out == NULL)
        return cli_fail(c->cli, "%s", err_text(ERR_NOMEM));
    err = import_translate(c->trees, paths, &c->options, out, c->cli->err);
    if (fclose(out) != 0)
        err = ERR_NOMEM;
    for (unsigned i = 0; i < IMPORT_SIDES; i++)
        import_report(c->trees[i], c->cli->err);
    if (err != 0)
        (void)errmsg_set(&m, err, "nothing was written");
    else
        err = draft_store(text, path, c->cli->out, c->cli->err, &m);
    free(text);
    if (err != 0)
        return cli_fail(c->cli, "%s", m.text);
    if (path != NULL)
        fprintf(c->cli->err,
                "\n%s is written. Look through it, then: tandem init --from %s --dir DIR\n", path,
                path);
    return CLI_OK;
}

static int import_one(struct import_command *c)
{
    (void)!import_look(c->trees[0], c->cli->args[0], &c->options, c->cli->err);
    import_report(c->trees[0], c->cli->err);
    return cli_fail(c->cli, "the other node's file is missing, so nothing was written");
}

int cmd_import(struct cli *cli)
{
    struct import_command *c;
    int status;
    if (cli->n_args < 1 || cli->n_args > IMPORT_SIDES)
        return cli_usage(cli, "give the keepalived.conf of both nodes");
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return cli_fail(cli, "%s", err_text(ERR_NOMEM));
    c->cli = cli;
    status = import_options_read(c);
    if (status == CLI_OK)
        status = import_load(c);
    if (status == CLI_OK)
        status = cli->n_args == 1 ? import_one(c) : import_pair(c);
    for (unsigned i = 0; i < IMPORT_SIDES; i++)
        keepalived_tree_free(c->trees[i]);
    free(c);
    return status;
}
