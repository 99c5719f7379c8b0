/* SPDX-License-Identifier: Apache-2.0 */
/* tandem explain [NODE] [--json] */
#include "cli/cli_ask.h"
#include "cli/explain_view.h"

static int explain_show(const struct cli *cli, const json_t *reply)
{
    if (cli_option(cli, "json") != NULL) {
        (void)json_dumpf(reply, cli->out, JSON_INDENT(2));
        fputc('\n', cli->out);
        return CLI_OK;
    }
    if (cli->n_args == 0) {
        explain_view_print(reply, cli->out);
        return CLI_OK;
    }
    if (explain_view_node(reply, cli->args[0], cli->out))
        return CLI_OK;
    return cli_usage(cli, "'%s' is no node of this cluster", cli->args[0]);
}

int cmd_explain(struct cli *cli)
{
    struct cli_ask ask;
    json_t *reply = NULL;
    int status;
    if (cli->n_args > 1)
        return cli_usage(cli, "unknown argument '%s'", cli->args[1]);
    status = cli_ask_open(cli, &ask);
    if (status == CLI_OK)
        status = cli_ask_op(&ask, "explain", &reply);
    if (status == CLI_OK)
        status = explain_show(cli, reply);
    json_decref(reply);
    cli_ask_close(&ask);
    return status;
}
