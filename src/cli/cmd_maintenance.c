/* SPDX-License-Identifier: Apache-2.0 */
/* tandem maintenance NODE on|off [--no-promote] */
#include "cli/cli_ask.h"

int cmd_maintenance(struct cli *cli)
{
    const char *kind = cli_option(cli, "no-promote") != NULL ? "no-promote" : "maintenance";
    bool on;
    int status;
    if (cli->n_args != 2)
        return cli_usage(cli, "say which node, and on or off");
    on = strcmp(cli->args[1], "on") == 0;
    if (!on && strcmp(cli->args[1], "off") != 0)
        return cli_usage(cli, "'%s' is neither on nor off", cli->args[1]);
    status = cli_ask_simple(cli, kind, cli->args[0], on);
    if (status == CLI_OK && on)
        fprintf(cli->out, "end it with: tandem maintenance %s off%s\n", cli->args[0],
                cli_option(cli, "no-promote") != NULL ? " --no-promote" : "");
    return status;
}
