/* SPDX-License-Identifier: Apache-2.0 */
/* tandem salvage list [--json], show NAME [--json | --sql], restore NAME: what was saved on this
 * host. Only `restore` asks the agent for anything. */
#include "cli/cli_ask.h"
#include "cli/salvage_dir.h"
#include "cli/salvage_sql.h"
#include "cli/salvage_view.h"

static void print_json(const struct cli *cli, const json_t *value)
{
    (void)json_dumpf(value, cli->out, JSON_INDENT(2));
    fputc('\n', cli->out);
}

static int salvage_list(const struct cli *cli, const struct config_node *n)
{
    struct errmsg why = ERRMSG_INIT;
    json_t *list = salvage_dir_list(cli, n, &why);
    if (list == NULL)
        return cli_fail(cli, "%s", why.text);
    if (cli_option(cli, "json") != NULL)
        print_json(cli, list);
    else if (json_array_size(list) == 0)
        fprintf(cli->out, "nothing was ever salvaged on %s\n", n->name);
    else
        salvage_view_list(list, cli->out);
    json_decref(list);
    return CLI_OK;
}

static int salvage_show(const struct cli *cli, const struct config_node *n, const char *name)
{
    struct errmsg why = ERRMSG_INIT;
    bool sql = cli_option(cli, "sql") != NULL;
    json_t *salvage;
    int status = CLI_OK;
    if (sql && cli_option(cli, "json") != NULL)
        return cli_usage(cli, "--sql does not go with --json");
    salvage = salvage_dir_read(cli, n, name, &why);
    if (salvage == NULL)
        return cli_fail(cli, "%s", why.text);
    if (sql && !json_is_object(json_object_get(salvage, "manifest")))
        status =
            cli_fail(cli, "%s has no manifest: it is unfinished, and nothing was cut for it", name);
    else if (sql)
        status = salvage_sql_print(cli, salvage, cli_option(cli, "binlog-program"));
    else if (cli_option(cli, "json") != NULL)
        print_json(cli, salvage);
    else
        salvage_view_one(salvage, cli->out);
    json_decref(salvage);
    return status;
}

/* An agent that looks after its server would start it, and cut again before. Whatever it does
 * meanwhile, it cannot be between the copy and the rename: the server is locked out then. */
static int agent_stands_back(const struct cli_ask *ask)
{
    struct errmsg why = ERRMSG_INIT;
    const char *name = ask->config->nodes[ask->node].name;
    json_t *status = NULL;
    int result = cli_ask_op_quietly(ask, "status", &why, &status);
    bool maintenance = json_member_is(json_member_node(status, name), "maintenance");
    json_decref(status);
    if (result == CLI_NO_AGENT || (result == CLI_OK && maintenance))
        return CLI_OK;
    if (result != CLI_OK)
        return cli_fail(ask->cli, "%s", why.text);
    return cli_fail(ask->cli,
                    "the agent of this host would start the server, and cut its binlog again: "
                    "first `tandem maintenance %s on`, or stop the agent",
                    name);
}

static int salvage_restore(const struct cli *cli, const struct cli_ask *ask, const char *name)
{
    const struct config_node *n = &ask->config->nodes[ask->node];
    struct errmsg text = ERRMSG_INIT;
    json_t *salvage = salvage_dir_read(cli, n, name, &text);
    int status;
    if (salvage == NULL)
        return cli_fail(cli, "%s", text.text);
    if (!json_member_is(salvage, "restorable"))
        status = cli_fail(cli, "%s. Nothing was changed",
                          json_member_text(salvage, "why_not", "it cannot be restored"));
    else
        status = agent_stands_back(ask);
    if (status == CLI_OK &&
        cli->services->salvage_restore(n, json_member_text(salvage, "path", ""), &text) != 0)
        status = cli_fail(cli, "%s", text.text);
    json_decref(salvage);
    if (status != CLI_OK)
        return status;
    fprintf(cli->out,
            "%s.\nWhen the server of %s is started now, its recovery commits those transactions. "
            "The writer has not got them, so the node is quarantined when its agent compares the "
            "two; an agent that starts the server itself cuts them again.\n",
            text.text, n->name);
    return CLI_OK;
}

static int salvage_do(struct cli *cli, const struct cli_ask *ask)
{
    const struct config_node *n = &ask->config->nodes[ask->node];
    const char *word = cli->args[0];
    if (!config_node_has_mysql(ask->config, ask->node))
        return cli_fail(cli, "this node is a witness, it has no server");
    if (strcmp(word, "list") == 0)
        return salvage_list(cli, n);
    if (strcmp(word, "show") == 0)
        return salvage_show(cli, n, cli->args[1]);
    return salvage_restore(cli, ask, cli->args[1]);
}

int cmd_salvage(struct cli *cli)
{
    const char *word = cli->n_args > 0 ? cli->args[0] : "";
    bool one = strcmp(word, "show") == 0 || strcmp(word, "restore") == 0;
    struct cli_ask ask;
    int status;
    if (!one && strcmp(word, "list") != 0)
        return cli_usage(cli, "say what to do: list, show NAME or restore NAME");
    if (cli->n_args != (one ? 2 : 1))
        return cli_usage(cli, one ? "'%s' needs the name of one salvage" : "'%s' takes no name",
                         word);
    status = cli_ask_open(cli, &ask);
    if (status == CLI_OK)
        status = salvage_do(cli, &ask);
    cli_ask_close(&ask);
    return status;
}
