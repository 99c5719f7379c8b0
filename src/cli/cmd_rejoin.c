/* SPDX-License-Identifier: Apache-2.0 */
/* tandem rejoin NODE [--discard] [--yes] */
#include <unistd.h>

#include "cli/cli_ask.h"

static bool rejoin_is_done(const json_t *status, const char *node, bool flag)
{
    const json_t *n = json_member_node(status, node);
    /* Cured already, or the order is on record. */
    return n != NULL && (json_member_is(n, flag ? "discard_ordered" : "rejoin_ordered") ||
                         (!json_member_is(n, "quarantined") &&
                          strcmp(json_member_text(n, "state", ""), "former") != 0));
}

/* True if the operator means it. */
static bool rejoin_confirmed(const struct cli *cli, const char *node)
{
    char answer[16];
    if (cli_option(cli, "yes") != NULL || !isatty(STDIN_FILENO))
        return true;
    fprintf(cli->out,
            "give up what only %s holds? It stays in that host's salvage directory and is nowhere "
            "else. Write yes: ",
            node);
    (void)fflush(cli->out);
    return fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "yes\n") == 0;
}

int cmd_rejoin(struct cli *cli)
{
    bool discard = cli_option(cli, "discard") != NULL;
    int status;
    if (cli->n_args != 1)
        return cli_usage(cli, "say which node");
    if (discard && !rejoin_confirmed(cli, cli->args[0]))
        return cli_fail(cli, "nothing was done");
    status = cli_ask_simple(cli, "rejoin", cli->args[0], discard, rejoin_is_done);
    if (status == CLI_OK)
        fputs("watch it with: tandem status\n", cli->out);
    return status;
}
