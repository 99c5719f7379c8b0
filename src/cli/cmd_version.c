/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "util/version.h"

int cmd_version(struct cli *cli)
{
    if (cli->n_args > 0)
        return cli_usage(cli, "unknown argument '%s'", cli->args[0]);
    fprintf(cli->out, "tandem %s\n", tandem_version());
    return CLI_OK;
}
