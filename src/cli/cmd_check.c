/* SPDX-License-Identifier: Apache-2.0 */
/* tandem check [--json] [--all] */
#include <string.h>

#include "cli/check_view.h"
#include "cli/cli_ask.h"

#define CHECK_FAULT_STATUS 2

static void check_note(const struct cli *cli, json_t *report, const char *why)
{
    (void)json_object_set_new(report, "agent", json_boolean(why == NULL));
    if (why == NULL || cli_option(cli, "json") != NULL)
        return;
    fprintf(cli->out,
            "No agent answers here (%s): only this host was looked at. Run it on each host before "
            "the agents start, and once more on one of them when they run.\n\n",
            why);
}

static void check_show(const struct cli_ask *ask, const json_t *report)
{
    const struct cli *cli = ask->cli;
    if (cli_option(cli, "json") != NULL) {
        (void)json_dumpf(report, cli->out, JSON_INDENT(2));
        fputc('\n', cli->out);
        return;
    }
    check_view_print(report, ask->config->nodes[ask->node].name, cli_option(cli, "all") != NULL,
                     cli->out);
}

static int check_all(const struct cli_ask *ask)
{
    const struct cli *cli = ask->cli;
    struct errmsg why = ERRMSG_INIT;
    json_t *report = NULL;
    json_t *local;
    int result = cli_ask_op_quietly(ask, "check", &why, &report);
    bool answers = result == CLI_OK;
    /* One of an earlier version does not know the question; it runs all the same. */
    bool runs = answers || result == CLI_FAILED;
    if (!answers)
        report = json_pack("{s:[]}", "nodes");
    local = cli->services->check_host(ask->config, ask->node, cli_config_path(cli), runs);
    if (local == NULL || report == NULL) {
        json_decref(report);
        json_decref(local);
        (void)cli_fail(cli, "%s", err_text(ERR_NOMEM));
        return CHECK_FAULT_STATUS;
    }
    check_note(cli, report, answers ? NULL : why.text);
    check_view_merge(report, local);
    (void)json_object_set_new(report, "node", json_string(ask->config->nodes[ask->node].name));
    (void)json_object_set_new(report, "worst", json_integer(check_view_worst(report)));
    check_show(ask, report);
    result = check_view_worst(report);
    json_decref(report);
    json_decref(local);
    return result;
}

int cmd_check(struct cli *cli)
{
    struct cli_ask ask;
    int result;
    if (cli->n_args > 0)
        return cli_usage(cli, "unknown argument '%s'", cli->args[0]);
    result = cli_ask_open(cli, &ask);
    /* A cluster file that is refused is the first fault of all. */
    result = result == CLI_OK ? check_all(&ask) : CHECK_FAULT_STATUS;
    cli_ask_close(&ask);
    return result;
}
