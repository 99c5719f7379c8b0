/* SPDX-License-Identifier: Apache-2.0 */
/* tandem hold [--off]: the door of this host's server stays open while its agent starts for the
 * first time. */
#include "cli/cli.h"
#include "io/control/control_client.h"

#define HOLD_ASK_MS 2000

/* A lease that is changed under an agent is his business, and only his. */
static int hold_without_agent(const struct cli *cli, const struct config_node *n)
{
    struct errmsg m = ERRMSG_INIT;
    json_t *request = json_pack("{s:s}", "op", "status");
    json_t *reply = NULL;
    int err = control_client_ask(n->run_dir, request, HOLD_ASK_MS, &m, &reply);
    json_decref(request);
    json_decref(reply);
    if (err == ERR_NOTFOUND || err == ERR_REFUSED)
        return CLI_OK;
    return err == 0 ? cli_fail(cli, "an agent runs on this host, and keeps the lease itself")
                    : cli_fail(cli, "%s", m.text);
}

int cmd_hold(struct cli *cli)
{
    struct cluster_config *c = calloc(1, sizeof *c);
    bool off = cli_option(cli, "off") != NULL;
    struct errmsg m = ERRMSG_INIT;
    unsigned node;
    int status;
    if (c == NULL)
        return cli_fail(cli, "%s", err_text(ERR_NOMEM));
    status = cli->n_args > 0 ? cli_usage(cli, "unknown argument '%s'", cli->args[0])
                             : cli_config(cli, c);
    if (status == CLI_OK)
        status = cli_node(cli, c, &node);
    if (status == CLI_OK && c->nodes[node].role != CONFIG_ROLE_CANDIDATE)
        status = cli_fail(cli, "%s is no candidate: it cannot be the writer", c->nodes[node].name);
    if (status == CLI_OK)
        status = hold_without_agent(cli, &c->nodes[node]);
    if (status == CLI_OK && cli->services->hold(c, node, off, &m) != 0)
        status = cli_fail(cli, "%s", m.text);
    if (status == CLI_OK)
        fprintf(cli->out,
                off ? "the door of %s is open, and no lease is kept here any more\n"
                    : "%s keeps its clients until the agents have a leader; start its "
                      "agent soon, or: tandem hold --off\n",
                c->nodes[node].name);
    free(c);
    return status;
}
