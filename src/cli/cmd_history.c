/* SPDX-License-Identifier: Apache-2.0 */
/* tandem history [N] [--json] */
#include "cli/cli_ask.h"
#include "cli/history_view.h"

#define HISTORY_DEFAULT 5

int cmd_history(struct cli *cli)
{
    unsigned long long count = HISTORY_DEFAULT;
    struct cli_ask ask;
    json_t *reply = NULL;
    char *end = NULL;
    int status;
    if (cli->n_args > 1)
        return cli_usage(cli, "unknown argument '%s'", cli->args[1]);
    if (cli->n_args == 1) {
        count = strtoull(cli->args[0], &end, 10);
        if (end == cli->args[0] || *end != '\0' || count == 0)
            return cli_usage(cli, "'%s' is not the number of events to show", cli->args[0]);
    }
    status = cli_ask_open(cli, &ask);
    if (status == CLI_OK)
        status = cli_ask_op(&ask, "history", &reply);
    if (status == CLI_OK && cli_option(cli, "json") != NULL) {
        (void)json_dumpf(reply, cli->out, JSON_INDENT(2));
        fputc('\n', cli->out);
    } else if (status == CLI_OK) {
        history_view_print(reply, (size_t)count, cli->out);
    }
    json_decref(reply);
    cli_ask_close(&ask);
    return status;
}
