/* SPDX-License-Identifier: Apache-2.0 */
/* tandem pause */
#include "cli/cli_ask.h"

static bool pause_is_done(const json_t *status, const char *node, bool flag)
{
    (void)node;
    return json_member_is(status, "paused") == flag;
}

int cmd_pause(struct cli *cli)
{
    int status;
    if (cli->n_args > 0)
        return cli_usage(cli, "unknown argument '%s'", cli->args[0]);
    status = cli_ask_simple(cli, "pause", NULL, true, pause_is_done);
    if (status == CLI_OK)
        fputs("end it with: tandem resume\n", cli->out);
    return status;
}
