/* SPDX-License-Identifier: Apache-2.0 */
/* tandem repoint REPLICA --to NEW_SOURCE: puts a replica under another server, without agents. */
#include "cli/cli.h"
#include "cli/repoint_order.h"

#define REPOINT_WAIT_S 60

static int repoint_read(const struct cli *cli, struct repoint_order *o)
{
    const char *to = cli_option(cli, "to");
    int status;
    if (cli->n_args != 1 || to == NULL)
        return cli_usage(cli, "name one replica, as HOST or HOST:PORT, and its new source with "
                              "--to");
    status = adopt_order_place(cli, cli->args[0], strlen(cli->args[0]), &o->replica);
    if (status == CLI_OK)
        status = adopt_order_place(cli, to, strlen(to), &o->to);
    if (status == CLI_OK)
        status = adopt_order_seconds(cli, "wait", REPOINT_WAIT_S, &o->wait_s);
    if (status == CLI_OK)
        status = adopt_order_password(cli, o->password);
    o->user = adopt_order_user(cli);
    o->dry_run = cli_option(cli, "dry-run") != NULL;
    return status;
}

int cmd_repoint(struct cli *cli)
{
    struct repoint_order o = {.dry_run = false};
    int status = repoint_read(cli, &o);
    if (status == CLI_OK)
        status = cli->services->repoint(&o, cli->err) ? CLI_OK : CLI_FAILED;
    explicit_bzero(o.password, sizeof o.password);
    return status;
}
