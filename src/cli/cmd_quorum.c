/* SPDX-License-Identifier: Apache-2.0 */
/* tandem quorum rebuild [--accept-data-loss] */
#include "cli/cli_ask.h"

#include <string.h>

int cmd_quorum(struct cli *cli)
{
    bool accepted = cli_option(cli, "accept-data-loss") != NULL;
    struct cli_ask ask;
    struct errmsg text = ERRMSG_INIT;
    int status;
    if (cli->n_args != 1 || strcmp(cli->args[0], "rebuild") != 0)
        return cli_usage(cli, "the one thing to do with it is: rebuild");
    status = cli_ask_open(cli, &ask);
    if (status == CLI_OK)
        status = cli_ask_rebuild(&ask, accepted, &text);
    if (status == CLI_OK)
        fprintf(cli->out,
                "%s\nafterwards:\n"
                "  tandem status                 # this node leads; an open writer, or none\n"
                "  tandem failover --to NODE --accept-data-loss   # if there is none\n"
                "  tandem node add NODE          # each other node, when its agent has come\n",
                text.text);
    cli_ask_close(&ask);
    return status;
}
