/* SPDX-License-Identifier: Apache-2.0 */
/* tandem switchover [--to NODE] */
#include "cli/cli_ask.h"
#include "cli/follow.h"

#define SWITCHOVER_EXTRA_MS 30000 /* beyond the procedure: election, barrier, opening */

static int switchover_run(const struct cli_ask *ask, const char *to)
{
    struct errmsg text = ERRMSG_INIT;
    json_t *before = NULL;
    char from[NODE_NAME_MAX];
    int status = cli_ask_op(ask, "status", &before);
    if (status != CLI_OK)
        return status;
    (void)snprintf(from, sizeof from, "%s", json_member_text(before, "writer", ""));
    json_decref(before);
    status = cli_ask_command(ask, "switchover", to, false, &text);
    if (status != CLI_OK)
        return status;
    fprintf(ask->cli->out, "%s\n", text.text);
    return follow_change(ask, from, to != NULL ? to : "",
                         (int64_t)ask->config->policy.switchover_timeout_ms + SWITCHOVER_EXTRA_MS);
}

int cmd_switchover(struct cli *cli)
{
    struct cli_ask ask;
    int status;
    if (cli->n_args > 0)
        return cli_usage(cli, "unknown argument '%s'; name the node with --to NODE", cli->args[0]);
    status = cli_ask_open(cli, &ask);
    if (status == CLI_OK)
        status = switchover_run(&ask, cli_option(cli, "to"));
    cli_ask_close(&ask);
    return status;
}
