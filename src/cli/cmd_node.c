/* SPDX-License-Identifier: Apache-2.0 */
/* tandem node add|remove NAME */
#include "cli/cli_ask.h"

#include <string.h>

static bool is_member(const json_t *status, const char *node, bool flag)
{
    const json_t *n = json_member_node(status, node);
    return n != NULL && json_member_is(n, "member") == flag;
}

int cmd_node(struct cli *cli)
{
    bool add;
    int status;
    if (cli->n_args != 2)
        return cli_usage(cli, "say add or remove, and which node");
    add = strcmp(cli->args[0], "add") == 0;
    if (!add && strcmp(cli->args[0], "remove") != 0)
        return cli_usage(cli, "'%s' is neither add nor remove", cli->args[0]);
    status = cli_ask_simple(cli, add ? "node-add" : "node-remove", cli->args[1], add, is_member);
    if (status == CLI_OK && !add)
        fprintf(cli->out,
                "stop its agent now: systemctl disable --now tandem. Another host may take its "
                "place: `install.sh --join` there, then: tandem node add %s\n",
                cli->args[1]);
    return status;
}
