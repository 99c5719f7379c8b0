/* SPDX-License-Identifier: Apache-2.0 */
/* tandem resume */
#include "cli/cli_ask.h"

static bool resume_is_done(const json_t *status, const char *node, bool flag)
{
    (void)node;
    return json_member_is(status, "paused") == flag;
}

int cmd_resume(struct cli *cli)
{
    if (cli->n_args > 0)
        return cli_usage(cli, "unknown argument '%s'", cli->args[0]);
    return cli_ask_simple(cli, "resume", NULL, false, resume_is_done);
}
