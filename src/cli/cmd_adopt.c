/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tandem adopt HOST[:PORT]...: the cluster file of a running topology, and what stands against
 * managing it; with --gtid: GTID is turned on in it.
 */
#include <limits.h>

#include "cli/adopt_order.h"
#include "cli/cli.h"
#include "io/config/secret.h"

#define ADOPT_PORT 3306
#define ADOPT_USER "root"
#define ADOPT_WATCH_S 60
#define ADOPT_WAIT_S 60
#define ADOPT_SECONDS_MAX 86400

/* HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address. */
static int adopt_place(const struct cli *cli, const char *text, size_t n, struct adopt_place *p)
{
    const char *end = text + n;
    const char *host = text, *colon = NULL;
    size_t length = n;
    char *after = NULL;
    unsigned long port = ADOPT_PORT;
    if (n > 0 && text[0] == '[' && memchr(text, ']', n) != NULL) {
        const char *close = memchr(text, ']', n);
        host = text + 1;
        length = (size_t)(close - host);
        colon = close + 1 < end ? close + 1 : NULL;
    } else if (memchr(text, ':', n) != NULL && memchr(text, ':', n) == memrchr(text, ':', n)) {
        colon = memchr(text, ':', n);
        length = (size_t)(colon - text);
    }
    if (colon != NULL) {
        port = *colon == ':' && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &after, 10)
                                                                   : 0;
        if (after != end)
            port = 0;
    }
    if (length == 0 || length >= sizeof p->host || port == 0 || port > UINT16_MAX)
        return cli_usage(cli,
                         "'%.*s': write HOST or HOST:PORT, an IPv6 address with a port in "
                         "brackets",
                         (int)n, text);
    memcpy(p->host, host, length);
    p->host[length] = '\0';
    p->port = (uint16_t)port;
    return CLI_OK;
}

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
        status = adopt_place(cli, cli->args[i], strlen(cli->args[i]), &o->seeds[o->n_seeds++]);
    while (status == CLI_OK && (text = cli_option_next(cli, "ignore", &position)) != NULL) {
        if (o->n_ignored == NODES_MAX)
            return cli_usage(cli, "--ignore: more than %d times", NODES_MAX);
        status = adopt_place(cli, text, strlen(text), &o->ignored[o->n_ignored++]);
    }
    text = cli_option(cli, "writer");
    if (status == CLI_OK && text != NULL)
        status = adopt_place(cli, text, strlen(text), &o->writer);
    return status;
}

/* HOST[:PORT]=NAME */
static int adopt_name(const struct cli *cli, const char *text, struct adopt_name *n)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals[1] == '\0' || strlen(equals + 1) >= sizeof n->name)
        return cli_usage(cli, "--name '%s': write HOST[:PORT]=NAME", text);
    (void)snprintf(n->name, sizeof n->name, "%s", equals + 1);
    return adopt_place(cli, text, (size_t)(equals - text), &n->place);
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

static int adopt_seconds(const struct cli *cli, const char *name, unsigned standard, unsigned *ret)
{
    const char *text = cli_option(cli, name);
    char *end = NULL;
    unsigned long value;
    *ret = standard;
    if (text == NULL)
        return CLI_OK;
    value = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : ULONG_MAX;
    if (value > ADOPT_SECONDS_MAX || *end != '\0')
        return cli_usage(cli, "--%s '%s': allowed: 0 to %d seconds", name, text, ADOPT_SECONDS_MAX);
    *ret = (unsigned)value;
    return CLI_OK;
}

static int adopt_password(const struct cli *cli, struct adopt_order *o)
{
    const char *path = cli_option(cli, "password-file");
    struct errmsg m = ERRMSG_INIT;
    if (secret_read(path != NULL ? path : "", o->password, sizeof o->password, &m) != 0)
        return cli_fail(cli, "%s", m.text);
    return CLI_OK;
}

static int adopt_read(const struct cli *cli, struct adopt_order *o)
{
    int status = adopt_places(cli, o);
    if (status == CLI_OK)
        status = adopt_nodes(cli, o);
    if (status == CLI_OK)
        status = adopt_seconds(cli, "watch", ADOPT_WATCH_S, &o->watch_s);
    if (status == CLI_OK)
        status = adopt_seconds(cli, "wait", ADOPT_WAIT_S, &o->wait_s);
    if (status == CLI_OK)
        status = adopt_password(cli, o);
    o->user = cli_option(cli, "user") != NULL ? cli_option(cli, "user") : ADOPT_USER;
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
