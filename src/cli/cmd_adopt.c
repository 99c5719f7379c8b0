/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tandem adopt HOST[:PORT]...: the cluster file of a running topology, and what stands against
 * managing it; with --gtid: GTID is turned on in it.
 */
#include "cli/adopt_order.h"
#include "cli/cli.h"

#define ADOPT_WATCH_S 60
#define ADOPT_WAIT_S 60

static int adopt_places(const struct cli *cli, struct adopt_order *o)
{
    unsigned position = 0;
    const char *text;
    int status = CLI_OK;
    if (cli->n_args == 0)
        return cli_usage(cli, "name one server of the topology at least, as HOST or HOST:PORT");
    if (cli->n_args > NODES_MAX)
        return cli_usage(cli, "more than %d servers", NODES_MAX);
    for (int i = 0; status == CLI_OK && i < cli->n_args; i++)
        status =
            adopt_order_place(cli, cli->args[i], strlen(cli->args[i]), &o->seeds[o->n_seeds++]);
    while (status == CLI_OK && (text = cli_option_next(cli, "ignore", &position)) != NULL) {
        if (o->n_ignored == NODES_MAX)
            return cli_usage(cli, "--ignore: more than %d times", NODES_MAX);
        status = adopt_order_place(cli, text, strlen(text), &o->ignored[o->n_ignored++]);
    }
    text = cli_option(cli, "writer");
    if (status == CLI_OK && text != NULL)
        status = adopt_order_place(cli, text, strlen(text), &o->writer);
    return status;
}

/* HOST[:PORT]=NAME */
static int adopt_name(const struct cli *cli, const char *text, struct adopt_name *n)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals[1] == '\0' || strlen(equals + 1) >= sizeof n->name)
        return cli_usage(cli, "--name '%s': write HOST[:PORT]=NAME", text);
    (void)snprintf(n->name, sizeof n->name, "%s", equals + 1);
    return adopt_order_place(cli, text, (size_t)(equals - text), &n->place);
}

/* NAME=ADDRESS[:replica|:witness], an IPv6 address in brackets. */
static int adopt_extra(const struct cli *cli, const char *text, struct adopt_extra *x)
{
    const char *address = strchr(text, '=');
    const char *end;
    const char *role = "witness";
    size_t name = address != NULL ? (size_t)(address - text) : 0;
    size_t length;
    if (name == 0 || name >= sizeof x->name)
        return cli_usage(cli, "--node '%s': write NAME=ADDRESS[:replica|:witness]", text);
    address++;
    end = *address == '[' ? strchr(address, ']') : strchr(address, ':');
    length = end != NULL ? (size_t)(end - address) : strlen(address);
    if (*address == '[' && end != NULL) {
        address++;
        length--;
        end++;
    }
    if (end != NULL && *end == ':')
        role = end + 1;
    if (length == 0 || length >= sizeof x->address ||
        (strcmp(role, "witness") != 0 && strcmp(role, "replica") != 0))
        return cli_usage(cli, "--node '%s': write NAME=ADDRESS[:replica|:witness]", text);
    memcpy(x->name, text, name);
    memcpy(x->address, address, length);
    (void)snprintf(x->role, sizeof x->role, "%s", role);
    return CLI_OK;
}

static int adopt_nodes(const struct cli *cli, struct adopt_order *o)
{
    unsigned position = 0;
    const char *text;
    int status = CLI_OK;
    while (status == CLI_OK && (text = cli_option_next(cli, "name", &position)) != NULL)
        status = o->n_names == NODES_MAX ? cli_usage(cli, "--name: more than %d times", NODES_MAX)
                                         : adopt_name(cli, text, &o->names[o->n_names++]);
    position = 0;
    while (status == CLI_OK && (text = cli_option_next(cli, "node", &position)) != NULL)
        status = o->n_extra == NODES_MAX ? cli_usage(cli, "--node: more than %d times", NODES_MAX)
                                         : adopt_extra(cli, text, &o->extra[o->n_extra++]);
    position = 0;
    while (status == CLI_OK && (text = cli_option_next(cli, "vip", &position)) != NULL) {
        if (o->n_vips == VIPS_MAX || strchr(text, '@') == NULL)
            return cli_usage(cli, "--vip '%s': write ADDRESS/PREFIX@DEVICE[:LABEL]", text);
        o->vips[o->n_vips++] = text;
    }
    return status;
}

static int adopt_read(const struct cli *cli, struct adopt_order *o)
{
    int status = adopt_places(cli, o);
    if (status == CLI_OK)
        status = adopt_nodes(cli, o);
    if (status == CLI_OK)
        status = adopt_order_seconds(cli, "watch", ADOPT_WATCH_S, &o->watch_s);
    if (status == CLI_OK)
        status = adopt_order_seconds(cli, "wait", ADOPT_WAIT_S, &o->wait_s);
    if (status == CLI_OK)
        status = adopt_order_password(cli, o->password);
    o->user = adopt_order_user(cli);
    o->cluster = cli_option(cli, "cluster");
    o->out = cli_option(cli, "out");
    o->gtid = cli_option(cli, "gtid") != NULL;
    o->dry_run = cli_option(cli, "dry-run") != NULL;
    o->checked = cli_option(cli, "checked") != NULL;
    if (status == CLI_OK && !o->gtid && (o->dry_run || o->checked))
        status = cli_usage(cli, "--dry-run and --checked go with --gtid: without that nothing is "
                                "changed anyway");
    return status;
}

int cmd_adopt(struct cli *cli)
{
    struct adopt_order *o = calloc(1, sizeof *o);
    int status;
    if (o == NULL)
        return cli_fail(cli, "%s", err_text(ERR_NOMEM));
    status = adopt_read(cli, o);
    if (status == CLI_OK)
        status = cli->services->adopt(o, cli->out, cli->err) ? CLI_OK : CLI_FAILED;
    explicit_bzero(o->password, sizeof o->password);
    free(o);
    return status;
}
