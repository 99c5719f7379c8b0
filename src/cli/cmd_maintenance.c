/* SPDX-License-Identifier: Apache-2.0 */
/* tandem maintenance NODE on|off [--no-promote | --data-replaced] */
#include "cli/cli_ask.h"

static bool maintenance_is_done(const json_t *status, const char *node, bool flag)
{
    return json_member_is(json_member_node(status, node), "maintenance") == flag;
}

static bool no_promote_is_done(const json_t *status, const char *node, bool flag)
{
    return json_member_is(json_member_node(status, node), "no_promote_ordered") == flag;
}

static const char *maintenance_kind(const struct cli *cli)
{
    if (cli_option(cli, "data-replaced") != NULL)
        return "data-replaced";
    return cli_option(cli, "no-promote") == NULL ? "maintenance" : "no-promote";
}

int cmd_maintenance(struct cli *cli)
{
    bool promote = cli_option(cli, "no-promote") == NULL;
    bool replaced = cli_option(cli, "data-replaced") != NULL;
    bool on;
    int status;
    if (cli->n_args != 2)
        return cli_usage(cli, "say which node, and on or off");
    on = strcmp(cli->args[1], "on") == 0;
    if (!on && strcmp(cli->args[1], "off") != 0)
        return cli_usage(cli, "'%s' is neither on nor off", cli->args[1]);
    if (replaced && (on || !promote))
        return cli_usage(cli, "--data-replaced goes with off, and with nothing else");
    status = cli_ask_simple(cli, maintenance_kind(cli), cli->args[0], on,
                            promote ? maintenance_is_done : no_promote_is_done);
    if (status == CLI_OK && on)
        fprintf(cli->out, "end it with: tandem maintenance %s off%s\n", cli->args[0],
                promote ? "" : " --no-promote");
    return status;
}
